"""What a model does at one threshold and at all of them, and that it is what the evaluation says."""

import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, det_curve, f1_score, precision_score, roc_auc_score

from core.artifacts import ROOT
from core.config import EvaluationConfig
from core.errors import DataError
from core.metrics import intervals, operating_points, scores
from core.metrics.operating_points import curves, log_odds, operating_point
from core.metrics.registry import METRICS
from core.metrics.songs import log_odds as exact_log_odds

SETTINGS = EvaluationConfig(bootstraps=200)


def clips(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make labels, probabilities with ties, and songs of three clips."""
    rng = np.random.default_rng(seed)
    songs = np.repeat(np.arange(n // 3), 3)
    labels = (songs % 2).astype(np.int64)
    probabilities = np.round(1 / (1 + np.exp(1.5 - 3 * labels - rng.normal(size=len(songs)))), 2)
    return labels, probabilities, songs


# At one threshold


@pytest.mark.parametrize("threshold", [0.0, 0.37, 0.5, 0.97, operating_points.OUT_OF_REACH])
def test_a_point_is_the_evaluations_score_to_the_last_bit(threshold: float) -> None:
    labels, probabilities, songs = clips()
    point = operating_point(labels, probabilities, songs, threshold, SETTINGS)
    score = scores.score(labels, probabilities, threshold)
    intervals_of_score = scores.song_bootstrap(labels, probabilities, songs, threshold, SETTINGS.bootstraps, 0.95, 0)
    assert dict(point.values) == {name: score.values[name] for name in METRICS}
    assert dict(point.intervals) == {name: intervals_of_score[name] for name in METRICS}
    assert (point.confusion, point.n, point.songs) == (score.confusion, 90, 30)


def test_draws_made_before_are_the_same_draws() -> None:
    labels, probabilities, songs = clips()
    draws = intervals.song_draws(labels, songs, SETTINGS.bootstraps, 0)
    fresh = operating_point(labels, probabilities, songs, 0.5, SETTINGS)
    assert operating_point(labels, probabilities, songs, 0.5, SETTINGS, draws) == fresh


def test_a_threshold_further_up_calls_fewer_clips_ai_and_doubts_no_less_about_it() -> None:
    labels, probabilities, songs = clips()
    low, high = (operating_point(labels, probabilities, songs, threshold, SETTINGS) for threshold in (0.3, 0.8))
    assert low.confusion[0][1] > high.confusion[0][1]
    assert low.confusion[1][1] > high.confusion[1][1]
    for point in (low, high):
        assert all(found_low < found_high for found_low, found_high in point.intervals.values())
        assert point.values["f1_ai"] == f1_score(labels, probabilities >= point.threshold)
        assert point.values["precision_ai"] == precision_score(labels, probabilities >= point.threshold)


def test_six_hundred_clips_and_a_thousand_draws_answer_within_a_blink() -> None:
    labels, probabilities, songs = clips(600)
    settings = EvaluationConfig(bootstraps=1000)
    draws = intervals.song_draws(labels, songs, settings.bootstraps, 0)
    begun = time.process_time()
    operating_point(labels, probabilities, songs, 0.5, settings, draws)
    curves(labels, probabilities)
    assert time.process_time() - begun < 0.2


def test_log_odds_are_finite_at_the_ends() -> None:
    assert log_odds([0.5, 0.9]) == pytest.approx([0, np.log(9)])
    low, high = log_odds([0.0, 1.0], nearest=1e-3)
    assert (low, high) == pytest.approx((-np.log(999), np.log(999)))


def test_log_odds_of_pictures_are_those_of_the_results() -> None:
    probabilities = np.linspace(0, 1, 1001)
    assert log_odds(probabilities) == pytest.approx(exact_log_odds(probabilities), abs=1e-12)


# At all of them


def test_the_area_under_the_curves_is_the_one_that_is_reported() -> None:
    labels, probabilities, _ = clips()
    traced = curves(labels, probabilities)
    roc = np.trapezoid(traced.true_positive_rate[::-1], traced.false_positive_rate[::-1])
    assert roc == pytest.approx(roc_auc_score(labels, probabilities))
    steps = -np.diff(traced.true_positive_rate)
    assert (steps * traced.precision[:-1]).sum() == pytest.approx(average_precision_score(labels, probabilities))


def test_the_curves_go_from_all_clips_called_ai_to_none() -> None:
    traced = curves(*clips()[:2])
    assert (traced.false_positive_rate[0], traced.true_positive_rate[0]) == (1, 1)
    assert (traced.false_positive_rate[-1], traced.true_positive_rate[-1]) == (0, 0)
    assert traced.precision[0] == 0.5
    assert np.isnan(traced.precision[-1])


def test_each_place_on_a_curve_is_what_its_threshold_does() -> None:
    labels, probabilities, songs = clips()
    traced = curves(labels, probabilities)
    for place in (0, 7, len(traced.thresholds) - 1):
        point = operating_point(labels, probabilities, songs, float(traced.thresholds[place]), SETTINGS)
        assert point.values["recall_ai"] == traced.true_positive_rate[place]
        assert 1 - point.values["recall_human"] == pytest.approx(traced.false_positive_rate[place])


def test_the_det_curve_has_both_errors_on_normal_deviates() -> None:
    labels, probabilities, _ = clips()
    traced = curves(labels, probabilities)
    rates = det_curve(labels, probabilities)
    deviates = dict(zip(traced.false_positive_deviate.round(9), traced.false_negative_deviate, strict=True))
    inside = [(fpr, fnr) for fpr, fnr, _ in zip(*rates, strict=True) if 0 < fpr < 1 and 0 < fnr < 1]
    assert inside
    seen = [(norm.ppf(fpr), norm.ppf(fnr)) for fpr, fnr in inside]
    assert all(any(abs(x - key) < 1e-8 for key in deviates) for x, _ in seen)
    points = np.column_stack([traced.false_positive_deviate, traced.false_negative_deviate])
    assert all(np.abs(points - point).max(axis=1).min() < 1e-8 for point in seen)


def test_no_error_at_all_is_drawn_as_half_a_clip() -> None:
    assert operating_points.normal_deviate([0.0, 1.0, 0.5], 50) == pytest.approx([norm.ppf(0.01), norm.ppf(0.99), 0])


def test_a_split_without_one_class_has_no_curves() -> None:
    with pytest.raises(DataError, match="there is no AI clip among 2"):
        curves([0, 0], [0.1, 0.2])


def test_the_slider_needs_neither_scipy_nor_scikit_learn() -> None:
    code = "import sys, core.metrics.operating_points; print({'scipy', 'sklearn', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
