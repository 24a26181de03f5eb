"""From a file to a verdict: the one function that page, command and tests call (SPEC X2)."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from core import storage
from core.artifacts import DETECTORS, Run
from core.audio import is_silent, open_audio
from core.audio_song import Song
from core.config import DetectConfig
from core.detector import Detector
from core.errors import AudioError, DetectorError
from core.front_end import Pictures, pictures
from core.scope import ScopeResult, grain_of, measure
from core.verdict_answer import Call, DetectorAnswer, RunFacts, ScopeAnswer, Verdict, Window
from core.verdict_rule import Rule, judged_scope, limits, read_rule, read_scope, rule_sentence
from core.verdict_run import choose_run, run_facts

__all__ = [
    "Call", "DetectorAnswer", "Judge", "RunFacts", "ScopeAnswer", "Verdict", "Window", "answer", "choose_run",
    "run_facts",
]  # fmt: skip

# Windows at a time through the models, never fewer: with other numbers the transformer's arithmetic takes other paths
# and a probability moves by up to 0.002. So an answer depends neither on the window's neighbours nor on threads, and
# equals the pipeline's to the last bit, which works on more windows at a time.
BATCH = 8
SILENT = "silent"

Progress = Callable[[float], object]  # takes the share that is done, in [0, 1]


class Judge:
    """All models and rules of a run, loaded once; any number of threads may ask it.

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
        self._pool = ThreadPoolExecutor(threads or min(os.cpu_count() or 1, 8), thread_name_prefix="pictures")
        self._models = threading.Lock()  # one batch at a time: two would share caches and processors

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
        rule = self.rule if config is None else _with(self.rule, config, self.config.audio.seconds)
        with open_audio(path, self.config.audio) as source:
            digest = storage.sha256(source.path)
            song = Song(source, self.config.audio, rule.hop_seconds)
            answers = [one for batch in self._batches(song) for one in self._answer(song, batch, progress)]
        return self._verdict(str(path), digest, song, answers, rule)

    def _batches(self, song: Song) -> "Iterator[list[_Asked]]":
        """Yield the windows BATCH at a time; the next batch is on its way in other threads meanwhile."""
        ahead: deque[_Asked] = deque()
        for start, waveform in song.windows():
            silent = is_silent(waveform, self.config.audio)
            seen = None if silent else self._pool.submit(pictures, waveform, self.config)
            ahead.append(_Asked(start, seen))
            if len(ahead) == 2 * BATCH:
                yield [ahead.popleft() for _ in range(BATCH)]
        while ahead:
            yield [ahead.popleft() for _ in range(min(BATCH, len(ahead)))]

    def _answer(self, song: Song, batch: "Sequence[_Asked]", progress: Progress | None) -> "list[_Answered]":
        """Return what the detectors and the scope say of a batch."""
        seen = [asked.seen.result() for asked in batch if asked.seen]
        rows = iter(self._probabilities(seen)) if seen else iter(())
        scopes = iter([measure(self.scope, grain_of(one.fine_spectrum)) for one in seen])
        answers = [
            _Answered(asked.start, next(rows), next(scopes)) if asked.seen else _Answered(asked.start, {}, None)
            for asked in batch
        ]
        if progress:
            done = (batch[-1].start + self.config.audio.samples) / self.config.audio.sample_rate
            progress(min(1.0, done / max(song.seconds, song.source.header.seconds)))
        return answers

    def _probabilities(self, seen: Sequence[Pictures]) -> list[dict[str, float]]:
        """Return each detector's probability of AI for each of at most BATCH windows."""
        filled = [*seen, *[seen[-1]] * (BATCH - len(seen))]
        with self._models:
            found = self.detector.read(filled, label="")
        return [{name: float(values[row]) for name, values in found.items()} for row in range(len(seen))]

    def _verdict(self, file: str, digest: str, song: Song, answers: "Sequence[_Answered]", rule: Rule) -> Verdict:
        counted = [one for one in answers if one.scope]
        if not counted:
            raise _silence(song)
        scope = judged_scope([one.scope for one in counted if one.scope], rule.max_outside)
        by_detector = {
            name: _detector_answer(rule, name, [one.probabilities[name] for one in counted]) for name in DETECTORS
        }
        windows = self._windows(song, answers)
        deciding, header, audio = by_detector[rule.detector], song.source.header, self.config.audio
        silent = len(answers) - len(counted)
        return Verdict(
            file=file,
            sha256=digest,
            seconds=song.seconds,
            heard_seconds=_covered([window for window in windows if window.probabilities]),
            format=header.format,
            native_rate=header.sample_rate,
            channels=header.channels,
            warnings=song.warnings(),
            call="out_of_scope" if scope.reason else deciding.call,
            probability=deciding.probability,
            detector=rule.detector,
            by_detector=by_detector,
            windows=windows,
            rule=rule_sentence(rule, audio.seconds, len(answers), silent, audio.silence_dbfs),
            scope=scope,
            run=self.run,
            limits=self.limits,
        )

    def _windows(self, song: Song, answers: "Sequence[_Answered]") -> tuple[Window, ...]:
        audio = self.config.audio
        calibrated = {
            name: rule.calibrated([one.probabilities[name] for one in answers if one.scope])
            for name, rule in self.rule.models.items()
        }
        place, windows = 0, []
        for one in answers:
            start, end = one.start / audio.sample_rate, (one.start + audio.samples) / audio.sample_rate
            scaled = {name: values[place] for name, values in calibrated.items()} if one.scope else {}
            place += bool(one.scope)
            note = one.scope.reason if one.scope else SILENT
            windows.append(Window(start, min(end, song.seconds), one.probabilities, scaled, note))
        return tuple(windows)


