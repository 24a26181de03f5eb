"""Where the files of a scan are answered: on a Ray cluster (`--engine ray --address HOST:PORT`).

Every machine needs requirements-ray.txt, the project at the same place, and the files and the run under the same paths,
as on a shared folder. Each worker loads the models once. What a lost worker had under way is asked again elsewhere, and
one process takes the answers and writes them, so every file is answered exactly once.
"""

import os
import socket
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from core.artifacts import ROOT, Run
from core.errors import ArtifactError, ConfigError, DetectorError, ResourceError
from core.verdict.judge import Judge, answer, failure
from scripts.detect.engine import AHEAD, Answer

TRIES = 3  # workers that a file may be lost with before it is taken for what ended them
STARTS = 20  # workers lost before they were ready, after which the cluster is given up
KNOCK_SECONDS = 10
PATIENCE = 600  # seconds without an answer and without a worker

Asked = tuple[int, Path]  # a file's place in the scan, and the file


def in_cluster(files: Iterable[Path], run: Run, address: str, jobs: int | None) -> Generator[Answer, None, None]:
    """Answer the files on a cluster, in order; `jobs` is the number of workers, by default one per processor.

    Raises
    ------
    ConfigError : there is no cluster at the address.
    ArtifactError : the run cannot be loaded there.
    ResourceError : the cluster lost all its workers.
    """
    owned = not ray.is_initialized()
    if owned:
        _connect(address)
    crew = _Crew(run, jobs or max(1, int(ray.cluster_resources().get("CPU", 1))))
    try:
        yield from crew.answers(files)
    finally:
        crew.dismiss()
        if owned:
            ray.shutdown()


def _connect(address: str) -> None:
    _knock(address)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}}
    try:
        ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _nobody(address, error) from error


def _knock(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not host or "/" in host:  # `auto`, or an address of Ray's client
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, error) from error


def _nobody(address: str, error: Exception) -> ConfigError:
    problem = f"no Ray cluster answers there ({str(error).splitlines()[0]})"
    return ConfigError(f"--address {address}", problem, "Start one with `ray start --head`")


class _Worker:
    """A process on some machine of the cluster."""

    def __init__(self, folder: Path) -> None:
        import torch

        torch.set_num_threads(1)
        self.judge: Judge | DetectorError
        try:
            self.judge = Judge(Run(folder), threads=1)
        except DetectorError as error:
            self.judge = error

    def ready(self) -> tuple[str, str, str] | None:
        """Return why the run could not be loaded, as plain values: errors of several arguments do not travel."""
        judge = self.judge
        return (judge.path, judge.problem, judge.remedy) if isinstance(judge, DetectorError) else None

    def answer(self, path: Path) -> Answer:
        assert isinstance(self.judge, Judge)
        return answer(path, self.judge)


class _Crew:
    """The workers. A lost one is replaced as soon as the cluster has room; the others go on meanwhile."""

    def __init__(self, run: Run, jobs: int) -> None:
        self.run, self.jobs = run, jobs
        self._kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker)
        self._coming: dict[Any, Any] = {}  # workers that load the models, by what they will say when they are ready
        self._busy: dict[Any, tuple[Any, Asked]] = {}  # worker and file by the answer to come
        self._free: list[Any] = []
        self._again: deque[Asked] = deque()  # files that were lost with a worker
        self._lost: Counter[int] = Counter()  # workers lost, by file; -1 before any
        self._given = 0  # files handed out so far
        for _ in range(jobs):
            self._hire()

    def answers(self, files: Iterable[Path]) -> Iterator[Answer]:
        """Yield every file's answer, in order."""
        numbered, done, turn = enumerate(files), dict[int, Answer](), 0
        while True:
            while self._free and (asked := self._next(numbered, turn + AHEAD * self.jobs)):
                worker = self._free.pop()
                self._busy[worker.answer.remote(asked[1])] = worker, asked
            if turn in done:
                yield done.pop(turn)
                turn += 1
            elif self._busy or self._again or (self._coming and not self._free):
                self._collect(done)
            else:
                return

    def dismiss(self) -> None:
        """End the workers, whatever they have under way."""
        for worker in [*self._coming.values(), *(worker for worker, _ in self._busy.values()), *self._free]:
            ray.kill(worker)

    def _next(self, numbered: Iterator[Asked], limit: int) -> Asked | None:
        """Return the file to ask next: one that was lost, else a new one, unless that is too far ahead."""
        if self._again:
            return self._again.popleft()
        asked = next(numbered, None) if self._given < limit else None
        self._given += asked is not None
        return asked

    def _hire(self) -> None:
        worker = self._kind.remote(self.run.folder)
        self._coming[worker.ready.remote()] = worker

    def _collect(self, done: dict[int, Answer]) -> None:
        """Wait for the next thing that any worker says."""
        said, _ = ray.wait([*self._busy, *self._coming], num_returns=1, timeout=PATIENCE)
        if not said and not self._busy:
            raise ResourceError("the cluster", "no worker could be started", "Look at `ray status`, and start it again")
        for reference in said:
            if reference in self._coming:
                self._begun(reference)
            else:
                self._answered(reference, done)

    def _begun(self, reference: Any) -> None:  # noqa: ANN401 - Ray's reference to a value to come
        worker = self._coming.pop(reference)
        try:
            refused = ray.get(reference)
        except RayError as error:
            self._lost[-1] += 1
            if self._lost[-1] >= STARTS:
                problem = f"its workers end before they are ready ({str(error).splitlines()[0]})"
                raise ResourceError("the cluster", problem, "Install the project on every machine of it") from error
            self._hire()
            return
        if refused:
            raise ArtifactError(*refused)
        self._free.append(worker)

    def _answered(self, reference: Any, done: dict[int, Answer]) -> None:  # noqa: ANN401 - as above
        worker, (place, path) = self._busy.pop(reference)
        try:
            done[place] = ray.get(reference)
            self._free.append(worker)
        except RayError:  # the worker, its machine, or the way there is lost
            ray.kill(worker)
            self._hire()
            self._lost[place] += 1
            if self._lost[place] < TRIES:
                self._again.append((place, path))
            else:
                remedy = "Save it again, and report it if that does not help"
                done[place] = failure(path, "crashed", f"ended {TRIES} workers that read it", remedy)
