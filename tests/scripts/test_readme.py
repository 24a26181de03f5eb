"""The README tells the truth: its numbers are those of a results file, and its commands and files exist."""

import json
import re
from importlib.util import find_spec

import pytest

from core.artifacts import Run
from scripts.readme import README, REFERENCE, table, with_results
from tests.support.invented_run import invent


def test_the_results_in_the_readme_are_those_of_the_reference_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_results(text, json.loads(REFERENCE.read_text(encoding="utf-8"))), "run python -m scripts.readme"


def test_a_changed_result_changes_the_readme() -> None:
    results = json.loads(REFERENCE.read_text(encoding="utf-8"))
    results["models"]["cnn"]["test"]["roc_auc"] = 0.123
    assert "0.123" in with_results(README.read_text(encoding="utf-8"), results)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return invent(tmp_path_factory.mktemp("readme") / "artifacts", "evaluated")


def test_the_table_marks_what_was_added_and_says_how_thresholds_were_chosen(evaluated: Run) -> None:
    said = table(evaluated.read_results())
    assert "| Fine spectrum (+) |" in said
    assert "| CNN |" in said
    assert "at most 5% of the 12 human validation clips" in said


def test_every_file_and_module_the_readme_names_exists() -> None:
    text = README.read_text(encoding="utf-8")
    root = README.parent
    modules = set(re.findall(r"python -m (scripts\.\w+)", text))
    files = set(re.findall(r"(?:python |run |lab )((?:scripts|dashboard)/[\w.]+)", text)) | {".github/overview.png"}
    assert len(modules) >= 4
    assert [m for m in modules if find_spec(m) is None] == []
    assert [f for f in files if not (root / f).is_file()] == []


def test_the_reference_results_hold_no_path_of_a_machine() -> None:
    assert not re.search(r"\"/(?:home|tmp|work|root|Users)/", REFERENCE.read_text(encoding="utf-8"))
