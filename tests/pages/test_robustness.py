"""The Robustness page and what the Overview takes from it: what a reader learns of files, new sources and changes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.artifacts import CHANGE_NAMES, DETECTORS, Run
from core.audio.transforms import TRANSFORMS
from dashboard import sentences
from dashboard.drawing import theme
from dashboard.drawing.row_charts import Mark, chart_html
from dashboard.overview import words as overview_words
from dashboard.reading import runs
from dashboard.reading.results import Measurement, Results
from dashboard.reading.robustness import Robustness, read_robustness
from dashboard.robustness import figures as robustness_figures
from dashboard.robustness import words as robustness_words
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import rewrite, words

PARTS = ("shortcuts", "robustness", "leave_out", "seeds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run with every part of the audit, whose sources have hostile names."""
    folder = tmp_path_factory.mktemp("robustness") / "artifacts"
    return invent(folder, "audited", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})


@pytest.fixture
def results(run: Run) -> Results:
    return runs.results(run)


@pytest.fixture
def robustness(run: Run) -> Robustness:
    return read_robustness(run)


def opened(page: str = "robustness", **query: str) -> AppTest:
    return reading.opened(page, **query)


# The page


def test_every_question_is_answered_with_the_numbers_of_the_results_file(run: Run) -> None:
    value, page = json.loads(run.results_file.read_text()), words(opened())
    best = value["best"]
    for kind in ("files", "heard"):
        low, high = value["shortcuts"][kind]["test_auc_interval"]
        assert f"{value['shortcuts'][kind]['test_auc']:.2f} [{low:.2f},\u00a0{high:.2f}]" in page
    held_out = value["leave_out"]["models"][best]["ai"]
    assert f"**{sentences.percent(1 - held_out['error'])} [" in page
    assert f"of {held_out['n']} clips ({held_out['songs']} songs)" in page
    assert f"{min(line['auc'] for line in value['robustness']['models'][best][1:]):.2f} [" in page
    assert f"has AUC {value['seeds']['models'][best]['roc_auc']['mean']:.3f} on average" in page


def test_a_stricter_threshold_is_told_with_its_price(run: Run) -> None:
    value, page = json.loads(run.results_file.read_text()), words(opened())
    strict = value["leave_out"]["models"][value["best"]]["strict"]
    accused, missed = (Measurement(strict[of]["error"], *strict[of]["interval"]) for of in ("human", "ai"))
    assert f"A stricter threshold, {strict['threshold']:.3g} instead of" in page
    assert f"would call {sentences.percents(accused)} of them AI" in page
    assert f"and catch {sentences.percents(missed.complement)} of those AI clips" in page
    rewrite(run, lambda value: value["leave_out"]["models"][value["best"]].update(strict=None))
    assert "stricter" not in words(opened())


def test_a_link_opens_the_page_for_another_detector(run: Run) -> None:
    app = opened(model="CNN")
    assert app.selectbox(key="model").value == "cnn"
    assert "the CNN catches" in words(app)
    assert "Errors of the CNN at its threshold" in words(app)


def test_a_link_to_a_detector_there_is_not_opens_the_headline_one(run: Run, results: Results) -> None:
    assert opened(model="oracle").selectbox(key="model").value == results.headline.key


@pytest.mark.parametrize(("key", "said"), [("sources_by", "AUC against the other"), ("changes_by", "**AUC of the")])
def test_auc_can_be_asked_for_instead_of_errors(run: Run, key: str, said: str) -> None:
    app = opened()
    assert said not in words(app)
    app.segmented_control(key=key).set_value("AUC").run()
    assert not app.exception
    assert said in words(app)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_not_made_says_what_to_type(run: Run, part: str) -> None:
    rewrite(run, lambda value: value.update({part: None}))
    for page in ("robustness", "overview"):
        app = opened(page)
        if page == "robustness" or part in ("leave_out", "robustness"):
            assert robustness_words.command_for(run, part) in [code.value for code in app.code]


def test_a_run_without_any_audit_shows_neither_chart_nor_number(run: Run) -> None:
    rewrite(run, lambda value: value.update(dict.fromkeys(PARTS)))
    app = opened()
    assert not app.get("plotly_chart")
    assert len(app.code) == len(PARTS)


