"""How good a model is and how sure we are: arrays in, values out (SPEC E1, H2, Q1).

Conventions
-----------
Label 0 is human, 1 is AI. A probability is the model's for AI; a clip is called AI when it reaches the threshold.
Everything is computed once over a whole split, never averaged over batches. Clips of one song resemble each other, so
every interval and every test draws, swaps or averages whole songs (`groups`), never single clips.

Metrics
-------
`score` a model's figures · `song_bootstrap` their intervals · `paired_difference` two models on the same clips ·
`class_difference` one quantity in both classes · `song_mean`, `wilson`, `share_interval` intervals of means and shares.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from scipy.stats import mannwhitneyu, rankdata
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score

from core.metrics.operating_points import (
    SHARES,
    Confusion,
    Floats,
    Interval,
    Ints,
    checked,
    percentiles,
    predict,
    require_both,
    share_intervals,
    song_draws,
    song_index,
    weighted_shares,
    with_macro,
)

CERTAIN = 1e-6  # nearer to 0 or 1 than this, a probability tells a number format, not a belief


class Scores(NamedTuple):
    """One model's figures over one split; shares in [0, 1], a share of nothing is 0."""

    n: int  # clips
    accuracy: float
    precision_human: float
    precision_ai: float  # of the clips called AI, those that are
    precision_macro: float
    recall_human: float
    recall_ai: float  # of the AI clips, those that were caught
    recall_macro: float
    f1_human: float
    f1_ai: float
    f1_macro: float
    roc_auc: float
    confusion: Confusion  # ((tn, fp), (fn, tp)): rows are the truth, AI is positive


INTERVAL_FIELDS = (*SHARES, "roc_auc")


@dataclass(frozen=True)
class Difference:
    """First model minus second, its interval, and how often chance alone would do as much."""

    value: float
    low: float
    high: float
    p_value: float  # two-sided


@dataclass(frozen=True)
class PairedDifference:
    """Two models compared on the same clips."""

    n: int  # clips
    songs: int
    accuracy: Difference
    roc_auc: Difference


@dataclass(frozen=True)
class ClassDifference:
    """One quantity in AI against human songs."""

    songs_human: int
    songs_ai: int
    mean_human: float  # over songs
    mean_ai: float
    p_value: float  # Mann-Whitney U, two-sided
    effect: float  # Cliff's delta in [-1, 1]; above 0: larger in AI
    size: str  # the effect as a word


class SongMean(NamedTuple):
    """A mean over clips with an interval over songs."""

    n: int  # clips
    songs: int
    mean: float
    low: float
    high: float


