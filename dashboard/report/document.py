"""The report, one HTML file for people without the dashboard: offline, printable, with sound.

Words stand in report.html, looks in report.css; the numbers come through the same doors as the pages'.
"""

import base64
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.artifacts import Run
from dashboard import sentences
from dashboard.drawing import pictures, theme
from dashboard.overview import limits as overview_limits
from dashboard.overview import words as overview_words
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.results import Results, read_part
from dashboard.reading.robustness import read_robustness
from dashboard.report import examples as report_examples
from dashboard.report import media, tables
from dashboard.report.prose import html_of, marked
from dashboard.robustness import words as robustness_words

HERE = Path(__file__).parent
FIRST_PAGE, PICTURE_BYTES = 60_000, 20_000  # about
FIGURE_SHARE = 0.6  # of a printed figure's file, in few colours and as text
SECTIONS = {
    "detectors": "All detectors",
    "unheard": "Sources never heard",
    "degraded": "Degraded files",
    "shortcuts": "Shortcuts",
    "calibration": "Scores and certainty",
    "learned": "What the models learned",
    "examples": "Listening examples",
    "making": "How it was made",
}  # that may be left out; the summary, what was tested and the limits may not
FIGURES = {
    "detectors": ("roc_curves", "confusion_matrices"),
    "unheard": ("leave_out",),
    "degraded": ("robustness",),
    "shortcuts": ("shortcuts",),
    "calibration": ("reliability",),
    "learned": ("tsne",),
}
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Options:
    """What goes into a report. Without any section, the first page alone: the summary."""

    sections: Collection[str] = tuple(SECTIONS)
    sound: bool = True


def file_name(run: Run, today: datetime) -> str:
    """Return what the report is to be called; nothing of a run's name that a file system or a shell could mind."""
    name = _SAFE.sub("-", run.name).strip("-.") or "run"
    return f"synthetic-music-detector-{name[:64]}-{today:%Y-%m-%d}.html"


def contents(run: Run, options: Options) -> str:
    """Say how many figures and examples a report holds, and about how large it gets."""
    figures = [run.figure(name) for name in _figures(options) if run.figure(name).exists()]
    examples = report_examples.choose(read_clip_table(run), runs.results(run).headline) if _examples(options) else []
    seconds = run.read_description()[1].audio.seconds if options.sound else 0.0
    size = FIRST_PAGE + sum(FIGURE_SHARE * path.stat().st_size for path in figures)
    size += len(examples) * (PICTURE_BYTES + media.sound_bytes(seconds))
    counts = f"{sentences.counted(len(figures), 'figure')}, {sentences.counted(len(examples), 'listening example')}"
    return f"{counts}, about {size / 1e6:.1f} MB"


def build(run: Run, options: Options, today: datetime) -> str:
    """Return a run's report as one HTML document, dated today.

    Raises
    ------
    ArtifactError : the run is not evaluated, or its tables are damaged.
    """
    results = runs.results(run)
    examples = report_examples.show(run, results, with_sound=options.sound) if _examples(options) else ()
    made = {
        "figures": {name: media.figure(run, name) for name in _figures(options)},
        "examples": list(examples),
        "today": today,
    }
    return _document(_context(run, results, options) | made)


def preview(run: Run, today: datetime) -> str:
    """Return the report's first page alone."""
    return build(run, Options(sections=(), sound=False), today)


def _figures(options: Options) -> list[str]:
    return [name for section in options.sections for name in FIGURES.get(section, ())]


def _examples(options: Options) -> bool:
    return "examples" in options.sections


def _document(context: dict[str, Any]) -> str:
    look = style()
    digest = base64.b64encode(hashlib.sha256(look.encode()).digest()).decode()
    icon = pictures.data_uri(theme.ICON.encode(), "image/svg+xml")
    page = _environment().get_template("report.html")
    return page.render(context, style=Markup(look), style_digest=digest, icon=icon)


def style() -> str:
    """Return report.css after the two class colours, which it calls `--human` and `--ai`."""
    colours = " ".join(f"--{label}: {colour};" for label, colour in theme.COLOURS.items())
    return f":root {{ {colours} }}\n" + (HERE / "report.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    """Return templates that escape every value; an unknown name is an error, not a gap."""
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["prose"] = lambda markdown: Markup(html_of(markdown))
    templates.filters["marked"] = lambda text: Markup(marked(text))
    return templates


def _context(run: Run, results: Results, options: Options) -> dict[str, Any]:
    """Return everything the template needs but pictures and sound."""
    _, config, _ = run.read_description()
    robustness = read_robustness(run)
    return {
        "run": run,
        "results": results,
        "best": results.headline,
        "robustness": robustness,
        "raw": _untyped(run, results),
        "config": config,
        "outdated": runs.is_outdated(run),
        "phases": runs.phases(run),
        "sections": {name: title for name, title in SECTIONS.items() if name in options.sections},
        "limits": overview_limits.limits(results, robustness),
        "with_sound": options.sound,
        "rule": report_examples.RULE,
        "sound_seconds": media.SOUND_SECONDS,
        "kbps": media.KBPS,
        "say": sentences,
        "overview": overview_words,
        "robustness_words": robustness_words,
        "tables": tables,
        "looks": theme,
    }


def _untyped(run: Run, results: Results) -> dict[str, Any]:
    """Return what no typed reader reads: calibration and reconstruction, as table and sentence."""
    return read_part(
        run,
        lambda value: {
            "calibration": tables.calibration_rows(value["models"], results),
            "reconstruction": tables.reconstruction(value["reconstruction"]),
        },
    )