def test_a_half_finished_run_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "artifacts"))
    invent(tmp_path / "artifacts", "half", only=("prepare", "autoencoder"))
    assert "python -m scripts.pipeline run --run half" in [code.value for code in opened().code]


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value["robustness"]["models"]["cnn"].pop(),
        lambda value: value["robustness"]["models"]["cnn"][1].update(auc=float("nan")),
        lambda value: value["shortcuts"].pop("heard"),
        lambda value: value["shortcuts"]["files"].update(advice="one"),
        lambda value: value["leave_out"]["sources"][0].update(label="robot"),
        lambda value: value["leave_out"]["models"].pop("hybrid"),
        lambda value: value["seeds"]["models"]["cnn"]["roc_auc"].update(values=[True]),
        lambda value: value["summary"].update(may=[1]),
        lambda value: value.pop("degraded_copies"),
    ],
    ids=["a line", "nan", "heard", "advice", "label", "detector", "seeds", "summary", "copies"],
)
def test_an_audit_that_makes_no_sense_is_refused_with_the_command(run: Run, damage: Callable[..., object]) -> None:
    rewrite(run, damage)
    app = opened()
    assert "damaged" in words(app)
    assert "python -m scripts.pipeline run --run audited --only evaluate" in [code.value for code in app.code]


def test_hostile_sources_are_plain_text_or_code_on_both_pages(run: Run) -> None:
    for page in ("robustness", "overview"):
        app = opened(page)
        shown = [element.value for kind in ("markdown", "caption", "subheader", "title") for element in app.get(kind)]
        for name in HOSTILE:
            shown = [text.replace(sentences.literal(name), "") for text in shown]
        assert not any(name in text for name in HOSTILE for text in shown)
        assert not any(element.allow_html for element in app.markdown)


def test_hostile_sources_are_escaped_on_the_axes(results: Results, robustness: Robustness) -> None:
    assert robustness.leave_out is not None
    for measure in (robustness_words.CALLED, robustness_words.AREA):
        chart = robustness_figures.source_chart(
            robustness.leave_out.of("ai"), results.models, results.headline, measure
        )
        body = chart_html(chart, "sources")
        assert "&lt;" in body
        assert set(re.findall(r"</?(\w+)", body)) == {"div", "span", "small", "i"}


def test_charts_and_tables_have_text_alternatives_with_numbers(run: Run) -> None:
    app = opened()
    charts = reading.drawn(app, "rows")
    assert len(charts) == 7
    assert all(re.search(r'role="img" aria-label="[^"]*\d', chart) for chart in charts)
    assert all(table.proto.alt for table in [*app.dataframe, *app.table])


# Charts


def test_the_chosen_detector_has_whiskers_that_end_at_its_interval(results: Results, robustness: Robustness) -> None:
    assert robustness.leave_out is not None
    sources, model = robustness.leave_out.of("ai"), results.models[1]
    chart = robustness_figures.source_chart(sources, results.models, model, robustness_words.AREA)
    for row, source in zip(chart.rows, sources, strict=True):
        (mark,) = [mark for mark in row.marks if mark.reach is not None]
        assert mark.says.startswith(model.name)
        assert mark.reach == (source.models[model.key].area.low, source.models[model.key].area.high)
        assert len(row.marks) == len(results.models)


def test_no_mark_lies_outside_the_axis(results: Results, robustness: Robustness) -> None:
    assert robustness.leave_out is not None
    assert robustness.changes is not None
    charts = [
        robustness_figures.source_chart(
            robustness.leave_out.of("ai"), results.models, results.headline, robustness_words.AREA
        ),
        robustness_figures.change_chart(
            robustness.changes, [1, 2], results.models, results.headline, robustness_words.AREA
        ),
    ]
    for chart in charts:
        assert all(chart.low < value < chart.high for row in chart.rows for mark in row.marks for value in ends(mark))


def ends(mark: Mark) -> tuple[float, ...]:
    return mark.at, *(mark.reach or ())


