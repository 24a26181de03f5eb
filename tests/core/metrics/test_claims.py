"""What may be called higher or lower: what the paired test says, after all that a sentence could have picked."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from core.metrics.claims import Compared, claims, corrected


def test_one_comparison_is_taken_as_its_test_says() -> None:
    assert claims([Compared(0.1, 0.05)]) == [1]
    assert claims([Compared(-0.1, 0.05)]) == [-1]
    assert claims([Compared(0.1, 0.051)]) == [0]


def test_the_more_a_sentence_picks_from_the_less_it_may_claim() -> None:
    assert claims([Compared(0.1, 0.02)] * 2) == [1, 1]
    assert claims([Compared(0.1, 0.02)] * 3) == [0, 0, 0]
    assert claims([Compared(0.1, 0.01), *[Compared(-0.1, 0.02)] * 4]) == [1, 0, 0, 0, 0]


def test_of_too_few_songs_nothing_is_claimed() -> None:
    assert claims([Compared(0.4, 0.001, supported=False), Compared(0.4, 0.001)]) == [0, 1]
    assert claims([]) == []


def test_corrected_values_keep_their_order_and_lie_between_the_plain_and_bonferronis() -> None:
    p_values = np.random.default_rng(0).uniform(0, 0.2, 20)
    raised = np.array(corrected(p_values.tolist()))
    assert (np.diff(raised[np.argsort(p_values)]) >= 0).all()
    assert (raised >= false_discovery_control(p_values) - 1e-12).all(), (
        "surer than what only bounds the share of errors"
    )
    assert (raised <= np.minimum(1, 20 * p_values)).all()


def test_of_many_comparisons_without_a_difference_a_sentence_claims_one_in_one_of_twenty_runs_at_most() -> None:
    draws = np.random.default_rng(0).uniform(size=(2000, 5))
    wrong = np.mean([any(claims(Compared(1.0, p) for p in row)) for row in draws.tolist()])
    assert wrong == pytest.approx(0.05, abs=0.012)
