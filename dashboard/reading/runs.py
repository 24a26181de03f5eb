"""The only door from the pages to a run: find it, read its files, hand out typed values (SPEC E6).

No model is loaded, and nothing that loads one is imported.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from core import storage
from core.artifacts import ROOT, SKIPPED_COLUMNS, Run, artifacts_folder, list_runs
from core.errors import ArtifactError
from dashboard.reading.results import Results, number, parse, text

PHASES = {
    "prepare": "Read, check and split the clips",
    "autoencoder": "Train the autoencoder",
    "transformer": "Make the transformer embeddings",
    "baselines": "Train CNN and classifiers",
    "hybrid": "Train the fusions",
    "audit": "Ask the models where it is hard",
    "evaluate": "Evaluate on the test clips",
    "explain": "Make what the pages show of each clip",
}
Stamp = tuple[int, int]
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
    """Return every run, newest first.

    Raises
    ------
    ArtifactError : there is none.
    """
    found = list_runs()
    if not found:
        raise ArtifactError(
            _shown(artifacts_folder()),
            "there is no run here yet",
            "Run `python scripts/demo.py` for a demo on made-up clips, or "
            "`python -m scripts.pipeline run --human DIR --ai DIR --run NAME` on your own",
        )
    return found


def current_run() -> Run:
    """Return the run that is chosen in the sidebar."""
    name = st.session_state.get("run")
    return next((run for run in runs() if run.name == name), runs()[0])


def is_demo(run: Run) -> bool:
    """Return whether the clips of a run are made up (SPEC D10)."""
    return run.read_description()[2]


def has_clip(run: Run, path: str) -> bool:
    """Return whether a run has a clip; a run without its table of clips is asked no further."""
    table = run.clips_table
    return path in _paths(str(run.folder), table.stat().st_mtime_ns) if table.exists() else True


@st.cache_resource(max_entries=4, show_spinner=False)
def _paths(folder: str, changed: int) -> frozenset[str]:
    return frozenset(clip.path for clip in Run(Path(folder)).read_clips())


def location(run: Run) -> str:
    """Return the run's folder as a user of this project would type it."""
    return _shown(run.folder)


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


# Phases


def phases(run: Run) -> tuple[PhaseState, ...]:
    """Return the state of every phase, in order."""
    return tuple(_phase(run, name, title) for name, title in PHASES.items())


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
    others = [run.read_record(name) for name in PHASES if name != "evaluate"]
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
            raise ArtifactError(_shown(run.results_file), "missing, although it was made", run.remedy("evaluate"))
        done = [phase.name for phase in phases(run) if phase.done]
        problem = f"not evaluated yet: {len(done)} of {len(PHASES)} phases are done"
        raise ArtifactError(location(run), problem, f"Run `{run.command()}`")
    return _results(run.folder, stamp(run.results_file), stamp(run.description))


@lru_cache(maxsize=4)  # not Streamlit's: that would copy them for every reader, and nothing in them can be changed
def _results(folder: Path, results: Stamp, description: Stamp) -> Results:
    run = Run(folder)
    value, (_, config, _) = run.read_results(), run.read_description()
    try:
        return parse(value, config.audio.seconds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(_shown(run.results_file), f"damaged ({error!r})", run.remedy("evaluate")) from error


# Files


def stamp(path: Path) -> Stamp:
    """Return what tells one state of a file from another: as long as it is the same, what was read may be kept."""
    try:
        found = path.stat()
    except OSError:  # its reader says what is missing
        return 0, 0
    return found.st_mtime_ns, found.st_size


def skipped(run: Run) -> list[dict[str, str]]:
    """Return the files that were refused, with reason and explanation."""
    return _skipped(str(run.folder), run.skipped_table.stat().st_mtime_ns if run.skipped_table.exists() else 0)


@st.cache_data(max_entries=4, show_spinner=False)
def _skipped(folder: str, changed: int) -> list[dict[str, str]]:
    run = Run(Path(folder))
    return storage.read_csv(run.skipped_table, SKIPPED_COLUMNS, run.remedy("prepare"))


def printed_figures(run: Run) -> list[Path]:
    """Return the printed figures there are."""
    return sorted(run.results.glob("*.png"))


def read_figure(path: Path, run: Run) -> bytes:
    """Return a printed figure; half a file is refused before anything tries to draw it."""
    image = path.read_bytes()
    if not (image.startswith(PNG[0]) and image.endswith(PNG[1])):
        raise ArtifactError(_shown(path), "damaged: it is not a whole PNG image", run.remedy("evaluate"))
    return image
