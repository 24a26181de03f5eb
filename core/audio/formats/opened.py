"""What is known of a file before any decoder has seen it, and what its format's room finds out."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.config import AudioConfig
from core.errors import AudioError

COMPLETE: Final = 0.99  # share of the declared frames below which the end counts as missing; taggers miscount by a few


@dataclass(frozen=True)
class Opened:
    """A file whose container is known, before any decoder has seen it."""

    raw: BinaryIO
    path: Path
    size: int  # bytes
    start: int  # where the container begins, behind tags
    stop: int  # where it ends at the latest, before tags
    usual: bool  # whether a decoder finds the start by itself: behind one ID3 tag at most
    resave: str  # what to do when it cannot be read

    def read(self, place: int, length: int) -> bytes:
        """Return bytes of the file from a place on; fewer at its end."""
        self.raw.seek(place)
        return self.raw.read(length)


@dataclass(frozen=True)
class Layout:
    """Where the sound lies in a file.

    `parts` is what a decoder is to be shown, one after the other, each as bytes of our own and stretches of the file;
    without any, the file as it is.
    """

    parts: tuple[tuple[bytes | range, ...], ...] = ()
    frames: int | None = None  # as counted; None: as the decoder finds them declared
    warnings: tuple[str, ...] = ()  # keys of `core.audio.source.WARNINGS`


def check_rate_and_channels(path: Path, rate: int, channels: int, config: AudioConfig) -> None:
    """Refuse a sample rate or channel count outside the configured bounds."""
    low, high = config.min_native_rate, config.max_native_rate
    if not low <= rate <= high:
        remedy = f"Resample it to between {low} and {high} Hz"
        raise AudioError(path, "sample_rate", f"has a sample rate of {rate} Hz", remedy)
    if not 1 <= channels <= config.max_channels:
        remedy = f"Mix it down to at most {config.max_channels} channels"
        raise AudioError(path, "channels", f"has {channels} channels", remedy)
