"""Figures of the map: positions and colours in, figure out. Marks carry their clip's row number and nothing else."""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core import palette
from core.errors import printable
from dashboard.drawing import pictures, planes, theme
from dashboard.drawing.planes import plane_html
from dashboard.drawing.row_charts import Mark
from dashboard.map import choice
from dashboard.map.choice import OTHERS
from dashboard.sentences import SPLIT_NAMES

HEIGHT, SMALL = 500, 360  # pixels
MARK, SMALL_MARK, MANY = 8, 5, 1500  # pixels; small ones where there are many
RING, LINE = 15, 20  # pixels
# Told apart by the colour-blind (Tol, vibrant, and a brown); the shape tells the class
PALETTE = (palette.HUMAN, "#EE7733", palette.ACCENT, "#AA4499", "#997700")
FIXED = {
    "Human": palette.HUMAN,
    "AI": palette.AI,
    "Called Human": palette.HUMAN,
    "Called AI": palette.AI,
    "Right": palette.ACCENT,
    "Wrong": "#EE7733",
}
SCALE = ("#5457A6", "#2A7F93", "#22A884", "#7AD151", "#FDE725")  # viridis, its dark end lifted off a dark page
DOTS, EDGE = 720, 0.02  # pixels of the still map's longer side; share left free round it
SELECTED: Mapping[str, Any] = {"symbol": "x", "colour": palette.ACCENT, "size": 18}
MAP_CONFIG = {
    **theme.CHART_CONFIG,
    "displayModeBar": True,
    "modeBarButtons": [["lasso2d", "select2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def plain(name: str) -> str:
    """Return a foreign name as text that plotly shows letter by letter: it reads some HTML."""
    return html.escape(printable(name), quote=False)


def hover(clips: pd.DataFrame, model: str) -> list[str]:
    """Return what each mark says under the pointer: file, source, split and score."""
    facts = zip(clips["path"], clips["source"], clips["split"].map(SPLIT_NAMES), clips[f"p_{model}"], strict=True)
    return [
        f"{plain(PurePosixPath(path).name)}<br>{plain(source)}, {split}, score {score:.3f}"
        for path, source, split, score in facts
    ]


def map_figure(points: pd.DataFrame, colour: str, model: str, name: str, chosen: Sequence[int]) -> go.Figure:
    """Draw the map in a colour of `choice.COLOURS`, with rings round what a detector, called `name`, has wrong.

    Parameters
    ----------
    points : clips of `read_clip_table` with `x`, `y`.
    chosen : of their index; the others step back. None of them: all stand equal.
    """
    values, text = choice.values(points, colour, model), hover(points, model)
    if colour in choice.NUMBERS:
        figure = by_number(points, values, text, chosen, choice.UNITS[colour].format(name))
    else:
        figure = by_name(points, values, text, chosen)
    return add_errors(figure, points[~points[f"right_{model}"]], name, chosen)


def by_name(shown: pd.DataFrame, names: pd.Series, text: Sequence[str], chosen: Sequence[int]) -> go.Figure:
    """Draw the map with a colour for each name, its clips counted in the legend; one trace per class and name.

    Parameters
    ----------
    shown : clips with `x`, `y`, `label`; their index is what a mark carries.
    chosen : of that index; the others step back. None of them: all stand equal.
    """
    figure = _empty(HEIGHT)
    shown = shown.assign(text=list(text))
    for label in theme.NAMES:
        of_class = names[shown["label"] == label]
        for place, (name, count) in enumerate(_ordered(of_class)):
            colour = FIXED.get(name, PALETTE[place] if place < len(PALETTE) else palette.NEUTRAL)
            part = shown.loc[of_class.index[of_class == name]]
            marker = {"color": colour, "symbol": theme.SYMBOLS[label], "size": _size(shown)}
            figure.add_trace(_marks(part, marker, label, f"{plain(name)} ({count:,})", chosen))
    if not names.isin(theme.NAMES.values()).all():  # otherwise the names are the classes
        for trace in figure.data:
            label = trace.legendgroup
            trace.legendgrouptitle.text = f"{palette.SIGNS[label]} {theme.NAMES[label]}"
    return figure.update_layout(height=HEIGHT + LINE * (len(figure.data) // 2))  # the legend takes nothing of the map


def _ordered(names: pd.Series) -> list[tuple[str, int]]:
    """Return names with their counts: splits in their order, rates by size, sources from the most frequent on."""
    counts = names.value_counts()
    order = list(SPLIT_NAMES.values())
    if set(counts.index) <= set(order):
        return [(name, int(counts[name])) for name in order if name in counts]
    if all(name.endswith(" kHz") for name in counts.index):
        return [(name, int(counts[name])) for name in sorted(counts.index, key=lambda name: float(name[:-4]))]
    rest = [name for name in counts.index if name.endswith(OTHERS)]
    return [(name, int(counts[name])) for name in [*counts.index.drop(rest), *rest]]


def by_number(
    shown: pd.DataFrame, numbers: pd.Series, text: Sequence[str], chosen: Sequence[int], title: str
) -> go.Figure:
    """Draw the map with a colour scale from the smallest number to the largest; otherwise as `by_name`."""
    figure = _empty(HEIGHT)
    shown = shown.assign(text=list(text))
    for label, name in theme.NAMES.items():
        part = shown[shown["label"] == label]
        marker: dict[str, object] = {"color": numbers[part.index].tolist(), "coloraxis": "coloraxis"}
        marker |= {"symbol": theme.SYMBOLS[label], "size": _size(shown)}
        if len(part):
            figure.add_trace(_marks(part, marker, label, f"{name} ({len(part):,})", chosen))
    bar = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "xanchor": "left", "len": 0.6, "thickness": 10}
    bar |= {"title": {"text": title, "side": "top"}, "tickformat": ".2~f", "nticks": 6}
    return figure.update_layout(coloraxis={"colorscale": SCALE, "colorbar": bar}, margin_t=60)


def add_errors(figure: go.Figure, wrong: pd.DataFrame, name: str, chosen: Sequence[int]) -> go.Figure:
    """Put a ring round the clips that a detector calls wrongly; the legend switches the rings off."""
    ring = {"symbol": "circle-open", "size": RING, "color": palette.NEUTRAL, "line": {"width": 2}}
    trace = go.Scattergl(
        x=wrong["x"], y=wrong["y"], customdata=wrong.index.tolist(), mode="markers", marker=ring, hoverinfo="skip",
        name=f"{name} is wrong ({len(wrong):,})", selectedpoints=_places(wrong, chosen),
        unselected={"marker": {"opacity": 0.25}},
    )  # fmt: skip
    return figure.add_trace(trace)


def locator(shown: pd.DataFrame, row: int, near: Iterable[int], alt: str) -> str:
    """Draw where a clip (cross) and its neighbours (marks of their class) lie among all clips (grey dots), as HTML.

    Parameters
    ----------
    shown : clips with `x`, `y`, `label`, `path`.
    row, near : of its index; those that are not shown have no mark.
    """
    places = shown[["x", "y"]].to_numpy(float)
    low, span = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    shares = EDGE + (1 - 2 * EDGE) * (places - low) / span
    wide, high = span / span.max()
    dots = pictures.dots_png(shares[:, 0], shares[:, 1], (round(DOTS * wide), round(DOTS * high)), palette.NEUTRAL, 3)
    marks = [(place, _neighbour(shown.iloc[place])) for place in _there(shown, near)]
    marks += [(place, Mark(at=0, says="The selected clip", **SELECTED)) for place in _there(shown, [row])]
    points = [planes.Point(float(shares[place, 0]), float(shares[place, 1]), mark) for place, mark in marks]
    return plane_html(
        pictures.data_uri(dots, "image/png"), alt, points=points, height=round(SMALL * high), aspect=wide / high
    )


def _there(shown: pd.DataFrame, rows: Iterable[int]) -> list[int]:
    """Return where those of some rows that are shown stand among the shown ones."""
    return [int(place) for place in shown.index.get_indexer(pd.Index(list(rows))) if place >= 0]


def _neighbour(clip: pd.Series) -> Mark:
    says = f"{PurePosixPath(clip['path']).name}, {theme.NAMES[clip['label']]}"
    return Mark(at=0, says=says, symbol=theme.SYMBOLS[clip["label"]], colour=theme.COLOURS[clip["label"]], size=10)


def _marks(
    part: pd.DataFrame, marker: Mapping[str, object], label: str, name: str, chosen: Sequence[int]
) -> go.Scattergl:
    return go.Scattergl(
        x=part["x"], y=part["y"], customdata=part.index.tolist(), text=part["text"].tolist(), mode="markers",
        marker={"opacity": 0.85, "line": {"width": 0.5, "color": palette.NEUTRAL}, **marker},
        name=name, legendgroup=label,
        selectedpoints=_places(part, chosen), selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.12}}, hovertemplate=f"%{{text}}<extra>{theme.NAMES[label]}</extra>",
    )  # fmt: skip


def _size(shown: pd.DataFrame) -> int:
    return SMALL_MARK if len(shown) > MANY else MARK


def _places(part: pd.DataFrame, chosen: Sequence[int]) -> list[int] | None:
    """Return where the chosen rows stand in a trace; None, which is no choice, when none is chosen anywhere."""
    wanted = set(chosen)
    return [place for place, row in enumerate(part.index) if row in wanted] if wanted else None


def _empty(height: int) -> go.Figure:
    """Return a map without marks: both axes at one scale, for distances between near marks are what it shows."""
    axis = {"showticklabels": False, "zeroline": False, "showgrid": False, "ticks": ""}
    figure = go.Figure()
    figure.update_xaxes(**axis).update_yaxes(**axis, scaleanchor="x")
    legend = {"orientation": "h", "y": -0.01, "yanchor": "top", "x": 0, "groupclick": "toggleitem"}
    legend["itemsizing"] = "constant"
    return figure.update_layout(
        height=height, margin={"l": 0, "r": 0, "t": 30, "b": 0}, legend=legend, dragmode="pan", hovermode="closest",
        showlegend=True,
    )  # fmt: skip
