"""What the evaluation wrote about each detector beyond the headline, as typed values that are checked when read.

Nothing here computes a figure that the evaluation has not written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.artifacts import DETECTORS, Run
from core.errors import ArtifactError, printable
from dashboard.reading.kept import kept
from dashboard.reading.results import DetectorDifference, Measurement, count, difference, estimate, number, read_part

SPLITS = ("test", "val")
CURVES = {"train_loss": "loss", "val_loss": "loss", "train_accuracy": "accuracy", "val_accuracy": "accuracy"}
# In the order of training; a run may hold others
TRAININGS = {
    "ae_multitask": "Autoencoder",
    "transformer_frozen": "Transformer, frozen",
    "transformer_finetuned": "Transformer, fine-tuned",
    "cnn": "CNN",
    "ae_classifier": "AE classifier",
    "transformer_classifier": "Transformer classifier",
    "fine_spectrum": "Fine spectrum",
    "hybrid": "Hybrid",
    "concatenation": "Concatenation (beside the hybrid)",
    "three_way": "Three-way fusion",
}


@dataclass(frozen=True)
class Pair:
    """Two detectors compared on the same test clips."""

    first: str
    second: str
    n: int
    songs: int
    area: DetectorDifference
    accuracy: DetectorDifference

    def seen_from(self, key: str) -> "Pair":
        """Return the pair with `key` as the first."""
        if key == self.first:
            return self
        return Pair(self.second, self.first, self.n, self.songs, self.area.turned, self.accuracy.turned)


@dataclass(frozen=True)
class WholeSongs:
    """A detector's figures over whole songs, each with one score."""

    n: int  # songs
    scores: Mapping[str, Measurement]


@dataclass(frozen=True)
class Bin:
    """Clips of about the same score, and how many of them are AI."""

    n: int
    mean: float  # score
    ai: Measurement  # share


@dataclass(frozen=True)
class UndecidedBand:
    """Scores without a verdict, chosen on validation, and what that leaves undecided on test."""

    low: float  # below it: human
    high: float  # from it: AI; above 1: nothing is called AI
    n: int
    inside: int
    errors: int
    coverage: Measurement
    error: Measurement


@dataclass(frozen=True)
class Calibration:
    """Whether a detector's score is a probability, before and after a temperature chosen on validation."""

    n: int
    temperature: float
    ece: Mapping[str, float]  # `before`, `after`
    bins: Mapping[str, tuple[Bin, ...]]
    band: UndecidedBand


@dataclass(frozen=True)
class Detail:
    """One detector in full."""

    areas: Mapping[str, Measurement]  # AUC by split
    songs: WholeSongs
    calibration: Calibration


@dataclass(frozen=True)
class ModelResults:
    """Every detector in full, and each two compared."""

    details: Mapping[str, Detail]  # by detector
    pairs: tuple[Pair, ...]
    concatenation: Pair  # the hybrid against the plain concatenation of the same embeddings

    def against(self, key: str) -> list[Pair]:
        """Return a detector's comparisons with all others, itself first."""
        return [pair.seen_from(key) for pair in self.pairs if key in (pair.first, pair.second)]


@kept(lambda run: (run.results_file,))
def read_detectors(run: Run) -> ModelResults:
    """Read what a run's results say of each detector.

    Raises
    ------
    ArtifactError : the results are damaged.
    """
    return read_part(run, parse)


def parse(value: Mapping[str, Any]) -> ModelResults:
    """Return the detectors' parts of results.json.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError : something is missing or is not what it should be.
    """
    plain = value["attention"]["against_concatenation"]
    return ModelResults(
        details={key: _detail(value["models"][key]) for key in DETECTORS},
        pairs=tuple(_pair(pair["first"], pair["second"], pair) for pair in value["comparisons"]),
        concatenation=_pair("hybrid", "hybrid", plain),
    )


def _detail(value: Mapping[str, Any]) -> Detail:
    areas = {split: _with_interval(value[split], "roc_auc") for split in SPLITS}
    songs = value["songs"]
    scores = {name: _with_interval(songs, name) for name in songs["intervals"]}
    return Detail(areas, WholeSongs(count(songs["n"]), scores), _calibration(value["calibration"]))


def _with_interval(value: Mapping[str, Any], name: str) -> Measurement:
    return estimate(value[name], value["intervals"][name])


def _calibration(value: Mapping[str, Any]) -> Calibration:
    whens = ("before", "after")
    return Calibration(
        n=count(value["n"]),
        temperature=number(value["temperature"]),
        ece={when: number(value[f"ece_{when}"]) for when in whens},
        bins={when: tuple(_bin(part) for part in value["bins"][when]) for when in whens},
        band=_band(value["band"], value["band_result"]),
    )


def _bin(value: Mapping[str, Any]) -> Bin:
    share = estimate(value["share_ai"], (value["low_ci"], value["high_ci"]))
    return Bin(count(value["n"]), number(value["mean_probability"]), share)


def _band(band: Mapping[str, Any], outcome: Mapping[str, Any]) -> UndecidedBand:
    return UndecidedBand(
        low=number(band["low"]),
        high=number(band["high"]),
        n=count(outcome["n"]),
        inside=count(outcome["inside"]),
        errors=count(outcome["errors"]),
        coverage=estimate(outcome["coverage"], outcome["coverage_interval"]),
        error=estimate(outcome["error"], outcome["error_interval"]),
    )


def _pair(first: str, second: str, value: Mapping[str, Any]) -> Pair:
    if not {first, second} <= set(DETECTORS):
        raise ValueError(f"{first}, {second}")
    sizes = count(value["n"]), count(value["songs"])
    return Pair(first, second, *sizes, *(difference(value[name]) for name in ("roc_auc", "accuracy")))


# Training


def trainings(run: Run) -> list[str]:
    """Return the names of the trainings with a history, in the order they were made."""
    written = {path.stem for path in run.history("any").parent.glob("*.csv")}
    return [name for name in TRAININGS if name in written] + sorted(written - set(TRAININGS))


def read_history(run: Run, name: str) -> pd.DataFrame:
    """Return one row per epoch: epoch, the columns of `CURVES`, kept (bool: its weights are the model's).

    Raises
    ------
    ArtifactError : it is damaged.
    """
    path = run.history(name)
    remedy = f"Run `{run.command()}`"
    try:
        rows = pd.read_csv(path)[["epoch", *CURVES, "kept"]].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(path, f"damaged ({printable(str(error))})", remedy) from error
    return rows.assign(kept=rows["kept"] == 1)
