"""The printed figures: data in, matplotlib `Figure` out.

Nothing here touches pyplot's state or the disk, or computes more than its curve needs. Every figure carries its
resolution: save with `figure.savefig(path)`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, roc_curve

from core.errors import printable
from core.features import mel_scale
from core.figures.style import (  # fmt: skip
    CLASSES,
    WHITE_TO_BLUE,
    ClassStyle,
    bracketed,
    draw_image,
    legend_below,
    light_grid,
    model_style,
    new_figure,
    panels_in_row,
    percent_axes,
    values_above,
    whiskers,
)
from core.metrics.intervals import Interval
from core.metrics.scores import SongMean

Confusion = tuple[tuple[int, int], tuple[int, int]]
_MEL_TICKS = (500, 1000, 2000, 4000)  # Hz


def visualize_confusion_matrix(confusions: Mapping[str, tuple[Confusion, float]]) -> Figure:
    """Draw each model's confusion matrix with counts and row percentages, 2 by 2 (three to a row beyond four models).

    Parameters
    ----------
    confusions : per model ((tn, fp), (fn, tp)) and the accuracy in [0, 1].
    """
    columns = min(len(confusions), 2 if len(confusions) <= 4 else 3)
    rows = -(-len(confusions) // columns)
    figure = new_figure(max(3.9 * columns + 0.6, 6.4), 3.9 * rows + 0.5)
    for place, (model, (confusion, accuracy)) in enumerate(confusions.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        _confusion_heatmap(axes, np.asarray(confusion))
        axes.set_title(f"{model} - Accuracy: {accuracy:.2%}", fontsize=11)
    cells = figure.axes[0].collections[0]
    figure.colorbar(cells, ax=figure.axes, format=PercentFormatter(1), label="Share of the true class", shrink=0.7)
    n = int(np.sum(next(iter(confusions.values()))[0]))
    figure.suptitle(f"What each model called {n} test clips: clips, and share of the true class", fontsize=12)
    return figure


def plot_roc_curves(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], intervals: Mapping[str, Interval | None] | None = None
) -> Figure:
    """Draw the ROC curve of every model, AI being the positive class, with the AUC in the legend.

    Parameters
    ----------
    intervals : per model the interval of its AUC, shown beside it.
    """
    figure = new_figure(6.4, 6.4 + 0.24 * len(probabilities))  # the square stays as large, the legend below it grows
    axes = figure.subplots()
    for place, (model, probability) in enumerate(probabilities.items()):
        false_alarms, caught, _ = roc_curve(labels, probability)
        label = f"{model}: AUC {auc(false_alarms, caught):.3f}" + bracketed((intervals or {}).get(model))
        color, line, _ = model_style(place)
        axes.plot(false_alarms, caught, color=color, linestyle=line, linewidth=2, label=label)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle=":", label="Chance: AUC 0.500")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    percent_axes(axes, "Human clips called AI (false positive rate)", "AI clips caught (true positive rate)")
    figure.legend(loc="outside lower center", frameon=False)
    human, ai = np.bincount(np.asarray(labels), minlength=2)
    axes.set_title(f"ROC curves, {human} human and {ai} AI test clips")
    return figure


def plot_tsne(projections: Mapping[str, NDArray[Any]], labels: ArrayLike, perplexity: float) -> Figure:
    """Draw projections of the same clips side by side.

    Parameters
    ----------
    projections : per embedding's name, points of shape (n, 2).
    perplexity : the one that was used.
    """
    label = np.asarray(labels)
    figure = new_figure(4.0 * len(projections), 4.9)
    for axes, (name, points) in zip(panels_in_row(figure, len(projections)), projections.items(), strict=True):
        for value, style in enumerate(CLASSES):
            _class_scatter(axes, points[label == value], style)
        axes.set(title=name, xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    figure.suptitle(f"t-SNE of the embeddings of {len(label)} clips, perplexity {perplexity:g}")
    note = "Neighbours mean something; distances between clusters and cluster sizes do not."
    return legend_below(figure, note)


def plot_metrics_comparison(tested: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw accuracy, precision, recall and F1 (the last three macro) as grouped bars, one bar per model.

    Parameters
    ----------
    tested : per model its figures as in results.json; with `intervals`, these are drawn as whiskers.
    """
    fields = ("accuracy", "precision_macro", "recall_macro", "f1_macro")
    width = 0.8 / len(tested)
    figure = new_figure(9.5 + 1.6 * max(len(tested) - 4, 0), 5.0)
    axes = figure.subplots()
    for place, (model, values) in enumerate(tested.items()):
        color, _, hatch = model_style(place)
        heights = [values[field] for field in fields]
        x = np.arange(len(fields)) + (place - (len(tested) - 1) / 2) * width
        axes.bar(x, heights, width * 0.92, color=color, hatch=hatch, edgecolor="white", linewidth=0, label=model)
        ranges = [values.get("intervals", {}).get(field) for field in fields]
        tops = whiskers(axes, x, heights, ranges)
        values_above(axes, x, heights, tops, 8)
    axes.set_xticks(range(len(fields)), ["Accuracy", "Precision (macro)", "Recall (macro)", "F1 (macro)"])
    axes.set_ylim(0, 1.08)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("Share of test clips, or mean over both classes")
    light_grid(axes, "y")
    first = next(iter(tested.values()))
    how = " (whiskers: bootstrap over songs)" if "intervals" in first else ""
    axes.set_title(f"Models compared on {first['n']} test clips{how}")
    return legend_below(figure)


