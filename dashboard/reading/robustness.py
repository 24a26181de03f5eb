"""What a run was asked beyond the test split, as typed values that are checked when read.

A part is None where the run did not make it. Nothing here computes a figure that the evaluation has not written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.artifacts import DETECTORS, LABELS, Run
from dashboard.reading.kept import kept
from dashboard.reading.results import (
    DetectorDifference,
    Measurement,
    count,
    difference,
    estimate,
    number,
    read_part,
    text,
)

T = TypeVar("T")

KNOWLEDGE = ("files", "heard")  # facts about the files as stored; facts about the sound the detectors are given


@dataclass(frozen=True)
class Fact:
    """One thing that is not music, judged by itself."""

    name: str
    title: str
    val_auc: float
    test_auc: float


@dataclass(frozen=True)
class Shortcut:
    """What a classifier makes of the test clips that is shown such facts only."""

    n: int  # clips
    songs: int
    area: Measurement
    facts: tuple[Fact, ...]  # the one that goes furthest on the test clips first
    gains: Mapping[str, DetectorDifference]  # by detector: its AUC minus the classifier's
    advice: tuple[str, ...]


@dataclass(frozen=True)
class ChangeScores:
    """One detector's figures on clips changed in one way, at its own threshold."""

    area: Measurement
    called_ai: Measurement  # share of human clips
    missed: Measurement  # share of AI clips
    loss: DetectorDifference  # AUC minus that on the clean clips


@dataclass(frozen=True)
class ChangedSound:
    """Every detector after every change; the first line is of the clean clips."""

    n: int
    songs: int
    clips: Mapping[str, int]  # by label
    names: tuple[str, ...]  # of the changes, with their strength
    kinds: tuple[str, ...]
    models: Mapping[str, tuple[ChangeScores, ...]]


@dataclass(frozen=True)
class HeldOutScores:
    """One detector on a source that it never heard."""

    area: Measurement  # against test clips of the other class
    right: Measurement  # share of clips called rightly, at the threshold of its own validation clips

    def called_ai(self, label: str) -> Measurement:
        """Share of the clips called AI: what is caught of an AI source, and accused of a human one."""
        return self.right if label == "ai" else self.right.complement


@dataclass(frozen=True)
class HeldOutSource:
    """A source that was taken out of the training, and what each detector makes of it."""

    label: str
    name: str
    n: int
    songs: int
    models: Mapping[str, HeldOutScores]


@dataclass(frozen=True)
class Pooled:
    """A detector over all sources of a class that were held out."""

    sources: int
    n: int
    songs: int
    error: Measurement


@dataclass(frozen=True)
class Strict:
    """A detector at a threshold raised until new human sources are accused as rarely as the rule asks."""

    threshold: float
    human: Pooled
    ai: Pooled | None


@dataclass(frozen=True)
class Overall:
    """A detector over all sources that were held out; None where there is none of the kind."""

    mean_auc: float | None  # over AI sources
    human: Pooled | None
    ai: Pooled | None
    strict: Strict | None


@dataclass(frozen=True)
class LeaveOut:
    """Every source held out in turn."""

    share: float  # of the long schedules
    sources: tuple[HeldOutSource, ...]
    models: Mapping[str, Overall]

    def of(self, label: str) -> list[HeldOutSource]:
        """Return the sources of a class."""
        return [source for source in self.sources if source.label == label]


@dataclass(frozen=True)
class Spread:
    """One figure over several trainings."""

    mean: float
    deviation: float | None  # None of a single training
    values: tuple[float, ...]


@dataclass(frozen=True)
class Seeds:
    """Everything trained again with other seeds."""

    seeds: tuple[int, ...]
    n: int  # test clips
    models: Mapping[str, Mapping[str, Spread]]  # by detector, then `roc_auc` or `accuracy`


@dataclass(frozen=True)
class Robustness:
    """All of it, and what may be said after it. Sentences hold the user's own words: show them as plain text."""

    shortcuts: Mapping[str, Shortcut] | None  # by KNOWLEDGE
    changes: ChangedSound | None
    leave_out: LeaveOut | None
    seeds: Seeds | None
    copies: int  # degraded versions of each clip that the detectors were trained on
    may: tuple[str, ...]
    may_not: tuple[str, ...]


@kept(lambda run: (run.results_file,))
def read_robustness(run: Run) -> Robustness:
    """Read what a run's results say beyond the test split.

    Raises
    ------
    ArtifactError : the results are damaged.
    """
    return read_part(run, lambda value: _with_command(parse(value), Run(run.folder.with_name(value["run"])), run))


def _with_command(robustness: Robustness, was: Run, now: Run) -> Robustness:
    """Return it with the run's command as it is now: the run may have been renamed since, or ship."""
    may_not = tuple(sentence.replace(was.command(), now.command()) for sentence in robustness.may_not)
    return replace(robustness, may_not=may_not)


