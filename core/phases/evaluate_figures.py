"""The printed figures of the test split (SPEC E2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import metrics, plots, projection
from core.artifacts import DETECTORS
from core.phases.evaluate_attention import mean_weights
from core.phases.evaluate_evidence import BRANCHES, Evidence
from core.storage import Array


def draw(evidence: Evidence, models: Mapping[str, Any]) -> tuple[dict[Path, Any], dict[str, Array]]:
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
        human, ai = (metrics.SongMean(**found) for found in mean_weights(evidence, weights, place).values())
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
