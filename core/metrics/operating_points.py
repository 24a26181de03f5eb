"""What a model does at one threshold, at every threshold, and how sure we are: arrays in, values out (SPEC E1, Q1, U5).

The part of the metrics that needs numpy alone, so that a page can follow a slider with the evaluation's own code and
its own draws: at the threshold of the evaluation, numbers and intervals are those of results.json to the last bit.

Label 0 is human, 1 is AI, which is the positive class. Intervals are over songs (`groups`), never over single clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.config import EvaluationConfig
from core.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = tuple[float, float]  # low, high
Confusion = tuple[tuple[int, int], tuple[int, int]]  # ((tn, fp), (fn, tp)): rows are the truth

CLASS_NAMES = ("Human", "AI")  # by label
SHARES = (
    "accuracy", "precision_human", "precision_ai", "precision_macro", "recall_human", "recall_ai", "recall_macro",
    "f1_human", "f1_ai", "f1_macro",
)  # fmt: skip
OUT_OF_REACH = float(np.nextafter(1.0, 2.0))  # the threshold that not even a probability of 1 reaches


@dataclass(frozen=True)
class OperatingPoint:
    """What a model does at one threshold; shares in [0, 1], a share of nothing is 0."""

    threshold: float
    n: int  # clips
    songs: int
    values: Mapping[str, float]  # by the names of `SHARES`
    intervals: Mapping[str, Interval]
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
    drawn = weighted_shares(truth, called, weights)
    return OperatingPoint(
        threshold=threshold,
        n=len(truth),
        songs=int(song.max()) + 1,
        values={name: float(value[0]) for name, value in weighted_shares(truth, called, _once(truth)).items()},
        intervals=share_intervals(drawn, truth, called, song, settings.confidence),
        confusion=confusion(truth, called),
    )


def predict(probabilities: ArrayLike, threshold: float) -> Ints:
    """Return 1 (AI) where the probability reaches the threshold, else 0."""
    return (np.asarray(probabilities, dtype=np.float64) >= threshold).astype(np.int64)


def confusion(labels: Ints, called: Ints) -> Confusion:
    """Count ((tn, fp), (fn, tp))."""
    (tn, fp), (fn, tp) = np.bincount(2 * labels + called, minlength=4).reshape(2, 2).tolist()
    return (tn, fp), (fn, tp)


def weighted_shares(labels: Ints, called: Ints, weights: Floats) -> dict[str, Floats]:
    """Compute the figures of `SHARES` for each row of weights (draws, clips) at once."""
    cells = np.eye(4)[2 * labels + called]  # (clips, 4)
    tn, fp, fn, tp = (weights @ cells).T
    precision = _share(tn, tn + fn), _share(tp, tp + fp)
    recall = _share(tn, tn + fp), _share(tp, tp + fn)
    f1 = _share(2 * tn, 2 * tn + fp + fn), _share(2 * tp, 2 * tp + fp + fn)
    values = ((tn + tp) / (tn + fp + fn + tp), *with_macro(precision), *with_macro(recall), *with_macro(f1))
    return dict(zip(SHARES, values, strict=True))


def with_macro(per_class: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 (numbers or arrays alike)
    """Return what is of human clips, of AI clips, and the mean of both."""
    human, ai = per_class
    if np.ndim(human) == 0:
        human, ai = float(human), float(ai)
    return human, ai, (human + ai) / 2


def _once(labels: Ints) -> Floats:
    return np.ones((1, len(labels)))


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


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
    found = cuts(*checked(labels, probabilities))
    humans, ais = int(found.human[0]), int(found.ai[0])
    accused, caught, called = found.human / humans, found.ai / ais, found.human + found.ai
    return Curves(
        thresholds=found.thresholds,
        false_positive_rate=accused,
        true_positive_rate=caught,
        precision=np.divide(found.ai, called, out=np.full(len(called), np.nan), where=called > 0),
        false_positive_deviate=normal_deviate(accused, humans),
        false_negative_deviate=normal_deviate(1 - caught, ais),
    )


def normal_deviate(rates: ArrayLike, n: int) -> Floats:
    """Return how many standard deviations from the mean a share of a normal population ends at.

    Shares of none and of all have no finite one; they get that of half a clip of `n`.
    """
    inside = np.clip(np.asarray(rates, dtype=np.float64), 0.5 / n, 1 - 0.5 / n)
    return np.array([NormalDist().inv_cdf(rate) for rate in inside.tolist()])


# Songs drawn again


def song_index(groups: ArrayLike) -> Ints:
    """Return the number of each clip's song, counted from 0 in sorted order."""
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.int64)


