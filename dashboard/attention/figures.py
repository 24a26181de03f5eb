"""Charts of the attention page: values in, chart out. Names of files are escaped: plotly reads some HTML.

Where nothing is chosen or pointed at, a chart in rows will do; plotly draws the others.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core import palette
from core.errors import printable
from core.features import mel_scale
from core.storage import Array
from dashboard.drawing import theme
from dashboard.drawing.row_charts import Chart, Line, Mark, Row, mark, start, with_ends
from dashboard.reading.attention import BRANCHES, Fusion
from dashboard.reading.attention_maps import Maps, MapScale, Stretch, edges
from dashboard.reading.results import Measurement

ROW = 58  # pixels per class and branch
TICKS = (250, 500, 1000, 2000, 4000, 8000)  # Hz
OVERLAY = f"rgba({', '.join(str(int(theme.OVERLAY[at : at + 2], 16)) for at in (1, 3, 5))}, {{}})"  # and an opacity
GOLDEN = 0.618034  # multiples of it spread evenly, the same way each time
SHADE = {"fillcolor": palette.NEUTRAL, "opacity": 0.15, "line_width": 0, "layer": "below"}
EVEN = {"dash": "dot", "width": 1, "color": palette.NEUTRAL}


# Weights and effects


def weights_chart(test: pd.DataFrame, fusion: Fusion, branches: Sequence[str], within: float = 0.0) -> go.Figure:
    """Draw every test clip's weight by branch and class, each row's mean with its interval below.

    Parameters
    ----------
    within : of the even share: where undecided clips lie.
    """
    figure, titles = go.Figure(), []
    even = 1 / len(fusion.branches)
    if within:
        figure.add_vrect(x0=even - within, x1=even + within, **SHADE)
    figure.add_vline(x=even, line=EVEN)
    kinds = [(branch, label) for branch in branches for label in theme.NAMES]
    for place, (branch, label) in enumerate(kinds):
        of_class, y = test[test["label"] == label], len(kinds) - 1 - place
        figure.add_trace(_strip(of_class, of_class[f"weight_{branch}"], label, y))
        figure.add_trace(_mean(fusion.weights[branch][label].mean, label, y - 0.34))
        name = f"{palette.SIGNS[label]} {theme.NAMES[label]}"
        titles.append(f"{BRANCHES[branch].capitalize()} {name}" if len(branches) > 1 else name)
    ticks = {"tickvals": list(range(len(kinds) - 1, -1, -1)), "ticktext": [_narrow(title) for title in titles]}
    figure.update_yaxes(**ticks, range=[-0.6, len(kinds) - 0.55], showgrid=False, zeroline=False, fixedrange=True)
    figure.update_xaxes(range=[-0.01, 1.01], title=_title("Fusion weight"), zeroline=False, fixedrange=True)
    return _plain(figure, ROW * len(kinds) + 56)


def _narrow(title: str) -> str:
    """Break a row's title before its class, so that it leaves room on a narrow page."""
    branch, sign, rest = title.partition("●" if "●" in title else "◆")
    return f"{branch.strip()}<br>{sign}{rest}" if branch.strip() else title


def _strip(clips: pd.DataFrame, values: pd.Series, label: str, y: float) -> go.Scatter:
    """Return one mark per clip, spread around the upper part of a row so that they can be told apart."""
    spread = (clips.index.to_numpy() * GOLDEN) % 1 - 0.5
    return go.Scatter(
        x=values.round(4), y=y + 0.08 + 0.5 * spread, mode="markers", name=theme.NAMES[label],
        marker=_mark(label, 6), opacity=0.7, customdata=clips.index.to_numpy(), text=_names(clips),
        hovertemplate="%{text}<br>weight %{x:.3f}<extra></extra>",
    )  # fmt: skip


