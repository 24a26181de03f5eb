"""The stress test: what a window's sound may go through on its way to a listener, and whether the answers hold.

Five kinds of change at seven strengths each. Seven and the original are eight clips, as many as go through the models
at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.artifacts import DETECTORS, Run
from core.config import Config
from core.storage import Array
from core.verdict.answer import Window
from dashboard.detect import figures, session, words
from dashboard.detect import window as window_view
from dashboard.detect.models import Answer, WindowEvidence, load
from dashboard.drawing import player, theme
from dashboard.reading import sound

if TYPE_CHECKING:
    from core.verdict.judge import Judge


@dataclass(frozen=True)
class Change:
    """A kind of change."""

    title: str
    unit: str
    amounts: tuple[float, ...]  # seven, from left to right on the chart


CHANGES = {
    "mp3": Change("MP3", "kbit/s", (128, 96, 64, 48, 32, 24, 16)),
    "noise": Change("White noise", "dB signal to noise", (50, 40, 30, 25, 20, 15, 10)),
    "pitch": Change("Pitch", "semitones", (-3, -2, -1, 0.5, 1, 2, 3)),
    "low_pass": Change("Low-pass", "kHz", (7, 6, 5, 4, 3, 2, 1)),
    "gain": Change("Gain", "dB", (-18, -12, -6, 3, 6, 12, 18)),
}
SEED = 0  # of the noise


@dataclass(frozen=True)
class Stress:
    """How the detectors' answers to a window move under changes of one kind."""

    waveforms: tuple[Array, ...]  # one per strength
    original: Mapping[str, float]  # calibrated probability of AI, by detector
    changed: Mapping[str, tuple[float, ...]]  # the same, one per strength


@st.fragment
def show(run: Run, answer: Answer, window: Window, evidence: WindowEvidence) -> None:
    """Let the reader change the window's sound and see how the detectors' answers move."""
    config = run.read_description()[1]
    st.header("Stress test", anchor=False)
    st.caption("Change the sound of this window as a listener's player, app or phone might: do the answers hold?")
    kind = st.segmented_control(
        "Change", list(CHANGES), format_func=lambda kind: CHANGES[kind].title, key="detect-change"
    )
    if kind is None:
        return
    change = CHANGES[kind]
    with st.spinner("Changing and listening again …"):
        moved = listen(run, answer, window, evidence.waveform, kind)
    both = {name: [moved.original[name], *values] for name, values in moved.changed.items()}
    apart = {name: max(abs(value - values[0]) for value in values) for name, values in both.items()}
    most = max(apart, key=apart.__getitem__)
    said = f"{figures.SHORT[most]} moves most, by {100 * apart[most]:.0f} points"
    st.markdown(f"**Probability of AI, calibrated, by {change.title} in {change.unit}** · {said}")
    st.plotly_chart(
        figures.stress(change.amounts, f"{change.title}, {change.unit}", both), config=theme.CHART_CONFIG,
        key="detect-stress", alt=f"Each detector's probability at {len(change.amounts)} strengths: {said}",
    )  # fmt: skip
    amount = st.select_slider("Strength to hear", change.amounts, key=f"detect-amount-{kind}")
    place = change.amounts.index(amount)
    rows = [
        {"Detector": figures.SHORT[name], "Original": words.share(values[0]),
         f"{amount:g} {change.unit}": words.share(values[place + 1])}
        for name, values in both.items()
    ]  # fmt: skip
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt="Each detector before and after the change")
    tracks = [
        _track("Original", evidence.waveform, config),
        _track(f"{amount:g} {change.unit}", moved.waveforms[place], config),
    ]
    player.player(tracks, key="detect-stress-player")


def _track(name: str, waveform: Array, config: Config) -> player.Track:
    from core.features.filterbanks import log_mel  # late: loads signal libraries

    heard = sound.wav(waveform, config.audio.sample_rate, "")
    return window_view.track(name, heard, log_mel(waveform, config.audio, config.spectrogram), config)


def listen(run: Run, answer: Answer, window: Window, waveform: Array, kind: str) -> Stress:
    """Ask the detectors about a window at every strength of a change, once per session."""
    key = ("stress", run.name, answer.verdict.sha256, window.start, kind)
    return session.kept(key, lambda: _answers(load(run), waveform, kind))


def _answers(judge: "Judge", waveform: Array, kind: str) -> Stress:
    from core.features.front_end import pictures

    config, rules = judge.config, judge.rule.models
    waveforms = tuple(changed(kind, amount, waveform, config.audio.sample_rate) for amount in CHANGES[kind].amounts)
    with judge.lock:
        probabilities = judge.detector.read([pictures(version, config) for version in (waveform, *waveforms)], label="")
    scaled = {name: rules[name].calibrated([float(p) for p in probabilities[name]]) for name in DETECTORS}
    return Stress(
        waveforms,
        {name: values[0] for name, values in scaled.items()},
        {name: tuple(values[1:]) for name, values in scaled.items()},
    )


def changed(kind: str, amount: float, waveform: Array, sample_rate: int) -> Array:
    """Return a waveform (samples,) after a change of a kind in `CHANGES`."""
    from core.audio import transforms  # late: loads signal libraries

    if kind == "noise":
        return transforms.noise(waveform, sample_rate, amount, SEED)
    if kind == "low_pass":
        return transforms.low_pass(waveform, sample_rate, 1000 * amount)
    change = {"mp3": transforms.mp3, "pitch": transforms.pitch, "gain": transforms.gain}[kind]
    return change(waveform, sample_rate, amount)
