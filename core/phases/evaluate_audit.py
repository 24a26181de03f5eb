"""What the audit's raw answers say: shortcuts, degraded files, sources never heard, other seeds (SPEC Q1, Q4-Q6).

Each part is None where the audit did not make it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core import metrics, shortcuts
from core.artifacts import DETECTORS, LABELS
from core.errors import DataError
from core.phases.evaluate_evidence import FEW_DRAWS, Evidence, choose, compare
from core.storage import Array

# Shortcuts (SPEC Q4)


def shortcut_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return what a classifier makes of the files without hearing music: of the files, and of what the models hear."""
    names = ("features", "heard", "names", "heard_names")
    found = evidence.audit(evidence.run.shortcuts, names, answers=False)
    if found is None:
        return None
    equalised = evidence.config.audio.equalise
    files = _shortcut(evidence, found["features"], found["names"].tolist(), equalised=equalised)
    heard = _shortcut(evidence, found["heard"], found["heard_names"].tolist(), equalised=equalised)
    return {"files": files, "heard": heard}


def _shortcut(evidence: Evidence, values: Array, names: Sequence[str], *, equalised: bool) -> dict[str, Any]:
    """Return one audit, with every detector's test AUC minus the classifier's."""
    audited = shortcuts.audit(values, names, evidence.labels, evidence.groups.tolist(), evidence.splits.tolist())
    settings, test = evidence.settings, evidence.test
    labels, groups = test(evidence.labels), test(evidence.groups)
    interval = metrics.song_bootstrap(
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


# Degraded files (SPEC Q6)


def robustness_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return every detector's AUC and both error rates after every change, at its own threshold, beside clean clips."""
    found = evidence.audit(evidence.run.robustness, ("rows", "transforms", "kinds"))
    if found is None:
        return None
    rows = found["rows"]
    labels, groups = evidence.labels[rows], evidence.groups[rows]
    return {
        "n": len(rows),
        "songs": len(np.unique(groups)),
        "clips": {name: int((labels == label).sum()) for label, name in enumerate(LABELS)},
        "transforms": found["transforms"].tolist(),
        "kinds": found["kinds"].tolist(),
        "draws": min(FEW_DRAWS, evidence.settings.bootstraps),
        "models": {
            name: _degraded(evidence, found[f"probability_{name}"], evidence.thresholds[name], labels, groups)
            for name in DETECTORS
        },
    }


def _degraded(
    evidence: Evidence, answers: Array, threshold: float, labels: Array, groups: Array
) -> list[dict[str, Any]]:
    """Return one detector's figures per transform; the first of the answers (transforms, clips) is of clean clips."""
    settings, clean = evidence.settings, answers[0]
    how = min(FEW_DRAWS, settings.bootstraps), settings.confidence, 0
    found = []
    for answer in answers:
        scores = metrics.score(labels, answer, threshold)
        intervals = metrics.song_bootstrap(labels, answer, groups, threshold, *how)
        paired = metrics.paired_difference(labels, answer, clean, groups, (threshold, threshold), *how)
        change = paired.roc_auc
        found.append(
            {
                "auc": scores.roc_auc,
                "auc_interval": intervals["roc_auc"],
                "false_positive_rate": 1 - scores.recall_human,
                "false_positive_interval": complement(intervals["recall_human"]),
                "false_negative_rate": 1 - scores.recall_ai,
                "false_negative_interval": complement(intervals["recall_ai"]),
                "auc_change": change.value,
                "auc_change_interval": (change.low, change.high),
            }
        )
    return found


def complement(interval: Sequence[float]) -> metrics.Interval:
    """Return the interval of what a share leaves to one."""
    return 1 - interval[1], 1 - interval[0]


# Sources never heard (SPEC Q5)


def leave_out_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return, for each source, what models make of it that had none of its clips in training or validation."""
    found = evidence.audit(evidence.run.leave_out, ("source", "source_label", "row", "role"))
    if found is None:
        return None
    pairs = sorted(set(zip(found["source_label"].tolist(), found["source"].tolist(), strict=True)))
    sources = [_unheard(evidence, found, label, source) for label, source in pairs]
    return {
        "schedule_share": evidence.config.audit.leave_out_share,
        "sources": sources,
        "models": {name: _over_sources(evidence, found, sources, name) for name in DETECTORS},
    }


def _unheard(evidence: Evidence, found: Mapping[str, Array], label: int, source: str) -> dict[str, Any]:
    """Return every detector's figures on one source that was held out."""
    fold = (found["source"] == source) & (found["source_label"] == label)
    held_out = fold & (found["role"] == "held_out")
    rows = found["row"][held_out]
    return {
        "source": source,
        "label": LABELS[label],
        "n": len(rows),
        "songs": len(np.unique(evidence.groups[rows])),
        "models": {name: _on_unheard(evidence, found, fold, label, name) for name in DETECTORS},
    }


def _on_unheard(evidence: Evidence, found: Mapping[str, Array], fold: Array, label: int, name: str) -> dict[str, Any]:
    """Return one detector's recall on a source and its AUC against the other class's clips of the test split."""
    settings, probability, row = evidence.settings, found[f"probability_{name}"], found["row"]
    right, held_out = _right(evidence, found, fold, label, name)
    other = fold & (found["role"] == "test") & (evidence.labels[row] != label)
    ranked = held_out | other
    if not other.any():
        raise DataError(evidence.run.leave_out, "it has no test clip of the other class", evidence.run.remedy("audit"))
    labels, groups = evidence.labels[row[ranked]], evidence.groups[row[ranked]]
    area = metrics.score(labels, probability[ranked], 0.5).roc_auc
    interval = metrics.song_bootstrap(
        labels, probability[ranked], groups, 0.5, min(FEW_DRAWS, settings.bootstraps), settings.confidence, seed=0
    )["roc_auc"]
    share, ends = _share(evidence, right, evidence.groups[row[held_out]])
    return {
        "threshold": _threshold(evidence, found, fold, name),
        "auc": area,
        "auc_interval": interval,
        "against": int(other.sum()),
        "recall": share,
        "recall_interval": ends,
    }


def _threshold(evidence: Evidence, found: Mapping[str, Array], fold: Array, name: str) -> float:
    """Return where the models of a fold call a clip AI, by its own validation clips."""
    val = fold & (found["role"] == "val")
    return choose(evidence.labels[found["row"][val]], found[f"probability_{name}"][val], evidence.settings)


def _right(evidence: Evidence, found: Mapping[str, Array], fold: Array, label: int, name: str) -> tuple[Array, Array]:
    """Return whether each clip that was held out is called rightly, and which lines those clips are."""
    held_out = fold & (found["role"] == "held_out")
    called = metrics.predict(found[f"probability_{name}"][held_out], _threshold(evidence, found, fold, name))
    return called == label, held_out


def _share(evidence: Evidence, hits: Array, groups: Array) -> tuple[float, metrics.Interval]:
    """Return the share of hits among clips, with an interval over songs that has width."""
    settings = evidence.settings
    mean = metrics.song_mean(hits, groups, settings.bootstraps, settings.confidence, seed=0)
    return mean.mean, metrics.share_interval(hits, (mean.low, mean.high), groups, settings.confidence)


def _over_sources(
    evidence: Evidence, found: Mapping[str, Array], sources: Sequence[Mapping[str, Any]], name: str
) -> dict[str, Any]:
    """Return one detector over all sources: AUC on AI ones, its mean and worst, and both pooled error rates."""
    ai = [source for source in sources if source["label"] == "ai"]
    areas = {source["source"]: source["models"][name]["auc"] for source in ai}
    worst = min(areas, key=lambda source: areas[source]) if areas else None
    return {
        "ai_sources": len(areas),
        "mean_auc": float(np.mean(list(areas.values()))) if areas else None,
        "min_auc": areas[worst] if worst is not None else None,
        "min_source": worst,
        "human": _pooled(evidence, found, sources, 0, name),
        "ai": _pooled(evidence, found, sources, 1, name),
    }


def _pooled(
    evidence: Evidence, found: Mapping[str, Array], sources: Sequence[Mapping[str, Any]], label: int, name: str
) -> dict[str, Any] | None:
    """Return the error rate over the clips of every held-out source of a class, or None where there is none."""
    own = [source["source"] for source in sources if source["label"] == LABELS[label]]
    if not own:
        return None
    wrong, groups = [], []
    for source in own:
        fold = (found["source"] == source) & (found["source_label"] == label)
        right, held_out = _right(evidence, found, fold, label, name)
        wrong.append(~right)
        groups.append(evidence.groups[found["row"][held_out]])
    share, interval = _share(evidence, np.concatenate(wrong), np.concatenate(groups))
    n, songs = sum(map(len, wrong)), len(np.unique(np.concatenate(groups)))
    return {"sources": len(own), "n": n, "songs": songs, "error": share, "interval": interval}


# Other seeds (SPEC Q1)


def seed_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return how far test AUC and accuracy move when everything is trained again with other seeds."""
    found = evidence.audit(evidence.run.seeds, ("seeds",))
    if found is None:
        return None
    return {
        "seeds": found["seeds"].tolist(),
        "n": int((evidence.splits == "test").sum()),
        "models": {name: _spreads(evidence, found[f"probability_{name}"]) for name in DETECTORS},
    }


def _spreads(evidence: Evidence, answers: Array) -> dict[str, Any]:
    """Return the spread of one detector's figures over its trainings (seeds, clips), each with its own threshold."""
    labels = evidence.test(evidence.labels)
    scores = [metrics.score(labels, evidence.test(answer), evidence.threshold(answer)) for answer in answers]
    return {field: _spread([getattr(score, field) for score in scores]) for field in ("roc_auc", "accuracy")}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation and range; of a single training the deviation is None."""
    return {
        "mean": float(np.mean(values)),
        "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
        "values": list(values),
    }
