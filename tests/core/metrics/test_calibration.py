"""What a temperature, a reliability curve and an uncertain band promise."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit

from core.errors import DataError
from core.metrics import calibration, intervals, operating_points
from core.metrics.calibration import Band
from core.metrics.ranking import roc_auc
from core.metrics.songs import song_scores

DRAWS, CONFIDENCE = 300, 0.95


def clips(seed: int, n: int = 4000, separation: float = 2.0, too_sure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Make labels and probabilities whose log-odds are `too_sure` times the right ones; ROC-AUC .92 at separation 2."""
    labels = np.arange(n) % 2
    evidence = np.random.default_rng(seed).normal(size=n) + separation * (labels - 0.5)
    return labels, expit(too_sure * separation * evidence)


# Temperature


@pytest.mark.parametrize("too_sure", [1 / 3, 1.0, 3.0])
def test_log_odds_multiplied_by_a_factor_give_that_temperature(too_sure: float) -> None:
    assert calibration.fit_temperature(*clips(0, too_sure=too_sure)) == pytest.approx(too_sure, rel=0.08)


def test_the_temperature_of_validation_calibrates_a_test_split() -> None:
    temperature = calibration.fit_temperature(*clips(1, n=120, too_sure=3))
    labels, probabilities = clips(2, too_sure=3)
    before = calibration.expected_calibration_error(labels, probabilities)
    after = calibration.expected_calibration_error(labels, calibration.apply_temperature(probabilities, temperature))
    assert before > 0.08
    assert after < 0.04


def test_a_temperature_changes_no_order_and_so_no_area() -> None:
    labels, probabilities = clips(3, n=300)
    warmed = calibration.apply_temperature(probabilities, 2.5)
    assert roc_auc(labels, warmed) == roc_auc(labels, probabilities)
    assert np.array_equal(np.argsort(warmed), np.argsort(probabilities))


def test_a_high_temperature_brings_probabilities_towards_a_half_and_leaves_the_half() -> None:
    assert calibration.apply_temperature([0.2, 0.5, 0.9], 2) == pytest.approx([1 / 3, 0.5, 0.75])
    assert calibration.apply_temperature([0.2, 0.5, 0.9], 1) == pytest.approx([0.2, 0.5, 0.9])


def test_certainty_becomes_finite() -> None:
    assert calibration.apply_temperature([0.0, 1.0], 1) == pytest.approx([1e-6, 1 - 1e-6])


