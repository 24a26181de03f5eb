"""The multi-task autoencoder, its latents and its reconstruction errors."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from core import storage
from core.artifacts import LABELS, Dataset, Run
from core.config import AutoencoderConfig, Config
from core.data.datasets import SpectrogramDataset
from core.device import Device, choose_device
from core.figures import results as result_figures
from core.figures.style import save_figures
from core.models.autoencoder import AutoencoderOutput, MultiTaskAutoencoder
from core.models.build import build
from core.phases.phase import Made, command
from core.storage import Array
from core.training.batches import Batch, Losses, Objective, predict
from core.training.loop import State, Training, evaluation_loader, train_baseline, training_loader
from core.training.spec_augment import roll_log_mel

log = logging.getLogger(__name__)

NAME = "ae_multitask"
EXAMPLES = 5  # clips of each class in the printed reconstructions
# Single-task autoencoders: weight of the classification, and whether AI clips are left out of training.
VARIANTS = {"reconstruction": (0.0, False), "human_only": (0.0, True)}


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Train the autoencoder, and the single-task ones if asked; write latents, reconstruction errors and figures."""
    dataset, device = run.read_dataset(), choose_device()
    settings = config.autoencoder
    training = _training(run, config, fingerprint, NAME)
    model, state = _train(dataset, device, training, settings, humans_only=False)
    errors, latents = _encode(model, dataset, device)
    ids = run.clip_ids(dataset.clips)
    copies = {"copies": _encode_copies(model, dataset, device)} if dataset.copies is not None else {}
    storage.write_npz(run.ae_latents, ids | run.split_arrays(dataset.clips, latents) | copies)
    baseline = _mean_spectrogram_errors(model, dataset)
    storage.write_npz(
        run.ae_losses,
        ids | run.split_arrays(dataset.clips, errors) | run.split_arrays(dataset.clips, baseline, "mean_"),
    )
    files = [*training.files, run.ae_latents, run.ae_losses, *_figures(run, config, model, dataset, device, state)]
    if settings.variants:
        files += _train_variants(run, config, fingerprint, dataset, device)
    test = dataset.rows("test")
    sentence = f"test reconstruction error {errors[test].mean():.3f}, mean spectrogram {baseline[test].mean():.3f}"
    return Made(files, (sentence,))


def _training(run: Run, config: Config, fingerprint: str, name: str) -> Training:
    """Return the training of an autoencoder; it must rebuild what it sees, so nothing is hidden from it."""
    augment = roll_log_mel if config.train.augment else None
    others = {"kind": "autoencoder", "monitor": "val_loss", "augment": augment}
    return Training.of(run, config, fingerprint, name, config.autoencoder.recipe, **others)


def objective(model: MultiTaskAutoencoder, settings: AutoencoderConfig) -> Objective:
    """Return the loss: squared error in the training split's deviations + 0.5 × cross-entropy."""

    def losses(output: AutoencoderOutput, batch: Batch) -> Losses:
        difference = (output.reconstruction - batch[0]) / model.normalise.deviation
        reconstruction = difference.square().mean()
        classification = F.cross_entropy(output.logits.float(), batch[-1])
        total = settings.reconstruction_weight * reconstruction + settings.classification_weight * classification
        return Losses(total, {"reconstruction": reconstruction, "classification": classification})

    return losses


def _train(
    dataset: Dataset, device: Device, training: Training, settings: AutoencoderConfig, *, humans_only: bool
) -> tuple[MultiTaskAutoencoder, State]:
    """Train one autoencoder to its end and return it with its best weights."""
    torch.manual_seed(training.config.train.seed)
    model = build("autoencoder", training.config)
    assert isinstance(model, MultiTaskAutoencoder)
    train = _split(dataset, "train", dataset.copies, humans_only=humans_only)
    val = _split(dataset, "val", humans_only=humans_only)
    model.normalise.fit(train.log_mel)
    state = train_baseline(
        model,
        training_loader(train, training.recipe.batch_size, training.config.train.seed),
        evaluation_loader(val, training.recipe.batch_size),
        training,
        device,
        objective(model, settings),
    )
    return model, state


