"""Where the transformer looked in a clip: its attention map in numbers, for one clip and on average.

A map gives each patch of the spectrogram its share of the attention. Shares are shown as multiples of the even share:
1 is what every patch would get if the encoder looked everywhere alike.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core import storage
from core.artifacts import Run
from core.errors import ArtifactError
from core.storage import Array
from dashboard.reading.kept import kept

METHODS = {"rollout": "All layers (rollout)", "last_layer": "Last layer"}
SCALES = {"clip": "This clip", "common": "All clips"}
SECOND = 1.0  # length of the stretch that is pointed out
COMMON = 0.995  # quantile of all patches that the common colours reach to
STRIKING = 1.96  # standard errors that one patch in twenty exceeds by chance


@dataclass(frozen=True)
class Maps:
    """All maps of one method. Arrays are shared between readers: nobody writes to them."""

    rows: Array  # (n,): the clips' row numbers
    shares: Array  # (n, patch rows, patch columns), each map adding up to 1
    seconds: Array  # (patch columns,): centres
    hertz: Array  # (patch rows,): centres


@dataclass(frozen=True)
class MeanMaps:
    """Mean map of each class in multiples of the even share, and how sure their difference is."""

    mean: dict[str, Array]  # by label, (patch rows, patch columns)
    clips: dict[str, int]
    songs: dict[str, int]
    difference: Array  # human less AI
    striking: int  # patches whose difference exceeds `STRIKING` standard errors over songs


@dataclass(frozen=True)
class MapScale:
    """Ends of the colour scale, and the largest values of the lanes over time and frequency; 1 is the even share."""

    low: float
    high: float
    time: float
    frequency: float


@dataclass(frozen=True)
class Stretch:
    """The second that got most attention."""

    start: float
    end: float
    share: float
    even: float  # what it would have got from an encoder that looks everywhere alike


@kept(lambda run, method: (run.attention_maps,))
def read_maps(run: Run, method: str) -> Maps | None:
    """Return the maps of a method, or None when they have not been made.

    Raises
    ------
    ArtifactError : the file is damaged.
    """
    if not run.attention_maps.exists():
        return None
    remedy = run.remedy("explain")
    arrays = storage.read_npz(run.attention_maps, ("rows", method, "patch_seconds", "patch_hertz"), remedy)
    rows, shares = arrays["rows"], arrays[method]
    places = arrays["patch_seconds"], arrays["patch_hertz"]
    if shares.shape != (len(rows), len(places[1]), len(places[0])) or not np.isfinite(shares).all():
        raise ArtifactError(run.attention_maps, "damaged: it does not hold one map per clip", remedy)
    return Maps(rows, shares, *places)


def missing(run: Run) -> ArtifactError:
    """Return what to say when there are no maps."""
    return ArtifactError(run.attention_maps, "not made yet", run.remedy("explain"))


def of_clip(maps: Maps, row: int) -> Array | None:
    """Return a clip's map in multiples of the even share, or None when none was made for it."""
    places = np.flatnonzero(maps.rows == row)
    return times_even(maps.shares[places[0]]) if len(places) else None


def times_even(share: Array) -> Array:
    """Return shares (..., patch rows, patch columns) as multiples of the even share."""
    multiples: Array = share.astype(float) * share.shape[-1] * share.shape[-2]
    return multiples


def scaled(maps: Maps, clip_map: Array, scale: str) -> MapScale:
    """Return what the colours and the lanes of a clip's map reach to: this clip's largest values, or those of all.

    Of all clips, one patch in 200 lies beyond the colours: a few glaring ones would leave the others without any.
    """
    if scale == "common":
        every = times_even(maps.shares)
        low, high = 0.0, float(np.quantile(every, COMMON))
    else:
        every, low, high = clip_map[None], float(clip_map.min()), float(clip_map.max())
    return MapScale(low, high, float(every.mean(axis=1).max()), float(every.mean(axis=2).max()))


def edges(centres: Array) -> Array:
    """Return where cells with these centres meet, and where the outer ones end: one more than centres."""
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = (centres[:-1] + centres[1:]) / 2
    ends: Array = np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])
    return ends


def most_attended(clip_map: Array, seconds: Array, length: float) -> Stretch:
    """Return the second that holds most attention: of a map (patch rows, patch columns) of a clip of some length."""
    ends = np.clip(edges(seconds), 0, length)
    before = np.concatenate([[0], np.cumsum(clip_map.sum(axis=0) / clip_map.sum())])
    span = min(SECOND, ends[-1] - ends[0])
    starts = np.unique(np.clip(np.concatenate([ends, ends - span]), ends[0], ends[-1] - span))
    held = np.interp(starts + span, ends, before) - np.interp(starts, ends, before)
    best = int(held.argmax())
    start = float(starts[best])
    return Stretch(start, start + span, float(held[best]), span / float(ends[-1] - ends[0]))


def peak(clip_map: Array, maps: Maps) -> tuple[float, float]:
    """Return where the most attended patch lies, in seconds and Hz."""
    row, column = np.unravel_index(clip_map.argmax(), clip_map.shape)
    return float(maps.seconds[column]), float(maps.hertz[row])


def held_by_tenth(clip_map: Array) -> float:
    """Return the share of attention that the most attended tenth of the patches holds; 0.1 if all are alike."""
    ordered = np.sort(clip_map.ravel())[::-1] / clip_map.sum()
    return float(ordered[: max(1, round(len(ordered) / 10))].sum())


def mean_maps(maps: Maps, test: pd.DataFrame) -> MeanMaps | None:
    """Return the mean map of each class over those test clips that have one; None unless both classes have some."""
    known = np.isin(maps.rows, test.index)
    rows, shares = maps.rows[known], times_even(maps.shares[known])
    clips = test.loc[rows]
    by_label = {label: shares[(clips["label"] == label).to_numpy()] for label in ("human", "ai")}
    if min(len(class_maps) for class_maps in by_label.values()) == 0:
        return None
    by_song = {
        label: _song_means(class_maps, clips.loc[clips["label"] == label, "song"])
        for label, class_maps in by_label.items()
    }
    mean = {label: class_maps.mean(axis=0) for label, class_maps in by_label.items()}
    error = np.sqrt(sum(_squared_error(class_maps) for class_maps in by_song.values()))
    apart = np.abs(by_song["human"].mean(axis=0) - by_song["ai"].mean(axis=0))
    return MeanMaps(
        mean,
        clips={label: len(class_maps) for label, class_maps in by_label.items()},
        songs={label: len(class_maps) for label, class_maps in by_song.items()},
        difference=mean["human"] - mean["ai"],
        striking=int((apart > STRIKING * error).sum()),
    )


def _song_means(shares: Array, songs: pd.Series) -> Array:
    """Average the maps of each song: clips of one song resemble each other."""
    names, place = np.unique(songs.to_numpy(str), return_inverse=True)
    total = np.zeros((len(names), *shares.shape[1:]))
    np.add.at(total, place, shares)
    means: Array = total / np.bincount(place)[:, None, None]
    return means


def _squared_error(song_means: Array) -> Array:
    """Return the squared standard error of the mean; of one song, nothing can be said."""
    if len(song_means) < 2:
        return np.full(song_means.shape[1:], np.inf)
    variance: Array = song_means.var(axis=0, ddof=1) / len(song_means)
    return variance
