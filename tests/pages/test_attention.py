"""The attention page: weights beside effects, maps on true axes, and what is said where nothing was made."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from core import storage
from core.artifacts import ROOT, SPLITS, Run
from core.errors import ArtifactError, printable
from core.features import mel_scale
from dashboard import sentences
from dashboard.attention import figures as attention_figures
from dashboard.attention import words as attention_words
from dashboard.reading import attention, attention_maps, clips
from dashboard.reading.attention import Attention, Fusion, Weight, read_attention, with_branches
from dashboard.reading.attention_maps import Maps, read_maps
from dashboard.reading.clips import read_clip_table
from dashboard.reading.results import Measurement, UsedEncoder
from tests.support import reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import drawn, words

EXPLAIN = "python -m scripts.pipeline run --run {} --only explain"
HEAVY = ("torch", "transformers", "librosa", "sklearn", "scipy", "matplotlib", "numba")
SECONDS = 0.08 + 0.16 * np.arange(31)  # centres of a small AST's patches
HERTZ = np.array([200.0, 500.0, 900.0, 1400.0, 2200.0, 3300.0, 4800.0, 6900.0])
EVEN = np.ones((len(HERTZ), len(SECONDS)))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return an evaluated run whose every clip has a name that nobody should trust."""
    sources = {0: HOSTILE[:2], 1: HOSTILE[2:]}
    return invent(tmp_path_factory.mktemp("attention") / "artifacts", "evaluated", sources=sources)


@pytest.fixture
def seen(run: Run) -> Attention:
    return read_attention(run)


@pytest.fixture
def every(run: Run) -> pd.DataFrame:
    return read_clip_table(run)


def opened(**query: str) -> AppTest:
    return reading.opened("attention", **query)


def charts(app: AppTest) -> str:
    return "\n".join([*(chart.proto.spec + chart.proto.alt for chart in app.get("plotly_chart")), *drawn(app, "rows")])


def test_only_what_is_chosen_in_or_pointed_at_is_a_chart_that_needs_a_library(run: Run) -> None:
    app = opened(clip=run.read_clips()[0].path)
    assert len(app.get("plotly_chart")) <= 2  # every clip's weight, and weight against effect
    assert len(drawn(app, "rows")) == 3  # without a branch: over all clips, and this one in both fusions


def test_a_clips_score_without_a_branch_stands_beside_its_whole_score(run: Run, every: pd.DataFrame) -> None:
    fusion = read_attention(run).fusions["hybrid"]
    clip = with_branches(run, every, "hybrid").loc[3]
    whole, *without = (row.marks[0] for row in attention_figures.clip_chart(clip, fusion).rows)
    assert whole.at == pytest.approx(clip["p_hybrid"])
    assert [mark.at for mark in without] == [clip[f"p_without_{name}"] for name in fusion.branches]
    for mark in (whole, *without):
        assert mark.symbol == ("diamond" if mark.at >= fusion.model.threshold else "circle")
        assert mark.reach is None or {mark.at, whole.at} == set(mark.reach)


def rewrite_fusion(run: Run, changed: Mapping[str, np.ndarray]) -> None:
    """Put other values, in row order, into the fusion's file."""
    splits = [clip.split for clip in run.read_clips()]
    with np.load(run.fusion) as archive:
        arrays = dict(archive)
    for name, values in changed.items():
        arrays |= {f"{name}_{split}": values[[split == s for s in splits]] for split in SPLITS}
    storage.write_npz(run.fusion, arrays)


# Clip by clip


def test_a_branch_that_nobody_misses_moves_nothing(run: Run, every: pd.DataFrame) -> None:
    score = every["p_hybrid"].to_numpy()
    rewrite_fusion(run, {"hybrid_without_autoencoder": score, "hybrid_without_transformer": 1 - score})
    table = with_branches(run, every, "hybrid")
    assert np.allclose(table["change_autoencoder"], 0, atol=1e-3)
    assert np.allclose(table["change_transformer"], -2 * np.log(score / (1 - score)), atol=1e-3)
    assert set(table["furthest"]) == {"transformer"}
    assert attention.disagreeing(table) == (table["weight_autoencoder"] > 0.5).sum()


def test_a_branch_counts_as_most_attended_by_its_own_weight(run: Run, every: pd.DataFrame) -> None:
    rewrite_fusion(run, {"three_way_weights": np.tile([0.2, 0.3, 0.5], (len(every), 1))})
    assert set(with_branches(run, every, "three_way")["most"]) == {"fine_spectrum"}


