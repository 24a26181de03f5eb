"""What the printed figures promise: they say what they show, and tell the classes apart without colour."""

import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from core import palette
from core.figures import audit as audit_figures
from core.figures import results as result_figures
from core.metrics.scores import SongMean, score

MODELS = ("CNN", "AE latent classifier", "Transformer classifier", "Attention hybrid")
LABELS = np.arange(40) % 2
RNG = np.random.default_rng(0)
PROBABILITIES = {model: np.clip(LABELS * 0.3 + RNG.random(40) * 0.7, 0, 1) for model in MODELS}
SCORES = {model: score(LABELS, values, 0.5).written() for model, values in PROBABILITIES.items()}
WEIGHTS = np.column_stack([np.linspace(0.3, 0.7, 40), np.linspace(0.7, 0.3, 40)])
BRANCHES = ("Autoencoder", "Transformer")
MELS = RNG.uniform(-80, 0, (2, 128, 157))


def history(epochs: int = 8) -> pd.DataFrame:
    names = ("loss", "accuracy", "reconstruction", "classification")
    columns = {f"{split}_{name}": np.linspace(0.9, 0.2, epochs) for split in ("train", "val") for name in names}
    return pd.DataFrame({"epoch": np.arange(1, epochs + 1), **columns})


def attention(branches: tuple[str, ...] = ("Autoencoder", "Transformer")) -> Figure:
    human, ai = SongMean(20, 9, 0.4, 0.35, 0.46), SongMean(18, 11, 0.55, 0.5, 0.61)
    mirrored = tuple(SongMean(m.n, m.songs, 1 - m.mean, 1 - m.high, 1 - m.low) for m in (human, ai))
    pairs = ((human, ai), (mirrored[0], mirrored[1]), (human, ai))
    return result_figures.plot_attention(dict(zip(branches, pairs, strict=False)))


def confusions(models: int = 4) -> Figure:
    values = list(SCORES.values())
    names = [*MODELS, "Fine spectrum", "Three-way hybrid", "Seventh"][:models]
    chosen = {name: (values[k % 4]["confusion"], values[k % 4]["accuracy"]) for k, name in enumerate(names)}
    return result_figures.visualize_confusion_matrix(chosen)


def tsne(names: tuple[str, ...] = ("Autoencoder", "Transformer", "Hybrid")) -> Figure:
    return result_figures.plot_tsne({name: RNG.normal(size=(40, 2)) for name in names}, LABELS, 13)


def reconstructions(titles: tuple[str, str] = ("Human, fma_001_seg1.wav, of the source fma", "AI, gen_002")) -> Figure:
    return result_figures.plot_reconstructions(MELS, MELS * 0.9, titles, 16_000, 512)


def training() -> Figure:
    best = dict(zip(MODELS[:3], (6, 8, 3), strict=True))
    return result_figures.plot_training_curves({model: history() for model in MODELS[:3]}, best)


SIX = dict(zip("abcdef", (*MODELS, "Fine spectrum (+)", "Three-way fusion (+)"), strict=True))
UNHEARD = (("fma", "human"), ("a $ource of 曲 with a very long name indeed", "ai"), ("suno", "ai"))


def reliability() -> Figure:
    bins = [{"mean_probability": p, "share_ai": p**2, "low_ci": p**2 / 2, "high_ci": p} for p in (0.1, 0.5, 0.9)]
    calibration = {
        "bins": {"before": bins, "after": bins[:2]},
        "ece_before": 0.2,
        "ece_after": 0.1,
        "temperature": 2.5,
        "n": 40,
    }
    return audit_figures.plot_reliability(dict.fromkeys(SIX.values(), calibration))


