"""The printed figures of what was asked beyond the test split: data in, matplotlib `Figure` out.

Each takes its part of results.json as it stands, and the detectors' names by key; it computes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from core.errors import printable
from core.figures.style import AI, HUMAN, ClassStyle, legend_below, light_grid, model_style, new_figure
from core.models.attribution import ArtefactView

Part = Mapping[str, Any]
Names = Mapping[str, str]  # of the detectors, by key

_SHORTCUT_COLOR = "#BBBBBB"
_MODEL_MARKERS = "svP^X<"  # neither class's
_BEST_IS_DARK = LinearSegmentedColormap.from_list("white_to_grey_blue", ["#FFFFFF", "#9ECAE1", "#2171B5"])
_WORST_IS_DARK = LinearSegmentedColormap.from_list("white_to_brown", ["#FFFFFF", "#FEC44F", "#993404"])


def plot_reliability(calibrations: Mapping[str, Part]) -> Figure:
    """Draw share of AI over mean score in bins of equally many test clips, before and after the temperature.

    Parameters
    ----------
    calibrations : per detector's name, `bins` (before, after), `ece_before`, `ece_after`, `temperature` and `n`.
    """
    columns = min(3, len(calibrations))
    rows = -(-len(calibrations) // columns)
    figure = new_figure(3.7 * columns + 0.4, 3.7 * rows + 1.2)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat
    for axes, (name, calibration) in zip(panels, calibrations.items(), strict=False):
        axes.plot(
            [0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1, label="A probability that means what it says"
        )
        _bins(axes, calibration["bins"]["before"], "#999933", "s", "As scored")
        _bins(axes, calibration["bins"]["after"], "#332288", "^", "After the temperature of the validation clips")
        before, after = calibration["ece_before"], calibration["ece_after"]
        axes.set_title(f"{name}\nT {calibration['temperature']:.2f}, error {before:.3f} → {after:.3f}", fontsize=10)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        light_grid(axes, "both")
    for spare in list(panels):
        spare.set_axis_off()
    for place, axes in enumerate(figure.axes[: len(calibrations)]):
        if place + columns >= len(calibrations):
            axes.set_xlabel("Mean score of the clips in a bin")
        if place % columns == 0:
            axes.set_ylabel("Share of them that is AI")
    n = next(iter(calibrations.values()))["n"]
    figure.suptitle(f"Reliability on {n} test clips (whiskers: Wilson over clips; error: mean distance)")
    return legend_below(figure)


def _bins(axes: Axes, bins: Sequence[Part], color: str, marker: str, label: str) -> None:
    x, y = ([part[field] for part in bins] for field in ("mean_probability", "share_ai"))
    ranges = [
        [0 if part["low_ci"] is None else max(part["share_ai"] - part["low_ci"], 0) for part in bins],
        [0 if part["high_ci"] is None else max(part["high_ci"] - part["share_ai"], 0) for part in bins],
    ]
    axes.errorbar(x, y, ranges, fmt=f"{marker}-", color=color, linewidth=1, markersize=5, capsize=2, label=label)


def plot_shortcuts(shortcuts: Part, models: Mapping[str, Part]) -> Figure:
    """Draw test AUC of each fact without music by itself, of all together, and of the detectors beside them.

    Parameters
    ----------
    found : `files` (as stored) and `heard` (what the models are given), each with `features` and `test_auc`.
    models : per detector's name, the figures of its test split.
    """
    panels = {"files": "Facts about the files as stored", "heard": "Facts about the sound the models are given"}
    most = max(len(shortcuts[kind]["features"]) for kind in panels) + len(models) + 1
    figure = new_figure(12.5, 0.3 * most + 1.8)
    for axes, (kind, title) in zip(figure.subplots(1, 2, sharex=True), panels.items(), strict=True):
        _shortcut_bars(axes, shortcuts[kind], models)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("Test AUC (0.5: chance)")
    audit = shortcuts["files"]
    figure.suptitle(
        f"What tells the classes apart on {audit['n']} test clips of {audit['songs']} songs (intervals: over songs)"
    )
    handles = [
        Patch(facecolor=_SHORTCUT_COLOR, label="One fact by itself"),
        Patch(facecolor=_SHORTCUT_COLOR, hatch="//", edgecolor="white", label="All facts together"),
        Patch(facecolor="#555555", hatch="..", edgecolor="white", label="A detector"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _shortcut_bars(axes: Axes, audit: Part, models: Mapping[str, Part]) -> None:
    lines = [(name, test["roc_auc"], test["intervals"]["roc_auc"], "#555555", "..") for name, test in models.items()]
    lines.append(("All facts together", audit["test_auc"], audit["test_auc_interval"], _SHORTCUT_COLOR, "//"))
    facts = sorted(audit["features"], key=lambda fact: -fact["test_auc"])
    lines += [(fact["title"], fact["test_auc"], None, _SHORTCUT_COLOR, "") for fact in facts]
    halo = withStroke(linewidth=3, foreground="white")
    for place, (_, value, interval, color, hatch) in enumerate(lines):
        axes.barh(place, value, 0.75, color=color, hatch=hatch, edgecolor="white", linewidth=0)
        if interval:
            ends = [[max(value - interval[0], 0)], [max(interval[1] - value, 0)]]
            axes.errorbar(value, place, xerr=ends, color="black", capsize=2, linewidth=1, path_effects=[halo])
        axes.annotate(f"{value:.2f}", (0, place), (3, 0), textcoords="offset points", va="center", fontsize=8,
                      color="white" if color != _SHORTCUT_COLOR else "black",
                      bbox={"boxstyle": "square,pad=0.1", "facecolor": color, "edgecolor": "none"})  # fmt: skip
    axes.axvline(0.5, color="0.2", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(lines)), [line[0] for line in lines], fontsize=9)
    axes.set_xlim(0, 1.02)
    axes.invert_yaxis()
    light_grid(axes, "x")


def plot_leave_out(leave_out: Part, names: Names) -> Figure:
    """Draw, per source that was held out, every detector's AUC and share of clips called rightly, with n."""
    sources, count = leave_out["sources"], len(names)
    figure = new_figure(11.5, max(0.16 * count + 0.25, 0.6) * len(sources) + 1.9)
    for axes, (field, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (("auc", "AUC against test clips of the other class"), ("recall", "Share of clips called rightly")),
        strict=True,
    ):
        for place, (key, name) in enumerate(names.items()):
            y = np.arange(len(sources)) + (place - (count - 1) / 2) * 0.8 / count
            _source_marks(axes, sources, key, field, y, place, name)
        for row in range(1, len(sources)):
            axes.axhline(row - 0.5, color="0.85", linewidth=0.8)
        axes.axvline(0.5, color="0.2", linestyle=":", linewidth=1)
        axes.set(title=title, xlim=(-0.02, 1.02), ylim=(len(sources) - 0.5, -0.5))
        light_grid(axes, "x")
    figure.axes[0].set_yticks(range(len(sources)), [_source_name(source) for source in sources], fontsize=9)
    figure.axes[1].xaxis.set_major_formatter(PercentFormatter(1))
    for label, source in zip(figure.axes[0].get_yticklabels(), sources, strict=True):
        label.set_color(_style(source["label"]).color)
    figure.suptitle("Sources that the models never heard, held out in turn (whiskers: over songs)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _source_marks(
    axes: Axes, sources: Sequence[Part], key: str, field: str, y: np.ndarray, place: int, name: str
) -> None:
    color, _, _ = model_style(place)
    judged = [source["models"][key] for source in sources]
    values = np.array([mark[field] for mark in judged])
    none = (np.nan, np.nan)  # too few songs for whiskers
    low, high = np.array([mark[f"{field}_interval"] or none for mark in judged]).T
    ends = np.maximum([values - low, high - values], 0)
    axes.errorbar(
        values,
        y,
        xerr=ends,
        fmt=_MODEL_MARKERS[place % len(_MODEL_MARKERS)],
        color=color,
        markersize=5,
        linewidth=1,
        label=name,
    )


