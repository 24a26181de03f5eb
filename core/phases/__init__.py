"""The phases of a run. Each module has `run(run, config, fingerprint) -> Made` and is also a command of its own."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from core.plots_style import DPI
from core.storage import write_atomic


@dataclass(frozen=True)
class Made:
    """What a phase made: its files, and what people should know about it."""

    files: list[Path]
    notes: tuple[str, ...] = ()


def save_figures(figures: Mapping[Path, Figure]) -> list[Path]:
    """Write printed figures as PNG and return their paths."""
    for path, figure in figures.items():
        write_atomic(path, lambda file, figure=figure: figure.savefig(file, format="png", dpi=DPI))  # type: ignore[misc]
    return list(figures)


def command(phase: str) -> None:
    """Be `python -m core.phases.NAME --run RUN …`: the pipeline with this phase alone."""
    os.execv(sys.executable, [sys.executable, "-m", "scripts.pipeline", "run", "--only", phase, *sys.argv[1:]])