def shortcuts() -> Figure:
    facts = [{"title": f"fact number {n}", "test_auc": 0.5 + n / 50} for n in range(18)]
    audit = {"n": 40, "songs": 30, "features": facts, "test_auc": 0.83, "test_auc_interval": (0.7, 0.9)}
    tests = {name: {"roc_auc": 0.95, "intervals": {"roc_auc": (0.9, 0.99)}} for name in SIX.values()}
    return audit_figures.plot_shortcuts({"files": audit, "heard": {**audit, "features": facts[:12]}}, tests)


def leave_out(sources: tuple[tuple[str, str], ...] = UNHEARD) -> Figure:
    judged = {"auc": 0.8, "auc_interval": (0.7, 0.9), "recall": 0.25, "recall_interval": (0.1, 0.4)}
    parts = [
        {"source": source, "label": label, "n": 30, "songs": 12, "models": dict.fromkeys(SIX, judged)}
        for source, label in sources
    ]
    return audit_figures.plot_leave_out({"sources": parts}, SIX)


def robustness() -> Figure:
    names = ["clean", *(f"change number {n} semitones" for n in range(27))]
    line = {"false_positive_rate": 0.04, "false_negative_rate": 0.93}
    lines = [{"auc": 1 - n / 60, **line} for n in range(len(names))]
    tested = {"n": 200, "songs": 90, "clips": {"human": 90, "ai": 110}, "transforms": names}
    return audit_figures.plot_robustness({**tested, "models": dict.fromkeys(SIX, lines)}, SIX)


def seeds() -> Figure:
    spread = {"mean": 0.9, "values": [0.88, 0.9, 0.92]}
    trainings = {"seeds": [0, 1, 2], "n": 40, "models": {key: {"roc_auc": spread, "accuracy": spread} for key in SIX}}
    return audit_figures.plot_seeds(trainings, SIX)


FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": confusions,
    "roc": lambda: result_figures.plot_roc_curves(LABELS, PROBABILITIES),
    "tsne": tsne,
    "metrics": lambda: result_figures.plot_metrics_comparison(SCORES),
    "perfect metrics": lambda: result_figures.plot_metrics_comparison(
        dict.fromkeys(MODELS, score(LABELS, LABELS, 0.5).written())
    ),
    "attention": attention,
    "heatmap": lambda: result_figures.plot_attention_heatmap(WEIGHTS, LABELS, BRANCHES),
    "training": training,
    "autoencoder": lambda: result_figures.plot_autoencoder_curves(history(), 5),
    "reconstructions": reconstructions,
    "six confusions": lambda: confusions(6),
    "six models' metrics": lambda: result_figures.plot_metrics_comparison(dict.fromkeys(SIX.values(), SCORES["CNN"])),
    "six models' roc": lambda: result_figures.plot_roc_curves(
        LABELS, dict.fromkeys(SIX.values(), PROBABILITIES["CNN"]), dict.fromkeys(SIX.values(), (0.71, 0.93))
    ),
    "three-way attention": lambda: attention(("Autoencoder", "Transformer", "Fine spectrum")),
    "reliability": reliability,
    "shortcuts": shortcuts,
    "leave out": leave_out,
    "many left out": lambda: leave_out(tuple((f"source {n}", "ai" if n > 5 else "human") for n in range(19))),
    "robustness": robustness,
    "seeds": seeds,
}


def headline(figure: Figure) -> str:
    return figure.get_suptitle() or figure.axes[0].get_title()


