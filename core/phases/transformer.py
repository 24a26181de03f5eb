"""The Audio Spectrogram Transformer's embeddings, frozen and fine-tuned.

Frozen: the backbone's [CLS] vectors are computed once and kept; a projection to 512 is trained on them with a linear
head,
for an untrained random projection is not an embedding. Fine-tuned: the blocks learn too. Which mode's embeddings the
later phases get is decided by validation AUC, never by test.
"""

import logging
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import TensorDataset

from core import storage
from core.artifacts import SPLITS, Clip, Run, labels_of
from core.config import Config
from core.data.datasets import Filterbanks
from core.device import Device, choose_device
from core.models.transformer import DESCRIPTIONS, Encoder, EncoderOutput, build
from core.phases.phase import Made, command
from core.storage import Array
from core.training import checkpoints
from core.training.batches import predict
from core.training.loop import Training, evaluation_loader, train_baseline, training_loader
from core.training.spec_augment import augment_filterbank

log = logging.getLogger(__name__)

MODES = ("frozen", "finetuned")
# As figures and tables call the encoder: never "AST" for something that is not.
NAMES = {"ast-pretrained": "AST", "ast-small-scratch": "Small AST from scratch", "cnn-fallback": "CNN encoder (no AST)"}
BLOCK = 256  # clips per file of intermediate [CLS] vectors: what a kill can cost
BATCH = 8  # clips at a time through a backbone: larger batches are no faster


class Result(NamedTuple):
    """What one mode gave, in row order."""

    embedding: Array  # (n, 512)
    probability: Array  # (n,)
    val_auc: float
    copies: Array | None  # embeddings of the training clips' degraded versions, (copies, n_train, 512)


class Work(NamedTuple):
    """What the steps of this phase share."""

    run: Run
    config: Config
    fingerprint: str
    clips: tuple[Clip, ...]
    filterbanks: Array  # (n, frames, 128) float16, on disk
    labels: Array
    device: Device

    def rows(self, split: str) -> Array:
        """Return the rows of a split."""
        return np.array([clip.row for clip in self.clips if clip.split == split])


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Make the embeddings in every mode that is asked for, and say which encoder made them."""
    clips, filterbanks = run.read_clips(), storage.read_npy(run.filterbank, run.remedy("prepare"))
    work = Work(run, config, fingerprint, clips, filterbanks, labels_of(clips), choose_device())
    encoder, note = _new_encoder(work)
    if note:
        log.warning("transformer: %s", note)
    modes = modes_of(config, encoder.kind, work.device)
    results: dict[str, Result] = {}
    files = []
    for mode in modes:
        training = _training(work, mode)
        results[mode] = (_frozen if mode == "frozen" else _finetuned)(work, encoder, training)
        files += training.files
        if max(results.values(), key=lambda result: result.val_auc) is results[mode]:
            checkpoints.save(run.checkpoint("transformer_best"), "transformer", encoder, config)
        encoder, _ = _new_encoder(work) if mode != modes[-1] else (encoder, "")
    chosen = max(results, key=lambda mode: results[mode].val_auc)
    arrays = run.clip_ids(clips) | run.split_arrays(clips, results[chosen].embedding)
    if (copies := results[chosen].copies) is not None:
        arrays["copies"] = copies
    for mode, result in results.items():
        arrays |= run.split_arrays(clips, result.embedding, f"{mode}_")
    storage.write_npz(run.transformer_embeddings, arrays)
    storage.write_json(run.transformer_note, _note(config, encoder, note, results, chosen))
    _clean(work)
    files += [run.checkpoint("transformer_best"), run.transformer_embeddings, run.transformer_note]
    sentence = f"embeddings by: {DESCRIPTIONS[encoder.kind]}, {chosen}"
    return Made(files, (sentence, *([note] if note else [])))


def modes_of(config: Config, kind: str, device: Device) -> tuple[str, ...]:
    """Return the modes to run: both where fine-tuning takes minutes (a GPU, or the small encoders), else frozen."""
    mode = config.transformer.mode
    if mode == "auto":
        return MODES if kind != "ast-pretrained" or device.kind == "cuda" else MODES[:1]
    return MODES if mode == "both" else (mode,)


def _new_encoder(work: Work) -> tuple[Encoder, str]:
    """Return the encoder as it is before any training here; the same weights every time."""
    torch.manual_seed(work.config.train.seed)
    return build(work.config.transformer, work.filterbanks.shape[1])


def _training(work: Work, mode: str) -> Training:
    settings = work.config.transformer
    frozen = mode == "frozen"
    recipe, kind = (settings.projection_recipe, "projection") if frozen else (settings.recipe, "transformer")
    augment = augment_filterbank if work.config.train.augment and not frozen else None
    name = f"transformer_{mode}"
    return Training.of(work.run, work.config, work.fingerprint, name, recipe, kind=kind, augment=augment)


# Frozen


class Projection(nn.Module):
    """The part of an encoder that learns when the backbone is frozen, on [CLS] vectors computed before."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.projection, self.head = encoder.projection, encoder.head
        self._project = encoder.project

    def forward(self, cls: torch.Tensor) -> EncoderOutput:
        """(B, hidden) in."""
        return self._project(cls)


