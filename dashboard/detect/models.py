"""Ask a run's models about a sound: the verdict, and what lies behind one window of it.

Only what is called here loads them: opening the page does not. Models are shared by all sessions; answers never are.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.artifacts import Run
from core.audio import encoding, upload
from core.audio.clips import fit
from core.audio.containers import FORMATS
from core.config import AudioConfig
from core.errors import ArtifactError, AudioError
from core.features.fine_axes import SIZE
from core.storage import Array
from core.verdict.answer import Call, Verdict, Window
from dashboard.detect import session
from dashboard.detect.portrait import Portrait, portrait_of
from dashboard.detect.session import Given
from dashboard.reading import runs, sound
from dashboard.reading.clips import artefact_reference
from dashboard.reading.results import results_json
from dashboard.reading.sound import Sound

if TYPE_CHECKING:
    from core.models.attribution import ArtefactView
    from core.verdict.judge import Judge

Progress = Callable[[float], object]

PLAYED_KBPS = 40  # of a song too large to send as it is: 18 MB for an hour


@dataclass(frozen=True)
class Answer:
    """The verdict, and the song to listen to and to look at."""

    verdict: Verdict
    calls: Mapping[str, tuple[Call | None, ...]]  # what each window alone would be called; None: it does not count
    band: tuple[float, float]  # between them the deciding detector makes no call
    portrait: Portrait
    sound: Sound
    samples: Array  # (n,) of the whole song as the models heard it: what windows are cut from


@dataclass(frozen=True)
class Refused:
    """Why there is no verdict."""

    error: AudioError


@dataclass(frozen=True)
class WindowEvidence:
    """What the models made of one window."""

    waveform: Array  # (audio.samples,)
    log_mel: Array  # (n_mels, frames) dB
    rebuilt: Array  # the autoencoder's reconstruction of it
    latent: Array  # (size,), of the autoencoder
    attention: Array  # times an even share, over the log-mel; empty where no transformer gave it
    artefacts: "ArtefactView | None"  # None where the run holds no human mean to compare with


def check(run: Run) -> None:
    """Make sure that a run can judge, without loading anything.

    Raises
    ------
    ArtifactError : it is not evaluated yet, or was before there was a rule for songs.
    """
    runs.results(run)
    if "verdict" not in results_json(run):
        problem = "made by another version: it holds no rule for whole songs"
        raise ArtifactError(run.results_file, problem, run.remedy("evaluate"))
    if not run.scope.exists():
        raise ArtifactError(run.scope, "not made yet", run.remedy("evaluate"))


def load(run: Run) -> "Judge":
    """Return a run's models, loaded once for all sessions; who looks into them holds their `lock`."""
    return judge_of(str(run.folder), run.results_file.stat().st_mtime_ns)


@st.cache_resource(max_entries=2, show_spinner="Loading the models, once …")
def judge_of(folder: str, changed: int) -> "Judge":
    """Return the models of a run's folder, as its results were made at a time in nanoseconds."""
    # Threads of torch that wait for one another sleep: spinning, they took twice the time and more beside other work.
    # It is read when torch is loaded; the commands have it from scripts/environment.py.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from core.verdict.judge import Judge  # late: loads torch

    return Judge(Run(Path(folder)))


# The answer


def answer(run: Run, given: Given, progress: Progress) -> Answer | Refused:
    """Judge this session's sound, once."""
    key = ("answer", run.name, run.results_file.stat().st_mtime_ns, given.sha256, given.name)
    return session.kept(key, lambda: _answer(load(run), given, progress))


def _answer(judge: "Judge", given: Given, progress: Progress) -> Answer | Refused:
    from core.verdict.judge import judge_sound  # late: loads torch

    config = judge.config
    try:
        with upload.decoded(given.content, given.name, config.audio, lambda share: progress(share / 4)) as decoded:
            verdict = judge_sound(decoded, given.name, judge, lambda share: progress((1 + 3 * share) / 4))
            samples = decoded.samples()
    except AudioError as error:
        return Refused(error)
    band = judge.rule.models[verdict.detector].band
    return Answer(
        verdict=verdict,
        calls=_calls(judge, verdict),
        band=(band.low, band.high),
        portrait=portrait_of(samples, config),
        sound=_played(given, verdict, samples, config.audio.sample_rate),
        samples=samples,
    )


