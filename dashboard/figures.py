"""Plotly figures: values in, figure out. Nothing is read or computed here."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard import theme
from dashboard.results import Estimate, Model

ROW = 44  # pixels per detector


def auc_chart(models: Sequence[Model], headline: Model) -> go.Figure:
    """Draw each detector's AUC with its interval; the headline's mark is filled."""
    found = [model.scores["roc_auc"] for model in models]
    figure = _rows(models, min([0.5, *(estimate.low for estimate in found)]))
    figure.add_vline(x=0.5, line={"dash": "dot", "width": 1, "color": theme.NEUTRAL})
    symbols = ["square" if model is headline else "square-open" for model in models]
    marker = {"symbol": symbols, "color": theme.NEUTRAL, "size": 11, "line": {"width": 2, "color": theme.NEUTRAL}}
    figure.add_trace(_whiskers(models, found, marker, "AUC", "%{x:.3f}"))
    return figure


def recall_chart(models: Sequence[Model], recalls: Mapping[str, Sequence[Estimate]]) -> go.Figure:
    """Draw, per detector and class, the share of clips called rightly, with its interval.

    Parameters
    ----------
    recalls : by label, one estimate per model.
    """
    figure = _rows(models, min(estimate.low for found in recalls.values() for estimate in found))
    for label, found in recalls.items():
        marker = {"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": 11}
        shift = 0.14 if label == "human" else -0.14
        figure.add_trace(_whiskers(models, found, marker, theme.NAMES[label], "%{x:.0%}", shift))
    return figure.update_xaxes(tickformat=".0%")


def _whiskers(
    models: Sequence[Model], found: Sequence[Estimate], marker: object, name: str, shown: str, shift: float = 0.0
) -> go.Scatter:
    """Return marks with horizontal whiskers, one row per model; `shift` is in rows."""
    return go.Scatter(
        x=[estimate.value for estimate in found],
        y=[row + shift for row in _places(models)],
        error_x={
            "type": "data",
            "array": [estimate.high - estimate.value for estimate in found],
            "arrayminus": [estimate.value - estimate.low for estimate in found],
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker=marker,
        name=name,
        customdata=[(model.name, estimate.low, estimate.high) for model, estimate in zip(models, found, strict=True)],
        hovertemplate=f"%{{customdata[0]}}: {shown} "
        f"[{shown.replace('x', 'customdata[1]')}, {shown.replace('x', 'customdata[2]')}]<extra>{name}</extra>",
    )


def _rows(models: Sequence[Model], lowest: float) -> go.Figure:
    """Return an empty chart with one row per model, first at the top, from just below `lowest` to 1."""
    figure = go.Figure()
    names = [model.name.replace(" classifier", "<br>classifier") for model in models]
    figure.update_yaxes(tickvals=_places(models), ticktext=names, range=[-0.6, len(models) - 0.4], showgrid=False)
    figure.update_yaxes(zeroline=False, fixedrange=True, tickfont_size=13)
    figure.update_xaxes(
        range=[max(-0.02, lowest - 0.03), 1.02], zeroline=False, fixedrange=True, nticks=6, tickfont_size=13
    )
    margin = {"l": 0, "r": 8, "t": 4, "b": 30}
    return figure.update_layout(height=ROW * len(models) + 40, margin=margin, showlegend=False)


def _places(models: Sequence[Model]) -> list[int]:
    return list(range(len(models) - 1, -1, -1))
