"""P5: one results file, and every table and figure from it (SPEC E, H2, H3)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core import metrics, plots, projection, storage
from core.artifacts import (
    COMPARISON_COLUMNS,
    DETECTORS,
    FORMAT,
    LABELS,
    PREDICTION_COLUMNS,
    SKIPPED_COLUMNS,
    SPLITS,
    Run,
)
from core.config import Config, EvaluationConfig
from core.data import count_table, missing_sources
from core.phases import Made, command, save_figures
from core.storage import Array

BRANCHES = {"autoencoder": "Autoencoder", "transformer": "Transformer"}
UNDECIDED = 0.05  # a clip whose two fusion weights are both within this of one half attends to neither


class Evidence:
    """Everything the earlier phases left behind, in row order."""

    def __init__(self, run: Run, config: Config) -> None:
        self.run, self.config, self.settings = run, config, config.evaluation
        self.clips = run.read_clips()
        self.labels = np.array([clip.label for clip in self.clips])
        self.groups = np.array([clip.group for clip in self.clips])
        self.splits = np.array([clip.split for clip in self.clips])
        self.encoder: dict[str, Any] = storage.read_json(run.transformer_note, run.remedy("transformer"))
        self.probabilities = {name: self._probability(name) for name in DETECTORS}
        self.concatenation = self.fusion("concatenation_probability")

    def _probability(self, name: str) -> Array:
        if name == "hybrid":
            return self.fusion("hybrid_probability")
        return self.run.read_splits(self.run.baseline_probabilities, "baselines", f"{name}_")

    def fusion(self, name: str) -> Array:
        """Return an array of the hybrid phase."""
        return self.run.read_splits(self.run.fusion, "hybrid", f"{name}_")

    def test(self, values: Array) -> Array:
        """Return the rows of the test split."""
        return values[self.splits == "test"]  # type: ignore[no-any-return]


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Measure every model on every split; write results.json, predictions.csv, the tables and the figures."""
    evidence = Evidence(run, config)
    models = {name: _model_results(evidence, name) for name in DETECTORS}
    results = {
        "format": FORMAT,
        "run": run.name,
        "demo": run.read_description()[2],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": _data_results(evidence),
        "encoder": evidence.encoder,
        "threshold": config.evaluation.threshold,
        "confidence": config.evaluation.confidence,
        "models": models,
        "comparisons": _comparisons(evidence),
        "sources": _source_results(evidence),
        "reconstruction": _reconstruction_results(evidence),
        "attention": attention_results(evidence),
        "phases": _phase_results(run),
    }
    if config.hybrid.end_to_end:
        results["end_to_end"] = _end_to_end_results(evidence)
    if config.autoencoder.variants:
        results["autoencoder_variants"] = _variant_results(evidence)
    figures, points = _figures(evidence, models)
    storage.write_npz(run.tsne, points)
    files = save_results(run, results, evidence)
    best = max(models.values(), key=lambda model: model["test"]["roc_auc"])
    note = f"best test AUC: {best['name']} {best['test']['roc_auc']:.3f} on {best['test']['n']} clips"
    return Made([*files, run.tsne, *save_figures(figures)], (note,))


# Measuring


def evaluate_model(labels: Array, probabilities: Array, groups: Array, settings: EvaluationConfig) -> dict[str, Any]:
    """Return one model's figures on one split with their intervals over songs (SPEC E1, Q1)."""
    scores = metrics.score(labels, probabilities, settings.threshold)
    intervals = metrics.song_bootstrap(
        labels, probabilities, groups, settings.threshold, settings.bootstraps, settings.confidence, seed=0
    )
    return {**scores._asdict(), "songs": len(np.unique(groups)), "intervals": intervals}


def _model_results(evidence: Evidence, name: str) -> dict[str, Any]:
    """Return a model's figures on all three splits."""
    results: dict[str, Any] = {"name": DETECTORS[name]}
    for split in SPLITS:
        rows = evidence.splits == split
        probability = evidence.probabilities[name][rows]
        results[split] = evaluate_model(evidence.labels[rows], probability, evidence.groups[rows], evidence.settings)
    return results


def _compare(evidence: Evidence, first: Array, second: Array) -> dict[str, Any]:
    """Return a paired comparison of two models on the test split."""
    settings, test = evidence.settings, evidence.test
    found = metrics.paired_difference(
        test(evidence.labels), test(first), test(second), test(evidence.groups),
        settings.threshold, settings.bootstraps, settings.confidence, seed=0,
    )  # fmt: skip
    return asdict(found)


