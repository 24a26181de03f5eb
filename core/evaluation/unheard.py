"""What models make of sources that they never heard, and where to call AI so that new human ones are safe.

Each source of the audit was held out of training and validation with one of the other class: a fold. A fold's models
call clips AI from a threshold of their own, chosen on the fold's validation clips.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from core.artifacts import DETECTORS, LABELS
from core.errors import DataError
from core.evaluation.evidence import FEW_DRAWS, Evidence, choose, share_over_songs, song_intervals
from core.metrics.operating_points import predict
from core.metrics.ranking import roc_auc
from core.metrics.songs import log_odds, song_means
from core.metrics.thresholds import raised
from core.storage import Array

COLUMNS = ("source", "source_label", "row", "role")


class Unheard(NamedTuple):
    """One source's clips as models judged them that never heard it."""

    rows: Array  # (clips,) among the run's clips
    called: Array  # (clips,) 1: AI, at the threshold of these models
    above: Array  # (clips,) log-odds above that threshold


def leave_out_results(evidence: Evidence) -> dict[str, Any] | None:
    """Return, for each source, what models make of it that had none of its clips in training or validation."""
    answers = evidence.audit(evidence.run.leave_out, COLUMNS)
    if answers is None:
        return None
    pairs = sorted(set(zip(answers["source_label"].tolist(), answers["source"].tolist(), strict=True)))
    sources = [_source_results(evidence, answers, label, source) for label, source in pairs]
    return {
        "schedule_share": evidence.config.audit.leave_out_share,
        "sources": sources,
        "models": {name: _over_sources(evidence, answers, sources, name) for name in DETECTORS},
    }


def _source_results(evidence: Evidence, answers: Mapping[str, Array], label: int, source: str) -> dict[str, Any]:
    """Return every detector's figures on one source that was held out."""
    fold = (answers["source"] == source) & (answers["source_label"] == label)
    held_out = fold & (answers["role"] == "held_out")
    rows = answers["row"][held_out]
    return {
        "source": source,
        "label": LABELS[label],
        "n": len(rows),
        "songs": len(np.unique(evidence.groups[rows])),
        "models": {name: _on_source(evidence, answers, fold, label, name) for name in DETECTORS},
    }


def _on_source(evidence: Evidence, answers: Mapping[str, Array], fold: Array, label: int, name: str) -> dict[str, Any]:
    """Return one detector's recall on a source and its AUC against the other class's clips of the test split."""
    settings, probability, row = evidence.settings, answers[f"probability_{name}"], answers["row"]
    held_out, other = _held_out(evidence, answers, fold, name), fold & (answers["role"] == "test")
    other &= evidence.labels[row] != label
    if not other.any():
        raise DataError(evidence.run.leave_out, "it has no test clip of the other class", evidence.run.remedy("audit"))
    ranked = other | (fold & (answers["role"] == "held_out"))
    labels, groups = evidence.labels[row[ranked]], evidence.groups[row[ranked]]
    area = roc_auc(labels, probability[ranked])
    draws = min(FEW_DRAWS, settings.bootstraps)
    interval = song_intervals(labels, probability[ranked], groups, settings, draws=draws)["roc_auc"]
    share, ends = share_over_songs(held_out.called == label, evidence.groups[held_out.rows], settings)
    return {
        "threshold": _threshold(evidence, answers, fold, name),
        "auc": area,
        "auc_interval": interval,
        "against": int(other.sum()),
        "recall": share,
        "recall_interval": ends,
    }


def _threshold(evidence: Evidence, answers: Mapping[str, Array], fold: Array, name: str) -> float:
    """Return where the models of a fold call a clip AI, by its own validation clips."""
    val = fold & (answers["role"] == "val")
    return choose(evidence.labels[answers["row"][val]], answers[f"probability_{name}"][val], evidence.settings)


def _over_sources(
    evidence: Evidence, answers: Mapping[str, Array], sources: Sequence[Mapping[str, Any]], name: str
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
        "human": _pooled(evidence, answers, 0, name),
        "ai": _pooled(evidence, answers, 1, name),
        "strict": strict_results(evidence, answers, name),
    }


def _pooled(evidence: Evidence, answers: Mapping[str, Array], label: int, name: str) -> dict[str, Any] | None:
    """Return the error rate over the clips of every held-out source of a class, or None where there is none."""
    judged = unheard(evidence, answers, name, label).values()
    return _error(evidence, [source.rows for source in judged], [source.called != label for source in judged])


# A threshold for new human sources


