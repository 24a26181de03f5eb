"""What the earlier phases left behind, and how a set of probabilities is measured on it (SPEC E1, Q1)."""

from dataclasses import asdict
from typing import Any

import numpy as np

from core import metrics, storage
from core.artifacts import DETECTORS, Run
from core.config import Config, EvaluationConfig
from core.storage import Array

BRANCHES = {"autoencoder": "Autoencoder", "transformer": "Transformer"}  # of the hybrid, as figures name them


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

    def _probability(self, name: str) -> Array:
        if name == "hybrid":
            return self.fusion("hybrid_probability")
        return self.run.read_splits(self.run.baseline_probabilities, "baselines", f"{name}_")

    def fusion(self, name: str) -> Array:
        """Return an array of the hybrid phase."""
        return self.run.read_splits(self.run.fusion, "hybrid", f"{name}_")

    def test(self, values: Array) -> Array:
        """Return the rows of the test split."""
        return values[self.splits == "test"]  # type: ignore[no-any-return]


def evaluate_model(labels: Array, probabilities: Array, groups: Array, settings: EvaluationConfig) -> dict[str, Any]:
    """Return one model's figures on one split with their intervals over songs (SPEC E1, Q1)."""
    scores = metrics.score(labels, probabilities, settings.threshold)
    intervals = metrics.song_bootstrap(
        labels, probabilities, groups, settings.threshold, settings.bootstraps, settings.confidence, seed=0
    )
    return {**scores._asdict(), "songs": len(np.unique(groups)), "intervals": intervals}


def compare(evidence: Evidence, first: Array, second: Array) -> dict[str, Any]:
    """Return a paired comparison of two models on the test split."""
    settings, test = evidence.settings, evidence.test
    found = metrics.paired_difference(
        test(evidence.labels), test(first), test(second), test(evidence.groups),
        settings.threshold, settings.bootstraps, settings.confidence, seed=0,
    )  # fmt: skip
    return asdict(found)