def song_draws(labels: Ints, groups: NDArray[Any], n: int, seed: int) -> Floats:
    """Draw songs with replacement, each kind (human, AI, both) on its own: times each clip is drawn (n, clips)."""
    song = song_index(groups)
    kind = (np.bincount(song, labels == 0) > 0) + 2 * (np.bincount(song, labels == 1) > 0)
    rng = np.random.default_rng(seed)
    times = np.empty((n, len(kind)))
    for value in np.unique(kind):
        members = np.flatnonzero(kind == value)
        times[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n)
    return times[:, song]


def percentiles(values: Floats, confidence: float) -> Interval:
    """Return the middle part of the draws that `confidence` asks for."""
    low, high = np.quantile(values, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)


def wilson(k: int, n: int, confidence: float = EvaluationConfig.confidence) -> Interval:
    """Give the score interval of the share k / n (Wilson 1927); unlike a bootstrap's it has width at 0 and at 1."""
    if not 0 <= k <= n or n == 0:
        raise DataError(f"{k} of {n}", "is not a share", "Count at least one case and no more hits than cases")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * float(np.sqrt(k * (n - k) / n + z**2 / 4))
    return middle - half if k else 0.0, middle + half if k < n else 1.0  # both ends are exact where rounding is not


def share_interval(
    hits: ArrayLike, drawn: Interval, groups: ArrayLike, confidence: float = EvaluationConfig.confidence
) -> Interval:
    """Return a bootstrap interval as it is; one without width as Wilson's over the songs of the clips concerned.

    Parameters
    ----------
    hits : whether each of the clips the share is about counts, (clips,); of none, nothing is known.
    drawn : the bootstrap's interval of the share of hits.
    groups : song of each of these clips.
    """
    if drawn[0] < drawn[1]:
        return drawn
    hit = np.asarray(hits, dtype=np.float64)
    songs = len(np.unique(np.asarray(groups)))
    return wilson(round(songs * float(hit.mean())), songs, confidence) if songs else (0.0, 1.0)


def share_intervals(
    drawn: Mapping[str, Floats], labels: Ints, called: Ints, song: Ints, confidence: float
) -> dict[str, Interval]:
    """Give each of `SHARES` the interval of its draws; where these all say the same, one that has width.

    A share gets Wilson's over the songs it is about (`share_interval`); F1 and the means over classes follow from
    what they are made of.
    """
    found = {name: percentiles(drawn[name], confidence) for name in SHARES}
    right = labels == called
    wide = {"accuracy": share_interval(right, found["accuracy"], song, confidence)}
    for label, name in enumerate(("human", "ai")):
        for field, rows in ((f"recall_{name}", labels == label), (f"precision_{name}", called == label)):
            wide[field] = share_interval(right[rows], found[field], song[rows], confidence)
        if found[f"f1_{name}"][0] == found[f"f1_{name}"][1]:
            ends = zip(wide[f"precision_{name}"], wide[f"recall_{name}"], strict=True)
            low, high = (_harmonic(*end) for end in ends)
            wide[f"f1_{name}"] = low, high
    return {**found, **wide, **_wide_means(found, {**found, **wide})}


def _wide_means(found: Mapping[str, Interval], parts: Mapping[str, Interval]) -> dict[str, Interval]:
    wide = {}
    for field in ("precision", "recall", "f1"):
        if found[f"{field}_macro"][0] == found[f"{field}_macro"][1]:
            ends = zip(parts[f"{field}_human"], parts[f"{field}_ai"], strict=True)
            low, high = ((human + ai) / 2 for human, ai in ends)
            wide[f"{field}_macro"] = low, high
    return wide


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


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
