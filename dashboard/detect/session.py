"""What one reader gave to Detect: kept in this reader's session alone, until forgotten or another comes.

Nothing of it is ever put into a cache that sessions share.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from core.artifacts import Run
from dashboard.reading import sound

_GIVEN, _KEPT, _ROUND = "detect_given", "detect_kept", "detect_round"
MOST_KEPT = 24  # answers about one file: windows and changes that were looked at
WINDOW = "detect_window"  # key of the chosen window

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """A sound somebody wants judged."""

    name: str  # as its sender calls it: shown as plain text, never opened
    content: bytes
    sha256: str


def given() -> Given | None:
    """Return what this session is to judge."""
    sound = st.session_state.get(_GIVEN)
    return sound if isinstance(sound, Given) else None


def give(name: str, content: bytes) -> None:
    """Take a sound in; what was known of the one before is gone."""
    _drop()
    st.session_state[_GIVEN] = Given(name, content, hashlib.sha256(content).hexdigest())


def take(key: str) -> None:
    """Take in what an uploader or a recorder of a key holds now; none, when it was emptied (call from a callback)."""
    file = st.session_state.get(key)
    if file is None:
        _drop()
    else:
        give(str(file.name), file.getvalue())


def take_clip(run: Run, path: str) -> None:
    """Take in a clip of the run.

    Raises
    ------
    ArtifactError : as `sound.original`.
    """
    clip = sound.original(run, path)
    give(clip.name, clip.data)


def forget() -> None:
    """Let go of the file and of all that was found in it; the widgets are emptied too (call from a callback)."""
    _drop()
    st.session_state[_ROUND] = turn() + 1


def turn() -> int:
    """Return a number for the widgets' keys: with another one they start empty."""
    return int(st.session_state.get(_ROUND, 0))


def kept(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """Return what was made for a key of this session's file before, or make it."""
    shelf: dict[tuple[Any, ...], T] = st.session_state.setdefault(_KEPT, {})
    if key not in shelf:
        made = make()
        while len(shelf) >= MOST_KEPT:
            del shelf[next((other for other in shelf if other[0] != "answer"), next(iter(shelf)))]
        shelf[key] = made
    return shelf[key]


def _drop() -> None:
    for name in (_GIVEN, _KEPT, WINDOW):
        st.session_state.pop(name, None)
