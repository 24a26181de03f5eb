"""Whole songs at once and their windows cut by indices: what a stream of windows must equal, at any cost in memory."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.audio.clips import ClipAudio, fit
from core.audio.source import Waveform, open_audio
from core.config import AudioConfig


def read_song(path: Path, config: AudioConfig) -> ClipAudio:
    """Read a whole file: waveform (samples,) at `config.sample_rate`, unpadded."""
    with open_audio(path, config) as source:
        waveform = np.concatenate(list(source.resampled()))
        return ClipAudio(waveform, source.header, source.warnings())


def window_starts(samples: int, config: AudioConfig, hop_seconds: float) -> npt.NDArray[np.int64]:
    """Return where windows begin, in samples: one every hop, and the last so that it ends with the sound."""
    last = max(0, samples - config.samples)
    hop = max(1, round(hop_seconds * config.sample_rate))
    return np.append(np.arange(0, last, hop), last)


def windows(waveform: Waveform, config: AudioConfig, hop_seconds: float) -> Waveform:
    """Cut a waveform into windows, (n, config.samples), at `window_starts`; a shorter one is repeated to fill one."""
    starts = window_starts(len(waveform), config, hop_seconds)
    return np.stack([fit(waveform[start:], config) for start in starts])
