"""What the fusions attend to, whether that differs by class, and what removing a branch does."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.artifacts import FUSIONS, LABELS
from core.evaluation.evidence import Evidence, compare, evaluate_model
from core.evaluation.summary import signed
from core.metrics.claims import SIGNIFICANT, claims, compared
from core.metrics.operating_points import predict
from core.metrics.scores import class_difference, song_mean
from core.storage import Array

UNDECIDED = 0.05  # a clip whose two fusion weights are both within this of one half attends to neither


def attention_results(evidence: Evidence) -> dict[str, Any]:
    """Return the fusion weights per class, whether they differ, and what removing a branch does."""
    weights = evidence.fusion("hybrid_weights")
    labels, groups = evidence.test(evidence.labels), evidence.test(evidence.groups)
    of_ae = evidence.test(weights)[:, 0]
    difference = class_difference(of_ae, labels, groups)
    undecided = np.flatnonzero((evidence.splits == "test") & (np.abs(weights[:, 0] - 0.5) < UNDECIDED))
    against = compare(evidence, evidence.probabilities["hybrid"], evidence.concatenation)
    analysis = {
        "mean_weights": branch_weights(evidence, "hybrid"),
        "difference": asdict(difference),
        "undecided": [evidence.clips[row].path for row in undecided],
        "undecided_within": UNDECIDED,
        "against_concatenation": against,
        "without": {name: _without(evidence, "hybrid", name) for name in FUSIONS["hybrid"]},
    }
    return {**analysis, "sentences": attention_sentences(analysis, len(labels))}


def three_way_results(evidence: Evidence) -> dict[str, Any]:
    """Return the three-way fusion beside the hybrid and beside its strongest single branch."""
    three_way = evidence.probabilities["three_way"]
    others = ("hybrid", "fine_spectrum")
    return {
        "n": len(evidence.test(evidence.labels)),
        "mean_weights": branch_weights(evidence, "three_way"),
        "against": {name: compare(evidence, three_way, evidence.probabilities[name]) for name in others},
        "without": {name: _without(evidence, "three_way", name) for name in FUSIONS["three_way"]},
    }


def branch_weights(evidence: Evidence, fusion: str) -> dict[str, dict[str, Any]]:
    """Return the mean weight of every branch of a fusion over the test clips of each class."""
    weights = evidence.fusion(f"{fusion}_weights")
    return {name: _class_means(evidence, weights[:, place]) for place, name in enumerate(FUSIONS[fusion])}


def _class_means(evidence: Evidence, weights: Array) -> dict[str, Any]:
    settings, means = evidence.settings, {}
    for label, name in enumerate(LABELS):
        rows = (evidence.splits == "test") & (evidence.labels == label)
        mean = song_mean(weights[rows], evidence.groups[rows], settings.bootstraps, settings.confidence, 0)
        means[name] = mean._asdict()
        if mean.songs < settings.least_songs:
            means[name] |= {"low": None, "high": None}
    return means


def _without(evidence: Evidence, fusion: str, branch: str) -> dict[str, Any]:
    """Return what a fusion does when a branch says the same of every clip, its threshold as it is."""
    threshold, test = evidence.thresholds[fusion], evidence.test
    probability, whole = test(evidence.fusion(f"{fusion}_without_{branch}")), test(evidence.probabilities[fusion])
    labels, groups = test(evidence.labels), test(evidence.groups)
    result = evaluate_model(labels, probability, groups, evidence.settings, threshold)
    turned = predict(probability, threshold) != predict(whole, threshold)
    return {**result, "mean_change": float(np.abs(probability - whole).mean()), "verdicts_changed": int(turned.sum())}


def attention_sentences(analysis: Mapping[str, Any], n: int) -> list[str]:
    """Put the attention analysis into words; every number is from the data."""
    ae, trans = (analysis["mean_weights"][branch] for branch in FUSIONS["hybrid"])
    said = [
        f"On {ae[label]['n']} {word} test clips the hybrid attends {ae[label]['mean']:.0%} to the autoencoder "
        f"and {trans[label]['mean']:.0%} to the transformer."
        for label, word in zip(LABELS, ("human", "AI"), strict=True)
    ]
    difference = analysis["difference"]
    verb = "differ" if difference["p_value"] <= SIGNIFICANT else "do not differ detectably"
    said.append(
        f"The weights {verb} between the classes (Mann-Whitney on {difference['songs_human']} human and "
        f"{difference['songs_ai']} AI songs, p = {difference['p_value']:.2g}; "
        f"Cliff's delta {difference['effect']:+.2f}, {difference['size']})."
    )
    said.append(f"{len(analysis['undecided'])} of {n} test clips are undecided between the two branches.")
    area = analysis["against_concatenation"]["roc_auc"]
    (claim,) = claims([compared(area)])
    said.append(
        f"Attention fusion {('cannot be told from', 'is better than', 'is worse than')[claim]} plain concatenation: "
        f"AUC {signed(area, 3)}, p = {area['p_value']:.2g}."
    )
    said += [
        f"Without the {branch}, the hybrid's AUC is {analysis['without'][branch]['roc_auc']:.3f} "
        f"and {analysis['without'][branch]['verdicts_changed']} of {n} verdicts change."
        for branch in FUSIONS["hybrid"]
    ]
    return said
