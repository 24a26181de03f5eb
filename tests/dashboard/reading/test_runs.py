"""Which run a visitor sees first."""

import os
import shutil
from pathlib import Path

from core.artifacts import Run
from core.config import Config
from dashboard.reading import runs


def test_a_run_in_which_nothing_has_ended_is_never_the_first_where_another_has(made: Run, artifacts: Path) -> None:
    finished = Run(Path(shutil.copytree(made.folder, artifacts / "finished")))
    os.utime(finished.description, (1, 1))
    started = Run(artifacts / "started")
    started.write_description({}, Config(), demo=False)
    assert [run.name for run in runs.runs()] == ["finished", "started"]
    shutil.rmtree(finished.folder)
    assert [run.name for run in runs.runs()] == ["started"]
