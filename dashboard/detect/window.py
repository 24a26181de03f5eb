"""One window of a sound as the models heard it: to hear, to see, and what it is near to."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import pandas as pd
import streamlit as st

from core import palette
from core.artifacts import Run
from core.config import Config
from core.errors import DetectorError, printable
from core.storage import Array
from core.verdict.answer import Window
from dashboard.clip import evidence as clip_evidence
from dashboard.clip import figures as clip_figures
from dashboard.detect import figures, models, words
from dashboard.detect import near as detect_near
from dashboard.detect.models import Answer, WindowEvidence
from dashboard.drawing import player, theme
from dashboard.drawing.pictures import overlay_png
from dashboard.reading import sound
from dashboard.reading.clips import read_row

PLAYED = 3  # neighbours beside the window


def show(run: Run, answer: Answer, window: Window) -> WindowEvidence:
    """Show a window: its sound beside its nearest training clips, attention, reconstruction and fine lines."""
    config = run.read_description()[1]
    with st.spinner("Looking into the models …"):
        evidence = models.evidence(run, answer, window)
    st.header(f"The window {words.span(window)}", anchor=False)
    if window.note:
        st.caption("It is silent, so it does not count." if window.note == "silent" else f"{window.note.capitalize()}.")
    near = _near(run, evidence)
    player.player([_window_track(evidence, config), *_neighbour_tracks(run, near, config)], key="detect-window")
    _table(near)
    st.markdown("**What the autoencoder keeps of it**")
    clip_evidence.beside(evidence.log_mel, evidence.rebuilt, config)
    _artefacts(evidence)
    _place(run, evidence)
    return evidence


def _window_track(evidence: WindowEvidence, config: Config) -> player.Track:
    overlay = overlay_png(np.maximum(evidence.attention - 1, 0)) if evidence.attention.size else b""
    heard = sound.wav(evidence.waveform, config.audio.sample_rate, "", "As the models heard it: mono, at their rate.")
    return track("This window", heard, evidence.log_mel, config, overlay)


def track(name: str, heard: sound.Sound, log_mel: Array, config: Config, overlay: bytes = b"") -> player.Track:
    """Return a sound with its log-mel spectrogram, (n_mels, frames) in dB."""
    return player.log_mel_track(name, heard, log_mel, config, f"Log-mel spectrogram, {name}", overlay=overlay)


# Neighbours


def _near(run: Run, evidence: WindowEvidence) -> pd.DataFrame | None:
    """Return the nearest training clips; None where the run does not hold what it takes."""
    try:
        return detect_near.training_clips(run, evidence.latent)
    except DetectorError:
        return None


def _neighbour_tracks(run: Run, near: pd.DataFrame | None, config: Config) -> Sequence[player.Track]:
    """Return the nearest clips whose sound is there, to be compared at one position."""
    tracks = []
    for place, (_, clip) in enumerate([] if near is None else list(near.iterrows())[:PLAYED], start=1):
        try:
            picture = read_row(run, run.log_mel, int(clip["row"]), "explain").astype(np.float32)
            heard = sound.original(run, clip["path"])
        except DetectorError:  # the run came without its clips
            continue
        tracks.append(track(f"Nearest {place} {palette.SIGNS[clip['label']]}", heard, picture, config))
    return tracks


def _table(near: pd.DataFrame | None) -> None:
    st.markdown(f"**The {detect_near.K} training clips nearest to it**, in the autoencoder's space")
    if near is None:
        st.caption("This run came without its training clips: there is nothing to compare with.")
        return
    rows = [
        {
            "Cosine": f"{clip['cosine']:.3f}",
            "Class": f"{palette.SIGNS[clip['label']]} {theme.NAMES[clip['label']]}",
            "Source": printable(clip["source"]),
            "Clip": printable(PurePath(clip["path"]).name, 60),  # last: on a phone it is what is cut off
        }
        for _, clip in near.iterrows()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"The {len(rows)} nearest training clips with their cosine")
    st.caption("Near in this space means alike in sound, not made by the same: it is no evidence by itself.")


# Behind the detectors


def _artefacts(evidence: WindowEvidence) -> None:
    view = evidence.artefacts
    st.markdown("**What the fine spectrum hears in it**")
    if view is None:
        st.caption("This run holds no mean human clip to compare with.")
        return
    lines, grain = float(view.lines.sum()), float(view.grain.sum())
    said = f"log-odds of AI {lines + grain:+.2f} against the mean human training clip"
    st.plotly_chart(
        clip_figures.artefacts(view.hertz, view.residual, view.reference, view.lines, view.strongest),
        config=theme.CHART_CONFIG, key="detect-artefacts", alt=f"Residual spectrum of the window: {said}",
    )  # fmt: skip
    st.caption(
        f"Marked: the {len(view.strongest)} lines that moved the score most. In all: {said}, {lines:+.2f} from lines, "
        f"{grain:+.2f} from grain. Narrow lines that stand still are what a neural decoder leaves; so do whistles."
    )


def _place(run: Run, evidence: WindowEvidence) -> None:
    st.markdown("**Its place on the map**")
    try:
        place = detect_near.on_map(run, evidence.latent)
    except DetectorError:
        st.caption("This run came without a map.")
        return
    st.plotly_chart(
        figures.place(place.shown, place.x, place.y), config=theme.CHART_CONFIG, key="detect-place",
        alt=f"Where the window stands among {len(place.shown)} clips of the map of the autoencoder's space",
    )  # fmt: skip
    st.caption(
        f"Between its {detect_near.K} nearest clips on the map; no clip moves for it. Distances on a t-SNE map "
        "mean little beyond the nearest."
    )
