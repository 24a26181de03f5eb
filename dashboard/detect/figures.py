"""Figures of Detect: values in, plotly figure out. Nothing foreign is written into them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core import palette
from core.artifacts import DETECTORS
from core.verdict.answer import Call, Verdict, Window
from dashboard.detect.words import NAMES, SIGNS, clock
from dashboard.drawing import theme

HEIGHT, SMALL = 430, 340  # pixels
WRITTEN = 20  # windows up to which every cell carries its mark
Calls = Mapping[str, Sequence[Call | None]]  # by detector, one per window; None: it does not count
SCALE = [[place / 9, colour] for place, colour in enumerate(palette.DIVERGING)]
SHORT = {name: title.replace(" classifier", "") for name, title in DETECTORS.items()}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
COLOURS = (palette.ACCENT, "#EE7733", "#AA4499", "#997700", palette.NEUTRAL, "#5457A6")


def timeline(verdict: Verdict, calls: Calls, low: float, high: float, chosen: int) -> go.Figure:
    """Draw every detector's probability over time: the deciding one as a line, all of them as rows of colours.

    Parameters
    ----------
    low, high : between them the deciding detector makes no call.
    chosen : window that is marked; the line's points carry their window's number.
    """
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.45, 0.55], vertical_spacing=0.05)
    middles = [(window.start + window.end) / 2 for window in verdict.windows]
    decided = [_value(window, verdict.detector) for window in verdict.windows]
    named = [f"{clock(window.start)} to {clock(window.end)}" for window in verdict.windows]
    figure.add_trace(
        go.Scatter(
            x=middles, y=decided, customdata=list(range(len(middles))), text=named, mode="lines+markers",
            line={"color": palette.NEUTRAL, "width": 2}, marker=_marker(calls[verdict.detector]),
            hovertemplate="%{text}: %{y:.1%}<extra></extra>",
        ), row=1, col=1,
    )  # fmt: skip
    edges = column_edges(verdict.windows)
    figure.add_trace(_rows(verdict, calls, edges, named), row=2, col=1)
    figure.add_hrect(low, min(high, 1.0), fillcolor=palette.NEUTRAL, opacity=0.22, line_width=0, row=1, col=1)
    for limit in sorted({low, min(high, 1.0)} - {0.0, 1.0}):
        figure.add_hline(limit, line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=1)
    if len(middles) > 1:  # a mark around the only one would say nothing
        window = verdict.windows[chosen]
        figure.add_vrect(window.start, window.end, fillcolor=palette.ACCENT, opacity=0.25, line_width=0, row=1, col=1)
        # around its column: the window itself reaches into its neighbours' columns
        figure.add_vrect(edges[chosen], edges[chosen + 1], line={"color": palette.ACCENT, "width": 3}, row=2, col=1)
    figure.update_yaxes(range=[-0.06, 1.06], tickformat=".0%", tickvals=[0, 0.5, 1], row=1, col=1)
    figure.update_yaxes(autorange="reversed", showgrid=False, row=2, col=1)
    figure.update_yaxes(fixedrange=True, zeroline=False)
    figure.update_xaxes(fixedrange=True, showgrid=False, zeroline=False, range=[0, verdict.seconds])
    places, texts = _ticks(verdict.seconds)
    figure.update_xaxes(tickvals=places, ticktext=texts, title={"text": "Time (min:s)", "standoff": 12}, row=2, col=1)
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 20, "t": 8, "b": 52},  # right: half of the last time
        showlegend=False,
        dragmode=False,
        clickmode="event+select",
    )


def column_edges(windows: Sequence[Window]) -> list[float]:
    """Return where the windows' columns begin and end: half way to their neighbours, for windows overlap."""
    if len(windows) == 1:
        return [windows[0].start, windows[0].end]
    middles = [(window.start + window.end) / 2 for window in windows]
    between = [(before + after) / 2 for before, after in pairwise(middles)]
    return [2 * middles[0] - between[0], *between, 2 * middles[-1] - between[-1]]


def _value(window: Window, detector: str) -> float | None:
    """Return what a detector makes of a window that counts."""
    return window.calibrated[detector] if window.counts else None