def legend_labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_headline_and_prints_at_its_resolution_without_a_warning(name: str) -> None:
    figure, file = FIGURES[name](), io.BytesIO()
    assert headline(figure)
    figure.savefig(file)
    file.seek(0)
    width = plt.imread(file).shape[1]
    assert width == round(figure.get_size_inches()[0] * 150)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_runs_into_another_or_off_the_page(name: str) -> None:
    figure = FIGURES[name]()
    figure.savefig(io.BytesIO())
    texts = [
        artist for axes in figure.axes for artist in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
    ]
    texts += [text for axes in figure.axes for text in axes.texts]
    texts += [text for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    texts += [figure._suptitle] if figure._suptitle else []
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    for place, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text
        for other, other_box in boxes[place + 1 :]:
            assert not box.overlaps(other_box), (text, other)


def test_no_figure_is_left_in_pyplots_memory() -> None:
    for make in FIGURES.values():
        make()
    assert plt.get_fignums() == []


def test_confusion_matrices_say_model_accuracy_counts_and_row_percent_on_white_to_blue() -> None:
    figure = result_figures.visualize_confusion_matrix(
        {"CNN": (((30, 10), (0, 20)), 5 / 6)} | {"B": (((1, 0), (0, 1)), 1.0)}
    )
    axes = figure.axes[0]
    assert axes.get_title() == "CNN - Accuracy: 83.33%"
    assert [text.get_text() for text in axes.texts] == ["30\n75.0%", "10\n25.0%", "0\n0.0%", "20\n100.0%"]
    mesh = next(artist for artist in axes.collections if isinstance(artist, QuadMesh))
    assert to_hex(mesh.to_rgba(0.0)) == "#ffffff"
    assert to_hex(mesh.to_rgba(1.0)) == "#08306b"
    assert "60 test clips" in headline(figure)


@pytest.mark.parametrize(("models", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (6, 2, 3), (7, 3, 3)])
def test_confusion_matrices_fill_a_grid_that_grows(models: int, rows: int, columns: int) -> None:
    *panels, _bar = confusions(models).axes
    assert len(panels) == models
    assert panels[0].get_subplotspec().get_gridspec().get_geometry() == (rows, columns)


def test_every_roc_curve_has_its_auc_in_the_legend_beside_chance() -> None:
    figure = result_figures.plot_roc_curves(LABELS, PROBABILITIES, {"CNN": (0.71, 0.93)})
    labels = legend_labels(figure)
    assert len(labels) == 5
    assert labels[0] == f"CNN: AUC {SCORES['CNN']['roc_auc']:.3f} [0.710, 0.930]"
    assert labels[-1].startswith("Chance")
    assert "20 human and 20 AI" in headline(figure)
    diagonal = figure.axes[0].lines[-1]
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())


def test_no_model_wears_a_classs_colour_and_no_two_models_share_colour_and_line() -> None:
    lines = result_figures.plot_roc_curves(LABELS, PROBABILITIES).axes[0].lines[:4]
    assert len({line.get_color() for line in lines}) == 4
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 4
    assert not {line.get_color() for line in lines} & {palette.HUMAN, palette.AI}


@pytest.mark.parametrize("names", [("Frozen", "Fine-tuned"), ("Autoencoder", "Transformer", "Hybrid")])
def test_a_map_shows_human_as_blue_circles_and_ai_as_red_diamonds(names: tuple[str, ...]) -> None:
    figure = tsne(names)
    assert [axes.get_title() for axes in figure.axes] == list(names)
    for axes in figure.axes:
        for artist, color, marker in zip(axes.collections, (palette.HUMAN, palette.AI), ("o", "D"), strict=True):
            assert isinstance(artist, PathCollection)
            shape = MarkerStyle(marker)
            expected = shape.get_path().transformed(shape.get_transform())
            assert np.allclose(artist.get_paths()[0].vertices, expected.vertices)
            assert to_rgba(artist.get_facecolor()[0], 1) == to_rgba(color)
            assert len(artist.get_offsets()) == 20


def test_a_map_says_how_many_clips_which_perplexity_and_what_not_to_read_into_it() -> None:
    figure = tsne()
    assert headline(figure) == "t-SNE of the embeddings of 40 clips, perplexity 13"
    assert legend_labels(figure) == ["Human (n = 20)", "AI (n = 20)"]
    assert "distances between clusters" in figure.legends[0].get_title().get_text()


