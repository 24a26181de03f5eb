"""The benchmark's step on the dashboard: how long its readers wait, and what ten of them take.

It is measured in a browser, on an evaluated run whose rows are repeated until there are as many clips as asked for.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from core.artifacts import ROOT, Run, list_runs, open_run
from core.errors import ArtifactError
from scripts.benchmark import browser as benchmark_browser
from scripts.benchmark import repeated
from scripts.benchmark.browser import NAMES, NUMBERS, SOUND, THUMB, Browser, Server

FIRST_PAGE, PAGE, SELECTION, THRESHOLD = 3.0, 1.0, 0.5, 0.5  # seconds, at most
MEMORY, PEOPLE = 1500.0, 10  # MB with as many people, at most
MOST_STEPS = 8  # through a list, for one clip that sounds unlike the one before
ROWS = 8  # of the table of clips that are in sight
FIRST = "Overview"
PAGES = (FIRST, *sorted({file.stem.title() for file in (ROOT / "pages").glob("*.py")} - {FIRST}))
Work = tuple[float, float]  # seconds of the processor: server, browser


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
        run = repeated.repeat(source, Path(folder), clips)
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
    runs = [open_run(name)] if name else list_runs()
    run = next((run for run in runs if run.results_file.exists() and (name or not run.shipped)), None)
    if run is not None:
        return run
    if name and runs[0].description.exists():
        raise ArtifactError(runs[0].folder, "not evaluated yet", f"Run `python -m scripts.pipeline run --run {name}`")
    problem = "there is no such run" if name else "there is no evaluated run to measure the dashboard on"
    raise ArtifactError(name or "--run", problem, "Run `python scripts/demo.py`, or the pipeline on your own clips")


def load() -> str:
    """Return the machine's load over the last minute, as text."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def first_page(browser: Browser, artifacts: Path, rounds: int) -> list[TargetRow]:
    """Time the first page of servers that have just been started, in a browser that knows none of its files."""
    healthy, begun = [], []
    for _ in range(rounds):
        browser.forget_files()
        with benchmark_browser.server(artifacts) as server:
            answered = server.wait()
            page = browser.open(server.address, FIRST)
        healthy.append(page - answered)
        begun.append(page - server.started)
    return [
        TargetRow("first page, from the server's first answer", "s", tuple(healthy), FIRST_PAGE, "of cold servers"),
        TargetRow("… from the start of its process", "s", tuple(begun), FIRST_PAGE, "Python's and Streamlit's too"),
    ]


def pages(browser: Browser, server: Server, clip: str, rounds: int) -> list[TargetRow]:
    """Time each page, chosen in the sidebar while a clip is selected."""
    browser.open(address(server, FIRST, clip), FIRST)
    times: dict[str, list[float]] = {title: [] for title in PAGES}
    works: dict[str, list[Work]] = {title: [] for title in PAGES}
    for title in (*PAGES[1:], FIRST) * rounds:
        with working(browser, server, works[title]):
            times[title].append(browser.turn_to(title))
    return [TargetRow(f"to the page {title}", "s", tuple(times[title]), PAGE, work(works[title])) for title in PAGES]


def selections(browser: Browser, server: Server, rounds: int) -> list[TargetRow]:
    """Time the way to another clip's sound and spectrogram: by the table of clips, and by a key on the audit page."""
    browser.open(address(server, "Clips"), "Clips")
    works: list[Work] = []
    chosen = []
    for number in range(rounds):
        with working(browser, server, works):
            chosen.append(browser.click_row("Clips", number % ROWS))
    rows = _two_rows("a row of Clips to its sound and picture", chosen, SELECTION, None, work(works))
    browser.open(address(server, "Audit"), "Audit")
    works, stepped = [], []
    for _ in range(MOST_STEPS * rounds):
        with working(browser, server, works):
            next_clip = browser.press("Audit", "ArrowRight", NAMES, SOUND)
        if next_clip[0] > 0:  # else a copy of the clip before: it sounds alike
            stepped.append(next_clip)
        if len(stepped) == rounds:
            break
    return rows + _two_rows("→ on Audit to the next clip's", stepped, SELECTION, None, work(works))


def thresholds(browser: Browser, server: Server, rounds: int) -> list[TargetRow]:
    """Time what follows when the threshold is moved by one step, up and down in turn."""
    rows: list[TargetRow] = []
    for title in ("Models", "Audit"):
        browser.open(address(server, title), title)
        works: list[Work] = []
        times = []
        for number in range(rounds):
            with working(browser, server, works):
                key = ("ArrowUp", "ArrowDown")[number % 2]
                times.append(browser.press(title, key, NUMBERS, NUMBERS, THUMB))
        rows += _two_rows(f"threshold on {title} to its numbers", times, THRESHOLD, THRESHOLD, work(works))
    return rows


def _two_rows(
    what: str, times: list[tuple[float, float]], early: float, complete: float | None, note: str
) -> list[TargetRow]:
    if not times:
        return []
    firsts, ends = zip(*times, strict=True)
    return [TargetRow(what, "s", firsts, early, note), TargetRow("… to all that is drawn", "s", ends, complete)]


@contextlib.contextmanager
def working(browser: Browser, server: Server, works: list[Work]) -> Iterator[None]:
    """Note the processor time that server and browser take for a block."""
    before = server.cpu_seconds(), browser.cpu_seconds()
    yield
    works.append((server.cpu_seconds() - before[0], browser.cpu_seconds() - before[1]))


def work(works: list[Work]) -> str:
    """Say how much of the processor's time server and browser took: what other programs do makes it no longer."""
    server, browser = (median(parts) for parts in zip(*works, strict=True))
    return f"CPU: server {server:.2f} s, browser {browser:.2f} s"


def memory(browser: Browser, artifacts: Path, clip: str) -> list[TargetRow]:
    """Measure a fresh server's memory with nobody, with one person, and with more, each on another page."""
    with benchmark_browser.server(artifacts) as server:
        server.wait()
        taken = [server.memory_mb()]
        for number in range(PEOPLE):
            browser.new_tab()
            title = PAGES[number % len(PAGES)]
            browser.open(address(server, title, clip), title)
            taken.append(server.memory_mb())
    most = max(taken)
    return [
        TargetRow("memory of the server, nobody there", "MB", (taken[0],)),
        TargetRow("… one person on the first page", "MB", (taken[1],)),
        TargetRow(
            f"… {PEOPLE} people on all pages", "MB", (most,), MEMORY, f"{most / taken[1]:.2f} times one person's"
        ),
    ]


def address(server: Server, title: str, clip: str = "") -> str:
    """Return a page's address, with a clip selected if one is given."""
    page = "" if title == FIRST else title.lower()
    return f"{server.address}/{page}" + (f"?{urlencode({'clip': clip})}" if clip else "")
