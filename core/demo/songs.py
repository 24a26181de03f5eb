"""Synthesised performances for the demo: songs nobody owns, different for every seed.

Two palettes of instruments play melody, chords, bass and drums in drawn keys, tempi and rooms. Nothing here knows about
the two classes: both draw their songs from this one distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

Signal = NDArray[np.float64]
Scale = tuple[int, ...]
Voice = Callable[[float, int, np.random.Generator], Signal]

RATE = 24_000  # Hz, at which everything is played
SCALES = (  # in semitones: major, minor, both pentatonic, Dorian
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 4, 7, 9),
    (0, 3, 5, 7, 10),
    (0, 2, 3, 5, 7, 9, 10),
)
TABLE = 4096  # points of one stored period


def decay(samples: int, seconds: float, attack: float = 0.005) -> Signal:
    """Return an envelope that rises within `attack` seconds and falls to 1/e in `seconds`."""
    time = np.arange(samples) / RATE
    return np.minimum(time / attack, 1.0) * np.exp(-time / seconds)


def additive(frequency: float, samples: int, rng: np.random.Generator) -> Signal:
    """Play a sustained tone: harmonics of falling strength up to 10 kHz, with vibrato."""
    harmonics = np.arange(1, max(2, min(40, int(10_000 / frequency))))
    strength = harmonics ** -rng.uniform(0.9, 2.0) * rng.uniform(0.3, 1.0, harmonics.size)
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[harmonics] = strength * np.exp(2j * np.pi * rng.random(harmonics.size))
    period = np.fft.irfft(spectrum, TABLE)
    time = np.arange(samples) / RATE
    phase = frequency * time + rng.uniform(0, 0.06) * np.sin(2 * np.pi * rng.uniform(4, 6.5) * time)
    tone = period[(phase * TABLE).astype(np.int64) % TABLE] / np.abs(period).max()
    note: Signal = tone * decay(samples, rng.uniform(0.3, 1.2), attack=rng.uniform(0.01, 0.06))
    return note


def plucked(frequency: float, samples: int, rng: np.random.Generator) -> Signal:
    """Pluck a string: a noise burst circulates in a delay line that loses its highs (Karplus and Strong, 1983)."""
    period = round(RATE / frequency)
    rounds = samples // period + 1
    line = np.empty((rounds, period))
    line[0] = rng.uniform(-1, 1, period)
    blend = rng.uniform(0.3, 0.5)
    for turn in range(1, rounds):
        line[turn] = 0.996 * ((1 - blend) * line[turn - 1] + blend * np.roll(line[turn - 1], 1))
    return line.ravel()[:samples]


def frequency_modulated(frequency: float, samples: int, rng: np.random.Generator) -> Signal:
    """Play a bell or electric piano by frequency modulation (Chowning, 1973)."""
    time = np.arange(samples) / RATE
    ratio = rng.choice([0.5, 1.0, 1.4, 2.0, 3.0])
    index = rng.uniform(0.8, 4.0) * np.exp(-time / rng.uniform(0.05, 0.5))
    tone = np.sin(2 * np.pi * frequency * time + index * np.sin(2 * np.pi * frequency * ratio * time))
    note: Signal = tone * decay(samples, rng.uniform(0.2, 0.9))
    return note


def kick(samples: int, rng: np.random.Generator) -> Signal:
    """Strike a bass drum: a sine that falls in pitch."""
    time = np.arange(samples) / RATE
    sweep = rng.uniform(42, 60) * time + rng.uniform(2, 5) * (1 - np.exp(-time / 0.03))
    return np.sin(2 * np.pi * sweep) * decay(samples, 0.12, attack=0.002)


def snare(samples: int, rng: np.random.Generator) -> Signal:
    """Strike a snare drum: noise over a short tone."""
    tone = np.sin(2 * np.pi * rng.uniform(160, 220) * np.arange(samples) / RATE)
    return (0.5 * tone + 0.7 * rng.standard_normal(samples)) * decay(samples, rng.uniform(0.04, 0.1), attack=0.001)


def hat(samples: int, rng: np.random.Generator) -> Signal:
    """Strike a cymbal: noise without its lows."""
    noise = np.diff(rng.standard_normal(samples + 2), 2) / 2
    return noise * decay(samples, rng.uniform(0.015, 0.08), attack=0.001)


@dataclass(frozen=True)
class Palette:
    """The instruments and the room of one source of songs."""

    name: str
    voices: tuple[Voice, ...]
    reverb: tuple[float, float]  # seconds to 1/e
    drums: float  # probability that a song has drums


PALETTES = (
    Palette("bandroom", (plucked, additive, plucked), reverb=(0.08, 0.35), drums=0.6),
    Palette("synthlab", (frequency_modulated, additive, frequency_modulated), reverb=(0.03, 0.25), drums=0.9),
)


def perform(palette: Palette, seconds: float, rng: np.random.Generator) -> Signal:
    """Play one song: mono at `RATE`, RMS about 1."""
    song = np.zeros(round(seconds * RATE))
    beat = 60 / rng.uniform(72, 160)  # seconds
    scale = SCALES[rng.integers(len(SCALES))]
    root = rng.uniform(48, 60)  # MIDI number, not rounded: no two songs share a tuning
    melody, harmony, bass = (palette.voices[index] for index in rng.permutation(len(palette.voices)))
    song += _part(melody, song.size, beat / 2, root + 12, scale, rng)
    song += _part(harmony, song.size, beat * 2, root, scale, rng, chord=3)
    song += _part(bass, song.size, beat, root - 12, scale, rng)
    if rng.random() < palette.drums:
        song += rng.uniform(0.5, 1.0) * _drums(song.size, beat / 2, rng)
    return _in_room(song / song.std(), rng.uniform(*palette.reverb), rng)


def _part(
    voice: Voice, samples: int, step: float, root: float, scale: Scale, rng: np.random.Generator, chord: int = 1
) -> Signal:
    """Walk through the scale, one note or chord every `step` seconds, with rests."""
    part = np.zeros(samples)
    length = min(round(1.5 * step * RATE), RATE)
    notes: dict[int, Signal] = {}  # each degree is played once and struck again at other strengths
    degree = 0
    for start in range(0, samples, round(step * RATE)):
        degree = int(np.clip(degree + rng.integers(-3, 4), -3, len(scale) + 2))
        if rng.random() < 0.15:
            continue
        for tone in range(degree, degree + 2 * chord, 2):
            if tone not in notes:
                notes[tone] = voice(_frequency(root, tone, scale), length, rng)
            _strike(part, start, notes[tone], rng.uniform(0.4, 1.0) / chord)
    return part * rng.uniform(0.5, 1.0)


def _frequency(root: float, degree: int, scale: Scale) -> float:
    """Return the frequency in Hz of a scale degree; the scale repeats every octave."""
    octave, step = divmod(degree, len(scale))
    return float(440 * 2 ** ((root + 12 * octave + scale[step] - 69) / 12))


def _strike(part: Signal, start: int, note: Signal, strength: float) -> None:
    """Add a note in place; what would ring past the end is cut."""
    stop = min(start + note.size, part.size)
    part[start:stop] += strength * note[: stop - start]


def _drums(samples: int, step: float, rng: np.random.Generator) -> Signal:
    """Repeat one drawn pattern of eight steps for kick, snare and hat."""
    part = np.zeros(samples)
    for drum, density, strength in ((kick, 0.35, 1.0), (snare, 0.25, 0.5), (hat, 0.6, 0.25)):
        hit = drum(round(0.3 * RATE), rng)
        pattern = rng.random(8) < density
        for number, start in enumerate(range(0, samples, round(step * RATE))):
            if pattern[number % pattern.size]:
                _strike(part, start, hit, strength * rng.uniform(0.7, 1.0))
    return part


def _in_room(song: Signal, seconds: float, rng: np.random.Generator) -> Signal:
    """Add reverberation, room noise, mains hum and a drawn spectral tilt."""
    tail = rng.standard_normal(round(4 * seconds * RATE)) * decay(round(4 * seconds * RATE), seconds)
    wet = fftconvolve(song, tail)[: song.size]
    time = np.arange(song.size) / RATE
    hum = np.sin(2 * np.pi * rng.choice([50, 60]) * time) * 10 ** rng.uniform(-4, -2)
    noise = rng.standard_normal(song.size) * 10 ** rng.uniform(-3.5, -2)
    song = song + rng.uniform(0.1, 0.5) * wet / wet.std() + hum + noise
    tilt = rng.uniform(-0.4, 0.4)
    return np.append(song[0], song[1:] + tilt * song[:-1])
