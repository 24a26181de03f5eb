"""The Models page: a threshold that moves everything, and numbers that are those of the results file."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import storage
from core.artifacts import DETECTORS, ROOT, Run
from core.errors import ArtifactError
from core.metrics import operating_points
from core.metrics.operating_points import OUT_OF_REACH
from core.metrics.registry import METRICS
from dashboard.models import figures as models_figures
from dashboard.models import words as models_words
from dashboard.models.figures import Trace
from dashboard.reading import runs
from dashboard.reading.clips import of_split, read_clip_table
from dashboard.reading.detectors import read_detectors
from dashboard.threshold import (
    CELLS,
    Answers,
    asked,
    disagreements,
    of_cell,
    operating_point,
    plain,
    read_answers,
    shown,
)
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import rewrite, words

HEAVY = ("torch", "transformers", "librosa", "sklearn", "scipy", "matplotlib", "numba")
CNN, HYBRID = "cnn", "hybrid"
PARTS = ("threshold", "detectors", "calibration", "training")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run whose sources have the names nobody should trust, with one training's history."""
    run = invent(tmp_path_factory.mktemp("models") / "artifacts", "modelled", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})
    header = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "kept"]
    rows = [[n, 1 / n, 0.5 + n / 20, 1.2 / n + n / 50, 0.5 + n / 25, int(n == 7)] for n in range(1, 10)]
    storage.write_csv(run.history("cnn"), header, rows)
    return run


def opened(**query: str) -> AppTest:
    return reading.opened("models", **query)


def part(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="part").set_value(name).run()
    assert not app.exception, app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    button = next(button for button in app.button if button.label.startswith(label))
    button.click().run()
    assert not app.exception, app.exception
    return app


def answers_of(run: Run, model: str, split: str = "test") -> Answers:
    threshold = {model.key: model.threshold for model in runs.results(run).models}[model]
    return read_answers(run, model, split, threshold)


# Thresholds


@pytest.mark.parametrize("model", DETECTORS)
@pytest.mark.parametrize("split", ["val", "test"])
def test_at_the_validation_threshold_the_numbers_are_those_of_the_results_file(
    run: Run, model: str, split: str
) -> None:
    written = run.read_results()["models"][model]
    point = operating_point(answers_of(run, model, split), written["threshold"])
    assert {name: point.values[name] for name in METRICS} == {name: written[split][name] for name in METRICS}
    assert {name: list(point.intervals[name]) for name in METRICS} == {
        name: written[split]["intervals"][name] for name in METRICS
    }
    assert [list(row) for row in point.confusion] == written[split]["confusion"]


def test_each_step_of_the_slider_changes_a_verdict_and_none_is_left_out(run: Run) -> None:
    answers = answers_of(run, CNN)
    called = [(answers.probabilities >= threshold).sum() for threshold in answers.thresholds]
    assert called[0] == len(answers.labels)
    assert called[-1] == 0
    assert all(after < before for before, after in pairwise(called))
    assert [answers.place(threshold) for threshold in answers.thresholds] == list(range(len(called)))


def test_the_validation_threshold_is_on_the_slider_as_it_is(run: Run) -> None:
    answers, written = answers_of(run, CNN), run.read_results()["models"][CNN]["threshold"]
    assert answers.thresholds[answers.chosen] == written
    labels = [answers.label(place) for place in range(len(answers.thresholds))]
    assert len(set(labels)) == len(labels), "the slider tells its steps apart by what it shows"
    assert [label for label in labels if "validation" in label] == [f"{shown(written)} (validation)"]


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [(0.41, 0.58, 0.5), (0.99912, 0.99931, 0.9992), (0.0, 1e-7, 5e-8), (0.3, np.nextafter(0.3, 1), None)],
)
def test_a_threshold_between_two_scores_has_as_few_digits_as_will_do(
    low: float, high: float, number: float | None
) -> None:
    assert low < plain(low, high) <= high
    assert number is None or plain(low, high) == pytest.approx(number)


def test_a_threshold_is_shown_with_the_digits_that_tell_it_from_nought_and_one() -> None:
    texts = [shown(number) for number in (0.28262210, 0.99984, 0.5, 0.00031, 0.0, 1.0, OUT_OF_REACH)]
    assert texts == ["0.283", "0.9998", "0.5", "0.0003", "0", "1", "above 1"]


def test_an_address_that_asks_for_no_threshold_is_not_obeyed() -> None:
    assert [asked(text) for text in ("0.25", "7", "-1", "nan", "much", "", None)] == [
        0.25, None, None, None, None, None, None,
    ]  # fmt: skip


def test_equal_errors_are_where_both_shares_are_nearest() -> None:
    labels, probabilities = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.7, 0.4, 0.8, 0.9])
    curves = operating_points.curves(labels, probabilities)
    accused, missed = curves.false_positive_rate, 1 - curves.true_positive_rate
    answers = Answers(None, None, labels, probabilities, (), (), curves, (), 0)  # type: ignore[arg-type]
    place = answers.equal_errors
    assert (accused[place], missed[place]) == pytest.approx((1 / 3, 1 / 3))


