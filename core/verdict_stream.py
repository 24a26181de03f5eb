"""Bring the windows of many files to the models in one stream, so that short files share batches (SPEC X2)."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core import storage
from core.audio import is_silent, open_audio
from core.audio_song import Song
from core.config import Config
from core.front_end import Pictures, pictures
from core.scope import ScopeResult

# Windows at a time through the models, never fewer: with other numbers the transformer's arithmetic takes other paths
# and a probability moves by up to 0.002. So an answer depends neither on the window's neighbours nor on threads, and
# equals the pipeline's to the last bit, which works on more windows at a time.
BATCH = 8
MOST_AHEAD = 16 * BATCH  # steps on their way at most, also where files are silent or cannot be read


class Answered(NamedTuple):
    """What was found about a window; nothing about a silent one."""

    start: int  # samples
    probabilities: Mapping[str, float]
    scope: ScopeResult | None


@dataclass
class Hearing:
    """One file on its way through the models."""

    path: str | Path
    digest: str = ""
    song: Song | None = None
    answers: list[Answered] = field(default_factory=list)
    error: Exception | None = None  # why it can have no verdict

    @property
    def share(self) -> float:
        """How much of the file has been answered, in [0, 1]."""
        if not self.song or not self.answers:
            return 0.0
        done = (self.answers[-1].start + self.song.config.samples) / self.song.config.sample_rate
        return min(1.0, done / max(self.song.seconds, self.song.source.header.seconds))


class Step(NamedTuple):
    """What comes next in a file: a window on its way to the models, a silent one, or the file's end."""

    hearing: Hearing
    start: int | None  # samples; None: the file has ended
    seen: Future[Pictures] | None


def steps(paths: Iterable[str | Path], config: Config, hop_seconds: float, pool: Executor) -> Iterator[Step]:
    """Yield the windows of file after file, then each file's end. A file that cannot be read ends with its error."""
    for path in paths:
        hearing = Hearing(path)
        try:
            with open_audio(path, config.audio) as source:
                hearing.digest = storage.sha256(source.path)
                hearing.song = song = Song(source, config.audio, hop_seconds)
                for start, waveform in song.windows():
                    silent = is_silent(waveform, config.audio)
                    yield Step(hearing, start, None if silent else pool.submit(pictures, waveform, config))
        except Exception as error:  # whatever a file can do concerns this file alone
            hearing.error = error
        yield Step(hearing, None, None)


def batches(stream: Iterable[Step]) -> Iterator[list[Step]]:
    """Yield steps in order, BATCH windows at a time; as many again are on their way in other threads meanwhile."""
    ahead: deque[Step] = deque()
    waiting = 0
    for step in stream:
        ahead.append(step)
        waiting += step.seen is not None
        while waiting >= 2 * BATCH or len(ahead) >= MOST_AHEAD:
            yield (taken := _taken(ahead))
            waiting -= sum(one.seen is not None for one in taken)
    while ahead:
        yield _taken(ahead)


def _taken(ahead: deque[Step]) -> list[Step]:
    """Take the steps up to the window after a full batch."""
    taken: list[Step] = []
    windows = 0
    while ahead and (windows < BATCH or ahead[0].seen is None):
        step = ahead.popleft()
        windows += step.seen is not None
        taken.append(step)
    return taken
