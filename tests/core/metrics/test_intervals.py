"""What an interval over songs promises."""

import numpy as np
import pytest

from core.errors import DataError
from core.metrics.intervals import share_interval, song_draws, wilson


def test_a_draw_takes_whole_songs_and_keeps_each_class_at_its_number_of_songs() -> None:
    groups = np.array(["a", "a", "b", "c", "c", "c", "d"])
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    draws = song_draws(labels, groups, 200, 0)
    assert np.array_equal(draws[:, 0], draws[:, 1])
    assert np.array_equal(draws[:, 3], draws[:, 5])
    assert np.all(draws[:, 0] + draws[:, 2] == 2)
    assert np.all(draws[:, 3] + draws[:, 6] == 2)
    assert len(np.unique(draws[:, 0])) == 3


def test_wilson_gives_the_textbook_interval_and_width_to_a_perfect_score() -> None:
    assert wilson(57, 60) == pytest.approx((0.8630, 0.9829), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_a_share_of_none_or_all_is_inside_its_own_interval() -> None:
    for n in range(1, 200):
        assert wilson(0, n)[0] == 0
        assert wilson(n, n)[1] == 1


def test_an_interval_that_has_width_is_left_as_it_is() -> None:
    assert share_interval([True, False], (0.2, 0.9), ["a", "b"]) == (0.2, 0.9)
    assert share_interval([], (0.0, 0.0), []) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_what_is_no_share(k: int, n: int) -> None:
    with pytest.raises(DataError, match="is not a share"):
        wilson(k, n)
