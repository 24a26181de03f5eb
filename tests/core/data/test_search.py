"""One search for training, judging and cutting: what it takes, and what it says of everything else.

Each of the three is asked about the same tree, in which everything lies that was once passed over without a word, or
searched though it was hidden.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.artifacts import SKIPPED_COLUMNS, Run
from core.config import SplitConfig
from core.data.places import folders
from core.data.search import Rest, check_holds_sound, search
from core.errors import DataError
from core.pipeline import execute
from core.storage import read_csv
from scripts import segment
from scripts.detect import command as detect
from tests.conftest import small_config
from tests.support.hostile_audio import encode

RATE = 16_000
LATIN_1 = os.fsdecode(b"\xfcber.wav")  # a name that is not UTF-8
TAKEN = {"a.wav", "B.FLAC", LATIN_1, "deep/c.OGG", "named.wav/d.wav", "e.wav", "to a file.wav"}
PASSED = {
    ".Trash-1000": "hidden_folder",
    ".git": "hidden_folder",
    "deep/.stversions": "hidden_folder",
    ".hidden.mp3": "hidden_file",
    "to a folder": "folder_link",
    "round": "folder_link",
    "closed": "unreadable_folder",
    "old.m4a": "type_not_accepted",
    "deep/Old.M4A": "type_not_accepted",
    "old.wma": "type_not_accepted",
}
SENTENCE = (
    "Passed over: 3 hidden folders, 2 links to folders, 2 M4A files, 1 hidden file, 1 WMA file, "
    "1 folder that cannot be read, 3 of other kinds (1 JPG, 1 TXT, 1 without a suffix)"
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of seven songs, and of all else that lies in folders of songs."""
    folder = tmp_path / "songs"
    buried = (".Trash-1000/deleted.wav", ".git/annex/x.wav", "deep/.stversions/old.wav", "closed/secret.wav")
    outside = ("../elsewhere/other.wav",)
    for seed, name in enumerate(sorted({*TAKEN, *buried, *outside} - {"to a file.wav"})):
        put(folder / name, seed)
    for name in (".hidden.mp3", "old.m4a", "deep/Old.M4A", "old.wma", "cover.jpg", "deep/list.TXT", ".DS_Store"):
        (folder / name).write_bytes(b"not read")
    (folder / "to a file.wav").symlink_to(tmp_path / "elsewhere" / "other.wav")
    (folder / "to a folder").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder)
    close(folder / "closed", monkeypatch)
    return folder


def put(path: Path, seed: int) -> None:
    """Write five seconds of a noise of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    container = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}[path.suffix.lower()]
    noise = 0.1 * np.random.default_rng(seed).standard_normal((5 * RATE, 1))
    path.write_bytes(encode(noise, container, "VORBIS" if container == "OGG" else "PCM_16", RATE))


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system refuse to list a folder, as it does not do for root whatever its permissions say."""
    listed = os.scandir

    def refused(path: str | Path = ".") -> "Iterator[os.DirEntry[str]]":
        if Path(path).resolve() == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)


def codes(rest: Rest, folder: Path) -> dict[str, str]:
    assert len({row.path for row in rest.passed}) == len(rest.passed)
    return {row.path.relative_to(folder).as_posix(): row.code for row in rest.passed}


def test_each_file_is_taken_or_told_with_its_reason(tree: Path) -> None:
    inside = search(tree)
    assert [path.relative_to(tree).as_posix() for path in inside.files] == sorted(TAKEN, key=Path)
    assert codes(inside.rest, tree) == PASSED
    assert inside.rest.sentence() == SENTENCE
    told = "\n".join(inside.rest.lines())
    assert f"link to the folder {tree.parent / 'elsewhere'}, which is not followed" in told
    assert "closed: cannot be read (Permission denied). Check its permissions" in told
    assert "is of type M4A, which is not read. Convert it, for instance: ffmpeg -i NAME.m4a NAME.flac" in told


def test_training_lists_what_it_passed_over(tree: Path, tmp_path: Path) -> None:
    for seed in range(100, 106):
        put(tmp_path / "machine" / f"{seed}.wav", seed)
    place, run = folders(tree, tmp_path / "machine"), Run(tmp_path / "run")
    human = {clip.name for clip in place.candidates(SplitConfig()) if clip.label == 0}
    assert human == {f"songs/{name}" for name in TAKEN}
    execute(run, small_config(), place, only=["prepare"])
    rows = read_csv(run.skipped_table, SKIPPED_COLUMNS, "")
    assert {row["path"]: row["reason"] for row in rows} == {f"songs/{name}": code for name, code in PASSED.items()}
    assert {clip.path for clip in run.read_clips() if clip.label == 0} == human
    record = run.read_record("prepare")
    assert record
    assert SENTENCE in record.notes


def test_a_listing_changes_with_what_is_passed_over_but_not_with_files_of_other_kinds(
    tree: Path, tmp_path: Path
) -> None:
    put(tmp_path / "machine" / "a.wav", 100)
    place = folders(tree, tmp_path / "machine")
    before = place.listing(SplitConfig()).fingerprint
    (tree / "Thumbs.db").touch()
    assert place.listing(SplitConfig()).fingerprint == before
    (tree / "new.m4a").touch()
    assert place.listing(SplitConfig()).fingerprint != before


def test_detect_takes_the_same_and_each_file_once_however_its_folder_is_spelled(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "again").symlink_to(tree)
    monkeypatch.chdir(tree)
    spelled = [str(tree), ".", str(tree / "deep"), str(tmp_path / "again"), str(tmp_path / "again" / "a.wav")]
    for paths in (spelled[:1], spelled, [*spelled, f"{tmp_path}/*gs/*.wav"]):
        inside = detect.find(paths)
        assert [path.relative_to(tree).as_posix() for path in inside.files] == sorted(TAKEN, key=Path)
        assert codes(inside.rest, tree) == PASSED
        assert inside.rest.sentence() == SENTENCE


def test_cutting_lists_what_it_passed_over(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tree / "clips"
    for _ in range(2):  # the second time the clips are there, and are not searched for songs
        segment.main([str(tree), str(out)])
        said = capsys.readouterr()
        assert SENTENCE in said.out
        assert said.err.count("passed over ") == len(PASSED)
        with (out / "skipped.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = {row["path"]: row["reason"].partition(":")[0] for row in csv.DictReader(file)}
        assert rows == {str(tree / name): code for name, code in PASSED.items()}
    assert len([*out.rglob("*.flac")]) == len(TAKEN)


def test_a_folder_is_searched_that_is_named_though_it_is_hidden_or_a_link(tree: Path) -> None:
    assert [path.name for path in search(tree / ".Trash-1000").files] == ["deleted.wav"]
    assert [path.name for path in search(tree / "to a folder").files] == ["other.wav"]


def test_a_folder_without_sound_says_what_it_holds_instead(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "one.m4a").touch()
    with pytest.raises(DataError, match=r"it holds no audio file \(passed over: 1 M4A file\)"):
        check_holds_sound(tmp_path / "converted", search(tmp_path / "converted"))
    with pytest.raises(DataError, match=r"closed: cannot be read \(Permission denied\)"):
        check_holds_sound(tree / "closed", search(tree / "closed"))
