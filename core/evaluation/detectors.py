"""What a model says of whole songs, and whether its probability means what it says (SPEC Q2, Q3)."""

from typing import Any

from core.evaluation.evidence import Evidence
from core.metrics import calibration, thresholds
from core.metrics import scores as metrics

SONG_FIELDS = ("accuracy", "recall_human", "recall_ai", "roc_auc")


def song_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's figures over test songs, each scored once from all of its clips, at the clips' threshold."""
    settings, test = evidence.settings, evidence.test
    songs = thresholds.song_scores(test(evidence.probabilities[name]), test(evidence.labels), test(evidence.groups))
    threshold = evidence.thresholds[name]
    scores = metrics.score(songs.labels, songs.probabilities, threshold)._asdict()
    intervals = metrics.song_bootstrap(
        songs.labels, songs.probabilities, songs.groups, threshold, settings.bootstraps, settings.confidence, seed=0
    )
    return {
        "n": scores["n"],
        **{field: scores[field] for field in SONG_FIELDS},
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
    result = calibration.band_result(labels, raw, groups, band, settings.bootstraps, settings.confidence, seed=0)
    bins = {
        when: [found._asdict() for found in calibration.reliability(
            labels, values, settings.calibration_bins, settings.confidence
        )]
        for when, values in (("before", raw), ("after", scaled))
    }  # fmt: skip
    return {
        "n": len(labels),
        "temperature": temperature,
        "ece_before": calibration.expected_calibration_error(labels, raw, settings.calibration_bins),
        "ece_after": calibration.expected_calibration_error(labels, scaled, settings.calibration_bins),
        "bins": bins,
        "band": band._asdict(),
        "band_result": result._asdict(),
    }
