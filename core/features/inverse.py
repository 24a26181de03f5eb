"""Turn a mel-spectrogram back into sound, so that one can hear what it holds and what it lost.

A mel-spectrogram keeps neither phase nor what happens inside a band, so the result is never the recording: beside a
reconstruction made audible this way belongs the recording's own mel-spectrogram, made audible the same way.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.features.filterbanks import mel_filters

Array = NDArray[np.float32]

SPREADING_STEPS = 16  # the error stays within 0.1 dB of that after 32, and 8 ms do for 5 seconds
PHASE_STEPS = 32  # Griffin-Lim's own default
_TINY = 1e-20  # power, far below any band's


def mel_to_audio(log_mel: NDArray[np.floating], sample_rate: int, n_fft: int, hop_length: int, samples: int) -> Array:
    """Find a waveform with a given mel-spectrogram: power spread over FFT bins, then fast Griffin-Lim phases.

    The same spectrogram always gives the same sound, and one that is 12 dB lower the same sound 12 dB lower.
    Perraudin, Balazs & Søndergaard 2013.

    Parameters
    ----------
    log_mel : in dB, on whatever reference, (n_mels, 1 + samples // hop_length).

    Returns
    -------
    (samples,) float32 at `sample_rate`; full scale is where the reference of the dB lies, so scale it before playing.
    """
    from librosa import griffinlim  # late: takes seconds to load

    power = spread_over_bins(10 ** (np.asarray(log_mel, np.float64) / 10), sample_rate, n_fft)
    magnitude = np.sqrt(power)
    waveform = griffinlim(
        magnitude, n_iter=PHASE_STEPS, hop_length=hop_length, n_fft=n_fft, length=samples, random_state=0
    )
    return np.asarray(waveform, np.float32)


def spread_over_bins(bands: NDArray[np.float64], sample_rate: int, n_fft: int) -> NDArray[np.float64]:
    """Find a non-negative power spectrum whose mel bands have the given energies.

    Multiplicative updates for the Kullback-Leibler divergence (Lee & Seung 2001), which keep quiet bands right beside
    loud ones: on real clips the log-mel comes back to about 0.7 dB, against 1.6 dB with librosa's least squares, in a
    fiftieth of the time.

    Parameters
    ----------
    bands : energies, at least 0, (n_mels, frames).

    Returns
    -------
    (n_fft / 2 + 1, frames).
    """
    filters = mel_filters(sample_rate, n_fft, len(bands))
    adjoint = csr_array(filters.T)
    reach = np.maximum(filters.sum(axis=0), _TINY)[:, None]  # what a bin gives to all bands together
    power: NDArray[np.float64] = adjoint @ bands
    for _ in range(SPREADING_STEPS):
        power *= (adjoint @ (bands / np.maximum(filters @ power, _TINY))) / reach
    return power
