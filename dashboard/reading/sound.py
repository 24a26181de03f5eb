"""The sound of a clip: its file as it is, and the autoencoder's reconstruction made audible, at their true levels.

Everything is bytes that a browser plays as they are. Streamlit's own player brings every array to full scale, which
would make a faint reconstruction as loud as the clip, so no array is ever handed to it.
"""

import io
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core import storage
from core.artifacts import SHIPPED_REMEDY, Run
from core.audio.clips import inspect, read_clip, read_native
from core.audio.containers import FORMATS
from core.audio.source import Header
from core.config import Config
from core.errors import ArtifactError, AudioError, printable
from core.storage import stored
from dashboard.reading.kept import kept
from dashboard.reading.runs import clips_by_path

MAX_BYTES = 8 * 2**20  # a larger file, or a longer one, is cut to what the models heard
MAX_SECONDS = 30.0
COLUMNS = 800  # of a waveform's outline
HEADROOM = 0.99  # of full scale
SAME_LENGTH = 0.01  # seconds

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """Sound as a browser plays it. `note` is a sentence on what was done to it, or empty: the file as it is."""

    data: bytes
    mime: str
    name: str
    seconds: float
    note: str = ""


class Audible(NamedTuple):
    """A clip's file, what the models could hear of it at most, and what the autoencoder rebuilt, at true levels."""

    original: Sound
    heard: Sound
    rebuilt: Sound
    level: float  # dB, RMS of `rebuilt` relative to `heard`: what an average in dB loses of the peaks
    note: str  # a sentence on what was done to all three


def original(run: Run, path: str) -> Sound:
    """Return the sound of a clip's file: its very bytes, unless it is long or unplayable; then the clip's part.

    Parameters
    ----------
    path : of the clip, as in clips.csv.

    Raises
    ------
    ArtifactError : the run has no such clip, or its file has been moved or changed since.
    """
    config, file, header = _open(run, path)
    plays = FORMATS[header.format].is_played
    if plays and header.seconds <= MAX_SECONDS and file.stat().st_size <= MAX_BYTES:
        return Sound(file.read_bytes(), FORMATS[header.format].mime, PurePath(path).name, header.seconds)
    part = min(config.audio.seconds, header.seconds)
    note = f"The first {part:g} s of a file of {_length(header)}, as 16-bit WAV: all that the models heard."
    return _native(run, path, config, file, 1.0, note)


def reconstruction(run: Run, row: int) -> Audible:
    """Make a clip's mel-spectrogram and the autoencoder's reconstruction of it audible, beside the original.

    One gain brings both back to sound: that which gives the clip's own mel-spectrogram the RMS of the clip as the
    models read it. What is quieter in the reconstruction therefore sounds quieter. Takes about a second, the first
    time three.

    Parameters
    ----------
    row : of the clip, in clips.csv and in the arrays.

    Raises
    ------
    ArtifactError : as `original`, or the pictures of the phase `explain` are missing or do not fit.
    """
    clips = list(clips_by_path(run).values())
    if not 0 <= row < len(clips):
        raise ArtifactError(run.clips_table, f"it has no row {row}", "Choose another clip")
    return _reconstruction(run, row, clips[row].path)


@kept(
    lambda run, row, path: (run.log_mel, run.reconstructions, _file(run, path)), most=16,
    spinner="Making the reconstruction audible …",
)  # fmt: skip
def _reconstruction(run: Run, row: int, path: str) -> Audible:
    config, file, _ = _open(run, path)
    pictures = [_picture(run, array, row) for array in (run.log_mel, run.reconstructions)]
    heard, rebuilt = (_inverted(picture, config) for picture in pictures)
    clip = read_clip(file, config.audio).waveform
    gain, lowered = gains(clip, heard, rebuilt)
    name, rate = PurePath(path).stem, config.audio.sample_rate
    return Audible(
        _native(run, path, config, file, lowered, "") if lowered < 1 else original(run, path),
        wav(heard * gain, rate, f"{name} mel-spectrogram.wav"),
        wav(rebuilt * gain, rate, f"{name} reconstruction.wav"),
        _relative_level(rebuilt, heard),
        _level_note(lowered),
    )


def gains(clip: Array, heard: Array, rebuilt: Array) -> tuple[float, float]:
    """Return the factor for both sounds made from spectrograms, and the one for the clip itself.

    Parameters
    ----------
    clip, heard, rebuilt : waveforms; `heard` is to get the RMS of `clip`.

    Returns
    -------
    common : for `heard` and `rebuilt`.
    lowered : for `clip`, below 1 where one of the three would clip otherwise; it is in `common` already.
    """
    level = _rms(heard)
    common = _rms(clip) / level if level > 0 else 0.0
    peak = max(_peak(clip), common * _peak(heard), common * _peak(rebuilt))
    lowered = min(1.0, HEADROOM / peak) if peak > 1 else 1.0
    return common * lowered, lowered


def wav(waveform: Array, rate: int, name: str, note: str = "") -> Sound:
    """Return a waveform (samples,) or (frames, channels) as 16-bit WAV at its own level; beyond full scale it clips."""
    file = io.BytesIO()
    sf.write(file, waveform, rate, format="WAV", subtype="PCM_16")
    return Sound(file.getvalue(), FORMATS["WAV"].mime, name, len(waveform) / rate, note)


