"""Attention fusion of both embeddings, beside plain concatenation, and of three branches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from core import storage
from core.artifacts import BRANCHES, SPLITS, Clip, Dataset, Run, labels_of, rows_of
from core.config import Config
from core.data.datasets import BothInputs, VectorDataset
from core.device import Device, choose_device
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.build import build
from core.models.hybrid import EndToEndHybrid, HybridClassifier, HybridOutput, ThreeWayClassifier
from core.models.transformer import Encoder
from core.phases.baselines import read_fine_spectrum
from core.phases.phase import Made, command
from core.storage import Array
from core.training import checkpoints
from core.training.batches import predict
from core.training.loop import Training, evaluation_loader, train_baseline, training_loader

FUSIONS = {"hybrid": 2, "concatenation": 2, "three_way": 3}  # and how many branches each has
Fusion = HybridClassifier | ThreeWayClassifier
Branch = tuple[Array, Array | None]  # values in row order, degraded versions of the training clips
BLOCK = 256  # clips whose filterbanks are in memory at once


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Train the fusions; write probabilities, fusion weights and what each branch contributes."""
    clips, device = run.read_clips(), choose_device()
    ae, trans = (run.ae_latents, "autoencoder"), (run.transformer_embeddings, "transformer")
    branches: list[Branch] = [
        (run.read_splits(*ae), run.read_training_copies(*ae)),
        (run.read_splits(*trans), run.read_training_copies(*trans)),
        (read_fine_spectrum(run), run.read_copies("fine_spectrum")),
    ]
    arrays: dict[str, Array] = {}
    files: list[Path] = []
    models = {}
    for name, count in FUSIONS.items():
        recipe = config.hybrid.three_way if name == "three_way" else config.hybrid.recipe
        training = Training.of(run, config, fingerprint, name, recipe)
        models[name] = _train(training, clips, branches[:count], device)
        outputs = fusion_outputs(models[name], [values for values, _ in branches[:count]], device)
        arrays |= {f"{name}_{key}": values for key, values in outputs.items()}
        files += training.files
    if config.hybrid.end_to_end:
        recipe = config.hybrid.end_to_end_recipe
        training = Training.of(run, config, fingerprint, "hybrid_end_to_end", recipe, kind="hybrid_end_to_end")
        hybrid = models["hybrid"]
        assert isinstance(hybrid, HybridClassifier)
        arrays["end_to_end_probability"] = _fine_tune(run, training, hybrid, run.read_dataset(), device)
        files += training.files
    split = [run.split_arrays(clips, values, f"{key}_") for key, values in arrays.items()]
    named = {name: values for part in split for name, values in part.items()}
    storage.write_npz(run.fusion, run.clip_ids(clips) | named)
    return Made([*files, run.fusion])


def _train(training: Training, clips: Sequence[Clip], branches: Sequence[Branch], device: Device) -> Fusion:
    """Train one fusion to its end and return it with its best weights."""
    torch.manual_seed(training.config.train.seed)
    model = build(training.kind, training.config)
    assert isinstance(model, HybridClassifier | ThreeWayClassifier)
    labels, (train_rows, val_rows) = labels_of(clips), (rows_of(clips, split) for split in SPLITS[:2])
    train = VectorDataset([(values[train_rows], copies) for values, copies in branches], labels[train_rows])
    val = VectorDataset([(values[val_rows], None) for values, _ in branches], labels[val_rows])
    model.fit_statistics(*(torch.from_numpy(values[train_rows]) for values, _ in branches))
    batch_size, seed = training.recipe.batch_size, training.config.train.seed
    loaders = training_loader(train, batch_size, seed), evaluation_loader(val, batch_size)
    train_baseline(model, *loaders, training, device)
    return model


def fusion_outputs(model: Fusion, branches: Sequence[Array], device: Device) -> dict[str, Array]:
    """Return, per clip: probability, fusion weights, fused vector, and the probability with each branch removed.

    A branch is removed by putting the training split's mean in its place: it then says the same of every clip.
    """
    model.eval()
    means = [model.standardise_ae.mean, model.standardise_trans.mean]
    means += [model.bend.mean] if isinstance(model, ThreeWayClassifier) else []

    def forward(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output: HybridOutput = model(*inputs)
        without = []
        for place, mean in enumerate(means):
            removed = [mean.to(x.dtype).expand_as(x) if place == other else x for other, x in enumerate(inputs)]
            without.append(_probability(model(*removed).logits))
        return _probability(output.logits), output.weights, output.fused, *without

    inputs = [torch.from_numpy(values) for values in branches]
    predictions = predict(forward, inputs, device, 256, "fusion: predictions")
    names = ["probability", "weights", "fused", *(f"without_{branch}" for branch in list(BRANCHES)[: len(branches)])]
    return {name: value.numpy() for name, value in zip(names, predictions, strict=True)}


def _probability(logits: torch.Tensor) -> torch.Tensor:
    """Return the probability of AI (B,)."""
    return logits.float().softmax(dim=1)[:, 1]


# End to end


def _fine_tune(run: Run, training: Training, hybrid: HybridClassifier, dataset: Dataset, device: Device) -> Array:
    """Fine-tune autoencoder, transformer and fusion together; return every clip's probability (n,)."""
    autoencoder, _ = checkpoints.load(run.checkpoint("ae_multitask_best"), run.remedy("autoencoder"))
    encoder, _ = checkpoints.load(run.checkpoint("transformer_best"), run.remedy("transformer"))
    assert isinstance(autoencoder, MultiTaskAutoencoder)
    assert isinstance(encoder, Encoder)
    encoder.trainable(training.config.transformer.finetune_blocks)
    model = EndToEndHybrid(autoencoder, encoder, hybrid)
    filterbanks = storage.read_npy(run.filterbank, run.remedy("prepare"))
    train, val = (BothInputs(dataset, filterbanks, split) for split in SPLITS[:2])
    batch_size, seed = training.recipe.batch_size, training.config.train.seed
    loaders = training_loader(train, batch_size, seed), evaluation_loader(val, batch_size)
    train_baseline(model, *loaders, training, device)
    model.eval()
    parts: list[torch.Tensor] = []
    for start in range(0, len(dataset.clips), BLOCK):
        rows = slice(start, start + BLOCK)
        inputs = [
            torch.from_numpy(dataset.log_mel[rows]).unsqueeze(1),
            torch.from_numpy(filterbanks[rows].astype(np.float32)),
        ]
        parts += predict(lambda x, f: (_probability(model(x, f).logits),), inputs, device, batch_size, "end to end")
    return torch.cat(parts).numpy()


if __name__ == "__main__":
    command("hybrid")
