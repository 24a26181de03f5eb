"""What the audit's raw answers say: shortcuts, degraded files, other seeds.

Each part is None where the audit did not make it. Sources never heard: `core.evaluation.unheard`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.artifacts import DETECTORS, LABELS
from core.evaluation import shortcuts
from core.evaluation.evidence import FEW_DRAWS, Evidence, compare
from core.metrics.intervals import Interval
from core.metrics.scores import paired_difference, score, song_bootstrap
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
    interval = song_bootstrap(
        labels, test(audited.probability), groups, 0.5, settings.bootstraps, settings.confidence, seed=0
    )["roc_auc"]
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
            name: _degraded(evidence, answers[f"probability_{name}"], evidence.thresholds[name], labels, groups)
            for name in DETECTORS
        },
    }


def _degraded(
    evidence: Evidence, answers: Array, threshold: float, labels: Array, groups: Array
) -> list[dict[str, Any]]:
    """Return one detector's figures per transform; the first of the answers (transforms, clips) is of clean clips."""
    settings, clean = evidence.settings, answers[0]
    how = min(FEW_DRAWS, settings.bootstraps), settings.confidence, 0
    lines = []
    for answer in answers:
        scores = score(labels, answer, threshold).values
        intervals = song_bootstrap(labels, answer, groups, threshold, *how)
        paired = paired_difference(labels, answer, clean, groups, (threshold, threshold), *how)
        change = paired.roc_auc
        lines.append(
            {
                "auc": scores["roc_auc"],
                "auc_interval": intervals["roc_auc"],
                "false_positive_rate": 1 - scores["recall_human"],
                "false_positive_interval": complement(intervals["recall_human"]),
                "false_negative_rate": 1 - scores["recall_ai"],
                "false_negative_interval": complement(intervals["recall_ai"]),
                "auc_change": change.value,
                "auc_change_interval": (change.low, change.high),
            }
        )
    return lines


def complement(interval: Sequence[float]) -> Interval:
    """Return the interval of what a share leaves to one."""
    return 1 - interval[1], 1 - interval[0]


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