def test_arrays_of_another_training_are_refused(run: Run, every: pd.DataFrame) -> None:
    rewrite_fusion(run, {"hybrid_probability": 1 - every["p_hybrid"].to_numpy()})
    with pytest.raises(ArtifactError, match="not what the evaluation looked at"):
        with_branches(run, every, "hybrid")


def test_a_chosen_mark_stands_for_its_clip_whatever_its_trace(every: pd.DataFrame) -> None:
    assert attention.chosen_path([{"customdata": [7], "point_index": 0}], every) == every.loc[7, "path"]
    assert attention.chosen_path([{"customdata": 7}], every) == every.loc[7, "path"]
    assert attention.chosen_path([{"customdata": [9999]}], every) == ""
    assert attention.chosen_path([{"point_index": 3}], every) == ""
    assert attention.chosen_path([], every) == ""


def test_every_mark_carries_the_row_of_its_own_clip(seen: Attention, run: Run, every: pd.DataFrame) -> None:
    test = clips.of_split(with_branches(run, every, "hybrid"), "test")
    for trace in attention_figures.effect_chart(test, "autoencoder").data:
        assert np.allclose(test.loc[list(trace.customdata), "weight_autoencoder"], trace.x, atol=1e-4)
        assert np.allclose(test.loc[list(trace.customdata), "change_autoencoder"], trace.y, atol=1e-3)
    human, _, ai, _ = attention_figures.weights_chart(test, seen.fusions["hybrid"], ["autoencoder"]).data
    assert (human.marker.symbol, ai.marker.symbol) == ("circle", "diamond")
    assert np.allclose(test.loc[list(ai.customdata), "weight_autoencoder"], ai.x, atol=1e-4)


def test_a_file_name_cannot_speak_html_in_a_chart(run: Run, every: pd.DataFrame) -> None:
    table = with_branches(run, every, "hybrid").assign(path=HOSTILE[0])
    spec = attention_figures.effect_chart(table, "autoencoder").to_json()
    assert "img src" in spec
    assert "<img" not in json.loads(spec)["data"][0]["text"][0]


# Weight against effect


def test_the_rank_correlation_is_spearmans_ties_included() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 60), rng.normal(size=60)
    assert attention.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert attention.spearman(a, np.ones(60)) == 0


def test_more_clips_of_the_same_songs_make_nothing_surer() -> None:
    rng = np.random.default_rng(2)
    once = pd.DataFrame({"weight_x": rng.uniform(size=30), "song": [f"song{n}" for n in range(30)]})
    once["change_x"] = once["weight_x"] + rng.normal(size=30)
    single = attention.correlation(once, "x", 0.95)
    fourfold = attention.correlation(pd.concat([once] * 4), "x", 0.95)
    assert fourfold.rho.low == pytest.approx(single.rho.low)
    assert fourfold.rho.high == pytest.approx(single.rho.high)
    assert (fourfold.n, fourfold.songs) == (120, 30)


def fusion_with(seen: Attention, autoencoder: Measurement, transformer: Measurement) -> Fusion:
    hybrid = seen.fusions["hybrid"]
    means = {"autoencoder": autoencoder, "transformer": transformer}
    weights = {name: {"human": Weight(mean, 9, 9), "ai": Weight(mean, 9, 9)} for name, mean in means.items()}
    return Fusion(hybrid.model, hybrid.branches, weights, hybrid.removals, hybrid.against)


@pytest.mark.parametrize(
    ("weight", "moved", "said"),
    [
        (0.9, {"autoencoder": 0.1, "transformer": 2.0}, "weight and effect disagree"),
        (0.9, {"autoencoder": 2.0, "transformer": 0.1}, "furthest, too"),
        (0.5, {"autoencoder": 2.0, "transformer": 0.1}, "no branch has clearly most weight"),
    ],
)
def test_a_high_weight_with_a_small_effect_is_called_that(
    seen: Attention, weight: float, moved: dict[str, float], said: str
) -> None:
    fusion = fusion_with(
        seen, Measurement(weight, weight - 0.05, weight + 0.05), Measurement(1 - weight, 0.95 - weight, 1.05 - weight)
    )
    assert said in attention_words.looked_and_decided(fusion, "human", moved)


# Maps


def test_an_encoder_that_looks_everywhere_alike_has_ones_everywhere() -> None:
    shares = EVEN / EVEN.size
    assert np.allclose(attention_maps.times_even(shares), 1)
    assert attention_maps.held_by_tenth(EVEN) == pytest.approx(0.1, abs=0.01)
    stretch = attention_maps.most_attended(EVEN, SECONDS, 5.0)
    assert stretch.share == pytest.approx(stretch.even)
    assert stretch.end - stretch.start == pytest.approx(1.0)