def test_a_temperature_of_clips_is_a_temperature_of_songs() -> None:
    labels, probabilities = clips(4, n=60)
    songs = 2 * (np.arange(60) // 6) + labels
    first = song_scores(calibration.apply_temperature(probabilities, 3), labels, songs).probabilities
    last = calibration.apply_temperature(song_scores(probabilities, labels, songs).probabilities, 3)
    assert first == pytest.approx(last)


def test_a_model_without_a_single_error_is_not_sharpened_without_end() -> None:
    labels = np.repeat([0, 1], [10, 30])
    temperature = calibration.fit_temperature(labels, np.where(labels == 1, 0.9, 0.1))
    told = calibration.apply_temperature([0.9], temperature)[0]
    assert told == pytest.approx((10 * 11 / 12 + 30 * 31 / 32) / 40, abs=1e-4)  # one more might be wrong


def test_a_model_worse_than_chance_is_silenced() -> None:
    labels, probabilities = clips(5, n=200)
    temperature = calibration.fit_temperature(1 - labels, probabilities)
    assert temperature == pytest.approx(calibration.TEMPERATURES[1], rel=1e-3)


def test_a_temperature_needs_both_classes() -> None:
    with pytest.raises(DataError, match="there is no Human clip"):
        calibration.fit_temperature([1, 1], [0.1, 0.2])


# Reliability


def test_the_calibration_error_of_a_model_that_says_what_happens_is_near_zero() -> None:
    assert calibration.expected_calibration_error(*clips(6, n=20_000)) < 0.01


def test_the_calibration_error_by_hand() -> None:
    # Two bins: .2 said and 1/2 AI; .8 said and all AI. (2 · .3 + 2 · .2) / 4
    labels, probabilities = [0, 1, 1, 1], [0.2, 0.2, 0.8, 0.8]
    assert calibration.expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(0.25)


def test_too_much_and_too_little_do_not_cancel_between_bins() -> None:
    labels, probabilities = [0, 0, 1, 1], [0.3, 0.3, 0.7, 0.7]
    assert calibration.expected_calibration_error(labels, probabilities, bins=1) == pytest.approx(0)
    assert calibration.expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(0.3)


def test_bins_hold_equally_many_clips_in_ascending_order() -> None:
    labels, probabilities = clips(7, n=123)
    curve = calibration.reliability(labels, probabilities)
    assert sum(b.n for b in curve) == 123
    assert {b.n for b in curve} == {12, 13}
    assert all(left.high < right.low for left, right in pairwise(curve))


def test_a_bin_tells_its_share_of_ai_with_an_interval() -> None:
    first, second = calibration.reliability([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)
    assert first[:5] == pytest.approx((0.1, 0.3, 2, 0.2, 0.5))
    assert second[:5] == pytest.approx((0.6, 0.8, 2, 0.7, 1.0))
    assert first[5:] == pytest.approx(intervals.wilson(1, 2))
    assert second[5:] == pytest.approx(intervals.wilson(2, 2))


def test_equal_probabilities_share_a_bin() -> None:
    labels, probabilities = [0, 1] * 10, [0.5] * 20
    (only,) = calibration.reliability(labels, probabilities)
    assert (only.n, only.share_ai) == (20, 0.5)
    few_below = calibration.reliability([0, 1] * 10, [0.1, 0.2, 0.3, 0.4] + [0.5] * 16, bins=2)
    assert [b.n for b in few_below] == [4, 16]


def test_the_curve_and_the_error_tell_the_same() -> None:
    labels, probabilities = clips(8, n=200, too_sure=3)
    curve = calibration.reliability(labels, probabilities)
    error = sum(b.n * abs(b.mean_probability - b.share_ai) for b in curve) / 200
    assert calibration.expected_calibration_error(labels, probabilities) == pytest.approx(error)


# Uncertain band


def sides(labels: np.ndarray, probabilities: np.ndarray, band: Band) -> tuple[float, float]:
    """Return the share of wrong verdicts among clips called human, and among those called AI."""
    return float(labels[probabilities < band.low].mean()), float(1 - labels[probabilities >= band.high].mean())


def test_both_sides_of_a_band_keep_the_error_asked_for_on_validation() -> None:
    labels, probabilities = clips(9, n=300)
    skewed = np.append(labels, [1] * 200), np.append(probabilities, np.linspace(0.5, 0.99, 200))
    for case in ((labels, probabilities), skewed):
        assert max(sides(*case, calibration.uncertain_band(*case, 0.05))) <= 0.05


def test_a_band_chosen_on_one_draw_keeps_its_error_on_another() -> None:
    band = calibration.uncertain_band(*clips(10), 0.05)
    below, above = sides(*clips(11), band)
    assert below == pytest.approx(0.05, abs=0.015)
    assert above == pytest.approx(0.05, abs=0.015)


def test_no_band_that_keeps_the_error_leaves_fewer_clips_undecided() -> None:
    labels, probabilities = clips(12, n=40)
    band = calibration.uncertain_band(labels, probabilities, 0.1)
    edges = np.append(np.unique(probabilities), 2)
    fewest = len(labels)
    for low in edges:
        for high in edges[edges >= low]:
            below, above = labels[probabilities < low], labels[probabilities >= high]
            if below.sum() <= 0.1 * len(below) and (1 - above).sum() <= 0.1 * len(above):
                fewest = min(fewest, len(labels) - len(below) - len(above))
    inside = int(((probabilities >= band.low) & (probabilities < band.high)).sum())
    assert inside == fewest


def test_a_model_without_errors_needs_no_band_and_is_cut_between_its_classes() -> None:
    band = calibration.uncertain_band([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 0.05)
    assert band == pytest.approx((0.5, 0.5))


def test_the_errors_allowed_are_not_all_used_up_when_fewer_will_do() -> None:
    labels = np.array([0] * 20 + [1] * 20)
    probabilities = np.linspace(0.01, 0.99, 40)
    band = calibration.uncertain_band(labels, probabilities, 0.2)
    assert band == pytest.approx((0.5, 0.5))


def test_a_stricter_band_is_wider() -> None:
    labels, probabilities = clips(13, n=400)
    loose, strict = (calibration.uncertain_band(labels, probabilities, error) for error in (0.1, 0.02))
    assert strict.low < loose.low <= loose.high < strict.high


def test_a_model_that_is_no_help_gives_no_verdict_at_all() -> None:
    band = calibration.uncertain_band([0, 1, 0, 1], [0.5] * 4, 0.05)
    assert band == (0, operating_points.OUT_OF_REACH)
    result = calibration.band_result([0, 1], [0.0, 1.0], ["a", "b"], band, DRAWS, CONFIDENCE, 0)
    assert (result.inside, result.coverage, result.errors, result.error) == (2, 0, 0, 0)
    assert result.coverage_interval == pytest.approx(intervals.wilson(0, 2, CONFIDENCE))
    assert result.error_interval == (0, 1)


def test_one_side_may_be_undecided_alone() -> None:
    band = calibration.uncertain_band([1, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9], 0.05)
    assert band == pytest.approx((0, 0.55))
    band = calibration.uncertain_band([0, 0, 1, 1, 0], [0.1, 0.2, 0.7, 0.8, 0.9], 0.05)
    assert band == pytest.approx((0.45, operating_points.OUT_OF_REACH))


def test_a_band_result_by_hand() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    probabilities = [0.1, 0.4, 0.6, 0.2, 0.39, 0.9]  # called: human, -, AI (wrong), human (wrong), human (wrong), AI
    result = calibration.band_result(labels, probabilities, range(6), Band(0.4, 0.6), DRAWS, CONFIDENCE, 0)
    assert (result.n, result.inside, result.errors) == (6, 1, 3)
    assert result.coverage == pytest.approx(5 / 6)
    assert result.error == pytest.approx(3 / 5)
    assert result.error_interval[0] < 3 / 5 < result.error_interval[1]
    assert result.coverage_interval[0] < 5 / 6 <= result.coverage_interval[1]


def test_the_verdict_beside_a_band_is_the_bands_wherever_it_lies() -> None:
    result = calibration.band_result([0, 1], [0.4, 0.1], [1, 2], Band(0.2, 0.3), DRAWS, CONFIDENCE, 0)
    assert (result.inside, result.errors) == (0, 2)


def test_no_error_among_few_songs_is_not_certainty() -> None:
    labels, groups = np.repeat([0, 1], 20), np.repeat(np.arange(10), 4)  # ten songs of four clips
    probabilities = np.where(labels == 1, 0.9, 0.1)
    probabilities[:4] = 0.5  # one song is undecided
    result = calibration.band_result(labels, probabilities, groups, Band(0.3, 0.7), DRAWS, CONFIDENCE, 0)
    assert result.error == 0
    assert result.error_interval == pytest.approx(intervals.wilson(0, 9, CONFIDENCE))
    decided = calibration.band_result(labels, probabilities, groups, Band(0.4, 0.4), DRAWS, CONFIDENCE, 0)
    assert decided.coverage_interval == pytest.approx(intervals.wilson(10, 10, CONFIDENCE))


def test_draws_without_a_verdict_do_not_count_as_right() -> None:
    # One song of three is decided, and wrongly: draws that miss it say nothing about the error.
    result = calibration.band_result([0, 0, 1], [0.9, 0.5, 0.5], [1, 2, 3], Band(0.2, 0.8), DRAWS, CONFIDENCE, 0)
    assert result.error == 1
    assert result.error_interval == pytest.approx(intervals.wilson(1, 1, CONFIDENCE))


def test_the_interval_of_the_error_counts_songs_not_clips() -> None:
    labels, probabilities = clips(14, n=100)
    band, songs = Band(0.4, 0.6), np.arange(100)
    once = calibration.band_result(labels, probabilities, songs, band, DRAWS, CONFIDENCE, 0)
    cut = [np.repeat(values, 10) for values in (labels, probabilities, songs)]
    again = calibration.band_result(*cut, band, DRAWS, CONFIDENCE, 0)
    assert again.error_interval == pytest.approx(once.error_interval)
    assert again.coverage_interval == pytest.approx(once.coverage_interval)