# The clips behind a number


def test_the_cells_hold_every_clip_once_and_the_surest_comes_first(run: Run) -> None:
    test = of_split(read_clip_table(run), "test")
    cells = {cell: of_cell(test, CNN, 0.6, cell) for cell in CELLS}
    assert sorted(row for rows in cells.values() for row in rows.index) == sorted(test.index)
    assert cells["fp"]["label"].eq("human").all()
    assert cells["fp"]["p_cnn"].is_monotonic_decreasing
    assert cells["fp"]["p_cnn"].ge(0.6).all()
    assert cells["fn"]["p_cnn"].is_monotonic_increasing
    assert cells["fn"]["p_cnn"].lt(0.6).all()


def test_two_detectors_disagree_both_ways_each_at_its_own_threshold() -> None:
    clips = pd.DataFrame({"p_cnn": [0.9, 0.1, 0.6, 0.7], "p_hybrid": [0.1, 0.9, 0.7, 0.2]})
    first, second = ("cnn", 0.5), ("hybrid", 0.6)
    assert disagreements(clips, first, second, ai_by_first=True).index.tolist() == [0, 3]
    assert disagreements(clips, first, second, ai_by_first=False).index.tolist() == [1]
    assert disagreements(clips, ("cnn", 0.95), second, ai_by_first=False).index.tolist() == [1, 2]


# The page


def test_moving_the_slider_moves_every_number_and_one_press_brings_it_back(run: Run) -> None:
    app = opened(model="CNN")
    before, answers = words(app), answers_of(run, CNN)
    assert not app.warning
    place = answers.chosen - 6
    app.select_slider(key="cut").set_value(place).run()
    point = operating_point(answers, answers.thresholds[place])
    said = words(app)
    for cell in CELLS:
        assert models_words.cell_button(cell, point) in said
    (tn, fp), (fn, tp) = point.confusion
    assert f"Human clips called AI {fp} of {tn + fp}" in said
    assert f"AI clips missed {fn} of {fn + tp}" in said
    assert f"Accuracy {point.values['accuracy']:.1%}" in said
    low, high = point.intervals["f1_ai"]
    assert f"{point.values['f1_ai']:.3f} [{low:.3f},\u00a0{high:.3f}]" in said
    assert "is not the threshold chosen on validation" in said
    assert "looking at test clips flatters" in said
    assert float(app.query_params["thr"]) == answers.thresholds[place]
    assert words(press(app, "Back to the validation threshold")) == before
    assert "thr" not in app.query_params


def test_an_address_opens_a_threshold_a_cell_and_a_rival(run: Run) -> None:
    app = opened(model="CNN", against="Hybrid", thr="0.5", cell="first", on="Validation")
    said = words(app)
    assert "0.5 is not the threshold chosen on validation" in said
    assert "on these same validation clips" in said
    assert "Called AI by the CNN alone" in said
    assert "Hybrid from" in said


def test_a_cell_shows_its_clips(run: Run) -> None:
    app, answers = opened(model="CNN"), answers_of(run, CNN)
    point = operating_point(answers, answers.thresholds[answers.chosen])
    for cell in CELLS:
        press(app, models_words.cell_button(cell, point))
        assert app.query_params["cell"] == cell
        shown_clips = len(app.dataframe[0].value) if app.dataframe else 0
        assert shown_clips == point.confusion[cell in ("fn", "tp")][cell in ("fp", "tp")]


def test_a_detector_chosen_as_its_own_rival_stands_alone(run: Run) -> None:
    app = opened(model="CNN", against="Hybrid")
    app.selectbox(key="model").set_value(HYBRID).run()
    assert not app.exception
    assert "The two disagree" not in words(app)


def test_each_detector_keeps_the_threshold_it_was_given(run: Run) -> None:
    app = opened(model="CNN", thr="0.5")
    app.selectbox(key="model").set_value(HYBRID).run()
    assert not app.warning
    app.selectbox(key="model").set_value(CNN).run()
    assert "0.5 is not the threshold" in words(app)


def test_all_detectors_are_compared_with_the_numbers_of_the_results_file(run: Run) -> None:
    said, written = words(part(opened(), "detectors")), run.read_results()
    for model in written["models"].values():
        low, high = model["songs"]["intervals"]["roc_auc"]
        assert f"{model['songs']['roc_auc']:.3f} [{low:.3f},\u00a0{high:.3f}]" in said
    for pair in written["comparisons"]:
        assert f"{pair['roc_auc']['value']:+.3f}" in said
    assert "plain concatenation" in said
    assert "3 trainings" in said


def test_a_run_trained_once_says_how_to_train_it_with_other_seeds(run: Run) -> None:
    rewrite(run, lambda value: value.update(seeds=None))
    assert f"python -m scripts.pipeline run --run {run.name} --set train.seeds=5" in words(part(opened(), "detectors"))