def test_the_most_attended_second_holds_the_burst() -> None:
    burst = np.where((SECONDS > 2.2) & (SECONDS < 2.9), 50.0, 1.0) * EVEN
    stretch = attention_maps.most_attended(burst, SECONDS, 5.0)
    assert stretch.start <= 2.25
    assert stretch.end >= 2.85
    assert stretch.share > 0.85
    last = attention_maps.most_attended(np.where(SECONDS > 4.7, 50.0, 1.0) * EVEN, SECONDS, 5.0)
    assert last.end <= 5.0


def test_a_patch_lies_on_the_spectrograms_own_frequencies() -> None:
    weights = EVEN.copy()
    weights[4, 10] = 9.0  # about 2.2 kHz, 1.68 s
    maps = Maps(np.array([0]), weights[None] / weights.sum(), SECONDS, HERTZ)
    stretch, scale = attention_maps.most_attended(weights, SECONDS, 5.0), attention_maps.scaled(maps, weights, "clip")
    figure = attention_figures.map_chart(np.zeros((128, 157)), weights, maps, scale, stretch, 5.0, 16_000)
    sound, patches = figure.data[0], figure.data[1]
    row, column = np.unravel_index(np.argmax(patches.z), (8, 31))
    assert patches.y[row] < mel_scale.band_of(2200, 128, 16_000) < patches.y[row + 1]
    centres = mel_scale.band_of(HERTZ, 128, 16_000)
    assert np.allclose(patches.y[1:-1], (centres[1:] + centres[:-1]) / 2, atol=0.01)
    assert patches.x[column] < 1.68 < patches.x[column + 1]
    assert (min(sound.x), max(sound.x)) == (0, 5)
    assert all(0 <= x <= 5 for x in patches.x)


def test_a_common_scale_is_the_same_for_every_clip() -> None:
    shares = np.stack([EVEN, EVEN]) / EVEN.size
    shares[1, 0] *= 30
    maps = Maps(np.arange(2), shares, SECONDS, HERTZ)
    quiet, loud = (attention_maps.of_clip(maps, row) for row in (0, 1))
    assert quiet is not None
    assert loud is not None
    assert attention_maps.scaled(maps, quiet, "common") == attention_maps.scaled(maps, loud, "common")
    assert attention_maps.scaled(maps, quiet, "clip").high < attention_maps.scaled(maps, loud, "clip").high
    assert attention_maps.of_clip(maps, 2) is None


def test_mean_maps_differ_where_the_classes_do_and_count_songs_not_clips() -> None:
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.9, 1.1, (40, *EVEN.shape)) / EVEN.size
    shares[:20, 2] *= 2  # human clips: the third row of patches
    maps = Maps(np.arange(40), shares, SECONDS, HERTZ)
    test = pd.DataFrame({"label": ["human"] * 20 + ["ai"] * 20, "song": [f"{n // 2}" for n in range(40)]})
    average = attention_maps.mean_maps(maps, test)
    assert average is not None
    assert (average.difference[2] > 0.5).all()
    assert (np.abs(np.delete(average.difference, 2, axis=0)) < 0.1).all()
    assert average.songs == {"human": 10, "ai": 10}
    assert 31 <= average.striking < 31 + 0.15 * EVEN.size
    assert attention_maps.mean_maps(maps, test.iloc[:20]) is None


@pytest.mark.parametrize(("kind", "said"), [("ast-pretrained", "MIT/ast"), ("ast-small-scratch", "not the pretrained")])
def test_the_encoder_is_called_what_it_is(kind: str, said: str) -> None:
    assert said in attention_words.whose_attention(
        UsedEncoder(kind, "MIT/ast", "Audio Spectrogram Transformer", "", "frozen")
    )


# The page


def test_the_page_shows_the_weights_and_removals_of_the_results_file(run: Run) -> None:
    value = json.loads(run.results_file.read_text())["attention"]
    app = opened()
    page, drawn = words(app), charts(app)
    for branch, removed in value["without"].items():
        (_, fp), (_, tp) = removed["confusion"]
        assert f"**{removed['verdicts_changed']}** without the {branch}" in page
        assert f"{removed['roc_auc']:.3f} [" in drawn
        assert f"{fp} of {sum(removed['confusion'][0])}: " in page
        assert f"{tp} of {sum(removed['confusion'][1])}: " in page
    assert f"{len(value['undecided'])} of 40 test clips" in page
    assert f"{value['against_concatenation']['roc_auc']['value']:+.3f} [" in page
    assert "Attention weight is where it looked, not what decided." in page


