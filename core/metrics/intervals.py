"""How sure we are of a figure: songs drawn again, and shares that no draw changes; numpy alone.

Clips of one song resemble each other, so every interval is over songs (`groups`), never over single clips.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.config import EvaluationConfig
from core.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = tuple[float, float]  # low, high

TOO_FEW = "too few songs for an interval"  # what stands in an interval's place


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


def enough_songs(labels: ArrayLike, groups: ArrayLike, least: int, classes: Sequence[int] = (0, 1)) -> bool:
    """Say whether each of the classes that a figure rests on has the songs that an interval takes.

    Parameters
    ----------
    labels, groups : class and song of each clip, (clips,).
    least : songs of each class; below, a value stands without an interval.
    """
    truth, song = np.asarray(labels), np.asarray(groups)
    return all(len(np.unique(song[truth == label])) >= least for label in classes)


def percentiles(values: Floats, confidence: float) -> Interval:
    """Return the middle part of the draws that `confidence` asks for."""
    low, high = np.quantile(values, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)


def with_interval(value: float, interval: Sequence[float] | None, form: str) -> str:
    """Return a figure with its interval, `0.98 [0.95, 0.99]`, or with the reason why it has none."""
    if interval is None:
        return f"{value:{form}} ({TOO_FEW})"
    return f"{value:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"


def wilson(k: int, n: int, confidence: float = EvaluationConfig.confidence) -> Interval:
    """Give the score interval of the share k / n (Wilson 1927); unlike a bootstrap's it has width at 0 and at 1."""
    if not 0 <= k <= n or n == 0:
        raise DataError(f"{k} of {n}", "is not a share", "Count at least one case and no more hits than cases")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * float(np.sqrt(k * (n - k) / n + z**2 / 4))
    return middle - half if k else 0.0, middle + half if k < n else 1.0  # both ends are exact where rounding is not


def share_interval(
    hits: ArrayLike, bootstrap: Interval, groups: ArrayLike, confidence: float = EvaluationConfig.confidence
) -> Interval:
    """Return a bootstrap interval as it is; one without width as Wilson's over the songs of the clips concerned.

    Parameters
    ----------
    hits : whether each of the clips the share is about counts, (clips,); of none, nothing is known.
    bootstrap : the bootstrap's interval of the share of hits.
    groups : song of each of these clips.
    """
    if bootstrap[0] < bootstrap[1]:
        return bootstrap
    hit = np.asarray(hits, dtype=np.float64)
    songs = len(np.unique(np.asarray(groups)))
    return wilson(round(songs * float(hit.mean())), songs, confidence) if songs else (0.0, 1.0)
