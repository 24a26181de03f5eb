"""Which runs there are, how far they are, and what stands in the files that every page asks for.

No model is loaded, and nothing that loads one is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from core import storage
from core.artifacts import SKIPPED_COLUMNS, Clip, Run, artifacts_folder, list_runs
from core.errors import ArtifactError
from core.pipeline import NAMES, PHASES
from core.storage import readable
from dashboard.reading.kept import kept
from dashboard.reading.results import Results, number, parse, read_part, shown_path, text

PNG = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"  # how a whole PNG begins and ends


@dataclass(frozen=True)
class PhaseState:
    """Whether a phase has ended, and what it took."""

    name: str
    title: str
    done: bool
    seconds: float = 0.0
    peak_mb: float = 0.0
    device: str = ""
    finished: str = ""


# Finding a run


def runs() -> list[Run]:
    """Return every run, newest first; those in which nothing has ended yet come last.

    Raises
    ------
    ArtifactError : there is none.
    """
    started = list_runs()
    if not started:
        raise ArtifactError(
            shown_path(artifacts_folder()),
            "there is no run here yet",
            "Run `python scripts/demo.py` for a demo on made-up clips, or "
            "`python -m scripts.pipeline run --human DIR --ai DIR --run NAME` on your own",
        )
    return sorted(started, key=lambda run: not any(phase.done for phase in phases(run)))


def current_run() -> Run:
    """Return the run that is chosen in the sidebar."""
    name = st.session_state.get("run")
    return next((run for run in runs() if run.name == name), runs()[0])


def is_demo(run: Run) -> bool:
    """Return whether the clips of a run are made up."""
    return run.read_description()[2]


def has_clip(run: Run, path: str) -> bool:
    """Return whether a run has a clip; a run without its table of clips is asked no further."""
    return path in clips_by_path(run) if run.clips_table.exists() else True


@kept(lambda run: (run.clips_table,))
def clips_by_path(run: Run) -> Mapping[str, Clip]:
    """Return the rows of clips.csv in their order, by the clip's path, which is its id; names are readable.

    Here names of bytes that are not UTF-8 become text, once for all pages: tables, addresses, browsers and SQLite take
    nothing else. `core.storage.stored` leads back to the file.

    Raises
    ------
    ArtifactError : it is missing or damaged.
    """
    clips = [
        replace(clip, path=readable(clip.path), group=readable(clip.group), source=readable(clip.source))
        for clip in run.read_clips()
    ]
    return {clip.path: clip for clip in clips}


def location(run: Run) -> str:
    """Return the run's folder as a user of this project would type it."""
    return shown_path(run.folder)


# Phases


def phases(run: Run) -> tuple[PhaseState, ...]:
    """Return the state of every phase, in order."""
    return tuple(_phase(run, phase.name, phase.title) for phase in PHASES)


def _phase(run: Run, name: str, title: str) -> PhaseState:
    record = run.read_record(name)
    if record is None:
        return PhaseState(name, title, done=False)
    try:
        took = number(record.seconds), number(record.peak_mb), text(record.device), text(record.finished)
    except ValueError:
        return PhaseState(name, title, done=False)
    return PhaseState(name, title, True, *took)


def is_evaluated(run: Run) -> bool:
    """Return whether a run has results."""
    return run.results_file.exists()


def is_outdated(run: Run) -> bool:
    """Return whether something has been trained again since the evaluation, told by the phases' records."""
    record = run.read_record("evaluate")
    others = [run.read_record(name) for name in NAMES if name != "evaluate"]
    made = {name: digest for other in others if other for name, digest in other.outputs.items()}
    return record is None or any(made.get(name, "") != digest for name, digest in record.inputs.items())


# Results


def results(run: Run) -> Results:
    """Read a run's results.

    Raises
    ------
    ArtifactError : the run is not evaluated yet, or its results are damaged or of another version.
    """
    if not is_evaluated(run):
        if run.read_record("evaluate"):
            raise ArtifactError(shown_path(run.results_file), "missing, although it was made", run.remedy("evaluate"))
        done = [phase.name for phase in phases(run) if phase.done]
        problem = f"not evaluated yet: {len(done)} of {len(PHASES)} phases are done"
        raise ArtifactError(location(run), problem, f"Run `{run.command()}`")
    return _results(run)


@kept(lambda run: (run.results_file, run.description))
def _results(run: Run) -> Results:
    seconds = run.read_description()[1].audio.seconds
    return read_part(run, lambda value: parse(value, seconds))


# Files


@kept(lambda run: (run.skipped_table,))
def skipped(run: Run) -> Sequence[dict[str, str]]:
    """Return the files that were refused, with reason and explanation."""
    rows = storage.read_csv(run.skipped_table, SKIPPED_COLUMNS, run.remedy("prepare"))
    return [{column: readable(cell) for column, cell in row.items()} for row in rows]


def printed_figures(run: Run) -> list[Path]:
    """Return the printed figures there are."""
    return sorted(run.results.glob("*.png"))


def read_figure(path: Path, run: Run) -> bytes:
    """Return a printed figure; half a file is refused before anything tries to draw it."""
    image = path.read_bytes()
    if not (image.startswith(PNG[0]) and image.endswith(PNG[1])):
        raise ArtifactError(shown_path(path), "damaged: it is not a whole PNG image", run.remedy("evaluate"))
    return image
