"""What the Models page's tables and headings say: values in, one dictionary per row or plain text out."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from core import palette
from core.evaluation.summary import joined
from core.metrics.claims import claims
from core.metrics.operating_points import OperatingPoint
from core.metrics.registry import METRICS
from dashboard.drawing import theme
from dashboard.drawing.theme import NBSP
from dashboard.reading.detectors import Calibration, ModelResults, Pair
from dashboard.reading.results import Measurement, Results
from dashboard.sentences import counted, decimals, percent, signed, span
from dashboard.threshold import CELLS, shown

SPLIT_WORDS = {"test": "test clips", "val": "validation clips"}


# At a threshold


def estimate(point: OperatingPoint, name: str) -> Measurement:
    """Return a figure of an operating point with its interval."""
    return Measurement(point.values[name], *(point.intervals[name] or (math.nan, math.nan)))


def errors(point: OperatingPoint) -> dict[str, Measurement]:
    """Return both error rates: `fpr` of the human clips, `fnr` of the AI clips."""
    return {
        "fpr": estimate(point, "recall_human").complement,
        "fnr": estimate(point, "recall_ai").complement,
    }


def parts(point: OperatingPoint) -> dict[str, tuple[int, int]]:
    """Return which clips of how many each share counts: `fpr` is 4 of 62."""
    (tn, fp), (fn, tp) = point.confusion
    return {
        "fpr": (fp, tn + fp), "fnr": (fn, fn + tp), "accuracy": (tn + tp, point.n),
        "precision_human": (tn, tn + fn), "recall_human": (tn, tn + fp),
        "precision_ai": (tp, tp + fp), "recall_ai": (tp, fn + tp),
    }  # fmt: skip


def point_rows(points: Mapping[str, OperatingPoint]) -> list[dict[str, str]]:
    """Return every figure at each operating point, named by the points' titles."""
    human, ai = (theme.labelled(label) for label in theme.NAMES)
    rows = {"fpr": f"{human} called AI (FPR)", "fnr": f"{ai} missed (FNR)"}
    rows |= {
        name: f"{theme.labelled(metric.label)}: {metric.title}" if metric.label else metric.title
        for name, metric in METRICS.items()
        if metric.title
    }
    return [{"": row} | {title: _figure(point, name) for title, point in points.items()} for name, row in rows.items()]


def _figure(point: OperatingPoint, name: str) -> str:
    figure = errors(point)[name] if name in ("fpr", "fnr") else estimate(point, name)
    k, n = parts(point).get(name, (0, 0))
    return decimals(figure) + (f" · {k}{NBSP}of{NBSP}{n}" if n else "")


def cell_button(cell: str, point: OperatingPoint) -> str:
    """Return what stands on a cell of the confusion matrix: verdict, clips, and share of the true class."""
    label, called = CELLS[cell]
    k, n = _cell_count(cell, point)
    return f"{'✓' if label == called else '✗'} {_word(called)}: {k} ({percent(k / n)})"


def row_heading(label: str, point: OperatingPoint) -> str:
    """Return what stands above a row of the confusion matrix."""
    n = sum(point.confusion[list(theme.NAMES).index(label)])
    return f"{theme.MARKS[label]} {counted(n, f'{_word(label)} clip')}, called"


def cell_heading(cell: str, point: OperatingPoint) -> str:
    """Return the heading of the clips behind a cell."""
    label, called = CELLS[cell]
    k, n = _cell_count(cell, point)
    return f"{theme.NAMES[label]} clips called {_word(called)}: {k} of {n}"


def _cell_count(cell: str, point: OperatingPoint) -> tuple[int, int]:
    row = point.confusion[list(theme.NAMES).index(CELLS[cell][0])]
    return row[list(theme.NAMES).index(CELLS[cell][1])], sum(row)


def _word(label: str) -> str:
    return {"human": "human", "ai": "AI"}[label]


def curves_alt(name: str, split: str, point: OperatingPoint, curve: str) -> str:
    """Say what a curve shows, for those who cannot see it."""
    rates = errors(point)
    return (
        f"{curve} curve of {name} on {point.n} {SPLIT_WORDS[split]}. At the threshold {shown(point.threshold)} "
        f"{percent(rates['fpr'].value)} of the human clips are called AI and {percent(rates['fnr'].value)} of the AI "
        "clips are missed"
    )


# All detectors


def detector_rows(results: Results) -> list[dict[str, str]]:
    """Return every detector's figures on the test clips at its own validation threshold, as results.json has them.

    A run that was evaluated before there was a metric lacks its column.
    """
    columns = {"AUC": "roc_auc"} | {
        f"{palette.SIGNS[metric.label]} {theme.NAMES[metric.label]} {metric.title}"
        if metric.label
        else metric.title: name
        for name, metric in METRICS.items()
        if metric.title and name in results.headline.scores
    }
    return [
        {"Detector": model.name + (" (+)" if model.addition else ""), "AI from": shown(model.threshold)}
        | {title: decimals(model.scores[field]) for title, field in columns.items()}
        | {"Clips": str(model.n), "Songs": str(model.songs)}
        for model in results.models
    ]


