"""What a model does at one threshold, at every threshold, and how sure we are: arrays in, values out.

The part of the metrics that needs numpy alone, so that a page can follow a slider with the evaluation's own code and
its own draws: at the threshold of the evaluation, numbers and intervals are those of results.json to the last bit.

Label 0 is human, 1 is AI, which is the positive class. Intervals are over songs (`groups`), never over single clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.config import EvaluationConfig
from core.errors import DataError
from core.metrics.intervals import Floats, Interval, Ints, song_draws, song_index
from core.metrics.registry import intervals_of, measured, supported, values_of

Confusion = tuple[tuple[int, int], tuple[int, int]]  # ((tn, fp), (fn, tp)): rows are the truth

CLASS_NAMES = ("Human", "AI")  # by label
CERTAIN = 1e-6  # nearer to 0 or 1 than this, a probability tells a number format, not a belief: log-odds end at ±13.8
OUT_OF_REACH = float(np.nextafter(1.0, 2.0))  # the threshold that not even a probability of 1 reaches


@dataclass(frozen=True)
class OperatingPoint:
    """What a model does at one threshold."""

    threshold: float
    n: int  # clips
    songs: int
    values: Mapping[str, float]  # by the names of `METRICS`
    intervals: Mapping[str, Interval | None]  # None: too few songs for one
    confusion: Confusion


class Cuts(NamedTuple):
    """Every way to cut the scores in two, from all clips called AI to none."""

    thresholds: Floats  # (cuts,) ascending, each in the middle of its gap
    gaps: Floats  # (cuts,) widths of the gaps
    human: Ints  # (cuts,) human clips that reach the threshold
    ai: Ints  # (cuts,)


class Curves(NamedTuple):
    """A model at every threshold, from all clips called AI to none; shape (cuts,) each."""

    thresholds: Floats  # ascending
    false_positive_rate: Floats  # of the human clips, those called AI
    true_positive_rate: Floats  # of the AI clips, those caught
    precision: Floats  # of the clips called AI, those that are; NaN where none is
    false_positive_deviate: Floats  # the DET curve's axes: normal deviates of both error rates
    false_negative_deviate: Floats


# At one threshold


def operating_point(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    threshold: float,
    settings: EvaluationConfig,
    draws: Floats | None = None,
) -> OperatingPoint:
    """Measure a model at a threshold, with intervals over songs as the evaluation gives them.

    Parameters
    ----------
    draws : `song_draws` of these clips with the settings' number of draws and seed 0, where they are at hand.

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    truth, probability = checked(labels, probabilities)
    song, called = song_index(groups), predict(probability, threshold)
    weights = song_draws(truth, song, settings.bootstraps, 0) if draws is None else draws
    replicates = measured(truth, called, weights)
    return OperatingPoint(
        threshold=threshold,
        n=len(truth),
        songs=int(song.max()) + 1,
        values=values_of(truth, called),
        intervals=supported(
            intervals_of(replicates, truth, called, song, settings.confidence), truth, song, settings.least_songs
        ),
        confusion=confusion(truth, called),
    )


def predict(probabilities: ArrayLike, threshold: float) -> Ints:
    """Return 1 (AI) where the probability reaches the threshold, else 0."""
    return (np.asarray(probabilities, dtype=np.float64) >= threshold).astype(np.int64)


def log_odds(probabilities: ArrayLike, nearest: float = CERTAIN) -> Floats:
    """Map probabilities to log-odds, for pictures; those nearer to 0 or 1 than `nearest` as if they were that near.

    Results and verdicts rest on `core.metrics.songs.log_odds`, by scipy, which pages do without; the two may differ in
    the last bit.
    """
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), nearest, 1 - nearest)
    return np.asarray(np.log(inside / (1 - inside)))


def confusion(labels: Ints, called: Ints) -> Confusion:
    """Count ((tn, fp), (fn, tp))."""
    (tn, fp), (fn, tp) = np.bincount(2 * labels + called, minlength=4).reshape(2, 2).tolist()
    return (tn, fp), (fn, tp)


# At every threshold


def cuts(labels: Ints, probabilities: Floats) -> Cuts:
    """List the cuts between neighbouring scores, and what lies above each."""
    distinct, place = np.unique(probabilities, return_inverse=True)
    edges = np.concatenate(([0.0], distinct, [1.0]))
    thresholds = (edges[:-1] + edges[1:]) / 2
    thresholds[1:] = np.maximum(thresholds[1:], np.nextafter(distinct, 2))  # the scores below stay below
    return Cuts(thresholds, np.diff(edges), *(_reaching(place[labels == label], len(distinct)) for label in (0, 1)))


def _reaching(places: NDArray[np.intp], distinct: int) -> Ints:
    below = np.concatenate(([0], np.cumsum(np.bincount(places, minlength=distinct))))
    return np.asarray(len(places) - below, dtype=np.int64)


def curves(labels: ArrayLike, probabilities: ArrayLike) -> Curves:
    """Trace the ROC, precision-recall and DET curves (Martin et al. 1997 for the last).

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    every_cut = cuts(*checked(labels, probabilities))
    humans, ais = int(every_cut.human[0]), int(every_cut.ai[0])
    accused, caught, called = every_cut.human / humans, every_cut.ai / ais, every_cut.human + every_cut.ai
    return Curves(
        thresholds=every_cut.thresholds,
        false_positive_rate=accused,
        true_positive_rate=caught,
        precision=np.divide(every_cut.ai, called, out=np.full(len(called), np.nan), where=called > 0),
        false_positive_deviate=normal_deviate(accused, humans),
        false_negative_deviate=normal_deviate(1 - caught, ais),
    )


def normal_deviate(rates: ArrayLike, n: int) -> Floats:
    """Return how many standard deviations from the mean a share of a normal population ends at.

    Shares of none and of all have no finite one; they get that of half a clip of `n`.
    """
    inside = np.clip(np.asarray(rates, dtype=np.float64), 0.5 / n, 1 - 0.5 / n)
    return np.array([NormalDist().inv_cdf(rate) for rate in inside.tolist()])


# What may be measured at all


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    """Return labels and probabilities as arrays, shape (clips,).

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    truth, probability = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != probability.shape:
        problem = f"{truth.shape} labels and {probability.shape} probabilities do not belong together"
        raise DataError("scores", problem, "Give one label and one probability per clip")
    if not np.all((probability >= 0) & (probability <= 1)):  # also true of NaN
        raise DataError("scores", "a probability is not between 0 and 1", "Train the model again: it has diverged")
    require_both(truth)
    return truth, probability


def require_both(labels: Ints) -> None:
    """Refuse labels that lack a class.

    Raises
    ------
    DataError : a class is absent.
    """
    if missing := [name for label, name in enumerate(CLASS_NAMES) if not np.any(labels == label)]:
        problem = f"there is no {' and no '.join(missing)} clip among {len(labels)}"
        raise DataError("scores", problem, "Score a split that has clips of both classes")
