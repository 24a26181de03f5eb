"""results.json: read once for all who want a part of it, and its main part as typed values, checked when they are read.

Nothing here computes a figure that the evaluation has not written; shares become counts and complements.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core import storage
from core.artifacts import DETECTORS, LABELS, ROOT, SPLITS, Run
from core.errors import ArtifactError
from core.metrics.claims import Compared
from dashboard.reading.kept import kept

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """A share in [0, 1] with its interval over songs.

    Where there are too few songs for one, its ends are NaN, which is neither above nor below anything.
    """

    value: float
    low: float
    high: float

    @property
    def supported(self) -> bool:
        """Whether there were songs enough for an interval."""
        return not math.isnan(self.low)

    @property
    def complement(self) -> "Measurement":
        """What is left to one, with its interval."""
        return Measurement(1 - self.value, 1 - self.high, 1 - self.low)


@dataclass(frozen=True)
class Model:
    """One detector's figures on the test split."""

    key: str
    name: str
    n: int  # clips
    songs: int
    val_auc: float
    threshold: float  # from this score on a clip is called AI; chosen on validation
    addition: bool  # beyond the prescribed four
    scores: Mapping[str, Measurement]  # by core.metrics.scores' field name, such as `roc_auc`
    confusion: tuple[tuple[int, int], tuple[int, int]]  # ((tn, fp), (fn, tp))

    @property
    def clips(self) -> dict[str, int]:
        """Test clips of each class."""
        return {label: sum(row) for label, row in zip(LABELS, self.confusion, strict=True)}

    @property
    def wrong(self) -> dict[str, int]:
        """Test clips of each class that are called the other."""
        return {"human": self.confusion[0][1], "ai": self.confusion[1][0]}


@dataclass(frozen=True)
class Cell:
    """How much of one source is in one split."""

    split: str
    label: str
    source: str
    clips: int
    songs: int


@dataclass(frozen=True)
class SourceRecall:
    """How many of one source's test clips each detector calls rightly."""

    label: str
    source: str
    clips: int
    songs: int
    right: Mapping[str, int]  # by detector


@dataclass(frozen=True)
class Comparison:
    """First detector's test AUC minus the second's, on the same clips."""

    first: str
    second: str
    area: "DetectorDifference"


@dataclass(frozen=True)
class DetectorDifference:
    """First detector minus second on the same clips, and how often chance alone would do as much."""

    value: Measurement
    p_value: float  # two-sided

    @property
    def compared(self) -> Compared:
        """What a sentence may speak of."""
        return Compared(self.value.value, self.p_value, self.value.supported)

    @property
    def turned(self) -> "DetectorDifference":
        """The second detector minus the first."""
        value = self.value
        return DetectorDifference(Measurement(-value.value, -value.high, -value.low), self.p_value)


@dataclass(frozen=True)
class UsedEncoder:
    """What made the transformer embeddings. `reason`: why it is not what was asked for, if it is not."""

    kind: str
    name: str
    description: str
    reason: str
    mode: str


@dataclass(frozen=True)
class Results:
    """Everything the evaluation says, checked."""

    run: str
    made: str  # UTC, ISO 8601
    demo: bool
    seconds: float  # of a clip
    rule: str  # how thresholds are chosen: `fpr`, `balanced` or `fixed`
    max_fpr: float  # of the rule `fpr`
    confidence: float
    models: tuple[Model, ...]  # best on validation first
    comparisons: tuple[Comparison, ...]
    cells: tuple[Cell, ...]
    sources: tuple[SourceRecall, ...]
    skipped: Mapping[str, int]  # by reason
    native_rates: Mapping[str, tuple[int, ...]]  # Hz, by label
    encoder: UsedEncoder

    @property
    def headline(self) -> Model:
        """The detector that stands for the run: best on validation, for choosing on test would flatter it."""
        return self.models[0]

    def count(self, unit: str, **where: str) -> int:
        """Return clips or songs of the cells with the given values, as in `count("songs", split="test")`."""
        return sum(getattr(cell, unit) for cell in self.cells if all(getattr(cell, k) == v for k, v in where.items()))

    def sources_in(self, label: str, split: str = "") -> list[str]:
        """Return the sources of a class, in one split or in any."""
        return sorted({cell.source for cell in self.cells if cell.label == label and split in ("", cell.split)})


