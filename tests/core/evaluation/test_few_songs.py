"""A run with three AI songs: values without intervals, and nothing compared, wherever results are put into words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from core.artifacts import Run
from core.metrics.intervals import TOO_FEW
from scripts.compare import row
from scripts.readme import results_table
from tests.support.invented_run import invent
from tests.support.reading import opened, words

COMPARED = re.compile(
    r"(?<!not )(?<!scores )\b(higher|lower|better|worse) than\b|did better|in its favour"
    r"|(?<!not )clearly (more|errs|cost)"
)  # but for what an AUC means: how often the AI clip of a pair scores higher than the human one
PAGES = ("overview", "models", "attention", "robustness", "report")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run of 60 human and 3 AI songs, one of which is in the test."""
    artifacts = tmp_path_factory.mktemp("few") / "artifacts"
    return invent(artifacts, "few", sources={0: ("fma", "gtzan", "own"), 1: ("suno",)}, songs={0: 20, 1: 3})


@pytest.fixture
def results(few: Run) -> dict[str, Any]:
    return few.read_results()


def test_only_what_rests_on_human_songs_alone_has_an_interval(results: dict[str, Any]) -> None:
    for model in results["models"].values():
        assert {name for name, ends in model["test"]["intervals"].items() if ends} == {"recall_human"}
        assert {name for name, ends in model["songs"]["intervals"].items() if ends} == {"recall_human"}
        assert all(part["low_ci"] is None for part in model["calibration"]["bins"]["before"])
        assert model["calibration"]["band_result"]["error_interval"] is None
    assert all(pair["roc_auc"]["low"] is pair["accuracy"]["high"] is None for pair in results["comparisons"])
    assert results["shortcuts"]["files"]["test_auc_interval"] is None
    assert all(line["auc_change_interval"] is None for line in results["robustness"]["models"]["cnn"])
    weights = results["attention"]["mean_weights"]["autoencoder"]
    assert weights["ai"]["low"] is None
    assert weights["human"]["low"] < weights["human"]["high"]


def test_no_sentence_of_the_results_compares(results: dict[str, Any]) -> None:
    said = [*results["summary"]["may"], *results["summary"]["may_not"], *results["attention"]["sentences"]]
    said += [sentence for kind in ("files", "heard") for sentence in results["shortcuts"][kind]["advice"]]
    assert not [sentence for sentence in said if COMPARED.search(sentence)]
    assert TOO_FEW in results["summary"]["may"][0]
    assert not [sentence for sentence in said if re.search(r"AUC [\d.]+ \[", sentence)]


def test_tables_of_results_say_why_there_is_no_interval(results: dict[str, Any]) -> None:
    table = results_table(results)
    assert not re.search(r"\| [01]\.\d{3} \[", table)
    assert f"({TOO_FEW})" in table
    assert TOO_FEW in row("cnn", "few", results)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_an_interval_of_an_auc_or_compares(page: str, few: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(few.folder.parent))
    said = words(opened(page))
    assert "nan" not in re.findall(r"[a-z]+", said)
    assert not COMPARED.search(said)
    assert not re.search(r"AUC \**[\d.]+\** ?\[", said)
    assert page == "report" or TOO_FEW in said


def test_with_songs_enough_every_figure_has_its_interval(made: Run) -> None:
    test = json.loads(Path(made.results_file).read_text())["models"]["cnn"]["test"]
    assert all(test["intervals"].values())