def test_the_other_views_open_from_their_links(run: Run) -> None:
    value = json.loads(run.results_file.read_text())
    three = words(opened(view="Three-way fusion"))
    assert (
        f"**{value['three_way']['without']['fine_spectrum']['verdicts_changed']}** without the fine spectrum" in three
    )
    assert "patches differ by more than 1.96 standard errors over songs" in words(opened(view="Transformer"))
    said = words(opened(view="In words"))
    assert all(sentence in said for sentence in value["attention"]["sentences"])


def test_without_a_selection_the_least_decided_test_clip_is_shown(run: Run, every: pd.DataFrame) -> None:
    test = every[every["split"] == "test"]
    least = test.loc[(test["weight_autoencoder"] - 0.5).abs().idxmin(), "path"]
    assert f"nearest to one half: {sentences.literal(least)}" in words(opened())
    page = words(opened(view="Transformer"))
    assert printable(least) in page
    assert "Most attended 1 s: from" in page


def test_a_link_to_a_clip_shows_its_scores_with_branches_removed(run: Run, every: pd.DataFrame) -> None:
    table = with_branches(run, every, "three_way")
    row = table.index[table["split"] == "test"][3]
    page = words(opened(clip=table.loc[row, "path"]))
    assert f"The selected clip: {sentences.literal(table.loc[row, 'path'])}" in page
    assert f"{table.loc[row, 'p_without_fine_spectrum']:.3f}" in page
    assert f"{table.loc[row, 'change_fine_spectrum']:+.2f}" in page


def test_a_clip_without_a_map_says_for_how_many_there_are_some(run: Run, every: pd.DataFrame) -> None:
    unmapped = every.loc[every["split"] == "train", "path"].iloc[-1]
    page = words(opened(clip=unmapped, view="Transformer"))
    assert "No map was made for this clip. Maps were made for 80 of 160 clips, test clips first" in page


def test_a_run_without_maps_keeps_its_weights_and_names_the_command(run: Run) -> None:
    run.attention_maps.unlink()
    assert EXPLAIN.format(run.name) in [code.value for code in opened(view="Transformer").code]
    app = opened()
    assert "Verdicts that change" in words(app)
    assert "this clip with a branch removed" in words(app)


def test_maps_that_are_not_maps_are_refused(run: Run) -> None:
    maps = read_maps(run, "rollout")
    assert maps is not None
    storage.write_npz(run.attention_maps, {"rows": maps.rows[1:], "rollout": maps.shares, "patch_seconds": maps.seconds,
                                           "patch_hertz": maps.hertz})  # fmt: skip
    assert "it does not hold one map per clip" in words(opened(view="Transformer"))


def test_an_encoder_without_attention_says_so(run: Run) -> None:
    value = json.loads(run.results_file.read_text())
    value["encoder"] |= {"kind": "cnn-fallback", "description": "CNN encoder: not a transformer"}
    run.results_file.write_text(json.dumps(value))
    none = dict.fromkeys(("rollout", "last_layer"), np.zeros((0, 0, 0)))
    places = dict.fromkeys(("patch_seconds", "patch_hertz"), np.zeros(0))
    storage.write_npz(run.attention_maps, {"rows": np.zeros(0, int), **none, **places})
    page = words(opened(view="Transformer"))
    assert "Attention of: CNN encoder: not a transformer" in page
    assert "A CNN has no attention to show." in page


def test_a_half_finished_run_says_what_to_type(artifacts: Path) -> None:
    invent(artifacts, "half", only=("prepare", "autoencoder"))
    app = opened()
    assert "python -m scripts.pipeline run --run half" in [code.value for code in app.code]


def test_results_without_attention_are_refused(run: Run) -> None:
    value: dict[str, Any] = json.loads(run.results_file.read_text())
    del value["attention"]["without"]
    run.results_file.write_text(json.dumps(value))
    assert "results.json: damaged" in words(opened())


def test_hostile_names_reach_the_page_as_plain_text_only(run: Run) -> None:
    for clip in [next(clip for clip in run.read_clips() if clip.source == name) for name in HOSTILE]:
        app = opened(clip=clip.path)
        rich = [element.value for kind in ("markdown", "caption", "subheader", "info") for element in app.get(kind)]
        assert any(sentences.literal(clip.path) in text for text in rich)
        assert not any(clip.path in text.replace(sentences.literal(clip.path), "") for text in rich)
        assert not any(element.allow_html for element in app.markdown)
        assert "<img" not in charts(app)
        assert "<script" not in charts(app)


def test_opening_the_page_loads_no_model_library() -> None:
    asked = "import sys, dashboard.attention.view; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(loaded.stdout.split())
