"""Time several ways of doing the same work side by side, each in a process of its own.

A round runs all ways back to back, and a ratio compares times of one round: what else the machine is doing then weighs
on both. The plain way gets the environment of a process that a user starts, ours that of one which the demo starts.
"""

import contextlib
import io
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from core.errors import DetectorError
from core.machine import peak_memory_mb
from core.progress import progress
from scripts import environment

ADDED = ("GLIBC_TUNABLES", "OMP_WAIT_POLICY")  # by scripts/environment.py
Work = Callable[[], Any]  # one repetition of what is timed


class StepError(Exception):
    """A step cannot go on, for a reason said in one sentence."""


@dataclass(frozen=True)
class Row:
    """One quantity, plain and ours, in every round."""

    what: str
    unit: str
    plain: tuple[float, ...]
    ours: tuple[float, ...]
    note: str = ""
    agreement: float | None = None  # how far apart, or how alike, the two results are; `note` says in what

    @property
    def ratios(self) -> list[float]:
        """Plain over ours, round by round."""
        return [plain / ours for plain, ours in zip(self.plain, self.ours, strict=True)]

    def cells(self) -> dict[str, object]:
        """Return the row as it is printed."""
        return {
            "what": self.what,
            "plain": f"{median(self.plain):,.4g} {self.unit}",
            "ours": f"{median(self.ours):,.4g} {self.unit}",
            "ratio: min": f"{min(self.ratios):.2f}",
            "median": f"{median(self.ratios):.2f}",
            "max": f"{max(self.ratios):.2f}",
            "rounds": len(self.ratios),
            "note": self.note if self.agreement is None else f"{self.note} {self.agreement:.6g}",
        }


class Worker:
    """A process that keeps what it has built, so that a round times nothing but the work."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._pool = start_process(variables)

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Return what a function returns over there."""
        try:
            return self._pool.submit(_translated, function, *arguments).result()
        except BrokenExecutor:
            raise StepError(
                "A process was ended from outside, for lack of memory perhaps. Try fewer --clips."
            ) from None

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)


class Way(NamedTuple):
    """One way to do a piece of work: where, what builds it there, from what."""

    worker: Worker
    make: Callable[..., Work]
    arguments: tuple[Any, ...] = ()

    def warm_up(self) -> None:
        """Build the work and do it once."""
        self.worker.call(_warm_up, self.make, *self.arguments)

    def seconds(self) -> float:
        """Return the time of one repetition."""
        return float(self.worker.call(_seconds, self.make, *self.arguments))


@contextlib.contextmanager
def workers(*environments: Mapping[str, str]) -> Iterator[list[Worker]]:
    """Run a block with one worker per environment."""
    with contextlib.ExitStack() as stack:
        started = []
        for variables in environments:
            started.append(worker := Worker(variables))
            stack.callback(worker.close)
        yield started


def start_process(variables: Mapping[str, str]) -> Executor:
    """Start a fresh process with exactly these variables: the allocator reads its own before Python begins."""
    ends_silently = (signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches it too
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context, initializer=signal.signal, initargs=ends_silently)
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(variables)
        pool.submit(os.getpid).result()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return pool


def plain_environment() -> dict[str, str]:
    """Return the variables of a process that a user starts: none of those that ours adds."""
    return {name: value for name, value in os.environ.items() if name not in ADDED}


def our_environment() -> dict[str, str]:
    """Return the variables of a process that the demo starts."""
    return environment.child_environment()


def in_rounds(rounds: int, ways: Mapping[str, Way]) -> dict[str, tuple[float, ...]]:
    """Run all ways back to back, round after round; return each way's seconds."""
    for way in ways.values():
        way.warm_up()
    times = [{name: way.seconds() for name, way in ways.items()} for _ in progress(range(rounds), "rounds")]
    return {name: tuple(row[name] for row in times) for name in ways}


def scaled(seconds: tuple[float, ...], factor: float) -> tuple[float, ...]:
    """Return times in another unit, such as milliseconds per clip."""
    return tuple(value * factor for value in seconds)


# In the worker


def result(make: Callable[..., Work], *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
    """Return what work gives, built anew."""
    return make(*arguments)()


def seconds_and_peak(make: Callable[..., Work], *arguments: object) -> tuple[float, float]:
    """Return seconds and peak memory in MB of the very first repetition, for a worker that does nothing else."""
    work = make(*arguments)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start, peak_mb()


def memory_mb(make: Callable[..., Work], *arguments: object) -> float:
    """Return by how much the first repetition raises the peak memory, of the GPU where there is one."""
    work = make(*arguments)
    before = _peak_here()
    work()
    return max(_peak_here() - before, 1.0)


def peak_mb() -> float:
    """Return this process's peak resident memory in MB.

    Linux counts a parent's memory into the `ru_maxrss` of the children it starts; VmHWM is the child's own.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return peak_memory_mb()


def _peak_here() -> float:
    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else peak_mb()


def _translated(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
    """Call a function; a user's error goes home as a sentence."""
    try:
        return function(*arguments)
    except DetectorError as error:
        raise StepError(str(error)) from None


@lru_cache(maxsize=16)
def _built(make: Callable[..., Work], *arguments: object) -> Work:
    return make(*arguments)


def _warm_up(make: Callable[..., Work], *arguments: object) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        _built(make, *arguments)()


def _seconds(make: Callable[..., Work], *arguments: object) -> float:
    """Return the time of one repetition, without its progress bars."""
    with contextlib.redirect_stderr(io.StringIO()):
        work = _built(make, *arguments)
        _wait_for_gpu()
        start = time.perf_counter()
        work()
        _wait_for_gpu()
        return time.perf_counter() - start


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()
