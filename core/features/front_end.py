"""From a waveform to everything the models read of it: one path for training, degraded versions and serving."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core import storage
from core.artifacts import Run
from core.audio.transforms import decode_chain
from core.config import Config
from core.features.filterbanks import ast_filterbank, log_mel
from core.features.fine_spectrum import fine_spectrum
from core.storage import Array

# A float16's step, 5e-4 of a deviation, is a tenth of what bfloat16 arithmetic rounds away after it.
FILTERBANK_DTYPE = np.float16


class Pictures(NamedTuple):
    """What the models read of a clip."""

    log_mel: Array  # (n_mels, frames) float32, dB
    filterbank: Array  # (frames, 128) float16, as AST takes it
    fine_spectrum: Array  # (SIZE,) float32


PICTURES = Pictures._fields


def as_prepared(run: Run, config: Config) -> Config:
    """Return the config with the band limit that a run's prepare phase found for its clips."""
    rate = int(storage.read_json(run.front_end, run.remedy("prepare"))["equalise_rate"])
    return replace(config, audio=replace(config.audio, equalise_rate=rate))


def heard(waveform: Array, config: Config) -> Array:
    """Return a waveform as the pictures are made of it: through the common decode chain, if that is asked for."""
    if not config.audio.equalise:
        return waveform
    rate = config.audio.equalise_rate or config.audio.sample_rate
    return decode_chain(waveform, config.audio.sample_rate, rate)


def pictures(waveform: Array, config: Config) -> Pictures:
    """Compute what the models read.

    With `audio.equalise` the clip first goes through the common decode chain: one codec, one level, and the band limit
    `audio.equalise_rate`, which the prepare phase has found by then.

    Parameters
    ----------
    waveform : (audio.samples,) at `audio.sample_rate`, in about [-1, 1].
    """
    waveform = heard(waveform, config)
    filterbank = ast_filterbank(waveform).astype(FILTERBANK_DTYPE)
    return Pictures(log_mel(waveform, config.audio, config.spectrogram), filterbank, fine_spectrum(waveform))