def score(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> Scores:
    """Compute every figure of SPEC E1 with scikit-learn.

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    truth, probability = checked(labels, probabilities)
    called = predict(probability, threshold)
    (tn, fp), (fn, tp) = confusion_matrix(truth, called, labels=[0, 1]).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, called, labels=[0, 1], zero_division=0)
    return Scores(
        len(truth),
        float(accuracy_score(truth, called)),
        *with_macro(precision),
        *with_macro(recall),
        *with_macro(f1),
        roc_auc=float(roc_auc_score(truth, probability)),
        confusion=((tn, fp), (fn, tp)),
    )


def song_bootstrap(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    threshold: float,
    n: int,
    confidence: float,
    seed: int,
) -> dict[str, Interval]:
    """Give each field of `Scores` its percentile bootstrap interval over songs.

    All clips of a song are drawn together, and songs are drawn class by class, so no draw lacks a class. Where every
    draw says the same, as for a model without an error, a share's interval is Wilson's over the songs it is about
    instead (`share_interval`); that of F1 follows from its precision's and recall's. An AUC's stays without width.

    Parameters
    ----------
    groups : the song of each clip.
    n : number of draws.
    confidence : coverage, in (0, 1).
    """
    truth, probability = checked(labels, probabilities)
    draws = song_draws(truth, np.asarray(groups), n, seed)
    values = _weighted_scores(truth, probability, draws, threshold)
    shares = share_intervals(values, truth, predict(probability, threshold), song_index(groups), confidence)
    return {**shares, "roc_auc": percentiles(values["roc_auc"], confidence)}


def paired_difference(
    labels: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike,
    thresholds: Interval,
    n: int,
    confidence: float,
    seed: int,
) -> PairedDifference:
    """Compare model `a` with model `b` on the same clips, in accuracy and ROC-AUC.

    Interval: song bootstrap, the same draws for both models. p-value: permutation test that swaps the two models'
    outputs song by song. For ROC-AUC the outputs are first replaced by their ranks within each model, because two
    equally good models may use different ranges of probability (Bandos, Rockette and Gur 2005).

    Parameters
    ----------
    a, b : the two models' probabilities.
    thresholds : from where `a` calls a clip AI, and from where `b` does.
    n : number of bootstrap draws, and of permutations; the smallest possible p-value is 1 / (n + 1).
    """
    (truth, first), (_, second) = checked(labels, a), checked(labels, b)
    song = song_index(groups)
    draws = song_draws(truth, song, n, seed)
    swaps = np.random.default_rng((seed, 1)).integers(0, 2, (n, song.max() + 1), dtype=bool)[:, song]  # (n, clips)
    right = [predict(p, t) == truth for p, t in zip((first, second), thresholds, strict=True)]
    gain = right[0].astype(np.float64) - right[1]
    area = float(roc_auc_score(truth, first) - roc_auc_score(truth, second))
    drawn_area = _weighted_auc(truth, first, draws) - _weighted_auc(truth, second, draws)
    swapped_area = _swapped_auc(truth, rankdata(first), rankdata(second), swaps)
    return PairedDifference(
        n=len(truth),
        songs=int(song.max()) + 1,
        accuracy=_difference(float(gain.mean()), weighted_mean(gain, draws), _swapped_mean(gain, swaps), confidence),
        roc_auc=_difference(area, drawn_area, swapped_area, confidence),
    )


def class_difference(values: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> ClassDifference:
    """Test whether a quantity (a fusion weight) differs between AI and human songs, and say by how much.

    Mann-Whitney U and Cliff's delta on song means: clips of one song are not independent observations. The word for
    the effect follows Romano et al. (2006): .147, .33 and .474 are where small, medium and large begin.
    """
    means, kinds = by_song(values, labels, groups)
    human, ai = means[kinds == 0], means[kinds == 1]
    require_both(kinds)
    test = mannwhitneyu(ai, human, alternative="two-sided")
    effect = float(2 * test.statistic / (len(ai) * len(human)) - 1)
    return ClassDifference(
        songs_human=len(human),
        songs_ai=len(ai),
        mean_human=float(human.mean()),
        mean_ai=float(ai.mean()),
        p_value=float(test.pvalue),
        effect=effect,
        size=effect_size(effect),
    )


def effect_size(delta: float) -> str:
    """Put Cliff's delta into a word (Romano et al. 2006)."""
    words = ("negligible", "small", "medium", "large")
    return words[int(np.searchsorted((0.147, 0.33, 0.474), abs(delta), side="right"))]


def by_song(values: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> tuple[Floats, Ints]:
    """Average a quantity over each song; a song with clips of both classes counts once in each.

    Returns
    -------
    means, labels : shape (songs,)
    """
    value, truth = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    keys, place = np.unique(2 * song_index(groups) + truth, return_inverse=True)
    return np.bincount(place, value) / np.bincount(place), keys % 2


def song_mean(values: ArrayLike, groups: ArrayLike, n: int, confidence: float, seed: int) -> SongMean:
    """Average over clips, with a bootstrap interval over songs."""
    value, song = np.asarray(values, dtype=np.float64), song_index(groups)
    draws = song_draws(np.zeros(len(value), dtype=np.int64), song, n, seed)
    low, high = percentiles(weighted_mean(value, draws), confidence)
    return SongMean(len(value), int(song.max()) + 1, float(value.mean()), low, high)


def log_odds(probabilities: ArrayLike) -> Floats:
    """Map probabilities to log-odds, those of 0 and 1 cut to the finite ones of `CERTAIN`."""
    return np.asarray(logit(np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)))


def _weighted_scores(labels: Ints, probabilities: Floats, weights: Floats, threshold: float) -> dict[str, Floats]:
    """Compute the interval fields for each row of weights (draws, clips) at once."""
    shares = weighted_shares(labels, predict(probabilities, threshold), weights)
    return {**shares, "roc_auc": _weighted_auc(labels, probabilities, weights)}


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Average values (clips,) by each row of weights (draws, clips)."""
    return np.asarray(weights @ values / weights.sum(axis=1))


def _weighted_auc(labels: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Area under the ROC per row of weights: the chance that an AI clip outranks a human one, ties counting half."""
    order = np.argsort(probabilities, kind="stable")
    starts = np.unique(probabilities[order], return_index=True)[1]
    ai = np.add.reduceat((weights * labels)[:, order], starts, axis=1)  # (draws, distinct probabilities)
    human = np.add.reduceat((weights * (1 - labels))[:, order], starts, axis=1)
    outranked = np.cumsum(human, axis=1) - human / 2
    return np.asarray((ai * outranked).sum(axis=1) / (ai.sum(axis=1) * human.sum(axis=1)))


def _swapped_mean(gain: Floats, swaps: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.where(swaps, -gain, gain).mean(axis=1))


def _swapped_auc(labels: Ints, a: Floats, b: Floats, swaps: NDArray[np.bool_]) -> Floats:
    return _rank_auc(labels, np.where(swaps, b, a)) - _rank_auc(labels, np.where(swaps, a, b))


def _rank_auc(labels: Ints, values: Floats) -> Floats:
    """Area under the ROC per row of values (rows, clips), from the rank sum of the AI clips."""
    ai = int(labels.sum())
    rank_sum = rankdata(values, axis=1) @ labels
    return np.asarray((rank_sum - ai * (ai + 1) / 2) / (ai * (len(labels) - ai)))


def _difference(value: float, drawn: Floats, by_chance: Floats, confidence: float) -> Difference:
    as_large = np.abs(by_chance) >= abs(value) - 1e-12  # equal sums may differ in the last bit
    p_value = (1 + int(as_large.sum())) / (1 + len(by_chance))  # the observed assignment is one of the permutations
    return Difference(value, *percentiles(drawn, confidence), p_value)
