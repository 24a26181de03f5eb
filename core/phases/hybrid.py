"""P4: attention fusion of both embeddings, beside plain concatenation trained the same way (SPEC H)."""

from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from core import storage
from core.artifacts import SPLITS, Dataset, Run
from core.config import Config
from core.device import Device, choose_device
from core.models import build
from core.models.hybrid import BRANCHES, HybridClassifier, HybridOutput
from core.phases import Made, command
from core.storage import Array
from core.training import Training, evaluation_loader, predict, train_baseline, training_loader


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Train the hybrid and its plain twin; write probabilities, fusion weights and what each branch contributes."""
    dataset, device = run.read_dataset(), choose_device()
    ae = torch.from_numpy(run.read_splits(run.ae_latents, "autoencoder"))
    trans = torch.from_numpy(run.read_splits(run.transformer_embeddings, "transformer"))
    arrays: dict[str, Array] = {}
    files: list[Path] = []
    for name in ("hybrid", "concatenation"):
        training = Training.of(run, config, fingerprint, name, config.hybrid.recipe)
        model = _train(training, dataset, ae, trans, device)
        arrays |= {f"{name}_{key}": values for key, values in _outputs(model, ae, trans, device).items()}
        files += training.files
    split = [run.split_arrays(dataset.clips, values, f"{key}_") for key, values in arrays.items()]
    storage.write_npz(run.fusion, {name: values for part in split for name, values in part.items()})
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
    train_baseline(
        model, training_loader(train, batch_size, seed), evaluation_loader(val, batch_size), training, device
    )
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


if __name__ == "__main__":
    command("hybrid")
