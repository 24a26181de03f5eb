"""What the earlier phases left behind, and how a set of probabilities is measured on it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core import storage
from core.artifacts import ADDITIONS, DETECTORS, FUSIONS, Run
from core.config import Config, EvaluationConfig
from core.metrics.intervals import Interval, enough_songs, share_interval
from core.metrics.ranking import roc_auc
from core.metrics.registry import supported
from core.metrics.scores import Difference, paired_difference, score, song_bootstrap, song_mean
from core.metrics.thresholds import choose_threshold
from core.storage import Array

FEW_DRAWS = 300  # bootstrap draws of a figure of which there are hundreds


class Evidence:
    """Everything the earlier phases left behind, in row order."""

    def __init__(self, run: Run, config: Config) -> None:
        self.run, self.config, self.settings = run, config, config.evaluation
        self.clips = run.read_clips()
        self.labels = np.array([clip.label for clip in self.clips])
        self.groups = np.array([clip.group for clip in self.clips])
        self.splits = np.array([clip.split for clip in self.clips])
        self.encoder: dict[str, Any] = storage.read_json(run.transformer_note, run.remedy("transformer"))
        self.probabilities = {name: self._probability(name) for name in DETECTORS}
        self.concatenation = self.fusion("concatenation_probability")
        self.thresholds = {name: self.threshold(values) for name, values in self.probabilities.items()}

    def _probability(self, name: str) -> Array:
        if name in FUSIONS:
            return self.fusion(f"{name}_probability")
        return self.run.read_splits(self.run.baseline_probabilities, "baselines", f"{name}_")

    def fusion(self, name: str) -> Array:
        """Return an array of the hybrid phase."""
        return self.run.read_splits(self.run.fusion, "hybrid", f"{name}_")

    def audit(self, path: Path, names: Sequence[str], *, answers: bool = True) -> dict[str, Array] | None:
        """Return named arrays of a file of the audit, with every detector's answers; None where it was not made."""
        if not path.exists():
            return None
        probabilities = [f"probability_{name}" for name in DETECTORS] if answers else []
        return storage.read_npz(path, [*names, *probabilities], self.run.remedy("audit"))

    def of(self, split: str, values: Array) -> Array:
        """Return the rows of a split."""
        return values[self.splits == split]  # type: ignore[no-any-return]

    def test(self, values: Array) -> Array:
        """Return the rows of the test split."""
        return self.of("test", values)

    def threshold(self, probability: Array) -> float:
        """Return from where a model calls a clip AI, by its answers (n,) to the validation clips alone."""
        return choose(self.of("val", self.labels), self.of("val", probability), self.settings)

    def best(self) -> str:
        """Return the detector with the best validation AUC: choosing on test would flatter it."""
        labels = self.of("val", self.labels)
        return max(
            self.probabilities,
            key=lambda name: roc_auc(labels, self.of("val", self.probabilities[name])),
        )


def shown(name: str) -> str:
    """Return a detector's name as figures have it, the additions to the prescribed four marked."""
    return DETECTORS[name] + (" (+)" if name in ADDITIONS else "")


def choose(labels: Array, probabilities: Array, settings: EvaluationConfig) -> float:
    """Choose a threshold on validation by the rule of the settings."""
    if settings.threshold_rule == "fixed":
        return settings.threshold
    return choose_threshold(labels, probabilities, settings.threshold_rule, settings.max_fpr)


def evaluate_model(
    labels: Array, probabilities: Array, groups: Array, settings: EvaluationConfig, threshold: float | None = None
) -> dict[str, Any]:
    """Return one model's figures on one split with their intervals over songs.

    Parameters
    ----------
    threshold : the model's own; without it, the fixed one of the settings.
    """
    cut = settings.threshold if threshold is None else threshold
    scores = score(labels, probabilities, cut).written()
    intervals = song_intervals(labels, probabilities, groups, settings, cut)
    return {**scores, "songs": len(np.unique(groups)), "intervals": intervals}


def song_intervals(
    labels: Array,
    probabilities: Array,
    groups: Array,
    settings: EvaluationConfig,
    threshold: float = 0.5,
    draws: int | None = None,
) -> dict[str, Interval | None]:
    """Return every figure's interval over songs, None where it rests on a class of too few songs.

    Parameters
    ----------
    draws : of songs; without it, as many as the settings say.
    """
    drawn = song_bootstrap(
        labels, probabilities, groups, threshold, draws or settings.bootstraps, settings.confidence, seed=0
    )
    return supported(drawn, labels, groups, settings.least_songs)


def share_over_songs(hits: Array, groups: Array, settings: EvaluationConfig) -> tuple[float, Interval | None]:
    """Return the share of hits among clips, with an interval over songs that has width; None of too few songs."""
    mean = song_mean(hits, groups, settings.bootstraps, settings.confidence, seed=0)
    if mean.songs < settings.least_songs:
        return mean.mean, None
    return mean.mean, share_interval(hits, (mean.low, mean.high), groups, settings.confidence)


def supported_difference(
    difference: Difference, labels: Array, groups: Array, settings: EvaluationConfig
) -> dict[str, Any]:
    """Return a difference of two models as results.json has it, its ends None where a class has too few songs."""
    written = asdict(difference)
    return written if enough_songs(labels, groups, settings.least_songs) else written | {"low": None, "high": None}


def compare(evidence: Evidence, first: Array, second: Array) -> dict[str, Any]:
    """Return a paired comparison of two models on the test split, each with its own threshold."""
    settings, test = evidence.settings, evidence.test
    cuts = evidence.threshold(first), evidence.threshold(second)
    difference = paired_difference(
        test(evidence.labels), test(first), test(second), test(evidence.groups),
        cuts, settings.bootstraps, settings.confidence, seed=0,
    )  # fmt: skip
    return asdict(difference) | {
        name: supported_difference(getattr(difference, name), test(evidence.labels), test(evidence.groups), settings)
        for name in ("accuracy", "roc_auc")
    }
