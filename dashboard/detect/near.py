"""What a new sound is near to: training clips in the autoencoder's space, and its place on the map."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.artifacts import LABELS, Run
from core.storage import Array
from dashboard.reading import embeddings
from dashboard.reading.embeddings import read_map
from dashboard.reading.runs import clips_by_path

K = 5
EMBEDDING = "ae"


class MapPosition(NamedTuple):
    """A point on the map, and the clips that are on it."""

    x: float
    y: float
    shown: pd.DataFrame  # with columns x and y


def clips_of(run: Run) -> pd.DataFrame:
    """Return row, path, label (`human` or `ai`), source and split of every clip, in the order of clips.csv.

    Unlike `read_clip_table` it takes nothing that the run that ships with the project does without.
    """
    rows = [(clip.row, clip.path, LABELS[clip.label], clip.source, clip.split) for clip in clips_by_path(run).values()]
    return pd.DataFrame(rows, columns=["row", "path", "label", "source", "split"])


def unit(latent: Array) -> Array:
    """Return a vector at length 1."""
    return np.asarray(latent / max(float(np.linalg.norm(latent)), float(np.finfo(np.float32).tiny)), np.float32)


def between(positions: Array, cosines: Array) -> tuple[float, float]:
    """Return the mean of positions (k, 2), the nearer in angle the heavier; at a clip itself, that clip's position."""
    weights = 1 / np.maximum(1 - cosines.astype(np.float64), 1e-6)
    x, y = weights @ positions / weights.sum()
    return float(x), float(y)


def training_clips(run: Run, latent: Array) -> pd.DataFrame:
    """Return the training clips nearest to a latent, nearest first, with their `cosine`.

    Raises
    ------
    ArtifactError : the run does not hold its clips' latents.
    """
    clips = clips_of(run)
    directions = embeddings.directions(run, EMBEDDING, len(clips))
    rows, cosines = embeddings.nearest(directions, unit(latent), np.flatnonzero(clips["split"] == "train"), K)
    return clips.loc[rows].assign(cosine=cosines.astype(float))


def on_map(run: Run, latent: Array) -> MapPosition:
    """Return where a latent stands on the run's map: between its nearest clips there; none of them moves.

    Raises
    ------
    ArtifactError : the run has no map.
    """
    clips = clips_of(run)
    projection = read_map(run, len(clips))
    shown = embeddings.placed(clips, projection, EMBEDDING)
    directions = embeddings.directions(run, EMBEDDING, len(clips))
    rows, cosines = embeddings.nearest(directions, unit(latent), np.asarray(projection.rows), K)
    return MapPosition(*between(shown.loc[rows, ["x", "y"]].to_numpy(), cosines), shown)
