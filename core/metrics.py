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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from scipy.stats import mannwhitneyu, norm, rankdata
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score

from core.config import EvaluationConfig
from core.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = tuple[float, float]  # low, high

CLASS_NAMES = ("Human", "AI")  # by label
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
    confusion: tuple[tuple[int, int], tuple[int, int]]  # ((tn, fp), (fn, tp)): rows are the truth, AI is positive


INTERVAL_FIELDS = tuple(name for name in Scores._fields if name not in ("n", "confusion"))


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


def predict(probabilities: ArrayLike, threshold: float) -> Ints:
    """Return 1 (AI) where the probability reaches the threshold, else 0."""
    return (np.asarray(probabilities, dtype=np.float64) >= threshold).astype(np.int64)


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
        *_with_macro(precision),
        *_with_macro(recall),
        *_with_macro(f1),
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
    found = {name: percentiles(values[name], confidence) for name in INTERVAL_FIELDS}
    return found | _widened(found, truth, predict(probability, threshold), song_index(groups), confidence)


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
    _require_both(kinds)
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


def wilson(k: int, n: int, confidence: float = EvaluationConfig.confidence) -> Interval:
    """Give the score interval of the share k / n (Wilson 1927); unlike a bootstrap's it has width at 0 and at 1."""
    if not 0 <= k <= n or n == 0:
        raise DataError(f"{k} of {n}", "is not a share", "Count at least one case and no more hits than cases")
    z = float(norm.ppf((1 + confidence) / 2))
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * float(np.sqrt(k * (n - k) / n + z**2 / 4))
    return max(0.0, middle - half), min(1.0, middle + half)


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


def log_odds(probabilities: ArrayLike) -> Floats:
    """Map probabilities to log-odds, those of 0 and 1 cut to the finite ones of `CERTAIN`."""
    return np.asarray(logit(np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)))


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
    _require_both(truth)
    return truth, probability


def _require_both(labels: Ints) -> None:
    if missing := [name for label, name in enumerate(CLASS_NAMES) if not np.any(labels == label)]:
        problem = f"there is no {' and no '.join(missing)} clip among {len(labels)}"
        raise DataError("scores", problem, "Score a split that has clips of both classes")


def _with_macro(per_class: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 (numbers or arrays alike)
    human, ai = per_class
    if np.ndim(human) == 0:
        human, ai = float(human), float(ai)
    return human, ai, (human + ai) / 2


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


def _weighted_scores(labels: Ints, probabilities: Floats, weights: Floats, threshold: float) -> dict[str, Floats]:
    """Compute the interval fields for each row of weights (draws, clips) at once."""
    called = predict(probabilities, threshold)
    cells = [weights @ ((labels == truth) & (called == call)) for truth in (0, 1) for call in (0, 1)]
    tn, fp, fn, tp = cells
    precision = _share(tn, tn + fn), _share(tp, tp + fp)
    recall = _share(tn, tn + fp), _share(tp, tp + fn)
    f1 = _share(2 * tn, 2 * tn + fp + fn), _share(2 * tp, 2 * tp + fp + fn)
    accuracy = (tn + tp) / (tn + fp + fn + tp)
    area = _weighted_auc(labels, probabilities, weights)
    values = (accuracy, *_with_macro(precision), *_with_macro(recall), *_with_macro(f1), area)
    return dict(zip(INTERVAL_FIELDS, values, strict=True))


def _widened(
    found: dict[str, Interval], labels: Ints, called: Ints, song: Ints, confidence: float
) -> dict[str, Interval]:
    """Return the intervals of shares that had no width, and of the F1 and the means over classes made from them."""
    right = labels == called
    wide = {"accuracy": share_interval(right, found["accuracy"], song, confidence)}
    for label, name in enumerate(("human", "ai")):
        for field, rows in ((f"recall_{name}", labels == label), (f"precision_{name}", called == label)):
            wide[field] = share_interval(right[rows], found[field], song[rows], confidence)
        if found[f"f1_{name}"][0] == found[f"f1_{name}"][1]:
            low, high = (
                _harmonic(*ends) for ends in zip(wide[f"precision_{name}"], wide[f"recall_{name}"], strict=True)
            )
            wide[f"f1_{name}"] = low, high
    both = {**found, **wide}
    for field in ("precision", "recall", "f1"):
        if found[f"{field}_macro"][0] == found[f"{field}_macro"][1]:
            ends = zip(both[f"{field}_human"], both[f"{field}_ai"], strict=True)
            low, high = ((human + ai) / 2 for human, ai in ends)
            wide[f"{field}_macro"] = low, high
    return wide


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


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


def percentiles(values: Floats, confidence: float) -> Interval:
    """Return the middle part of the draws that `confidence` asks for."""
    low, high = np.quantile(values, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)
