"""What a verdict is: plain frozen values that need no model to be read, shown or stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Call = Literal["human", "ai", "uncertain", "out_of_scope"]

FORMAT = 2  # of `Verdict.to_dict`
SCALE = "calibrated"  # what a song's probability and limits are on; thresholds of clips are on the models' own scale


@dataclass(frozen=True)
class Window:
    """A stretch of the file as every detector heard it. Silent ones have no probabilities."""

    start: float  # seconds from the beginning of the file
    end: float
    probabilities: Mapping[str, float]  # of AI, by detector, as the models give them
    calibrated: Mapping[str, float]  # the same after each detector's temperature
    note: str  # why it does not count: silent, or how it is out of scope; empty for music

    @property
    def counts(self) -> bool:
        """Whether it has a vote where a call is made."""
        return not self.note


@dataclass(frozen=True)
class DetectorAnswer:
    """One detector's answer to the whole file."""

    probability: float  # of AI, calibrated
    call: Call


@dataclass(frozen=True)
class ScopeAnswer:
    """Whether the file is the kind of sound the models were trained on; distances as in `ScopeResult`."""

    noise: float  # median over the windows; below 1: noise
    unlike: float  # median over the windows; above 1: unlike anything in training
    outside: float  # share of the audible windows that are out of scope, in [0, 1]
    windows: int  # that are out of scope
    reason: str  # why the file is out of scope; empty when it is not


@dataclass(frozen=True)
class RunFacts:
    """Which trained models gave the answer."""

    name: str
    evaluated: str  # UTC, ISO 8601
    fingerprint: str  # changes with any weight, limit or result


@dataclass(frozen=True)
class Verdict:
    """The answer to one file, with all that it rests on."""

    file: str  # as it was asked for
    sha256: str  # of the file's bytes
    seconds: float  # of sound in the file
    heard_seconds: float  # of these, in windows that count
    format: str  # key of `core.audio.containers.FORMATS`
    native_rate: int  # Hz
    channels: int
    warnings: tuple[str, ...]  # keys of `core.audio.source.WARNINGS`
    call: Call
    probability: float  # of AI, calibrated, of the detector that decides; says nothing about a file out of scope
    limit_human: float | None  # below this probability it is called human; None: nothing is
    limit_ai: float | None  # from this probability on it is called AI; None: nothing is
    scale: str  # of the probability and of both limits
    detector: str  # the one that decides
    by_detector: Mapping[str, DetectorAnswer]
    windows: tuple[Window, ...]
    counted: int  # windows that the call rests on; the others are silent or out of scope
    rule: str  # how the call was made, in a sentence or more
    scope: ScopeAnswer
    run: RunFacts
    limits: tuple[str, ...]  # what the verdict may not be used for

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for JSON; the same file and run give the same text."""
        return {"format_version": FORMAT, **asdict(self)}