def test_metric_bars_are_as_high_as_the_scores_and_carry_their_intervals() -> None:
    tested = SCORES | {"CNN": {**SCORES["CNN"], "intervals": {"accuracy": (0.5, 0.95)}}}
    figure = result_figures.plot_metrics_comparison(tested)
    axes = figure.axes[0]
    bars = [container for container in axes.containers if hasattr(container, "patches")]
    fields = ("accuracy", "precision_macro", "recall_macro", "f1_macro")
    for container, values in zip(bars, SCORES.values(), strict=True):
        assert [bar.get_height() for bar in container] == [values[field] for field in fields]
    assert legend_labels(figure) == list(MODELS)
    whisker = axes.collections[0].get_segments()[0]
    assert whisker[:, 1] == pytest.approx([0.5, 0.95])
    assert "40 test clips" in headline(figure)


def test_attention_bars_differ_by_hatch_and_marker_and_not_by_colour_alone() -> None:
    figure = attention()
    human, ai = (c for c in figure.axes[0].containers if hasattr(c, "patches"))
    assert [to_hex(c[0].get_facecolor()) for c in (human, ai)] == [palette.HUMAN.lower(), palette.AI.lower()]
    assert human[0].get_hatch() != ai[0].get_hatch()
    assert [bar.get_height() for bar in human] == pytest.approx([0.4, 0.6])
    assert [line.get_marker() for line in figure.axes[0].lines if line.get_marker() in "oD"] == ["o", "D"]
    assert {"Human, 20 clips of 9 songs", "AI, 18 clips of 11 songs"} < set(legend_labels(figure))


def test_a_heat_map_keeps_classes_apart_and_sorts_clips_by_the_first_branch() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    figure = result_figures.plot_attention_heatmap(WEIGHTS[::-1], labels, BRANCHES)
    human, ai, bar = figure.axes
    assert [axes.get_title() for axes in (human, ai)] == ["● Human (n = 30)", "◆ AI (n = 10)"]
    for axes, n in ((human, 30), (ai, 10)):
        shown = axes.images[0].get_array()
        assert shown.shape == (2, n)
        assert np.all(np.diff(shown[0]) >= 0)
        low, high = axes.images[0].get_clim()
        assert (low, high) == pytest.approx((0.3, 0.7))
    assert bar.get_ylabel() == "Fusion weight"


def test_training_curves_put_loss_over_accuracy_and_mark_the_kept_epoch() -> None:
    figure = training()
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == [f"{model} (8 epochs)" for model in MODELS[:3]]
    assert [axes.lines[2].get_xdata()[0] for axes in figure.axes] == [6, 8, 3, 6, 8, 3]
    assert figure.axes[0].get_ylabel() == "Cross-entropy (nats)"
    assert figure.axes[3].get_ylabel() == "Accuracy"
    assert legend_labels(figure) == ["Training", "Validation", "Kept epoch"]


def test_autoencoder_curves_show_both_losses() -> None:
    figure = result_figures.plot_autoencoder_curves(history(), 5)
    assert [axes.get_title() for axes in figure.axes] == ["Reconstruction", "Classification"]
    assert all(len(axes.lines) == 4 for axes in figure.axes)


def test_original_and_reconstruction_share_one_scale_in_seconds_hertz_and_decibels() -> None:
    figure = reconstructions()
    original, copy, residual = (axes.images[0] for axes in figure.axes[:3])
    assert original.get_clim() == copy.get_clim() == (MELS.min(), MELS.max())
    assert residual.get_clim()[0] == -residual.get_clim()[1]
    assert np.allclose(residual.get_array(), -0.1 * MELS[0])
    assert original.get_extent()[1] == pytest.approx(157 * 512 / 16_000)
    assert figure.axes[0].get_ylabel() == "Frequency (Hz)"
    assert [axes.get_xlabel() for axes in figure.axes[3:6]] == ["Time (s)"] * 3