def unheard(evidence: Evidence, answers: Mapping[str, Array], name: str, label: int) -> dict[str, Unheard]:
    """Return a class's sources, each as a detector judged it that never heard it.

    Folds have models of their own, whose scores need not mean the same: what they share is where each calls AI.
    """
    sources = {}
    for source in np.unique(answers["source"][answers["source_label"] == label]).tolist():
        fold = (answers["source"] == source) & (answers["source_label"] == label)
        sources[source] = _held_out(evidence, answers, fold, name)
    return sources


def _held_out(evidence: Evidence, answers: Mapping[str, Array], fold: Array, name: str) -> Unheard:
    """Return the clips that a fold held out."""
    held_out, threshold = fold & (answers["role"] == "held_out"), _threshold(evidence, answers, fold, name)
    probability = answers[f"probability_{name}"][held_out]
    above = log_odds(probability) - log_odds(threshold)
    return Unheard(answers["row"][held_out], predict(probability, threshold), above)


def strict_results(evidence: Evidence, answers: Mapping[str, Array], name: str) -> dict[str, Any] | None:
    """Return a threshold raised until human sources that were held out are called AI as rarely as the rule asks.

    None where the rule promises no such share, or where fewer than two human sources were held out. The error on human
    sources is nested: each is judged by what the others ask for, as a source that is new tomorrow would be.
    """
    if evidence.settings.threshold_rule != "fpr":
        return None
    human, ai = (unheard(evidence, answers, name, label) for label in (0, 1))
    strict = _strict(evidence, name, human, ai)
    return strict and {**strict, "test": _on_test(evidence, name, strict["threshold"])}


def strict_songs(evidence: Evidence, name: str, low: float) -> dict[str, Any] | None:
    """Return the same for whole songs, each by the mean of its clips' log-odds, under every rule.

    Parameters
    ----------
    low : probability below which a song is called human; `ai_called_human` tells of how many AI songs that is wrong.
    """
    answers = evidence.audit(evidence.run.leave_out, COLUMNS)
    if answers is None:
        return None
    human, ai = (
        {source: _songs(evidence, judged) for source, judged in unheard(evidence, answers, name, label).items()}
        for label in (0, 1)
    )
    strict = _strict(evidence, name, human, ai)
    below = log_odds(low) - log_odds(evidence.thresholds[name])
    called = [judged.above < below for judged in ai.values()]
    return strict and {**strict, "ai_called_human": _error(evidence, [judged.rows for judged in ai.values()], called)}


def _songs(evidence: Evidence, clips: Unheard) -> Unheard:
    """Return a source song by song; each stands at the row of its first clip."""
    _, first, song = np.unique(evidence.groups[clips.rows], return_index=True, return_inverse=True)
    above = song_means(clips.above, song)
    return Unheard(clips.rows[first], (above >= 0).astype(np.int64), above)


def _strict(
    evidence: Evidence, name: str, human: Mapping[str, Unheard], ai: Mapping[str, Unheard]
) -> dict[str, Any] | None:
    if len(human) < 2:
        return None
    accused = [judged.above >= _rise(evidence, human, without=source) for source, judged in human.items()]
    rise = _rise(evidence, human)
    return {
        "log_odds_added": rise,
        "threshold": float(expit(log_odds(evidence.thresholds[name]) + rise)),
        "human": _error(evidence, [judged.rows for judged in human.values()], accused),
        "ai": _error(
            evidence, [judged.rows for judged in ai.values()], [judged.above < rise for judged in ai.values()]
        ),
    }


def _rise(evidence: Evidence, human: Mapping[str, Unheard], without: str = "") -> float:
    """Return how far the threshold must rise for all human sources, or for all but one."""
    above = [judged.above for source, judged in human.items() if source != without]
    return raised(np.concatenate(above), evidence.settings.max_fpr)


def _error(evidence: Evidence, rows: Sequence[Array], wrong: Sequence[Array]) -> dict[str, Any] | None:
    """Return the error rate over the clips of several sources with an interval over songs; None of no sources."""
    if not rows:
        return None
    groups = evidence.groups[np.concatenate(rows)]
    share, interval = share_over_songs(np.concatenate(wrong), groups, evidence.settings)
    return {
        "sources": len(rows), "n": len(groups), "songs": len(np.unique(groups)), "error": share, "interval": interval,
    }  # fmt: skip


def _on_test(evidence: Evidence, name: str, threshold: float) -> dict[str, Any]:
    """Return what the raised threshold does to test clips of sources that the models know."""
    labels, probability, groups = (
        evidence.test(values) for values in (evidence.labels, evidence.probabilities[name], evidence.groups)
    )
    called = predict(probability, threshold)
    errors: dict[str, Any] = {}
    for label, wrong in enumerate(("called_ai", "missed")):
        of_class = labels == label
        share, interval = share_over_songs(called[of_class] != label, groups[of_class], evidence.settings)
        errors |= {wrong: share, f"{wrong}_interval": interval}
    return errors
