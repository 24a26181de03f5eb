"""Whether a probability means what it says, and when to give no verdict: arrays in, values out.

The temperature and the uncertain band are chosen on validation and then used on test as they are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from core.config import EvaluationConfig
from core.metrics import intervals, operating_points
from core.metrics.intervals import Floats, Interval, Ints
from core.metrics.operating_points import OUT_OF_REACH, cuts
from core.metrics.songs import log_odds

Bools = NDArray[np.bool_]

TEMPERATURES = (0.05, 20.0)  # sharpest and flattest


class ReliabilityBin(NamedTuple):
    """Clips of about the same probability, and how many of them are AI."""

    low: float  # the probabilities it spans
    high: float
    n: int  # clips
    mean_probability: float
    share_ai: float
    low_ci: float  # of share_ai
    high_ci: float


class Band(NamedTuple):
    """Probabilities without a verdict: below `low` a clip is called human, from `high` on AI."""

    low: float
    high: float


class BandResult(NamedTuple):
    """What a band leaves undecided, and how often the rest is wrong."""

    n: int  # clips
    inside: int  # clips without a verdict
    coverage: float  # share of the clips with one
    error: float  # share of those that are wrong; 0 when there are none
    errors: int
    coverage_interval: Interval
    error_interval: Interval


# Temperature


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Find on validation the temperature T at which sigmoid(logit(p) / T) has the smallest log-loss (Guo et al. 2017).

    Above 1 the model was too sure of itself, below 1 not sure enough. The targets are not 0 and 1 but those of Platt
    (1999), (k + 1) / (k + 2) for k AI clips: a model without an error on a few clips would else be sharpened without
    end. With 120 clips no one can be sure to more than about 98 %, so this flattens a model that is.

    Returns
    -------
    temperature : in `TEMPERATURES`; its upper end for a model that does no better than chance.
    """
    truth, probability = operating_points.checked(labels, probabilities)
    logits, targets = log_odds(probability), _platt_targets(truth)

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    best = minimize_scalar(log_loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return sigmoid(logit(p) / T): the same order of clips, except that all within `CERTAIN` of 0 or 1 tie."""
    return np.asarray(expit(log_odds(probabilities) / temperature))


def _platt_targets(labels: Ints) -> Floats:
    human, ai = np.bincount(labels, minlength=2)
    return np.asarray(np.where(labels == 1, (ai + 1) / (ai + 2), 1 / (human + 2)))


# Reliability


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Return how far the probability of AI is from the share of AI, over bins of equally many clips.

    A detector puts most clips near 0 and 1, so bins of equal width would leave the middle ones to single clips; bins
    of equal mass are the less biased estimate (Roelofs et al. 2022). It is biased upwards even so: a model that is
    calibrated perfectly, with ROC-AUC .92, gets about .07 on 120 clips and .02 on 1,200.
    """
    truth, probability = operating_points.checked(labels, probabilities)
    place = _equal_mass(probability, bins)
    return float(np.abs(np.bincount(place, probability - truth)).sum() / len(truth))


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10, confidence: float = EvaluationConfig.confidence
) -> list[ReliabilityBin]:
    """Compare probability and share of AI bin by bin, in ascending order; equal probabilities share a bin.

    The interval of a bin is Wilson's over its clips: with several clips of a song in one bin it is too narrow.
    """
    truth, probability = operating_points.checked(labels, probabilities)
    place = _equal_mass(probability, bins)
    return [_reliability_bin(truth[place == k], probability[place == k], confidence) for k in np.unique(place)]


def _reliability_bin(labels: Ints, probabilities: Floats, confidence: float) -> ReliabilityBin:
    return ReliabilityBin(
        float(probabilities.min()),
        float(probabilities.max()),
        len(labels),
        float(probabilities.mean()),
        float(labels.mean()),
        *intervals.wilson(int(labels.sum()), len(labels), confidence),
    )


def _equal_mass(probabilities: Floats, bins: int) -> Ints:
    """Return each clip's bin in [0, bins), by its rank; equal probabilities go where their middle one belongs."""
    _, place, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray((middle * bins / len(probabilities)).astype(np.int64)[place])


# Uncertain band


def uncertain_band(labels: ArrayLike, probabilities: ArrayLike, max_error: float) -> Band:
    """Choose on validation the band with the fewest clips such that both verdicts outside it are right often enough.

    At most `max_error` of the clips called human are AI, and at most that share of those called AI are human. This is
    asked of the shares as counted, not of their intervals, and the best of many bands is chosen, so on new clips the
    error is on average larger: with 120 clips, 5 % asked and ROC-AUC .92 it was 7 % (600 clips: 5.5 %).

    Returns
    -------
    band : a side without any clip good enough gives no verdict: `low` is 0, or `high` more than 1; both where the model
        is no help. `low == high` where a single threshold is good enough.
    """
    every_cut = cuts(*operating_points.checked(labels, probabilities))
    reach, missed = (
        every_cut.human + every_cut.ai,
        every_cut.ai[0] - every_cut.ai,
    )  # per cut: clips above it, AI clips below it
    low = np.flatnonzero(missed / np.maximum(1, reach[0] - reach) <= max_error)
    high = np.flatnonzero(every_cut.human / np.maximum(1, reach) <= max_error)
    low = low[np.searchsorted(low, high, side="right") - 1]  # for each upper cut, the nearest lower one not above it
    best = np.lexsort((missed[low] + every_cut.human[high], reach[low] - reach[high]))[0]
    below = float(every_cut.thresholds[low[best]]) if low[best] > 0 else 0.0
    above = float(every_cut.thresholds[high[best]]) if reach[high[best]] > 0 else OUT_OF_REACH
    return Band(below, above)


def band_result(
    labels: ArrayLike, probabilities: ArrayLike, groups: ArrayLike, band: Band, n: int, confidence: float, seed: int
) -> BandResult:
    """Measure a band on test clips, with bootstrap intervals over songs.

    Where every draw says the same (no clip wrong, all decided), the interval is Wilson's over the songs concerned
    instead, so none is without width.

    Parameters
    ----------
    n : number of draws.
    confidence : coverage of the intervals, in (0, 1).
    """
    truth, probability = operating_points.checked(labels, probabilities)
    decided = (probability < band.low) | (probability >= band.high)
    wrong = decided & (operating_points.predict(probability, band.high) != truth)
    draws, song = intervals.song_draws(truth, np.asarray(groups), n, seed), intervals.song_index(groups)
    everything = np.ones_like(decided)
    return BandResult(
        n=len(truth),
        inside=int((~decided).sum()),
        coverage=float(decided.mean()),
        error=float(wrong.sum() / max(1, decided.sum())),
        errors=int(wrong.sum()),
        coverage_interval=_ratio_interval(decided, everything, draws, song, confidence),
        error_interval=_ratio_interval(wrong, decided, draws, song, confidence),
    )


def _ratio_interval(part: Bools, whole: Bools, draws: Floats, song: Ints, confidence: float) -> Interval:
    """Return the interval of the share of `part` in `whole`, over the draws that have any of the whole."""
    songs = len(np.unique(song[whole]))
    if songs == 0:
        return 0.0, 1.0  # nothing was seen, so nothing is known
    parts, wholes = draws @ part, draws @ whole
    low, high = intervals.percentiles(parts[wholes > 0] / wholes[wholes > 0], confidence)
    if low < high:
        return low, high
    return intervals.wilson(round(songs * float(part.sum() / whole.sum())), songs, confidence)