def _frozen(work: Work, encoder: Encoder, training: Training) -> Result:
    """Compute [CLS] once for every clip, then train projection and head on the training split's."""
    encoder.trainable(0)
    cls = torch.from_numpy(_cls_vectors(work, encoder))
    storage.write_npz(work.run.transformer_cls, work.run.split_arrays(work.clips, cls.numpy()))
    labels = torch.from_numpy(work.labels)
    train, val = (TensorDataset(cls[work.rows(split)], labels[work.rows(split)]) for split in SPLITS[:2])
    recipe, seed = training.recipe, work.config.train.seed
    loaders = training_loader(train, recipe.batch_size, seed), evaluation_loader(val, recipe.batch_size)
    model = Projection(encoder)
    train_baseline(model, *loaders, training, work.device)
    copies = _cls_copies(work, encoder) if work.run.copies("filterbank").exists() else None
    return _result(work, model.eval(), cls.numpy(), copies)


def _cls_vectors(work: Work, encoder: Encoder) -> Array:
    """Return [CLS] of every clip (n, hidden), block by block, so that a killed run goes on after the last block."""
    if work.run.given_cls.exists():
        return np.array(storage.read_npy(work.run.given_cls, work.run.remedy("transformer")))
    work.device.place_model(encoder.eval())
    parts = []
    for start in range(0, len(work.clips), BLOCK):
        file = work.run.work / f"cls-{work.fingerprint}-{start:06d}.npz"
        if not file.exists():
            inputs = torch.from_numpy(work.filterbanks[start : start + BLOCK].astype(np.float32))
            (cls,) = predict(lambda x: (encoder.cls(x),), [inputs], work.device, BATCH, f"[CLS] of clips from {start}")
            storage.write_npz(file, {"cls": cls.numpy()})
        parts.append(storage.read_npz(file, ["cls"], f"Delete {file} and run the phase again")["cls"])
    return np.concatenate(parts)


# Fine-tuned


def _finetuned(work: Work, encoder: Encoder, training: Training) -> Result:
    """Train blocks, projection and head together, the pretrained blocks at a lower rate."""
    settings, recipe = work.config.transformer, training.recipe
    encoder.trainable(settings.finetune_blocks)
    copies = work.run.read_copies("filterbank")
    train = Filterbanks(work.filterbanks, work.labels, work.rows("train"), copies)
    val = Filterbanks(work.filterbanks, work.labels, work.rows("val"))
    train_baseline(
        encoder,
        training_loader(train, recipe.batch_size, work.config.train.seed),
        evaluation_loader(val, recipe.batch_size),
        training,
        work.device,
        parameters=encoder.parameter_groups(recipe.learning_rate, settings.backbone_rate),
    )
    return _result(work, encoder.eval(), work.filterbanks, copies)


def _cls_copies(work: Work, encoder: Encoder) -> Array:
    """Return [CLS] of the training clips' degraded versions (copies, n_train, hidden)."""
    copies = work.run.read_copies("filterbank")
    assert copies is not None
    vectors = []
    for copy in copies:
        inputs = torch.from_numpy(np.asarray(copy, dtype=np.float32))
        (cls,) = predict(lambda x: (encoder.cls(x),), [inputs], work.device, BATCH, "[CLS] of degraded clips")
        vectors.append(cls.numpy())
    return np.stack(vectors)


def _result(work: Work, model: nn.Module, inputs: Array, copies: Array | None) -> Result:
    """Return embeddings and probabilities of every clip, from [CLS] vectors or filterbanks in row order."""

    def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output: EncoderOutput = model(x)
        return output.embedding, output.logits.float().softmax(dim=1)[:, 1]

    def embed(values: Array) -> tuple[Array, Array]:
        parts = []
        for start in range(0, len(values), BLOCK):  # the filterbanks of all clips may not fit in memory
            block = torch.from_numpy(values[start : start + BLOCK].astype(np.float32))
            parts.append(predict(forward, [block], work.device, 32, f"embeddings of clips from {start}"))
        embedding, probability = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
        return embedding, probability

    embedding, probability = embed(inputs)
    degraded = np.stack([embed(copy)[0] for copy in copies]) if copies is not None else None
    val = work.rows("val")
    return Result(embedding, probability, float(roc_auc_score(work.labels[val], probability[val])), degraded)


def _note(config: Config, encoder: Encoder, note: str, results: dict[str, Result], chosen: str) -> dict[str, Any]:
    """Return which encoder made the embeddings, as results, figures and pages repeat it."""
    return {
        "kind": encoder.kind,
        "name": NAMES[encoder.kind],
        "description": DESCRIPTIONS[encoder.kind],
        "weights": config.transformer.weights if encoder.kind == "ast-pretrained" else "",
        "asked_for": config.transformer.weights,
        "reason": note,
        "mode": chosen,
        "modes": list(results),
        "val_auc": {mode: result.val_auc for mode, result in results.items()},
        "parameters": sum(weight.numel() for weight in encoder.parameters()),
    }


def _clean(work: Work) -> None:
    for file in work.run.work.glob("cls-*.npz"):
        file.unlink()


if __name__ == "__main__":
    command("transformer")
