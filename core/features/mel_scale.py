"""Slaney's mel scale, as librosa's mel bands use it: linear up to 1 kHz, logarithmic above.

Only what an axis needs, without the signal libraries behind it: pages open before those could be loaded.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LINEAR = 200 / 3  # Hz per mel below the break
BREAK = 1000.0  # Hz
LOG_STEP = np.log(6.4) / 27  # natural logarithm of frequency per mel above the break


def mel(hertz: ArrayLike) -> NDArray[np.float64]:
    """Return frequencies as mels."""
    frequency = np.asarray(hertz, dtype=np.float64)
    above = BREAK / LINEAR + np.log(np.maximum(frequency, BREAK) / BREAK) / LOG_STEP
    return np.where(frequency < BREAK, frequency / LINEAR, above)


def hertz(mels: ArrayLike) -> NDArray[np.float64]:
    """Return mels as frequencies in Hz."""
    value = np.asarray(mels, dtype=np.float64)
    return np.where(value < BREAK / LINEAR, value * LINEAR, BREAK * np.exp(LOG_STEP * (value - BREAK / LINEAR)))


def band_centres(n_mels: int, sample_rate: int) -> NDArray[np.float64]:
    """Return the centre of each mel band from 0 Hz to half the sample rate, (n_mels,) in Hz."""
    return hertz(np.linspace(0.0, mel(sample_rate / 2), n_mels + 2)[1:-1])


def band_of(frequency: ArrayLike, n_mels: int, sample_rate: int) -> NDArray[np.float64]:
    """Return where a frequency lies among the bands: 0 at the lowest one's centre, n_mels - 1 at the highest one's."""
    return np.asarray(mel(frequency) / mel(sample_rate / 2) * (n_mels + 1) - 1)
