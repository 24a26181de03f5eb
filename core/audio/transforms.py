"""What sound goes through on its way to a listener: named, graded changes that leave a clip's label true.

Every function takes a mono float32 waveform (samples,), nominally in [-1, 1], and its sample rate in Hz, and returns a
new float32 waveform of the same length: what became longer is cut at its end, what became shorter is repeated from its
start, as when a clip is read. The same arguments give the same samples. Nothing here knows a label.

`TRANSFORMS` lists what the robustness audit applies. Resampling to 16 kHz is not among them: it changes nothing in
clips that are at 16 kHz already.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import librosa
import numpy as np
import numpy.typing as npt
import scipy.signal
import soundfile
import soxr

from core.audio import encoding
from core.audio.source import Waveform

CHAIN_KBPS = 128  # of the codec round trip in `decode_chain`
CHAIN_DBFS = -20.0  # RMS of every clip after `decode_chain`

_FILTER_ORDER = 8
_VOCODER_SECONDS = 0.064  # analysis window: twice as long smears a click over 0.1 s, half as long blurs low notes
_DIRECT_TO_REVERBERANT = 1.0  # energy ratio: the listener sits where the room is as loud as the source


def mp3(waveform: Waveform, sample_rate: int, kbps: float) -> Waveform:
    """Encode as MP3 at a constant bit rate and decode again; the result starts where the clip does.

    The nearest bit rate legal at the sample rate is taken (at 16 kHz: 8 to 160 kbit/s). For mono at 16 kHz a bit rate
    is much kinder than the same number on a stereo file at 44.1 kHz. The encoder lowers the level by 0.4 dB.
    """
    rate = next(legal for legal in encoding.MP3_RATES if legal >= sample_rate)
    decoded = _decoded(encoding.mp3(_converted(waveform, sample_rate, rate), rate, kbps))
    if len(decoded) >= math.ceil(len(waveform) * rate / sample_rate) + encoding.MP3_DELAY:
        decoded = decoded[encoding.MP3_DELAY :]  # frames of low bit rates have no room for the header that tells it
    return _fit(_converted(decoded, rate, sample_rate), len(waveform))


def ogg(waveform: Waveform, sample_rate: int, kbps: float) -> Waveform:
    """Encode as Ogg Vorbis and decode again, at the quality that takes about `kbps` for music at 16 kHz (31 to 75)."""
    return _fit(_decoded(encoding.ogg(waveform, sample_rate, kbps)), len(waveform))


def resample(waveform: Waveform, sample_rate: int, rate: int) -> Waveform:
    """Convert to another sample rate in Hz and back: below the own rate nothing above `rate` / 2 is left."""
    return _fit(_converted(_converted(waveform, sample_rate, rate), rate, sample_rate), len(waveform))


def low_pass(waveform: Waveform, sample_rate: int, hertz: float) -> Waveform:
    """Take away what lies above `hertz` (Butterworth forwards and back, no delay); from half the rate on, nothing."""
    if hertz >= sample_rate / 2:
        return waveform.copy()
    sections = scipy.signal.butter(_FILTER_ORDER, hertz, fs=sample_rate, output="sos")
    return _fit(scipy.signal.sosfiltfilt(sections, waveform), len(waveform))


def noise(waveform: Waveform, _sample_rate: int, snr_db: float, seed: int) -> Waveform:
    """Add white Gaussian noise at a signal-to-noise ratio relative to the clip's own RMS; digital silence stays."""
    hiss = np.random.default_rng(seed).standard_normal(len(waveform), np.float32)
    return _fit(waveform + hiss * (_rms(waveform) / _rms(hiss) * 10 ** (-snr_db / 20)), len(waveform))


def gain(waveform: Waveform, _sample_rate: int, decibels: float) -> Waveform:
    """Amplify, and clip at full scale as a file of integers does."""
    return _fit(np.clip(waveform * 10 ** (decibels / 20), -1.0, 1.0), len(waveform))


