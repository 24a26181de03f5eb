"""The player: a clip's sound with a playhead over its spectrogram, and several sounds to compare at one position.

A Streamlit component (version 2): the page's own elements, no frame; what it looks like and does is in player.css and
player.js beside this file. It sends nothing back, so playing never reruns the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from core.config import Config
from core.features.mel_scale import band_centres, band_of
from core.storage import Array
from dashboard.drawing import pictures
from dashboard.reading.sound import Sound, waveform_outline

HERE = Path(__file__).resolve().parent
TICKS = (500, 1000, 2000, 4000, 8000, 16_000)  # Hz
DIGITS = 3  # of the outline: a thousandth of full scale


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What a picture's sides stand for; without it, a picture lasts as long as its sound and names no frequencies."""

    start: float  # seconds, of the left side: half a frame before 0 where frames are centred
    end: float  # seconds, of the right side
    ticks: tuple[tuple[float, str], ...] = ()  # height in [0, 1] above the lower side, text in kHz
    hertz: tuple[float, ...] = ()  # of each band, lowest first, for what the pointer shows


@dataclass(frozen=True, kw_only=True)
class ColourBar:
    """The colours of a picture and what the first and the last stand for."""

    picture: bytes  # PNG
    low: str
    high: str


@dataclass(frozen=True, kw_only=True)
class Track:
    """One sound to listen to and its picture. All texts are plain text."""

    name: str  # on its button: short
    sound: Sound
    picture: bytes  # PNG, lowest band at the bottom
    alt: str  # what the picture shows, for those who do not see it
    outline: ArrayLike = ()  # (columns, 2): lowest and highest sample, as `sound.waveform_outline` finds them
    caption: str = ""
    axes: Axes | None = None
    scale: ColourBar | None = None
    overlay: bytes = b""  # PNG with transparency, over the whole picture; a button shows and hides it


_component = st.components.v2.component(
    "player",
    css=(HERE / "player.css").read_text(encoding="utf-8"),
    js=(HERE / "player.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the <audio> elements stand in the page itself, so that one player can silence all others
)


def player(tracks: Sequence[Track], key: str) -> None:
    """Show a player of one or more tracks.

    Playing goes on over reruns as long as the track's sound stays the same.

    Parameters
    ----------
    tracks : at least one; all share the time axis, and one scale for their waveforms.
    key : of the element, once per page.
    """
    _component(data={"tracks": [player_track(track) for track in tracks]}, key=key)


def log_mel_track(
    name: str,
    sound: Sound,
    log_mel: Array,
    config: Config,
    alt: str,
    *,
    seconds: float | None = None,
    outline: ArrayLike | None = None,
    caption: str = "",
    overlay: bytes = b"",
) -> Track:
    """Return a sound with its log-mel spectrogram as the picture, in the colours of all of them.

    Parameters
    ----------
    log_mel : (n_mels, columns) in dB below its maximum.
    alt : what the spectrogram is of; the range of the colours is added.
    seconds : that the columns fill; by default they are frames of a run's log-mel, one each hop.
    outline : by default that of the sound.
    """
    low, axes = -config.spectrogram.top_db, log_mel_axes(config, log_mel.shape[1])
    return Track(
        name=name,
        sound=sound,
        picture=pictures.spectrogram_png(log_mel, low, 0.0),
        alt=f"{alt}: {low:g} to 0 dB below its maximum",
        outline=waveform_outline(sound.data) if outline is None else outline,
        caption=caption,
        axes=axes if seconds is None else replace(axes, start=0.0, end=seconds),
        scale=ColourBar(picture=pictures.colour_bar_png(), low=f"{low:g} dB", high="0 dB"),
        overlay=overlay,
    )


def log_mel_axes(config: Config, frames: int) -> Axes:
    """Return the axes of a run's log-mels: each frame stands for the hop around its centre."""
    audio, spectrogram = config.audio, config.spectrogram
    hop, n_mels = spectrogram.hop_length / audio.sample_rate, spectrogram.n_mels
    heights = {frequency: _height(frequency, n_mels, audio.sample_rate) for frequency in TICKS}
    return Axes(
        start=-hop / 2,
        end=(frames - 0.5) * hop,
        ticks=tuple((height, f"{frequency / 1000:g}") for frequency, height in heights.items() if height <= 1),
        hertz=tuple(round(float(hertz), 1) for hertz in band_centres(n_mels, audio.sample_rate)),
    )


def _height(frequency: float, n_mels: int, sample_rate: int) -> float:
    """Return how high a frequency lies in a picture of all bands, 0 at its lower side, 1 at its upper."""
    return float((band_of(frequency, n_mels, sample_rate) + 0.5) / n_mels)


def player_track(track: Track) -> dict[str, Any]:
    """Return a track as player.js reads it, its sound and pictures in addresses that hold them."""
    axes = track.axes or Axes(start=0.0, end=track.sound.seconds)
    scale = track.scale
    return {
        "name": track.name,
        "audio": pictures.data_uri(track.sound.data, track.sound.mime),
        "file": track.sound.name,
        "seconds": track.sound.seconds,
        "picture": pictures.data_uri(track.picture, "image/png"),
        "alt": track.alt,
        "overlay": pictures.data_uri(track.overlay, "image/png") if track.overlay else "",
        "outline": np.round(np.reshape(np.asarray(track.outline, np.float64), (-1, 2)), DIGITS).tolist(),
        "caption": " ".join(part for part in (track.caption, track.sound.note) if part),
        "axes": {"start": axes.start, "end": axes.end, "ticks": axes.ticks, "hertz": axes.hertz},
        "scale": scale
        and {"picture": pictures.data_uri(scale.picture, "image/png"), "low": scale.low, "high": scale.high},
    }
