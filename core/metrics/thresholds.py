"""Where to say AI, and how well a model separates wherever that is: arrays in, values out (SPEC Q2, Q3).

A threshold is chosen on validation and then used on test as it is. Between two neighbouring scores every threshold
calls the same clips, so a chosen one lies in the middle between them, as far from both as it can.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.metrics import average_precision_score

from core.metrics import operating_points, scores
from core.metrics.operating_points import Floats, Interval, Ints, cuts

Rule = Literal["balanced", "fpr"]


class Operating(NamedTuple):
    """What a model can do at the thresholds that matter; shares in [0, 1]."""

    eer: float
    tpr_at_1_fpr: float
    tpr_at_5_fpr: float
    average_precision: float


class SongScores(NamedTuple):
    """One score per song; a song with clips of both classes has two."""

    probabilities: Floats  # (songs,)
    labels: Ints  # (songs,)
    groups: NDArray[np.generic]  # (songs,)


# Choosing


def choose_threshold(labels: ArrayLike, probabilities: ArrayLike, rule: Rule, max_fpr: float = 0.05) -> float:
    """Choose on validation the probability from which a clip is called AI.

    On few clips both rules follow single clips. With fewer than 1 / `max_fpr` human clips, "fpr" tolerates none above
    the threshold; that promises little for new ones (none of 60 accused is still compatible with 5 %).

    Parameters
    ----------
    rule : "balanced": the best mean of both classes' recalls, and of equally good cuts the widest gap;
        "fpr": the smallest threshold that at most `max_fpr` of the human clips reach.
    max_fpr : share in [0, 1]; for "fpr" only.

    Returns
    -------
    threshold : in [0, 1], or `OUT_OF_REACH` where a human clip that must not be accused has a probability of 1.
    """
    found = cuts(*operating_points.checked(labels, probabilities))
    humans, ais = found.human[0], found.ai[0]
    if rule == "fpr":
        return float(found.thresholds[np.argmax(found.human / humans <= max_fpr)])
    merit = found.ai * humans - found.human * ais  # whole numbers, so that equally good cuts are equal
    return float(found.thresholds[np.argmax(np.where(merit == merit.max(), found.gaps, -1))])


def raised(margins: ArrayLike, max_fpr: float) -> float:
    """Return how far thresholds must rise so that at most `max_fpr` of these human clips still reach theirs.

    Parameters
    ----------
    margins : log-odds of human clips above the threshold of the model that judged each.

    Returns
    -------
    rise : in log-odds, at least 0: a threshold is never lowered.
    """
    found, counts = np.unique(np.asarray(margins, dtype=np.float64), return_counts=True)
    reaching = counts[::-1].cumsum()[::-1]
    first = int(np.count_nonzero(reaching > max_fpr * counts.sum()))  # of those that may stay above
    if first == len(found):
        return max(0.0, float(np.nextafter(found[-1], np.inf)))
    below = found[first - 1] if first else found[first]
    return max(0.0, float((below + found[first]) / 2))


# Measuring


def equal_error_rate(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the error rate where as many human clips are accused as AI clips missed, on the straight-line ROC."""
    return float(_equal_error_rate(*_single_roc(labels, probabilities))[0])


def tpr_at_fpr(labels: ArrayLike, probabilities: ArrayLike, fpr: float) -> float:
    """Return the share of AI clips caught by the best threshold that accuses at most `fpr` of the human ones.

    Only thresholds that exist count: nothing is interpolated between two steps of the ROC. With fewer than 1 / `fpr`
    human clips this is the share of AI clips above every human one.
    """
    return float(_tpr_at_fpr(*_single_roc(labels, probabilities), fpr)[0])


