"""Pictures and sound as addresses that hold them, small enough to travel inside one HTML file."""

import io
from dataclasses import dataclass

import soundfile
import soxr
from PIL import Image

from core.artifacts import Run
from core.audio import encoding
from core.audio.containers import FORMATS
from core.config import Config
from core.errors import ArtifactError
from core.storage import Array
from dashboard.drawing import pictures, player
from dashboard.reading.kept import kept
from dashboard.reading.runs import read_figure

WIDEST = 1600  # pixels of a printed figure
COLOURS = 128  # of a printed figure: curves and text need no more
TALL = 1.6  # times as high as wide: on one page of paper nobody could read it
SOUND_SECONDS = 10.0  # of an example at most
KBPS = 128
_OTHER_RATE = 44_100  # Hz, for sound at any other rate


@dataclass(frozen=True)
class Picture:
    """A printed figure with its size in pixels."""

    address: str
    width: int
    height: int

    @property
    def tall(self) -> bool:
        """Whether it would be too small to read on one page of paper."""
        return self.height > TALL * self.width


@dataclass(frozen=True)
class Spectrogram:
    """A spectrogram with what stands at its axes: height from the bottom, as a share, and kHz."""

    address: str
    seconds: float
    ticks: tuple[tuple[float, str], ...]


def figure(run: Run, name: str) -> Picture | None:
    """Return a printed figure in few colours, or None where the run holds no whole one of this name."""
    try:
        return _figure(run, name)
    except (ArtifactError, OSError, SyntaxError, ValueError):  # missing, or what PIL says of damaged files
        return None


@kept(lambda run, name: (run.figure(name),), most=16)
def _figure(run: Run, name: str) -> Picture:
    with Image.open(io.BytesIO(read_figure(run.figure(name), run)), formats=["PNG"]) as image:
        figure = image.convert("RGB")
    figure.thumbnail((WIDEST, figure.height), Image.Resampling.LANCZOS)
    few = figure.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    file = io.BytesIO()
    few.save(file, "WEBP", lossless=True, quality=60, method=4)
    return Picture(pictures.data_uri(file.getvalue(), "image/webp"), *few.size)


def spectrogram(decibels: Array, config: Config) -> Spectrogram:
    """Return a log-mel spectrogram, (n_mels, frames) in dB below the clip's maximum, with its axes."""
    ticks = player.log_mel_axes(config, decibels.shape[1]).ticks
    picture = pictures.spectrogram_png(decibels, -config.spectrogram.top_db)
    return Spectrogram(pictures.data_uri(picture, "image/png"), config.audio.seconds, ticks)


def sound_bytes(seconds: float) -> float:
    """Return how much text a clip of a length takes as sound."""
    return min(seconds, SOUND_SECONDS) * KBPS * 1000 / 8 * 4 / 3


def mp3(content: bytes, seconds: float) -> str:
    """Encode the first seconds of a sound file anew, at its own rate and level, mono or stereo.

    Raises
    ------
    soundfile.LibsndfileError : it cannot be decoded.
    """
    waveform, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    waveform = waveform[: round(min(seconds, SOUND_SECONDS) * rate)]
    if waveform.shape[1] > 2:
        waveform = waveform.mean(axis=1, keepdims=True)
    if not encoding.allows_mp3(rate, KBPS):
        waveform, rate = soxr.resample(waveform, rate, _OTHER_RATE), _OTHER_RATE
    return pictures.data_uri(encoding.mp3(waveform, rate, KBPS), FORMATS["MP3"].mime)
