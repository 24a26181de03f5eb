"""How good a model is and how sure we are: arrays in, values out.

Label 0 is human, 1 is AI. A probability is the model's for AI; a clip is called AI when it reaches the threshold.
Everything is computed once over a whole split, never averaged over batches. Clips of one song resemble each other, so
every interval and every test draws, swaps or averages whole songs (`groups`), never single clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu, rankdata

from core.metrics.intervals import Floats, Interval, Ints, percentiles, song_draws, song_index
from core.metrics.operating_points import Confusion, checked, confusion, predict, require_both
from core.metrics.ranking import RANKING, area, ranking_intervals, roc, roc_auc
from core.metrics.registry import intervals_of, measured, values_of
from core.metrics.songs import by_song


@dataclass(frozen=True)
class Scores:
    """One model's figures over one split."""

    n: int  # clips
    values: Mapping[str, float]  # by the names of `METRICS` and of `RANKING`
    confusion: Confusion  # ((tn, fp), (fn, tp)): rows are the truth, AI is positive

    def written(self) -> dict[str, Any]:
        """Return all of it side by side, as results.json has it."""
        return {"n": self.n, **self.values, "confusion": self.confusion}


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
    """Compute every figure of a model.

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    truth, probability = checked(labels, probabilities)
    called = predict(probability, threshold)
    ranked = {name: metric.value(truth, probability) for name, metric in RANKING.items()}
    return Scores(len(truth), values_of(truth, called) | ranked, confusion(truth, called))


def weighted_scores(labels: Ints, probabilities: Floats, weights: Floats, threshold: float) -> dict[str, Floats]:
    """Compute every figure for each row of weights (draws, clips) at once; a weight counts a clip that often."""
    curve = roc(labels, probabilities, weights)
    ranked = {name: metric.replicates(curve) for name, metric in RANKING.items()}
    return measured(labels, predict(probabilities, threshold), weights) | ranked


def song_bootstrap(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    threshold: float,
    n: int,
    confidence: float,
    seed: int,
) -> dict[str, Interval]:
    """Give each figure of a model its percentile bootstrap interval over songs.

    All clips of a song are drawn together, and songs are drawn class by class, so no draw lacks a class. Where every
    draw says the same, as for a model without an error, a share's interval is Wilson's over the songs it is about
    instead (`share_interval`), and a figure that follows from shares takes what follows from their ends. An AUC's stays
    without width.

    Parameters
    ----------
    groups : the song of each clip.
    n : number of draws.
    confidence : coverage, in (0, 1).
    """
    truth, probability = checked(labels, probabilities)
    song, called = song_index(groups), predict(probability, threshold)
    replicates = weighted_scores(truth, probability, song_draws(truth, song, n, seed), threshold)
    return {
        **intervals_of(replicates, truth, called, song, confidence),
        **ranking_intervals(replicates, truth, probability, song, confidence),
    }


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
    gained = roc_auc(truth, first) - roc_auc(truth, second)
    drawn_area = area(roc(truth, first, draws)) - area(roc(truth, second, draws))
    swapped_area = _swapped_auc(truth, rankdata(first), rankdata(second), swaps)
    return PairedDifference(
        n=len(truth),
        songs=int(song.max()) + 1,
        accuracy=_difference(float(gain.mean()), weighted_mean(gain, draws), _swapped_mean(gain, swaps), confidence),
        roc_auc=_difference(gained, drawn_area, swapped_area, confidence),
    )


def paired_p_value(gain: ArrayLike, groups: ArrayLike, n: int, seed: int) -> float:
    """Return how often chance alone would move a mean over clips as far from 0: signs are turned song by song.

    Parameters
    ----------
    gain : what the first of two answers to the same clip has over the second, (clips,).
    n : number of permutations; the smallest possible p-value is 1 / (n + 1).
    """
    values, song = np.asarray(gain, dtype=np.float64), song_index(groups)
    swaps = np.random.default_rng((seed, 1)).integers(0, 2, (n, song.max() + 1), dtype=bool)[:, song]
    return _p_value(float(values.mean()), _swapped_mean(values, swaps))


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


def song_mean(values: ArrayLike, groups: ArrayLike, n: int, confidence: float, seed: int) -> SongMean:
    """Average over clips, with a bootstrap interval over songs."""
    value, song = np.asarray(values, dtype=np.float64), song_index(groups)
    draws = song_draws(np.zeros(len(value), dtype=np.int64), song, n, seed)
    low, high = percentiles(weighted_mean(value, draws), confidence)
    return SongMean(len(value), int(song.max()) + 1, float(value.mean()), low, high)


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Average values (clips,) by each row of weights (draws, clips)."""
    return np.asarray(weights @ values / weights.sum(axis=1))


def _swapped_mean(gain: Floats, swaps: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.where(swaps, -gain, gain).mean(axis=1))


def _swapped_auc(labels: Ints, a: Floats, b: Floats, swaps: NDArray[np.bool_]) -> Floats:
    return _rank_auc(labels, np.where(swaps, b, a)) - _rank_auc(labels, np.where(swaps, a, b))


def _rank_auc(labels: Ints, values: Floats) -> Floats:
    """Area under the ROC per row of values (rows, clips), from the rank sum of the AI clips."""
    ai = int(labels.sum())
    rank_sum = rankdata(values, axis=1) @ labels
    return np.asarray((rank_sum - ai * (ai + 1) / 2) / (ai * (len(labels) - ai)))


def _difference(value: float, replicates: Floats, by_chance: Floats, confidence: float) -> Difference:
    return Difference(value, *percentiles(replicates, confidence), _p_value(value, by_chance))


def _p_value(value: float, by_chance: Floats) -> float:
    as_large = np.abs(by_chance) >= abs(value) - 1e-12  # equal sums may differ in the last bit
    return (1 + int(as_large.sum())) / (1 + len(by_chance))  # the observed assignment is one of the permutations
