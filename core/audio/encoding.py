"""Encode samples as MP3 or Ogg Vorbis in memory, at a bit rate that is asked for.

libsndfile asks for a place on a scale from 0, the best, to 1 instead; what it stands for is in the tables below.
"""

import io
from typing import Final

import numpy as np
import soundfile

from core.audio.source import Waveform

MP3_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, all that MPEG allows
MP3_DELAY: Final = 576 + 529  # samples that encoder and decoder add, cut off where the file's header tells of it

_MP3_KBPS = {8_000: (8, 64), 16_000: (8, 160), 32_000: (32, 320)}  # lowest and highest, from this sample rate on
_MP3_LAST = 0.99  # libsndfile refuses 1
# Mean bit rate of mono music at 16 kHz (50 recorded and generated clips) for libsndfile's Vorbis compression levels.
_OGG_KBPS = (31.0, 37.0, 49.0, 62.0, 75.0)
_OGG_LEVELS = (0.95, 0.80, 0.50, 0.25, 0.0)
_BLOCK = 2**14  # samples handed to an encoder at once: libsndfile overruns its stack on a long Vorbis write


def mp3(waveform: Waveform, sample_rate: int, kbps: float) -> bytes:
    """Encode as MP3 at a constant bit rate: the nearest that is legal at the sample rate (at 16 kHz: 8 to 160 kbit/s).

    Parameters
    ----------
    waveform : (samples,) or (samples, channels), nominally in [-1, 1]; read block by block.
    sample_rate : Hz, one of MP3_RATES.
    """
    low, high = _mp3_kbps(sample_rate)
    level = max(min((high - kbps) / (high - low), _MP3_LAST), 0.0)
    return _encoded(waveform, sample_rate, "MP3", "MPEG_LAYER_III", level)


def allows_mp3(sample_rate: int, kbps: float) -> bool:
    """Say whether MPEG has such a sample rate, and such a bit rate at it."""
    if sample_rate not in MP3_RATES:
        return False
    low, high = _mp3_kbps(sample_rate)
    return low <= kbps <= high


def ogg(waveform: Waveform, sample_rate: int, kbps: float) -> bytes:
    """Encode as Ogg Vorbis at the quality that takes about `kbps` for mono music at 16 kHz (31 to 75)."""
    return _encoded(waveform, sample_rate, "OGG", "VORBIS", float(np.interp(kbps, _OGG_KBPS, _OGG_LEVELS)))


def _mp3_kbps(sample_rate: int) -> tuple[int, int]:
    """Return the lowest and the highest bit rate at a sample rate."""
    return _MP3_KBPS[max(first for first in _MP3_KBPS if first <= sample_rate)]


def _encoded(waveform: Waveform, sample_rate: int, container: str, encoding: str, level: float) -> bytes:
    """Encode with libsndfile; `level` is its compression level, 0 (best) to 1."""
    channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    mode = "CONSTANT" if container == "MP3" else None
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", sample_rate, channels, encoding, format=container, compression_level=level, bitrate_mode=mode
    ) as encoder:
        for start in range(0, len(waveform), _BLOCK):
            encoder.write(waveform[start : start + _BLOCK])
    return file.getvalue()
