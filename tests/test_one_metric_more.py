"""A metric is one line of the registry: what is added there is measured, written, printed and shown, page by page."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import matthews_corrcoef

from core.artifacts import DETECTORS, Run
from core.config import Config, with_settings
from core.metrics.operating_points import operating_point
from core.metrics.registry import METRICS, Metric
from core.phases import evaluate
from dashboard import sentences
from dashboard.models import words as models_words
from dashboard.reading import runs
from scripts import pipeline
from tests.support.invented_run import SETTINGS, invent
from tests.support.reading import opened, rewrite, words

PRESCRIBED = [
    "Model",
    "Accuracy",
    "Precision_AI",
    "Precision_Human",
    "Recall_AI",
    "Recall_Human",
    "F1_Macro",
    "ROC_AUC",
]
PAGES = ("overview", "models", "report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return invent(tmp_path_factory.mktemp("metric") / "artifacts", "measured")


@pytest.fixture
def run(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    return Run(shutil.copytree(made.folder, tmp_path / made.name))


@pytest.fixture
def missed(run: Run, monkeypatch: pytest.MonkeyPatch) -> Metric:
    """Return a metric that is new in the registry, and by which the run has been evaluated."""
    metric = Metric("missed", lambda cells: cells.fn, title="Missed AI clips", column="Missed")
    monkeypatch.setitem(METRICS, metric.name, metric)
    evaluate.run(run, with_settings(Config(), SETTINGS), "")
    return metric


def comparison(run: Run) -> list[dict[str, str]]:
    with run.comparison_table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_mcc(value: dict[str, Any]) -> None:
    for model in value["models"].values():
        for split in ("train", "val", "test"):
            del model[split]["mcc"], model[split]["intervals"]["mcc"]


def test_the_prescribed_columns_come_first_and_others_after_them(made: Run) -> None:
    assert list(comparison(made)[0]) == [*PRESCRIBED, "MCC"]


def test_the_written_correlation_is_that_of_the_predictions(made: Run) -> None:
    with made.predictions.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    table = {row["Model"]: row for row in comparison(made)}
    for name, title in DETECTORS.items():
        calls = [(row["label"], row["prediction"]) for row in rows if row["model"] == name]
        expected = matthews_corrcoef(*zip(*calls, strict=True))
        test = made.read_results()["models"][name]["test"]
        assert test["mcc"] == pytest.approx(expected)
        assert float(table[title]["MCC"]) == round(test["mcc"], 4)
        low, high = test["intervals"]["mcc"]
        assert low < test["mcc"] < high


def test_a_new_metric_is_measured_written_and_printed(
    run: Run, missed: Metric, capsys: pytest.CaptureFixture[str]
) -> None:
    for row, model in zip(comparison(run), sorted(run.read_results()["models"].values(), key=rank), strict=True):
        (_, _), (fn, _) = model["test"]["confusion"]
        low, high = model["test"]["intervals"]["missed"]
        assert float(row["Missed"]) == model["test"]["missed"] == fn
        assert low <= fn <= high
    pipeline.print_results(run)
    assert "Missed" in capsys.readouterr().out.splitlines()[0]


def rank(model: dict[str, Any]) -> tuple[float, float]:
    return -model["test"]["accuracy"], -model["test"]["roc_auc"]


def test_a_new_metric_stands_in_the_tables_of_pages_and_report(run: Run, missed: Metric) -> None:
    results = runs.results(run)
    assert all("Missed" in row for row in sentences.detector_rows(results))
    assert all("Missed AI clips" in row for row in models_words.detector_rows(results))
    for page in PAGES[:2]:
        assert "Missed" in words(opened(page))


def test_a_new_metric_follows_the_threshold(missed: Metric) -> None:
    labels, probabilities, songs = [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], ["a", "b", "c", "d"]
    settings = with_settings(Config(), SETTINGS).evaluation
    points = {str(cut): operating_point(labels, probabilities, songs, cut, settings) for cut in (0.3, 0.5, 0.95)}
    row = next(row for row in models_words.point_rows(points) if row[""] == "Missed AI clips")
    assert [row[title].split()[0] for title in points] == ["0.000", "1.000", "2.000"]


@pytest.mark.parametrize("page", PAGES)
def test_a_run_from_before_there_was_a_metric_opens_without_it(run: Run, page: str) -> None:
    rewrite(run, without_mcc)
    opened(page)
    results = runs.results(run)
    for rows in (sentences.detector_rows(results), models_words.detector_rows(results)):
        assert rows
        assert all("MCC" not in row for row in rows)
