"""Embeddings on a plane: t-SNE, and a fair choice of clips."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from core.errors import DataError


def usable_perplexity(n: int, perplexity: float) -> float:
    """Lower the perplexity when `n` points are few: it counts neighbours, and a third of the points is the most."""
    return max(1.0, min(perplexity, (n - 1) / 3))


def tsne(embedding: NDArray[Any], perplexity: float, seed: int) -> NDArray[np.float32]:
    """Project rows on a plane with t-SNE; the same input and seed give the same points.

    Parameters
    ----------
    embedding : shape (n, d), n >= 3; standardised per column first, so that no column counts more for its unit.
    perplexity : `usable_perplexity(n, perplexity)` is what is used; print that.

    Returns
    -------
    shape (n, 2); distances between clusters mean nothing (van der Maaten and Hinton 2008).

    Raises
    ------
    DataError : fewer than three rows, or a value that is not finite.
    """
    if len(embedding) < 3 or not np.all(np.isfinite(embedding)):
        raise DataError("embedding", "t-SNE needs three rows and finite values", "Check what the model was trained on")
    standard = StandardScaler().fit_transform(np.asarray(embedding, dtype=np.float64))
    if not standard.any():  # all rows the same: one point
        return np.zeros((len(embedding), 2), dtype=np.float32)
    method = TSNE(perplexity=usable_perplexity(len(embedding), perplexity), init="pca", random_state=seed)
    with threadpool_limits(1):  # sums stay in one order; and threads spin for each other on a busy machine
        return np.asarray(method.fit_transform(standard), dtype=np.float32)


def subsample(labels: ArrayLike, n: int, seed: int) -> NDArray[np.int64]:
    """Choose up to `n` rows with each label's share kept.

    Returns
    -------
    shape (min(n, rows),); row indices in rising order.
    """
    label = np.asarray(labels)
    position = np.empty(len(label))  # of a row in its own class's random order, as a share of that class
    rng = np.random.default_rng(seed)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        position[rows] = (rng.permutation(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(position, kind="stable")[:n])
