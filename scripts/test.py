"""Check the project, from nothing: `python scripts/test.py [pytest arguments]`.

Makes the environment, then runs format, lint, types and tests; every step runs even when one fails.
Standard library only.
"""

from __future__ import annotations  # an older Python, too, gets as far as the sentence that refuses it

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # `python scripts/test.py` puts only scripts/ on the path

from scripts import environment

PROCESSES = min((os.cpu_count() or 1) + 1, 4)  # one more than cores: tests of the pages wait for a browser
STEPS = {
    "format": ("-m", "ruff", "format", "--check", "."),
    "lint": ("-m", "ruff", "check", "."),
    "types": ("-m", "mypy"),
    "tests": ("-m", "pytest", "-n", str(PROCESSES), "--dist", "worksteal"),
}


def main() -> int:
    """Run every step and return 1 when any failed; what follows the command goes to pytest."""
    for_pytest = _arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, about one to a core
    try:
        environment.prepare(environment.RUNTIME, environment.TESTS)
        outcomes = [_passes(name, *arguments) for name, arguments in _steps(for_pytest).items()]
    except environment.SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return environment.INTERRUPTED
    return 0 if all(outcomes) else 1


def _arguments() -> list[str]:
    """Return what is for pytest; `--help` alone is for this command."""
    parser = argparse.ArgumentParser(
        prog="python scripts/test.py", usage="%(prog)s [-h] [pytest arguments]", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    return parser.parse_known_args()[1]


def _steps(for_pytest: list[str]) -> dict[str, tuple[str, ...]]:
    return STEPS | {"tests": (*STEPS["tests"], *for_pytest)}


def _passes(name: str, *arguments: str) -> bool:
    """Run one step between two lines that name it; Ctrl-C ends all of them."""
    print(f"== {name}", flush=True)
    start = time.monotonic()
    status = environment.run(*arguments)
    if status == environment.INTERRUPTED:
        raise KeyboardInterrupt
    print(f"== {name} {'failed' if status else 'passed'} in {time.monotonic() - start:.0f} s\n", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