def song_rows(detectors: ModelResults, results: Results) -> list[dict[str, str]]:
    """Return every detector's figures over whole songs."""
    columns = {"AUC": "roc_auc", "Songs called rightly": "accuracy"}
    columns |= {f"{theme.MARKS[label]} {name} songs": f"recall_{label}" for label, name in theme.NAMES.items()}
    return [
        {"Detector": model.name}
        | {title: decimals(detectors.details[model.key].songs.scores[field]) for title, field in columns.items()}
        | {"Songs": str(detectors.details[model.key].songs.n)}
        for model in results.models
    ]


def pair_rows(pairs: Sequence[Pair], names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return comparisons of two detectors, in AUC and accuracy."""
    return [
        {"Detector": names[pair.first], "minus": names[pair.second]}
        | {
            title: cell
            for quantity, difference in (("AUC", pair.area), ("Accuracy", pair.accuracy))
            for title, cell in ((quantity, signed(difference.value)), (f"p ({quantity})", f"{difference.p_value:.2g}"))
        }
        for pair in pairs
    ]


def told_apart(pairs: Sequence[Pair], name: str, names: Mapping[str, str]) -> str:
    """Say which detectors one can be told from by AUC, corrected for how many there are."""
    sides: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for pair, claim in zip(pairs, claims(pair.area.compared for pair in pairs), strict=True):
        sides[claim].append(names[pair.second])
    said = {1: "is higher than that of", -1: "is lower than that of", 0: "cannot be told from that of"}
    told = "; it ".join(f"{said[claim]} {joined(others)}" for claim, others in sides.items() if others)
    return f"On these clips the AUC of {name} {told} (5 % level, corrected for {len(pairs)} comparisons)."


def concatenation(pair: Pair) -> str:
    """Say whether the attention of the hybrid does better than putting the same embeddings side by side."""
    (claim,) = claims([pair.area.compared])
    verdict = ("cannot be told from", "does better than", "does worse than")[claim]
    return (
        f"The hybrid **{verdict}** plain concatenation of the same two embeddings: AUC difference "
        f"{signed(pair.area.value)}, p = {pair.area.p_value:.2g}, on {counted(pair.n, 'test clip')} "
        f"of {counted(pair.songs, 'song')}."
    )


# Calibration


def band_sentence(calibration: Calibration, name: str) -> str:
    """Say what the uncertain band leaves undecided, and how often the rest is wrong."""
    band = calibration.band
    decided = band.n - band.inside
    above = "never" if band.high > 1 else f"from {shown(band.high)}"
    below = "never" if band.low <= 0 else f"below {shown(band.low)}"
    return (
        f"With an uncertain band chosen on validation, {name} says human {below} and AI {above}. It then decides "
        f"{decided} of {band.n} test clips ({_sure(band.coverage)}); {band.errors} of these are wrong "
        f"({_sure(band.error)})."
    )


def _sure(share: Measurement) -> str:
    return f"{percent(share.value)}, {span(share)}"


def bin_rows(calibration: Calibration, when: str) -> list[dict[str, str]]:
    """Return the bins of a reliability diagram."""
    return [
        {"Mean score": f"{part.mean:.3f}", "Share of AI": decimals(part.ai), "Clips": str(part.n)}
        for part in calibration.bins[when]
    ]


def calibration_sentence(calibration: Calibration, name: str) -> str:
    """Say how far the score is from a probability, before and after the temperature."""
    way = "too sure of itself" if calibration.temperature > 1 else "not sure enough"
    return (
        f"On {counted(calibration.n, 'test clip')} the score of {name} and the share of AI differ by "
        f"{calibration.ece['before']:.3f} on average (expected calibration error). Validation says it is {way}: a "
        f"temperature of {calibration.temperature:.2f} makes that {calibration.ece['after']:.3f}."
    )


# Training


def history_alt(history: pd.DataFrame, quantity: str) -> str:
    """Say what a training curve shows, for those who cannot see it."""
    first, last = (history[f"val_{quantity}"].iloc[place] for place in (0, -1))
    return f"Validation {quantity} over {len(history)} epochs, from {first:.3f} to {last:.3f}. {kept(history)}"


def kept(history: pd.DataFrame) -> str:
    """Say which epoch's weights became the model's."""
    best = history[history["kept"]]
    if best.empty:
        return "No epoch is marked as kept."
    row = best.iloc[0]
    return (
        f"The weights of epoch {row['epoch']:.0f} of {len(history)} were kept: validation loss {row['val_loss']:.3f}, "
        f"accuracy {row['val_accuracy']:.1%}."
    )
