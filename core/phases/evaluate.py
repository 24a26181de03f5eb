"""One results file, and every table and figure from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core import storage
from core.artifacts import DETECTORS, FUSIONS, LABELS, PREDICTION_COLUMNS, RESULTS_FORMAT, Run
from core.config import Config
from core.evaluation.attention import attention_results, three_way_results
from core.evaluation.audit import robustness_results, seed_results, shortcut_results
from core.evaluation.autoencoder import reconstruction_results, variant_results
from core.evaluation.data import data_results, source_results
from core.evaluation.detectors import (
    comparison_table,
    comparisons,
    detector_results,
    end_to_end_results,
    threshold_rule,
)
from core.evaluation.evidence import Evidence
from core.evaluation.song_rules import scope_of, verdict_results
from core.evaluation.summary import summary
from core.evaluation.unheard import leave_out_results
from core.figures.draw import draw
from core.figures.style import save_figures
from core.phases.phase import Made, command


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Measure every model on every split; write results.json, predictions.csv, the tables and the figures."""
    evidence = Evidence(run, config)
    models = {name: detector_results(evidence, name) for name in DETECTORS}
    scope, fine = scope_of(evidence)
    results: dict[str, Any] = {
        "format": RESULTS_FORMAT,
        "degraded_copies": config.train.waveform_copies,
        "run": run.name,
        "demo": run.read_description()[2],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data_results(evidence),
        "encoder": evidence.encoder,
        "threshold_rule": threshold_rule(evidence),
        "confidence": config.evaluation.confidence,
        "models": models,
        "comparisons": comparisons(evidence),
        "sources": source_results(evidence),
        "reconstruction": reconstruction_results(evidence),
        "attention": attention_results(evidence),
        "three_way": three_way_results(evidence),
        "shortcuts": shortcut_results(evidence),
        "robustness": robustness_results(evidence),
        "leave_out": leave_out_results(evidence),
        "seeds": seed_results(evidence),
        "verdict": verdict_results(evidence, scope, fine),
        "best": evidence.best(),
        "phases": phase_results(run),
    }
    if config.hybrid.end_to_end:
        results["end_to_end"] = end_to_end_results(evidence)
    if config.autoencoder.variants:
        results["autoencoder_variants"] = variant_results(evidence)
    results["summary"] = summary(results)
    figures, points = draw(evidence, results)
    storage.write_npz(run.tsne, points)
    storage.write_npz(run.scope, {name: np.asarray(part) for name, part in scope._asdict().items()})
    files = save_results(run, results, evidence)
    best = models[results["best"]]
    note = f"best on validation: {best['name']}, test AUC {best['test']['roc_auc']:.3f} on {best['test']['n']} clips"
    return Made([*files, run.tsne, run.scope, *save_figures(figures)], (note,))


def phase_results(run: Run) -> dict[str, dict[str, Any]]:
    """Return how long each phase took, its peak memory and its device."""
    records = [run.read_record(path.stem) for path in sorted((run.folder / "phases").glob("*.json"))]
    return {r.phase: {"seconds": r.seconds, "peak_mb": r.peak_mb, "device": r.device} for r in records if r}


# Writing


def save_results(run: Run, results: Mapping[str, Any], evidence: Evidence) -> list[Path]:
    """Write results.json, the comparison tables, predictions.csv and the fusion weights of every clip."""
    models = comparison_table(results["models"])
    storage.write_json(run.results_file, results)
    storage.write_json(run.comparison_json, models)
    storage.write_csv(run.comparison_table, list(models[0]), [list(model.values()) for model in models])
    storage.write_csv(run.predictions, PREDICTION_COLUMNS, _predictions(evidence))
    storage.write_csv(run.attention_weights, ["path", "label", "split", *FUSIONS["hybrid"]], _weights(evidence))
    return [run.results_file, run.comparison_json, run.comparison_table, run.predictions, run.attention_weights]


def _predictions(evidence: Evidence) -> list[list[Any]]:
    """Return one row per clip and model."""
    return [
        [
            clip.path,
            clip.group,
            clip.source,
            clip.split,
            LABELS[clip.label],
            name,
            f"{p:.9g}",  # tells every float32 from the next
            LABELS[int(p >= evidence.thresholds[name])],
        ]
        for name, values in evidence.probabilities.items()
        for clip, p in zip(evidence.clips, values.tolist(), strict=True)
    ]


def _weights(evidence: Evidence) -> list[list[Any]]:
    weights = evidence.fusion("hybrid_weights").tolist()
    return [
        [clip.path, LABELS[clip.label], clip.split, *(f"{w:.6f}" for w in row)]
        for clip, row in zip(evidence.clips, weights, strict=True)
    ]


if __name__ == "__main__":
    command("evaluate")
