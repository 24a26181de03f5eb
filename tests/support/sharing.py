"""What takes long to make, made once: by one of the processes that run the tests, for all of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.environment import locked

_BASE: list[Path] = []  # the folder of this run of the tests; its processes have theirs below it


def share(temporary: Path) -> None:
    """Say which temporary folder the tests of this process have."""
    _BASE[:] = [temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary]


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of a name, filled by `make`: the process that asks first makes it, the others wait for it."""
    folder = _BASE[0] / "shared" / name
    made = folder.with_name(f"{name}.made")  # without it, a process was stopped at the work
    folder.parent.mkdir(exist_ok=True)
    with locked(folder.with_name(f"{name}.lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            made.touch()
    return folder
