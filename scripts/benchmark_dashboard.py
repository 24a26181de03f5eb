"""The benchmark's step on the dashboard: how long its readers wait, and what ten of them take (DESIGN, issue of U1-U10).

It is measured in a browser, on an evaluated run whose rows are repeated until there are as many clips as asked for.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from core.artifacts import Run, list_runs, open_run
from core.errors import ArtifactError
from scripts import benchmark_browser, benchmark_repeated
from scripts.benchmark_browser import NUMBERS, SOUND, THUMB, Browser, Server

FIRST_PAGE, PAGE, SELECTION, THRESHOLD = 3.0, 1.0, 0.5, 0.5  # seconds, at most
MEMORY, PEOPLE = 1500.0, 10  # MB with as many people, at most
ROWS = 8  # of the table of clips that are in sight
PAGES = ("Overview", "Clips", "Map", "Models", "Audit", "Attention", "Robustness", "Report")


@dataclass(frozen=True)
class TargetRow:
    """One quantity, measured several times, beside what it should be at most."""

    what: str
    unit: str
    values: tuple[float, ...]  # in the order in which they were measured
    target: float | None = None  # None: only told
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the median is within the target."""
        return self.target is None or median(self.values) <= self.target

    def cells(self) -> dict[str, object]:
        """Return the row as it is printed."""
        several = len(self.values) > 1
        return {
            "what": self.what,
            "measured": self._shown(median(self.values)),
            "at most": "" if self.target is None else self._shown(self.target),
            "met": "" if self.target is None else ("yes" if self.met else "NO"),
            "first": self._shown(self.values[0]) if several else "",
            "largest": self._shown(max(self.values)) if several else "",
            "times": len(self.values),
            "note": self.note,
        }

    def _shown(self, value: float) -> str:
        return f"{value:,.0f} {self.unit}" if self.unit == "MB" else f"{value:,.2f} {self.unit}"


def measure(name: str, clips: int, rounds: int) -> tuple[list[TargetRow], tuple[str, ...]]:
    """Measure the dashboard on a run's rows, repeated to `clips`; return the rows and what is to be known of them.

    Raises
    ------
    ArtifactError, StepError : there is no evaluated run, or no browser.
    """
    source, before = evaluated(name), load()
    with benchmark_browser.browser() as browser, tempfile.TemporaryDirectory() as folder:
        run = benchmark_repeated.repeat(source, Path(folder), clips)
        made = run.read_clips()
        clip = next(clip.path for clip in made if clip.split == "test")
        artifacts = run.folder.parent
        rows = first_page(browser, artifacts, rounds)
        with benchmark_browser.server(artifacts) as server:
            server.wait()
            rows += pages(browser, server, clip, rounds)
            rows += selections(browser, server, rounds)
            rows += thresholds(browser, server, rounds)
            rows.append(TargetRow("memory after one person saw all that", "MB", (server.memory_mb(),)))
        rows += memory(browser, artifacts, clip)
    return rows, (
        f"{len(made):,} clips: the {len(source.read_clips()):,} of the run {source.name} over and over, with names of "
        "their own. A clip is selected while pages are turned.",
        "Times run in the browser from the click or key until the page's charts, tables, pictures and sounds are drawn "
        f"and nothing runs; only those of the first page begin with the server. Load {before} before, {load()} after.",
    )


def evaluated(name: str) -> Run:
    """Return the run of a name, or the newest one that is evaluated.

    Raises
    ------
    ArtifactError : it is not evaluated, or there is none.
    """
    found = [open_run(name)] if name else list_runs()
    run = next((run for run in found if run.results_file.exists()), None)
    if run is not None:
        return run
    if name and found[0].description.exists():
        raise ArtifactError(found[0].folder, "not evaluated yet", f"Run `python -m scripts.pipeline run --run {name}`")
    problem = "there is no such run" if name else "there is no evaluated run to measure the dashboard on"
    raise ArtifactError(name or "--run", problem, "Run `python scripts/demo.py`, or the pipeline on your own clips")


def load() -> str:
    """Return the machine's load over the last minute, as text."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def first_page(browser: Browser, artifacts: Path, rounds: int) -> list[TargetRow]:
    """Time the first page of servers that have just been started, in a browser that knows none of its files."""
    from_start, from_health = [], []
    for _ in range(rounds):
        browser.forget_files()
        with benchmark_browser.server(artifacts) as server:
            healthy = server.wait()
            whole = opened(browser, server)
        from_start.append(whole)
        from_health.append(whole - healthy)
    return [
        TargetRow("first page, from when the server answers", "s", tuple(from_health), FIRST_PAGE, "its own first run"),
        TargetRow("… from the start of its process", "s", tuple(from_start), FIRST_PAGE),
    ]


def opened(browser: Browser, server: Server) -> float:
    """Open the first page; return the seconds from the server's start until it is drawn."""
    began = browser.now() - server.age()
    return browser.open(server.address, PAGES[0]) - began


def pages(browser: Browser, server: Server, clip: str, rounds: int) -> list[TargetRow]:
    """Time each page, chosen in the sidebar while a clip is selected."""
    browser.open(f"{server.address}/?{query(clip=clip)}", PAGES[0])
    order = (*PAGES[1:], PAGES[0])
    times = [{title: browser.turn_to(title) for title in order} for _ in range(rounds)]
    return [TargetRow(f"to the page {title}", "s", tuple(row[title] for row in times), PAGE) for title in PAGES]
