"""What every phase is: `run(run, config, fingerprint) -> Made`, and a command of its own."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Made:
    """What a phase made: its files, and what people should know about it."""

    files: list[Path]
    notes: tuple[str, ...] = ()


def command(phase: str) -> None:
    """Be `python -m core.phases.NAME --run RUN …`: the pipeline with this phase alone."""
    os.execv(sys.executable, [sys.executable, "-m", "scripts.pipeline", "run", "--only", phase, *sys.argv[1:]])