def test_of_a_human_source_the_share_called_ai_is_drawn(results: Results, robustness: Robustness) -> None:
    assert robustness.leave_out is not None
    sources, key = robustness.leave_out.of("human"), results.headline.key
    chart = robustness_figures.source_chart(sources, results.models, results.headline, robustness_words.CALLED)
    marks = [row.marks[-1] for row in chart.rows]
    assert [mark.at for mark in marks] == pytest.approx([1 - source.models[key].right.value for source in sources])
    assert {mark.symbol for mark in marks} == {"circle"}


def test_the_hardest_source_comes_first(results: Results, robustness: Robustness) -> None:
    assert robustness.leave_out is not None
    for measure, field in ((robustness_words.AREA, "area"), (robustness_words.CALLED, "right")):
        order = robustness_words.ranked(robustness.leave_out.sources, results.headline, measure)
        values = [getattr(source.models[results.headline.key], field).value for source in order]
        assert values == sorted(values)


def test_both_errors_are_told_apart_by_shape_and_stand_beside_the_unchanged_clips(
    results: Results, robustness: Robustness
) -> None:
    assert robustness.changes is not None
    chart = robustness_figures.change_chart(
        robustness.changes, [1, 2], results.models, results.headline, robustness_words.ERRORS
    )
    clean = robustness.changes.models[results.headline.key][0]
    assert {tuple(mark.symbol for mark in row.marks) for row in chart.rows if row.marks} == {("circle", "diamond")}
    assert [line.at for line in chart.lines] == [clean.called_ai.value, clean.missed.value]


def test_a_change_stands_under_the_name_of_its_kind(results: Results, robustness: Robustness) -> None:
    assert robustness.changes is not None
    chart = robustness_figures.change_chart(
        robustness.changes, [1, 2], results.models, results.headline, robustness_words.AREA
    )
    assert [row.title for row in chart.rows] == ["MP3 re-encoding", "64 kbit/s", "White noise", "20 dB SNR"]
    assert [row.heading for row in chart.rows] == [True, False, True, False]
    assert [bool(row.marks) for row in chart.rows] == [False, True, False, True]


def test_no_change_is_lost_when_they_are_drawn_in_two_halves(robustness: Robustness) -> None:
    assert robustness.changes is not None
    halves = robustness_figures.halves(robustness.changes)
    assert sorted(line for half in halves for line in half) == list(range(1, len(robustness.changes.names)))


def test_every_kind_of_change_has_a_name_for_people() -> None:
    assert {change.kind for change in TRANSFORMS} == set(CHANGE_NAMES)


def test_the_chosen_detector_is_filled_and_the_others_are_open(results: Results, robustness: Robustness) -> None:
    assert robustness.shortcuts is not None
    areas = {kind: shortcut.area for kind, shortcut in robustness.shortcuts.items()}
    chart = robustness_figures.shortcut_chart(results.models, results.models[2], areas)
    filled = [row.marks[0].filled for row in chart.rows[: len(results.models)]]
    assert filled == [place == 2 for place in range(len(results.models))]
    assert chart.rows[-1].marks[0].symbol == "x"


def test_the_page_sends_no_chart_that_needs_a_library(run: Run) -> None:
    assert not opened().get("plotly_chart")


# Sentences


def answer(run: Run, change: Callable[[dict[str, Any]], object], say: Callable[..., str]) -> str:
    rewrite(run, change)
    return say(read_robustness(run), runs.results(run).headline)


@pytest.mark.parametrize(
    ("files", "heard", "said"),
    [(0.6, 0.55, "may partly be the file"), (0.6, 0.45, "not found to reach the detectors"), (0.4, 0.4, "No shortcut")],
)
def test_whether_the_file_gives_it_away_is_told_by_the_interval(
    run: Run, files: float, heard: float, said: str
) -> None:
    def lower(value: dict[str, Any]) -> None:
        for kind, low in (("files", files), ("heard", heard)):
            value["shortcuts"][kind]["test_auc_interval"] = [low, 0.9]

    assert said in answer(run, lower, robustness_words.music_or_file)


