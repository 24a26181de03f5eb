"""The map: where t-SNE puts the clips, and what is near them in the original space."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import storage
from core.artifacts import LABELS, Run
from core.errors import ArtifactError
from dashboard.reading.kept import kept, stamp
from dashboard.reading.runs import clips_by_path

TITLES = {
    "hybrid": "Hybrid",
    "ae": "Autoencoder",
    "transformer_frozen": "Transformer, frozen",
    "transformer_finetuned": "Transformer, fine-tuned",
    "three_way": "Three-way fusion",
}
QUERIES = 1000  # clips whose neighbours are counted: more make the page slow, not the share surer
BLOCK = 256  # of them at a time
NEIGHBOURS, MOST_NEIGHBOURS = 10, 50  # shown of one clip


@dataclass(frozen=True)
class EmbeddingMap:
    """Positions on the plane by embedding, (m, 2) each, of the clips in `rows` (m,)."""

    rows: storage.Array
    positions: Mapping[str, storage.Array]
    perplexity: float
    made: int  # of the file, in nanoseconds


@dataclass(frozen=True)
class Agreement:
    """How often near clips are of one class; clips of the same song are left out."""

    share: float  # of the k nearest that are of the clip's own class
    chance: float  # the same with k clips drawn at random
    k: int
    n: int  # clips whose neighbours were counted
    by_label: Mapping[str, float]  # `share` of each class


# Reading


def read_map(run: Run, n: int) -> EmbeddingMap:
    """Read the map of a run with `n` clips.

    Raises
    ------
    ArtifactError : it is not made yet, damaged, or of other clips.
    """
    embedding_map = _map(run)
    rows, positions = embedding_map.rows, embedding_map.positions
    finite = all(np.isfinite(points).all() for points in positions.values())
    fits = all(points.shape == (len(rows), 2) for points in positions.values())
    inside = len(rows) and rows.min() >= 0 and rows.max() < n
    if not (positions and finite and fits and inside):
        raise ArtifactError(run.map, "damaged, or of other clips than clips.csv", run.remedy("explain"))
    return embedding_map


@kept(lambda run: (run.map, run.transformer_note))
def _map(run: Run) -> EmbeddingMap:
    names, (made, _) = _embeddings(run), stamp(run.map)
    arrays = storage.read_npz(run.map, ["rows", "perplexity", *names], run.remedy("explain"))
    return EmbeddingMap(arrays["rows"], {name: arrays[name] for name in names}, float(arrays["perplexity"]), made)


def _embeddings(run: Run) -> list[str]:
    """Return the embeddings a run has: of the transformer, those of the modes it was trained in."""
    modes = _transformer(run)["modes"]
    return [name for name in TITLES if not name.startswith("transformer_") or name[12:] in modes]


@kept(lambda run: (run.transformer_note,))
def _transformer(run: Run) -> dict[str, Any]:
    """Return what the transformer phase says of itself."""
    note = storage.read_json(run.transformer_note, run.remedy("transformer"))
    if not (isinstance(note, dict) and isinstance(note.get("modes"), list) and "mode" in note):
        raise ArtifactError(run.transformer_note, "damaged", run.remedy("transformer"))
    return note


def directions(run: Run, embedding: str, n: int) -> storage.Array:
    """Return an embedding of all clips with every row scaled to length 1, (n, size) float32: products are cosines.

    Raises
    ------
    ArtifactError : it is not made yet, damaged, or of other clips.
    """
    unit = _directions(run, embedding)
    if len(unit) != n:
        path, phase, _ = _origin(run, embedding)
        raise ArtifactError(path, "it does not hold the clips of clips.csv", run.remedy(phase))
    return unit


@kept(lambda run, embedding: (_origin(run, embedding)[0],), most=8)
def _directions(run: Run, embedding: str) -> storage.Array:
    values = run.read_splits(*_origin(run, embedding)).astype(np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    values.setflags(write=False)  # one array for every reader
    return values


def _origin(run: Run, embedding: str) -> tuple[Path, str, str]:
    """Return where an embedding is: its file, the phase that makes it, and the prefix of its arrays."""
    if embedding == "ae":
        return run.ae_latents, "autoencoder", ""
    if embedding.startswith("transformer_"):
        mode = embedding[12:]
        used = mode == _transformer(run)["mode"]  # the file holds the used ones without a prefix
        return run.transformer_embeddings, "transformer", "" if used else f"{mode}_"
    return run.fusion, "hybrid", f"{embedding}_fused_"


def placed(clips: pd.DataFrame, embedding_map: EmbeddingMap, embedding: str) -> pd.DataFrame:
    """Return the clips that are on the map, with `x` and `y`; row numbers kept."""
    shown = clips.loc[embedding_map.rows].copy()
    shown["x"], shown["y"] = embedding_map.positions[embedding].T.astype(float)
    return shown


# Neighbours in the original space


def neighbours(unit: storage.Array, row: int, candidates: Iterable[int], k: int) -> tuple[list[int], list[float]]:
    """Return the `k` candidates nearest to a row with their cosine similarity, nearest first; never the row itself."""
    others = np.array([other for other in candidates if other != row], dtype=np.int64)
    rows, similarity = nearest(unit, unit[row], others, k)
    return rows.tolist(), similarity.tolist()


def nearest(
    unit: storage.Array, direction: storage.Array, rows: storage.Array, k: int
) -> tuple[storage.Array, storage.Array]:
    """Return the `k` of some rows that point most nearly where a vector does, and their cosines, nearest first.

    Parameters
    ----------
    unit : (n, size), rows of length 1.
    direction : (size,), of length 1.
    rows : of `unit`, (m,).
    """
    cosines = unit[rows] @ direction
    order = np.argsort(-cosines, kind="stable")[:k]
    return rows[order], cosines[order]


def near_clips(
    run: Run, embedding: str, clips: pd.DataFrame, row: int, candidates: Iterable[int], k: int
) -> pd.DataFrame:
    """Return a clip's `k` nearest candidates with columns `similarity` (cosine) and `same_song`, nearest first."""
    rows, similarity = neighbours(directions(run, embedding, len(clips)), row, candidates, k)
    near = clips.loc[rows]
    same = near["song"].eq(clips["song"].iloc[row]).map({True: "the same", False: ""})
    return near.assign(similarity=[f"{value:.3f}" for value in similarity], same_song=same)


