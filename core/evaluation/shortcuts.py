"""Shortcut audit: how far the classes can be told apart without hearing any music.

Clips of the two classes often come from different places, and then their sample rate, codec or level alone tells them
apart. A detector that learned this would look good and be worth nothing elsewhere. So a small classifier is shown only
such facts, under the models' own split: a model that does no better may have learned nothing else, and one that does
better may still owe much to them. Not all of it reaches the models: what lies above half their sample rate does not.

`measure` the facts of a file as stored · `measure_sound` those of a waveform, also as the models are given it ·
`audit` the classifier, and each fact by itself · `advice` what to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from core.audio.clips import Recording, clipped_share
from core.audio.containers import ENCODINGS, FORMATS
from core.audio.source import Header, Waveform
from core.config import AudioConfig
from core.data.splits import check_split
from core.metrics.intervals import TOO_FEW, Interval

Floats = NDArray[np.float64]

STRONG: Final = 0.70  # AUC from which an audit says that what the models reach cannot be trusted to be about music
TELLING: Final = 0.60  # validation AUC from which a fact by itself is named

_QUIETEST = 1e-10  # amplitude: -200 dBFS
_BIN = 10  # Hz per bin of the spectrum, at every sample rate alike
_FLOOR = 1e-13  # power per bin below which there is nothing: quieter than 24-bit quantisation noise
_ENERGY = 0.999  # share of the energy that lies within the bandwidth
_LOWEST_EDGE, _SIDE, _SLOPE = 3000, 500, 200  # Hz: where edges are looked for; what is compared; what lies between
_STEEP = 12.0  # dB over the slope, more than music falls within 0.7 kHz; encoders and resamplers fall by 15 to 60

_BEFORE_EQUALISING: Final = (
    "A model may owe as much of its score to the files as to the music.",
    "Train and test again with `--set audio.equalise=true`, which puts every clip through one common chain; compare.",
    "Better still, collect both classes in the same formats, at the same sample rates and levels.",
)
_AFTER_EQUALISING: Final = (
    "This is about the files as they are; the models heard every clip through one common chain that hides much of it.",
    "What the chain cannot hide stays: collect both classes in the same formats, at the same sample rates and levels.",
)


class SoundFacts(NamedTuple):
    """What a waveform tells without its music. Levels in dB re full scale."""

    rms: float  # dBFS
    peak: float  # dBFS, of samples
    crest: float  # dB, peak over RMS
    dc_offset: float  # magnitude re full scale, of the channel where it is largest
    clipped: float  # share of samples at full scale
    silence: float  # share of 20-ms frames below `AudioConfig.silence_dbfs`
    leading_silence: float  # s
    trailing_silence: float  # s, at the end of what is read
    used_bits: float  # bits per sample that are not always zero, 1 to 24; 32: finer than 24-bit integers
    bandwidth: float  # Hz below which 99.9 % of the energy lies
    cutoff: float  # Hz of the steepest fall of the spectrum above 3 kHz; half the sample rate when none is steep
    cutoff_depth: float  # dB of that fall


class FileFacts(NamedTuple):
    """What a file declares."""

    sample_rate: float  # Hz, native
    container: float  # index into FORMATS
    encoding: float  # index into ENCODINGS: integers by depth, floats, lossy codecs
    bit_rate: float  # kbit/s, whole file over declared duration; 0 for what is not lossy, where it is up to the music
    channels: float
    duration: float  # s, of the whole file


FEATURES: Final = FileFacts._fields + SoundFacts._fields
TITLES: Final = {
    "sample_rate": "native sample rate",
    "container": "file format",
    "encoding": "encoding and bit depth",
    "bit_rate": "bit rate",
    "channels": "number of channels",
    "duration": "duration",
    "rms": "loudness",
    "peak": "peak level",
    "crest": "crest factor",
    "dc_offset": "DC offset",
    "clipped": "clipping",
    "silence": "silence",
    "leading_silence": "silence at the start",
    "trailing_silence": "silence at the end",
    "used_bits": "bits in use",
    "bandwidth": "bandwidth",
    "cutoff": "cut-off frequency",
    "cutoff_depth": "depth of the cut-off",
}


class FeatureResult(NamedTuple):
    """How far one feature goes."""

    name: str
    val_auc: float  # of a small tree that sees this feature only
    test_auc: float
    importance: float  # validation AUC that the whole classifier loses when this feature is shuffled


@dataclass(frozen=True)
class ShortcutAudit:
    """What a classifier without ears makes of the clips."""

    probability: Floats  # (n,) of AI, for every row; those of the training split are of clips it was fitted on
    model: str  # which classifier validation chose
    val_auc: float
    test_auc: float
    features: tuple[FeatureResult, ...]  # by validation AUC, best first


# Measuring


def measure(recording: Recording, config: AudioConfig) -> dict[str, float]:
    """Measure a file's shortcut features, by the names and in the order of FEATURES."""
    header = recording.clip.header
    sound = measure_sound(recording.native, header.sample_rate, config)
    return _file_facts(header, recording.size)._asdict() | sound._asdict()