class _Asked(NamedTuple):
    """A window on its way to the models; a silent one is not asked about."""

    start: int  # samples
    seen: Future[Pictures] | None


class _Answered(NamedTuple):
    """What was found about a window; nothing about a silent one."""

    start: int  # samples
    probabilities: Mapping[str, float]
    scope: ScopeResult | None


def _with(rule: Rule, config: DetectConfig, longest: float) -> Rule:
    hop = min(config.hop_seconds, longest)
    return Rule(rule.detector, rule.max_error, hop, config.max_outside, rule.models)


def _detector_answer(rule: Rule, name: str, probabilities: Sequence[float]) -> DetectorAnswer:
    own = rule.models[name]
    probability = own.song(probabilities)
    return DetectorAnswer(probability, own.call(probability))


def _covered(windows: Sequence[Window]) -> float:
    """Return how many seconds lie in at least one of the windows, which are in order."""
    covered, reached = 0.0, 0.0
    for window in windows:
        covered += window.end - max(window.start, reached)
        reached = window.end
    return covered


def _silence(song: Song) -> AudioError:
    problem = f"is silent (quieter than {song.config.silence_dbfs:g} dBFS throughout)"
    return AudioError(song.source.path, "silence", problem, "Check that it is the file you meant")


# Answers that are never exceptions


def answer(path: str | Path, judge: Judge) -> dict[str, Any]:
    """Return a file's verdict as plain values, or `{"file", "error": {"code", "problem", "remedy"}}`; never raise."""
    try:
        return judge.judge(path).to_dict()
    except AudioError as error:
        return failure(path, error.code, error.problem, error.remedy)
    except DetectorError as error:
        return failure(path, "refused", error.problem, error.remedy)
    except MemoryError:
        return failure(path, "memory", "needs more memory than there is", "Close other programs and try again")
    except Exception as error:  # whatever else a file can do must not end a scan of ten thousand
        return failure(path, "unexpected", f"cannot be judged ({type(error).__name__}: {error})", "Report this file")


def failure(path: str | Path, code: str, problem: str, remedy: str) -> dict[str, Any]:
    """Return the answer to a file that got no verdict."""
    return {"file": str(path), "error": {"code": code, "problem": problem, "remedy": remedy}}
