"""What a threshold chosen on validation, an operating point and a song's score promise."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_curve

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


# Choosing


def test_two_classes_apart_are_cut_in_the_middle_between_them() -> None:
    assert thresholds.choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.8], "balanced") == pytest.approx(0.5)


def test_the_balanced_threshold_is_the_best_of_all_thresholds() -> None:
    labels, probabilities = clips(0)
    weighted = labels.copy()
    weighted[:20] = 0  # unequal classes: accuracy and balanced accuracy disagree

    def merit(threshold: float) -> float:
        result = scores.score(weighted, probabilities, threshold)
        return result.recall_human + result.recall_ai

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


# Operating points


def test_a_perfect_model_has_no_error_and_catches_all_at_any_false_alarm_rate() -> None:
    assert thresholds.operating([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == (0, 1, 1, 1)


def test_a_model_that_is_always_wrong_has_an_equal_error_rate_of_one() -> None:
    assert thresholds.equal_error_rate([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 1


def test_a_model_that_says_the_same_of_every_clip_is_at_chance() -> None:
    result = thresholds.operating([0, 1, 1, 1], [0.4] * 4)
    assert result == (0.5, 0, 0, 0.75)


def test_the_equal_error_rate_of_a_hand_made_roc() -> None:
    # From the top: AI AI human AI | human AI human human: 1 of 4 human clips accused, 1 of 4 AI clips missed.
    labels = [1, 1, 0, 1, 0, 1, 0, 0]
    assert thresholds.equal_error_rate(labels, np.linspace(0.9, 0.1, 8)) == pytest.approx(0.25)
    # One tie of both classes is a slanted step from (0, 1/2) to (1/2, 1): errors are equal at 1/4.
    assert thresholds.equal_error_rate([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == pytest.approx(0.25)


def test_the_equal_error_rate_of_two_bells_is_the_textbook_one() -> None:
    labels, probabilities = clips(7, n=20_000)
    assert thresholds.equal_error_rate(labels, probabilities) == pytest.approx(0.1587, abs=0.01)  # Φ(-1)


def test_a_catch_rate_is_that_of_a_threshold_that_exists() -> None:
    labels, probabilities = clips(8)
    fpr, tpr, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    for limit in (0.0, 0.01, 0.04, 0.05, 0.29):
        assert thresholds.tpr_at_fpr(labels, probabilities, limit) == pytest.approx(tpr[fpr <= limit].max())


def test_a_tie_with_a_human_clip_does_not_count_as_caught() -> None:
    assert thresholds.tpr_at_fpr([0, 0, 1, 1], [0.1, 0.8, 0.8, 0.9], 0.05) == 0.5


def test_the_operating_points_do_not_depend_on_the_scale_of_the_scores() -> None:
    labels, probabilities = clips(9)
    assert thresholds.operating(labels, probabilities**3) == pytest.approx(thresholds.operating(labels, probabilities))


def test_drawing_a_clip_twice_equals_having_it_twice() -> None:
    labels, probabilities = clips(10)
    probabilities = probabilities.round(1)  # ties
    times = np.random.default_rng(0).integers(0, 4, (3, len(labels)))
    human, ai = thresholds._roc(labels, probabilities, times.astype(float))
    for row, count in enumerate(times):
        repeated = np.repeat(labels, count), np.repeat(probabilities, count)
        assert thresholds._average_precision(human, ai)[row] == pytest.approx(average_precision_score(*repeated))
        assert thresholds._equal_error_rate(human, ai)[row] == pytest.approx(thresholds.equal_error_rate(*repeated))
        caught = thresholds.tpr_at_fpr(*repeated, 0.05)
        assert thresholds._tpr_at_fpr(human, ai, 0.05)[row] == pytest.approx(caught)


def test_every_operating_point_lies_in_its_interval_and_few_songs_widen_it() -> None:
    labels, probabilities = clips(11, n=240)
    alone = np.arange(240)
    many = thresholds.operating_bootstrap(labels, probabilities, alone, 300, 0.95, 0)
    few = thresholds.operating_bootstrap(labels, probabilities, 2 * (alone // 24) + labels, 300, 0.95, 0)
    assert tuple(many) == thresholds.Operating._fields
    for name, value in thresholds.operating(labels, probabilities)._asdict().items():
        assert many[name][0] < value < many[name][1]
    cut = [np.repeat(values, 5) for values in (labels, probabilities, alone)]
    assert thresholds.operating_bootstrap(*cut, 300, 0.95, 0)["eer"] == pytest.approx(many["eer"])
    assert few != many


def test_the_interval_of_the_equal_error_rate_covers_the_true_one_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(100):
        low, high = thresholds.operating_bootstrap(*clips(seed), np.arange(120), 200, 0.95, seed)["eer"]
        hits += low <= 0.1587 <= high
    assert 88 <= hits <= 100


# Songs


def test_a_song_whose_clips_agree_gets_what_they_say() -> None:
    result = thresholds.song_scores([0.8, 0.8, 0.8, 0.1], [1, 1, 1, 0], ["b", "b", "b", "a"])
    assert result.probabilities == pytest.approx([0.1, 0.8])
    assert result.labels.tolist() == [0, 1]
    assert result.groups.tolist() == ["a", "b"]


def test_a_certain_clip_weighs_more_than_a_doubtful_one() -> None:
    result = thresholds.song_scores([0.999, 0.4], [1, 1], ["a", "a"])
    odds = np.sqrt(0.999 / 0.001 * 0.4 / 0.6)
    assert result.probabilities == pytest.approx([odds / (1 + odds)])
    assert result.probabilities[0] > 0.96 > (0.999 + 0.4) / 2


def test_one_saturated_clip_does_not_outvote_a_whole_song() -> None:
    result = thresholds.song_scores([1.0, 0.05, 0.05, 0.05, 0.05, 0.05], [0] * 6, ["a"] * 6)
    assert result.probabilities[0] < 0.5


def test_a_song_with_both_labels_counts_once_in_each() -> None:
    result = thresholds.song_scores([0.3, 0.9, 0.9, 0.6], [0, 1, 1, 1], ["mix", "mix", "mix", "z"])
    assert result.groups.tolist() == ["mix", "mix", "z"]
    assert result.labels.tolist() == [0, 1, 1]
    assert result.probabilities == pytest.approx([0.3, 0.9, 0.6])


def test_hearing_more_of_a_song_tells_its_class_better() -> None:
    labels, probabilities = clips(12, n=1200, separation=1.0)
    songs = 2 * (np.arange(1200) // 12) + labels  # six clips each
    by_song = thresholds.song_scores(probabilities, labels, songs)
    assert len(by_song.labels) == 200
    song, clip = (
        scores.score(*pair, 0.5).roc_auc for pair in ((by_song.labels, by_song.probabilities), (labels, probabilities))
    )
    assert song > clip + 0.1
