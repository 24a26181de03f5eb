"""The rule by which a whole song is judged, and what sound it may be used on, both chosen on validation (SPEC X1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core import calibration, storage, thresholds
from core.artifacts import DETECTORS
from core.phases.evaluate_evidence import Evidence, choose
from core.scope import Scope, ScopeResult, fit_scope, grain_of, measure
from core.storage import Array


def scope_of(evidence: Evidence) -> tuple[Scope, Array]:
    """Learn what the run's kind of sound is from training and validation clips; return their fine spectra, too."""
    fine = storage.read_npy(evidence.run.fine_spectrum, evidence.run.remedy("prepare"))
    rate = evidence.config.audio.sample_rate
    return fit_scope(evidence.of("train", fine), evidence.of("val", fine), rate), fine


def verdict_results(evidence: Evidence, scope: Scope, fine: Array) -> dict[str, Any]:
    """Return the song rule of every detector, which of them decides, and how many clips the scope leaves out."""
    return {
        "detector": evidence.best(),
        "unit": "songs",
        "max_error": evidence.settings.max_error,
        "hop_seconds": min(evidence.config.detect.hop_seconds, evidence.config.audio.seconds),
        "max_outside": evidence.config.detect.max_outside,
        "models": {name: _song_rule(evidence, name) for name in DETECTORS},
        "scope": {
            split: _outside([measure(scope, grain_of(one)) for one in evidence.of(split, fine)])
            for split in ("val", "test")
        },
    }


def _song_rule(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a detector's temperature, fitted on validation clips, and its limits, chosen on validation songs.

    A song's score is the mean of its clips' log-odds over the temperature, as a probability.
    """
    settings, val = evidence.settings, "val"
    temperature = calibration.fit_temperature(
        evidence.of(val, evidence.labels), evidence.of(val, evidence.probabilities[name])
    )
    known = _songs(evidence, val, name, temperature)
    band = calibration.uncertain_band(known.labels, known.probabilities, settings.max_error)
    test = _songs(evidence, "test", name, temperature)
    found = calibration.band_result(*_three(test), band, settings.bootstraps, settings.confidence, seed=0)
    return {
        "temperature": temperature,
        "threshold": choose(known.labels, known.probabilities, settings),
        "low": band.low,
        "high": band.high,
        "val_songs": len(known.labels),
        "test": found._asdict(),
    }


def _songs(evidence: Evidence, split: str, name: str, temperature: float) -> thresholds.SongScores:
    """Return the calibrated score of every song of a split."""
    arrays = (evidence.probabilities[name], evidence.labels, evidence.groups)
    songs = thresholds.song_scores(*(evidence.of(split, values) for values in arrays))
    return songs._replace(probabilities=calibration.apply_temperature(songs.probabilities, temperature))


def _three(songs: thresholds.SongScores) -> tuple[Array, Array, Array]:
    return songs.labels, songs.probabilities, songs.groups


def _outside(found: Sequence[ScopeResult]) -> dict[str, Any]:
    """Return how many clips count as out of scope."""
    return {"n": len(found), "outside": int(np.sum([bool(one.reason) for one in found]))}