def test_a_pair_seen_from_the_other_side_is_the_same_difference_turned(run: Run) -> None:
    results = read_detectors(run)
    pair = next(pair for pair in results.pairs if {CNN, HYBRID} == {pair.first, pair.second})
    first, second = pair.seen_from(CNN).area, pair.seen_from(HYBRID).area
    assert (first.value.value, first.value.low, first.value.high) == (
        -second.value.value, -second.value.high, -second.value.low,
    )  # fmt: skip
    assert first.p_value == second.p_value
    assert len(results.against(CNN)) == len(DETECTORS) - 1


def test_calibration_says_error_temperature_and_band(run: Run) -> None:
    said, written = words(part(opened(model="CNN"), "calibration")), run.read_results()["models"][CNN]["calibration"]
    for number in (written["ece_before"], written["ece_after"]):
        assert f"{number:.3f}" in said
    assert f"{written['temperature']:.2f}" in said
    result = written["band_result"]
    assert f"decides {result['n'] - result['inside']} of {result['n']} test clips" in said
    assert all(f"{part['mean_probability']:.3f}" in said for part in written["bins"]["after"])


def test_the_training_says_which_epoch_was_kept(run: Run) -> None:
    assert "epoch 7 of 9 were kept" in words(part(opened(), "training"))


def test_a_run_without_histories_says_how_they_are_made(run: Run) -> None:
    shutil.rmtree(run.history("cnn").parent)
    assert f"python -m scripts.pipeline run --run {run.name}" in words(part(opened(), "training"))


def test_a_damaged_history_is_a_sentence(run: Run) -> None:
    run.history("cnn").write_text("epoch,loss\n1,high\n")
    app = part(opened(), "training")
    assert "cnn.csv: damaged" in words(app)


def test_damaged_results_are_a_sentence(run: Run) -> None:
    rewrite(run, lambda value: value["models"]["cnn"]["calibration"].pop("band"))
    assert "results.json: damaged" in words(opened())
    with pytest.raises(ArtifactError):
        read_detectors(run)


def test_a_split_without_a_class_is_a_sentence(run: Run) -> None:
    text = run.clips_table.read_text().splitlines()
    row = text[0].split(",").index("label")
    changed = [text[0], *(",".join([*(p := line.split(","))[:row], "0", *p[row + 1 :]]) for line in text[1:])]
    run.clips_table.write_text("\n".join(changed) + "\n")
    assert "there is no AI clip" in words(opened())


def test_a_half_finished_run_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invent(tmp_path / "artifacts", "half", only=("prepare", "autoencoder"))
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "artifacts"))
    said = words(opened())
    assert "not evaluated yet" in said
    assert "python -m scripts.pipeline run --run half" in said


@pytest.mark.parametrize("name", PARTS)
def test_charts_and_tables_have_text_alternatives_and_charts_no_foreign_name(run: Run, name: str) -> None:
    app = part(opened(model="CNN", against="Hybrid"), name)
    charts = app.get("plotly_chart")
    assert charts
    assert all(element.proto.alt for element in [*charts, *app.dataframe, *app.table])
    assert not any(hostile in chart.proto.spec for chart in charts for hostile in HOSTILE)


# Figures


def test_the_curves_mark_the_threshold_now_and_that_of_validation(run: Run) -> None:
    answers = answers_of(run, CNN)
    trace = Trace("CNN", answers.curves, 3, answers.chosen)
    for figure in (
        models_figures.roc(trace, None, {"fpr": (0.1, 0.2), "tpr": (0.5, 0.6)}),
        models_figures.precision_recall(trace, None, 0.5),
        models_figures.det(trace, None, 20),
    ):
        line, marks = figure.data[:2]
        for mark, place in enumerate((answers.chosen, 3)):
            assert (marks.x[mark], marks.y[mark]) == (line.x[place], line.y[place])
        assert marks.marker.symbol[0] != marks.marker.symbol[1]


def test_the_histogram_counts_every_clip_and_hatches_the_wrong_ones(run: Run) -> None:
    answers = answers_of(run, CNN)
    figure = models_figures.histogram(answers.labels, answers.probabilities, 0.6, 0.7)
    assert sum(int(bar.customdata.sum()) for bar in figure.data) == len(answers.labels)
    (_, fp), (fn, _) = operating_point(answers, 0.6).confusion
    hatched = [bar for bar in figure.data if bar.marker.pattern.shape == "/"]
    assert [int(bar.customdata.sum()) for bar in hatched] == [fp, fn]


# Speed


def test_opening_the_page_loads_no_model_library(run: Run) -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        f"app = AppTest.from_file({str(ROOT / 'dashboard' / 'app.py')!r}, default_timeout=30).run();"
        f"app.switch_page({str(ROOT / 'pages' / 'models.py')!r}).run();"
        "assert not app.exception and app.metric;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
