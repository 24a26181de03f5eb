"""What a song's score promises."""

import numpy as np
import pytest
from scipy.special import expit

from core.metrics.ranking import roc_auc
from core.metrics.songs import by_song, song_score, song_scores, voting

Clips = tuple[np.ndarray, np.ndarray]


def clips(seed: int, n: int = 120, separation: float = 2.0) -> Clips:
    """Make labels and calibrated probabilities; ROC-AUC .92 at separation 2."""
    labels = np.arange(n) % 2
    return labels, expit(separation * (np.random.default_rng(seed).normal(size=n) + separation * (labels - 0.5)))


def test_a_song_whose_clips_agree_gets_what_they_say() -> None:
    result = song_scores([0.8, 0.8, 0.8, 0.1], [1, 1, 1, 0], ["b", "b", "b", "a"])
    assert result.probabilities == pytest.approx([0.1, 0.8])
    assert result.labels.tolist() == [0, 1]
    assert result.groups.tolist() == ["a", "b"]


def test_a_certain_clip_weighs_more_than_a_doubtful_one() -> None:
    result = song_scores([0.999, 0.4], [1, 1], ["a", "a"])
    odds = np.sqrt(0.999 / 0.001 * 0.4 / 0.6)
    assert result.probabilities == pytest.approx([odds / (1 + odds)])
    assert result.probabilities[0] > 0.96 > (0.999 + 0.4) / 2


def test_one_saturated_clip_does_not_outvote_a_whole_song() -> None:
    result = song_scores([1.0, 0.05, 0.05, 0.05, 0.05, 0.05], [0] * 6, ["a"] * 6)
    assert result.probabilities[0] < 0.5


def test_a_song_with_both_labels_counts_once_in_each() -> None:
    result = song_scores([0.3, 0.9, 0.9, 0.6], [0, 1, 1, 1], ["mix", "mix", "mix", "z"])
    assert result.groups.tolist() == ["mix", "mix", "z"]
    assert result.labels.tolist() == [0, 1, 1]
    assert result.probabilities == pytest.approx([0.3, 0.9, 0.6])


def test_a_song_counts_once_however_many_clips_it_has() -> None:
    means, labels = by_song([0.2, 0.4, 0.9, 0.5], [0, 0, 1, 1], ["a", "a", "a", "b"])
    assert means == pytest.approx([0.3, 0.9, 0.5])
    assert labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("outside", "votes"),
    [
        ([False, True, False], [True, False, True]),
        ([True, False], [False, True]),
        ([True, True, False], [False, False, False]),
    ],
)
def test_clips_vote_unless_most_are_out_of_scope(outside: list[bool], votes: list[bool]) -> None:
    assert voting(outside, 0.5) == votes


def test_one_song_is_scored_as_many_are() -> None:
    _, probabilities = clips(3, n=40)
    songs = np.repeat(np.arange(4), 10)
    scored = song_scores(probabilities, songs % 2, songs).probabilities
    alone = [song_score(probabilities[songs == song]) for song in range(4)]
    assert scored == pytest.approx(alone, abs=1e-15)


def test_hearing_more_of_a_song_tells_its_class_better() -> None:
    labels, probabilities = clips(12, n=1200, separation=1.0)
    songs = 2 * (np.arange(1200) // 12) + labels  # six clips each
    by_song = song_scores(probabilities, labels, songs)
    assert len(by_song.labels) == 200
    song, clip = (roc_auc(*pair) for pair in ((by_song.labels, by_song.probabilities), (labels, probabilities)))
    assert song > clip + 0.1
