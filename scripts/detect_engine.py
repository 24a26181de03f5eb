"""Where the files of a scan are answered: in this process, or in several.

An engine takes the files and the run and yields one answer per file, in order; a file that crashes its process gets an
answer like any other. Every engine asks the same `core.verdict.answer`.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from core.artifacts import Run
from core.errors import ArtifactError, DetectorError
from core.verdict import Judge, answer, failure

Answer = dict[str, Any]

AHEAD = 4  # files per process that are under way or answered before their turn: what bounds the memory

_judge: Judge | DetectorError  # of a process that answers


def in_this_process(files: Iterable[Path], run: Run) -> Generator[Answer, None, None]:
    """Answer the files one after another, each with all processors; without files, nothing is loaded."""
    judge = None
    for path in files:
        judge = judge or Judge(run)
        yield answer(path, judge)


def in_processes(files: Iterable[Path], run: Run, jobs: int) -> Generator[Answer, None, None]:
    """Answer the files in several processes, one thread for the models in each.

    Raises
    ------
    ArtifactError : the run cannot be loaded.
    """
    crew = _Crew(run, jobs)
    waiting: deque[tuple[Path, Future[Answer]]] = deque()
    try:
        for path in files:
            waiting.append((path, crew.submit(path)))
            if len(waiting) == AHEAD * jobs:
                yield crew.take(waiting)
        while waiting:
            yield crew.take(waiting)
    finally:
        crew.dismiss(now=bool(waiting))


class _Crew:
    """The processes. One that dies takes its pool with it; the files under way are then asked again one by one."""

    def __init__(self, run: Run, jobs: int) -> None:
        self.run, self.jobs = run, jobs
        self.pool = self._pool(jobs)
        self.alone: ProcessPoolExecutor | None = None  # a single process for files that may have crashed one

    def submit(self, path: Path) -> Future[Answer]:
        """Put a file into the queue."""
        try:
            return self.pool.submit(_answer, path)
        except BrokenProcessPool:
            self.pool = self._pool(self.jobs)
            return self.pool.submit(_answer, path)

    def take(self, waiting: deque[tuple[Path, Future[Answer]]]) -> Answer:
        """Wait for the answer that is next, and take it from the queue."""
        path, future = waiting[0]
        try:
            found = future.result()
        except BrokenProcessPool:
            found = self._ask_alone(path)
        waiting.popleft()
        if "run" in found.get("error", {}):
            raise ArtifactError(*found["error"]["run"])
        return found

    def dismiss(self, *, now: bool) -> None:
        """End the processes; `now`: without waiting for files under way."""
        for pool in filter(None, (self.pool, self.alone)):
            processes = list((pool._processes or {}).values()) if now else []  # from Python 3.14: `terminate_workers`
            pool.shutdown(wait=not now, cancel_futures=now)
            for process in processes:
                process.terminate()

    def _ask_alone(self, path: Path) -> Answer:
        self.alone = self.alone or self._pool(1)
        try:
            return self.alone.submit(_answer, path).result()
        except BrokenProcessPool:
            self.alone = None
            problem = "ended the process that read it"
            return failure(path, "crashed", problem, "Save it again, and report it if that does not help")

    def _pool(self, jobs: int) -> ProcessPoolExecutor:
        context = get_context("spawn")  # threads and forks do not mix
        return ProcessPoolExecutor(jobs, context, _begin, (self.run.folder,))


def _begin(folder: Path) -> None:
    """Load the models once per process. Ctrl-C is the parent's to handle; a parent that was killed is followed."""
    global _judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    try:
        _judge = Judge(Run(folder), threads=1)
    except DetectorError as error:
        _judge = error


def _follow_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _answer(path: Path) -> Answer:
    if isinstance(_judge, DetectorError):  # as plain values: errors of several arguments do not travel
        return {"error": {"run": (_judge.path, _judge.problem, _judge.remedy)}}
    return answer(path, _judge)
