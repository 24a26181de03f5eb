"""The README tells the truth: its numbers are those of a results file, and its commands, files and links exist."""

import json
import re
from pathlib import Path

import pytest

from core.artifacts import ROOT, Run
from scripts import readme
from scripts.readme import README, REFERENCE, SAID, results_table, what_may_be_said, with_results
from tests.support.invented_run import invent

MOST_BYTES = 8192
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"python -m (scripts\.\w+)")
FILE = re.compile(r"(?:python |run |lab )((?:scripts|dashboard)/[\w.]+)")
LINK = re.compile(r"\]\(([^)#]+)\)")


def test_the_results_in_the_readme_are_those_of_the_reference_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_results(text, json.loads(REFERENCE.read_text(encoding="utf-8"))), "run python -m scripts.readme"


def test_what_may_be_said_is_written_from_the_reference_run() -> None:
    results = json.loads(REFERENCE.read_text(encoding="utf-8"))
    said = SAID.read_text(encoding="utf-8")
    assert said == what_may_be_said(results), "run python -m scripts.readme"
    assert [sentence for which in ("may", "may_not") for sentence in results["summary"][which]] == re.findall(
        r"^- (.*)$", said, re.MULTILINE
    )


def test_the_command_writes_both_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    copy, said = tmp_path / "README.md", tmp_path / "said.md"
    copy.write_text(f"before {readme.BEGIN}yesterday{readme.END} after", encoding="utf-8")
    texts = []
    for _ in range(2):
        assert readme.main([], readme=copy, said=said) == 0
        texts.append((copy.read_text(encoding="utf-8"), said.read_text(encoding="utf-8")))
    assert texts[0] == texts[1]
    assert texts[0][0].startswith(f"before {readme.BEGIN}")
    assert texts[0][0].endswith(f"{readme.END} after")
    assert "yesterday" not in texts[0][0]


def test_help_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        readme.main(["--help"], readme=tmp_path / "README.md", said=tmp_path / "said.md")
    assert left.value.code == 0
    assert not [*tmp_path.iterdir()]


def test_a_changed_result_changes_the_readme() -> None:
    results = json.loads(REFERENCE.read_text(encoding="utf-8"))
    results["models"]["cnn"]["test"]["roc_auc"] = 0.123
    assert "0.123" in with_results(README.read_text(encoding="utf-8"), results)


def test_the_readme_is_read_in_one_sitting_and_shows_an_answer_first() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.encode()) <= MOST_BYTES
    first_screen = "\n".join(text.splitlines()[:20])
    assert "$ python -m scripts.detect song.mp3" in first_screen
    assert re.search(r"^[◆●?–] \w+ +\d\.\d\d +[\d.]+ +[\d.]+ +[\d.]+  song\.mp3$", first_screen, re.MULTILINE)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return invent(tmp_path_factory.mktemp("readme") / "artifacts", "evaluated")


def test_the_table_marks_what_was_added_and_says_how_thresholds_were_chosen(evaluated: Run) -> None:
    table = results_table(evaluated.read_results())
    assert "| Fine spectrum (+) |" in table
    assert "| CNN |" in table
    assert "at most 5% of the 12 human validation clips" in table


def test_every_file_and_module_that_is_named_exists() -> None:
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    modules, files = set(COMMAND.findall(texts)), set(FILE.findall(texts))
    assert len(modules) >= 4
    assert [module for module in modules if not (is_command(ROOT / module.replace(".", "/")))] == []
    assert [file for file in files if not (ROOT / file).is_file()] == []


def is_command(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= {*LINK.findall(README.read_text(encoding="utf-8"))}


def test_the_reference_results_hold_no_path_of_a_machine() -> None:
    for page in (REFERENCE, SAID):
        assert not re.search(r"[\"\s(]/(?:home|tmp|work|root|Users)/", page.read_text(encoding="utf-8"))
