"""What a score, an interval and a comparison promise."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_score, recall_score, roc_auc_score

from core.errors import DataError
from core.metrics import operating_points, scores
from core.metrics.intervals import wilson
from core.metrics.registry import METRICS

THRESHOLD, DRAWS, CONFIDENCE = 0.5, 400, 0.95


def clips(seed: int, songs: int = 40, per_song: int = 3, separation: float = 0.25) -> tuple[np.ndarray, ...]:
    """Make labels, probabilities and songs; clips of a song share most of their error."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(songs), per_song)
    labels = groups % 2
    error = rng.normal(size=songs)[groups] * 0.15 + rng.normal(size=len(groups)) * 0.05
    probabilities = np.clip(0.5 + separation * (labels - 0.5) + error, 0, 1)
    return labels, probabilities, groups


def test_a_score_by_hand_counts_accused_humans_and_missed_ai() -> None:
    result = scores.score([0, 0, 0, 1, 1], [0.1, 0.6, 0.2, 0.9, 0.4], THRESHOLD)
    assert result.n == 5
    assert result.confusion == ((2, 1), (1, 1))
    by_hand = {
        "accuracy": 3 / 5, "precision_human": 2 / 3, "recall_human": 2 / 3, "precision_ai": 1 / 2, "recall_ai": 1 / 2,
        "f1_macro": (2 / 3 + 1 / 2) / 2, "mcc": (1 * 2 - 1 * 1) / 6, "roc_auc": 5 / 6,
    }  # fmt: skip
    assert {name: result.values[name] for name in by_hand} == pytest.approx(by_hand)


@pytest.mark.parametrize("threshold", [0.0, 0.37, 0.55, 0.7, operating_points.OUT_OF_REACH])
def test_a_score_equals_scikit_learn(threshold: float) -> None:
    labels, probabilities, _ = clips(0)
    values, called = scores.score(labels, probabilities, threshold).values, probabilities >= threshold
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        of_class = partial(function, labels, called, zero_division=0)
        assert values[f"{name}_human"] == of_class(pos_label=0)
        assert values[f"{name}_ai"] == of_class(pos_label=1)
        assert values[f"{name}_macro"] == of_class(average="macro")
    assert values["accuracy"] == accuracy_score(labels, called)
    assert values["mcc"] == pytest.approx(matthews_corrcoef(labels, called))
    assert values["roc_auc"] == roc_auc_score(labels, probabilities)


def test_a_probability_at_the_threshold_is_called_ai() -> None:
    assert operating_points.predict([0.49, 0.5, 0.51], 0.5).tolist() == [0, 1, 1]


def test_a_model_that_never_calls_ai_has_precision_zero_without_a_warning() -> None:
    labels, groups = [0, 1, 0, 1], [1, 2, 3, 4]
    assert scores.score(labels, [0.1] * 4, THRESHOLD).values["precision_ai"] == 0
    intervals = scores.song_bootstrap(labels, [0.1] * 4, groups, THRESHOLD, 20, CONFIDENCE, 0)
    assert intervals["precision_ai"] == (0, 1), "of clips that were never called, nothing is known"
    assert intervals["f1_ai"][0] == 0


@pytest.mark.parametrize(("labels", "missing"), [([0, 0], "AI"), ([1, 1], "Human")])
def test_a_split_without_one_class_is_refused_by_name(labels: list[int], missing: str) -> None:
    with pytest.raises(DataError, match=f"there is no {missing} clip among 2"):
        scores.score(labels, [0.2, 0.7], THRESHOLD)


@pytest.mark.parametrize("bad", [float("nan"), 1.2, -0.1])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="not between 0 and 1"):
        scores.score([0, 1], [0.2, bad], THRESHOLD)


def test_labels_and_probabilities_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="do not belong together"):
        scores.score([0, 1, 1], [0.2, 0.3], THRESHOLD)


def test_weighting_a_clip_equals_repeating_it() -> None:
    labels, probabilities, _ = clips(1)
    probabilities = probabilities.round(1)  # ties
    times = np.random.default_rng(1).integers(0, 4, (3, len(labels)))
    weighted = scores.weighted_scores(labels, probabilities, times.astype(float), THRESHOLD)
    for row, count in enumerate(times):
        repeated = scores.score(np.repeat(labels, count), np.repeat(probabilities, count), THRESHOLD).values
        assert {name: replicates[row] for name, replicates in weighted.items()} == pytest.approx(repeated)