def parse(value: Mapping[str, Any]) -> Robustness:
    """Return these parts of results.json.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError : something is missing or is not what it should be.
    """
    return Robustness(
        shortcuts=_if_made(value["shortcuts"], _shortcuts),
        changes=_if_made(value["robustness"], _changes),
        leave_out=_if_made(value["leave_out"], _leave_out),
        seeds=_if_made(value["seeds"], _seeds),
        copies=count(value["degraded_copies"]),
        may=_texts(value["summary"]["may"]),
        may_not=_texts(value["summary"]["may_not"]),
    )


def _if_made(value: Mapping[str, Any] | None, parsed: Callable[[Mapping[str, Any]], T]) -> T | None:
    return None if value is None else parsed(value)


def _shortcuts(value: Mapping[str, Any]) -> dict[str, Shortcut]:
    return {kind: _shortcut(value[kind]) for kind in KNOWLEDGE}


def _shortcut(value: Mapping[str, Any]) -> Shortcut:
    facts = [
        Fact(text(fact["name"]), text(fact["title"]), number(fact["val_auc"]), number(fact["test_auc"]))
        for fact in value["features"]
    ]
    against = value["detectors_against"]
    return Shortcut(
        n=count(value["n"]),
        songs=count(value["songs"]),
        area=estimate(value["test_auc"], value["test_auc_interval"]),
        facts=tuple(sorted(facts, key=lambda fact: -fact.test_auc)),
        gains={key: difference(against[key]) for key in DETECTORS},
        advice=_texts(value["advice"]),
    )


def _changes(value: Mapping[str, Any]) -> ChangedSound:
    names, kinds = _texts(value["transforms"]), _texts(value["kinds"])
    models = {key: tuple(_line(line) for line in value["models"][key]) for key in DETECTORS}
    if len(names) < 2 or {len(names)} != {len(kinds), *map(len, models.values())}:
        raise ValueError("not one line per change")
    clips = {label: count(value["clips"][label]) for label in LABELS}
    return ChangedSound(count(value["n"]), count(value["songs"]), clips, names, kinds, models)


def _line(value: Mapping[str, Any]) -> ChangeScores:
    names = ("auc", "false_positive_rate", "false_negative_rate", "auc_change")
    *scores, loss = (estimate(value[name], value[f"{name.removesuffix('_rate')}_interval"]) for name in names)
    before = 0.0 if loss.low > 0 or loss.high < 0 else 1.0  # results from before there was a test of every change
    area, called_ai, missed = scores
    loss_tested = DetectorDifference(loss, number(value.get("auc_change_p", before)))
    return ChangeScores(area, called_ai, missed, loss_tested)


def _leave_out(value: Mapping[str, Any]) -> LeaveOut:
    return LeaveOut(
        share=number(value["schedule_share"]),
        sources=tuple(_held_out(source) for source in value["sources"]),
        models={key: _overall(value["models"][key]) for key in DETECTORS},
    )


def _held_out(value: Mapping[str, Any]) -> HeldOutSource:
    return HeldOutSource(
        label=LABELS[LABELS.index(value["label"])],
        name=text(value["source"]),
        n=count(value["n"]),
        songs=count(value["songs"]),
        models={key: _unheard(value["models"][key]) for key in DETECTORS},
    )


def _unheard(value: Mapping[str, Any]) -> HeldOutScores:
    return HeldOutScores(
        estimate(value["auc"], value["auc_interval"]), estimate(value["recall"], value["recall_interval"])
    )


def _overall(value: Mapping[str, Any]) -> Overall:
    mean = value["mean_auc"]
    return Overall(
        mean_auc=None if mean is None else number(mean),
        human=_if_made(value["human"], _pooled),
        ai=_if_made(value["ai"], _pooled),
        strict=_if_made(value.get("strict"), _strict),
    )


def _strict(value: Mapping[str, Any]) -> Strict:
    return Strict(number(value["threshold"]), _pooled(value["human"]), _if_made(value["ai"], _pooled))


def _pooled(value: Mapping[str, Any]) -> Pooled:
    error = estimate(value["error"], value["interval"])
    return Pooled(count(value["sources"]), count(value["n"]), count(value["songs"]), error)


def _seeds(value: Mapping[str, Any]) -> Seeds:
    return Seeds(
        seeds=tuple(count(seed) for seed in value["seeds"]),
        n=count(value["n"]),
        models={
            key: {field: _spread(value["models"][key][field]) for field in ("roc_auc", "accuracy")} for key in DETECTORS
        },
    )


def _spread(value: Mapping[str, Any]) -> Spread:
    deviation = value["deviation"]
    return Spread(
        mean=number(value["mean"]),
        deviation=None if deviation is None else number(deviation),
        values=tuple(number(figure) for figure in value["values"]),
    )


def _texts(value: Sequence[object]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("one text where a list should be")
    return tuple(text(part) for part in value)
