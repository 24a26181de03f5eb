"""Put runs side by side: `python -m scripts.compare RUN RUN ...`, such as with and without degraded training clips.

Runs are compared only where they were tested on the same clips.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from core.artifacts import DETECTORS, PREDICTION_COLUMNS, Run, open_run
from core.errors import DataError, DetectorError, printable
from core.metrics.intervals import TOO_FEW
from core.storage import read_csv

HEADERS = (
    "Model", "Run", "Validation AUC", "Test AUC", "95% over songs", "Degraded: mean AUC", "worst",
    "Unheard AI: mean AUC", "worst", "caught", "Unheard human called AI",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one row per model and run."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs that have been evaluated")
    try:
        runs = [open_run(name) for name in parser.parse_args(arguments).runs]
        for run in runs:
            run.read_description()  # says that there is no such run, before asking for its results
        _require_same_clips(runs)
        results = {run.name: run.read_results() for run in runs}
    except DetectorError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    rows = [row(model, name, result) for model in DETECTORS for name, result in results.items()]
    print(tabulate(rows, HEADERS, missingval="not made", disable_numparse=True))
    test = next(iter(next(iter(results.values()))["models"].values()))["test"]
    print(
        f"\n{test['n']} test clips of {test['songs']} songs. Shortcut classifier's test AUC, on the files and as heard:"
    )
    for name, result in results.items():
        shortcuts = result["shortcuts"]
        print(
            f"  {name}: "
            + (f"{shortcuts['files']['test_auc']:.3f}, {shortcuts['heard']['test_auc']:.3f}" if shortcuts else "-")
        )
    print("What was asked of them:")
    for name, result in results.items():
        print(f"  {name}: {asked(result)}")
    return 0


def _require_same_clips(runs: Sequence[Run]) -> None:
    """Refuse runs that were tested on other clips: their figures do not compare."""
    tested = []
    for run in runs:
        rows = read_csv(run.predictions, PREDICTION_COLUMNS, run.remedy("evaluate"))
        tested.append({row["path"] for row in rows if row["split"] == "test"})
    for run, clips in zip(runs, tested, strict=True):
        if clips != tested[0]:
            raise DataError(
                f"run {run.name}",
                f"it was not tested on the clips of {runs[0].name}",
                "Prepare both from the same clips with the same split.seed",
            )


def asked(results: dict[str, Any]) -> str:
    """Return how a run was audited: figures compare only where this is the same."""
    degraded, unheard = results["robustness"], results["leave_out"]
    return ", ".join(
        [
            f"{degraded['n']} clips degraded in {len(degraded['transforms']) - 1} ways"
            if degraded
            else "none degraded",
            f"{len(unheard['sources'])} sources left out with {unheard['schedule_share']:.0%} of the long schedules"
            if unheard
            else "no source left out",
            f"{results['degraded_copies']} degraded versions of each clip in training",
        ]
    )


def row(model: str, run: str, results: dict[str, Any]) -> list[str | None]:
    """Return one model of one run: clean, degraded, and on sources never heard."""
    detector = results["models"][model]
    ends = detector["test"]["intervals"]["roc_auc"]
    interval = f"{ends[0]:.3f}-{ends[1]:.3f}" if ends else TOO_FEW
    cells: list[str | None] = [
        detector["name"], run,
        f"{detector['val']['roc_auc']:.3f}", f"{detector['test']['roc_auc']:.3f}", interval,
    ]  # fmt: skip
    degraded, unheard = results["robustness"], results["leave_out"]
    if degraded:
        areas = [line["auc"] for line in degraded["models"][model][1:]]
        worst = int(np.argmin(areas))
        cells += [f"{np.mean(areas):.3f}", f"{areas[worst]:.3f} ({degraded['transforms'][1 + worst]})"]
    else:
        cells += [None, None]
    if unheard:
        over = unheard["models"][model]
        human = over["human"]
        caught = f"{1 - over['ai']['error']:.0%}" if over["ai"] else None
        accused = f"{human['error']:.0%} of {human['n']}" if human else None
        judged = f"{over['mean_auc']:.3f} of {over['ai_sources']}" if over["ai"] else None
        lowest = f"{over['min_auc']:.3f} ({printable(over['min_source'])})" if over["ai"] else None
        cells += [judged, lowest, caught, accused]
    return cells


if __name__ == "__main__":
    sys.exit(main())