def _mean(mean: Measurement, label: str, y: float) -> go.Scatter:
    return go.Scatter(
        x=[mean.value], y=[y], mode="markers", marker=_mark(label, 10), name=f"mean of {theme.NAMES[label]}",
        error_x=_whiskers([mean]), hovertemplate=f"mean {with_ends(mean)}<extra></extra>",
    )  # fmt: skip


def effect_chart(test: pd.DataFrame, branch: str) -> go.Figure:
    """Draw each test clip's weight of a branch against what removing the branch does to the log-odds of AI."""
    figure = go.Figure()
    for label in theme.NAMES:
        of_class = test[test["label"] == label]
        figure.add_trace(
            go.Scatter(
                x=of_class[f"weight_{branch}"].round(4), y=of_class[f"change_{branch}"].round(3), mode="markers",
                marker=_mark(label, 8), opacity=0.8, name=f"{theme.NAMES[label]} ({len(of_class)})",
                customdata=of_class.index.to_numpy(), text=_names(of_class),
                hovertemplate="%{text}<br>weight %{x:.3f}, removal moves the log-odds by %{y:+.2f}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_hline(y=0, line={"width": 1, "color": palette.NEUTRAL})
    figure.update_xaxes(range=[-0.02, 1.02], title=_title(f"Weight of the {BRANCHES[branch]}"), zeroline=False)
    figure.update_yaxes(title=_title("Change of log-odds when removed", 12), zeroline=False, fixedrange=True)
    figure.update_xaxes(fixedrange=True)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return _plain(figure, 380).update_layout(showlegend=True, legend=legend, margin_l=64)


# Without a branch, in rows


def removal_chart(fusion: Fusion) -> Chart:
    """Draw the fusion's AUC with all branches and without each, with intervals."""
    areas = {"whole": fusion.model.scores["roc_auc"]}
    areas |= {f"without {BRANCHES[name]}": removal.auc for name, removal in fusion.removals.items()}
    rows = tuple(
        Row(name, (mark(area, name, filled=name == "whole"),), with_ends(area)) for name, area in areas.items()
    )
    return Chart(rows=rows, low=start(rows, 0.5), lines=(Line(0.5),), axis="AUC on the test clips (0.5 is a coin)")


def clip_chart(clip: pd.Series, fusion: Fusion) -> Chart:
    """Draw one clip's score with all branches and without each; from the dashed line on, a clip is called AI."""
    key, threshold = fusion.model.key, fusion.model.threshold
    whole = float(clip[f"p_{key}"])
    scores = {"all branches": whole}
    scores |= {f"without {BRANCHES[name]}": float(clip[f"p_without_{name}"]) for name in fusion.branches}
    return Chart(
        rows=tuple(Row(name, (_score(score, whole, score >= threshold),)) for name, score in scores.items()),
        low=-0.02,
        lines=(Line(whole), Line(threshold, dash="dashed")),
        axis=f"Score (probability of AI); dashed: AI from {threshold:.3g}",
        height=32,
    )


def _score(score: float, whole: float, ai: bool) -> Mark:
    """Return a score as the mark of the class it is called, with a line from the score with all branches."""
    label, ends = "ai" if ai else "human", (min(score, whole), max(score, whole))
    return Mark(
        at=score, says=f"{score:.3f}: {theme.NAMES[label]}", symbol=theme.SYMBOLS[label], colour=theme.COLOURS[label],
        size=12, reach=None if score == whole else ends, capped=False,
    )  # fmt: skip


# Maps over the spectrogram


def map_chart(
    decibels: Array, weights: Array, maps: Maps, scale: MapScale, stretch: Stretch, seconds: float, sample_rate: int
) -> go.Figure:
    """Lay a clip's attention over its log-mel, with its profile over time below and over frequency beside.

    Parameters
    ----------
    decibels : (n_mels, frames), in dB below the clip's maximum.
    own : (patch rows, patch columns), in multiples of the even share.
    """
    bands, quiet = len(decibels), {"showgrid": False, "zeroline": False, "fixedrange": True}
    x, y = np.clip(edges(maps.seconds), 0, seconds), _bands(maps.hertz, bands, sample_rate)
    traces = [
        _sound(decibels, seconds), _overlay(weights, x, y, maps.hertz, scale), _lane(x, weights.mean(axis=0)),
        _side_lane(weights.mean(axis=1), y),
    ]  # fmt: skip
    second = {"type": "rect", "x0": stretch.start, "x1": stretch.end, "y0": 0, "y1": 1, "yref": "y2 domain", **SHADE}
    layout = go.Layout(
        xaxis={"domain": [0, 0.855], "anchor": "y2", "range": [0, seconds], "ticksuffix": " s", **quiet},
        yaxis={"domain": [0.23, 1], "range": [-0.5, bands - 0.5], **_kilohertz(bands, sample_rate), **quiet},
        xaxis2={"domain": [0.87, 1], "range": [0, 1.08 * scale.frequency], "nticks": 3, **quiet},
        yaxis2={"domain": [0, 0.2], "anchor": "x", "range": [0, 1.08 * scale.time], "nticks": 3, **quiet},
        shapes=[
            second,
            _even(y0=1, y1=1, x0=0, x1=seconds, yref="y2"),
            _even(x0=1, x1=1, y0=-0.5, y1=bands, xref="x2"),
        ],
    )
    return _plain(go.Figure(traces, layout), 460).update_layout(margin={"l": 48, "r": 4, "t": 46, "b": 28})


def _sound(decibels: Array, seconds: float) -> go.Heatmap:
    whole = np.clip(np.round(decibels.astype(np.float32)), -127, 0).astype(np.int8)  # 1 dB: a quarter of the payload
    x = np.linspace(0, seconds, whole.shape[1])  # not rounded: evenly spaced, it is drawn as one small picture
    return go.Heatmap(z=whole, x=x, colorscale="gray", showscale=False, hoverinfo="skip")


def _overlay(weights: Array, x: Array, y: Array, hertz: Array, scale: MapScale) -> go.Heatmap:
    """Return the patches as they are, the more attended the less one sees through them."""
    bar = {
        "orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "xanchor": "left", "len": 0.6, "thickness": 8,
        "title": {"text": "Attention (1 = evenly spread)", "side": "top"}, "nticks": 5, "outlinewidth": 0,
    }  # fmt: skip
    return go.Heatmap(
        z=weights.round(3), x=x.round(3), y=y.round(2), zmin=scale.low, zmax=scale.high, colorbar=bar,
        colorscale=[[0, OVERLAY.format(0.0)], [1, OVERLAY.format(0.85)]],
        customdata=np.repeat(hertz.round()[:, None], weights.shape[1], axis=1),
        hovertemplate="%{x:.2f} s, %{customdata} Hz: × %{z:.2f}<extra></extra>",
    )  # fmt: skip


def _lane(x: Array, values: Array) -> go.Scatter:
    """Return a profile over time as steps, one per column of patches."""
    line = {"color": palette.ACCENT, "width": 1.5, "shape": "hv"}
    return go.Scatter(
        x=x.round(3), y=np.append(values, values[-1]).round(3), mode="lines", line=line, fill="tozeroy",
        fillcolor=OVERLAY.format(0.25), hovertemplate="%{x:.2f} s: × %{y:.2f}<extra></extra>", yaxis="y2",
    )  # fmt: skip


def _side_lane(values: Array, y: Array) -> go.Bar:
    """Return a profile over frequency as bars that stand beside their rows of patches."""
    return go.Bar(
        x=values.round(3), y=((y[1:] + y[:-1]) / 2).round(2), width=np.diff(y).round(2), orientation="h",
        marker={"color": OVERLAY.format(0.35), "line": {"color": palette.ACCENT, "width": 1}},
        hovertemplate="× %{x:.2f}<extra></extra>", xaxis="x2",
    )  # fmt: skip


def mean_chart(values: Array, maps: Maps, seconds: float, n_mels: int, sample_rate: int, high: float) -> go.Figure:
    """Draw a mean map on time and frequency, from 0 to `high`, in multiples of the even share."""
    return _average(values, maps, (seconds, n_mels, sample_rate), (0.0, high), palette.SEQUENTIAL, "")


def difference_chart(values: Array, maps: Maps, seconds: float, n_mels: int, sample_rate: int) -> go.Figure:
    """Draw where human clips get more attention (blue, above 0) and where AI clips do (red, below 0)."""
    high = float(np.abs(values).max())
    return _average(values, maps, (seconds, n_mels, sample_rate), (-high, high), palette.DIVERGING[::-1], "+")


def _average(
    values: Array, maps: Maps, place: tuple[float, int, int], limits: tuple[float, float], colours: list[str], sign: str
) -> go.Figure:
    seconds, n_mels, sample_rate = place
    x, y = np.clip(edges(maps.seconds), 0, seconds), _bands(maps.hertz, n_mels, sample_rate)
    steps = [[step, colour] for step, colour in zip(np.linspace(0, 1, len(colours)), colours, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=values.round(3), x=x.round(3), y=y.round(2), zmin=limits[0], zmax=limits[1], colorscale=steps,
            customdata=np.repeat(maps.hertz.round()[:, None], values.shape[1], axis=1),
            colorbar={"thickness": 8, "len": 1.0, "nticks": 5, "outlinewidth": 0, "tickformat": f"{sign}.2~f"},
            hovertemplate=f"%{{x:.2f}} s, %{{customdata}} Hz: %{{z:{sign}.2f}}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(ticksuffix=" s", range=[0, seconds], showgrid=False, zeroline=False, fixedrange=True)
    figure.update_yaxes(
        **_kilohertz(n_mels, sample_rate), range=[-0.5, n_mels - 0.5], showgrid=False, zeroline=False, fixedrange=True
    )
    return _plain(figure, 240).update_layout(margin={"l": 48, "r": 4, "t": 8, "b": 28})


def _bands(hertz: Array, n_mels: int, sample_rate: int) -> Array:
    """Return the edges of rows of patches among the log-mel's bands; the encoder's own mel scale is another."""
    return np.clip(edges(mel_scale.band_of(hertz, n_mels, sample_rate)), -0.5, n_mels - 0.5)


def _kilohertz(n_mels: int, sample_rate: int) -> Mapping[str, object]:
    ticks = [hertz for hertz in TICKS if hertz < sample_rate / 2]
    places = mel_scale.band_of(ticks, n_mels, sample_rate)
    return {"tickvals": places, "ticktext": [f"{hertz / 1000:g}" for hertz in ticks], "title": _title("kHz")}


# What all of them share


def _mark(label: str, size: int) -> dict[str, object]:
    return {"symbol": theme.SYMBOLS[label], "color": theme.COLOURS[label], "size": size}


def _names(clips: pd.DataFrame) -> list[str]:
    return [escape(printable(path.rpartition("/")[2])) for path in clips["path"]]


def _whiskers(measurements: Sequence[Measurement]) -> dict[str, object]:
    return {
        "type": "data", "thickness": 2, "width": 5,
        "array": [estimate.high - estimate.value for estimate in measurements],
        "arrayminus": [estimate.value - estimate.low for estimate in measurements],
    }  # fmt: skip


def _even(**place: object) -> dict[str, object]:
    """Return the dotted line that marks where things would be if all were alike."""
    return {"type": "line", "line": EVEN, "layer": "above", **place}


def _title(text: str, standoff: int = 4) -> dict[str, object]:
    return {"text": text, "standoff": standoff}


def _plain(figure: go.Figure, height: int) -> go.Figure:
    margin = {"l": 0, "r": 8, "t": 8, "b": 44}
    return figure.update_layout(height=height, margin=margin, showlegend=False, hovermode="closest")
