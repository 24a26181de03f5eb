"""Plotly figures of the Models page: values in, figure out. Nothing is read or computed here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core import palette
from core.metrics.intervals import Floats, Interval, Ints
from core.metrics.operating_points import Curves, log_odds, normal_deviate
from dashboard.drawing import theme
from dashboard.reading.detectors import Bin, Pair

HEIGHT = 320  # pixels
MARGIN = {"l": 58, "r": 22, "t": 8, "b": 46}
SCORES = (1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4)  # ticks: apart even on a phone
RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)  # ticks of an axis that is not even
BINS = 36
FURTHEST = 1e-5  # scores nearer to 0 or 1 are drawn here
PERCENTS = {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
DIAGONAL = {
    "type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": {"dash": "dot", "width": 1, "color": palette.NEUTRAL},
}  # fmt: skip
CLASS_NOTES = [
    {
        "text": f"{palette.SIGNS[label]} {theme.NAMES[label]} clips", "x": x, "y": y, "xref": "paper", "yref": "paper",
        "showarrow": False, "font": {"color": theme.COLOURS[label], "size": 13},
    }
    for label, x, y in (("ai", 0.02, 0.98), ("human", 0.98, 0.02))
]  # fmt: skip
SPLIT_WORDS = {"train": "training", "val": "validation"}


@dataclass(frozen=True)
class Trace:
    """One detector's curves, where it stands on them, and where validation put it."""

    name: str
    curves: Curves
    now: int  # places on the curves
    chosen: int


# Curves. Built as whole dictionaries: plotly takes ten times as long to take in the same piece by piece


def roc(first: Trace, second: Trace | None, cross: Mapping[str, Interval]) -> go.Figure:
    """Draw caught AI clips over accused human ones; `cross` holds the intervals of both at the threshold."""
    axes = _axis("Human clips called AI") | PERCENTS, _axis("AI clips caught") | PERCENTS
    now = (float(axis[first.now]) for axis in (first.curves.false_positive_rate, first.curves.true_positive_rate))
    x, y = now
    whiskers = [_whisker(cross["fpr"], (y, y))] if "fpr" in cross else []
    whiskers += [_whisker((x, x), cross["tpr"])] if "tpr" in cross else []
    marks = _traces(first, second, lambda curves: (curves.false_positive_rate, curves.true_positive_rate))
    return _figure([*marks, *whiskers], *axes, shapes=[DIAGONAL])


def precision_recall(first: Trace, second: Trace | None, share_ai: float) -> go.Figure:
    """Draw, over the AI clips caught, the share of AI among the clips called AI; the dotted line is guessing."""
    axes = _axis("AI clips caught") | PERCENTS, _axis("AI among clips called AI") | PERCENTS
    marks = _traces(first, second, lambda curves: (curves.true_positive_rate, curves.precision))
    return _figure(marks, *axes, shapes=[{**DIAGONAL, "y0": share_ai, "y1": share_ai}])


def det(first: Trace, second: Trace | None, clips: int) -> go.Figure:
    """Draw both error rates against each other on axes of normal deviates; `clips`: of the smaller class."""
    shown = [rate for rate in RATES if 0.4 / clips < rate < 1 - 0.4 / clips]
    ticks = {"tickvals": normal_deviate(shown, 10**6), "ticktext": [f"{100 * rate:g}%" for rate in shown]}
    ticks |= {"range": normal_deviate([0, 1], clips) + np.array([-0.15, 0.15])}
    axes = _axis("Human clips called AI") | ticks, _axis("AI clips missed") | ticks
    return _figure(
        _traces(first, second, lambda curves: (curves.false_positive_deviate, curves.false_negative_deviate)), *axes
    )


def _axis(title: str) -> dict[str, object]:
    axis = {"range": [-0.02, 1.02], "zeroline": False, "fixedrange": True, "tickangle": 0}
    return {"title": {"text": title}, **axis}


def _figure(data: Sequence[Mapping[str, object]], x: object, y: object, **layout: object) -> go.Figure:
    fixed = {"height": HEIGHT, "margin": MARGIN, "showlegend": False, "hovermode": "closest"}
    return go.Figure({"data": list(data), "layout": {"xaxis": x, "yaxis": y, **fixed, **layout}})


def _traces(
    first: Trace, second: Trace | None, axes: Callable[[Curves], tuple[Floats, Floats]]
) -> list[dict[str, object]]:
    """Return both curves, each with its operating point, filled, and the validation threshold's, a ring."""
    traces = [(first, palette.ACCENT, "solid")]
    if second is not None:
        traces.insert(0, (second, palette.NEUTRAL, "dash"))
    return [part for trace, colour, dash in traces for part in _curve(trace, *axes(trace.curves), colour, dash)]


