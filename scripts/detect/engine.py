"""Where the files of a scan are answered: in this process, or in several.

An engine takes the files and the run and yields one answer per file, in order; a file that crashes its process gets an
answer like any other. Every engine asks the same `core.verdict.judge.answers`, to which files go by the bundle: windows
of short files then go through the models together.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from core.artifacts import Run
from core.errors import ArtifactError, DetectorError
from core.verdict.judge import Judge, answers, failure

Answer = dict[str, Any]
Bundle = tuple[Path, ...]

AHEAD = 2  # bundles per process that are under way or answered before their turn: what bounds the memory
BUNDLE_FILES, BUNDLE_BYTES = 8, 16 * 2**20  # at most, but for one file; what a kill costs, so long songs go alone

_judge: Judge | DetectorError  # of a process that answers


def in_this_process(files: Iterable[Path], run: Run) -> Generator[Answer, None, None]:
    """Answer the files one after another, each with all processors; without files, nothing is loaded."""
    left = iter(files)
    for first in left:
        yield from answers(chain([first], left), Judge(run))


def in_processes(files: Iterable[Path], run: Run, jobs: int) -> Generator[Answer, None, None]:
    """Answer the files in several processes, one thread for the models in each.

    Raises
    ------
    ArtifactError : the run cannot be loaded.
    """
    crew = _Crew(run, jobs)
    waiting: deque[tuple[Bundle, Future[list[Answer]]]] = deque()
    try:
        for bundle in bundles(files):
            waiting.append((bundle, crew.submit(bundle)))
            if len(waiting) == AHEAD * jobs:
                yield from crew.take(waiting)
        while waiting:
            yield from crew.take(waiting)
    finally:
        crew.dismiss(now=bool(waiting))


def bundles(files: Iterable[Path]) -> Iterator[Bundle]:
    """Yield the files in order, in bundles that are quickly answered."""
    bundle: list[Path] = []
    weight = 0
    for path in files:
        size = _bytes(path)
        if bundle and (len(bundle) == BUNDLE_FILES or weight + size > BUNDLE_BYTES):
            yield tuple(bundle)
            bundle, weight = [], 0
        bundle.append(path)
        weight += size
    if bundle:
        yield tuple(bundle)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


class _Crew:
    """The processes. One that dies takes its pool with it; the files under way are then asked again one by one."""

    def __init__(self, run: Run, jobs: int) -> None:
        self.run, self.jobs = run, jobs
        self.pool = self._pool(jobs)
        self.alone: ProcessPoolExecutor | None = None  # a single process for files that may have crashed one

    def submit(self, bundle: Bundle) -> Future[list[Answer]]:
        """Put a bundle into the queue."""
        try:
            return self.pool.submit(answer_bundle, bundle)
        except BrokenProcessPool:
            self.pool = self._pool(self.jobs)
            return self.pool.submit(answer_bundle, bundle)

    def take(self, waiting: deque[tuple[Bundle, Future[list[Answer]]]]) -> Iterator[Answer]:
        """Wait for the answers that are next, and take them from the queue."""
        bundle, future = waiting[0]
        try:
            answers: Iterable[Answer] = future.result()
        except BrokenProcessPool:
            answers = map(self._ask_alone, bundle)
        for answer in answers:
            if "run" in answer.get("error", {}):
                raise ArtifactError(*answer["error"]["run"])
            yield answer
        waiting.popleft()

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
            (answer,) = self.alone.submit(answer_bundle, (path,)).result()
            return answer
        except BrokenProcessPool:
            self.alone = None
            problem = "ended the process that read it"
            return failure(path, "crashed", problem, "Save it again, and report it if that does not help")

    def _pool(self, jobs: int) -> ProcessPoolExecutor:
        context = get_context("spawn")  # threads and forks do not mix
        return ProcessPoolExecutor(jobs, context, load_models, (self.run.folder,))


def load_models(folder: Path) -> None:
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


def answer_bundle(bundle: Bundle) -> list[Answer]:
    """Answer files in a process that has loaded the models, or say why it could not load them."""
    if isinstance(_judge, DetectorError):  # as plain values: errors of several arguments do not travel
        return [{"error": {"run": (_judge.path, _judge.problem, _judge.remedy)}}]
    return list(answers(bundle, _judge))
