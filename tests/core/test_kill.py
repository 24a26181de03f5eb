"""Kill -9 at random moments in every phase; started again, the run ends with the bytes of an unbroken one.

`SMD_KILLS=30 python -m pytest tests/core/test_kill.py` kills thirty times instead of a few.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from core import storage
from core.artifacts import Run
from core.data.places import Place
from core.pipeline import NAMES
from tests.conftest import SMALL

KILLS = int(os.environ.get("SMD_KILLS", "3"))
SEED = int(os.environ.get("SMD_KILL_SEED", "0"))
RESULTS = ("dataset.npz", "features/*.np[yz]", "checkpoints/*.pth", "history/*.csv", "results/predictions.csv")


def start(run: Run, place: Place) -> subprocess.Popen[bytes]:
    """Start the command on the small settings in a process of its own."""
    folders = ["--human", str(place.root / place.human), "--ai", str(place.root / place.ai)]
    settings = [text for setting in SMALL for text in ("--set", setting)]
    arguments = ["-m", "scripts.pipeline", "run", *folders, "--run", run.name, *settings]
    environment = {**os.environ, "SMD_ARTIFACTS": str(run.folder.parent)}
    with (run.folder.parent / "log.txt").open("ab") as log:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=log)


def hashes(run: Run) -> dict[str, str]:
    return {run.relative(path): storage.sha256(path) for glob in RESULTS for path in sorted(run.folder.glob(glob))}


def test_a_run_killed_at_random_moments_ends_with_the_bytes_of_an_unbroken_one(
    finished: Run, demo_place: Place, tmp_path: Path
) -> None:
    chance, broken = random.Random(SEED), Run(tmp_path / "broken")
    moments: list[str] = []
    while len(moments) < KILLS:
        process = start(broken, demo_place)
        # A moment in the phase that comes next, so that every phase is hit in turn; imports take the first seconds.
        target = NAMES[len(moments) % len(NAMES)]
        _wait_for(broken, target, process)
        time.sleep(chance.uniform(0.0, 2.5))
        ended = process.poll() is not None
        process.kill()
        process.wait()
        if ended:
            broken.record(target).unlink(missing_ok=True)  # the dice were too slow: let this phase run again
            continue
        moments.append(target)
    assert any(broken.work.glob("*")) or any(broken.folder.glob("checkpoints/*")), "no kill hit any work"
    last = start(broken, demo_place)
    assert last.wait() == 0, (tmp_path / "log.txt").read_text()[-3000:]
    expected = hashes(finished)
    assert len(expected) > 20
    assert hashes(broken) == expected
    assert list(broken.folder.rglob("*.partial")) == []


def _wait_for(run: Run, phase: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is at work on a phase: it holds the locks, and the phases before have ended."""
    before = NAMES[: NAMES.index(phase)]
    while process.poll() is None:
        held = run.lock(phase).exists() and run.lock(phase).read_text() == str(process.pid)
        if held and all(run.record(name).exists() for name in before):
            return
        time.sleep(0.01)
