"""From a file to a verdict: the one function that page, command and tests call.

A file is read window by window (`steps`); windows of several files go through the models eight at a time (`batches`);
`Judge` sums up what they say of each file when its end has come by.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from core import storage
from core.artifacts import DETECTORS, Run
from core.audio.clips import is_silent, silence
from core.audio.song import Song
from core.audio.source import open_audio
from core.audio.upload import Decoded
from core.config import Config, DetectConfig
from core.errors import AudioError, DetectorError
from core.features.front_end import Pictures, pictures
from core.machine import worker_threads
from core.metrics.songs import voting
from core.verdict.answer import SCALE, DetectorAnswer, Verdict, Window
from core.verdict.detector import Detector
from core.verdict.rule import Rule, judged_scope, limits, read_rule, read_scope, rule_sentence
from core.verdict.run import run_facts
from core.verdict.scope import ScopeResult, grain_of, measure

# Windows at a time through the models, never fewer: with other numbers the transformer's arithmetic takes other paths
# and a probability moves by up to 0.002. So an answer depends neither on the window's neighbours nor on threads, and
# equals the pipeline's to the last bit, which works on more windows at a time.
BATCH = 8
MOST_AHEAD = 16 * BATCH  # steps on their way at most, also where files are silent or cannot be read

SILENT = "silent"

Progress = Callable[[float], object]  # takes the share that is done, in [0, 1]


# Files become steps, a window each, and the steps of several files batches


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
            waiting -= sum(done.seen is not None for done in taken)
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


# Batches become verdicts


class Judge:
    """All models and rules of a run, loaded once.

    Any number of threads may ask it at the same time, and get the answers that one would: after it is made, nothing in
    it changes, and one batch at a time goes through the models. Whoever wants to look into `detector` itself holds
    `lock` meanwhile.

    Parameters
    ----------
    threads : for what the models read of the sound; by default as many as there are processors, at most 8.

    Raises
    ------
    ArtifactError : the run is missing, damaged, or was evaluated by an older version.
    """

    def __init__(self, run: Run, threads: int | None = None) -> None:
        self.run = run_facts(run)
        results = run.read_results()
        self.rule, self.scope, self.limits = read_rule(run, results), read_scope(run), limits(results)
        self.detector = Detector(run)
        self.config = self.detector.config
        self.lock = threading.RLock()  # of the models: two batches at once would share caches and processors
        self._pool = ThreadPoolExecutor(threads or worker_threads(), thread_name_prefix="pictures")

    def judge(self, path: str | Path, config: DetectConfig | None = None, progress: Progress | None = None) -> Verdict:
        """Answer a file.

        Parameters
        ----------
        config : how to cut it; by default as the run's limits were chosen.
        progress : called now and then with the share that is done.

        Raises
        ------
        AudioError : as `open_audio`, and what decoding shows: `silence`, `non_finite`, `peak`, `undecodable`,
            `too_short`, `too_long`.
        """
        ((_, outcome),) = self.judge_all([path], config, progress)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def judge_all(
        self, paths: Iterable[str | Path], config: DetectConfig | None = None, progress: Progress | None = None
    ) -> Iterator[tuple[str | Path, Verdict | Exception]]:
        """Yield every file, in order, with the verdict `judge` gives, or with what it raises.

        Windows of several files go through the models together, so that short files are answered faster than one by
        one; a probability is the same to the last bit. Memory does not grow with the number of files.
        """
        rule = self.rule if config is None else _with(self.rule, config, self.config.audio.seconds)
        for batch in batches(steps(paths, self.config, rule.hop_seconds, self._pool)):
            self._answer(batch)
            for step in batch:
                if step.start is None:
                    yield step.hearing.path, self._outcome(step.hearing, rule)
            if progress:
                progress(batch[-1].hearing.share)

    def _answer(self, batch: Sequence[Step]) -> None:
        """Add what the detectors and the scope say of each window to its file's answers."""
        for step in batch:
            _note_failure(step)
        windows = [step for step in batch if step.start is not None and step.hearing.error is None]
        seen = [step.seen.result() for step in windows if step.seen]
        try:
            rows = iter(self._probabilities(seen) if seen else ())
        except Exception as error:  # such as no memory: it concerns each file that is under way
            for step in windows:
                step.hearing.error = error
            return
        scopes = iter([measure(self.scope, grain_of(pictured.fine_spectrum)) for pictured in seen])
        for step in windows:
            answer = (next(rows), next(scopes)) if step.seen else ({}, None)
            step.hearing.answers.append(Answered(step.start or 0, *answer))

    def _probabilities(self, seen: Sequence[Pictures]) -> list[dict[str, float]]:
        """Return each detector's probability of AI for each of at most BATCH windows."""
        filled = [*seen, *[seen[-1]] * (BATCH - len(seen))]
        with self.lock:
            by_detector = self.detector.read(filled, label="")
        return [{name: float(values[row]) for name, values in by_detector.items()} for row in range(len(seen))]

    def _outcome(self, hearing: Hearing, rule: Rule) -> Verdict | Exception:
        """Return the verdict on a file that was heard to its end, or why there is none."""
        if hearing.error or hearing.song is None:
            return hearing.error or RuntimeError("it was not heard")
        if not any(answer.scope for answer in hearing.answers):
            return silence(hearing.song.source, self.config.audio, "Check that it is the file you meant")
        return self._verdict(hearing.path, hearing.digest, hearing.song, hearing.answers, rule)

    def _verdict(self, path: str | Path, digest: str, song: Song, answers: Sequence[Answered], rule: Rule) -> Verdict:
        audible = [answer for answer in answers if answer.scope]
        scopes = [answer.scope for answer in audible if answer.scope]
        scope = judged_scope(scopes, rule.max_outside)
        votes = voting([bool(result.reason) for result in scopes], rule.max_outside)
        voters = [answer for answer, votes_too in zip(audible, votes, strict=True) if votes_too or scope.reason]
        by_detector = {
            name: _detector_answer(rule, name, [answer.probabilities[name] for answer in voters], bool(scope.reason))
            for name in DETECTORS
        }
        windows = self._windows(song, answers)
        header, audio = song.source.header, self.config.audio
        silent, band = len(answers) - len(audible), rule.models[rule.detector].band
        return Verdict(
            file=str(path),
            sha256=digest,
            seconds=song.seconds,
            heard_seconds=_covered([window for window in windows if window.counts]),
            format=header.format,
            native_rate=header.sample_rate,
            channels=header.channels,
            warnings=song.warnings(),
            call=by_detector[rule.detector].call,
            probability=by_detector[rule.detector].probability,
            limit_human=band.low if band.low > 0 else None,
            limit_ai=band.high if band.high <= 1 else None,
            scale=SCALE,
            detector=rule.detector,
            by_detector=by_detector,
            windows=windows,
            counted=0 if scope.reason else len(voters),
            rule=rule_sentence(rule, audio.seconds, len(answers), silent, scope, audio.silence_dbfs),
            scope=scope,
            run=self.run,
            limits=self.limits,
        )

    def _windows(self, song: Song, answers: Sequence[Answered]) -> tuple[Window, ...]:
        audio = self.config.audio
        calibrated = {
            name: rule.calibrated([answer.probabilities[name] for answer in answers if answer.scope])
            for name, rule in self.rule.models.items()
        }
        place, windows = 0, []
        for answer in answers:
            start, end = answer.start / audio.sample_rate, (answer.start + audio.samples) / audio.sample_rate
            scaled = {name: values[place] for name, values in calibrated.items()} if answer.scope else {}
            place += bool(answer.scope)
            note = answer.scope.reason if answer.scope else SILENT
            windows.append(Window(start, min(end, song.seconds), answer.probabilities, scaled, note))
        return tuple(windows)


