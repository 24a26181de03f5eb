"""What a threshold chosen on validation promises."""

import numpy as np
import pytest
from scipy.special import expit

from core.errors import DataError
from core.metrics import operating_points, scores, thresholds

Clips = tuple[np.ndarray, np.ndarray]


def clips(seed: int, n: int = 120, separation: float = 2.0) -> Clips:
    """Make labels and calibrated probabilities; ROC-AUC .92 at separation 2."""
    labels = np.arange(n) % 2
    return labels, expit(separation * (np.random.default_rng(seed).normal(size=n) + separation * (labels - 0.5)))


def accused(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> float:
    """Return the share of human clips called AI."""
    return float(operating_points.predict(probabilities[labels == 0], threshold).mean())


def test_two_classes_apart_are_cut_in_the_middle_between_them() -> None:
    assert thresholds.choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.8], "balanced") == pytest.approx(0.5)


def test_the_balanced_threshold_is_the_best_of_all_thresholds() -> None:
    labels, probabilities = clips(0)
    weighted = labels.copy()
    weighted[:20] = 0  # unequal classes: accuracy and balanced accuracy disagree

    def merit(threshold: float) -> float:
        result = scores.score(weighted, probabilities, threshold).values
        return result["recall_human"] + result["recall_ai"]

    chosen = thresholds.choose_threshold(weighted, probabilities, "balanced")
    assert merit(chosen) == pytest.approx(max(merit(t) for t in np.append(probabilities, 0)))


def test_of_equally_good_cuts_the_widest_gap_is_taken() -> None:
    # Below .2 | .21 and below .5 | .9 one human or one AI clip is wrong, either way.
    chosen = thresholds.choose_threshold([0, 1, 0, 1], [0.2, 0.21, 0.5, 0.9], "balanced")
    assert chosen == pytest.approx(0.7)


def test_the_fpr_threshold_accuses_as_many_as_allowed_and_no_lower_one_may() -> None:
    labels, probabilities = clips(1)
    chosen = thresholds.choose_threshold(labels, probabilities, "fpr", max_fpr=0.05)
    assert accused(labels, probabilities, chosen) == pytest.approx(3 / 60)
    lower = probabilities[probabilities < chosen].max()
    assert accused(labels, probabilities, lower) > 0.05


def test_a_limit_below_one_clip_accuses_nobody() -> None:
    labels, probabilities = clips(2)
    chosen = thresholds.choose_threshold(labels, probabilities, "fpr", max_fpr=0.01)
    highest = probabilities[labels == 0].max()
    assert highest < chosen < probabilities[probabilities > highest].min()


def test_a_human_clip_that_is_certainly_ai_leaves_no_threshold_in_reach() -> None:
    chosen = thresholds.choose_threshold([0, 0, 1], [0.2, 1.0, 1.0], "fpr", max_fpr=0.1)
    assert chosen == operating_points.OUT_OF_REACH
    assert operating_points.predict([1.0], chosen).tolist() == [0]


def test_a_threshold_lies_strictly_between_two_neighbouring_scores() -> None:
    labels, probabilities = clips(3)
    for chosen in (
        thresholds.choose_threshold(labels, probabilities, "balanced"),
        thresholds.choose_threshold(labels, probabilities, "fpr"),
    ):
        below, above = probabilities[probabilities < chosen].max(), probabilities[probabilities > chosen].min()
        assert chosen == pytest.approx((below + above) / 2)
        assert chosen not in probabilities


def test_scores_that_differ_in_the_last_bit_are_still_cut_apart() -> None:
    below = 0.7
    above = float(np.nextafter(below, 1))
    chosen = thresholds.choose_threshold([0, 1], [below, above], "balanced")
    assert operating_points.predict([below, above], chosen).tolist() == [0, 1]


def test_a_threshold_accuses_about_as_many_new_human_clips_as_on_validation() -> None:
    labels, probabilities = clips(5, n=4000)
    chosen = thresholds.choose_threshold(labels, probabilities, "fpr", max_fpr=0.05)
    assert accused(*clips(6, n=4000), chosen) == pytest.approx(0.05, abs=0.015)


def test_a_threshold_needs_both_classes() -> None:
    with pytest.raises(DataError, match="there is no AI clip"):
        thresholds.choose_threshold([0, 0], [0.1, 0.2], "balanced")


@pytest.mark.parametrize("seed", range(5))
def test_a_raised_threshold_accuses_as_few_as_it_must_and_no_lower_one_does(seed: int) -> None:
    margins = np.random.default_rng(seed).normal(0.5, 1, 101).round(1)  # with ties
    rise = thresholds.raised(margins, 0.05)
    assert (margins >= rise).mean() <= 0.05
    assert (margins >= margins[margins < rise].max()).mean() > 0.05


def test_a_threshold_is_never_lowered() -> None:
    assert thresholds.raised([-3.0, -2.0, -1.0], 0.05) == 0


def test_a_threshold_rises_above_every_clip_where_none_may_be_accused() -> None:
    assert thresholds.raised([0.5, 0.5, 0.1], 0.05) > 0.5
