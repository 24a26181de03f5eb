"""Every figure that a threshold decides, a line each: what is added here is measured, written, printed and shown.

A line of `METRICS` gives a figure's name, its formula and its titles. From these follow the model's scores and their
intervals over songs, results.json, the last columns of model_comparison_table.csv and of the tables that are made from
it, the Models page, whose figures follow the slider, and the report. Numpy alone, since pages need it.

How well a model separates the classes wherever its threshold is: `core.metrics.ranking`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.metrics.intervals import Floats, Interval, Ints, enough_songs, percentiles, share_interval


class Cells(NamedTuple):
    """How many clips were called what, each counted as often as a draw takes it; shape (draws,). AI is positive."""

    tn: Floats
    fp: Floats
    fn: Floats
    tp: Floats


Clips = Callable[[Ints, Ints], NDArray[np.bool_]]  # labels and calls in, which clips out


@dataclass(frozen=True)
class Metric:
    """A figure at a threshold. `share_of` or `parts` give it an interval where draws give none.

    A model without an error has none in any draw either, and the bootstrap's interval is a point. A share is then given
    Wilson's over the songs of its clips, and a figure made of others goes from their lower ends to their upper ones.
    """

    name: str  # in results.json
    of: Callable[[Cells], Floats]
    share_of: Clips | None = None  # the clips that it is a share of
    made: Callable[..., float] | None = None  # how it follows from its parts; it rises with each
    parts: tuple[str, ...] = ()  # figures further up
    classes: tuple[int, ...] = (0, 1)  # whose clips it rests on
    label: str = ""  # the class it is about: `human` or `ai`
    title: str = ""  # in tables of every figure, without its class; a figure without a title is in none
    column: str = ""  # where it goes beyond those prescribed: in comparisons of models


# Formulas. Those of one class are written for human clips; `_ai` turns them round, `_macro` means both


def _share(part: Floats, whole: Floats) -> Floats:
    """Divide; a share of nothing is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _accuracy(cells: Cells) -> Floats:
    return np.asarray((cells.tn + cells.tp) / (cells.tn + cells.fp + cells.fn + cells.tp))


def _precision(cells: Cells) -> Floats:
    return _share(cells.tn, cells.tn + cells.fn)


def _recall(cells: Cells) -> Floats:
    return _share(cells.tn, cells.tn + cells.fp)


def _f1(cells: Cells) -> Floats:
    return _share(2 * cells.tn, 2 * cells.tn + cells.fp + cells.fn)


def _ai(of: Callable[[Cells], Floats]) -> Callable[[Cells], Floats]:
    return lambda cells: of(Cells(cells.tp, cells.fn, cells.fp, cells.tn))


def _macro(of: Callable[[Cells], Floats]) -> Callable[[Cells], Floats]:
    return lambda cells: np.asarray((of(cells) + _ai(of)(cells)) / 2)


def _correlation(cells: Cells) -> Floats:
    """Correlate truth and call, both as 0 and 1 (Matthews 1975); 0 where either is the same for every clip."""
    tn, fp, fn, tp = cells
    return _share(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


# Figures from the figures they follow from


def _mean(human: float, ai: float) -> float:
    return (human + ai) / 2


def _harmonic_mean(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _correlation_of(*shares: float) -> float:
    """Return Matthews' coefficient of both precisions and both recalls: it is the difference of two geometric means."""
    return float(np.sqrt(np.prod(shares)) - np.sqrt(np.prod(1 - np.array(shares))))


# Which clips a share is of


def _every(labels: Ints, called: Ints) -> NDArray[np.bool_]:
    return np.ones(labels.shape, dtype=bool)


def _called(label: int) -> Clips:
    return lambda labels, called: called == label


def _truly(label: int) -> Clips:
    return lambda labels, called: labels == label


_CORRELATED = ("precision_human", "precision_ai", "recall_human", "recall_ai")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _accuracy, _every, title="Accuracy"),
        Metric("precision_human", _precision, _called(0), label="human", title="precision"),
        Metric("recall_human", _recall, _truly(0), classes=(0,), label="human", title="recall"),
        Metric("f1_human", _f1, None, _harmonic_mean, ("precision_human", "recall_human"), label="human", title="F1"),
        Metric("precision_ai", _ai(_precision), _called(1), label="ai", title="precision"),
        Metric("recall_ai", _ai(_recall), _truly(1), classes=(1,), label="ai", title="recall"),
        Metric("f1_ai", _ai(_f1), None, _harmonic_mean, ("precision_ai", "recall_ai"), label="ai", title="F1"),
        Metric("precision_macro", _macro(_precision), None, _mean, ("precision_human", "precision_ai")),
        Metric("recall_macro", _macro(_recall), None, _mean, ("recall_human", "recall_ai")),
        Metric("f1_macro", _macro(_f1), None, _mean, ("f1_human", "f1_ai"), title="F1, mean of both"),
        Metric("mcc", _correlation, None, _correlation_of, _CORRELATED, title="MCC", column="MCC"),
    )
}


def values_of(labels: Ints, called: Ints) -> dict[str, float]:
    """Compute every figure over all clips."""
    return {name: float(value[0]) for name, value in measured(labels, called, np.ones((1, len(labels)))).items()}


def measured(labels: Ints, called: Ints, weights: Floats) -> dict[str, Floats]:
    """Compute every figure for each row of weights (draws, clips) at once."""
    cells = Cells(*(weights @ np.eye(4)[2 * labels + called]).T)
    return {name: metric.of(cells) for name, metric in METRICS.items()}


def intervals_of(
    replicates: Mapping[str, Floats], labels: Ints, called: Ints, song: Ints, confidence: float
) -> dict[str, Interval]:
    """Give every figure the interval of its draws (draws,); where these all say the same, one that has width."""
    intervals: dict[str, Interval] = {}
    for name, metric in METRICS.items():
        intervals[name] = percentiles(replicates[name], confidence)
        if metric.share_of:
            clips = metric.share_of(labels, called)
            intervals[name] = share_interval((labels == called)[clips], intervals[name], song[clips], confidence)
        elif metric.made and intervals[name][0] == intervals[name][1]:
            low, high = (metric.made(*ends) for ends in zip(*(intervals[part] for part in metric.parts), strict=True))
            intervals[name] = low, high
    return intervals


def supported(
    intervals: Mapping[str, Interval], labels: Ints, groups: ArrayLike, least: int
) -> dict[str, Interval | None]:
    """Leave out the intervals of figures that rest on a class of fewer songs than `least`: these become None."""
    every = (0, 1)
    return {
        name: interval
        if enough_songs(labels, groups, least, METRICS[name].classes if name in METRICS else every)
        else None
        for name, interval in intervals.items()
    }
