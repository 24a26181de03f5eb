"""Two decoders that leave the traces neural audio decoders leave, for the demo's "AI" clips.

Both take finished music apart and put it together again, imperfectly. Neither changes what is played: the trace is all
that separates its output from its input.
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from core.demo.songs import RATE, Signal

Spectrum = NDArray[np.complexfloating]

N_FFT = 1024
HOP = 256
MELS = 48
ROUNDS = 2  # of phase reconstruction: few, as a fast vocoder takes
STRIDE = 16  # samples per latent frame: leaves lines every RATE / STRIDE = 1500 Hz
LESSONS = 100  # latent frames the upsampling kernels are fitted on: too few on purpose
LESSON_NOISE = 0.1  # relative to each coefficient
BEND = 0.16  # asymmetry of the activation after upsampling, different at each of the stride's phases


def melvocoder(song: Signal, rng: np.random.Generator) -> Signal:
    """Keep the mel-spectrogram only, and guess the rest.

    Magnitudes come from its pseudo-inverse, phases from the fast Griffin-Lim iteration (Perraudin et al., 2013).
    """
    filters, inverse = _mel_pair()
    magnitude = np.maximum((np.abs(_stft(song)) @ filters.T) @ inverse.T, 0)  # (frames, bins)
    estimate = magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape))
    previous = np.zeros_like(estimate)
    for _ in range(ROUNDS):
        consistent = _stft(_istft(estimate, song.size))
        accelerated = consistent + 0.9 * (consistent - previous)
        estimate = magnitude * accelerated / (np.abs(accelerated) + 1e-12)
        previous = consistent
    return _istft(estimate, song.size)


def upsampler(song: Signal, rng: np.random.Generator) -> Signal:
    """Code the signal as one latent vector per `STRIDE` samples and upsample it by a strided transposed convolution.

    The kernels are fitted by least squares on little material and are followed by a bent activation, so that every
    stride repeats the same error: lines at multiples of `RATE / STRIDE`, the trace that Pons et al. (2021) and Afchar
    et al. (2025) describe.
    """
    wave = _pairs(_latents(song, 0.02, rng)) @ _kernels()  # (frames, STRIDE)
    bend = BEND * np.random.default_rng(0).standard_normal(STRIDE)
    return (wave + bend * np.abs(wave)).ravel()[: song.size]


def _window() -> Signal:
    return np.hanning(N_FFT + 1)[:-1]


def _stft(signal: Signal) -> Spectrum:
    """Return the short-time spectrum, (frames, N_FFT // 2 + 1)."""
    padded = np.pad(signal, (N_FFT, N_FFT + -signal.size % HOP))
    spectrum: Spectrum = rfft(sliding_window_view(padded, N_FFT)[::HOP] * _window())
    return spectrum


def _istft(spectrum: Spectrum, samples: int) -> Signal:
    """Return the signal whose short-time spectrum is nearest in least squares."""
    frames = irfft(spectrum, N_FFT) * _window()  # (frames, N_FFT)
    total = np.zeros((len(frames) + N_FFT // HOP - 1, HOP))
    for part in range(N_FFT // HOP):
        total[part : part + len(frames)] += frames[:, part * HOP : (part + 1) * HOP]
    return total.ravel()[N_FFT : N_FFT + samples] / 1.5  # 1.5: the squared windows' sum at four-fold overlap


@lru_cache(maxsize=1)
def _mel_pair() -> tuple[Signal, Signal]:
    """Return triangular mel filters (MELS, bins) and their pseudo-inverse (bins, MELS)."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(np.minimum(rise, fall), 0)
    return filters, np.linalg.pinv(filters)


def _latents(signal: Signal, noise: float, rng: np.random.Generator) -> Signal:
    """Analyse overlapping strides into compressed, noisy lapped-cosine coefficients, (frames, STRIDE)."""
    time, band = np.arange(2 * STRIDE)[:, None] + 0.5, np.arange(STRIDE) + 0.5
    basis = np.cos(np.pi / STRIDE * (time + STRIDE / 2) * band) * np.sin(np.pi / (2 * STRIDE) * time)
    padded = np.pad(signal, (STRIDE, 2 * STRIDE + -signal.size % STRIDE))
    coefficients = sliding_window_view(padded, 2 * STRIDE)[::STRIDE] @ basis
    scale = coefficients.std(axis=0)
    squeezed = 4 * scale * np.tanh(coefficients / (4 * scale))
    noisy: Signal = squeezed + noise * scale * rng.standard_normal(squeezed.shape)
    return noisy


def _pairs(latents: Signal) -> Signal:
    """Put each latent beside the next, (frames - 1, 2 · STRIDE): what kernels two strides long see at once."""
    return np.hstack([latents[:-1], latents[1:]])


@lru_cache(maxsize=1)
def _kernels() -> Signal:
    """Fit the transposed convolution, (2 · STRIDE, STRIDE), to noise: one generator, whatever the demo's seed."""
    rng = np.random.default_rng(0)
    lesson = rng.standard_normal(LESSONS * STRIDE)
    heard = _pairs(_latents(lesson, LESSON_NOISE, rng))
    kernels = np.linalg.lstsq(heard[:LESSONS], lesson.reshape(LESSONS, STRIDE), rcond=None)[0]
    return kernels.astype(np.float64)
