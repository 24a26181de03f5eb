"""Still pictures on two axes, drawn with the page's own elements: a picture and its scales in, HTML out.

As a chart's heatmap a spectrogram is 200 kB and a library of 5 MB; as a picture it is 15 kB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dashboard.drawing.row_charts import Mark, shape, steps

HEIGHT = 200  # pixels of a picture


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A side of a picture: what it measures, and where its values stand in shares of the side."""

    title: str
    ticks: tuple[tuple[float, str], ...]  # share from the left or from below, text


@dataclass(frozen=True, kw_only=True)
class ColourScale:
    """The colours of a picture, lowest first, and where values stand beside them."""

    colours: Sequence[str]
    ticks: tuple[tuple[float, str], ...]  # share from below, text


@dataclass(frozen=True)
class Point:
    """A mark on a picture: shares from the left and from below; the mark's own place in a row counts for nothing."""

    x: float
    y: float
    mark: Mark


def plane_html(
    picture: str, alt: str, x: Axis | None = None, y: Axis | None = None, scale: ColourScale | None = None,
    points: Sequence[Point] = (), height: int = HEIGHT, aspect: float = 0.0,
) -> str:  # fmt: skip
    """Return a picture with its axes, scale and marks as HTML; its looks are in page.css.

    Parameters
    ----------
    picture : address of an image, such as `pictures.data_uri` gives.
    alt : what it shows, for those who cannot see it.
    aspect : width over height, kept at every size; 0: as wide as there is room.
    """
    field = f"width: min(100%, {height * aspect:.0f}px); height: auto; aspect-ratio: {aspect:.3f}" if aspect else ""
    marks = "".join(shape(point.mark, f"{100 * point.x:.2f}%", f"{100 - 100 * point.y:.2f}%") for point in points)
    return (
        f'<div class="smd-plane" role="img" aria-label="{escape(alt)}" style="--height: {height}px">'
        f"{_axis(y, 'smd-upright', 'bottom')}"
        f'<span class="smd-field" style="{field}"><img src="{picture}" alt="">{marks}</span>'
        f"{_bar(scale)}{_axis(x, 'smd-along', 'left')}</div>"
    )


def ticks(low: float, high: float, unit: str = "", most: int = 6, last: str = "") -> tuple[tuple[float, str], ...]:
    """Return round values of an axis from `low` to `high` with their places.

    Parameters
    ----------
    unit, last : after every value, and after the last one.
    most : how many, at most.
    """
    values = steps(low, high, most)
    texts = [f"{value:g}{unit}" for value in values[:-1]] + [f"{values[-1]:g}{unit}{last}"]
    return tuple(((value - low) / (high - low), text) for value, text in zip(values, texts, strict=True))


def _axis(axis: Axis | None, kind: str, side: str) -> str:
    if axis is None:
        return ""
    texts = "".join(f'<i style="{side}: {100 * place:.2f}%">{escape(text)}</i>' for place, text in axis.ticks)
    return f'<span class="{kind}">{texts}<em>{escape(axis.title)}</em></span>'


def _bar(scale: ColourScale | None) -> str:
    if scale is None:
        return ""
    texts = "".join(f'<i style="bottom: {100 * place:.2f}%">{escape(text)}</i>' for place, text in scale.ticks)
    colours = ", ".join(scale.colours)
    return f'<span class="smd-scale-bar" style="--colours: {colours}">{texts}</span>'
