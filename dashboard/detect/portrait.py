"""A whole song as one picture, however long it is, in memory that does not grow with its length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.config import Config
from core.storage import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

COLUMNS = 1200  # of a picture at most
FRAMES = 4  # that a column of a long song's picture is the mean of
FLOOR = 1e-10  # power


@dataclass(frozen=True)
class Portrait:
    """A song at a glance."""

    log_mel: Array  # (n_mels, columns): dB below its maximum
    outline: Array  # (columns, 2): lowest and highest sample
    seconds: float


def portrait_of(samples: Array, config: Config) -> Portrait:
    """Draw the log-mel spectrogram and the outline of a song, (samples,) at the models' rate.

    A column stands for a hop of the models' own log-mel, or for more where there would be too many; then it is the mean
    of a few frames spread over it.
    """
    from core.features.filterbanks import mel_filters  # late, as everything that loads signal libraries

    settings, rate = config.spectrogram, config.audio.sample_rate
    hop = max(settings.hop_length, -(-len(samples) // COLUMNS))
    length = max(hop, settings.n_fft)
    filters = mel_filters(rate, settings.n_fft, settings.n_mels)
    window = np.hanning(settings.n_fft + 1)[:-1].astype(np.float32)
    power, outline = [], []
    for start in range(0, len(samples), hop):
        block = samples[start : start + length]
        outline.append((block[:hop].min(), block[:hop].max()))
        power.append(_power(np.pad(block, (0, length - len(block))), filters, window))
    decibels = 10 * np.log10(np.maximum(np.array(power, np.float32).T, FLOOR))
    decibels = np.maximum(decibels - decibels.max(), -settings.top_db)
    return Portrait(decibels, np.array(outline, np.float32), len(samples) / rate)


def _power(block: Array, filters: "csr_array", window: Array) -> Array:
    """Return the mean power in each mel band (n_mels,) of frames spread over a block."""
    n_fft = len(window)
    count = min(FRAMES, len(block) // n_fft)
    starts = np.linspace(0, len(block) - n_fft, count).astype(int)
    spectra = np.fft.rfft(np.stack([block[start : start + n_fft] for start in starts]) * window)
    power: Array = filters @ np.square(np.abs(spectra)).mean(axis=0)
    return power