def _source_name(source: Part) -> str:
    style = _style(source["label"])
    name = printable(source["source"].encode("latin-1", "backslashreplace").decode("latin-1"), 24).replace("$", r"\$")
    return f"{style.symbol} {style.name}: {name}\nn = {source['n']}, {source['songs']} songs"


def _style(label: str) -> ClassStyle:
    return AI if label == "ai" else HUMAN


def plot_robustness(robustness: Part, names: Names) -> Figure:
    """Draw AUC and both error rates of every detector after every change, as heat maps with their numbers."""
    transforms, count = robustness["transforms"], len(names)
    clips = robustness["clips"]
    panels = (
        ("auc", "AUC", _BEST_IS_DARK, (0.5, 1.0)),
        ("false_positive_rate", f"{HUMAN.symbol} Human called AI (n = {clips['human']})", _WORST_IS_DARK, (0.0, 1.0)),
        ("false_negative_rate", f"{AI.symbol} AI called human (n = {clips['ai']})", _WORST_IS_DARK, (0.0, 1.0)),
    )
    figure = new_figure(0.75 * 3 * count + 2.8, 0.27 * len(transforms) + 2.6)
    for axes, (field, title, colors, limits) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        values = np.array([[line[field] for line in robustness["models"][key]] for key in names]).T
        _heat(axes, values, colors, limits, percent=field != "auc")
        axes.set_xticks(range(count), list(names.values()), rotation=40, ha="right", rotation_mode="anchor", fontsize=9)
        axes.set_title(title, fontsize=11)
    figure.axes[0].set_yticks(range(len(transforms)), transforms, fontsize=9)
    figure.suptitle(
        f"{robustness['n']} test clips of {robustness['songs']} songs, changed in {len(transforms) - 1} ways; every "
        "model at the threshold it had on clean validation clips"
    )
    return figure


