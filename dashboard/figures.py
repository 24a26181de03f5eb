"""Plotly figures: values in, figure out. Nothing is read or computed here."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard import theme
from dashboard.results import Estimate, Model

Marker = Mapping[str, object]  # as plotly takes it

ROW = 44  # pixels per detector


def auc_chart(models: Sequence[Model], headline: Model) -> go.Figure:
    """Draw each detector's AUC with its interval; the headline's mark is filled."""
    found = [model.scores["roc_auc"] for model in models]
    figure = rows(_titles(models), min([0.5, *(estimate.low for estimate in found)]))
    reference(figure, 0.5)
    symbols = ["square" if model is headline else "square-open" for model in models]
    colours = [theme.ACCENT if model is headline else theme.NEUTRAL for model in models]
    marker = {"symbol": symbols, "color": colours, "size": 11, "line": {"width": 2}}
    return figure.add_trace(whiskers(places(models), found, _names(models), marker, "AUC", "%{x:.3f}"))


def recall_chart(models: Sequence[Model], recalls: Mapping[str, Sequence[Estimate]]) -> go.Figure:
    """Draw, per detector and class, the share of clips called rightly, with its interval.

    Parameters
    ----------
    recalls : by label, one estimate per model.
    """
    figure = rows(_titles(models), min(estimate.low for found in recalls.values() for estimate in found))
    for label, found in recalls.items():
        marker = {"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": 11}
        at = [row + (0.14 if label == "human" else -0.14) for row in places(models)]
        figure.add_trace(whiskers(at, found, _names(models), marker, theme.NAMES[label], "%{x:.0%}"))
    return figure.update_xaxes(tickformat=".0%")


def whiskers(
    at: Sequence[float], found: Sequence[Estimate], names: Sequence[str], marker: Marker, trace: str, shown: str
) -> go.Scatter:
    """Return marks with horizontal whiskers.

    Parameters
    ----------
    at : the row of each.
    names : for the hover text; plotly reads a little HTML, so foreign ones must be escaped.
    shown : how a value is written, such as `%{x:.3f}`.
    """
    return go.Scatter(
        x=[estimate.value for estimate in found],
        y=at,
        error_x={
            "type": "data",
            "array": [estimate.high - estimate.value for estimate in found],
            "arrayminus": [estimate.value - estimate.low for estimate in found],
            "color": marker["color"] if isinstance(marker["color"], str) else theme.NEUTRAL,
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker=marker,
        name=trace,
        customdata=[(name, estimate.low, estimate.high) for name, estimate in zip(names, found, strict=True)],
        hovertemplate=f"%{{customdata[0]}}: {shown} "
        f"[{shown.replace('x', 'customdata[1]')}, {shown.replace('x', 'customdata[2]')}]<extra>{trace}</extra>",
    )


def rows(titles: Sequence[str], lowest: float, height: int = ROW) -> go.Figure:
    """Return an empty chart with one row per title, first at the top, from just below `lowest` to 1.

    Parameters
    ----------
    titles : foreign ones escaped.
    height : of a row in pixels.
    """
    figure = go.Figure()
    figure.update_yaxes(tickvals=places(titles), ticktext=list(titles), range=[-0.6, len(titles) - 0.4], showgrid=False)
    figure.update_yaxes(zeroline=False, fixedrange=True, tickfont_size=13)
    figure.update_xaxes(
        range=[max(-0.02, lowest - 0.03), 1.02], zeroline=False, fixedrange=True, nticks=6, tickfont_size=13
    )
    margin = {"l": 0, "r": 20, "t": 4, "b": 30}
    return figure.update_layout(height=height * len(titles) + 40, margin=margin, showlegend=False)


def reference(figure: go.Figure, at: float, colour: str = theme.NEUTRAL, dash: str = "dot") -> go.Figure:
    """Add a thin upright line that the marks are read against."""
    return figure.add_vline(x=at, line={"dash": dash, "width": 1, "color": colour})


def places(titles: Sequence[object]) -> list[int]:
    """Return where each row stands, the first at the top."""
    return list(range(len(titles) - 1, -1, -1))


def _titles(models: Sequence[Model]) -> list[str]:
    return [model.name.replace(" classifier", "<br>classifier") for model in models]


def _names(models: Sequence[Model]) -> list[str]:
    return [model.name for model in models]
