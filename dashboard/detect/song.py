"""A whole song as one picture and one sound, however long it is, in memory that does not grow with its length."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from core.config import Config
from core.storage import Array

COLUMNS = 1200  # of a picture at most
FRAMES = 4  # that a column of a long song's picture is the mean of
FLOOR = 1e-10  # power
BLOCK = 2**14  # samples handed to an encoder at once


@dataclass(frozen=True)
class Portrait:
    """A song at a glance."""

    log_mel: Array  # (n_mels, columns): dB below its maximum
    outline: Array  # (columns, 2): lowest and highest sample
    seconds: float


def portrait(path: Path, config: Config) -> Portrait:
    """Draw the log-mel spectrogram and the outline of a mono sound file at the models' rate.

    A column stands for a hop of the models' own log-mel, or for more where there would be too many; then it is the mean
    of a few frames spread over it.
    """
    from librosa.filters import mel  # late, as everything that loads signal libraries

    settings, rate = config.spectrogram, config.audio.sample_rate
    samples = sf.info(path).frames
    hop = max(settings.hop_length, -(-samples // COLUMNS))
    length = max(hop, settings.n_fft)
    filters = mel(sr=rate, n_fft=settings.n_fft, n_mels=settings.n_mels)
    window = np.hanning(settings.n_fft + 1)[:-1].astype(np.float32)
    power, outline = [], []
    with sf.SoundFile(path) as sound:
        for start in range(0, samples, hop):
            sound.seek(start)
            block = sound.read(length, dtype="float32", fill_value=0.0)
            own = block[: min(hop, samples - start)]
            outline.append((own.min(), own.max()))
            power.append(_power(block, filters, window))
    decibels = 10 * np.log10(np.maximum(np.array(power, np.float32).T, FLOOR))
    decibels = np.maximum(decibels - decibels.max(), -settings.top_db)
    return Portrait(decibels, np.array(outline, np.float32), samples / rate)


def _power(block: Array, filters: Array, window: Array) -> Array:
    """Return the mean power in each mel band (n_mels,) of frames spread over a block."""
    n_fft = len(window)
    count = min(FRAMES, len(block) // n_fft)
    starts = np.linspace(0, len(block) - n_fft, count).astype(int)
    spectra = np.fft.rfft(np.stack([block[start : start + n_fft] for start in starts]) * window)
    power: Array = filters @ np.square(np.abs(spectra)).mean(axis=0)
    return power


def as_mp3(path: Path) -> bytes:
    """Encode a sound file as MP3, block by block."""
    file = io.BytesIO()
    with sf.SoundFile(path) as sound, sf.SoundFile(file, "w", sound.samplerate, 1, format="MP3") as encoder:
        for block in sound.blocks(BLOCK, dtype="float32"):
            encoder.write(block)
    return file.getvalue()