def _heat(axes: Axes, values: np.ndarray, colors: Any, limits: tuple[float, float], *, percent: bool) -> None:  # noqa: ANN401
    axes.imshow(values, cmap=colors, vmin=limits[0], vmax=limits[1], aspect="auto")
    middle = sum(limits) / 2 + 0.25 * (limits[1] - limits[0])
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.0%}" if percent else f"{value:.2f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if value > middle else "black")
    axes.axhline(0.5, color="0.2", linewidth=1.2)  # under the clean clips


def plot_seeds(seeds: Part, names: Names) -> Figure:
    """Draw test AUC and accuracy of every training, one row per detector, with their mean."""
    figure = new_figure(10.0, 0.5 * len(names) + 1.9)
    places = np.arange(len(names))
    for axes, (field, title) in zip(
        figure.subplots(1, 2, sharey=True), (("roc_auc", "AUC"), ("accuracy", "Accuracy")), strict=True
    ):
        for place, key in enumerate(names):
            spread = seeds["models"][key][field]
            axes.plot(spread["values"], np.full(len(spread["values"]), place), "|", color="#555555", markersize=14,
                      markeredgewidth=1.6, label="One training" if not place else None)  # fmt: skip
            axes.plot(spread["mean"], place, "s", color="#EE7733", markersize=6, label="Mean" if not place else None)
        axes.set_title(title, fontsize=11)
        light_grid(axes, "x")
    figure.axes[0].set_yticks(places, list(names.values()))
    figure.axes[0].set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(f"{len(seeds['seeds'])} trainings with different seeds, on the same {seeds['n']} test clips")
    return legend_below(figure)


def plot_artefacts(views: Mapping[str, tuple[int, ArtefactView]]) -> Figure:
    """Draw clips' residual spectra over the reference's, and below each what its lines add to the verdict.

    Parameters
    ----------
    views : per title, the clip's label and its view.
    """
    figure = new_figure(6.4 * len(views) + 0.4, 6.2)
    panels = figure.subplots(2, len(views), squeeze=False, sharex=True, sharey="row")
    for column, (title, (label, view)) in enumerate(views.items()):
        top, bottom = panels[:, column]
        style = (HUMAN, AI)[label]
        kilohertz = view.hertz / 1000
        top.plot(kilohertz, view.residual, color=style.color, linewidth=0.5)
        top.plot(kilohertz, view.reference, color="black", linewidth=0.8, label="Mean human training clip")
        chosen = view.strongest
        top.plot(kilohertz[chosen], view.residual[chosen], "kv", markersize=4, label="Lines that moved it most")
        top.set_title(f"{style.symbol} {printable(title)}", fontsize=10)
        bottom.vlines(kilohertz, 0, view.lines, color=style.color, linewidth=0.5)
        bottom.axhline(0, color="0.3", linewidth=0.8)
        words = f"all lines {view.lines.sum():+.1f}, grain {view.grain.sum():+.1f}"
        bottom.set_title(f"Log-odds of AI beside the mean human clip: {words}", fontsize=9)
        bottom.set_xlabel("Frequency (kHz)")
        for axes in (top, bottom):
            light_grid(axes, "both")
    panels[0, 0].set_ylabel("Time-averaged residual (dB)")
    panels[1, 0].set_ylabel("Contribution of each line")
    return legend_below(figure)