def agreement(run: Run, embedding: str, shown: pd.DataFrame, n: int, k: int = 10) -> Agreement | None:
    """Count, among the shown clips, how often near ones are of one class (`class_agreement`)."""
    directions(run, embedding, n)  # says what is wrong with them
    return _agreement(run, embedding, tuple(shown.index), k)


@kept(lambda run, embedding, rows, k: (_origin(run, embedding)[0], run.clips_table), most=64)
def _agreement(run: Run, embedding: str, rows: tuple[int, ...], k: int) -> Agreement | None:
    clips = list(clips_by_path(run).values())
    label_codes, song_names = [clips[row].label for row in rows], [clips[row].group for row in rows]
    codes, labels = np.unique(label_codes, return_inverse=True)
    _, songs = np.unique(np.array(song_names, dtype=object), return_inverse=True)
    names = [LABELS[code] for code in codes]
    return class_agreement(_directions(run, embedding)[list(rows)], labels, songs, names, k)


def class_agreement(
    unit: storage.Array, labels: storage.Array, songs: storage.Array, names: Sequence[str], k: int
) -> Agreement | None:
    """Count how many of the k nearest clips by cosine are of the clip's own class; the same song is left out.

    Parameters
    ----------
    unit : shape (m, size), rows of length 1.
    labels, songs : shape (m,); numbers, `labels` those of `names`.

    Returns
    -------
    None where there are no two classes or fewer than k clips of other songs.
    """
    m = len(unit)
    if len(names) < 2 or m - np.bincount(songs, minlength=1).max() < k:
        return None
    queries = np.unique(np.linspace(0, m - 1, min(m, QUERIES)).astype(np.int64))
    shares, chances = np.empty(len(queries)), np.empty(len(queries))
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        apart = songs[block, None] != songs  # (B, m)
        same = labels[block, None] == labels
        near = np.argpartition(np.where(apart, unit[block] @ unit.T, -2), -k, axis=1)[:, -k:]
        shares[start : start + BLOCK] = np.take_along_axis(same, near, axis=1).mean(axis=1)
        chances[start : start + BLOCK] = (same & apart).sum(axis=1) / apart.sum(axis=1)
    by_label = {name: float(shares[labels[queries] == code].mean()) for code, name in enumerate(names)}
    return Agreement(float(shares.mean()), float(chances.mean()), k, len(queries), by_label)
