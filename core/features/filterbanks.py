"""Turn a clip into the two pictures of sound the models read: librosa's log-mel and the Kaldi filterbank of AST.

Pure functions, one path for training and for serving. Both equal their reference implementations, only
faster: a few frames at a time, so that a block's spectra stay near the processor, in float64 as in the references, with
mel filters that skip their zeros (all but 2,020 of the log-mel's 131,200 weights). Nothing that is written to is shared
between calls, and the FFT and the filters release Python's lock: threads may extract side by side.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import get_window
from scipy.sparse import csr_array

from core.config import AudioConfig, SpectrogramConfig

Array = NDArray[np.float32]
Spectra = NDArray[np.float64]

MEL_FLOOR = 1e-10  # power below which librosa's power_to_db does not look
BLOCK_SAMPLES = 2**16  # of FFT input per block: half a MiB in float64

# AST's front end (Gong et al. 2021, with Kaldi's defaults); part of the pretrained weights, so not settings.
AST_RATE = 16_000  # Hz
AST_BANDS = 128
AST_FRAME = 400  # samples: 25 ms
AST_HOP = 160  # samples: 10 ms
AST_FFT = 512
AST_LOWEST = 20.0  # Hz; the highest band ends at half the rate
AST_PRE_EMPHASIS = 0.97
AST_FLOOR = float(np.finfo(np.float32).eps)
AST_MEAN = -4.2677393  # of the log energies in AudioSet
AST_DEVIATION = 4.5689974


def log_mel(waveform: Array, audio: AudioConfig, spectrogram: SpectrogramConfig) -> Array:
    """Compute librosa's log-mel spectrogram, in dB below the clip's own maximum.

    Because 0 dB is the clip's own maximum, a clip's level is no evidence: a louder copy gives the same picture.

    Parameters
    ----------
    waveform : in [-1, 1] at `audio.sample_rate`, (samples,).

    Returns
    -------
    In [-top_db, 0] dB, (n_mels, 1 + samples // hop_length): 128 × 157 for 5 seconds at 16 kHz.
    Digital silence is 0 throughout.
    """
    n_fft = spectrogram.n_fft
    frames = sliding_window_view(np.pad(waveform, n_fft // 2), n_fft)[:: spectrogram.hop_length]
    filters = mel_filters(audio.sample_rate, n_fft, spectrogram.n_mels)
    energies = _band_energies(frames, get_window("hann", n_fft), n_fft, filters)
    decibels: Array = 10 * np.log10(np.maximum(energies, MEL_FLOOR))
    decibels -= decibels.max()
    np.maximum(decibels, -spectrogram.top_db, out=decibels)
    return decibels


@lru_cache(maxsize=4)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> csr_array:
    """Return librosa's mel filters: triangles of equal area on Slaney's scale, (n_mels, n_fft / 2 + 1) and sparse."""
    from librosa.filters import mel  # late: a page that shows no sound should not wait for librosa

    return csr_array(mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels).astype(np.float64))


def ast_filterbank(waveform: Array) -> Array:
    """Compute the normalised log filterbank AST was trained on, at the clip's own length.

    Equals transformers' ASTFeatureExtractor without its padding, which fills a 5-second clip to 1024 frames with zeros
    *before* normalising: half of the picture would then be a constant that is not silence.

    Parameters
    ----------
    waveform : in [-1, 1] at 16 kHz, (samples,).

    Returns
    -------
    (log energy + 4.2677) / (2 · 4.569), about N(0, 0.5²) and never below -1.28, (1 + (samples - 400) // 160, 128):
    498 frames for 5 seconds.
    """
    waveform64 = waveform.astype(np.float64)
    emphasised = waveform64.copy()
    emphasised[1:] -= AST_PRE_EMPHASIS * waveform64[:-1]  # a frame's own first sample has weight 0 in the window
    frames = sliding_window_view(emphasised, AST_FRAME)[::AST_HOP]
    means = sliding_window_view(waveform64, AST_FRAME)[::AST_HOP].mean(axis=1, keepdims=True)
    offsets = (1 - AST_PRE_EMPHASIS) * means  # what pre-emphasis leaves of a frame's mean, which Kaldi removes
    energies = _band_energies(frames, np.hanning(AST_FRAME), AST_FFT, _kaldi_filters(), offsets)
    logarithms = np.log(np.maximum(energies.T, AST_FLOOR))
    logarithms -= AST_MEAN
    logarithms /= 2 * AST_DEVIATION
    return np.ascontiguousarray(logarithms)


def ast_band_centres() -> Spectra:
    """Return the centre of each band of `ast_filterbank` in Hz, (128,)."""
    return 700 * np.expm1(_kaldi_corners()[1:-1] / 1127)


def _band_energies(
    frames: NDArray[Any], window: Spectra, n_fft: int, filters: csr_array, offsets: Spectra | None = None
) -> Array:
    """Sum each frame's power spectrum into bands: (frames, samples), less `offsets` (frames, 1) → (bands, frames)."""
    bands = np.empty((filters.shape[0], len(frames)), np.float32)
    size = min(len(frames), BLOCK_SAMPLES // n_fft)
    windowed = np.zeros((size, n_fft))
    spectra = np.empty((size, n_fft // 2 + 1), np.complex128)
    power = np.empty(spectra.shape)
    for start in range(0, len(frames), size):
        block = slice(start, start + size)
        n = len(frames[block])
        filled = np.multiply(frames[block], window, out=windowed[:n, : len(window)])
        if offsets is not None:
            filled -= offsets[block] * window
        squares = np.fft.rfft(windowed[:n], out=spectra[:n]).view(np.float64)  # re, im, re, im, ...
        squares *= squares
        np.add(squares[:, ::2], squares[:, 1::2], out=power[:n])
        bands[:, block] = filters @ power[:n].T
    return bands


@lru_cache(maxsize=1)
def _kaldi_filters() -> csr_array:
    """Build Kaldi's mel filters: triangles of height 1, straight on the mel scale, (128, 257)."""
    bins = _kaldi_mel(np.linspace(0, AST_RATE / 2, AST_FFT // 2 + 1))
    corners = _kaldi_corners()
    width = corners[1] - corners[0]
    return csr_array(np.maximum(0, 1 - np.abs(bins - corners[1:-1, None]) / width))


def _kaldi_corners() -> Spectra:
    """Return where the 128 triangles begin, peak and end, in mel: each peaks where its neighbours end, (130,)."""
    lowest, highest = _kaldi_mel(np.array([AST_LOWEST, AST_RATE / 2]))
    return np.linspace(lowest, highest, AST_BANDS + 2)


def _kaldi_mel(hertz: Spectra) -> Spectra:
    """Convert Hz to mel as HTK and Kaldi do."""
    return 1127 * np.log1p(hertz / 700)
