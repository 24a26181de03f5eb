"""Every detector on every split, over whole songs and as a probability; each two compared.

How a detector's figures become a row of the comparison table stands here too: the prescribed columns, then those of the
metrics that name one (`core.metrics.registry`).
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from core.artifacts import ADDITIONS, DETECTORS, LABELS, SPLITS
from core.config import EvaluationConfig
from core.evaluation.evidence import Evidence, compare, evaluate_model, song_intervals
from core.metrics import calibration
from core.metrics.intervals import enough_songs
from core.metrics.registry import METRICS
from core.metrics.scores import score
from core.metrics.songs import song_scores
from core.storage import Array

PRESCRIBED_COLUMNS = {
    "Accuracy": "accuracy",
    "Precision_AI": "precision_ai",
    "Precision_Human": "precision_human",
    "Recall_AI": "recall_ai",
    "Recall_Human": "recall_human",
    "F1_Macro": "f1_macro",
    "ROC_AUC": "roc_auc",
}
NO_ENDS = {"low_ci": None, "high_ci": None}  # of a bin, where the songs are too few for an interval
SONG_FIELDS = ("accuracy", "recall_human", "recall_ai", "roc_auc")


def detector_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's figures on all three splits, over whole songs, and how far its probability can be believed."""
    threshold = evidence.thresholds[name]
    results: dict[str, Any] = {"name": DETECTORS[name], "addition": name in ADDITIONS, "threshold": threshold}
    for split in SPLITS:
        arrays = (evidence.labels, evidence.probabilities[name], evidence.groups)
        labels, probability, groups = (evidence.of(split, values) for values in arrays)
        results[split] = evaluate_model(labels, probability, groups, evidence.settings, threshold)
    return {**results, "songs": song_results(evidence, name), "calibration": calibration_results(evidence, name)}


def song_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's figures over test songs, each scored once from all of its clips, at the clips' threshold."""
    settings, test = evidence.settings, evidence.test
    songs = song_scores(test(evidence.probabilities[name]), test(evidence.labels), test(evidence.groups))
    threshold = evidence.thresholds[name]
    scores = score(songs.labels, songs.probabilities, threshold)
    intervals = song_intervals(songs.labels, songs.probabilities, songs.groups, settings, threshold)
    return {
        "n": scores.n,
        **{field: scores.values[field] for field in SONG_FIELDS},
        "intervals": {field: intervals[field] for field in SONG_FIELDS},
    }


def calibration_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's temperature and uncertain band, both chosen on validation, and what they do on test."""
    settings, probability = evidence.settings, evidence.probabilities[name]
    known = evidence.of("val", evidence.labels), evidence.of("val", probability)
    labels, raw, groups = (evidence.test(values) for values in (evidence.labels, probability, evidence.groups))
    temperature = calibration.fit_temperature(*known)
    scaled = calibration.apply_temperature(raw, temperature)
    band = calibration.uncertain_band(*known, settings.max_error)
    bins = {
        when: [
            part._asdict() if enough_songs(labels, groups, settings.least_songs) else part._asdict() | NO_ENDS
            for part in calibration.reliability(labels, values, settings.calibration_bins, settings.confidence)
        ]
        for when, values in (("before", raw), ("after", scaled))
    }
    return {
        "n": len(labels),
        "temperature": temperature,
        "ece_before": calibration.expected_calibration_error(labels, raw, settings.calibration_bins),
        "ece_after": calibration.expected_calibration_error(labels, scaled, settings.calibration_bins),
        "bins": bins,
        "band": band._asdict(),
        "band_result": band_results(labels, raw, groups, band, settings),
    }


def band_results(
    labels: Array, probabilities: Array, groups: Array, band: calibration.Band, settings: EvaluationConfig
) -> dict[str, Any]:
    """Return what an uncertain band does on test, as results.json has it; of too few songs without intervals."""
    result = calibration.band_result(
        labels, probabilities, groups, band, settings.bootstraps, settings.confidence, seed=0
    )._asdict()
    if enough_songs(labels, groups, settings.least_songs):
        return result
    return result | {"coverage_interval": None, "error_interval": None}


def threshold_rule(evidence: Evidence) -> dict[str, Any]:
    """Return how each model's threshold was chosen, and on how many human validation clips."""
    settings, labels = evidence.settings, evidence.of("val", evidence.labels)
    return {
        "rule": settings.threshold_rule,
        "max_fpr": settings.max_fpr,
        "fixed": settings.threshold,
        "val_clips": {name: int((labels == label).sum()) for label, name in enumerate(LABELS)},
    }


def comparisons(evidence: Evidence) -> list[dict[str, Any]]:
    """Return every two models compared on the same test clips."""
    return [
        {"first": a, "second": b, **compare(evidence, evidence.probabilities[a], evidence.probabilities[b])}
        for a, b in combinations(DETECTORS, 2)
    ]


def end_to_end_results(evidence: Evidence) -> dict[str, Any]:
    """Return the hybrid fine-tuned end to end on the test split, and compared with the one that was not."""
    probability, test = evidence.fusion("end_to_end_probability"), evidence.test
    labels, groups, threshold = test(evidence.labels), test(evidence.groups), evidence.threshold(probability)
    scores = evaluate_model(labels, test(probability), groups, evidence.settings, threshold)
    return {"test": scores, "against_hybrid": compare(evidence, probability, evidence.probabilities["hybrid"])}


def comparison_columns() -> dict[str, str]:
    """Return the columns of model_comparison_table.csv after the model's name, and the figure in each."""
    return PRESCRIBED_COLUMNS | {metric.column: name for name, metric in METRICS.items() if metric.column}


def comparison_table(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of model_comparison_table.csv, best accuracy first; `models` as in results.json."""
    columns = comparison_columns()
    rows = [
        {"Model": model["name"], **{column: round(model["test"][name], 4) for column, name in columns.items()}}
        for model in models.values()
    ]
    return sorted(rows, key=lambda row: (-row["Accuracy"], -row["ROC_AUC"], row["Model"]))