def test_a_frequency_tick_stands_at_its_own_mel_band() -> None:
    axes = reconstructions().axes[0]
    ticks = dict(zip((label.get_text() for label in axes.get_yticklabels()), axes.get_yticks(), strict=True))
    slaney = (15 + 27 * np.log(4) / np.log(6.4)) / (15 + 27 * np.log(8) / np.log(6.4))  # 4 kHz as a share of 8 kHz
    assert ticks["4000"] == pytest.approx(slaney * 129 - 1, abs=0.1)


def test_a_perfect_reconstruction_and_an_awkward_name_still_print() -> None:
    title = "$a^{$ 曲\u202e\n" + "x" * 200
    figure = result_figures.plot_reconstructions(MELS[:1], MELS[:1], [title], 16_000, 512)
    figure.savefig(io.BytesIO())
    shown = figure.axes[0].get_title(loc="left")
    assert shown.startswith("$a^{$ \\u66f2\\u202e\\u000a")
    assert len(shown) <= 62


def test_a_reliability_curve_stands_where_its_bins_are_beside_the_line_of_truth() -> None:
    figure = reliability()
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(SIX.values())
    assert "T 2.50, error 0.200 → 0.100" in figure.axes[0].get_title()
    truth, before, after = (
        line.get_xydata() for line in figure.axes[0].lines if len(line.get_xdata()) and line.get_linestyle() != "None"
    )
    assert np.array_equal(truth[:, 0], truth[:, 1])
    assert before == pytest.approx(np.array([[0.1, 0.01], [0.5, 0.25], [0.9, 0.81]]))
    assert len(after) == 2


def test_shortcut_bars_are_as_long_as_their_auc_and_the_models_stand_above_them() -> None:
    files, heard = shortcuts().axes
    assert len(files.patches) == 6 + 1 + 18
    assert len(heard.patches) == 6 + 1 + 12
    lengths = [bar.get_width() for bar in files.patches]
    assert lengths[:7] == pytest.approx([0.95] * 6 + [0.83])
    assert lengths[7:] == sorted(lengths[7:], reverse=True)
    assert [label.get_text() for label in files.get_yticklabels()][6:8] == ["All facts together", "fact number 17"]
    assert len({bar.get_hatch() for bar in files.patches}) == 3, "not told apart by grey alone"


def test_a_source_never_heard_carries_its_class_its_n_and_every_models_mark() -> None:
    figure = leave_out()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "● Human: fma\nn = 30, 12 songs"
    assert labels[1].startswith(r"◆ AI: a \$ource of …")
    assert [to_hex(label.get_color()) for label in figure.axes[0].get_yticklabels()] == [
        colour.lower() for colour in (palette.HUMAN, palette.AI, palette.AI)
    ]
    auc, recall = figure.axes
    assert {float(x) for line in auc.containers for x in line[0].get_xdata()} == {0.8}
    assert {float(x) for line in recall.containers for x in line[0].get_xdata()} == {0.25}
    assert len({line[0].get_marker() for line in auc.containers}) == 6
    assert legend_labels(figure) == list(SIX.values())


def test_the_robustness_map_has_a_number_for_every_model_and_change() -> None:
    auc, accused, missed = robustness().axes
    assert auc.images[0].get_array().shape == (28, 6)
    assert np.allclose(auc.images[0].get_array()[:, 0], 1 - np.arange(28) / 60)
    assert {text.get_text() for text in accused.texts} == {"4%"}
    assert {text.get_text() for text in missed.texts} == {"93%"}
    assert "n = 90" in accused.get_title()
    assert "n = 110" in missed.get_title()
    assert auc.get_yticklabels()[0].get_text() == "clean"


def test_every_training_is_a_mark_and_their_mean_another() -> None:
    for axes in seeds().axes:
        marks = [line for line in axes.lines if line.get_marker() == "|"]
        assert [list(line.get_xdata()) for line in marks] == [[0.88, 0.9, 0.92]] * 6
        assert [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "s"] == [0.9] * 6