def plot_attention(weights: Mapping[str, tuple[SongMean, SongMean]], model: str = "hybrid model") -> Figure:
    """Draw the mean fusion weight of each branch for human and AI clips, with intervals over songs.

    Parameters
    ----------
    weights : per branch, the mean over human and the mean over AI clips.
    model : whose weights these are.
    """
    figure = new_figure(max(6.8, 2.6 * len(weights)), 4.8)
    axes = figure.subplots()
    for value, style in enumerate(CLASSES):
        means = [both[value] for both in weights.values()]
        x = np.arange(len(weights)) + (value - 0.5) * 0.36
        heights = [mean.mean for mean in means]
        label = f"{style.name}, {means[0].n} clips of {means[0].songs} songs"
        axes.bar(x, heights, 0.33, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0, label=label)
        tops = whiskers(axes, x, heights, [None if mean.low is None else (mean.low, mean.high) for mean in means])
        axes.plot(
            x,
            np.full(len(x), 0.04),
            style.marker,
            color="white",
            markeredgecolor=style.color,
            markeredgewidth=3,
            markersize=12,
        )
        values_above(axes, x, heights, tops, 10)
    axes.axhline(1 / len(weights), color="0.35", linestyle=":", linewidth=1.2, label="Equal weight")
    axes.set_xticks(range(len(weights)), list(weights))
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("Mean fusion weight (whiskers: bootstrap over songs)")
    axes.set_title(f"Where the {model} attends, by class")
    return legend_below(figure)


