"""Read a clip the same way for training and for serving: mono, at one sample rate, of one length.

The result equals `librosa.load(path, sr=16000, mono=True)` sample for sample, but for the one zero librosa appends to
round a length up. What may be read, and why a file is refused, is in `core.audio.source`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.audio.source import Header, Source, Waveform, check_length, is_quiet, open_audio
from core.config import AudioConfig
from core.errors import AudioError

_FULL_SCALE = 0.99  # at and above it a sample counts as clipped; resampling moves clipped samples a little


@dataclass(frozen=True)
class ClipAudio:
    """Sound ready for the features: `waveform` is mono float32 at `AudioConfig.sample_rate`, nominally in [-1, 1]."""

    waveform: Waveform  # (samples,)
    header: Header
    warnings: tuple[str, ...]  # keys of WARNINGS


@dataclass(frozen=True)
class Recording:
    """A file's first seconds as they are stored, and the clip that is made of them."""

    native: Waveform  # (frames, channels) at `clip.header.sample_rate`
    clip: ClipAudio
    size: int  # bytes of the whole file


def inspect(path: str | Path, config: AudioConfig) -> Header:
    """Return what a file declares, or raise why it is refused (`open_audio` lists the codes). Decodes nothing."""
    with open_audio(path, config) as source:
        return source.header


def read_clip(path: str | Path, config: AudioConfig) -> ClipAudio:
    """Read the first `config.seconds` of a file: the one decoding path of training and serving.

    A longer file is cut at its end and not decoded further. A shorter one is filled by repeating it from its start, in
    every class alike: a run of zeros would let a model tell the classes apart by the length of their files.

    Returns
    -------
    ClipAudio : waveform (config.samples,).

    Raises
    ------
    AudioError : as `open_audio`, and what decoding shows: `silence`, `non_finite`, `peak`, `undecodable`, `too_short`.
    """
    with open_audio(path, config) as source:
        waveform = np.concatenate(list(_until(source.resampled(), config.samples)))[: config.samples]
        source.check_end()
    _check_sound(source, waveform, config.sample_rate, config)
    waveform = fit(waveform, config)
    return ClipAudio(waveform, source.header, source.warnings() + _clipping(waveform, config))


def read_native(path: str | Path, config: AudioConfig) -> tuple[Header, Waveform]:
    """Read the first `config.seconds` of a file as it is stored: not mixed, resampled, repeated or padded.

    For what is to be learned about the file rather than its music. Refuses what `read_clip` refuses.

    Returns
    -------
    header, waveform : what the file declares; (frames, channels) at `header.sample_rate`.
    """
    with open_audio(path, config) as source:
        rate = source.header.sample_rate
        frames = round(rate * config.seconds)
        waveform = np.concatenate(list(_until(source.blocks(), frames)))[:frames]
    _check_sound(source, waveform, rate, config)
    return source.header, waveform


def read_recording(path: str | Path, config: AudioConfig) -> Recording:
    """Read the first `config.seconds` of a file once, as `read_native` and as `read_clip` give it, to the last bit."""
    decoded: list[Waveform] = []

    def kept(blocks: Iterator[Waveform]) -> Iterator[Waveform]:
        for block in blocks:
            decoded.append(block)
            yield block

    with open_audio(path, config) as source:
        rate, blocks = source.header.sample_rate, kept(source.blocks())
        waveform = np.concatenate(list(_until(source.resampled(blocks), config.samples)))[: config.samples]
        frames = round(rate * config.seconds)
        for _ in _until(blocks, frames - sum(map(len, decoded))):
            pass  # rounding may ask for a few frames more than the clip needed
        source.check_end()
    native = np.concatenate(decoded)[:frames]
    _check_sound(source, native, rate, config)
    _check_sound(source, waveform, config.sample_rate, config)
    waveform = fit(waveform, config)
    clip = ClipAudio(waveform, source.header, source.warnings() + _clipping(waveform, config))
    return Recording(native, clip, source.path.stat().st_size)


def fit(waveform: Waveform, config: AudioConfig) -> Waveform:
    """Cut a waveform at its end, or repeat it from its start, to exactly `config.samples`."""
    if len(waveform) >= config.samples:
        return waveform[: config.samples]
    return np.resize(waveform, config.samples)


def is_silent(waveform: Waveform, config: AudioConfig) -> bool:
    """Say whether the root mean square over all samples and channels lies below `config.silence_dbfs`."""
    return is_quiet(waveform, config.silence_dbfs)


def silence(source: Source, config: AudioConfig, remedy: str) -> AudioError:
    """Return why nothing was heard: there is no sound, or there is none left when the channels are mixed."""
    if source.channels_cancel:
        problem = "is silent when its channels are mixed to one, since they cancel each other"
        return AudioError(source.path, "cancelled", problem, "Turn one channel over, or keep one of them")
    return AudioError(source.path, "silence", f"is silent (quieter than {config.silence_dbfs:g} dBFS)", remedy)


def clipped_share(waveform: Waveform) -> float:
    """Return the share of samples at full scale, in [0, 1]."""
    clipped = np.count_nonzero(waveform >= _FULL_SCALE) + np.count_nonzero(waveform <= -_FULL_SCALE)
    return clipped / waveform.size


def _until(blocks: Iterator[Waveform], samples: int) -> Iterator[Waveform]:
    """Yield blocks until there are enough samples."""
    while samples > 0 and (block := next(blocks, None)) is not None:
        samples -= len(block)
        yield block


def _check_sound(source: Source, waveform: Waveform, rate: int, config: AudioConfig) -> None:
    """Refuse too little sound, or none, in what was decoded at a rate in Hz."""
    check_length(source.path, len(waveform) / rate, config)
    if is_silent(waveform, config):
        raise silence(source, config, "Cut the silence from its start, or leave the file out")


def _clipping(waveform: Waveform, config: AudioConfig) -> tuple[str, ...]:
    return ("clipped",) if clipped_share(waveform) > config.max_clipped else ()
