"""Tags and notes: nothing is lost, nobody overwrites anybody, and what is in the way is said in a sentence."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.artifacts import ROOT
from core.errors import ArtifactError, DataError, DetectorError, ResourceError
from dashboard.reading import annotations
from dashboard.reading.annotations import TAGS, read_annotations, save
from tests.support.annotations import saved_versions

NOTES = 100  # per writer
WRITER = f"""
import sys
from pathlib import Path
from dashboard.reading.annotations import save
for number in range(int(sys.argv[3])):
    save(Path(sys.argv[1]), f"clip {{number % {NOTES}}}", sys.argv[2], (), f"note {{number}}", ())
    print(number, flush=True)
"""
NOBODY = 65534  # a user without rights


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "annotations.sqlite"


def writer(file: Path, who: str, notes: int = NOTES) -> "subprocess.Popen[str]":
    """Start a process that saves notes and prints the number of each once it is kept."""
    command = [sys.executable, "-c", WRITER, str(file), who, str(notes)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_before_anything_is_said_there_is_nothing_and_no_file(file: Path) -> None:
    assert read_annotations(file) == ()
    assert not file.exists()


def test_what_was_said_is_there_again_letter_by_letter(file: Path) -> None:
    note = "he said: 'drop'; -- <b>ä</b>\n\"=1+1\" \N{MUSICAL SYMBOL G CLEF}"
    saved = save(file, "a/b 'c'.wav", "  Ana\tB. ", ("speech", "checked"), f" {note}\n", ())
    assert read_annotations(file) == (saved,)
    assert (saved.path, saved.who, saved.tags, saved.note) == ("a/b 'c'.wav", "Ana B.", ("speech", "checked"), note)
    assert saved.made.endswith("+00:00")


def test_a_name_that_is_not_utf_8_is_a_clip_like_any_other(file: Path) -> None:
    path = os.fsdecode(b"caf\xe9.wav")
    save(file, path, "", ("speech",), "", ())
    assert read_annotations(file)[0].path == path
    assert len(saved_versions(file, path)) == 1


def test_a_later_save_takes_the_place_of_the_one_it_was_made_from_and_keeps_it_as_history(file: Path) -> None:
    first = save(file, "a", "", ("speech",), "", ())
    second = save(file, "a", "", ("speech",), "more", (first.version,))
    assert read_annotations(file) == (second,)
    assert saved_versions(file, "a") == [first.version, second.version]


def test_two_people_who_start_from_the_same_words_both_keep_theirs(file: Path) -> None:
    first = save(file, "a", "", (), "seen by both", ())
    ours, theirs = (save(file, "a", "", (), note, (first.version,)) for note in ("ours", "theirs"))
    assert read_annotations(file) == (ours, theirs)
    joined = save(file, "a", "", (), "ours and theirs", (ours.version, theirs.version))
    assert read_annotations(file) == (joined,)
    assert len(saved_versions(file, "a")) == 4


def test_people_with_names_stand_beside_each_other(file: Path) -> None:
    for who in ("Ana", "Ben"):
        save(file, "a", who, ("sounds AI",), "", ())
    assert [annotation.who for annotation in read_annotations(file)] == ["Ana", "Ben"]


def test_taking_everything_back_leaves_an_empty_word(file: Path) -> None:
    first = save(file, "a", "", ("speech",), "x", ())
    assert not first.empty
    assert save(file, "a", "", (), "  ", (first.version,)).empty


@pytest.mark.parametrize(
    ("who", "tags", "note"),
    [("", ("other",), ""), ("n" * 61, (), ""), ("", (), "n" * 2001)],
    ids=["unknown tag", "long name", "long note"],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    file: Path, who: str, tags: tuple[str, ...], note: str
) -> None:
    with pytest.raises(DataError):
        save(file, "a", who, tags, note, ())
    assert not file.exists()
    save(file, "a", "n" * 60, TAGS, "n" * 2000, ())


def test_two_processes_and_two_threads_lose_nothing(file: Path) -> None:
    def write(who: str) -> None:
        for number in range(NOTES):
            save(file, f"clip {number}", who, (), f"note {number}", ())

    processes = [writer(file, who) for who in ("Ana", "Ben")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, ("Cem", "Dora")))
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == ["", ""]
    kept = read_annotations(file)
    for who in ("Ana", "Ben", "Cem", "Dora"):
        assert {annotation.note for annotation in kept if annotation.who == who} == {
            f"note {number}" for number in range(NOTES)
        }
    assert len(kept) == 4 * NOTES


def test_a_writer_killed_at_work_leaves_all_it_had_kept(file: Path) -> None:
    process = writer(file, "Ana", notes=100_000)
    assert process.stdout
    printed = [process.stdout.readline() for _ in range(20)]
    process.kill()
    rest, _ = process.communicate(timeout=10)
    kept = max(map(int, "".join([*printed, rest]).split()))
    assert {f"note {number}" for number in range(kept + 1)} <= {
        annotation.note for annotation in read_annotations(file)
    }
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    save(file, "after", "", ("checked",), "", ())


@pytest.mark.parametrize(
    "rubbish", [b"this is no database, whatever its name says" * 40, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_named_and_left_as_it_is(file: Path, rubbish: bytes) -> None:
    file.write_bytes(rubbish)
    for attempt in (lambda: read_annotations(file), lambda: save(file, "a", "", ("speech",), "", ())):
        with pytest.raises(ArtifactError, match=r"annotations\.sqlite: damaged.*left as it is.*mv '"):
            attempt()
    assert file.read_bytes() == rubbish


def test_a_page_damaged_in_the_middle_is_a_sentence_too(file: Path) -> None:
    for number in range(20):
        save(file, f"clip {number}", "", (), "n" * 2000, ())
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    with pytest.raises(DetectorError, match="damaged"):
        read_annotations(file)


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 7", "CREATE TABLE theirs (x)"])
def test_a_file_of_another_program_or_version_is_not_touched(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.close()
    before = file.read_bytes()
    for attempt in (lambda: read_annotations(file), lambda: save(file, "a", "", ("speech",), "", ())):
        with pytest.raises(ArtifactError, match="another version"):
            attempt()
    assert file.read_bytes() == before


def test_a_writer_that_never_ends_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save(file, "a", "", ("speech",), "", ())
    monkeypatch.setattr(annotations, "PATIENCE", 0.1)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ResourceError, match="another program"):
        save(file, "a", "", (), "", (saved.version,))
    assert read_annotations(file) == (saved,)  # readers wait for nobody
    other.close()


@pytest.fixture
def locked() -> Iterator[Path]:
    """Return a folder that this process may read but not write to, with the rights of an ordinary user."""
    folder = Path(tempfile.mkdtemp())
    rights = os.geteuid()
    yield folder
    if rights == 0:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def lock(folder: Path) -> None:
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


@pytest.mark.skipif(sys.platform == "win32", reason="folders there have no such rights")
def test_a_folder_that_may_not_be_written_to_can_be_read_and_says_so(locked: Path) -> None:
    file = locked / "annotations.sqlite"
    saved = save(file, "a", "", ("speech",), "", ())
    lock(locked)
    assert read_annotations(file) == (saved,)
    with pytest.raises(ResourceError, match=r"annotations\.sqlite: cannot be opened or written"):
        save(file, "b", "", ("speech",), "", ())
    with pytest.raises(ResourceError, match="cannot be opened or written"):
        save(locked / "new.sqlite", "b", "", ("speech",), "", ())
