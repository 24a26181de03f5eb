"""What a decoder leaves in sound that 128 mel bands blur: narrow lines, and the grain of the time-frequency plane.

Two descriptions of a clip, side by side in one vector:

*Lines.* The log spectrum at 8192 points, each frame less its own running mean over frequency, clipped, averaged over
time. Music moves and averages out; lines that stand still at a decoder's strides stay. The idea is that of fakeprints
(Afchar et al., ISMIR 2025); this design is our own: mean of clipped residuals instead of a lower hull, no peak picking.

*Grain.* For 32 equal bands at two resolutions: the quartiles and upper tail of the residual, the mean step from bin to
bin and from frame to frame, and how steadily phase advances. They do not depend on where a decoder's lines are, and
generators that were never heard are found by them rather than by lines.

Both are free of a clip's level. Only what lies below 92.5 % of half the sample rate is read: above it stands the
roll-off of whatever resampler the clip went through.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import get_window

from core.features.fine_axes import BANDS, GRAIN, LINES, LINES_FFT, QUANTILES, band_bins

Array = NDArray[np.float32]

LINES_HOP = 2048
LINES_TREND = 65  # bins of the running mean: 127 Hz at 16 kHz
LINES_CLIP = 10.0  # dB: a strong partial counts no more than this
FLOOR_DB = 110.0  # below the clip's loudest bin: beneath it is rounding, not sound


def fine_spectrum(waveform: Array) -> Array:
    """Describe a clip by its lines and its grain.

    Parameters
    ----------
    waveform : (samples,), at least LINES_FFT of them; its level does not matter.

    Returns
    -------
    (SIZE,): `lines` in dB, then `grain` for each resolution, statistic and band; dB, but for phase in [-1, 1].
    """
    return np.concatenate([lines(waveform), *(grain(waveform, *sizes).ravel() for sizes in GRAIN)])


def lines(waveform: Array) -> Array:
    """Average the clip's clipped spectral residual over time, (bins,) in dB, -10 to 10."""
    residual = _residual(_decibels(_spectra(waveform, LINES_FFT, LINES_HOP)), LINES_TREND)
    return np.asarray(np.clip(residual, -LINES_CLIP, LINES_CLIP).mean(axis=0)[LINES], dtype=np.float32)


def grain(waveform: Array, n_fft: int, hop_length: int, trend: int) -> Array:
    """Measure the texture of the clip's spectrogram at one resolution, (statistics, BANDS)."""
    spectra = _spectra(waveform, n_fft, hop_length)  # (frames, bins)
    level = _decibels(spectra)
    statistics = [
        _band_means(np.abs(np.diff(level, axis=1, append=level[:, -1:])), n_fft),
        _band_means(np.abs(np.diff(level, axis=0)), n_fft),
        _band_means(_phase_steadiness(spectra), n_fft),
        *_band_quantiles(_residual(level, trend), n_fft),
    ]
    return np.asarray(statistics, dtype=np.float32)


def _spectra(waveform: Array, n_fft: int, hop_length: int) -> NDArray[np.complex64]:
    """Return the short-time spectra, (frames, n_fft / 2 + 1)."""
    window = get_window("hann", n_fft).astype(np.float32)
    frames = sliding_window_view(waveform, n_fft)[::hop_length] * window
    return np.fft.rfft(frames, axis=1).astype(np.complex64)


def _decibels(spectra: NDArray[np.complex64]) -> Array:
    """Return the power in dB, none of it further than FLOOR_DB below the loudest."""
    power = spectra.real**2 + spectra.imag**2
    floor = max(float(power.max()), 1e-20) * 10 ** (-FLOOR_DB / 10)
    return np.asarray(10 * np.log10(np.maximum(power, floor)), dtype=np.float32)


def _residual(level: Array, trend: int) -> Array:
    """Return each frame less its own running mean over frequency."""
    return level - uniform_filter1d(level, trend, axis=1)  # type: ignore[no-any-return]


def _phase_steadiness(spectra: NDArray[np.complex64]) -> Array:
    """Return the cosine of how much the phase advance changes from frame to frame: 1 for a steady tone."""
    unit = spectra / np.maximum(np.abs(spectra), 1e-12)
    return np.asarray((unit[2:] * unit[:-2] * np.conj(unit[1:-1]) ** 2).real)


def _banded(values: Array, n_fft: int) -> Array:
    """Return what belongs to each band, (BANDS, frames · bins)."""
    chosen = values[:, band_bins(n_fft)]
    return chosen.reshape(len(chosen), BANDS, -1).swapaxes(0, 1).reshape(BANDS, -1)


def _band_means(values: Array, n_fft: int) -> Array:
    return _banded(values, n_fft).mean(axis=1)  # type: ignore[no-any-return]


def _band_quantiles(values: Array, n_fft: int) -> Sequence[Array]:
    return list(np.quantile(_banded(values, n_fft), QUANTILES, axis=1))
