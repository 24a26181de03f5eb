"""The CNN, the classifiers on the two embeddings and the one on the fine spectrum, by one training."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import Dataset

from core import storage
from core.artifacts import DETECTORS, Run
from core.artifacts import Dataset as Clips
from core.config import Config, Recipe
from core.data.datasets import SpectrogramDataset, VectorDataset
from core.device import Device, choose_device
from core.figures import results as result_figures
from core.figures.style import save_figures
from core.models.build import build
from core.models.classifiers import EmbeddingClassifier
from core.models.cnn import CNN
from core.models.fine_spectrum import FineSpectrumClassifier
from core.phases.phase import Made, command
from core.storage import Array
from core.training.batches import predict
from core.training.loop import State, Training, evaluation_loader, train_baseline, training_loader


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Train the baselines on the training split; write every clip's probability and the curves."""
    dataset, device = run.read_dataset(), choose_device()
    ae, transformer = (run.ae_latents, "autoencoder"), (run.transformer_embeddings, "transformer")
    inputs = {
        "cnn": (dataset.log_mel, dataset.copies),
        "ae_classifier": (run.read_splits(*ae), run.read_training_copies(*ae)),
        "transformer_classifier": (run.read_splits(*transformer), run.read_training_copies(*transformer)),
        "fine_spectrum": (read_fine_spectrum(run), run.read_copies("fine_spectrum")),
    }
    states: dict[str, State] = {}
    probabilities: dict[str, Array] = {}
    files: list[Path] = []
    for name, (values, copies) in inputs.items():
        recipe: Recipe = getattr(config.baselines, name)
        training = Training.of(run, config, fingerprint, name, recipe)
        model, state = train_on(name, values, dataset, training, device, copies)
        probabilities |= run.split_arrays(dataset.clips, probability_of_ai(name, model, values, device), f"{name}_")
        states[DETECTORS[name]] = state
        files += training.files
    storage.write_npz(run.baseline_probabilities, run.clip_ids(dataset.clips) | probabilities)
    histories = {name: pd.DataFrame(state.history) for name, state in states.items()}
    best = {name: state.best_epoch for name, state in states.items()}
    figures = save_figures({run.figure("training_curves"): result_figures.plot_training_curves(histories, best)})
    return Made([*files, run.baseline_probabilities, *figures])


def read_fine_spectrum(run: Run) -> Array:
    """Return the fine spectrum of every clip (n, SIZE), in memory: models read it at random."""
    return np.array(storage.read_npy(run.fine_spectrum, run.remedy("prepare")), dtype=np.float32)


def train_on(
    name: str, values: Array, clips: Clips, training: Training, device: Device, copies: Array | None = None
) -> tuple[nn.Module, State]:
    """Train one baseline on its input (n, …) in row order; return it with its best weights, and its history."""
    torch.manual_seed(training.config.train.seed)
    model = build(name, training.config)
    train = split_dataset(name, values, clips, "train", copies)
    val = split_dataset(name, values, clips, "val")
    _fit_statistics(model, values[clips.rows("train")])
    batch_size, seed = training.recipe.batch_size, training.config.train.seed
    loaders = training_loader(train, batch_size, seed), evaluation_loader(val, batch_size)
    return model, train_baseline(model, *loaders, training, device)


def split_dataset(
    name: str, values: Array, clips: Clips, split: str, copies: Array | None = None
) -> Dataset[tuple[torch.Tensor, ...]]:
    """Return one split of a baseline's input with its labels, and with degraded versions if given."""
    rows = clips.rows(split)
    if name == "cnn":
        return SpectrogramDataset(values[rows], clips.labels[rows], copies)  # type: ignore[return-value]  # int label
    return VectorDataset([(values[rows], copies)], clips.labels[rows])


def _fit_statistics(model: nn.Module, training: Array) -> None:
    """Give a model the training split's statistics, and no other's."""
    if isinstance(model, CNN):
        model.normalise.fit(training)
    elif isinstance(model, EmbeddingClassifier):
        model.standardise.fit(torch.from_numpy(training))
    elif isinstance(model, FineSpectrumClassifier):
        model.bend.fit(torch.from_numpy(training))


def probability_of_ai(name: str, model: nn.Module, values: Array, device: Device) -> Array:
    """Return the probability of AI (n,) for every row of a baseline's input."""
    model.eval()
    inputs = torch.from_numpy(values)
    inputs = inputs.unsqueeze(1) if name == "cnn" else inputs
    (probability,) = predict(
        lambda x: (model(x).float().softmax(dim=1)[:, 1],), [inputs], device, 32, f"{name}: predictions"
    )
    return probability.numpy()


if __name__ == "__main__":
    command("baselines")
