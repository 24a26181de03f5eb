"""What was read of a run's files is kept for as long as they stay as they are: the one way, for every reader."""

import contextlib
from collections.abc import Callable, Iterable
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import streamlit as st

from core.artifacts import Run

Arguments = TypeVarTuple("Arguments")
T = TypeVar("T")
Stamp = tuple[int, int]  # modified in nanoseconds, bytes


def stamp(path: Path) -> Stamp:
    """Return what tells one state of a file from another; of a file that is not there, nothing twice."""
    try:
        status = path.stat()
    except OSError:  # its reader says what is missing
        return 0, 0
    return status.st_mtime_ns, status.st_size


def kept(
    files: Callable[..., Iterable[Path]], most: int = 4, spinner: str = ""
) -> Callable[[Callable[[Run, *Arguments], T]], Callable[[Run, *Arguments], T]]:
    """Make a reader read again only when one of its files has changed.

    All sessions share what it returned, without the copies that Streamlit's caches make: nobody may write to it.

    Parameters
    ----------
    files : the files, given the reader's own arguments, which must be hashable.
    most : how many values are kept, those asked for last.
    spinner : what the page says meanwhile, of a reader that takes its time.
    """

    def decorate(read: Callable[[Run, *Arguments], T]) -> Callable[[Run, *Arguments], T]:
        @lru_cache(maxsize=most)
        def read_anew(folder: Path, stamps: tuple[Stamp, ...], arguments: tuple[*Arguments]) -> T:
            with st.spinner(spinner) if spinner else contextlib.nullcontext():
                return read(Run(folder), *arguments)

        def reader(run: Run, *arguments: *Arguments) -> T:
            return read_anew(run.folder, tuple(map(stamp, files(run, *arguments))), arguments)

        update_wrapper(reader, read)
        return reader

    return decorate
