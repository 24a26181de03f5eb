"""P5: one results file, and every table and figure from it (SPEC E, H2, H3, Q)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core import storage
from core.artifacts import (
    ADDITIONS,
    COMPARISON_COLUMNS,
    DETECTORS,
    LABELS,
    PREDICTION_COLUMNS,
    RESULTS_FORMAT,
    SKIPPED_COLUMNS,
    SPLITS,
    Run,
)
from core.config import Config
from core.data.splits import count_table, missing_sources
from core.evaluation import summary
from core.evaluation.attention import attention_results, three_way_results
from core.evaluation.audit import robustness_results, seed_results, shortcut_results
from core.evaluation.detectors import calibration_results, song_results
from core.evaluation.evidence import BRANCHES, Evidence, compare, evaluate_model
from core.evaluation.song_rules import scope_of, verdict_results
from core.evaluation.unheard import leave_out_results
from core.figures import draw
from core.figures.style import save_figures
from core.metrics import operating_points
from core.metrics import scores as metrics
from core.phases.phase import Made, command


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Measure every model on every split; write results.json, predictions.csv, the tables and the figures."""
    evidence = Evidence(run, config)
    models = {name: _model_results(evidence, name) for name in DETECTORS}
    scope, fine = scope_of(evidence)
    results: dict[str, Any] = {
        "format": RESULTS_FORMAT,
        "degraded_copies": config.train.waveform_copies,
        "run": run.name,
        "demo": run.read_description()[2],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": _data_results(evidence),
        "encoder": evidence.encoder,
        "threshold_rule": _threshold_rule(evidence),
        "confidence": config.evaluation.confidence,
        "models": models,
        "comparisons": _comparisons(evidence),
        "sources": _source_results(evidence),
        "reconstruction": _reconstruction_results(evidence),
        "attention": attention_results(evidence),
        "three_way": three_way_results(evidence),
        "shortcuts": shortcut_results(evidence),
        "robustness": robustness_results(evidence),
        "leave_out": leave_out_results(evidence),
        "seeds": seed_results(evidence),
        "verdict": verdict_results(evidence, scope, fine),
        "best": evidence.best(),
        "phases": _phase_results(run),
    }
    if config.hybrid.end_to_end:
        results["end_to_end"] = _end_to_end_results(evidence)
    if config.autoencoder.variants:
        results["autoencoder_variants"] = _variant_results(evidence)
    results["summary"] = summary.summary(results)
    figures, points = draw.draw(evidence, results)
    storage.write_npz(run.tsne, points)
    storage.write_npz(run.scope, {name: np.asarray(part) for name, part in scope._asdict().items()})
    files = save_results(run, results, evidence)
    best = models[results["best"]]
    note = f"best on validation: {best['name']}, test AUC {best['test']['roc_auc']:.3f} on {best['test']['n']} clips"
    return Made([*files, run.tsne, run.scope, *save_figures(figures)], (note,))


# Measuring


def _model_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's figures on all three splits, over whole songs, and how far its probability can be believed."""
    threshold = evidence.thresholds[name]
    results: dict[str, Any] = {"name": DETECTORS[name], "addition": name in ADDITIONS, "threshold": threshold}
    for split in SPLITS:
        arrays = (evidence.labels, evidence.probabilities[name], evidence.groups)
        labels, probability, groups = (evidence.of(split, values) for values in arrays)
        results[split] = evaluate_model(labels, probability, groups, evidence.settings, threshold)
    return {**results, "songs": song_results(evidence, name), "calibration": calibration_results(evidence, name)}


def _threshold_rule(evidence: Evidence) -> dict[str, Any]:
    """Return how each model's threshold was chosen, and on how many human validation clips."""
    settings, labels = evidence.settings, evidence.of("val", evidence.labels)
    return {
        "rule": settings.threshold_rule,
        "max_fpr": settings.max_fpr,
        "fixed": settings.threshold,
        "val_clips": {name: int((labels == label).sum()) for label, name in enumerate(LABELS)},
    }


def _end_to_end_results(evidence: Evidence) -> dict[str, Any]:
    """Return the hybrid fine-tuned end to end on the test split, and compared with the one that was not (SPEC H4)."""
    probability, test = evidence.fusion("end_to_end_probability"), evidence.test
    labels, groups, threshold = test(evidence.labels), test(evidence.groups), evidence.threshold(probability)
    scores = evaluate_model(labels, test(probability), groups, evidence.settings, threshold)
    return {"test": scores, "against_hybrid": compare(evidence, probability, evidence.probabilities["hybrid"])}


def _comparisons(evidence: Evidence) -> list[dict[str, Any]]:
    """Return every two models compared on the same test clips."""
    return [
        {"first": a, "second": b, **compare(evidence, evidence.probabilities[a], evidence.probabilities[b])}
        for a, b in combinations(DETECTORS, 2)
    ]