def _curve(trace: Trace, x: Floats, y: Floats, colour: str, dash: str) -> list[dict[str, object]]:
    line: dict[str, object] = {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "customdata": trace.curves.thresholds,
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "hovertemplate": f"{trace.name}, AI from %{{customdata:.4g}}<extra></extra>",
    }  # fmt: skip
    places, colours = [trace.chosen, trace.now], [colour, colour]
    marks: dict[str, object] = {
        "type": "scatter", "mode": "markers", "x": x[places], "y": y[places],
        "customdata": ["threshold of validation", "threshold now"],
        "marker": {"symbol": ["circle-open", "circle"], "size": [15, 9], "color": colours, "line": {"width": [2, 0]}},
        "hovertemplate": f"{trace.name}, %{{customdata}}<extra></extra>",
    }  # fmt: skip
    return [line, marks]


def _whisker(x: Interval, y: Interval) -> dict[str, object]:
    line = {"color": palette.ACCENT, "width": 1.5}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


# Scores


def histogram(labels: Ints, probabilities: Floats, threshold: float, chosen: float) -> go.Figure:
    """Draw how many clips have which score, AI upwards and human downwards, wrong verdicts hatched.

    The axis is in log-odds with probabilities as ticks: detectors put most clips near 0 and 1.
    """
    place = log_odds(probabilities, FURTHEST)
    edges = np.linspace(place.min() - 1e-9, place.max() + 1e-9, BINS + 1)
    kinds = 2 * labels + (probabilities >= threshold)
    counts = {kind: np.histogram(place[kinds == kind], edges)[0] for kind in range(4)}
    bars = [_bars(counts[2 * label + called], edges, label, called) for label in (0, 1) for called in (0, 1)]
    top = 1.12 * max((counts[2 * label] + counts[2 * label + 1]).max() for label in (0, 1))
    shown = [rate for rate in SCORES if edges[0] <= log_odds(rate, FURTHEST) <= edges[-1]]
    x = _axis("Score: probability of AI") | {
        "tickvals": [float(log_odds(rate, FURTHEST)) for rate in shown], "ticktext": [f"{rate:g}" for rate in shown],
        "range": [edges[0], edges[-1]],
    }  # fmt: skip
    up_and_down = {f"−{n}": str(n) for n in range(1, int(top) + 1)}  # both classes are counted from zero
    y = _axis("Clips") | {"range": [-top, top], "nticks": 7, "zeroline": True, "labelalias": up_and_down}
    lines = [_upright(chosen, "dot", palette.NEUTRAL), _upright(threshold, "solid", palette.ACCENT)]
    return _figure(bars, x, y, shapes=lines, annotations=CLASS_NOTES, barmode="relative", bargap=0.08)


def _bars(counts: Ints, edges: Floats, label: int, called: int) -> dict[str, object]:
    name, wrong = list(theme.NAMES)[label], called != label
    pattern = {"shape": "/" if wrong else "", "fillmode": "replace", "size": 5, "solidity": 0.55}
    colour = theme.COLOURS[name]
    centres, counted = (edges[:-1] + edges[1:])[counts > 0] / 2, counts[counts > 0]
    return {
        "type": "bar", "x": centres, "y": (2 * label - 1) * counted, "width": 0.92 * (edges[1] - edges[0]),
        "customdata": counted,
        "marker": {"color": colour, "pattern": pattern, "line": {"width": 1, "color": colour}},
        "hovertemplate": f"%{{customdata}} {theme.NAMES[name]}, {'wrong' if wrong else 'right'}<extra></extra>",
    }  # fmt: skip


def _upright(threshold: float, dash: str, colour: str) -> dict[str, object]:
    x = float(log_odds(threshold, FURTHEST))
    line = {"dash": dash, "width": 2.5, "color": colour}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


# Calibration


def reliability(bins: Mapping[str, Sequence[Bin]]) -> go.Figure:
    """Draw the share of AI over the score, before and after the temperature, with intervals."""
    figure = _figure([], _axis("Score: probability of AI"), _axis("Share of AI"), shapes=[DIAGONAL])
    styles = {"before": ("circle-open", palette.NEUTRAL, "dash"), "after": ("circle", palette.ACCENT, "solid")}
    for when, score_bins in bins.items():
        symbol, colour, dash = styles[when]
        figure.add_scatter(
            x=[part.mean for part in score_bins], y=[part.ai.value for part in score_bins], mode="lines+markers",
            error_y={
                "array": [part.ai.high - part.ai.value for part in score_bins],
                "arrayminus": [part.ai.value - part.ai.low for part in score_bins], "width": 4, "thickness": 1.2,
            },
            marker={"symbol": symbol, "size": 9, "color": colour}, line={"dash": dash, "width": 1.5, "color": colour},
            name=f"{when} the temperature", customdata=[part.n for part in score_bins],
            hovertemplate="Score %{x:.2f}: %{y:.0%} AI of %{customdata} clips<extra></extra>",
        )  # fmt: skip
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    figure.update_layout(showlegend=True, legend=legend, height=400, margin={**MARGIN, "t": 30})
    return figure.update_yaxes(tickformat=".0%")


