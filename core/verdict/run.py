"""Which run answers, told without loading a model."""

from core import storage
from core.artifacts import CHECKPOINTS, ROOT, Run, list_runs, open_run
from core.errors import ArtifactError
from core.verdict.answer import RunFacts

PRETRAINED = ROOT / "artifacts" / "pretrained"  # the run that ships with the project


def run_facts(run: Run) -> RunFacts:
    """Return which models a run holds, without loading them.

    Raises
    ------
    ArtifactError : there is no such run, it is not evaluated, or a file of it is missing.
    """
    run.read_description()
    results = run.read_results()
    files = {run.checkpoint(f"{name}_best"): phase for name, phase in CHECKPOINTS.items()}
    files |= {run.results_file: "evaluate", run.scope: "evaluate", run.front_end: "prepare"}
    for path, phase in files.items():
        if not path.is_file():
            raise ArtifactError(path, "not made yet", run.remedy(phase))
    hashes = [storage.sha256(path) for path in files]
    return RunFacts(run.name, str(results.get("made")), storage.fingerprint(hashes))


def choose_run(name: str | None = None) -> Run:
    """Return the run of a name; by default the newest evaluated one of the user's own, else the one that ships.

    A demo's models know nothing of real music, so they answer only where there are no others.

    Raises
    ------
    ArtifactError : there is no run to choose from.
    """
    if name:
        return open_run(name)
    evaluated = [run for run in list_runs() if run.results_file.exists()]
    evaluated.sort(key=lambda run: run.results_file.stat().st_mtime, reverse=True)
    users = [run for run in evaluated if not run.shipped]
    shipped = [run for run in (*evaluated, Run(PRETRAINED)) if run.shipped]
    ranked = [*(run for run in users if not _is_demo(run)), *shipped, *users]
    if not ranked:
        remedy = "Run `python -m scripts.pipeline run --human DIR --ai DIR --run NAME`"
        raise ArtifactError("artifacts", "there is no evaluated run", remedy)
    return ranked[0]


def described(run: Run) -> str:
    """Say what kind of run it is, for a line that names who answers."""
    if run.shipped:
        return "which ships with the project"
    return "a demo, whose models know nothing of real music" if _is_demo(run) else "a run of your own"


def _is_demo(run: Run) -> bool:
    """Whether a run is the demo, or cannot be read at all."""
    try:
        return run.read_description()[2]
    except ArtifactError:
        return True
