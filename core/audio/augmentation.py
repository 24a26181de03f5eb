"""A random history for a training clip, so that no model learns one: speed, equaliser, noise, level, band limit, codec.

The order is that of a recording on its way to a listener. The label is not asked, and what is drawn does not depend on
the sound: both classes are changed alike. Draw anew for each clip and epoch.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np

from core.audio import transforms
from core.audio.source import Waveform
from core.audio.transforms import EqualiserBand

Change = Callable[[Waveform, int, np.random.Generator], Waveform]

# How often each is applied.
TIME = 0.30
EQUALISER = 0.35
NOISE = 0.35
GAIN = 0.35
BAND_LIMIT = 0.35
CODEC = 0.40

SEMITONES = 0.5  # up or down, by speed: tempo moves along by 3 %
STRETCH = 0.05  # share of the tempo, up or down, at the same pitch
EQUALISER_DB = 6.0  # up or down
SNR_DB = (25.0, 50.0)
GAIN_DB = (-12.0, 6.0)
CLIPPED = 0.05  # share of gains that may pass full scale
RATES = (11_000, 16_000)  # Hz, resampled to and back
CUTOFFS = (4_000.0, 8_000.0)  # Hz
MP3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128)
OGG_KBPS = (32.0, 75.0)


def augment_waveform(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """Send a clip through a random chain of none to six changes.

    Parameters
    ----------
    waveform : (samples,), mono float32, nominally in [-1, 1].
    sample_rate : Hz.
    rng : the only source of chance: the same state gives the same samples.

    Returns
    -------
    Waveform : (samples,); the waveform itself, not a copy, when nothing was drawn.
    """
    for probability, change in _CHAIN:
        if rng.random() < probability:
            waveform = change(waveform, sample_rate, rng)
    return waveform


def _time(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """Move pitch and tempo together, or tempo alone."""
    if rng.random() < 0.5:
        return transforms.speed(waveform, sample_rate, rng.uniform(-SEMITONES, SEMITONES))
    return transforms.tempo(waveform, sample_rate, 1 + rng.uniform(-STRETCH, STRETCH))


def _equaliser(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """Tilt the ends and bend the middle."""
    low, high = 60.0, 0.45 * sample_rate  # Hz
    thirds = np.geomspace(low, high, 4)
    hertz = [math.exp(rng.uniform(math.log(below), math.log(above))) for below, above in itertools.pairwise(thirds)]
    decibels = rng.uniform(-EQUALISER_DB, EQUALISER_DB, 3)
    bands = (
        EqualiserBand("low shelf", hertz[0], decibels[0]),
        EqualiserBand("peak", hertz[1], decibels[1], rng.uniform(0.5, 2.0)),
        EqualiserBand("high shelf", hertz[2], decibels[2]),
    )
    return transforms.equalise(waveform, sample_rate, bands)


def _noise(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    return transforms.noise(waveform, sample_rate, rng.uniform(*SNR_DB), int(rng.integers(2**31)))


def _gain(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    """Change the level; only now and then so far that it clips."""
    decibels, clips = rng.uniform(*GAIN_DB), rng.random() < CLIPPED
    peak = float(np.abs(waveform).max())
    if not clips and peak > 0:
        decibels = min(decibels, -20 * math.log10(peak))
    return transforms.gain(waveform, sample_rate, decibels)


def _band_limit(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    if rng.random() < 0.5:
        return transforms.resample(waveform, sample_rate, int(rng.integers(*RATES, endpoint=True)))
    return transforms.low_pass(waveform, sample_rate, rng.uniform(*CUTOFFS))


def _codec(waveform: Waveform, sample_rate: int, rng: np.random.Generator) -> Waveform:
    if rng.random() < 0.5:
        return transforms.mp3(waveform, sample_rate, int(rng.choice(MP3_KBPS)))
    return transforms.ogg(waveform, sample_rate, rng.uniform(*OGG_KBPS))


_CHAIN: tuple[tuple[float, Change], ...] = (
    (TIME, _time),
    (EQUALISER, _equaliser),
    (NOISE, _noise),
    (GAIN, _gain),
    (BAND_LIMIT, _band_limit),
    (CODEC, _codec),
)