def average_precision(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the area under the precision-recall steps; a model that guesses gets the share of AI clips."""
    return float(average_precision_score(*operating_points.checked(labels, probabilities)))


def operating(labels: ArrayLike, probabilities: ArrayLike) -> Operating:
    """Compute every figure of `Operating`.

    Raises
    ------
    DataError : a class is absent, the lengths differ, or a probability is not in [0, 1].
    """
    return Operating(
        equal_error_rate(labels, probabilities),
        tpr_at_fpr(labels, probabilities, 0.01),
        tpr_at_fpr(labels, probabilities, 0.05),
        average_precision(labels, probabilities),
    )


def operating_bootstrap(
    labels: ArrayLike, probabilities: ArrayLike, groups: ArrayLike, n: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Give each field of `Operating` its percentile bootstrap interval over songs, as `metrics.song_bootstrap` does.

    A rate at 1 % FPR hangs on the one or two highest human songs, and a bootstrap knows nothing beyond them: with 60
    human songs its 95 % interval held the true rate in 71 of 100 trials (at 5 % FPR 94, EER 98, average precision 90).
    """
    truth, probability = operating_points.checked(labels, probabilities)
    human, ai = _roc(truth, probability, operating_points.song_draws(truth, np.asarray(groups), n, seed))
    values = (
        _equal_error_rate(human, ai),
        _tpr_at_fpr(human, ai, 0.01),
        _tpr_at_fpr(human, ai, 0.05),
        _average_precision(human, ai),
    )
    intervals = (operating_points.percentiles(value, confidence) for value in values)
    return dict(zip(Operating._fields, intervals, strict=True))


def song_scores(values: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> SongScores:
    """Score each song by the mean of its clips' log-odds, mapped back to a probability.

    Log-odds are the scale on which evidence adds up: a clip at .999 says more than one at .9, which the mean of the
    probabilities hardly sees. Their sum would treat the clips as independent witnesses, which clips of one song are
    not; their mean leaves a song at p when all its clips say p. It also commutes with a temperature.

    Parameters
    ----------
    values : probability of each clip.
    """
    names, song = np.unique(np.asarray(groups), return_inverse=True)
    means, kinds = scores.by_song(scores.log_odds(values), labels, groups)
    place, _ = scores.by_song(song, labels, groups)
    return SongScores(expit(means), kinds, names[place.astype(np.int64)])


# The ROC: human and AI clips that reach each score, highest first, once per row of weights; shape (draws, 1 + scores)


def _single_roc(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    truth, probability = operating_points.checked(labels, probabilities)
    return _roc(truth, probability, np.ones((1, len(truth))))


def _roc(labels: Ints, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(-probabilities, kind="stable")
    starts = np.unique(-probabilities[order], return_index=True)[1]  # equal scores are one step
    human, ai = (
        np.cumsum(np.add.reduceat((weights * (labels == label))[:, order], starts, axis=1), axis=1) for label in (0, 1)
    )
    none = np.zeros((len(weights), 1))
    return np.hstack((none, human)), np.hstack((none, ai))


def _equal_error_rate(human: Floats, ai: Floats) -> Floats:
    accused, missed = human / human[:, -1:], 1 - ai / ai[:, -1:]
    excess = accused - missed  # from -1 up to 1
    after = np.argmax(excess >= 0, axis=1)
    row = np.arange(len(excess))
    before = after - 1
    way = -excess[row, before] / (excess[row, after] - excess[row, before])
    return np.asarray(accused[row, before] + way * (accused[row, after] - accused[row, before]))


def _tpr_at_fpr(human: Floats, ai: Floats, fpr: float) -> Floats:
    return np.asarray(np.where(human / human[:, -1:] <= fpr, ai / ai[:, -1:], 0).max(axis=1))


def _average_precision(human: Floats, ai: Floats) -> Floats:
    called = (human + ai)[:, 1:]
    precision = np.divide(ai[:, 1:], called, out=np.zeros_like(called), where=called > 0)
    return np.asarray((np.diff(ai, axis=1) * precision).sum(axis=1) / ai[:, -1])