def pitch(waveform: Waveform, sample_rate: int, semitones: float) -> Waveform:
    """Shift the pitch and keep tempo and level (phase vocoder)."""
    window = _vocoder_window(sample_rate)
    shifted = librosa.effects.pitch_shift(waveform, sr=sample_rate, n_steps=semitones, n_fft=window, res_type="soxr_hq")
    return _at_level_of(waveform, _fit(shifted, len(waveform)))


def tempo(waveform: Waveform, sample_rate: int, ratio: float) -> Waveform:
    """Play `ratio` times as fast and keep pitch and level (phase vocoder)."""
    stretched = librosa.effects.time_stretch(waveform, rate=ratio, n_fft=_vocoder_window(sample_rate))
    return _at_level_of(waveform, _fit(stretched, len(waveform)))


def speed(waveform: Waveform, _sample_rate: int, semitones: float) -> Waveform:
    """Play faster or slower as a turntable does: pitch and tempo change together. Cheap, and free of artefacts."""
    return _fit(soxr.resample(waveform, 2 ** (semitones / 12), 1.0), len(waveform))


def reverb(waveform: Waveform, sample_rate: int, rt60: float, seed: int) -> Waveform:
    """Put the clip into a room whose sound decays by 60 dB in `rt60` seconds, and keep the level.

    The room is exponentially decaying white noise after the direct sound (Moorer, "About this reverberation business",
    Computer Music Journal 1979), as loud as the direct sound.
    """
    seconds = np.arange(1, round(rt60 * sample_rate) + 1) / sample_rate
    room = np.random.default_rng(seed).standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60)
    room /= np.sqrt(_DIRECT_TO_REVERBERANT * np.sum(room**2))
    wet = scipy.signal.fftconvolve(waveform, np.concatenate([[1.0], room]))
    return _at_level_of(waveform, _fit(wet, len(waveform)))


