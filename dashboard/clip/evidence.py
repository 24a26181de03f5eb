"""What lies behind the verdicts on one clip: reconstruction and residual, fusion weights, fine lines."""

import numpy as np
import pandas as pd
import streamlit as st

from core.artifacts import Run
from core.config import Config
from core.features.fine_axes import LINE_COUNT, line_frequencies
from core.storage import Array
from dashboard.clip import figures
from dashboard.drawing import theme
from dashboard.reading import clips
from dashboard.reading.clips import read_row

STRONGEST = 20  # lines that are marked


def reconstruction(run: Run, clip: pd.Series) -> None:
    """Show a clip's spectrogram beside its reconstruction, at one scale, and what the reconstruction misses."""
    row, config = int(clip["row"]), run.read_description()[1]
    original = read_row(run, run.log_mel, row, "explain").astype(np.float32)
    rebuilt = read_row(run, run.reconstructions, row, "explain").astype(np.float32)
    st.header("What the autoencoder keeps of it", anchor=False)
    beside(original, rebuilt, config)
    st.caption(
        f"Reconstruction error {clip['reconstruction_error']:.3f} (squared deviations of the training clips). "
        "It was trained to rebuild and to classify at once: what it drops, it did not need for either."
    )


def beside(original: Array, rebuilt: Array, config: Config) -> None:
    """Show a log-mel, its reconstruction and the difference side by side, (n_mels, frames) in dB each."""
    missed = original - rebuilt
    rms = float(np.sqrt(np.mean(np.square(missed))))
    shown = (
        ("Original", "dB below its maximum", figures.spectrogram, original),
        ("Reconstruction", "the same scale", figures.spectrogram, rebuilt),
        ("Residual", f"what is missing, {rms:.1f} dB RMS", figures.residual, missed),
    )
    for column, (title, unit, draw, values) in zip(st.columns(3), shown, strict=True):
        with column:
            st.markdown(f"**{title}** · {unit}")
            st.html(draw(values, config, f"Log-mel spectrogram, {title.lower()}: {unit}"))


def fusion(clip: pd.Series) -> None:
    """Say what the hybrid's attention made of a clip's two embeddings."""
    weights = {name: clip[f"weight_{name}"] for name in ("autoencoder", "transformer")}
    said = " and ".join(f"{weight:.0%} to the {name}" for name, weight in weights.items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The hybrid's fusion gives {said}: where it looked, not what decided.")
        st.page_link("../pages/attention.py", label="What removing each does", icon=":material/visibility:")


def artefacts(run: Run, clip: pd.Series) -> None:
    """Show the clip's fine lines, and which of them moved the fine-spectrum detector."""
    row, config = int(clip["row"]), run.read_description()[1]
    moved = read_row(run, run.artefact_contributions, row, "explain").astype(np.float32)
    measured = read_row(run, run.fine_spectrum, row, "prepare")[:LINE_COUNT]
    reference = clips.artefact_reference(run)[:LINE_COUNT]
    lines, grain = moved[:LINE_COUNT], moved[LINE_COUNT:]
    strongest = np.argsort(-np.abs(lines), kind="stable")[:STRONGEST]
    said = (
        f"log-odds of AI {moved.sum():+.2f} against the mean human training clip: "
        f"{lines.sum():+.2f} from its {LINE_COUNT:,} lines, {grain.sum():+.2f} from its grain"
    )
    st.header("What the fine spectrum hears in it", anchor=False)
    st.markdown(
        f"**Residual spectrum over {config.audio.seconds:g} seconds** · marked: "
        f"the {STRONGEST} lines that moved the score most"
    )
    shown = line_frequencies(config.audio.sample_rate), measured, reference, lines, strongest
    alt = f"Residual spectrum of the clip: {said}"
    st.html(figures.lines(*shown, alt))
    st.caption(
        "Green: this clip. Grey, thin: the mean human training clip. Marks: moved the score "
        f"{theme.MARKS['ai']} towards AI, {theme.MARKS['human']} towards human; in all, {said}. "
        "Narrow lines that stand still are what a neural decoder's upsampling leaves; so do whistles."
    )
    closer = st.expander("Look closer: zoom, and read off every line", key="clip-lines", on_change="rerun")
    if closer.open:
        closer.plotly_chart(figures.artefacts(*shown), config=theme.CHART_CONFIG, key="artefacts", alt=alt)
