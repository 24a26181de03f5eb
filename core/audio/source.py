"""Open an audio file through one gate and decode it in blocks of fixed length.

The gate: a regular file, its size, its first bytes, its header, then each block before it is used. Memory never follows
a number that a header declares, and nothing falls back to another decoder.
"""

import math
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, Literal

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from core.audio import containers
from core.audio.containers import RESAVE
from core.audio.formats.opened import Layout, check_rate_and_channels
from core.audio.formats.view import View
from core.config import AudioConfig
from core.errors import AudioError

Waveform = npt.NDArray[np.float32]
Samples = npt.NDArray[np.float32] | npt.NDArray[np.int16]

WARNINGS: Final = {
    "truncated": "the file is cut off or damaged; only what could be decoded was heard",
    "partial": "sound of another kind follows in the file, at another rate or in other channels; it was not heard",
    "extension": "the file's name and its contents are of different types; the contents were believed",
    "clipped": "much of the sound is cut off at full scale",
}

_BLOCK_SECONDS = 1.32  # per read: four hold 5 s and what the resampler looks ahead; long, so that threads scale
_COMPLETE = 0.99  # share of the declared frames below which the end counts as missing
_BUFFER = 2**16  # bytes read at a time through a view
_UNKNOWN_LENGTH = 2**62  # frames; libsndfile answers SF_COUNT_MAX when a header leaves the length open
_DENSEST = 8192  # frames one byte can stand for at most, in a FLAC frame of constants; a header that declares more lies