def measure_sound(waveform: Waveform, sample_rate: int, config: AudioConfig) -> SoundFacts:
    """Measure the features that need no file; also of sound that was equalised, to see what is left.

    Parameters
    ----------
    waveform : (frames, channels), full scale 1.
    sample_rate : Hz.
    """
    rms, peak = float(np.sqrt(np.mean(np.square(waveform)))), float(np.abs(waveform).max())
    spectrum = _spectrum(waveform, sample_rate)
    cutoff, depth = _cutoff(spectrum, sample_rate)
    return SoundFacts(
        rms=_decibel(rms),
        peak=_decibel(peak),
        crest=_decibel(peak) - _decibel(rms),
        dc_offset=float(np.abs(waveform.mean(axis=0)).max()),
        clipped=clipped_share(waveform),
        **_silences(waveform, sample_rate, config.silence_dbfs),
        used_bits=_used_bits(waveform),
        bandwidth=_bandwidth(spectrum),
        cutoff=cutoff,
        cutoff_depth=depth,
    )


def _file_facts(header: Header, size: int) -> FileFacts:
    is_lossy = FORMATS[header.format].is_lossy
    return FileFacts(
        sample_rate=float(header.sample_rate),
        container=float(list(FORMATS).index(header.format)),
        encoding=float(ENCODINGS.index(header.subtype)),
        bit_rate=size * 8 / 1000 / header.seconds if is_lossy else 0.0,
        channels=float(header.channels),
        duration=header.seconds,
    )


def _decibel(amplitude: float) -> float:
    return 20 * float(np.log10(max(amplitude, _QUIETEST)))


