"""Classifiers on finished embeddings."""

from collections.abc import Sequence

import torch
from torch import nn


def layers(sizes: Sequence[int], dropouts: Sequence[float]) -> nn.Sequential:
    """Return linear layers, each but the last followed by batch norm, ReLU and dropout."""
    modules: list[nn.Module] = []
    for inputs, outputs, dropout in zip(sizes[:-2], sizes[1:-1], dropouts, strict=True):
        modules += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*modules, nn.Linear(sizes[-2], sizes[-1]))


class EmbeddingClassifier(nn.Module):
    """Standardise an embedding with the training split's statistics, then classify it.

    Embeddings of different encoders differ in scale by orders of magnitude; without the first step, batch norm must
    learn that from a few hundred clips.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.standardise = Standardise(sizes[0])
        self.layers = layers(sizes, [0.4] * (len(sizes) - 2))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 2) for embeddings (B, D)."""
        return self.layers(self.standardise(embedding))  # type: ignore[no-any-return]


class Standardise(nn.Module):
    """Give every dimension of an embedding the training split's mean 0 and the whole of it mean square 1."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, training: torch.Tensor) -> None:
        """Take the statistics from the training split's embeddings (n, D)."""
        self.mean.copy_(training.mean(dim=0))
        self.scale.copy_((training - self.mean).pow(2).mean().sqrt().clamp(min=1e-6))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(B, D) in, (B, D) out."""
        return (embedding - self.mean) / self.scale


def ae_classifier(latent: int) -> EmbeddingClassifier:
    """Classifier on the autoencoder's latent: 256→128→64→2."""
    return EmbeddingClassifier([latent, 128, 64, 2])


def transformer_classifier(embedding: int) -> EmbeddingClassifier:
    """Classifier on the transformer's embedding: 512→256→128→2."""
    return EmbeddingClassifier([embedding, 256, 128, 2])
