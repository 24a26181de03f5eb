"""What the audit's raw answers say: shortcuts, degraded files, other seeds.

Each part is None where the audit did not make it. Sources never heard: `core.evaluation.unheard`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.artifacts import DETECTORS, LABELS
from core.evaluation import shortcuts
from core.evaluation.evidence import FEW_DRAWS, Evidence, compare, song_intervals, supported_difference
from core.evaluation.summary import complement
from core.metrics.operating_points import predict
from core.metrics.scores import paired_difference, paired_p_value, score
from core.storage import Array

# Shortcuts


def shortcut_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return what a classifier makes of the files without hearing music: of the files, and of what the models hear."""
    names = ("features", "heard", "names", "heard_names")
    facts = evidence.audit(evidence.run.shortcuts, names, answers=False)
    if facts is None:
        return None
    equalised = evidence.config.audio.equalise
    files = _shortcut(evidence, facts["features"], facts["names"].tolist(), equalised=equalised)
    heard = _shortcut(evidence, facts["heard"], facts["heard_names"].tolist(), equalised=equalised)
    return {"files": files, "heard": heard}


def _shortcut(evidence: Evidence, values: Array, names: Sequence[str], *, equalised: bool) -> dict[str, Any]:
    """Return one audit, with every detector's test AUC minus the classifier's."""
    audited = shortcuts.audit(values, names, evidence.labels, evidence.groups.tolist(), evidence.splits.tolist())
    settings, test = evidence.settings, evidence.test
    labels, groups = test(evidence.labels), test(evidence.groups)
    interval = song_intervals(labels, test(audited.probability), groups, settings)["roc_auc"]
    songs = len(np.unique(groups))
    return {
        "n": len(labels),
        "songs": songs,
        "model": audited.model,
        "val_auc": audited.val_auc,
        "test_auc": audited.test_auc,
        "test_auc_interval": interval,
        "features": [
            {**feature._asdict(), "title": shortcuts.TITLES.get(feature.name, feature.name)}
            for feature in audited.features
        ],
        "detectors_against": {
            name: compare(evidence, probability, audited.probability)["roc_auc"]
            for name, probability in evidence.probabilities.items()
        },
        "advice": shortcuts.advice(audited, interval, len(labels), songs, equalised=equalised),
    }


# Degraded files


def robustness_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return every detector's AUC and both error rates after every change, at its own threshold, beside clean clips."""
    answers = evidence.audit(evidence.run.robustness, ("rows", "transforms", "kinds"))
    if answers is None:
        return None
    rows = answers["rows"]
    labels, groups = evidence.labels[rows], evidence.groups[rows]
    return {
        "n": len(rows),
        "songs": len(np.unique(groups)),
        "clips": {name: int((labels == label).sum()) for label, name in enumerate(LABELS)},
        "transforms": answers["transforms"].tolist(),
        "kinds": answers["kinds"].tolist(),
        "draws": min(FEW_DRAWS, evidence.settings.bootstraps),
        "models": {
            name: _degraded(evidence, answers[f"probability_{name}"], evidence.thresholds[name], rows)
            for name in DETECTORS
        },
    }


def _degraded(evidence: Evidence, answers: Array, threshold: float, rows: Array) -> list[dict[str, Any]]:
    """Return one detector's figures per transform; the first of the answers (transforms, clips) is of clean clips."""
    settings, clean = evidence.settings, answers[0]
    labels, groups = evidence.labels[rows], evidence.groups[rows]
    draws = min(FEW_DRAWS, settings.bootstraps)
    lines = []
    for answer in answers:
        scores = score(labels, answer, threshold).values
        intervals = song_intervals(labels, answer, groups, settings, threshold, draws)
        paired = paired_difference(
            labels, answer, clean, groups, (threshold, threshold), settings.bootstraps, settings.confidence, seed=0
        )
        change = supported_difference(paired.roc_auc, labels, groups, settings)
        lines.append(
            {
                "auc": scores["roc_auc"],
                "auc_interval": intervals["roc_auc"],
                "false_positive_rate": 1 - scores["recall_human"],
                "false_positive_interval": complement(intervals["recall_human"]),
                "false_negative_rate": 1 - scores["recall_ai"],
                "false_negative_interval": complement(intervals["recall_ai"]),
                "auc_change": change["value"],
                "auc_change_interval": None if change["low"] is None else (change["low"], change["high"]),
                "auc_change_p": change["p_value"],
                "false_positive_p": _error_p(evidence, 0, answer, clean, threshold, rows),
                "false_negative_p": _error_p(evidence, 1, answer, clean, threshold, rows),
            }
        )
    return lines


def _error_p(evidence: Evidence, label: int, answer: Array, clean: Array, threshold: float, rows: Array) -> float:
    """Return how often chance alone would move the errors on a class's clips as far as a change did."""
    of_class = evidence.labels[rows] == label
    called, before = (predict(probability[of_class], threshold).astype(int) for probability in (answer, clean))
    return paired_p_value(called - before, evidence.groups[rows][of_class], evidence.settings.bootstraps, seed=0)


# Other seeds


def seed_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return how far test AUC and accuracy move when everything is trained again with other seeds."""
    answers = evidence.audit(evidence.run.seeds, ("seeds",))
    if answers is None:
        return None
    return {
        "seeds": answers["seeds"].tolist(),
        "n": int((evidence.splits == "test").sum()),
        "models": {name: _spreads(evidence, answers[f"probability_{name}"]) for name in DETECTORS},
    }


def _spreads(evidence: Evidence, answers: Array) -> dict[str, Any]:
    """Return the spread of one detector's figures over its trainings (seeds, clips), each with its own threshold."""
    labels = evidence.test(evidence.labels)
    scores = [score(labels, evidence.test(answer), evidence.threshold(answer)).values for answer in answers]
    return {field: _spread([values[field] for values in scores]) for field in ("roc_auc", "accuracy")}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation and range; of a single training the deviation is None."""
    return {
        "mean": float(np.mean(values)),
        "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
        "values": list(values),
    }