def _data_results(evidence: Evidence) -> dict[str, Any]:
    """Return what the models were trained and tested on."""
    clips, run = evidence.clips, evidence.run
    sources, splits = [clip.source for clip in clips], [clip.split for clip in clips]
    skipped = storage.read_csv(run.skipped_table, SKIPPED_COLUMNS, run.remedy("prepare"))
    reasons = [row["reason"] for row in skipped]
    return {
        "clips": len(clips),
        "songs": len(set(evidence.groups.tolist())),
        "skipped": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "counts": count_table(splits, evidence.labels.tolist(), sources, evidence.groups.tolist()),
        "missing": missing_sources(sources, splits),
        "native_rates": {
            label: sorted({clip.native_rate for clip in clips if clip.label == value})
            for value, label in enumerate(LABELS)
        },
    }


def _source_results(evidence: Evidence) -> list[dict[str, Any]]:
    """Return, for each source of the test split, the share of its clips that each model calls rightly."""
    found = []
    for label, source in sorted({(clip.label, clip.source) for clip in evidence.clips if clip.split == "test"}):
        rows = np.array(
            [clip.split == "test" and (clip.label, clip.source) == (label, source) for clip in evidence.clips]
        )
        right = {
            name: float((operating_points.predict(values[rows], evidence.thresholds[name]) == label).mean())
            for name, values in evidence.probabilities.items()
        }
        songs = len(np.unique(evidence.groups[rows]))
        found.append(
            {"label": LABELS[label], "source": source, "clips": int(rows.sum()), "songs": songs, "right": right}
        )
    return found


def _reconstruction_results(evidence: Evidence) -> dict[str, Any]:
    """Return the autoencoder's test error beside that of the training split's mean spectrogram (SPEC A4)."""
    errors = storage.read_npz(evidence.run.ae_losses, ["test", "mean_test"], evidence.run.remedy("autoencoder"))
    return {
        "n": len(errors["test"]),
        "test_mse": float(errors["test"].mean()),
        "mean_spectrogram_mse": float(errors["mean_test"].mean()),
        "unit": "squared deviations of the training split",
    }


def _variant_results(evidence: Evidence) -> list[dict[str, Any]]:
    """Return, for each autoencoder, how well its latents tell the classes, and its error (SPEC A4)."""
    run, found = evidence.run, []
    for name in ("multitask", "reconstruction", "human_only"):
        if name == "multitask":
            latents, errors = (
                run.read_splits(run.ae_latents, "autoencoder"),
                run.read_splits(run.ae_losses, "autoencoder"),
            )
        else:
            latents = run.read_splits(run.ae_variants, "autoencoder", f"{name}_latent_")
            errors = run.read_splits(run.ae_variants, "autoencoder", f"{name}_error_")
        train = evidence.splits == "train"
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        probe.fit(latents[train], evidence.labels[train])
        probability = probe.predict_proba(latents)[:, 1]
        labels, groups = evidence.test(evidence.labels), evidence.test(evidence.groups)
        threshold = evidence.threshold(probability)
        scores = evaluate_model(labels, evidence.test(probability), groups, evidence.settings, threshold)
        by_error = evidence.test(errors) / max(float(errors.max()), 1e-12)
        found.append(
            {
                "variant": name,
                "n": scores["n"],
                "probe_auc": scores["roc_auc"],
                "probe_auc_interval": scores["intervals"]["roc_auc"],
                "test_mse": float(evidence.test(errors).mean()),
                "error_auc": metrics.score(labels, by_error, 0.5).roc_auc,
            }
        )
    return found


def _phase_results(run: Run) -> dict[str, dict[str, Any]]:
    """Return how long each phase took, its peak memory and its device."""
    records = [run.read_record(path.stem) for path in sorted((run.folder / "phases").glob("*.json"))]
    return {r.phase: {"seconds": r.seconds, "peak_mb": r.peak_mb, "device": r.device} for r in records if r}


# Writing


def save_results(run: Run, results: Mapping[str, Any], evidence: Evidence) -> list[Path]:
    """Write results.json, the comparison tables, predictions.csv and the fusion weights of every clip."""
    table = comparison_table(results["models"])
    storage.write_json(run.results_file, results)
    storage.write_json(run.comparison_json, [dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in table])
    storage.write_csv(run.comparison_table, COMPARISON_COLUMNS, table)
    storage.write_csv(run.predictions, PREDICTION_COLUMNS, _predictions(evidence))
    storage.write_csv(run.attention_weights, ["path", "label", "split", *BRANCHES], _weights(evidence))
    return [run.results_file, run.comparison_json, run.comparison_table, run.predictions, run.attention_weights]


def comparison_table(models: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of model_comparison_table.csv, best accuracy first (SPEC E3)."""
    fields = ("accuracy", "precision_ai", "precision_human", "recall_ai", "recall_human", "f1_macro", "roc_auc")
    rows = [[model["name"], *(round(model["test"][field], 4) for field in fields)] for model in models.values()]
    return sorted(rows, key=lambda row: (-row[1], -row[-1], row[0]))


def _predictions(evidence: Evidence) -> list[list[Any]]:
    """Return one row per clip and model (SPEC E5)."""
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
