"""The Clips page and what all pages share of it: one table of clips, one selected clip, one view of it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.artifacts import DETECTORS, ROOT, Run
from core.config import Config
from core.errors import ArtifactError
from dashboard import selection
from dashboard.clip import evidence as clip_evidence
from dashboard.clip import figures as clip_figures
from dashboard.clip import view as clip_view
from dashboard.clip.filter import ClipFilter, shown
from dashboard.drawing import pictures
from dashboard.reading import clips, runs
from dashboard.reading.clips import read_clip_table, read_row
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import drawn, words

APP = ROOT / "dashboard" / "app.py"


def opened(**query: str) -> AppTest:
    return reading.opened("clips", **query)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "artifacts"))
    return invent(tmp_path / "artifacts", "evaluated", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})


# The table of clips


def test_every_clip_has_its_row_and_what_each_detector_said_of_it(run: Run) -> None:
    clips = read_clip_table(run)
    assert clips["row"].tolist() == list(range(len(run.read_clips())))
    assert [clip.path for clip in run.read_clips()] == clips["path"].tolist()
    for name in DETECTORS:
        probability = run.read_splits(
            run.fusion if name in ("hybrid", "three_way") else run.baseline_probabilities,
            "evaluate",
            f"{name}_probability_" if name in ("hybrid", "three_way") else f"{name}_",
        )
        np.testing.assert_allclose(clips[f"p_{name}"], probability, rtol=1e-7)  # invented ones are float64
    assert np.allclose(clips["weight_autoencoder"] + clips["weight_transformer"], 1)


def test_verdicts_are_those_that_the_results_count(run: Run) -> None:
    test = clips.of_split(read_clip_table(run), "test")
    for model in runs.results(run).models:
        for label, wrong in model.wrong.items():
            of_class = test[test["label"] == label]
            assert (~of_class[f"right_{model.key}"]).sum() == wrong


def test_a_table_of_another_evaluation_is_refused_with_the_command(run: Run) -> None:
    text = run.predictions.read_text(encoding="utf-8")
    run.predictions.write_text("\n".join(text.splitlines()[:50]), encoding="utf-8")
    with pytest.raises(ArtifactError, match="another evaluation") as caught:
        read_clip_table(run)
    assert "--only evaluate" in caught.value.remedy


def test_one_row_of_an_array_is_read_and_a_row_that_is_not_there_refused(run: Run) -> None:
    np.testing.assert_array_equal(read_row(run, run.log_mel, 3, "explain"), np.load(run.log_mel)[3])
    with pytest.raises(ArtifactError, match="does not hold the clips"):
        read_row(run, run.log_mel, 10**6, "explain")


# Which clips are shown


def test_a_filter_keeps_what_was_asked_for(run: Run) -> None:
    every = read_clip_table(run)
    assert len(ClipFilter().apply(every)) == len(every)
    matching = ClipFilter(("test",), "ai", "cnn", "wrong", (HOSTILE[2],), "_1").apply(every)
    assert set(matching["split"]) <= {"test"}
    assert set(matching["label"]) <= {"ai"}
    assert not matching["right_cnn"].any()
    assert matching["path"].str.contains("_1", regex=False).all()


def test_a_file_name_is_searched_letter_by_letter(run: Run) -> None:
    assert ClipFilter(text=".*").apply(read_clip_table(run)).empty


@pytest.mark.parametrize(("splits", "said"), [((), True), (("train",), True), (("test",), False)])
def test_being_right_on_training_clips_is_called_no_proof(splits: tuple[str, ...], said: bool) -> None:
    assert ("proves nothing" in shown(3, 9, splits)) == said
    assert shown(3, 1200, splits).startswith("3 of 1,200 clips")


# The selected clip


def test_a_chosen_row_stands_for_the_clip_that_is_shown_there() -> None:
    paths = ["a", "b", "c"]
    assert selection.chosen([2], paths) == "c"
    assert selection.chosen([], paths) == ""
    assert selection.chosen([7], paths) == ""


def test_a_link_selects_its_clip_on_every_page(run: Run) -> None:
    path = read_clip_table(run)["path"][5]
    app = opened(run=run.name, clip=path)
    assert path in words(app)
    for page in ("map", "attention", "clips"):
        app.switch_page(f"../pages/{page}.py").run()
        assert app.query_params["clip"] in (path, [path])
        assert path in [element.value for element in app.get("text")]


def test_without_a_selection_the_page_says_how_to_make_one(run: Run) -> None:
    assert "Choose a clip in the table" in words(opened())


def test_a_clip_that_is_not_in_the_run_is_not_shown(run: Run) -> None:
    app = opened(run=run.name, clip="../../etc/passwd")
    assert "Choose a clip in the table" in words(app)


def test_forgetting_the_selection_empties_the_address(run: Run) -> None:
    app = opened(run=run.name, clip=read_clip_table(run)["path"][5])
    next(button for button in app.button if button.label == "Forget").click().run()
    assert "clip" not in app.query_params


# One clip


def test_the_page_shows_every_detectors_score_threshold_and_verdict(run: Run) -> None:
    clip, results = read_clip_table(run).loc[130], runs.results(run)
    page = words(opened(run=run.name, clip=clip["path"]))
    for model, (_, row) in zip(results.models, clip_view.scores(clip, results).iterrows(), strict=True):
        assert row["Score"] == f"{clip[f'p_{model.key}']:.3f}"
        assert row["Score"] in page
    assert f"{clip['weight_autoencoder']:.0%} to the autoencoder" in page


def test_a_clip_that_cannot_be_heard_is_still_shown(run: Run) -> None:
    app = opened(run=run.name, clip=read_clip_table(run)["path"][5])
    assert "cannot be shown" in words(app)
    assert len(drawn(app, "plane")) == 5  # its picture without the player, and what lies behind the verdicts
    assert len(app.table) == 1


def test_without_the_explain_phase_the_page_names_its_command(run: Run) -> None:
    run.log_mel.unlink()
    app = opened(run=run.name, clip=read_clip_table(run)["path"][5])
    assert any("--only explain" in code.value for code in app.code)


def test_hostile_sources_are_shown_letter_by_letter(run: Run) -> None:
    app = opened(run=run.name, clip=read_clip_table(run)["path"][5])
    assert not any(element.allow_html for element in app.markdown)
    for element in [*app.markdown, *app.caption]:
        assert "<img" not in element.value.replace("`<img", "")


def test_residual_is_centred_at_zero_and_pictures_have_true_axes() -> None:
    values, config = np.zeros((128, 157), np.float32), Config()
    body = clip_figures.residual(values, config, "nothing is missing")
    assert '<i style="bottom: 50.00%">0 dB</i>' in body
    body = clip_figures.spectrogram(values, config, "loud")
    assert re.search(r'<i style="left: (9\d|100)\.\d\d%">5 s</i>', body)
    kilohertz = [float(place) for place in re.findall(r'<i style="bottom: ([\d.]+)%">[\d.]+</i>', body)]
    assert len(kilohertz) >= 4
    assert kilohertz == sorted(kilohertz)


def test_a_line_of_a_picture_goes_through_its_values() -> None:
    svg = pictures.lines_svg([([0.0, 1.0, 0.5], "#009988", 1)]).decode()
    assert 'viewBox="0 0 2 400"' in svg
    assert 'd="M0 400l1 -400 1 200"' in svg


def test_the_selected_clip_is_shown_without_a_library_of_charts(run: Run) -> None:
    app = opened(run=run.name, clip=read_clip_table(run)["path"][130])
    assert not app.get("plotly_chart")
    app.session_state["clip-lines"] = True
    assert len(app.run().get("plotly_chart")) == 1  # asked for: to zoom


def test_the_strongest_lines_are_marked_by_the_class_they_speak_for() -> None:
    hertz, level = np.arange(100.0) * 10, np.zeros(100, np.float32)
    moved = np.zeros(100, np.float32)
    moved[[3, 7]] = 1.0, -2.0
    chart = clip_figures.artefacts(hertz, level, level, moved, np.array([7, 3]))
    towards = {trace.name: list(trace.x) for trace in chart.data[2:]}
    assert towards == {"moved the score towards AI": [0.03], "moved the score towards Human": [0.07]}
    body = clip_figures.lines(hertz, level, level, moved, np.array([7, 3]), "lines")
    marks = re.findall(r'smd-mark smd-(\w+)" title="([^"]+)" style="left: ([\d.]+)%', body)
    assert marks == [
        ("circle", "0.070 kHz, 0.0 dB: log-odds -2.000, towards Human", "7.07"),
        ("diamond", "0.030 kHz, 0.0 dB: log-odds +1.000, towards AI", "3.03"),
    ]


def test_a_table_shows_marks_and_words_for_classes_and_verdicts() -> None:
    clips = pd.DataFrame({"path": ["a\nb"], "label": ["ai"], "right_cnn": [False]})
    (row,) = clip_view.rows(clips, {"path": "Clip", "label": "Class", "right_cnn": "Verdict"}).to_dict("records")
    assert row == {"Clip": "a\\u000ab", "Class": "◆ AI", "Verdict": "✗ wrong"}


def test_evidence_of_a_clip_is_drawn_from_its_own_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(clip_figures, "spectrogram", lambda values, *_: seen.append(values) or "<p>")
    clip_evidence.reconstruction(run, read_clip_table(run).loc[9])
    np.testing.assert_array_equal(seen[0], np.load(run.log_mel)[9].astype(np.float32))
    np.testing.assert_array_equal(seen[1], np.load(run.reconstructions)[9].astype(np.float32))