def _end_to_end_results(evidence: Evidence) -> dict[str, Any]:
    """Return the hybrid fine-tuned end to end on the test split, and compared with the one that was not (SPEC H4)."""
    probability, test = evidence.fusion("end_to_end_probability"), evidence.test
    scores = evaluate_model(test(evidence.labels), test(probability), test(evidence.groups), evidence.settings)
    return {"test": scores, "against_hybrid": _compare(evidence, probability, evidence.probabilities["hybrid"])}


def _comparisons(evidence: Evidence) -> list[dict[str, Any]]:
    """Return every two models compared on the same test clips."""
    return [
        {"first": a, "second": b, **_compare(evidence, evidence.probabilities[a], evidence.probabilities[b])}
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
            name: float((metrics.predict(values[rows], evidence.settings.threshold) == label).mean())
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
        probability = evidence.test(probe.predict_proba(latents)[:, 1])
        labels, groups = evidence.test(evidence.labels), evidence.test(evidence.groups)
        scores = evaluate_model(labels, probability, groups, evidence.settings)
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


# The hybrid's attention


def attention_results(evidence: Evidence) -> dict[str, Any]:
    """Return the fusion weights per class, whether they differ, and what removing a branch does (SPEC H2, H3)."""
    weights = evidence.fusion("hybrid_weights")
    labels, groups = evidence.test(evidence.labels), evidence.test(evidence.groups)
    of_ae = evidence.test(weights)[:, 0]
    difference = metrics.class_difference(of_ae, labels, groups)
    undecided = np.flatnonzero((evidence.splits == "test") & (np.abs(weights[:, 0] - 0.5) < UNDECIDED))
    against = _compare(evidence, evidence.probabilities["hybrid"], evidence.concatenation)
    found = {
        "mean_weights": {name: _mean_weights(evidence, weights, place) for place, name in enumerate(BRANCHES)},
        "difference": asdict(difference),
        "undecided": [evidence.clips[row].path for row in undecided],
        "undecided_within": UNDECIDED,
        "against_concatenation": against,
        "without": {name: _without(evidence, name) for name in BRANCHES},
    }
    return {**found, "sentences": attention_sentences(found, len(labels))}


def _mean_weights(evidence: Evidence, weights: Array, branch: int) -> dict[str, Any]:
    """Return a branch's mean weight over the test clips of each class."""
    settings, found = evidence.settings, {}
    for label, name in enumerate(LABELS):
        rows = (evidence.splits == "test") & (evidence.labels == label)
        mean = metrics.song_mean(
            weights[rows, branch], evidence.groups[rows], settings.bootstraps, settings.confidence, 0
        )
        found[name] = mean._asdict()
    return found


def _without(evidence: Evidence, branch: str) -> dict[str, Any]:
    """Return what the hybrid does when a branch says the same of every clip."""
    probability = evidence.fusion(f"hybrid_without_{branch}")
    labels, groups, whole = (
        evidence.test(evidence.labels),
        evidence.test(evidence.groups),
        evidence.probabilities["hybrid"],
    )
    result = evaluate_model(labels, evidence.test(probability), groups, evidence.settings)
    moved = np.abs(evidence.test(probability) - evidence.test(whole))
    threshold = evidence.settings.threshold
    turned = metrics.predict(evidence.test(probability), threshold) != metrics.predict(evidence.test(whole), threshold)
    return {**result, "mean_change": float(moved.mean()), "verdicts_changed": int(turned.sum())}


def attention_sentences(found: Mapping[str, Any], n: int) -> list[str]:
    """Put the attention analysis into words; every number is from the data."""
    ae, trans = (found["mean_weights"][branch] for branch in BRANCHES)
    said = [
        f"On {ae[label]['n']} {word} test clips the hybrid attends {ae[label]['mean']:.0%} to the autoencoder "
        f"and {trans[label]['mean']:.0%} to the transformer."
        for label, word in zip(LABELS, ("human", "AI"), strict=True)
    ]
    difference = found["difference"]
    verb = "differ" if difference["p_value"] < 0.05 else "do not differ detectably"
    said.append(
        f"The weights {verb} between the classes (Mann-Whitney on {difference['songs_human']} human and "
        f"{difference['songs_ai']} AI songs, p = {difference['p_value']:.2g}; "
        f"Cliff's delta {difference['effect']:+.2f}, {difference['size']})."
    )
    said.append(f"{len(found['undecided'])} of {n} test clips are undecided between the two branches.")
    area = found["against_concatenation"]["roc_auc"]
    better = "better than" if area["low"] > 0 else "worse than" if area["high"] < 0 else "not distinguishable from"
    said.append(
        f"Attention fusion is {better} plain concatenation: AUC {area['value']:+.3f} "
        f"[{area['low']:+.3f}, {area['high']:+.3f}], p = {area['p_value']:.2g}."
    )
    said += [
        f"Without the {branch}, the hybrid's AUC is {found['without'][branch]['roc_auc']:.3f} "
        f"and {found['without'][branch]['verdicts_changed']} of {n} verdicts change."
        for branch in BRANCHES
    ]
    return said


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
    threshold = evidence.settings.threshold
    return [
        [
            clip.path,
            clip.group,
            clip.source,
            clip.split,
            LABELS[clip.label],
            name,
            f"{p:.8g}",
            LABELS[int(p >= threshold)],
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


def _figures(evidence: Evidence, models: Mapping[str, Any]) -> tuple[dict[Path, Any], dict[str, Array]]:
    """Draw the printed figures of the test split; return them with the t-SNE points they show."""
    run, labels = evidence.run, evidence.test(evidence.labels)
    names = {DETECTORS[name]: name for name in models}
    intervals = {shown: models[name]["test"]["intervals"] for shown, name in names.items()}
    scores = {
        shown: metrics.Scores(**{field: models[name]["test"][field] for field in metrics.Scores._fields})
        for shown, name in names.items()
    }
    weights = evidence.test(evidence.fusion("hybrid_weights"))
    tsne_figures, points = _tsne_figures(evidence)
    figures = {
        run.figure("confusion_matrices"): plots.visualize_confusion_matrix(
            {shown: (score.confusion, score.accuracy) for shown, score in scores.items()}
        ),
        run.figure("roc_curves"): plots.plot_roc_curves(
            labels,
            {shown: evidence.test(evidence.probabilities[name]) for shown, name in names.items()},
            {shown: found["roc_auc"] for shown, found in intervals.items()},
        ),
        run.figure("metrics_comparison"): plots.plot_metrics_comparison(scores, intervals),
        run.figure("attention"): plots.plot_attention(_attention_bars(evidence)),
        run.figure("attention_heatmap"): plots.plot_attention_heatmap(weights, labels, list(BRANCHES.values())),
        **tsne_figures,
    }
    return figures, points


def _attention_bars(evidence: Evidence) -> dict[str, tuple[metrics.SongMean, metrics.SongMean]]:
    weights = evidence.fusion("hybrid_weights")
    bars = {}
    for place, shown in enumerate(BRANCHES.values()):
        human, ai = (metrics.SongMean(**found) for found in _mean_weights(evidence, weights, place).values())
        bars[shown] = (human, ai)
    return bars


def _tsne_figures(evidence: Evidence) -> tuple[dict[Path, Any], dict[str, Array]]:
    """Project test clips only: a model has been taught to separate its training clips, and they would flatter it."""
    run, settings = evidence.run, evidence.settings
    test = np.flatnonzero(evidence.splits == "test")
    rows = test[projection.subsample(evidence.labels[test], settings.tsne_clips, seed=0)]
    embeddings = {
        "ae": run.read_splits(run.ae_latents, "autoencoder"),
        "transformer": run.read_splits(run.transformer_embeddings, "transformer"),
        "hybrid": evidence.fusion("hybrid_fused"),
    }
    modes: Sequence[str] = evidence.encoder["modes"]
    if len(modes) > 1:
        embeddings |= {mode: run.read_splits(run.transformer_embeddings, "transformer", f"{mode}_") for mode in modes}
    points = {
        name: projection.tsne(values[rows], settings.tsne_perplexity, seed=0) for name, values in embeddings.items()
    }
    labels, perplexity = evidence.labels[rows], projection.usable_perplexity(len(rows), settings.tsne_perplexity)
    encoder = evidence.encoder["name"]
    shown = {"ae": "Autoencoder latent", "transformer": encoder, "hybrid": "Hybrid, fused"}
    titled = {f"{title} ({embeddings[name].shape[1]})": points[name] for name, title in shown.items()}
    figures = {run.figure("tsne"): plots.plot_tsne(titled, labels, perplexity)}
    if len(modes) > 1:
        both = {f"{encoder}, {mode}": points[mode] for mode in modes}
        figures[run.figure("tsne_transformer_modes")] = plots.plot_tsne(both, labels, perplexity)
    return figures, points | {"rows": rows}


if __name__ == "__main__":
    command("evaluate")