def trim(waveform: Waveform, sample_rate: int, seconds: float) -> Waveform:
    """Cut `seconds` from the start, at most half the clip; the rest is repeated to fill."""
    start = min(round(seconds * sample_rate), len(waveform) // 2)
    return _fit(waveform[start:], len(waveform))


class EqualiserBand(NamedTuple):
    """One band of an equaliser."""

    shape: Literal["low shelf", "peak", "high shelf"]
    hertz: float  # centre, or half-way up the shelf; below half the sample rate
    decibels: float
    q: float = 0.707


def equalise(waveform: Waveform, sample_rate: int, bands: Sequence[EqualiserBand]) -> Waveform:
    """Raise or lower bands, one second-order section each (Bristow-Johnson, Audio EQ Cookbook)."""
    sections = np.array([_section(band, sample_rate) for band in bands])
    return _fit(scipy.signal.sosfilt(sections, waveform), len(waveform))


def decode_chain(waveform: Waveform, sample_rate: int, rate: int) -> Waveform:
    """Give every clip the same history: one codec, one band limit, one level.

    An MP3 round trip, nothing left above `rate` / 2 Hz, an RMS of -20 dBFS, less where the peak would pass full scale.
    The band limit comes after the codec, whose own noise would reach beyond it.
    """
    chained = resample(mp3(waveform, sample_rate, CHAIN_KBPS), sample_rate, rate)
    if not (level := _rms(chained)):
        return chained
    return chained * np.float32(min(10 ** (CHAIN_DBFS / 20) / level, 1.0 / np.abs(chained).max()))


@dataclass(frozen=True)
class Transform:
    """A change of one kind at one strength, as the robustness audit applies it."""

    kind: str
    strength: str
    unit: str
    change: Callable[..., Waveform]
    amount: float  # what `change` takes for this strength
    seeded: bool = False

    @property
    def name(self) -> str:
        """Kind, strength and unit: unique among `TRANSFORMS`."""
        return f"{self.kind} {self.strength} {self.unit}"

    def apply(self, waveform: Waveform, sample_rate: int, seed: int) -> Waveform:
        """Change a waveform (samples,); the seed matters to what is drawn at random."""
        if self.seeded:
            return self.change(waveform, sample_rate, self.amount, seed)
        return self.change(waveform, sample_rate, self.amount)


def _steps(
    kind: str, unit: str, change: Callable[..., Waveform], amounts: Mapping[str, float], seeded: bool = False
) -> tuple[Transform, ...]:
    return tuple(Transform(kind, strength, unit, change, amount, seeded) for strength, amount in amounts.items())


# In order of kinds and, but for signed amounts, of growing strength.
TRANSFORMS: tuple[Transform, ...] = (
    *_steps("mp3", "kbit/s", mp3, {"128": 128, "64": 64, "32": 32}),
    *_steps("ogg", "kbit/s", ogg, {"64": 64, "48": 48, "32": 32}),  # mono at 16 kHz takes 75 at the best quality
    *_steps("resampling", "kHz", resample, {"22.05": 22_050, "11.025": 11_025, "8": 8_000}),
    *_steps("low-pass", "kHz", low_pass, {"6": 6_000, "4": 4_000, "3": 3_000}),
    *_steps("noise", "dB SNR", noise, {"40": 40, "30": 30, "20": 20}, seeded=True),
    *_steps("gain", "dB", gain, {"-12": -12, "+6": 6}),
    *_steps("pitch", "semitones", pitch, {"-2": -2, "-1": -1, "+1": 1, "+2": 2}),
    *_steps("tempo", "%", tempo, {"-5": 0.95, "+5": 1.05}),
    *_steps("reverb", "s RT60", reverb, {"0.3": 0.3, "0.8": 0.8}, seeded=True),
    *_steps("trim", "s", trim, {"0.5": 0.5, "1.5": 1.5}),
)


def _decoded(content: bytes) -> Waveform:
    decoded: Waveform = soundfile.read(io.BytesIO(content), dtype="float32")[0]
    return decoded


def _converted(waveform: Waveform, rate: int, new_rate: int) -> Waveform:
    converted: Waveform = waveform if rate == new_rate else soxr.resample(waveform, rate, new_rate)
    return converted


def _fit(waveform: npt.NDArray[np.floating], samples: int) -> Waveform:
    """Return a new float32 waveform, cut at its end or repeated from its start to the number of samples."""
    return np.resize(waveform, samples).astype(np.float32, copy=False)


def _rms(waveform: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def _at_level_of(original: Waveform, changed: Waveform) -> Waveform:
    """Return a changed waveform at the RMS of the original: a phase vocoder loses up to 4 dB on music."""
    level = _rms(changed)
    return changed * np.float32(_rms(original) / level) if level else changed


def _vocoder_window(sample_rate: int) -> int:
    return int(2 ** round(math.log2(sample_rate * _VOCODER_SECONDS)))


def _section(band: EqualiserBand, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return b0, b1, b2, 1, a1, a2 of a band."""
    amplitude, angle = 10 ** (band.decibels / 40), 2 * math.pi * band.hertz / sample_rate
    cosine, alpha = math.cos(angle), math.sin(angle) / (2 * band.q)
    if band.shape == "peak":
        b = [1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude]
        a = [1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude]
    else:  # a high shelf is a low shelf with the frequency axis turned round
        side = 1 if band.shape == "low shelf" else -1
        up, down = (amplitude + 1), (amplitude - 1)
        width, tilt = 2 * math.sqrt(amplitude) * alpha, side * cosine
        b = [
            amplitude * (up - down * tilt + width),
            side * 2 * amplitude * (down - up * tilt),
            amplitude * (up - down * tilt - width),
        ]
        a = [up + down * tilt + width, -side * 2 * (down + up * tilt), up + down * tilt - width]
    return np.array([*b, *a]) / a[0]