def plot_attention_heatmap(weights: NDArray[Any], labels: ArrayLike, branches: Sequence[str]) -> Figure:
    """Draw every clip's fusion weights, classes apart, clips sorted by the first branch's weight.

    Parameters
    ----------
    weights : shape (clips, branches); rows sum to 1.
    """
    label, equal = np.asarray(labels), 1 / len(branches)
    reach = max(0.05, float(np.abs(weights - equal).max()))  # colours tell small differences, the bar says how small
    counts = np.bincount(label, minlength=2)
    figure = new_figure(10.0, 1.9 + 0.75 * len(branches))
    panels = panels_in_row(figure, 2)
    for value, (axes, style) in enumerate(zip(panels, CLASSES, strict=True)):
        rows = weights[label == value]
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        image = draw_image(axes, rows.T, "PuOr", equal - reach, equal + reach)
        axes.set_yticks(range(len(branches)), list(branches) if value == 0 else [""] * len(branches))
        axes.invert_yaxis()
        axes.set_xlabel(f"{style.name} clips, sorted by {branches[0]} weight")
        axes.set_title(f"{style.symbol} {style.name} (n = {counts[value]})", color=style.color, fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar = figure.colorbar(image, ax=panels, format=PercentFormatter(1, decimals=0), pad=0.01)
    bar.set_label("Fusion weight")
    figure.suptitle(f"Fusion weight of each of {len(label)} clips (white: equal weight)")
    return figure


def plot_training_curves(histories: Mapping[str, pd.DataFrame], best_epochs: Mapping[str, int]) -> Figure:
    """Draw loss (upper row) and accuracy (lower row) of each model over its epochs, the kept epoch marked.

    Parameters
    ----------
    histories : per model, columns epoch, train_loss, val_loss, train_accuracy, val_accuracy; one row per epoch.
    """
    figure = new_figure(4.0 * len(histories), 6.6)
    grid = figure.subplots(2, len(histories), squeeze=False, sharey="row")
    for column, (model, history) in enumerate(histories.items()):
        upper, lower = grid[:, column]
        _curves(upper, history, "loss", best_epochs[model])
        _curves(lower, history, "accuracy", best_epochs[model])
        upper.set_title(f"{model} ({len(history)} epochs)")
        lower.yaxis.set_major_formatter(PercentFormatter(1))
        lower.set_xlabel("Epoch")
    grid[0, 0].set_ylabel("Cross-entropy (nats)")
    grid[1, 0].set_ylabel("Accuracy")
    figure.suptitle("Training: loss and accuracy per epoch")
    return legend_below(figure)


def plot_autoencoder_curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Draw the autoencoder's two losses over its epochs, the kept epoch marked.

    Parameters
    ----------
    history : columns epoch and {train,val}_{reconstruction,classification}; one row per epoch.
    """
    figure = new_figure(9.0, 4.3)
    left, right = panels_in_row(figure, 2)
    _curves(left, history, "reconstruction", best_epoch)
    _curves(right, history, "classification", best_epoch)
    left.set(title="Reconstruction", xlabel="Epoch", ylabel="Mean squared error (normalised log-mel)")
    right.set(title="Classification", xlabel="Epoch", ylabel="Cross-entropy (nats)")
    figure.suptitle(f"Training of the multi-task autoencoder: both losses over {len(history)} epochs")
    return legend_below(figure)


def plot_reconstructions(
    originals: NDArray[Any], reconstructions: NDArray[Any], titles: Sequence[str], sample_rate: int, hop_length: int
) -> Figure:
    """Draw original, reconstruction and residual log-mel spectrograms, one clip per row, all on the same scales.

    Parameters
    ----------
    originals, reconstructions : shape (clips, n_mels, frames), in dB.
    titles : what each clip is; shown over its row.
    sample_rate : Hz.
    hop_length : samples from one frame to the next.
    """
    residuals = reconstructions - originals
    low, high, reach = float(originals.min()), float(originals.max()), float(np.abs(residuals).max())
    seconds = originals.shape[2] * hop_length / sample_rate
    figure = new_figure(10.0, 1.55 * len(originals) + 1.4)
    grid = figure.subplots(len(originals), 3, squeeze=False, sharex=True, sharey=True)
    for row, axes in enumerate(grid):
        for panel, values in zip(axes[:2], (originals[row], reconstructions[row]), strict=True):
            loudness = draw_image(panel, values, "magma", low, high, seconds)
        difference = draw_image(axes[2], residuals[row], "PuOr", -reach, reach, seconds)
        axes[0].set_title(_plain(titles[row]), fontsize=9, loc="left", parse_math=False)
        axes[0].set_ylabel("Frequency (Hz)", fontsize=9)
    _mel_axis(grid[0, 0], originals.shape[1], sample_rate)
    for panel, heading in zip(grid[0], ("Original", "Reconstruction", "Residual"), strict=True):
        panel.annotate(heading, (0.5, 1), (0, 18), "axes fraction", "offset points", ha="center", fontsize=11)
    for panel in grid[-1]:
        panel.set_xlabel("Time (s)")
    figure.colorbar(loudness, ax=grid[-1, :2], label="Level (dB)", location="bottom", shrink=0.6, aspect=40)
    figure.colorbar(difference, ax=grid[-1, 2:], label="Reconstruction minus original (dB)", location="bottom")
    figure.suptitle(f"What the autoencoder gives back: log-mel spectrograms of clips (n = {len(originals)})")
    return figure


def _confusion_heatmap(axes: Axes, counts: NDArray[Any]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [[f"{n}\n{share:.1%}" for n, share in zip(*row, strict=True)] for row in zip(counts, shares, strict=True)]
    names = [style.name for style in CLASSES]
    sns.heatmap(
        shares, vmin=0, vmax=1, cmap=WHITE_TO_BLUE, annot=texts, fmt="", annot_kws={"fontsize": 13}, square=True,
        linewidths=1, linecolor="0.8", xticklabels=names, yticklabels=names, cbar=False, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="Called", ylabel="True class")


def _class_scatter(axes: Axes, points: NDArray[Any], style: ClassStyle) -> None:
    x, y = points.T
    look: dict[str, Any] = {"s": 22, "alpha": 0.7, "edgecolors": "white", "linewidths": 0.4}
    axes.scatter(x, y, c=style.color, marker=style.marker, label=f"{style.name} (n = {len(points)})", **look)


def _curves(axes: Axes, history: pd.DataFrame, quantity: str, best_epoch: int) -> None:
    """Draw one quantity over the epochs: training as a thin dashed line, validation as a solid one."""
    epochs = history["epoch"]
    marker = "." if len(epochs) <= 60 else ""
    axes.plot(epochs, history[f"train_{quantity}"], "--", color="#777777", marker=marker, label="Training")
    axes.plot(epochs, history[f"val_{quantity}"], color="#AA4499", linewidth=2, marker=marker, label="Validation")
    axes.axvline(best_epoch, color="0.2", linestyle=":", linewidth=1.4, label="Kept epoch")
    kept = history.loc[epochs == best_epoch, f"val_{quantity}"]
    axes.plot([best_epoch] * len(kept), kept, "o", color="#AA4499", markersize=9, markerfacecolor="white")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    light_grid(axes, "both")


def _mel_axis(axes: Axes, n_mels: int, sample_rate: int) -> None:
    ticks = [hz for hz in _MEL_TICKS if mel_scale.band_of(hz, n_mels, sample_rate) < n_mels - 1]
    axes.set_yticks(mel_scale.band_of(ticks, n_mels, sample_rate), [str(hz) for hz in ticks])


def _plain(title: str) -> str:
    """Return a clip's name without control characters or letters that the figure's font lacks."""
    return printable(title.encode("latin-1", "backslashreplace").decode("latin-1"), 60)
