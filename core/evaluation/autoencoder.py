"""What the autoencoder gives back, and what the latents of its variants know of the classes."""

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core import storage
from core.evaluation.evidence import Evidence, evaluate_model
from core.metrics.ranking import roc_auc
from core.storage import Array


def reconstruction_results(evidence: Evidence) -> dict[str, Any]:
    """Return the autoencoder's test error beside that of the training split's mean spectrogram."""
    errors = storage.read_npz(evidence.run.ae_losses, ["test", "mean_test"], evidence.run.remedy("autoencoder"))
    return {
        "n": len(errors["test"]),
        "test_mse": float(errors["test"].mean()),
        "mean_spectrogram_mse": float(errors["mean_test"].mean()),
        "unit": "squared deviations of the training split",
    }


def variant_results(evidence: Evidence) -> list[dict[str, Any]]:
    """Return, for each variant of the autoencoder, how well its latents tell the classes, and its error."""
    run, phase = evidence.run, "autoencoder"
    variants = {"multitask": (run.read_splits(run.ae_latents, phase), run.read_splits(run.ae_losses, phase))}
    for name in ("reconstruction", "human_only"):
        parts = (f"{name}_latent_", f"{name}_error_")
        latents, errors = (run.read_splits(run.ae_variants, phase, part) for part in parts)
        variants[name] = latents, errors
    return [_variant(evidence, name, *arrays) for name, arrays in variants.items()]


def _variant(evidence: Evidence, name: str, latents: Array, errors: Array) -> dict[str, Any]:
    """Return what a linear probe makes of latents (clips, size), and what the errors (clips,) alone do."""
    train, test = evidence.splits == "train", evidence.test
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    probe.fit(latents[train], evidence.labels[train])
    probability = probe.predict_proba(latents)[:, 1]
    labels, threshold = test(evidence.labels), evidence.threshold(probability)
    scores = evaluate_model(labels, test(probability), test(evidence.groups), evidence.settings, threshold)
    return {
        "variant": name,
        "n": scores["n"],
        "probe_auc": scores["roc_auc"],
        "probe_auc_interval": scores["intervals"]["roc_auc"],
        "test_mse": float(test(errors).mean()),
        "error_auc": roc_auc(labels, test(errors) / max(float(errors.max()), 1e-12)),
    }
