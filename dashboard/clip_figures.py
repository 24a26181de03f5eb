"""Plotly figures of one clip: values in, figure out. Nothing is read or computed here but what a picture needs."""

import numpy as np
import plotly.graph_objects as go

from core import mel_scale
from core.storage import Array
from dashboard import theme

HEIGHT = 270
TICKS = (250, 500, 1000, 2000, 4000)  # Hz
LARGEST_RESIDUAL = 30.0  # dB: the scale of every residual, so that clips can be compared


def spectrogram(decibels: Array, seconds: float, sample_rate: int, top_db: float) -> go.Figure:
    """Draw a log-mel spectrogram, (n_mels, frames) in dB below the clip's maximum, on true time and frequency axes."""
    return _picture(decibels, seconds, sample_rate, (-top_db, 0.0), theme.SEQUENTIAL)


def residual(difference: Array, seconds: float, sample_rate: int) -> go.Figure:
    """Draw a difference of two log-mel spectrograms in dB, centred at zero, its scale the same for every clip."""
    return _picture(difference, seconds, sample_rate, (-LARGEST_RESIDUAL, LARGEST_RESIDUAL), theme.DIVERGING)


def _picture(
    values: Array, seconds: float, sample_rate: int, limits: tuple[float, float], colours: list[str]
) -> go.Figure:
    bands, frames = values.shape
    whole = np.clip(np.round(values.astype(np.float32)), -127, 127).astype(np.int8)  # 1 dB: a quarter of the payload
    figure = go.Figure(
        go.Heatmap(
            z=whole,
            x=np.linspace(0, seconds, frames),  # not rounded: evenly spaced, it is drawn as one small picture
            customdata=np.repeat(mel_scale.band_centres(bands, sample_rate).astype(np.int16)[:, None], frames, axis=1),
            colorscale=[
                [place, colour] for place, colour in zip(np.linspace(0, 1, len(colours)), colours, strict=True)
            ],
            zmin=limits[0],
            zmax=limits[1],
            colorbar={"thickness": 8, "len": 1.0, "ticksuffix": " dB", "dtick": 20, "outlinewidth": 0},
            hovertemplate="%{x:.2f} s, %{customdata} Hz: %{z} dB<extra></extra>",
        )
    )
    ticks = [hertz for hertz in TICKS if hertz < sample_rate / 2]
    figure.update_yaxes(
        tickvals=mel_scale.band_of(ticks, bands, sample_rate),
        ticktext=[f"{hertz / 1000:g}" for hertz in ticks],
        title={"text": "kHz", "standoff": 4},
        showgrid=False,
        fixedrange=True,
    )
    figure.update_xaxes(title={"text": "Seconds", "standoff": 4}, showgrid=False, fixedrange=True)
    return figure.update_layout(height=HEIGHT, margin={"l": 44, "r": 4, "t": 8, "b": 40})


def artefacts(hertz: Array, clip: Array, reference: Array, moved: Array, strongest: Array) -> go.Figure:
    """Draw a clip's fine lines beside the human mean, and how far each moved the verdict (SPEC V3).

    Parameters
    ----------
    clip, reference : (lines,) dB, residual spectrum of the clip and of the mean human training clip.
    moved : (lines,) contribution to the log-odds of AI, the clip's less the reference's.
    strongest : indices of the lines that are marked.
    """
    figure = go.Figure()
    for values, name, colour, width in (
        (reference, "Mean human training clip", theme.NEUTRAL, 1),
        (clip, "This clip", theme.ACCENT, 1.2),
    ):
        figure.add_trace(
            go.Scatter(  # these few points need no WebGL, which takes a second to start where there is no GPU
                x=hertz / 1000, y=values.astype(np.float32), name=name, mode="lines",
                line={"color": colour, "width": width}, hovertemplate="%{x:.3f} kHz: %{y:.1f} dB",
            )
        )  # fmt: skip
    for label, chosen in (("ai", moved[strongest] > 0), ("human", moved[strongest] < 0)):
        lines = strongest[chosen]
        figure.add_trace(
            go.Scatter(
                x=hertz[lines] / 1000, y=clip[lines].astype(np.float32), mode="markers",
                name=f"moved the score towards {theme.NAMES[label]}", customdata=moved[lines].astype(np.float32),
                marker={"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": 9},
                hovertemplate="%{x:.3f} kHz: log-odds %{customdata:+.3f}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title={"text": "Frequency (kHz)", "standoff": 4})
    figure.update_yaxes(title={"text": "dB over its surroundings", "standoff": 4}, fixedrange=True)
    return figure.update_layout(
        height=300, margin={"l": 52, "r": 8, "t": 8, "b": 40}, hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
