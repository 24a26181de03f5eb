"""The command: every file is answered exactly once, whatever the file is and whenever the scan is killed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import errors
from core.artifacts import DETECTORS, ROOT, Run
from core.data.places import Place
from core.errors import DataError
from core.verdict.judge import failure
from core.verdict.rule import read_rule
from core.verdict.run import run_facts
from scripts.detect import command as detect
from scripts.detect import engine
from scripts.detect.log import Log, key_of
from tests.support import scan_workers

MARKS = ("● human", "◆ AI", "? uncertain", "– out of scope")


@pytest.fixture
def clips(demo_place: Place, tmp_path: Path) -> Path:
    """Return a folder of four clips in two folders, a text file and a hidden file."""
    folder = tmp_path / "My Songs [2024]"
    for number, path in enumerate(sorted(demo_place.root.rglob("*.wav"))[::12]):
        place = folder / ("deeper" if number % 2 else ".") / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    (folder / "notes.txt").write_text("no sound")
    (folder / ".hidden.wav").write_bytes(b"no sound")
    return folder


@pytest.fixture(autouse=True)
def artifacts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "finished" in request.fixturenames:
        monkeypatch.setenv("SMD_ARTIFACTS", str(request.getfixturevalue("finished").folder.parent))


def run_detect(*arguments: object) -> int:
    return detect.main([*map(str, arguments), "--run", "finished", "--jobs", "1"])


# Which files


def test_folders_and_globs_stand_for_their_sound_files_each_once(clips: Path) -> None:
    (clips / "a folder.wav").mkdir()
    names = ["0.wav", "2.wav", "deeper/1.wav", "deeper/3.wav"]
    assert [path.relative_to(clips).as_posix() for path in detect.find([str(clips)]).files] == names
    again = detect.find([str(clips / "2.wav"), str(clips), str(clips / "deeper" / ".." / "2.wav")]).files
    assert [path.name for path in again] == ["2.wav", "0.wav", "1.wav", "3.wav"]
    assert [path.name for path in detect.find([f"{clips.parent}/*/*.txt"]).files] == ["notes.txt"]


def test_a_name_with_brackets_is_a_name_and_not_a_glob(tmp_path: Path) -> None:
    path = tmp_path / "song [1].wav"
    path.touch()
    assert detect.find([str(path)]).files == (path,)


@pytest.mark.parametrize("argument", ["*.flac", ".", ""])
def test_nothing_to_judge_is_said_in_a_sentence(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_detect(argument) == detect.USAGE
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert not said.out


@pytest.mark.parametrize("option", ["--csv", "--json", "--resume"])
def test_a_slip_of_the_key_makes_no_folders(
    option: str, finished: Run, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_detect(clips, option, tmp_path / "nowhere" / "answers") == detect.USAGE
    assert "its folder does not exist" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_line_says_what_is_wrong_with_a_sound_that_was_answered(finished: Run, clips: Path) -> None:
    answer = {"call": "ai", "probability": 0.99, "seconds": 2.4, "windows": [1], "counted": 1}
    cut = detect.row(clips, {**answer, "scope": {"reason": ""}, "warnings": ["truncated"]})
    assert cut[-1].endswith(": truncated")


# What comes out


def test_a_probability_stands_beside_the_limits_that_it_was_judged_by_on_one_scale(
    finished: Run, clips: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_detect(clips, "--csv", tmp_path / "out.csv", "--json", tmp_path / "out.json")
    band = read_rule(finished, finished.read_results())
    band = band.models[band.detector].band
    answers = json.loads((tmp_path / "out.json").read_text())
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(answers) == 4, (rows, [a["file"] for a in answers])
    for row, answer, line in zip(rows, answers, capsys.readouterr().out.splitlines()[1:], strict=True):
        assert row["scale"] == answer["scale"] == "calibrated"
        assert answer["limit_human"] == (band.low if band.low > 0 else None)
        assert answer["limit_ai"] == (band.high if band.high <= 1 else None)
        assert row["limit_ai"] == (f"{band.high:.6f}" if band.high <= 1 else "")
        if answer["call"] == "ai":
            assert answer["probability"] >= answer["limit_ai"]
            assert f"{answer['limit_ai']:.3g}" in line
        if answer["call"] == "human":
            assert answer["probability"] < answer["limit_human"]


def test_every_file_is_a_row_and_a_bad_one_a_row_with_its_reason(
    finished: Run, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "broken.wav").write_bytes(b"RIFF")
    assert run_detect(clips, clips / "missing.mp3") == detect.FAILED  # in a folder whose name has brackets
    rows = capsys.readouterr().out.splitlines()[1:]
    assert len(rows) == 6
    assert sum(row.startswith(MARKS) for row in rows) == 4
    assert [row for row in rows if "broken.wav: is not a sound file" in row]
    assert rows[-1].startswith(detect.NOT_ANSWERED)
    assert rows[-1].endswith("missing.mp3: does not exist")
    (clips / "broken.wav").unlink()
    assert run_detect(clips) == detect.ANSWERED
    assert "run finished answers, a run of your own" in capsys.readouterr().err


def test_what_a_folder_holds_and_no_one_reads_is_a_row_but_what_is_hidden_is_only_told(
    finished: Run, clips: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (clips / ".Trash-1000").mkdir()
    shutil.copy(clips / "0.wav", clips / ".Trash-1000" / "deleted.wav")
    (clips / "round").symlink_to(clips)
    assert run_detect(clips) == detect.ANSWERED
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 5
    told = "Passed over: 1 link to a folder, 1 hidden file, 1 hidden folder, 1 of other kinds (1 TXT)\n"
    assert said.err.endswith(told)
    assert f"passed over {clips / 'round'}: is a link to the folder {clips}, which is not followed" in said.err

    (clips / "new.M4A").touch()
    table, answers = tmp_path / "answers.csv", tmp_path / "answers.json"
    assert run_detect(clips, "--csv", table, "--json", answers) == detect.FAILED
    assert "1 M4A file" in capsys.readouterr().err
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["verdict"], row["reason"]) for row in rows if row["verdict"] == "not answered"] == [
        ("not answered", "type_not_accepted: is of type M4A, which is not read")
    ]
    (error,) = [answer["error"] for answer in json.loads(answers.read_text()) if "error" in answer]
    assert error["remedy"] == "Convert it, for instance: ffmpeg -i NAME.M4A NAME.flac"
    (tmp_path / "only").mkdir()
    (clips / "new.M4A").rename(tmp_path / "only" / "new.m4a")
    assert run_detect(tmp_path / "only") == detect.FAILED
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()][1:] == [detect.NOT_ANSWERED]


def test_the_json_is_the_same_every_time_and_in_a_file(
    finished: Run, clips: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_detect(clips, "--json", "-") == detect.ANSWERED
    first = capsys.readouterr().out
    assert run_detect(clips, "--json", tmp_path / "out.json") == detect.ANSWERED
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == first
    answers = json.loads(first)
    assert [Path(answer["file"]).name for answer in answers] == ["0.wav", "2.wav", "1.wav", "3.wav"]
    for answer in answers:
        assert set(answer["by_detector"]) == set(answer["windows"][0]["probabilities"]) == set(DETECTORS)
        assert answer["run"]["name"] == "finished"
        assert answer["limits"]


def test_no_cell_of_the_csv_is_calculated(
    finished: Run, clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(clips)
    (clips / "0.wav").rename(clips / "=HYPERLINK(1)\x1b[31m.wav")
    run_detect("=HYPERLINK(1)\x1b[31m.wav", "2.wav", "@none.wav", "--csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["'=HYPERLINK(1)\\u001b[31m.wav", "2.wav", "'@none.wav"]
    assert [row["verdict"] for row in rows][2] == "not answered"
    assert rows[2]["reason"] == "path: does not exist"
    assert all(0 <= float(row[name]) <= 1 for row in rows[:2] for name in ("probability_ai", *DETECTORS))


def test_a_file_out_of_scope_shows_no_probability() -> None:
    scope = {"reason": "it is as random as noise"}
    facts = {"probability": 0.97, "seconds": 5.0, "windows": [{}, {}, {}], "warnings": [], "scope": scope}
    row = detect.row(Path("a.wav"), {**facts, "call": "out_of_scope", "counted": 0})
    assert row == ("– out of scope", "", "–", "–", "5.0", "a.wav: it is as random as noise")


def test_a_row_says_how_many_windows_were_left_out() -> None:
    facts = {
        "call": "ai",
        "probability": 0.97,
        "seconds": 10.0,
        "windows": [{}, {}, {}],
        "warnings": [],
        "scope": {"reason": ""},
    }
    assert detect.row(Path("a.wav"), {**facts, "counted": 2})[-1] == "a.wav: 1 of 3 windows left out"
    assert detect.row(Path("a.wav"), {**facts, "counted": 3})[-1] == "a.wav"


def test_long_files_travel_alone_and_short_ones_together(tmp_path: Path) -> None:
    sizes = [10] * 20 + [2**24, 10, 10]
    paths = [tmp_path / f"{number}.wav" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.touch()
        os.truncate(path, size)
    bundles = list(engine.bundles([*paths, tmp_path / "missing.wav"]))
    assert [len(bundle) for bundle in bundles] == [8, 8, 4, 1, 3]
    assert [path for bundle in bundles for path in bundle][:-1] == paths


def test_json_and_csv_are_not_mixed_on_one_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        detect.main(["a.wav", "--json", "-", "--csv", "-"])
    assert stopped.value.code == detect.USAGE


def test_a_missing_run_is_said_in_a_sentence(clips: Path, finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert detect.main([str(clips), "--run", "nowhere"]) == detect.USAGE
    assert "scripts.pipeline run" in capsys.readouterr().err


def test_ctrl_c_ends_it_with_a_sentence(
    finished: Run, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(detect, "scan", stop)
    assert run_detect(clips) == detect.INTERRUPTED
    assert "--resume" in capsys.readouterr().err


# Going on


def test_a_killed_scan_goes_on_and_answers_every_file_once(
    finished: Run, demo_place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed with two processes at work, finished with none but this one: the answers are those of one scan."""
    log, files = tmp_path / "scan.jsonl", sorted(demo_place.root.rglob("*.wav"))
    command = [sys.executable, "-m", "scripts.detect", *map(str, files), "--run", "finished", "--resume", str(log)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, "--jobs", "2"], cwd=ROOT, **quiet)
    workers = wait_for(lambda: children(process.pid) if lines(log) >= 3 else None, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = lines(log)
    assert 3 <= before < len(files)
    with log.open("ab") as file:
        file.write(b'{"path": "/half a li')
    wait_for(lambda: not any(map(alive, workers)) or None)  # nobody goes on without the one who asked
    assert run_detect(*files, "--resume", log, "--json", "-") == detect.ANSWERED
    resumed = capsys.readouterr().out
    paths = [json.loads(line)["path"] for line in log.read_text().splitlines()]
    assert sorted(paths) == sorted(map(str, files))
    assert run_detect(*files[: before + 1], "--json", "-") == detect.ANSWERED
    assert json.loads(capsys.readouterr().out) == json.loads(resumed)[: before + 1]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> Any:  # noqa: ANN401
    for _ in range(1200):
        if (value := condition()) is not None:
            return value
        assert process is None or process.poll() is None, "the scan ended before it was killed"
        time.sleep(0.05)
    pytest.fail("waited a minute in vain")


def test_a_changed_file_is_asked_again(finished: Run, clips: Path, tmp_path: Path) -> None:
    log = tmp_path / "scan.jsonl"
    run_detect(clips, "--resume", log)
    run_detect(clips, "--resume", log)
    assert lines(log) == 4
    os.utime(clips / "0.wav", ns=(1, 1))
    run_detect(clips, "--resume", log)
    assert lines(log) == 5


@pytest.mark.parametrize("code", ["path", "memory", "crashed", "too_slow", "unexpected"])
def test_an_error_that_may_pass_is_asked_again_and_a_lasting_one_is_not(tmp_path: Path, code: str) -> None:
    passing, lasting = key_of(tmp_path / "a.wav"), key_of(tmp_path / "b.wav")
    earlier = Log(tmp_path / "scan.jsonl", "f")
    earlier.add(passing, failure("a.wav", code, "cannot be opened", "Check the permissions"))
    earlier.add(lasting, failure("b.wav", "unrecognised_type", "is no sound", "Name a sound file"))
    assert passing in earlier, "within a scan it is answered"
    earlier.close()
    later = Log(tmp_path / "scan.jsonl", "f")
    assert passing not in later
    assert lasting in later
    later.add(passing, {"file": "a.wav", "call": "human"})
    assert later.read(passing)["call"] == "human"
    later.close()
    last = Log(tmp_path / "scan.jsonl", "f")
    assert last.read(passing)["call"] == "human"
    last.close()


def test_a_line_that_a_kill_left_half_written_is_forgotten(tmp_path: Path) -> None:
    path, keys = tmp_path / "scan.jsonl", [key_of(tmp_path / name) for name in "abc"]
    log = Log(path, "run")
    for key in keys:
        log.add(key, {"file": key.path})
    log.close()
    path.write_bytes(path.read_bytes()[:-5])
    log = Log(path, "run")
    assert [key in log for key in keys] == [True, True, False]
    log.add(keys[2], {"file": "again"})
    log.close()
    log = Log(path, "run")
    assert [log.read(key)["file"] for key in keys] == [keys[0].path, keys[1].path, "again"]
    log.close()


@pytest.mark.parametrize("content", [b"RIFF\x04\0\0\0WAVE", b'{"path": 3}\n', b"my notes\n", b"[]"])
def test_another_file_is_not_taken_for_a_record_and_stays_as_it_was(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no record of a scan"):
        Log(path, "run")
    assert path.read_bytes() == content


def test_answers_of_other_models_are_not_taken_over(tmp_path: Path) -> None:
    log = Log(tmp_path / "scan.jsonl", "these models")
    log.add(key_of(tmp_path), {})
    log.close()
    with pytest.raises(DataError, match="another run"):
        Log(tmp_path / "scan.jsonl", "those models")


# Processes


def test_a_file_that_ends_its_process_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more files are under way than the processes need, so ten thousand take the memory of ten."""
    monkeypatch.setattr(engine, "load_models", scan_workers.begin)
    monkeypatch.setattr(engine, "answer_bundle", scan_workers.crash_or_echo)
    monkeypatch.setattr(engine, "BUNDLE_FILES", 3)
    names = ["crash.wav" if number == 4 else f"{number}.wav" for number in range(12)]
    drawn: deque[str] = deque()
    answers = engine.in_processes((drawn.append(name) or Path(name) for name in names), Run(tmp_path), jobs=1)
    first = next(answers)
    assert len(drawn) == engine.AHEAD * engine.BUNDLE_FILES + 1
    answered = [first, *answers]
    assert [answer["file"] for answer in answered] == names
    assert [answer["error"]["code"] for answer in answered if "error" in answer] == ["crashed"]


def test_models_that_cannot_be_loaded_end_the_scan_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "load_models", scan_workers.begin)
    monkeypatch.setattr(engine, "answer_bundle", scan_workers.refuse)
    with pytest.raises(errors.ArtifactError, match="cnn_best.pth: damaged"):
        list(engine.in_processes([Path("a.wav")], Run(tmp_path), jobs=1))


# Real sound


def test_twenty_real_clips_are_answered(
    real_data: Path, finished: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    every = sorted(real_data.rglob("*.flac"))
    files = every[:: len(every) // 20][:20]
    assert len(files) == 20
    assert run_detect(*files, "--csv", "-") == detect.ANSWERED
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["file"] for row in rows] == list(map(str, files))
    assert np.isfinite([float(row["probability_ai"]) for row in rows]).all()
    assert {row["run"] for row in rows} == {f"finished {run_facts(finished).fingerprint}"}
