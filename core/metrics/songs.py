"""How clips become a song: the rule that the evaluation measures and a verdict follows.

A song's score is the mean of its clips' log-odds, over a temperature where there is one, mapped back to a probability.
Log-odds are the scale on which evidence adds up: a clip at .999 says more than one at .9, which the mean of the
probabilities hardly sees. Their sum would treat the clips as independent witnesses, which clips of one song are not;
their mean leaves a song at p when all its clips say p. It also commutes with a temperature.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from core.metrics.intervals import Floats, Ints, song_index
from core.metrics.operating_points import CERTAIN


class SongScores(NamedTuple):
    """One score per song; a song with clips of both classes has two."""

    probabilities: Floats  # (songs,)
    labels: Ints  # (songs,)
    groups: NDArray[np.generic]  # (songs,)


def log_odds(probabilities: ArrayLike) -> Floats:
    """Map probabilities to log-odds, those of 0 and 1 cut to the finite ones of `CERTAIN`."""
    return np.asarray(logit(np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)))


def song_score(probabilities: ArrayLike, temperature: float = 1.0) -> float:
    """Return the score of one song, from the probability of each of its clips."""
    return float(expit(log_odds(probabilities).mean() / temperature))


def song_scores(probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> SongScores:
    """Return the score of every song, without a temperature; arguments (clips,)."""
    names, song = np.unique(np.asarray(groups), return_inverse=True)
    means, kinds = by_song(log_odds(probabilities), labels, groups)
    place, _ = by_song(song, labels, groups)
    return SongScores(np.asarray(expit(means)), kinds, names[place.astype(np.int64)])


def by_song(values: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> tuple[Floats, Ints]:
    """Average a quantity over each song; a song with clips of both classes counts once in each.

    Returns
    -------
    means, labels : shape (songs,)
    """
    truth = np.asarray(labels, dtype=np.int64)
    keys, place = np.unique(2 * song_index(groups) + truth, return_inverse=True)
    return song_means(values, place), keys % 2


def song_means(values: ArrayLike, song: NDArray[np.integer]) -> Floats:
    """Average a quantity over each song, (songs,); `song` counts them from 0."""
    return np.asarray(np.bincount(song, np.asarray(values, dtype=np.float64)) / np.bincount(song))


def voting(outside: Sequence[bool], max_outside: float) -> list[bool]:
    """Say which of a song's clips have a vote: those in scope, or none where more than a share is out of it.

    Parameters
    ----------
    outside : whether each audible clip is out of scope.
    """
    judged = sum(outside) <= max_outside * len(outside)
    return [judged and not unlike for unlike in outside]
