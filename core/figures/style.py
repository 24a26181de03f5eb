"""How every printed figure looks: one resolution, two classes, several models, intervals and values.

Human is always a blue circle and AI a red diamond; the two colours are equally dark, so the shape (or the hatch of a
bar) is what remains in black and white.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from core import palette
from core.metrics.intervals import Interval
from core.metrics.operating_points import CLASS_NAMES
from core.storage import write_atomic

DPI = 150


class ClassStyle(NamedTuple):
    """How one class looks in every figure."""

    name: str
    color: str
    marker: str
    symbol: str  # the marker as text
    hatch: str  # of its bars


HUMAN = ClassStyle(CLASS_NAMES[0], palette.HUMAN, "o", palette.SIGNS["human"], "")
AI = ClassStyle(CLASS_NAMES[1], palette.AI, "D", palette.SIGNS["ai"], "//")
CLASSES = (HUMAN, AI)  # by label

# Models take neither class's colour, and differ in line and hatch too.
_MODEL_COLORS = ("#555555", "#EE7733", "#009988", "#AA4499", "#999933", "#222255")
_MODEL_LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), ":", (0, (8, 2)))
_MODEL_HATCHES = ("", "//", "..", "xx", "\\\\", "++")
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("white_to_blue", ["#FFFFFF", "#6BAED6", "#08306B"])


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def panels_in_row(figure: Figure, count: int) -> list[Axes]:
    """Return panels side by side."""
    return list(figure.subplots(1, count, squeeze=False)[0])


def model_style(place: int) -> tuple[str, Any, str]:
    """Return colour, line and hatch of the model at a place."""
    return tuple(styles[place % len(styles)] for styles in (_MODEL_COLORS, _MODEL_LINES, _MODEL_HATCHES))  # type: ignore


def legend_below(figure: Figure, note: str | None = None) -> Figure:
    """Put the first axes' legend, with a note above it, under the whole figure."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, title=note)
    return figure


def draw_image(
    axes: Axes, values: NDArray[Any], cmap: str, low: float, high: float, seconds: float | None = None
) -> AxesImage:
    """Draw a matrix with one row upwards per first index; with `seconds`, its width is time."""
    rows, columns = values.shape
    extent = (0 if seconds else -0.5, seconds or columns - 0.5, -0.5, rows - 0.5)
    return axes.imshow(values, cmap=cmap, vmin=low, vmax=high, origin="lower", aspect="auto", extent=extent)


def whiskers(axes: Axes, x: NDArray[Any], heights: Sequence[float], ranges: Sequence[Interval | None]) -> list[float]:
    """Draw the intervals there are; return where each bar with its whisker ends."""
    halo = withStroke(linewidth=3, foreground="white")  # black on a dark bar would not show
    for place, height, bounds in zip(x, heights, ranges, strict=True):
        if bounds:
            below, above = max(height - bounds[0], 0), max(bounds[1] - height, 0)
            axes.errorbar(
                place, height, [[below], [above]], color="black", capsize=3, linewidth=1.2, path_effects=[halo]
            )
    return [max(height, bounds[1]) if bounds else height for height, bounds in zip(heights, ranges, strict=True)]


def values_above(axes: Axes, x: NDArray[Any], heights: Sequence[float], tops: Sequence[float], size: int) -> None:
    """Write values in percent above their bars."""
    for place, height, top in zip(x, heights, tops, strict=True):
        axes.annotate(
            f"{100 * height:.1f}", (place, top), (0, 3), textcoords="offset points", ha="center", fontsize=size
        )


def percent_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Give both axes percentages, labels and a grid."""
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel=x_label, ylabel=y_label)
    light_grid(axes, "both")


def light_grid(axes: Axes, direction: Literal["both", "x", "y"]) -> None:
    """Draw a grid behind the data."""
    axes.grid(visible=True, axis=direction, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def bracketed(interval: Interval | None) -> str:
    """Return an interval as it stands behind a value; nothing of none."""
    return f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""


def save_figures(figures: Mapping[Path, Figure]) -> list[Path]:
    """Write printed figures as PNG and return their paths."""
    for path, figure in figures.items():
        write_atomic(path, lambda file, figure=figure: figure.savefig(file, format="png", dpi=DPI))  # type: ignore[misc]
    return list(figures)