@kept(lambda run: (run.results_file,))
def results_json(run: Run) -> Mapping[str, Any]:
    """Return what results.json holds, for all who read a part of it.

    Raises
    ------
    ArtifactError : it is missing, damaged, or of another version.
    """
    return run.read_results()


def read_part(run: Run, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Return what a parser makes of results.json.

    Raises
    ------
    ArtifactError : it is missing or of another version, or the parser's part of it is damaged.
    """
    try:
        return parse(results_json(run))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"damaged ({error!r})"
        raise ArtifactError(shown_path(run.results_file), problem, run.remedy("evaluate")) from error


def shown_path(path: Path) -> str:
    """Return a path as a user of this project would type it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def parse(value: Mapping[str, Any], seconds: float) -> Results:
    """Return results.json's value as `Results`; `seconds` is a clip's length.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError : something is missing or is not what it should be.
    """
    data, encoder = value["data"], value["encoder"]
    return Results(
        run=text(value["run"]),
        made=text(value["made"]),
        demo=bool(value["demo"]),
        seconds=seconds,
        rule=text(value["threshold_rule"]["rule"]),
        max_fpr=number(value["threshold_rule"]["max_fpr"]),
        confidence=number(value["confidence"]),
        models=_models(value["models"]),
        comparisons=tuple(_comparison(comparison) for comparison in value["comparisons"]),
        cells=tuple(_cell(cell) for cell in data["counts"]),
        sources=tuple(_source(source) for source in value["sources"]),
        skipped={text(reason): count(n) for reason, n in data["skipped"].items()},
        native_rates={label: tuple(count(rate) for rate in data["native_rates"][label]) for label in LABELS},
        encoder=UsedEncoder(*(text(encoder[name]) for name in ("kind", "name", "description", "reason", "mode"))),
    )


def _models(value: Mapping[str, Any]) -> tuple[Model, ...]:
    models = sorted((_model(key, model) for key, model in value.items()), key=lambda model: -model.val_auc)
    if not models:
        raise ValueError("no detector")
    return tuple(models)


def _model(key: str, value: Mapping[str, Any]) -> Model:
    test = value["test"]
    (tn, fp), (fn, tp) = test["confusion"]
    return Model(
        key=key,
        name=DETECTORS[key],
        n=count(test["n"]),
        songs=count(test["songs"]),
        val_auc=number(value["val"]["roc_auc"]),
        threshold=number(value["threshold"]),
        addition=bool(value["addition"]),
        scores={name: estimate(test[name], interval) for name, interval in test["intervals"].items()},
        confusion=((count(tn), count(fp)), (count(fn), count(tp))),
    )


def estimate(value: object, interval: tuple[object, object] | None) -> Measurement:
    """Return a number with its interval, if there are songs enough for one, or raise ValueError or TypeError."""
    if interval is None or interval[0] is None:
        return Measurement(number(value), math.nan, math.nan)
    low, high = interval
    return Measurement(number(value), number(low), number(high))


def difference(value: Mapping[str, Any]) -> DetectorDifference:
    """Return two detectors' difference, or raise KeyError, TypeError or ValueError."""
    return DetectorDifference(estimate(value["value"], (value["low"], value["high"])), number(value["p_value"]))


def _comparison(value: Mapping[str, Any]) -> Comparison:
    return Comparison(text(value["first"]), text(value["second"]), difference(value["roc_auc"]))


def _cell(value: Mapping[str, Any]) -> Cell:
    split, label = value["split"], value["label"]
    if split not in SPLITS or label not in LABELS:
        raise ValueError(f"{split}, {label}")
    return Cell(split, label, text(value["source"]), count(value["clips"]), count(value["songs"]))


def _source(value: Mapping[str, Any]) -> SourceRecall:
    clips = count(value["clips"])
    right = {key: round(number(share) * clips) for key, share in value["right"].items()}
    return SourceRecall(
        LABELS[LABELS.index(value["label"])], text(value["source"]), clips, count(value["songs"]), right
    )


def number(value: object) -> float:
    """Return a finite number, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def count(value: object) -> int:
    """Return a whole number that is not negative, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def text(value: object) -> str:
    """Return a text, readable whatever bytes a name in it has, or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return storage.readable(value)
