"""What stands in for the models in a scan's processes: quick to load, and able to crash."""

import os
from pathlib import Path
from typing import Any


def begin(folder: Path) -> None:
    """Load nothing."""


def crash_or_echo(paths: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Answer files with their names; one named crash.wav ends the process as a broken decoder would."""
    if any(path.name == "crash.wav" for path in paths):
        os._exit(139)
    return [{"file": str(path)} for path in paths]


def refuse(paths: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Answer as a process does that could not load its models."""
    return [{"error": {"run": ("cnn_best.pth", "damaged", "Run it again")}}]