def _note_failure(step: Step) -> None:
    """Let a file fail when one of its windows cannot be made into what models read."""
    error = step.seen.exception() if step.seen else None
    if isinstance(error, Exception):
        step.hearing.error = step.hearing.error or error


def _with(rule: Rule, config: DetectConfig, longest: float) -> Rule:
    hop = min(config.hop_seconds, longest)
    return replace(rule, hop_seconds=hop, max_outside=config.max_outside)


def _detector_answer(rule: Rule, name: str, probabilities: Sequence[float], outside: bool) -> DetectorAnswer:
    song_rule = rule.models[name]
    probability = song_rule.song(probabilities)
    return DetectorAnswer(probability, "out_of_scope" if outside else song_rule.call(probability))


def _covered(windows: Sequence[Window]) -> float:
    """Return how many seconds lie in at least one of the windows, which are in order."""
    covered, reached = 0.0, 0.0
    for window in windows:
        covered += window.end - max(window.start, reached)
        reached = window.end
    return covered


def judge_sound(sound: Decoded, name: str, judge: Judge, progress: Progress | None = None) -> Verdict:
    """Answer what `decoded` made of an upload, as `Judge.judge` answers the file it came from.

    Parameters
    ----------
    name : as its sender calls it; for sentences only.
    progress : called now and then with the share that is done.

    Raises
    ------
    AudioError : as `Judge.judge`.
    """
    try:
        verdict = judge.judge(sound.path, progress=progress)
    except AudioError as error:
        raise AudioError(name, error.code, error.problem, error.remedy) from error
    return replace(
        verdict,
        file=name,
        sha256=sound.sha256,
        format=sound.format,
        native_rate=sound.native_rate,
        channels=sound.channels,
        warnings=sound.warnings + verdict.warnings,
    )


# Answers that are never exceptions


def answers(paths: Iterable[str | Path], judge: Judge) -> Iterator[dict[str, Any]]:
    """Yield each file's `answer`, in order; never raise."""
    for path, outcome in judge.judge_all(paths):
        yield outcome.to_dict() if isinstance(outcome, Verdict) else _refusal(path, outcome)


def answer(path: str | Path, judge: Judge) -> dict[str, Any]:
    """Return a file's verdict as plain values, or `{"file", "error": {"code", "problem", "remedy"}}`; never raise."""
    return next(answers([path], judge))


def _refusal(path: str | Path, error: Exception) -> dict[str, Any]:
    if isinstance(error, AudioError):
        return failure(path, error.code, error.problem, error.remedy)
    if isinstance(error, DetectorError):
        return failure(path, "refused", error.problem, error.remedy)
    if isinstance(error, MemoryError):
        return failure(path, "memory", "needs more memory than there is", "Close other programs and try again")
    return failure(path, "unexpected", f"cannot be judged ({type(error).__name__}: {error})", "Report this file")


def failure(path: str | Path, code: str, problem: str, remedy: str) -> dict[str, Any]:
    """Return the answer to a file that got no verdict."""
    return {"file": str(path), "error": {"code": code, "problem": problem, "remedy": remedy}}