@dataclass(frozen=True)
class Header:
    """What a file says about itself before decoding. `warnings` are keys of `WARNINGS`."""

    sample_rate: int  # Hz, native
    channels: int
    frames: int  # declared, or counted where the declaration is not to be believed
    format: str  # key of `containers.FORMATS`
    subtype: str  # libsndfile's name of the encoding, such as PCM_16
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length in seconds, before decoding."""
        return self.frames / self.sample_rate


class Source:
    """An open audio file that passed the gate, to be read once. `truncated` is known when the blocks have been read."""

    def __init__(
        self, path: Path, sounds: Sequence[Callable[[], sf.SoundFile]], header: Header, config: AudioConfig
    ) -> None:
        self.path = path
        self.header = header
        self.truncated = "truncated" in header.warnings
        self.channels_cancel = False  # whether channels were heard that leave nothing when they are mixed
        self._sound = sounds[0]()
        self._following = iter(sounds[1:])  # of a chain, each opened when the one before has ended
        self._config = config
        self._decoded = self._begun = 0  # frames in all, and before the sound that is read now
        self._block = math.ceil(_BLOCK_SECONDS * header.sample_rate)

    def blocks(self) -> Iterator[Waveform]:
        """Yield the decoded sound at its native rate: (frames, channels) float32, 1.3 s each.

        Raises
        ------
        AudioError : `non_finite`, `peak`, or `undecodable` when not one frame can be decoded.
        """
        for block in self._raw_blocks("float32"):
            floats = block.astype(np.float32, copy=False)
            _check_amplitude(self.path, floats, self._config.max_peak)
            yield floats

    def resampled(self, blocks: Iterable[Waveform] | None = None) -> Iterator[Waveform]:
        """Yield the mean of the channels at the configured rate: (samples,) float32 (soxr HQ, a linear-phase low-pass).

        The same samples as `librosa.load`, whatever the block length. Raises as `blocks`.

        Parameters
        ----------
        blocks : what `blocks` yields, from a reader that wants it as well; by default it is read here.
        """
        native, target = self.header.sample_rate, self._config.sample_rate
        mono = self._mono_blocks() if blocks is None else (self._mixed(block, full_scale=1) for block in blocks)
        if native == target:
            yield from mono
            return
        resampler = soxr.ResampleStream(native, target, 1, dtype="float32", quality="HQ")
        for block in mono:
            yield resampler.resample_chunk(block)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)

    def warnings(self) -> tuple[str, ...]:
        """Return the header's warnings and what decoding added."""
        declared = self.header.warnings
        return (*declared, "truncated") if self.truncated and "truncated" not in declared else declared

    def check_end(self) -> None:
        """Find out whether the last frame can be decoded, for a reader that stopped before it.

        Nothing is done where the container shows a missing end without decoding.
        """
        if containers.FORMATS[self.header.format].shows_end or self._decoded >= self.header.frames:
            return
        try:
            self._sound.seek(self.header.frames - 1)
            self._sound.read(1)
        except sf.SoundFileError:
            self.truncated = True

    def _mono_blocks(self) -> Iterator[Waveform]:
        if (self.header.format, self.header.subtype) == ("WAV", "PCM_16"):
            # Integers need no check of their own, and reading them as they are takes half the time.
            for block in self._raw_blocks("int16"):
                yield self._mixed(block, full_scale=2**15)
        else:
            for floats in self.blocks():
                yield self._mixed(floats, full_scale=1)

    def _mixed(self, block: Samples, full_scale: int) -> Waveform:
        mono = _mono(block, full_scale)
        if block.shape[1] > 1 and is_quiet(mono, self._config.silence_dbfs):
            left = _mono(block[:, :1], full_scale)
            self.channels_cancel |= not is_quiet(left, self._config.silence_dbfs)
        return mono

    def _raw_blocks(self, dtype: Literal["float32", "int16"]) -> Iterator[Samples]:
        yield from self._blocks_of_one_sound(dtype)
        for sound in self._following:
            self._sound, self._begun = sound(), self._decoded
            yield from self._blocks_of_one_sound(dtype)
        if not self._decoded:
            raise AudioError(self.path, "undecodable", "has a header but no sound that can be decoded", RESAVE)
        self.truncated |= self._decoded < _COMPLETE * self.header.frames

    def _blocks_of_one_sound(self, dtype: Literal["float32", "int16"]) -> Iterator[Samples]:
        while len(block := self._next(dtype)):
            self._decoded += len(block)
            yield block
            if len(block) < self._block:
                return  # the end, or damage: what libsndfile finds behind it does not belong here

    def _next(self, dtype: Literal["float32", "int16"]) -> Samples:
        """Read a block: shorter at the end or before damage, empty behind it."""
        block = np.zeros((self._block, self.header.channels), dtype)
        try:
            return block[: len(self._sound.read(out=block))]
        except sf.SoundFileError:
            self.truncated = True
            return block[: self._before_damage()]

    def _before_damage(self) -> int:
        """Return how many frames of the block that failed had been decoded; behind damage there is no reading again."""
        try:
            return min(max(int(self._sound.tell()) - (self._decoded - self._begun), 0), self._block)
        except sf.SoundFileError:
            return 0


@contextmanager
def open_audio(path: str | Path, config: AudioConfig) -> Iterator[Source]:
    """Open a file through the gate: path, size, first bytes, header, limits; nothing is decoded yet.

    Raises
    ------
    AudioError : with `code` path, empty_file, too_large, unrecognised_type, type_not_accepted, undecodable,
        sample_rate, channels, no_frames, length_unknown, declared_too_long, too_long or too_short.
    """
    path = Path(path)
    size = _check_file(path, config)
    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, error) from error
    with raw, ExitStack() as opened:
        container, layout = containers.look(raw, path, size, config)
        first = opened.enter_context(_open_sound(raw, path, layout.parts[0] if layout.parts else None))
        header = _header(path, first, container, layout)
        _check_limits(path, header, size, config)
        following = [partial(_open_next, opened, raw, path, parts) for parts in layout.parts[1:]]
        yield Source(path, [lambda: first, *following], header, config)


def check_length(path: Path, seconds: float, config: AudioConfig) -> None:
    """Refuse a length outside the configured bounds, declared or decoded: `too_long`, `too_short`."""
    if seconds > config.max_seconds:
        problem = f"lasts {seconds / 60:.0f} minutes; at most {config.max_seconds / 60:g} are read"
        raise AudioError(path, "too_long", problem, "Cut it into shorter files")
    if seconds < config.min_seconds:
        problem = f"lasts {seconds:.2f} s; at least {config.min_seconds:g} s are needed"
        raise AudioError(path, "too_short", problem, "Use a longer clip")