def _split(dataset: Dataset, split: str, copies: Array | None = None, *, humans_only: bool) -> SpectrogramDataset:
    rows = dataset.rows(split)
    log_mel, labels = dataset.log_mel[rows], dataset.labels[rows]
    if not humans_only:
        return SpectrogramDataset(log_mel, labels, copies)
    human = labels == 0
    return SpectrogramDataset(log_mel[human], labels[human], None if copies is None else copies[:, human])


def _encode(model: MultiTaskAutoencoder, dataset: Dataset, device: Device) -> tuple[Array, Array]:
    """Return reconstruction error (n,) and latent (n, latent) of every clip."""
    model.eval()

    def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = model(x)
        difference = (output.reconstruction - x) / model.normalise.deviation
        return difference.square().mean(dim=(1, 2, 3)), output.latent

    inputs = torch.from_numpy(dataset.log_mel).unsqueeze(1)
    error, latent = predict(forward, [inputs], device, 32, "autoencoder: latents")
    return error.numpy(), latent.numpy()


def _encode_copies(model: MultiTaskAutoencoder, dataset: Dataset, device: Device) -> Array:
    """Return the latents of the training clips' degraded versions, (copies, n_train, latent)."""
    assert dataset.copies is not None
    train = dataset.clips[dataset.rows("train")]
    versions = (Dataset(train, np.asarray(copy, dtype=np.float32)) for copy in dataset.copies)
    return np.stack([_encode(model, version, device)[1] for version in versions])


def _mean_spectrogram_errors(model: MultiTaskAutoencoder, dataset: Dataset) -> Array:
    """Return each clip's error when the training split's mean is its reconstruction: what must be beaten."""
    mean = dataset.log_mel[dataset.rows("train")].mean(axis=0)
    deviation = model.normalise.deviation.cpu().numpy()
    return np.array([np.mean(((clip - mean) / deviation) ** 2) for clip in dataset.log_mel], dtype=np.float32)


def _train_variants(run: Run, config: Config, fingerprint: str, dataset: Dataset, device: Device) -> list[Path]:
    """Train the single-task autoencoders and write their latents side by side."""
    files: list[Path] = []
    arrays: dict[str, Array] = {}
    for name, (classification, humans_only) in VARIANTS.items():
        settings = AutoencoderConfig(latent=config.autoencoder.latent, classification_weight=classification)
        training = _training(run, config, fingerprint, f"ae_{name}")
        model, _ = _train(dataset, device, training, settings, humans_only=humans_only)
        errors, latents = _encode(model, dataset, device)
        arrays |= run.split_arrays(dataset.clips, latents, f"{name}_latent_")
        arrays |= run.split_arrays(dataset.clips, errors, f"{name}_error_")
        files += training.files
    storage.write_npz(run.ae_variants, arrays)
    return [*files, run.ae_variants]


def _figures(
    run: Run, config: Config, model: MultiTaskAutoencoder, dataset: Dataset, device: Device, state: State
) -> list[Path]:
    """Draw both losses over the epochs, and five test clips of each class beside their reconstruction."""
    history = pd.DataFrame(state.history)
    chosen = np.concatenate([_first_songs(dataset, label) for label in range(len(LABELS))])
    originals = dataset.log_mel[chosen]
    with torch.inference_mode():
        rebuilt = model(device.place(torch.from_numpy(originals).unsqueeze(1))).reconstruction.squeeze(1).cpu().numpy()
    titles = [f"{LABELS[dataset.clips[i].label]}: {Path(dataset.clips[i].path).name}" for i in chosen]
    return save_figures(
        {
            run.figure("ae_curves"): result_figures.plot_autoencoder_curves(history, state.best_epoch),
            run.figure("ae_reconstructions"): result_figures.plot_reconstructions(
                originals, rebuilt, titles, config.audio.sample_rate, config.spectrogram.hop_length
            ),
        }
    )


def _first_songs(dataset: Dataset, label: int) -> Array:
    """Return the row of the first test clip of each of the first songs of a class."""
    firsts: dict[str, int] = {}
    for clip in dataset.clips:
        if clip.split == "test" and clip.label == label:
            firsts.setdefault(clip.group, clip.row)
    return np.array(list(firsts.values())[:EXAMPLES])


if __name__ == "__main__":
    command("autoencoder")
