"""What a map of embeddings promises."""

import numpy as np
import pytest
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_info

from core.errors import DataError
from core.evaluation import projection


def two_clusters(n: int = 60, dimensions: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(n) % 2
    noise = np.random.default_rng(seed).normal(size=(n, dimensions))
    return (noise + 6 * labels[:, None]).astype(np.float32), labels


def test_what_is_far_apart_in_the_embedding_does_not_mix_on_the_map() -> None:
    embedding, labels = two_clusters()
    points = projection.tsne(embedding, 10, 0)
    assert points.shape == (60, 2)
    assert points.dtype == np.float32
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(60, np.inf))
    assert np.all(labels[distances.argmin(axis=1)] == labels)


def test_the_same_embedding_and_seed_give_the_same_map_bit_for_bit() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 600))  # no structure: the start decides
    assert np.array_equal(projection.tsne(noise, 10, 3), projection.tsne(noise, 10, 3))


def test_the_map_is_computed_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def spy(_: TSNE, rows: np.ndarray) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return rows[:, :2]

    monkeypatch.setattr(TSNE, "fit_transform", spy)
    projection.tsne(two_clusters()[0], 10, 0)
    assert set(threads) == {1}


def test_the_map_does_not_depend_on_a_columns_unit() -> None:
    embedding, labels = two_clusters()
    stretched = np.column_stack([embedding, np.random.default_rng(1).normal(size=60) * 1e4])
    points = projection.tsne(stretched, 10, 0)
    between = np.linalg.norm(points[labels == 0].mean(axis=0) - points[labels == 1].mean(axis=0))
    assert between > points[labels == 0].std()


@pytest.mark.parametrize(("n", "used"), [(1000, 30), (31, 10), (4, 1), (3, 1)])
def test_the_perplexity_is_lowered_when_points_are_few(n: int, used: float) -> None:
    assert projection.usable_perplexity(n, 30) == used


@pytest.mark.parametrize("n", [3, 5, 20])
def test_few_clips_still_make_a_map(n: int) -> None:
    points = projection.tsne(two_clusters(n)[0], 30, 0)
    assert points.shape == (n, 2)
    assert np.all(np.isfinite(points))


def test_a_collapsed_embedding_is_one_point() -> None:
    assert not projection.tsne(np.full((10, 4), 0.3, dtype=np.float32), 5, 0).any()


@pytest.mark.parametrize("embedding", [np.zeros((2, 4)), np.full((9, 4), np.nan)])
def test_too_few_or_broken_rows_are_refused(embedding: np.ndarray) -> None:
    with pytest.raises(DataError, match="three rows and finite values"):
        projection.tsne(embedding, 5, 0)


def test_a_subsample_keeps_each_labels_share_and_repeats_no_row() -> None:
    labels = np.array([0] * 900 + [1] * 300)
    rows = projection.subsample(labels, 100, 0)
    assert len(np.unique(rows)) == 100
    assert np.bincount(labels[rows]).tolist() == [75, 25]
    assert np.all(np.diff(rows) > 0)


def test_a_subsample_is_drawn_and_not_the_head_of_the_list() -> None:
    labels = np.zeros(1000, dtype=int)
    first, again, other = (projection.subsample(labels, 50, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.max() > 500


def test_a_subsample_of_fewer_clips_than_asked_for_is_all_of_them() -> None:
    assert projection.subsample([0, 1, 1], 10, 0).tolist() == [0, 1, 2]
