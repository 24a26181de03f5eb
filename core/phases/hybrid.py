"""P4: attention fusion of both embeddings, beside plain concatenation trained the same way (SPEC H)."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset

from core import checkpoints, storage
from core.artifacts import SPLITS, Dataset, Run
from core.batches import predict
from core.config import Config
from core.device import Device, choose_device
from core.models import build
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.hybrid import BRANCHES, EndToEndHybrid, HybridClassifier, HybridOutput
from core.models.transformer import Encoder
from core.phases import Made, command
from core.storage import Array
from core.training import Training, evaluation_loader, train_baseline, training_loader

FUSIONS = ("hybrid", "concatenation")
BLOCK = 256  # clips whose filterbanks are in memory at once


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Train the hybrid and its plain twin; write probabilities, fusion weights and what each branch contributes."""
    dataset, device = run.read_dataset(), choose_device()
    ae = torch.from_numpy(run.read_splits(run.ae_latents, "autoencoder"))
    trans = torch.from_numpy(run.read_splits(run.transformer_embeddings, "transformer"))
    arrays: dict[str, Array] = {}
    files: list[Path] = []
    models = {}
    for name in FUSIONS:
        training = Training.of(run, config, fingerprint, name, config.hybrid.recipe)
        models[name] = _train(training, dataset, ae, trans, device)
        outputs = _outputs(models[name], ae, trans, device)
        arrays |= {f"{name}_{key}": values for key, values in outputs.items()}
        files += training.files
    if config.hybrid.end_to_end:
        recipe = config.hybrid.end_to_end_recipe
        training = Training.of(run, config, fingerprint, "hybrid_end_to_end", recipe, kind="hybrid_end_to_end")
        arrays["end_to_end_probability"] = _fine_tune(run, training, models["hybrid"], dataset, device)
        files += training.files
    split = [run.split_arrays(dataset.clips, values, f"{key}_") for key, values in arrays.items()]
    named = {name: values for part in split for name, values in part.items()}
    storage.write_npz(run.fusion, run.clip_ids(dataset.clips) | named)
    return Made([*files, run.fusion])


def _train(
    training: Training, dataset: Dataset, ae: torch.Tensor, trans: torch.Tensor, device: Device
) -> HybridClassifier:
    """Train one fusion to its end and return it with its best weights."""
    torch.manual_seed(training.config.train.seed)
    model = build(training.kind, training.config)
    assert isinstance(model, HybridClassifier)
    labels = torch.from_numpy(dataset.labels)
    train, val = (TensorDataset(*(part[dataset.rows(split)] for part in (ae, trans, labels))) for split in SPLITS[:2])
    model.fit_statistics(ae[dataset.rows("train")], trans[dataset.rows("train")])
    batch_size, seed = training.recipe.batch_size, training.config.train.seed
    loaders = training_loader(train, batch_size, seed), evaluation_loader(val, batch_size)
    train_baseline(model, *loaders, training, device)
    return model


def _outputs(model: HybridClassifier, ae: torch.Tensor, trans: torch.Tensor, device: Device) -> dict[str, Array]:
    """Return, per clip: probability, fusion weights, fused vector, and the probability with each branch removed.

    A branch is removed by putting the training split's mean in its place: it then says the same of every clip.
    """
    model.eval()

    def forward(a: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output: HybridOutput = model(a, t)
        mean_ae = model.standardise_ae.mean.to(a.dtype).expand_as(a)
        mean_trans = model.standardise_trans.mean.to(t.dtype).expand_as(t)
        without = [_probability(model(mean_ae, t).logits), _probability(model(a, mean_trans).logits)]
        return _probability(output.logits), output.weights, output.fused, *without

    values = predict(forward, [ae, trans], device, 256, "hybrid: predictions")
    names = ["probability", "weights", "fused", *(f"without_{branch}" for branch in BRANCHES)]
    return {name: value.numpy() for name, value in zip(names, values, strict=True)}


def _probability(logits: torch.Tensor) -> torch.Tensor:
    """Return the probability of AI (B,)."""
    return logits.float().softmax(dim=1)[:, 1]


# End to end (SPEC H4)


class BothInputs(TorchDataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """What both encoders read of a clip, and its label."""

    def __init__(self, dataset: Dataset, filterbanks: Array, split: str) -> None:
        self.dataset, self.filterbanks = dataset, filterbanks
        rows = dataset.rows(split)
        self.rows, self.labels = range(rows.start, rows.stop), dataset.labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        row = self.rows[index]
        log_mel = torch.from_numpy(self.dataset.log_mel[row]).unsqueeze(0)
        return log_mel, torch.from_numpy(self.filterbanks[row].astype(np.float32)), int(self.labels[row])


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
