"""Figures of one clip: values in, figure out. Nothing is read or computed here but what a picture needs."""

import numpy as np
import plotly.graph_objects as go

from core import palette
from core.config import Config
from core.storage import Array
from dashboard.drawing import pictures, planes, player, theme
from dashboard.drawing.planes import plane_html
from dashboard.drawing.row_charts import Mark

LINES_HEIGHT = 240  # pixels
LARGEST_RESIDUAL = 30.0  # dB: the scale of every residual, so that clips can be compared


def spectrogram(decibels: Array, config: Config, alt: str) -> str:
    """Draw a log-mel spectrogram, (n_mels, frames) in dB below the clip's maximum, on true time and frequency axes."""
    return _picture(decibels, config, (-config.spectrogram.top_db, 0.0), palette.SEQUENTIAL, alt)


def residual(difference: Array, config: Config, alt: str) -> str:
    """Draw a difference of two log-mel spectrograms in dB, centred at zero, its scale the same for every clip."""
    return _picture(difference, config, (-LARGEST_RESIDUAL, LARGEST_RESIDUAL), palette.DIVERGING, alt)


def _picture(values: Array, config: Config, limits: tuple[float, float], colours: list[str], alt: str) -> str:
    axes = player.log_mel_axes(config, values.shape[1])
    picture = pictures.data_uri(pictures.spectrogram_png(values, *limits, colours), "image/png")
    kilohertz = planes.Axis(title="kHz", ticks=axes.ticks)
    seconds = planes.Axis(title="", ticks=planes.ticks(axes.start, axes.end, last=" s"))
    scale = planes.ColourScale(colours=colours, ticks=planes.ticks(*limits, " dB", 4))
    return plane_html(picture, alt, seconds, kilohertz, scale)


def lines(hertz: Array, clip: Array, reference: Array, moved: Array, strongest: Array, alt: str) -> str:
    """Draw a clip's fine lines over the human mean and mark the strongest; parameters as `artefacts`."""
    both = np.stack([reference, clip])
    low, high = float(both.min()), max(float(both.max()), float(both.min()) + 1)
    heights, ends = (both - low) / (high - low), (hertz[0] / 1000, hertz[-1] / 1000)
    picture = pictures.lines_svg([(heights[0], palette.NEUTRAL, 1), (heights[1], palette.ACCENT, 1.2)])
    points = [
        planes.Point(
            line / max(len(hertz) - 1, 1), float(heights[1][line]), _moved(hertz[line], clip[line], moved[line])
        )
        for line in strongest.tolist()
    ]
    return plane_html(
        pictures.data_uri(picture, "image/svg+xml"), alt, height=LINES_HEIGHT, points=points,
        x=planes.Axis(title="", ticks=planes.ticks(*ends, most=8, last=" kHz")),
        y=planes.Axis(title="dB over surroundings", ticks=planes.ticks(low, high)),
    )  # fmt: skip


def _moved(hertz: float, decibels: float, moved: float) -> Mark:
    """Return the mark of a line that moved the score."""
    label = "ai" if moved > 0 else "human"
    says = f"{hertz / 1000:.3f} kHz, {decibels:.1f} dB: log-odds {moved:+.3f}, towards {theme.NAMES[label]}"
    return Mark(at=0, says=says, symbol=theme.SYMBOLS[label], colour=theme.COLOURS[label], size=9)


def artefacts(hertz: Array, clip: Array, reference: Array, moved: Array, strongest: Array) -> go.Figure:
    """Draw a clip's fine lines beside the human mean, and how far each moved the verdict.

    Parameters
    ----------
    clip, reference : (lines,) dB, residual spectrum of the clip and of the mean human training clip.
    moved : (lines,) contribution to the log-odds of AI, the clip's less the reference's.
    strongest : indices of the lines that are marked.
    """
    figure = go.Figure()
    for values, name, colour, width in (
        (reference, "Mean human training clip", palette.NEUTRAL, 1),
        (clip, "This clip", palette.ACCENT, 1.2),
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
