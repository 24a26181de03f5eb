"""The project's own Python environment in `.venv`: made once, checked in a moment, rebuilt when broken.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations  # an older Python, too, gets as far as the sentence that refuses it

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
STAMP = "installed.json"  # inside the environment: what was installed, written last
RUNTIME = "requirements.txt"
TESTS = "tests/requirements.txt"
OLDEST = (3, 11)
INTERRUPTED = 130  # exit status after Ctrl-C
GRACE = 10.0  # seconds a child has to end by itself after Ctrl-C

# Large blocks stay with the process (no mmap per tensor, nothing trimmed) and lie on huge pages: a CNN training took
# 1.9 million page faults with glibc's defaults and 1,300 with these, and ran 1.1 to 1.5 times as fast. The computed
# values do not change. From glibc 2.35.
MALLOC = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1"


# Threads that wait for each other sleep instead of spinning: beside
# another busy program, spinning threads made a training epoch take 30 to 48 seconds instead of 8, and sleeping ones 20.
WAITING = "PASSIVE"


class SetupError(Exception):
    """The environment cannot be made, for a reason said in one sentence."""


def prepare(*requirements: str) -> None:
    """Make the environment and install the requirement files; when that is done already, return at once.

    Parameters
    ----------
    requirements : paths relative to the project, with `/`.

    Raises
    ------
    SetupError : Python is too old, or the environment or a package cannot be had.
    """
    if sys.version_info < OLDEST:
        raise SetupError(f"Python {platform.python_version()} is too old. Run this with Python 3.11 or later.")
    with locked(ENVIRONMENT.with_name(".venv.lock")):
        wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in requirements}
        installed = _installed()
        if wanted.items() <= installed.items():
            return
        if not _version():
            _build()
        (ENVIRONMENT / STAMP).unlink(missing_ok=True)  # an interrupted installation must not look finished
        _install(requirements)
        _write_stamp(installed | wanted)


def run(*arguments: str) -> int:
    """Run the environment's Python in the project's folder and return its exit status; Ctrl-C ends it and gives 130."""
    process = subprocess.Popen([str(python()), *arguments], cwd=ROOT, env=child_environment())
    try:
        return process.wait()
    except KeyboardInterrupt:  # the terminal sends it to the child too
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            process.wait(GRACE)
        process.terminate()
        process.wait()
        return INTERRUPTED


def python() -> Path:
    """Return the path of the environment's Python."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def adopt() -> None:
    """Start this command anew with `child_environment`, whose variables count only from a process's start."""
    wanted = child_environment()
    if wanted != os.environ and os.name == "posix":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


def child_environment() -> dict[str, str]:
    """Return the variables for child processes: this one's own, and what makes large arrays and threads behave."""
    variables = dict(os.environ)
    variables.setdefault("OMP_WAIT_POLICY", WAITING)
    library, version = platform.libc_ver()
    if library == "glibc" and tuple(int(part) for part in version.split(".")[:2]) >= (2, 35):
        variables.setdefault("GLIBC_TUNABLES", MALLOC)
    return variables


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of a block; wait while another process holds it.

    The system frees it when the process dies. Windows has no such lock: nothing is held there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another command is at the same work ({path.name}). Waiting for it to end.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _installed() -> dict[str, str]:
    """Return the hash of each installed requirement file; none when the environment is broken or another Python's."""
    try:
        stamp: dict[str, Any] = json.loads((ENVIRONMENT / STAMP).read_text(encoding="utf-8"))
        return dict(stamp["requirements"]) if stamp["python"] == _version() else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _version() -> str:
    """Return the environment's Python version; nothing when it does not start or has no pip."""
    try:
        command = [str(python()), "-c", "import pip, platform; print(platform.python_version())"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _build() -> None:
    print(f"Making the Python environment in {ENVIRONMENT.name}.", flush=True)
    base: str = getattr(sys, "_base_executable", sys.executable)  # not the very environment that is cleared
    _must_succeed(
        [base, "-m", "venv", "--clear", str(ENVIRONMENT)],
        f"The Python environment cannot be made in {ENVIRONMENT}. Check that the folder can be written and that this "
        "Python has the venv module (on Debian and Ubuntu: apt install python3-venv), then run the same command again.",
    )


def _install(requirements: tuple[str, ...]) -> None:
    print(f"Installing {' and '.join(requirements)}: about 2 GB and a few minutes, the first time only.", flush=True)
    if sys.platform == "linux" and not shutil.which("nvidia-smi") and "PIP_EXTRA_INDEX_URL" not in os.environ:
        print("No NVIDIA GPU found: the head of requirements.txt says how to do without the GPU libraries.", flush=True)
    files = [argument for name in requirements for argument in ("-r", name)]
    _must_succeed(
        [str(python()), "-m", "pip", "install", "--disable-pip-version-check", *files],
        f"pip could not install {' and '.join(requirements)}; its own words stand above. Check the network connection "
        "and the free disk space, then run the same command again.",
    )


def _must_succeed(command: list[str], otherwise: str) -> None:
    try:
        subprocess.run(command, cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(otherwise) from error


def _write_stamp(requirements: dict[str, str]) -> None:
    partial = ENVIRONMENT / f"{STAMP}.partial"
    partial.write_text(json.dumps({"python": _version(), "requirements": requirements}), encoding="utf-8")
    partial.replace(ENVIRONMENT / STAMP)