# Training


def training_curve(history: pd.DataFrame, quantity: str) -> go.Figure:
    """Draw a quantity (loss, accuracy) by epoch on training and validation; a star marks the epoch that was kept."""
    figure = go.Figure()
    for split, dash, colour in (("train", "dot", palette.NEUTRAL), ("val", "solid", palette.ACCENT)):
        figure.add_scatter(
            x=history["epoch"], y=history[f"{split}_{quantity}"], mode="lines", name=f"{SPLIT_WORDS[split]}",
            line={"dash": dash, "color": colour, "width": 2.5},
            hovertemplate=f"Epoch %{{x}}, {SPLIT_WORDS[split]}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    kept = history[history["kept"]]
    figure.add_scatter(
        x=kept["epoch"], y=kept[f"val_{quantity}"], mode="markers", name="kept",
        marker={"symbol": "star", "size": 14, "color": palette.ACCENT},
        hovertemplate="Epoch %{x} was kept: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    share = {"tickformat": ".0%"} if quantity == "accuracy" else {"rangemode": "tozero"}
    figure.update_yaxes(title=quantity.capitalize(), fixedrange=True, **share)
    figure.update_xaxes(title="Epoch", fixedrange=True, zeroline=False)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure.update_layout(height=HEIGHT, margin={**MARGIN, "t": 30}, legend=legend)


# Model against model


def differences(pairs: Sequence[Pair], names: Mapping[str, str]) -> go.Figure:
    """Draw a detector's AUC minus each other's, with intervals; left of zero the other's is higher."""
    places = list(range(len(pairs) - 1, -1, -1))
    values = [pair.area.value for pair in pairs]
    figure = go.Figure()
    figure.add_vline(x=0, line={"dash": "dot", "width": 1.5, "color": palette.NEUTRAL})
    figure.add_scatter(
        x=[difference.value for difference in values], y=places, mode="markers",
        marker={"symbol": "square", "size": 10, "color": palette.ACCENT},
        error_x={
            "array": [difference.high - difference.value for difference in values],
            "arrayminus": [difference.value - difference.low for difference in values], "width": 5, "thickness": 2,
        },
        customdata=[(names[pair.second], pair.area.p_value) for pair in pairs],
        hovertemplate="minus %{customdata[0]}: %{x:+.3f}, p = %{customdata[1]:.2g}<extra></extra>",
    )  # fmt: skip
    ends = [end for value in values for end in (value.value, value.low, value.high)]
    widest = 1.08 * (float(np.nanmax(np.abs(ends))) or 1)
    figure.update_xaxes(
        title="AUC difference", range=[-widest, widest], zeroline=False, fixedrange=True, tickformat="+.2f", nticks=7
    )
    figure.update_yaxes(
        tickvals=places, ticktext=[names[pair.second].replace(" classifier", "<br>classifier") for pair in pairs],
        range=[-0.6, len(pairs) - 0.4], showgrid=False, zeroline=False, fixedrange=True,
    )  # fmt: skip
    return figure.update_layout(height=44 * len(pairs) + 60, margin=MARGIN, showlegend=False)


def seeds(values: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw each training's test AUC, one row per detector."""
    figure, places = go.Figure(), list(range(len(values) - 1, -1, -1))
    for place, (name, areas) in zip(places, values.items(), strict=True):
        figure.add_scatter(
            x=list(areas), y=[place] * len(areas), mode="markers",
            marker={"symbol": "circle-open", "size": 11, "color": palette.ACCENT, "line": {"width": 2}},
            hovertemplate=f"{name}: %{{x:.3f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="AUC on the test clips", zeroline=False, fixedrange=True, nticks=7)
    figure.update_yaxes(
        tickvals=places, ticktext=[name.replace(" classifier", "<br>classifier") for name in values],
        range=[-0.6, len(values) - 0.4], zeroline=False, fixedrange=True,
    )  # fmt: skip
    return figure.update_layout(height=44 * len(values) + 60, margin=MARGIN, showlegend=False)
