"""Two runs side by side, only where they were tested on the same clips."""

import json
import shutil
from pathlib import Path

import pytest

from core.artifacts import DETECTORS, Run
from scripts import compare
from tests.support.invented_run import invent


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Return an invented run and its twin, in a folder of their own."""
    first = invent(tmp_path / "artifacts", "first")
    second = Run(first.folder.parent / "second")
    shutil.copytree(first.folder, second.folder)
    monkeypatch.setenv("SMD_ARTIFACTS", str(first.folder.parent))
    return first, second


def test_every_model_of_every_run_has_a_row_with_its_own_numbers(
    two_runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    second = two_runs[1]
    results = json.loads(second.results_file.read_text())
    results["models"]["cnn"]["test"]["roc_auc"] = 0.1234
    second.results_file.write_text(json.dumps(results))
    assert compare.main(["first", "second"]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith(tuple(DETECTORS.values()))]
    assert len(rows) == 2 * len(DETECTORS)
    assert [("0.123" in row) for row in rows if row.startswith("CNN")] == [False, True]


def test_runs_tested_on_other_clips_are_not_compared(
    two_runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = two_runs[1].predictions
    lines = predictions.read_text().splitlines()
    test = next(line for line in lines if ",test," in line)
    gone = [line for line in lines if not line.startswith(test.split(",")[0] + ",")]
    predictions.write_text("\n".join(gone) + "\n")
    assert compare.main(["first", "second"]) == 1
    assert "run second: it was not tested on the clips of first" in capsys.readouterr().err


def test_what_the_audit_did_not_make_is_said(two_runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads(two_runs[1].results_file.read_text())
    results["leave_out"] = None
    two_runs[1].results_file.write_text(json.dumps(results))
    assert compare.main(["first", "second"]) == 0
    assert "not made" in capsys.readouterr().out


def test_a_run_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    assert compare.main(["nowhere"]) == 1
    assert "Error: " in capsys.readouterr().err
