"""What was read stays read until its files change."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.artifacts import Run
from core.errors import ArtifactError
from dashboard.reading.kept import kept, stamp

Readings = list[tuple[str, str]]  # run, and what was asked of it


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return with_table(tmp_path / "one", "first")


def with_table(folder: Path, text: str) -> Run:
    folder.mkdir()
    run = Run(folder)
    run.clips_table.write_text(text)
    return run


def counting(readings: Readings, most: int = 4) -> Callable[[Run, str], str]:
    @kept(lambda run, asked: (run.clips_table,), most=most)
    def read(run: Run, asked: str) -> str:
        readings.append((run.name, asked))
        return f"{run.clips_table.read_text()} {asked}"

    return read


def test_a_file_is_read_once_for_each_question(run: Run) -> None:
    readings: Readings = []
    read = counting(readings)
    assert [read(run, asked) for asked in ("a", "b", "a", "b")] == ["first a", "first b", "first a", "first b"]
    assert readings == [("one", "a"), ("one", "b")]


def test_two_objects_of_one_run_share_what_was_read(run: Run) -> None:
    readings: Readings = []
    read = counting(readings)
    assert read(run, "a") is read(Run(run.folder), "a")
    assert len(readings) == 1


def test_runs_are_told_apart(run: Run, tmp_path: Path) -> None:
    read, other = counting([]), with_table(tmp_path / "other", "second")
    assert (read(run, "a"), read(other, "a")) == ("first a", "second a")


@pytest.mark.parametrize("text", ["other", "longer than it was"], ids=["by time", "by size"])
def test_a_changed_file_is_read_anew(run: Run, text: str) -> None:
    read = counting([])
    before, modified = read(run, "a"), run.clips_table.stat().st_mtime_ns
    run.clips_table.write_text(text)
    later = modified + 1 if len(text) == len("first") else modified
    os.utime(run.clips_table, ns=(later, later))
    assert (before, read(run, "a")) == ("first a", f"{text} a")


def test_what_went_wrong_is_not_kept(run: Run) -> None:
    @kept(lambda run: (run.results_file,))
    def read(run: Run) -> str:
        if not fine:
            raise ArtifactError(run.results_file, "not made yet", "Make it")
        return "made"

    fine = False
    with pytest.raises(ArtifactError):
        read(run)
    fine = True
    assert read(run) == "made"


def test_no_more_is_kept_than_is_asked_for(run: Run) -> None:
    readings: Readings = []
    read = counting(readings, most=1)
    for asked in ("a", "b", "a"):
        read(run, asked)
    assert len(readings) == 3


def test_a_file_that_is_not_there_has_a_state_too(run: Run) -> None:
    assert stamp(run.results_file) != stamp(run.clips_table)
    assert stamp(run.results_file) == stamp(run.predictions)