@pytest.mark.parametrize(("error", "said"), [(0.9, "Less well"), (0.0, "No clear loss")])
def test_whether_new_sources_are_harder_is_told_by_both_intervals(run: Run, error: float, said: str) -> None:
    def err(value: dict[str, Any]) -> None:
        for overall in value["leave_out"]["models"].values():
            for label in ("ai", "human"):
                overall[label] |= {"error": error, "interval": [max(0.0, error - 0.02), error + 0.02]}

    assert said in answer(run, err, robustness_words.never_heard)


def test_more_human_clips_accused_is_worse_too(run: Run) -> None:
    def accuse(value: dict[str, Any]) -> None:
        for overall in value["leave_out"]["models"].values():
            overall["ai"] |= {"error": 0.0, "interval": [0.0, 0.01]}
            overall["human"] |= {"error": 0.9, "interval": [0.88, 0.95]}

    assert "Less well" in answer(run, accuse, robustness_words.never_heard)


@pytest.mark.parametrize("change", ["missed", "called", "loss", "none"])
def test_the_verdict_names_what_the_numbers_show(run: Run, change: str) -> None:
    def write(value: dict[str, Any]) -> None:
        for lines in value["robustness"]["models"].values():
            for line in lines:
                for kind in ("positive", "negative"):
                    line |= {f"false_{kind}_rate": 0.1, f"false_{kind}_interval": [0.05, 0.15]}
                line |= {"auc_change": 0.0, "auc_change_interval": [-0.01, 0.01], "auc_change_p": 1.0}
            worst = {
                "missed": {"false_negative_interval": [0.6, 0.9]},
                "called": {"false_positive_interval": [0.2, 0.4]},
                "loss": {"auc_change": -0.2, "auc_change_interval": [-0.3, -0.1], "auc_change_p": 0.01},
            }
            lines[-1] |= worst.get(change, {})

    rewrite(run, write)
    said = overview_words.verdict(runs.results(run), read_robustness(run))
    expected = {"missed": "fails on some", "none": "shows no clear loss on"}.get(change, "errs more on some")
    assert f"{expected} changed sound." in said


def test_the_verdict_says_what_was_not_tested(run: Run) -> None:
    rewrite(run, lambda value: value.update(leave_out=None, robustness=None))
    said = overview_words.verdict(runs.results(run), read_robustness(run))
    assert "untested on new ones, and is untested on changed sound" in said


def test_the_flattering_number_never_stands_alone(run: Run) -> None:
    value, page = json.loads(run.results_file.read_text()), opened("overview")
    best = value["leave_out"]["models"][value["best"]]
    changed = value["robustness"]["models"][value["best"]][1:]
    caught = [metric.value for metric in page.metric if metric.label == f"{theme.MARKS['ai']} AI caught"]
    test = value["models"][value["best"]]["test"]["recall_ai"]
    worst = 1 - max(line["false_negative_rate"] for line in changed)
    assert caught == [sentences.percent(share) for share in (test, 1 - best["ai"]["error"], worst)]


def test_every_sentence_of_the_summary_is_on_the_overview_as_plain_text(run: Run, robustness: Robustness) -> None:
    texts = [element.value for element in opened("overview").text]
    assert robustness.may
    assert robustness.may_not
    assert all(sentence in texts for sentence in (*robustness.may, *robustness.may_not))


def test_one_training_alone_claims_no_spread(run: Run) -> None:
    def once(value: dict[str, Any]) -> None:
        value["seeds"]["seeds"] = [0]
        for spreads in value["seeds"]["models"].values():
            for spread in spreads.values():
                spread |= {"deviation": None, "values": spread["values"][:1]}

    rewrite(run, once)
    app = opened()
    assert "One training only" in words(app)
    assert "±" not in words(app)


def test_the_tables_hold_every_detector_and_every_change(results: Results, robustness: Robustness) -> None:
    assert robustness.changes is not None
    assert robustness.leave_out is not None
    assert [row["Detector"] for row in robustness_words.detector_rows(robustness.changes, results.models)] == [
        model.name for model in results.models
    ]
    assert len(robustness_words.change_rows(robustness.changes, results.headline)) == len(robustness.changes.names)
    (first, *_) = robustness_words.source_rows(robustness.leave_out, results.models, robustness_words.AREA)
    assert set(DETECTORS.values()) < set(first)