def test_cutting_songs_into_more_clips_does_not_narrow_the_interval() -> None:
    labels, probabilities, groups = clips(2, per_song=1)
    once = scores.song_bootstrap(labels, probabilities, groups, THRESHOLD, DRAWS, CONFIDENCE, 0)
    cut = [np.repeat(values, 10) for values in (labels, probabilities, groups)]
    again = scores.song_bootstrap(*cut, THRESHOLD, DRAWS, CONFIDENCE, 0)
    assert np.allclose([again[name] for name in once], [once[name] for name in once])


def test_the_interval_covers_the_true_accuracy_about_as_often_as_it_says() -> None:
    truth = scores.score(*clips(99, songs=40_000)[:2], THRESHOLD).values
    hits = {"accuracy": 0, "mcc": 0, "roc_auc": 0}
    for seed in range(100):
        labels, probabilities, groups = clips(seed)
        intervals = scores.song_bootstrap(labels, probabilities, groups, THRESHOLD, DRAWS, CONFIDENCE, seed)
        for name in hits:
            low, high = intervals[name]
            hits[name] += low <= truth[name] <= high
    assert all(88 <= hit <= 99 for hit in hits.values()), hits


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    labels, probabilities, groups = clips(3)
    first, again, other = (
        scores.song_bootstrap(labels, probabilities, groups, THRESHOLD, DRAWS, CONFIDENCE, seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def compare(labels: np.ndarray, a: np.ndarray, b: np.ndarray, groups: np.ndarray) -> scores.PairedDifference:
    return scores.paired_difference(labels, a, b, groups, (THRESHOLD, THRESHOLD), DRAWS, CONFIDENCE, 0)


def test_a_model_that_is_better_by_construction_is_found_better() -> None:
    labels, worse, groups = clips(4, songs=120, separation=0.1)
    _, better, _ = clips(5, songs=120, separation=0.5)
    result = compare(labels, better, worse, groups)
    assert (result.n, result.songs) == (360, 120)
    for difference in (result.accuracy, result.roc_auc):
        assert difference.low > 0
        assert difference.low < difference.value < difference.high
        assert difference.p_value == pytest.approx(1 / (DRAWS + 1))
    assert result.roc_auc.value == pytest.approx(roc_auc_score(labels, better) - roc_auc_score(labels, worse))


def test_turning_the_two_models_round_turns_the_sign_and_keeps_the_p_value() -> None:
    labels, a, groups = clips(6)
    _, b, _ = clips(7, separation=0.4)
    forth, back = compare(labels, a, b, groups), compare(labels, b, a, groups)
    assert forth.accuracy.value == pytest.approx(-back.accuracy.value)
    assert forth.roc_auc.low == pytest.approx(-back.roc_auc.high)
    assert forth.roc_auc.p_value == back.roc_auc.p_value


def test_each_model_is_compared_at_its_own_threshold() -> None:
    labels, a, groups = clips(8)
    lowered = np.clip(a - 0.1, 0, 1)
    separate = scores.paired_difference(labels, a, lowered, groups, (0.5, 0.4), DRAWS, CONFIDENCE, 0)
    shared = scores.paired_difference(labels, a, lowered, groups, (0.5, 0.5), DRAWS, CONFIDENCE, 0)
    assert separate.accuracy.value == 0
    assert shared.accuracy.value > 0


def test_a_model_does_not_differ_from_itself_on_another_scale() -> None:
    labels, a, groups = clips(8)
    squeezed = 0.5 + (a - 0.5) / 10
    result = compare(labels, a, squeezed, groups)
    assert (result.accuracy.value, result.roc_auc.value) == (0, 0)
    assert (result.accuracy.p_value, result.roc_auc.p_value) == (1, 1)


def test_the_comparison_of_areas_does_not_depend_on_a_models_scale() -> None:
    labels, a, groups = clips(13)
    _, b, _ = clips(14, separation=0.4)
    assert compare(labels, a, 0.9 + b / 10, groups).roc_auc == compare(labels, a, b, groups).roc_auc


def test_the_paired_test_cries_wolf_as_seldom_as_it_says() -> None:
    """Two equally good models, one using a tenth of the other's range: about 10 in 100 p-values lie below 0.1."""
    p_values = []
    for seed in range(200):
        labels, a, groups = clips(seed, songs=30)
        _, b, _ = clips(seed + 1000, songs=30)
        b = 0.5 + (b - 0.5) / 10
        result = scores.paired_difference(labels, a, b, groups, (THRESHOLD, THRESHOLD), 99, CONFIDENCE, seed)
        p_values.append((result.accuracy.p_value, result.roc_auc.p_value))
    rates = np.mean(np.array(p_values) <= 0.1, axis=0)
    assert np.all(rates < 0.16)
    assert rates[1] > 0.04


def test_the_paired_test_is_not_fooled_by_many_clips_of_few_songs() -> None:
    labels, a, groups = clips(9, songs=6, per_song=1)
    _, b, _ = clips(12, songs=6, per_song=1)
    once = compare(labels, a, b, groups)
    cut = [np.repeat(values, 50) for values in (labels, a, b, groups)]
    assert compare(*cut).roc_auc.p_value == pytest.approx(once.roc_auc.p_value)


def test_a_weight_that_is_larger_in_ai_has_a_positive_effect() -> None:
    labels, _, groups = clips(10)
    values = labels * 0.2 + np.random.default_rng(0).random(len(labels)) * 0.1
    result = scores.class_difference(values, labels, groups)
    assert (result.songs_human, result.songs_ai) == (20, 20)
    assert result.mean_ai > result.mean_human
    assert (result.effect, result.size) == (1, "large")
    assert result.p_value < 1e-6


def test_a_class_difference_is_mann_whitney_and_cliffs_delta_on_song_means() -> None:
    labels, values, groups = clips(11, separation=0.05)
    means = values.reshape(40, 3).mean(axis=1)
    human, ai = means[::2], means[1::2]
    result = scores.class_difference(values, labels, groups)
    assert result.p_value == pytest.approx(mannwhitneyu(ai, human, alternative="two-sided").pvalue)
    assert result.effect == pytest.approx(np.sign(ai[:, None] - human[None]).mean())


def test_equal_weights_everywhere_are_no_difference() -> None:
    result = scores.class_difference([0.5] * 4, [0, 0, 1, 1], [1, 2, 3, 4])
    assert (result.p_value, result.effect, result.size) == (1, 0, "negligible")


@pytest.mark.parametrize(
    ("delta", "word"), [(0.1, "negligible"), (-0.2, "small"), (0.4, "medium"), (-0.474, "large"), (1, "large")]
)
def test_an_effect_has_a_word(delta: float, word: str) -> None:
    assert scores.effect_size(delta) == word


def test_a_song_mean_has_an_interval_as_wide_as_the_songs_allow() -> None:
    values, groups = np.random.default_rng(0).normal(size=50), np.arange(50)
    result = scores.song_mean(values, groups, 2000, CONFIDENCE, 0)
    assert (result.n, result.songs, result.mean) == (50, 50, pytest.approx(values.mean()))
    half = 1.96 * values.std() / np.sqrt(50)
    assert (result.low, result.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_a_model_without_an_error_is_given_what_its_songs_allow() -> None:
    labels, groups = np.repeat([0, 1], (30, 20)), np.repeat(np.arange(25), 2)
    perfect = scores.song_bootstrap(labels, labels, groups, THRESHOLD, 50, CONFIDENCE, 0)
    assert perfect["recall_human"] == wilson(15, 15)
    assert perfect["recall_ai"] == wilson(10, 10)
    assert perfect["f1_ai"] == pytest.approx(wilson(10, 10))
    assert perfect["accuracy"] == wilson(25, 25)
    assert perfect["recall_macro"][0] == pytest.approx((wilson(15, 15)[0] + wilson(10, 10)[0]) / 2)
    assert all(low < high for name, (low, high) in perfect.items() if name in METRICS)