def _check_file(path: Path, config: AudioConfig) -> int:
    """Return the size in bytes of a regular file (or a link to one); opening a pipe or a device could wait for ever."""
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe or a device"
        raise AudioError(path, "path", f"is {kind}, not a file", "Name a sound file")
    if not facts.st_size:
        raise AudioError(path, "empty_file", "is empty (0 bytes)", "Copy or export it again")
    if facts.st_size > config.max_bytes:
        limit = config.max_bytes / 2**20
        raise AudioError(path, "too_large", f"is larger than {limit:g} MB", "Cut it into shorter files")
    return facts.st_size


def _unreadable(path: Path, error: Exception) -> AudioError:
    reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be opened"
    detail = getattr(error, "strerror", None) or error
    problem = reason if isinstance(error, FileNotFoundError) else f"{reason} ({detail})"
    return AudioError(path, "path", problem, "Check the name and the permissions")


def _open_sound(raw: BinaryIO, path: Path, parts: Sequence[bytes | range] | None) -> sf.SoundFile:
    """Hand the open file to libsndfile, or a view of its parts: always the very file that was judged."""
    raw.seek(0)
    try:
        if parts is not None:
            return sf.SoundFile(BufferedReader(View(raw, parts), _BUFFER))
        return sf.SoundFile(str(path) if sys.platform == "win32" else raw.fileno(), closefd=False)
    except (sf.SoundFileError, TypeError) as error:
        raise AudioError(path, "undecodable", "is damaged: its header cannot be read", RESAVE) from error


def _open_next(opened: ExitStack, raw: BinaryIO, path: Path, parts: Sequence[bytes | range]) -> sf.SoundFile:
    """Open the next sound of a chain and close the one before."""
    opened.close()
    return opened.enter_context(_open_sound(raw, path, parts))


def _header(path: Path, sound: sf.SoundFile, container: str, layout: Layout) -> Header:
    containers.check_encoding(path, container, sound.subtype)
    warnings = (*layout.warnings, *(["extension"] if containers.is_misnamed(path.name, container) else []))
    frames = sound.frames if layout.frames is None else layout.frames
    return Header(sound.samplerate, sound.channels, frames, container, sound.subtype, warnings)


def _check_limits(path: Path, header: Header, size: int, config: AudioConfig) -> None:
    check_rate_and_channels(path, header.sample_rate, header.channels, config)
    if header.frames <= 0:
        raise AudioError(path, "no_frames", "contains no sound (0 samples)", "Export it again")
    if header.frames >= _UNKNOWN_LENGTH:
        raise AudioError(path, "length_unknown", "does not say how long it is", RESAVE)
    if header.frames > _DENSEST * size:
        problem = f"declares {header.seconds / 3600:.0f} hours of sound, more than its {size} bytes can hold"
        raise AudioError(path, "declared_too_long", problem, RESAVE)
    check_length(path, header.seconds, config)


def is_quiet(waveform: Samples, dbfs: float) -> bool:
    """Say whether the root mean square over all samples and channels lies below a level in dB of full scale."""
    flat = waveform.ravel()
    return float(flat @ flat) / flat.size < 10 ** (dbfs / 10)


def _check_amplitude(path: Path, block: Waveform, max_peak: float) -> None:
    peak = max(float(block.max()), -float(block.min()))  # NaN and infinity come through as themselves
    if not math.isfinite(peak):
        raise AudioError(path, "non_finite", "contains samples that are not numbers", "Export it again")
    if peak > max_peak:
        raise AudioError(path, "peak", f"has samples {peak:.3g} times full scale", "Normalise it to full scale")


def _mono(block: Samples, full_scale: int) -> Waveform:
    """Average the channels of (frames, channels): adding columns is 20 times as fast as `mean` over each frame."""
    mono = block[:, 0].astype(np.float32)
    for channel in range(1, block.shape[1]):
        mono += block[:, channel]
    scale = full_scale * block.shape[1]
    return mono if scale == 1 else np.divide(mono, scale, out=mono)