def _marker(calls: Sequence[Call | None]) -> dict[str, object]:
    looks = {"human": ("circle", palette.HUMAN), "ai": ("diamond", palette.AI)}
    marks = [looks.get(call or "", ("circle-open", palette.NEUTRAL)) for call in calls]
    return {"symbol": [symbol for symbol, _ in marks], "color": [colour for _, colour in marks], "size": 10}


def _rows(verdict: Verdict, calls: Calls, edges: list[float], named: list[str]) -> go.Heatmap:
    values = [[_value(window, name) for window in verdict.windows] for name in DETECTORS]
    said = [[NAMES[call] if call else "does not count" for call in calls[name]] for name in DETECTORS]
    marks = [[SIGNS[call] if call else "" for call in calls[name]] for name in DETECTORS]
    custom = [[[time, words] for time, words in zip(named, row, strict=True)] for row in said]
    return go.Heatmap(
        z=values, x=edges, y=list(SHORT.values()), customdata=custom, zmin=0, zmax=1, colorscale=SCALE, xgap=1,
        ygap=2, text=marks if len(named) <= WRITTEN else None, texttemplate="%{text}", showscale=False,
        hovertemplate="%{y}, %{customdata[0]}: %{z:.1%} %{customdata[1]}<extra></extra>",
    )  # fmt: skip


def _ticks(seconds: float) -> tuple[list[float], list[str]]:
    """Return at most seven round times."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 300) if seconds / step <= 6), 600)
    places = [float(place) for place in range(0, int(seconds) + 1, step)]
    return places, [clock(place) for place in places]


def stress(amounts: Sequence[float], unit: str, changed: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw each detector's probability at every strength; the first place is the original.

    Parameters
    ----------
    changed : by detector, one probability for the original and one per amount.
    """
    figure = go.Figure()
    ticks = ["original", *(f"{amount:+g}" if min(amounts) < 0 else f"{amount:g}" for amount in amounts)]
    for place, (name, values) in enumerate(changed.items()):
        figure.add_trace(
            go.Scatter(
                x=list(range(len(values))), y=list(values), name=SHORT[name], mode="lines+markers", text=ticks,
                line={"color": COLOURS[place], "dash": DASHES[place], "width": 2},
                hovertemplate="%{text}: %{y:.1%}",
            )
        )  # fmt: skip
    figure.update_xaxes(
        tickvals=list(range(len(ticks))), ticktext=ticks, title={"text": unit, "standoff": 10}, fixedrange=True
    )
    figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%", tickvals=[0, 0.5, 1], fixedrange=True, zeroline=False)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure.update_layout(height=SMALL, margin={"l": 0, "r": 8, "t": 8, "b": 52}, legend=legend)


def place(shown: pd.DataFrame, x: float, y: float) -> go.Figure:
    """Draw where a new sound stands (cross) among the clips of the map, which stay where they are."""
    figure = go.Figure()
    for label, name in theme.NAMES.items():
        part = shown[shown["label"] == label]
        marker = {"color": theme.COLOURS[label], "symbol": theme.SYMBOLS[label], "size": 5, "opacity": 0.45}
        figure.add_trace(
            go.Scattergl(x=part["x"], y=part["y"], mode="markers", marker=marker, hoverinfo="skip",
                         name=f"{name} ({len(part):,})")
        )  # fmt: skip
    cross = {"symbol": "x-thin", "size": 18, "line": {"width": 4, "color": palette.ACCENT}}
    figure.add_trace(go.Scatter(x=[x], y=[y], mode="markers", marker=cross, hoverinfo="skip", name="This window"))
    axis = {"showticklabels": False, "zeroline": False, "showgrid": False, "ticks": "", "fixedrange": True}
    figure.update_xaxes(**axis).update_yaxes(**axis, scaleanchor="x")
    legend = {"orientation": "h", "y": -0.01, "yanchor": "top", "x": 0, "itemsizing": "constant"}
    return figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 0, "b": 0}, legend=legend, dragmode=False)
