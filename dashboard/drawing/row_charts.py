"""Still charts: rows of marks with whiskers, drawn with the page's own elements. Values in, chart out.

Nothing is loaded for them, where a library of charts is 5 MB of program before a page stands, and they take the page's
colours and letters. Each mark says its numbers under the pointer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from core import palette
from core.errors import printable
from core.metrics.intervals import with_interval
from dashboard.drawing import theme
from dashboard.reading.results import Measurement

ROW = 44  # pixels per detector
MOST_TICKS = 6
STEPS = tuple(size * 10.0**power for power in range(-4, 7) for size in (1, 2, 2.5, 5))  # between two ticks
APART = 0.14  # of a row's height: how far two classes stand from its middle


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value in a row."""

    at: float
    says: str  # under the pointer
    symbol: str = "square"  # or `circle`, `diamond`, `x`, `bar`
    colour: str = palette.NEUTRAL
    size: float = 11  # pixels
    filled: bool = True
    reach: tuple[float, float] | None = None  # where its whiskers end
    capped: bool = True  # whiskers have ends: they are an interval
    up: float = 0.0  # above the row's middle, in heights of the row


@dataclass(frozen=True)
class Row:
    """A row of a chart; all texts are plain text."""

    title: str
    marks: tuple[Mark, ...] = ()
    note: str = ""  # below the title
    heading: bool = False  # over the rows that follow


@dataclass(frozen=True)
class Line:
    """An upright line that marks are read against."""

    at: float
    colour: str = palette.NEUTRAL
    dash: str = "dotted"  # or `dashed`


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Rows over one axis that runs from `low` to `high`."""

    rows: tuple[Row, ...]
    low: float
    high: float = 1.02
    lines: tuple[Line, ...] = ()
    percent: bool = False  # values are shares, written in per cent
    axis: str = ""  # what the axis shows, where the title above does not say so
    height: int = ROW  # pixels of a row, at least


# Marks


def mark(estimate: Measurement, name: str, *, form: str = ".3f", **look: Any) -> Mark:  # noqa: ANN401 - a mark's fields
    """Return an estimate as a mark with whiskers that says its name and numbers.

    Parameters
    ----------
    form : of its numbers.
    look : as `Mark`.
    """
    reach = (estimate.low, estimate.high) if estimate.supported else None
    return Mark(at=estimate.value, reach=reach, says=f"{name}: {with_ends(estimate, form)}", **look)


def with_ends(estimate: Measurement, form: str = ".3f") -> str:
    """Return an estimate with its interval, or with the reason why it has none, as plain text."""
    return with_interval(estimate.value, (estimate.low, estimate.high) if estimate.supported else None, form)


def class_mark(share: Measurement, label: str, name: str, size: float = 11) -> Mark:
    """Return a class's share as its mark: human above the middle of the row, AI below."""
    up = APART if label == "human" else -APART
    look = {"symbol": theme.SYMBOLS[label], "colour": theme.COLOURS[label], "size": size, "up": up}
    return mark(share, name, form=".0%", **look)


def start(rows: Sequence[Row], most: float = 1.0) -> float:
    """Return where an axis begins so that no mark and no whisker is cut off: just below them, and below `most`."""
    lowest = min([most, *(value for row in rows for mark in row.marks for value in (mark.at, *(mark.reach or ())))])
    return max(-0.02, float(lowest) - 0.03)


# As elements of the page


def chart_html(chart: Chart, alt: str) -> str:
    """Return a chart as HTML; its looks are in page.css.

    Parameters
    ----------
    alt : what it shows, for those who cannot see it.
    """
    ticks = steps(chart.low, chart.high)
    rows = "".join(_row(chart, row, number) for number, row in enumerate(chart.rows, 1))
    return (
        f'<div class="smd-rows" role="img" aria-label="{escape(alt)}" style="--row: {chart.height}px">'
        f"{_behind(chart, ticks)}{rows}{_axis(chart, ticks)}</div>"
    )


def _behind(chart: Chart, ticks: Sequence[float]) -> str:
    """Return the upright lines behind all rows."""
    grid = "".join(f'<i style="left: {_share(chart, tick)}"></i>' for tick in ticks)
    lines = "".join(
        f'<i class="smd-line" style="left: {_share(chart, line.at)}; border-left: 1.5px {line.dash} {line.colour}"></i>'
        for line in chart.lines
    )
    return f'<span class="smd-grid" style="grid-row: 1 / {len(chart.rows) + 1}">{grid}{lines}</span>'


def _row(chart: Chart, row: Row, number: int) -> str:
    kind = "smd-name smd-heading" if row.heading else "smd-name"
    note = f"<small>{escape(printable(row.note))}</small>" if row.note else ""
    marks = "".join(_mark(chart, mark) for mark in row.marks)
    title, place = f"{escape(printable(row.title))}{note}", f'style="grid-row: {number}"'
    return f'<span class="{kind}" {place}>{title}</span><span class="smd-lane" {place}>{marks}</span>'


def _mark(chart: Chart, mark: Mark) -> str:
    """Return a mark and its whiskers; both say its numbers, for a mark is small."""
    top = f"{50 - 100 * mark.up:g}%"
    symbol = shape(mark, _share(chart, mark.at), top)
    if mark.reach is None:
        return symbol
    left, right = (_share(chart, end) for end in (mark.reach[0], chart.low + chart.high - mark.reach[1]))
    look = f"left: {left}; right: {right}; top: {top}; --colour: {mark.colour}"
    kind = "smd-reach" if mark.capped else "smd-reach smd-bare"
    return f'<i class="{kind}" title="{escape(printable(mark.says))}" style="{look}"></i>{symbol}'


def shape(mark: Mark, left: str, top: str) -> str:
    """Return a mark as HTML at a place, such as `50%`, of what it stands in."""
    kind = f"smd-mark smd-{mark.symbol}" + ("" if mark.filled else " smd-open")
    look = f"left: {left}; top: {top}; --colour: {mark.colour}; --size: {mark.size:g}px"
    return f'<i class="{kind}" title="{escape(printable(mark.says))}" style="{look}"></i>'


def _axis(chart: Chart, ticks: Sequence[float]) -> str:
    texts = "".join(
        f'<i style="left: {_share(chart, tick)}">{f"{tick:.0%}" if chart.percent else f"{tick:g}"}</i>'
        for tick in ticks
    )
    title = f'<span class="smd-axis">{escape(chart.axis)}</span>' if chart.axis else ""
    return f'<span class="smd-ticks">{texts}</span>{title}'


def _share(chart: Chart, value: float) -> str:
    """Return where a value stands, from the left in per cent of the axis."""
    return f"{100 * (value - chart.low) / (chart.high - chart.low):.2f}%"


def steps(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Return round values from `low` to `high`, evenly spaced, at most `most` or one more."""
    span = high - low
    size = next(size for size in STEPS if span / size <= most)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
    return [round(number * size, 6) for number in range(first, last + 1)]