def _silences(waveform: Waveform, sample_rate: int, threshold: float) -> dict[str, float]:
    """Return the share of silent frames, and the seconds of silence at the start and at the end."""
    length = min(sample_rate // 50, len(waveform))
    frames = _frames(waveform, length)
    is_silent = np.square(frames).mean(axis=(1, 2)) < 10 ** (threshold / 10)
    sounding = np.flatnonzero(~is_silent)
    first, last = (sounding[0], sounding[-1]) if len(sounding) else (len(is_silent), -1)
    step = length / sample_rate
    return {
        "silence": float(is_silent.mean()),
        "leading_silence": float(first * step),
        "trailing_silence": float((len(is_silent) - 1 - last) * step),
    }


def _frames(waveform: Waveform, length: int) -> Waveform:
    """Cut (frames, channels) into (n, length, channels), leaving out what does not fill one at the end."""
    return waveform[: len(waveform) // length * length].reshape(-1, length, waveform.shape[1])


def _used_bits(waveform: Waveform) -> float:
    """Return how many bits the samples use: a 16-bit recording stored with 24 uses 16."""
    scaled = waveform * np.float32(2**23)
    integers = scaled.astype(np.int32)
    if not np.array_equal(integers, scaled):
        return 32.0
    used = int(np.bitwise_or.reduce(integers, axis=None))
    zeros = (used & -used).bit_length() - 1  # that end every sample
    return float(24 - zeros) if used else 1.0


def _spectrum(waveform: Waveform, sample_rate: int) -> Floats:
    """Return the mean power in bins of 10 Hz, (bins,), re a full-scale sine (Welch 1967, frames of 0.1 s, Hann)."""
    length = sample_rate // _BIN
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    frames = _frames(waveform, length).transpose(0, 2, 1) * window  # (n, channels, length)
    power = np.square(np.abs(scipy.fft.rfft(frames))).mean(axis=(0, 1), dtype=np.float64)
    return np.asarray(power * (2 / window.sum()) ** 2, dtype=np.float64)


def _bandwidth(spectrum: Floats) -> float:
    energy = np.cumsum(spectrum[2:])  # from 20 Hz: an offset, which the window spreads over two bins, is no sound
    return float(np.searchsorted(energy, _ENERGY * energy[-1]) + 2) * _BIN


def _cutoff(spectrum: Floats, sample_rate: int) -> tuple[float, float]:
    """Return where the spectrum falls most steeply, in Hz, and how far, in dB.

    At each frequency the mean level of the half kilohertz above a short slope is taken from that of the one below it.
    An encoder's or a resampler's low-pass leaves such an edge; an instrument's spectrum falls off gently.
    """
    side, slope = _SIDE // _BIN, _SLOPE // _BIN
    level = np.cumsum(np.append(0.0, 10 * np.log10(np.maximum(spectrum, _FLOOR))))
    edge = np.arange(_LOWEST_EDGE // _BIN, len(spectrum) - slope - side)
    if not len(edge):
        return sample_rate / 2, 0.0
    below, above = level[edge] - level[edge - side], level[edge + slope + side] - level[edge + slope]
    fall = (below - above) / side
    steepest = int(np.argmax(fall))
    depth = max(float(fall[steepest]), 0.0)
    cutoff = (edge[steepest] + slope / 2) * _BIN if depth >= _STEEP else sample_rate / 2
    return float(cutoff), depth


# Judging


def audit(
    features: ArrayLike,
    names: Sequence[str],
    labels: ArrayLike,
    groups: Sequence[str],
    splits: Sequence[str],
) -> ShortcutAudit:
    """Learn the classes from features that carry no music: fit on train, choose on validation, look at test once.

    Parameters
    ----------
    features : (n, len(names)), finite.
    names : of the columns.
    labels, groups, splits : class, song and split of each row, as the models have them.

    Raises
    ------
    DataError : a song is in two splits, or a split lacks a class.
    """
    values, truth = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    check_split(truth.tolist(), groups, splits)
    clips = _Clips(values, truth, np.asarray(splits))
    fitted = {name: model.fit(*clips.of("train")) for name, model in _candidates().items()}
    chosen = max(fitted, key=lambda name: clips.auc(fitted[name], "val"))  # the first of equals
    model = fitted[chosen]
    lost = permutation_importance(
        model, *clips.of("val"), scoring="roc_auc", n_repeats=10, random_state=0
    ).importances_mean
    alone = [_alone(clips, column, name, float(lost[column])) for column, name in enumerate(names)]
    return ShortcutAudit(
        probability=model.predict_proba(values)[:, 1],
        model=chosen,
        val_auc=clips.auc(model, "val"),
        test_auc=clips.auc(model, "test"),
        features=tuple(sorted(alone, key=lambda result: (-result.val_auc, -result.importance))),
    )


def advice(
    audited: ShortcutAudit, interval: Interval | None, clips: int, songs: int, *, equalised: bool = False
) -> list[str]:
    """Say in plain sentences what an audit means for the models beside it.

    Parameters
    ----------
    interval : of the test AUC, over songs; None where there are too few of them.
    clips, songs : in the test split.
    equalised : whether the models heard every clip through one common chain (`audio.equalise`).
    """
    ends = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else TOO_FEW
    reached = f"test AUC {audited.test_auc:.2f} ({ends}; {clips} clips, {songs} songs)"
    if not interval:
        return [f"Whether the classes can be told apart without the music cannot be said: {reached}."]
    low, _ = interval
    if low <= 0.5:
        return [f"No shortcut of this kind was found: without the music the classes cannot be told apart, {reached}."]
    sentences = [f"Without hearing any music, a small classifier tells the classes apart: {reached}."]
    if telling := [result for result in audited.features if result.val_auc >= TELLING][:3]:
        named = ", ".join(f"{TITLES.get(result.name, result.name)} {result.test_auc:.2f}" for result in telling)
        sentences.append(f"What gives them away, each by itself (test AUC): {named}.")
    if audited.test_auc < STRONG:
        return [*sentences, "The shortcut is weak; a model well above it has learned more than this."]
    return [*sentences, *(_AFTER_EQUALISING if equalised else _BEFORE_EQUALISING)]


class _Clips(NamedTuple):
    """Features and labels of all clips, by split."""

    values: Floats  # (n, features)
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]

    def of(self, split: str, column: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
        """Return the features, or one of them, and the labels of a split."""
        rows = self.splits == split
        values = self.values if column is None else self.values[:, [column]]
        return values[rows], self.labels[rows]

    def auc(self, model: ClassifierMixin, split: str, column: int | None = None) -> float:
        """Return a fitted model's ROC-AUC on a split."""
        values, labels = self.of(split, column)
        return float(roc_auc_score(labels, model.predict_proba(values)[:, 1]))


def _candidates() -> dict[str, ClassifierMixin]:
    """Return the small classifiers that validation chooses from; trees find sets of values, a line finds sums."""
    forests = {
        f"random forest, {leaf} clips per leaf": RandomForestClassifier(
            100, min_samples_leaf=leaf, class_weight="balanced", random_state=0
        )
        for leaf in (2, 5, 10)
    }
    line = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    return {**forests, "logistic regression": make_pipeline(StandardScaler(), line)}


def _alone(clips: _Clips, column: int, name: str, importance: float) -> FeatureResult:
    """Judge one feature by itself with a tree of eight leaves, which may choose values from anywhere in its range."""
    tree = DecisionTreeClassifier(max_leaf_nodes=8, min_samples_leaf=0.02, class_weight="balanced", random_state=0)
    tree.fit(*clips.of("train", column))
    return FeatureResult(name, clips.auc(tree, "val", column), clips.auc(tree, "test", column), importance)
