"""The dashboard as its script runs it: what a reader sees of a run that is whole, half finished, damaged or hostile."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core import errors, palette, pipeline
from core.artifacts import ROOT, Run
from dashboard import sentences
from dashboard.drawing import row_charts, theme
from dashboard.drawing.row_charts import chart_html
from dashboard.drawing.tables import table_html
from dashboard.overview import limits as overview_limits
from dashboard.overview.figures import auc_chart, recall_chart
from dashboard.reading import runs
from dashboard.reading.results import Results, parse
from dashboard.reading.robustness import read_robustness
from tests.support.invented_run import HOSTILE, SOURCES, invent
from tests.support.reading import drawn, opened, rewrite, words

EVALUATE = "python -m scripts.pipeline run --run {} --only evaluate"
HEAVY = ("torch", "transformers", "librosa", "sklearn", "scipy", "matplotlib", "numba")


@pytest.fixture
def results(run: Run) -> Results:
    return runs.results(run)


def limited(run: Run) -> str:
    """Return what the Overview says may not be claimed."""
    return "\n".join(overview_limits.limits(runs.results(run), read_robustness(run)))


# A whole run


def test_the_page_shows_the_numbers_of_the_results_file(run: Run) -> None:
    value, page = json.loads(run.results_file.read_text()), words(opened())
    best = max(value["models"].values(), key=lambda model: model["val"]["roc_auc"])["test"]
    accused, caught = 1 - best["recall_human"], best["recall_ai"]
    assert all(share in (0, 1) or 0.01 < share < 0.99 for share in (accused, caught)), "or they read <1% or >99%"
    assert f"Human called AI {100 * accused:.0f}%" in page
    assert f"AI caught {100 * caught:.0f}%" in page
    assert f"AUC **{best['roc_auc']:.3f}**" in page
    for model in value["models"].values():
        low, high = model["test"]["intervals"]["roc_auc"]
        assert model["name"] in page
        assert f"{model['threshold']:.3g}" in page
        assert f"{model['test']['roc_auc']:.3f} [{low:.3f},\u00a0{high:.3f}]" in page
    for source in value["sources"]:
        assert f"{round(source['right']['cnn'] * source['clips'])} of {source['clips']}" in page


def test_a_changed_results_file_shows_at_once(run: Run) -> None:
    app = opened()
    rewrite(run, lambda value: [model["test"].update(roc_auc=0.6543) for model in value["models"].values()])
    assert "0.654" not in words(app)
    assert "0.654" in words(app.run())


@pytest.mark.parametrize(("rule", "said"), [("fpr", "at most 5% of the human ones"), ("fixed", "set by hand")])
def test_the_page_says_why_a_clip_is_called_ai_from_there(run: Run, rule: str, said: str) -> None:
    rewrite(run, lambda value: value["threshold_rule"].update(rule=rule))
    assert said in words(opened())


def test_the_headline_detector_is_the_best_on_validation_not_on_test(run: Run) -> None:
    def hybrid_leads_on_test_only(value: dict[str, Any]) -> None:
        for name, model in value["models"].items():
            model["val"]["roc_auc"] = 0.9 if name == "ae_classifier" else 0.7
            model["test"]["roc_auc"] = 0.99 if name == "hybrid" else 0.8

    rewrite(run, hybrid_leads_on_test_only)
    assert "The AE classifier tells AI from human" in words(opened())


def test_a_run_of_the_real_pipeline_opens(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(finished.folder.parent))
    page = words(opened())
    assert "tells AI from human" in page
    assert "cannot be shown" not in page


def test_printed_figures_are_read_when_asked_for(run: Run) -> None:
    app = opened()
    assert not app.get("imgs")
    printed = runs.printed_figures(run)
    assert {path.stem for path in printed} >= {"roc_curves", "confusion_matrices", "tsne"}
    assert all(runs.read_figure(path, run).startswith(b"\x89PNG") for path in printed)


def test_half_a_picture_is_refused_by_name(run: Run) -> None:
    path = run.figure("tsne")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(errors.ArtifactError, match=r"tsne\.png: damaged"):
        runs.read_figure(path, run)


# Which run


def test_a_link_opens_the_run_it_names(run: Run, made: Run) -> None:
    newer = Run(shutil.copytree(made.folder, run.folder.with_name("newer")))
    newer.description.touch()
    assert opened().selectbox(key="run").value == "newer"
    app = opened(run=run.name)
    assert app.selectbox(key="run").value == run.name
    assert f"Run `{run.name}`" in words(app)


def test_the_address_always_names_the_run(run: Run, made: Run) -> None:
    shutil.copytree(made.folder, run.folder.with_name("other"))
    app = opened()
    assert app.query_params["run"] in (["evaluated"], ["other"], "evaluated", "other")
    app.selectbox(key="run").select("evaluated").run()
    assert app.query_params["run"] in (["evaluated"], "evaluated")


def test_a_link_to_a_run_that_is_gone_says_so(run: Run) -> None:
    app = opened(run="gone")
    assert app.selectbox(key="run").value == run.name
    assert f"`run=gone` (shown: `{run.name}`)" in words(app)


# What is not there


def test_without_any_run_the_page_says_how_to_make_one(artifacts: Path) -> None:
    page = words(opened())
    assert "there is no run here yet" in page
    assert "python scripts/demo.py" in page


def test_a_half_finished_run_says_what_is_done_and_what_to_type(artifacts: Path) -> None:
    invent(artifacts, "half", only=("prepare", "autoencoder"))
    app = opened()
    assert list(app.dataframe[0].value["State"]) == ["✓ done"] * 2 + ["○ to do"] * 6
    assert "2 of 8 phases are done" in words(app)
    assert "python -m scripts.pipeline run --run half" in [code.value for code in app.code]


def test_the_phases_are_those_of_the_pipeline(run: Run) -> None:
    assert tuple(phase.name for phase in runs.phases(run)) == pipeline.NAMES


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:500]),
        lambda path: path.write_bytes(b"\xff\x00\xfe"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(path.read_text().replace('"format": 2', '"format": 1', 1)),
        lambda path: path.write_text(path.read_text().replace('"confusion"', '"confusing"')),
    ],
    ids=["cut", "bytes", "list", "older", "lacking"],
)
def test_damaged_results_become_one_sentence_and_the_command(run: Run, damage: Callable[[Path], object]) -> None:
    damage(run.results_file)
    app = opened()
    assert "results.json: " in words(app)
    assert EVALUATE.format(run.name) in [code.value for code in app.code]


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["models"].clear(),
        lambda value: value["models"].update(unheard_of=value["models"]["cnn"]),
        lambda value: value["models"]["cnn"]["test"].update(roc_auc=float("nan")),
        lambda value: value["models"]["cnn"]["test"].update(confusion=[[1, 2], [3, -4]]),
        lambda value: value["models"]["cnn"]["test"].pop("intervals"),
        lambda value: value["data"]["counts"][0].update(split="exam"),
        lambda value: value["encoder"].update(name=None),
        lambda value: value["sources"][0].update(right=[]),
    ],
    ids=["no model", "unknown model", "nan", "negative", "no intervals", "split", "no encoder", "no recall"],
)
def test_results_that_make_no_sense_are_refused(run: Run, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(run, change)
    with pytest.raises(errors.ArtifactError, match="damaged"):
        runs.results(run)


def test_parts_of_the_audit_that_were_not_asked_for_do_not_make_results_old(finished: Run) -> None:
    assert not finished.seeds.exists()
    assert not runs.is_outdated(finished)


@pytest.mark.parametrize("phase", ["hybrid", "evaluate"])
def test_results_of_an_earlier_training_or_evaluation_are_marked(run: Run, phase: str) -> None:
    assert "made again since" not in words(opened())
    run.record(phase).unlink()
    app = opened()
    assert "made again since this evaluation" in words(app)
    assert EVALUATE.format(run.name) in [code.value for code in app.code]


def test_a_damaged_record_counts_as_not_done(run: Run) -> None:
    run.record("hybrid").write_text(run.record("hybrid").read_text().replace('"seconds": ', '"seconds": "a", "b": '))
    run.record("prepare").write_text("{")
    assert [phase.done for phase in runs.phases(run)] == [False, True, True, True, False, True, True, True]


# Honesty


def test_demo_numbers_say_what_they_are_on_every_page(artifacts: Path, made: Run) -> None:
    demo = Run(shutil.copytree(made.folder, artifacts / "demo"))
    assert "say nothing about real music" not in words(opened())
    demo.description.write_text(demo.description.read_text().replace('"demo": false', '"demo": true'))
    assert "say nothing about real music" in words(opened())


def test_the_limits_come_from_the_numbers(run: Run) -> None:
    said = limited(run)
    assert all(f"`{source}`" in said for source in SOURCES[1])
    assert "Of 120 clips from 3 AI sources, each held out in turn" in said
    assert f"of 2 changes clearly cost the {runs.results(run).headline.name} AUC" in said
    assert "Facts about the files alone reach AUC" in said
    assert "20 human and 30 AI songs were tested" in said
    assert "pretrained AST" in said


def test_limits_without_an_audit_say_what_was_not_measured(run: Run) -> None:
    rewrite(run, lambda value: value.update(dict.fromkeys(("shortcuts", "robustness", "leave_out", "seeds"))))
    said = limited(run)
    assert "Human files come at 44.1 kHz, AI files at 32 kHz" in said
    assert "Every AI source in the test was also in the training" in said
    assert "re-encoding, noise or pitch shift matter was not measured" in said
    assert "one training only" in said


def test_limits_that_do_not_hold_are_not_said(run: Run) -> None:
    def widen(value: dict[str, Any]) -> None:
        value["data"]["native_rates"] = {"human": [44100], "ai": [44100]}
        value |= {"shortcuts": None, "leave_out": None}
        value["encoder"]["kind"] = "ast-pretrained"
        value["data"]["counts"].append({"split": "test", "label": "ai", "source": "new", "clips": 1, "songs": 1})
        for cell in value["data"]["counts"]:
            cell["songs"] *= 100

    rewrite(run, widen)
    said = limited(run)
    for limit in ("kHz", "pretrained AST", "Small differences", "never heard"):
        assert limit not in said


def test_a_source_without_a_test_clip_is_named(run: Run) -> None:
    lone = {"split": "train", "label": "ai", "source": "udio", "clips": 4, "songs": 4}
    rewrite(run, lambda value: value["data"]["counts"].append(lone))
    assert "**Sources without a test clip:** `udio`." in limited(run)


@pytest.mark.parametrize(
    ("value", "p_value", "said"),
    [(0.1, 0.06, "cannot be told from CNN"), (-0.1, 0.01, "CNN did better"), (0.1, 0.01, "")],
)
def test_the_headline_detector_is_not_called_the_best_unless_it_is(
    run: Run, value: float, p_value: float, said: str
) -> None:
    def compare(results: dict[str, Any]) -> None:
        area = {"value": value, "low": value - 0.05, "high": value + 0.05, "p_value": p_value}
        results["comparisons"] = [{**results["comparisons"][0], "first": "hybrid", "second": "cnn", "roc_auc": area}]
        for name, model in results["models"].items():
            model["val"]["roc_auc"] = 0.9 if name == "hybrid" else 0.8

    rewrite(run, compare)
    said_limits = limited(run)
    assert said in said_limits
    assert ("is the best" in said_limits) == bool(said)


def test_no_share_is_shown_without_the_width_its_songs_leave(results: Results) -> None:
    fields = (
        "accuracy",
        "f1_macro",
        *(f"{share}_{label}" for share in ("recall", "precision") for label in theme.NAMES),
    )
    shares = [model.scores[field] for model in results.models for field in fields]
    assert all(share.low < share.high for share in shares)


def test_percentages_never_round_to_all_or_nothing() -> None:
    assert [sentences.percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0%", "<1%", "50%", ">99%", "100%"]


# Names nobody should trust


@pytest.mark.parametrize("name", [*HOSTILE, "`", "``a", " ", "", "a\nb", "\u202eevil"])
def test_a_hostile_name_stays_inside_its_code_span(name: str) -> None:
    shown = sentences.literal(name)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    inside = shown[len(fence) : -len(fence)]
    assert shown.endswith(fence)
    assert all(len(part) != len(fence) for part in _ticks(inside))
    assert ":material/" not in shown
    assert inside.isprintable() or "\u2060" in inside


def _ticks(text: str) -> Iterator[str]:
    yield from "".join(c if c == "`" else " " for c in text).split()


def test_hostile_sources_reach_the_page_as_plain_text_only(artifacts: Path) -> None:
    invent(artifacts, "hostile", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})
    app = opened()
    shown = [element.value for kind in ("markdown", "caption", "subheader", "title") for element in app.get(kind)]
    assert all(any(sentences.literal(name) in text for text in shown) for name in HOSTILE)
    for name in HOSTILE:
        shown = [text.replace(sentences.literal(name), "") for text in shown]
    assert not any(name in text for name in HOSTILE for text in shown)
    assert not any(element.allow_html for element in app.markdown)


def test_many_left_out_files_are_shown_as_n_of_many(artifacts: Path) -> None:
    invent(artifacts, "many", skipped=450)
    app = opened()
    app.session_state["overview-skipped"] = True
    assert "200 of 450 files" in words(app.run())


# Colours and marks


def test_classes_differ_in_shape_not_only_in_colour(results: Results) -> None:
    for row in recall_chart(results.models).rows:
        assert [mark.symbol for mark in row.marks] == ["circle", "diamond"]
        assert [mark.colour for mark in row.marks] == [palette.HUMAN, palette.AI]


def test_whiskers_end_at_the_interval(results: Results) -> None:
    chart = auc_chart(results.models, results.headline)
    for row, model in zip(chart.rows, results.models, strict=True):
        area = model.scores["roc_auc"]
        assert row.marks[0].reach == (area.low, area.high)


def test_a_mark_stands_where_its_value_lies_between_the_ends_of_the_axis() -> None:
    mark = row_charts.Mark(at=0.75, reach=(0.6, 0.9), says="AUC 0.75")
    chart = row_charts.Chart(rows=(row_charts.Row("A", (mark,)),), low=0.5, high=1.0)
    body = chart_html(chart, "one")
    assert 'title="AUC 0.75" style="left: 50.00%' in body
    assert "left: 20.00%; right: 20.00%" in body  # its whiskers: a fifth of the axis is left at both sides


def test_names_in_a_still_chart_or_table_are_letters_and_never_markup() -> None:
    name = "<img src=x onerror=alert(1)>\"'&"
    row = row_charts.Row(name, (row_charts.Mark(at=0.5, says=name),), note=name)
    for body in (
        chart_html(row_charts.Chart(rows=(row,), low=0.0), name),
        table_html([{"Source": name}, {"Source": "b"}], name),
    ):
        assert "<img" not in body
        assert body.count("&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;") >= 2


def test_charts_and_tables_have_text_alternatives(run: Run) -> None:
    app = opened()
    assert len(drawn(app, "rows")) == 2
    assert all(re.search(r'role="img" aria-label="[^"]+\d', body) for body in drawn(app, "rows"))
    assert len(drawn(app, "table")) == 2
    assert all(re.search(r'role="region" aria-label="[^"]+"', body) for body in drawn(app, "table"))


# Speed


def test_the_first_page_sends_nothing_that_needs_a_library_of_charts_or_tables(run: Run) -> None:
    app = opened()
    assert not [*app.get("plotly_chart"), *app.dataframe, *app.table, *app.code]


def test_the_first_page_loads_no_library_of_tables_on_the_server(run: Run) -> None:
    assert loaded_by_the_first_page(("pandas", "pyarrow")) == []


def test_the_results_file_is_parsed_once_as_long_as_it_is_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[str] = []
    real = Run.read_results
    monkeypatch.setattr(Run, "read_results", lambda self: readings.append(self.name) or real(self))
    opened()
    parsed = len(readings)
    assert parsed == 1  # for the figures on the test clips and for what was asked beyond them
    opened()
    assert len(readings) == parsed
    rewrite(run, lambda value: value.update(made="2031-01-01T00:00:00+00:00"))
    assert "1 January 2031" in words(opened())


def test_opening_a_page_loads_no_model_library(run: Run) -> None:
    assert loaded_by_the_first_page(HEAVY) == []


def loaded_by_the_first_page(names: Sequence[str]) -> list[str]:
    """Return which of some modules are loaded once a new server has drawn its first page."""
    code = (
        "import json, sys; from streamlit.testing.v1 import AppTest;"
        f"app = AppTest.from_file({str(ROOT / 'dashboard' / 'app.py')!r}, default_timeout=30).run();"
        "assert not app.exception and app.metric;"
        f"print(json.dumps([name for name in {list(names)!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_a_result_without_a_detector_is_no_result(run: Run) -> None:
    value = json.loads(run.results_file.read_text())
    with pytest.raises(KeyError):
        parse({**value, "models": {"cnn": {}}}, 5.0)