def waveform_outline(data: bytes, columns: int = COLUMNS) -> Array:
    """Return the lowest and highest sample of each stretch of a sound file, all channels together, for drawing.

    Returns
    -------
    (columns, 2), or fewer rows where the file has fewer samples; none where it cannot be decoded.
    """
    try:
        samples, _ = sf.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except sf.LibsndfileError:
        return np.zeros((0, 2), np.float32)
    columns = min(columns, len(samples))
    if not columns:
        return np.zeros((0, 2), np.float32)
    starts = np.arange(columns) * len(samples) // columns
    lowest, highest = np.minimum.reduceat(samples.min(1), starts), np.maximum.reduceat(samples.max(1), starts)
    return np.stack([lowest, highest], axis=1)


# The clip's file


def _open(run: Run, path: str) -> tuple[Config, Path, Header]:
    """Return the settings, a clip's file and its header, which must say what it said when the run was prepared."""
    _, config, _ = run.read_description()
    file, clip = _file(run, path), clips_by_path(run)[path]
    try:
        header = inspect(file, config.audio)
    except AudioError as error:
        problem = "has been moved: it is not there" if not file.exists() else f"has changed: it {error.problem}"
        raise _gone(run, file, problem) from error
    same = (header.format, header.sample_rate) == (clip.format, clip.native_rate)
    if not same or abs(header.seconds - clip.seconds) > SAME_LENGTH:
        raise _gone(run, file, "has changed since the run was made: its format, rate or length is another")
    return config, file, header


def _file(run: Run, path: str) -> Path:
    """Return where a clip's file is; only a clip of the run has one, and only inside the run's folders.

    A clip may be a link, as `prepare` reads links; links to folders are followed only where a manifest names them.
    """
    if run.shipped:
        raise ArtifactError(run.clips_table, "the sound of its clips does not ship with the project", SHIPPED_REMEDY)
    if path not in clips_by_path(run):
        raise ArtifactError(run.clips_table, f"it lists no clip {printable(path)}", "Choose another clip")
    data, _, _ = run.read_description()
    root = Path(data["root"])
    file = root / stored(path)
    if data["manifest"]:
        inside = not PurePath(path).is_absolute() and ".." not in PurePath(path).parts
    else:
        folders = [(root / data[name]).resolve() for name in ("human", "ai")]
        inside = any(file.parent.resolve().is_relative_to(folder) for folder in folders)
    if not inside:
        raise ArtifactError(run.clips_table, f"{printable(path)} leaves the run's folders", run.remedy("prepare"))
    return file


def _gone(run: Run, file: Path, problem: str) -> ArtifactError:
    data, _, _ = run.read_description()
    places = "--manifest FILE.csv" if data["manifest"] else "--human DIR --ai DIR"
    command = run.command(places)
    remedy = f"Put it back, or run `{command}` on where the clips are now"
    return ArtifactError(file, f"this clip's file {problem}", remedy)


def _native(run: Run, path: str, config: Config, file: Path, gain: float, note: str) -> Sound:
    """Return the clip's part of its file at its own rate and channels, as WAV."""
    try:
        header, waveform = read_native(file, config.audio)
    except AudioError as error:
        raise _gone(run, file, f"has changed: it {error.problem}") from error
    return wav(waveform * np.float32(gain), header.sample_rate, f"{PurePath(path).stem}.wav", note)


def _length(header: Header) -> str:
    return f"{header.seconds:.0f} s" if header.seconds < 120 else f"{header.seconds / 60:.0f} minutes"


# The reconstruction


def _picture(run: Run, file: Path, row: int) -> Array:
    """Return a clip's row of an array of the phase `explain`, (n_mels, frames) in dB."""
    array = storage.read_npy(file, run.remedy("explain"))
    if array.ndim != 3 or len(array) != len(clips_by_path(run)):
        raise ArtifactError(file, "it does not hold the clips of clips.csv", run.remedy("explain"))
    return np.asarray(array[row], np.float32)


def _inverted(picture: Array, config: Config) -> Array:
    from core.features.inverse import mel_to_audio  # late: loads signal libraries, which no page needs to open

    spectrogram = config.spectrogram
    return mel_to_audio(
        picture, config.audio.sample_rate, spectrogram.n_fft, spectrogram.hop_length, config.audio.samples
    )


def _level_note(lowered: float) -> str:
    if lowered == 1:
        return "All three at their true relative level."
    decibels = -20 * np.log10(lowered)
    return f"All three at their true relative level, {decibels:.1f} dB below the file's, so that none clips."


def _relative_level(waveform: Array, reference: Array) -> float:
    """Return the RMS of a waveform in dB relative to another's; 0 where either is silent."""
    levels = _rms(waveform), _rms(reference)
    return float(20 * np.log10(levels[0] / levels[1])) if min(levels) > 0 else 0.0


def _rms(waveform: Array) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def _peak(waveform: Array) -> float:
    return float(np.abs(waveform).max(initial=0))
