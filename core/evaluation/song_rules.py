"""The rule by which a whole song is judged, and what sound it may be used on, both chosen on validation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import storage
from core.artifacts import DETECTORS
from core.evaluation.detectors import band_results
from core.evaluation.evidence import Evidence, choose
from core.evaluation.unheard import strict_songs
from core.metrics.calibration import apply_temperature, fit_temperature, uncertain_band
from core.metrics.songs import SongScores, song_scores, voting
from core.storage import Array
from core.verdict.scope import Scope, fit_scope, grain_of, measure

Votes = NDArray[np.bool_]  # one per clip of the run


def scope_of(evidence: Evidence) -> tuple[Scope, Array]:
    """Learn what the run's kind of sound is from training and validation clips; return their fine spectra, too."""
    fine = storage.read_npy(evidence.run.fine_spectrum, evidence.run.remedy("prepare"))
    rate = evidence.config.audio.sample_rate
    return fit_scope(evidence.of("train", fine), evidence.of("val", fine), rate), fine


def verdict_results(evidence: Evidence, scope: Scope, fine: Array) -> dict[str, Any]:
    """Return the song rule of every detector, which of them decides, and how many clips the scope leaves out."""
    outside = _outside(evidence, scope, fine)
    votes = _votes(evidence, outside)
    return {
        "detector": evidence.best(),
        "unit": "songs",
        "max_error": evidence.settings.max_error,
        "hop_seconds": min(evidence.config.detect.hop_seconds, evidence.config.audio.seconds),
        "max_outside": evidence.config.detect.max_outside,
        "models": {name: _song_rule(evidence, name, votes) for name in DETECTORS},
        "scope": {
            split: {"n": len(of_split := evidence.of(split, outside)), "outside": int(of_split.sum())}
            for split in ("val", "test")
        },
    }


def _outside(evidence: Evidence, scope: Scope, fine: Array) -> Votes:
    """Return which validation and test clips are out of scope."""
    chosen = evidence.splits != "train"  # the scope is made of these
    return np.array(
        [bool(kept and measure(scope, grain_of(clip)).reason) for kept, clip in zip(chosen, fine, strict=True)]
    )


def _votes(evidence: Evidence, outside: Votes) -> Votes:
    """Return which clips have a vote in their song, as windows have it in a file (`core.metrics.songs.voting`)."""
    votes = np.zeros(len(outside), bool)
    for song in np.unique(evidence.groups):
        clips = evidence.groups == song
        votes[clips] = voting(outside[clips].tolist(), evidence.config.detect.max_outside)
    return votes


def _song_rule(evidence: Evidence, name: str, votes: Votes) -> dict[str, Any]:
    """Return a detector's temperature, fitted on validation clips, and its limits, chosen on validation songs.

    The upper limit is raised until songs of human sources that were held out in turn are called AI as rarely as the
    clips' rule asks, where the audit held any out.

    A song's score is the mean of its clips' log-odds over the temperature, as a probability. Clips and songs out of
    scope are left out: no verdict rests on them.
    """
    settings, val = evidence.settings, "val"
    temperature = fit_temperature(evidence.of(val, evidence.labels), evidence.of(val, evidence.probabilities[name]))
    known = _songs(evidence, val, name, temperature, votes)
    band = uncertain_band(known.labels, known.probabilities, settings.max_error)
    unheard = strict_songs(evidence, name, _plain(band.low, temperature))
    if unheard:  # whoever brings a song of their own brings a source that is new to the models
        band = band._replace(high=max(band.high, _calibrated(unheard["threshold"], temperature)))
    test = _songs(evidence, "test", name, temperature, votes)
    result = band_results(*_three(test), band, settings)
    return {
        "temperature": temperature,
        "threshold": choose(known.labels, known.probabilities, settings),
        "low": band.low,
        "high": band.high,
        "val_songs": len(known.labels),
        "test": result,
        "unheard": unheard,
    }


def _calibrated(probability: float, temperature: float) -> float:
    return float(apply_temperature(probability, temperature))


def _plain(calibrated: float, temperature: float) -> float:
    """Return what a temperature makes of into a calibrated probability."""
    return _calibrated(calibrated, 1 / temperature)


def _songs(evidence: Evidence, split: str, name: str, temperature: float, votes: Votes) -> SongScores:
    """Return the calibrated score of every song of a split that is in scope; of all where no class may be missing."""
    heard, labels = evidence.of(split, votes), evidence.of(split, evidence.labels)
    if len(np.unique(labels[heard])) < len(np.unique(labels)):  # a handful of songs
        heard = np.ones_like(heard)
    arrays = (evidence.probabilities[name], evidence.labels, evidence.groups)
    songs = song_scores(*(evidence.of(split, values)[heard] for values in arrays))
    return songs._replace(probabilities=apply_temperature(songs.probabilities, temperature))


def _three(songs: SongScores) -> tuple[Array, Array, Array]:
    return songs.labels, songs.probabilities, songs.groups
