"""What the figures that no threshold decides promise: AUC, equal error rate, what is caught at few false alarms."""

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.metrics import roc_curve

from core.metrics import ranking, scores
from core.metrics.intervals import Interval, wilson
from core.metrics.ranking import RANKING

Clips = tuple[np.ndarray, np.ndarray]


def clips(seed: int, n: int = 120, separation: float = 2.0) -> Clips:
    """Make labels and calibrated probabilities; ROC-AUC .92 at separation 2."""
    labels = np.arange(n) % 2
    return labels, expit(separation * (np.random.default_rng(seed).normal(size=n) + separation * (labels - 0.5)))


def ranked(labels: ArrayLike, probabilities: ArrayLike) -> list[float]:
    return [metric.value(labels, probabilities) for metric in RANKING.values()]


def intervals(
    labels: np.ndarray, probabilities: np.ndarray, songs: np.ndarray, n: int = 300, seed: int = 0
) -> dict[str, Interval]:
    every = scores.song_bootstrap(labels, probabilities, songs, 0.5, n, 0.95, seed)
    return {name: every[name] for name in RANKING}


def test_a_perfect_model_has_no_error_and_catches_all_at_any_false_alarm_rate() -> None:
    assert ranked([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == [1, 0, 1, 1, 1]


def test_a_model_that_is_always_wrong_has_an_equal_error_rate_of_one() -> None:
    assert ranking.equal_error_rate([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 1


def test_a_model_that_says_the_same_of_every_clip_is_at_chance() -> None:
    assert ranked([0, 1, 1, 1], [0.4] * 4) == [0.5, 0.5, 0, 0, 0.75]


def test_the_equal_error_rate_of_a_hand_made_roc() -> None:
    # From the top: AI AI human AI | human AI human human: 1 of 4 human clips accused, 1 of 4 AI clips missed.
    labels = [1, 1, 0, 1, 0, 1, 0, 0]
    assert ranking.equal_error_rate(labels, np.linspace(0.9, 0.1, 8)) == pytest.approx(0.25)
    # One tie of both classes is a slanted step from (0, 1/2) to (1/2, 1): errors are equal at 1/4.
    assert ranking.equal_error_rate([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == pytest.approx(0.25)


def test_the_equal_error_rate_of_two_bells_is_the_textbook_one() -> None:
    labels, probabilities = clips(7, n=20_000)
    assert ranking.equal_error_rate(labels, probabilities) == pytest.approx(0.1587, abs=0.01)  # Φ(-1)


def test_a_catch_rate_is_that_of_a_threshold_that_exists() -> None:
    labels, probabilities = clips(8)
    fpr, tpr, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    for limit in (0.0, 0.01, 0.04, 0.05, 0.29):
        assert ranking.tpr_at_fpr(labels, probabilities, limit) == pytest.approx(tpr[fpr <= limit].max())


def test_a_tie_with_a_human_clip_does_not_count_as_caught() -> None:
    assert ranking.tpr_at_fpr([0, 0, 1, 1], [0.1, 0.8, 0.8, 0.9], 0.05) == 0.5


def test_no_figure_of_the_ranking_depends_on_the_scale_of_the_scores() -> None:
    labels, probabilities = clips(9)
    assert ranked(labels, probabilities**3) == pytest.approx(ranked(labels, probabilities))


def test_every_figure_lies_in_its_interval_and_few_songs_widen_it() -> None:
    labels, probabilities = clips(11, n=240)
    alone = np.arange(240)
    many = intervals(labels, probabilities, alone)
    few = intervals(labels, probabilities, 2 * (alone // 24) + labels)
    for (low, high), value in zip(many.values(), ranked(labels, probabilities), strict=True):
        assert low < value < high
    cut = [np.repeat(values, 5) for values in (labels, probabilities, alone)]
    assert intervals(*cut)["eer"] == pytest.approx(many["eer"])
    assert few != many


def test_a_share_of_the_ai_clips_has_an_interval_with_width_where_no_draw_differs() -> None:
    labels, songs = np.repeat([0, 1], 20), np.repeat(np.arange(20), 2)
    perfect = intervals(labels, labels, songs)
    assert perfect["tpr_at_1_fpr"] == perfect["tpr_at_5_fpr"] == wilson(10, 10)
    assert perfect["roc_auc"] == (1, 1)


def test_the_interval_of_the_equal_error_rate_covers_the_true_one_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(100):
        low, high = intervals(*clips(seed), np.arange(120), 200, seed)["eer"]
        hits += low <= 0.1587 <= high
    assert 88 <= hits <= 100
