"""Whether a clip is the kind of sound the models were trained on: music, not silence, noise or a test tone.

Two questions, both answered in the grain of the fine spectrum and set by the run's own clips:

*Noise.* For Gaussian noise of any colour and level, residual, steps and phase have the same distribution at every
frequency. The limit lies halfway, in ratio, between noise of other colours and the most noise-like of the clips.

*Unlike.* A clip whose nearest training clips are further away than those of all but a few validation clips is like
nothing the models were trained on. Speech is not caught when the training clips hold speech or singing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.features.fine_axes import LINE_COUNT
from core.features.fine_spectrum import fine_spectrum

Floats = NDArray[np.float64]

NEAREST = 5  # training clips a distance is the mean of
KEPT = 0.99  # share of the validation clips that must count as music, for each question
NOISE_SECONDS = 20  # of noise that stands for all noise
COLOURS = (0.0, 1.0, 2.0)  # of noise: white, pink, brown, as the exponent of the power's fall with frequency
COMPONENTS = 24  # directions in which training clips differ most; the rest of 448 is mostly estimation noise


class Scope(NamedTuple):
    """What tells a run's kind of sound from others; arrays alone, so that it is stored without pickle."""

    mean: Floats  # (448,) of the training clips' grain
    scale: Floats  # (448,)
    directions: Floats  # (448, COMPONENTS): standardised grain to components of variance 1
    training: Floats  # (n, COMPONENTS)
    noise: Floats  # (448,): the grain of noise, standardised
    least_noise: float  # nearer to noise than this, a clip is noise
    most_unlike: float  # beyond this distance from its nearest training clips a clip is unlike them all


class ScopeResult(NamedTuple):
    """Distances of one clip, each with its limit as 1."""

    noise: float  # below 1: noise
    unlike: float  # above 1: unlike anything in training

    @property
    def reason(self) -> str:
        """Say why the clip is out of scope, or nothing when it is not."""
        if self.noise < 1:
            return "it is as random as noise"
        return "it is unlike every clip the models were trained on" if self.unlike > 1 else ""


def grain_of(fine: NDArray[np.float32]) -> Floats:
    """Return the grain in fine spectra (..., SIZE), as (..., resolutions · statistics · bands)."""
    return np.asarray(fine[..., LINE_COUNT:], dtype=np.float64)


def fit_scope(train: NDArray[np.float32], val: NDArray[np.float32], sample_rate: int) -> Scope:
    """Learn a run's scope from the fine spectra of its training and validation clips, (n, SIZE) each."""
    grain, known = grain_of(train), grain_of(val)
    mean, scale = grain.mean(axis=0), grain.std(axis=0) + 1e-6
    standard = (grain - mean) / scale
    _, spread, turned = np.linalg.svd(standard, full_matrices=False)
    kept = min(COMPONENTS, len(spread))
    directions = turned[:kept].T / np.maximum(spread[:kept], 1e-9) * np.sqrt(len(train))
    white, *coloured = (noise_grain(colour, sample_rate) for colour in COLOURS)
    bare = Scope(mean, scale, directions, standard @ directions, (white - mean) / scale, 1.0, 1.0)
    distances = [measure(bare, clip) for clip in known]
    music = float(np.quantile([distance.noise for distance in distances], 1 - KEPT))
    return bare._replace(
        least_noise=float(np.sqrt(music * max(measure(bare, noise).noise for noise in coloured))),
        most_unlike=float(np.quantile([distance.unlike for distance in distances], KEPT)),
    )


def noise_grain(colour: float, sample_rate: int) -> Floats:
    """Return the grain of Gaussian noise whose power falls with frequency to the power of `colour`."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(NOISE_SECONDS * sample_rate))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (colour / 2)
    noise = np.fft.irfft(spectrum)
    return grain_of(fine_spectrum((0.1 * noise / noise.std()).astype(np.float32)))


def measure(scope: Scope, grain: Floats) -> ScopeResult:
    """Return how far a clip's grain, (448,), is from noise and from the training clips."""
    standard = (grain - scope.mean) / scope.scale
    noise = float(np.sqrt(np.mean(np.square(standard - scope.noise))))
    apart = np.sqrt(np.square(scope.training - standard @ scope.directions).sum(axis=1))
    nearest = float(np.sort(apart)[:NEAREST].mean())
    return ScopeResult(noise / scope.least_noise, nearest / scope.most_unlike)
