"""Where each number of the fine spectrum lies: its lines, its bands, its statistics.

Without the signal libraries, so that pages can label what they show.
"""

import numpy as np
from numpy.typing import NDArray

from core.config import LONGEST_WINDOW

LINES_FFT = LONGEST_WINDOW
LOWEST, HIGHEST = 0.0125, 0.925  # of half the sample rate: 100 Hz to 7.4 kHz at 16 kHz
BANDS = 32  # of equal width, from LOWEST up
GRAIN = ((512, 128, 9), (2048, 512, 17))  # n_fft, hop_length, bins of the running mean
QUANTILES = (0.25, 0.75, 0.95, 0.99)
STATISTICS = ("step in frequency", "step in time", "phase steadiness", *(f"residual {q:.0%}" for q in QUANTILES))

LINES = slice(round(LINES_FFT / 2 * LOWEST), round(LINES_FFT / 2 * HIGHEST))  # bins
LINE_COUNT = LINES.stop - LINES.start
SIZE = LINE_COUNT + len(GRAIN) * len(STATISTICS) * BANDS


def line_frequencies(sample_rate: int) -> NDArray[np.float64]:
    """Return the frequency in Hz of every line."""
    return np.asarray(np.arange(LINES.start, LINES.stop) * sample_rate / LINES_FFT)


def band_bins(n_fft: int) -> slice:
    """Return the bins of all bands together, a multiple of BANDS."""
    first = round(n_fft / 2 * LOWEST)
    width = int((n_fft / 2 * HIGHEST - first) // BANDS)
    return slice(first, first + BANDS * width)


def band_centres(sample_rate: int, n_fft: int) -> NDArray[np.float64]:
    """Return the centre in Hz of every band of the grain at a resolution, (BANDS,)."""
    bins = band_bins(n_fft)
    width = (bins.stop - bins.start) / BANDS
    return np.asarray((bins.start + width * (np.arange(BANDS) + 0.5)) * sample_rate / n_fft)