def _calls(judge: "Judge", verdict: Verdict) -> dict[str, tuple[Call | None, ...]]:
    """Return what each window alone would be called, by detector."""
    return {
        name: tuple(rule.call(window.calibrated[name]) if window.counts else None for window in verdict.windows)
        for name, rule in judge.rule.models.items()
    }


def _played(given: Given, verdict: Verdict, samples: Array, rate: int) -> Sound:
    """Return the sound's own bytes, or, where they are too many or no browser plays them, what was heard as MP3."""
    plays = FORMATS[verdict.format].is_played
    if plays and len(given.content) <= sound.MAX_BYTES:
        return Sound(given.content, FORMATS[verdict.format].mime, "", verdict.seconds)
    kind = "A large file" if plays else f"Browsers do not play {verdict.format} files"
    note = f"{kind}: this is what the models heard of it, mono at 16 kHz, as MP3."
    return Sound(encoding.mp3(samples, rate, PLAYED_KBPS), FORMATS["MP3"].mime, "", verdict.seconds, note)


# One window


def evidence(run: Run, answer: Answer, window: Window) -> WindowEvidence:
    """Look into the models for one window of a song that was answered, once per session."""
    key = ("evidence", run.name, answer.verdict.sha256, window.start)
    return session.kept(key, lambda: _evidence(run, load(run), answer, window))


def _evidence(run: Run, judge: "Judge", answer: Answer, window: Window) -> WindowEvidence:
    import torch

    from core.features.front_end import pictures

    detector, config = judge.detector, judge.config
    waveform = window_samples(answer.samples, window, config.audio)
    seen = pictures(waveform, config)
    autoencoder: Any = detector.models["ae_multitask"]
    with judge.lock, torch.inference_mode(), detector.device.precision():
        inputs = detector.device.place(torch.from_numpy(seen.log_mel)[None, None])
        latent = autoencoder.encode(inputs).float().cpu().numpy()[0]
        rebuilt = autoencoder(inputs).reconstruction.float().cpu().numpy()[0, 0]
    with judge.lock:
        attention = _attention(judge, seen.filterbank, seen.log_mel.shape)
        artefacts = _artefacts(run, judge, seen.fine_spectrum)
    return WindowEvidence(waveform, seen.log_mel, rebuilt, latent, attention, artefacts)


def window_samples(samples: Array, window: Window, config: AudioConfig) -> Array:
    """Return a copy of a window's sound as the models heard it, (config.samples,)."""
    start = round(window.start * config.sample_rate)
    return np.array(fit(samples[start : start + config.samples], config))


def _attention(judge: "Judge", filterbank: Array, shape: tuple[int, ...]) -> Array:
    """Return the attention over a log-mel's bands and frames, as a multiple of an even share."""
    from core.features.mel_scale import band_centres
    from core.models.attribution import explain_clip
    from core.models.transformer import ASTTransformerEncoder

    encoder, config = judge.detector.models["transformer"], judge.config
    if not isinstance(encoder, ASTTransformerEncoder):
        return np.zeros((0, 0), np.float32)
    explanation, _ = explain_clip(encoder, filterbank.astype(np.float32))
    share = explanation.patches * explanation.patches.size
    hertz = np.interp(explanation.patch_bins, np.arange(len(explanation.hertz)), explanation.hertz)
    seconds = np.arange(shape[1]) * config.spectrogram.hop_length / config.audio.sample_rate
    over_time = np.array([np.interp(seconds, explanation.patch_seconds, line) for line in share])
    centres = band_centres(shape[0], config.audio.sample_rate)
    return np.array([np.interp(centres, hertz, line) for line in over_time.T]).T


def _artefacts(run: Run, judge: "Judge", fine: Array) -> "ArtefactView | None":
    from core.models.attribution import artefact_view
    from core.models.fine_spectrum import FineSpectrumClassifier

    model = judge.detector.models["fine_spectrum"]
    if not run.artefact_reference.exists() or not isinstance(model, FineSpectrumClassifier):
        return None
    reference = artefact_reference(run)
    if reference.shape != (SIZE,):
        raise ArtifactError(run.artefact_reference, "damaged", run.remedy("explain"))
    return artefact_view(model, fine, np.asarray(reference), judge.config.audio.sample_rate)
