"""The printed figures of the test split and of the audit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.artifacts import BRANCHES, DETECTORS, FUSIONS, Run
from core.evaluation import projection
from core.evaluation.evidence import Evidence, shown
from core.figures import audit
from core.figures import results as plots
from core.metrics.scores import SongMean
from core.storage import Array


def draw(evidence: Evidence, results: Mapping[str, Any]) -> tuple[dict[Path, Any], dict[str, Array]]:
    """Draw the printed figures of a run; return them with the t-SNE points they show."""
    run, labels, models = evidence.run, evidence.test(evidence.labels), results["models"]
    names = {shown(name): name for name in models}
    tested = {title: models[name]["test"] for title, name in names.items()}
    weights = evidence.test(evidence.fusion("hybrid_weights"))
    tsne_figures, points = _tsne_figures(evidence)
    figures = {
        run.figure("confusion_matrices"): plots.visualize_confusion_matrix(
            {title: (test["confusion"], test["accuracy"]) for title, test in tested.items()}
        ),
        run.figure("roc_curves"): plots.plot_roc_curves(
            labels,
            {title: evidence.test(evidence.probabilities[name]) for title, name in names.items()},
            {title: test["intervals"]["roc_auc"] for title, test in tested.items()},
        ),
        run.figure("metrics_comparison"): plots.plot_metrics_comparison(tested),
        run.figure("attention"): plots.plot_attention(_attention_bars(results["attention"])),
        run.figure("attention_three_way"): plots.plot_attention(
            _attention_bars(results["three_way"]), "three-way fusion"
        ),
        run.figure("attention_heatmap"): plots.plot_attention_heatmap(
            weights, labels, [BRANCHES[name] for name in FUSIONS["hybrid"]]
        ),
        **tsne_figures,
        **_audit_figures(run, results),
    }
    return figures, points


def _audit_figures(run: Run, results: Mapping[str, Any]) -> dict[Path, Any]:
    """Draw what the audit found, as far as it was made."""
    names, models = {name: shown(name) for name in DETECTORS}, results["models"]
    calibrations = {title: models[name]["calibration"] for name, title in names.items()}
    figures = {run.figure("reliability"): audit.plot_reliability(calibrations)}
    if shortcuts := results["shortcuts"]:
        tests = {title: models[name]["test"] for name, title in names.items()}
        figures[run.figure("shortcuts")] = audit.plot_shortcuts(shortcuts, tests)
    parts = {
        "robustness": audit.plot_robustness,
        "leave_out": audit.plot_leave_out,
        "seeds": audit.plot_seeds,
    }
    made = {run.figure(part): draw(results[part], names) for part, draw in parts.items() if results[part]}
    return figures | made


def _attention_bars(fusion: Mapping[str, Any]) -> dict[str, tuple[SongMean, SongMean]]:
    """Return each branch's mean weight over human and over AI clips, from a fusion's part of the results."""
    return {
        BRANCHES[name]: (SongMean(**means["human"]), SongMean(**means["ai"]))
        for name, means in fusion["mean_weights"].items()
    }


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
    titles = {"ae": "Autoencoder latent", "transformer": encoder, "hybrid": "Hybrid, fused"}
    titled = {f"{title} ({embeddings[name].shape[1]})": points[name] for name, title in titles.items()}
    figures = {run.figure("tsne"): plots.plot_tsne(titled, labels, perplexity)}
    if len(modes) > 1:
        both = {f"{encoder}, {mode}": points[mode] for mode in modes}
        figures[run.figure("tsne_transformer_modes")] = plots.plot_tsne(both, labels, perplexity)
    return figures, points | {"rows": rows}
