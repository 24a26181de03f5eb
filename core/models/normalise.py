"""The first layer of models on spectrograms: the training split's mean and deviation, kept as weights (SPEC D8)."""

import numpy as np
import torch
from torch import nn

from core.storage import Array


class Normalise(nn.Module):
    """Subtract a mean and divide by a deviation, one of each per frequency band.

    Both are buffers, so they travel with every checkpoint and serving cannot use others.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands, 1))
        self.register_buffer("deviation", torch.ones(bands, 1))

    def fit(self, training: Array) -> None:
        """Take the statistics from the training split, (n, bands, frames). Never give it validation or test clips."""
        mean = training.mean(axis=(0, 2), dtype=np.float64)
        square = np.zeros_like(mean)
        for start in range(0, len(training), 256):  # in blocks: a second copy of the split would double the memory
            square += ((training[start : start + 256] - mean[:, None].astype(np.float32)) ** 2).sum(axis=(0, 2))
        deviation = np.sqrt(square / (len(training) * training.shape[2]))
        self.mean.copy_(torch.from_numpy(mean).unsqueeze(1))
        self.deviation.copy_(torch.from_numpy(np.maximum(deviation, 1e-3)).unsqueeze(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """DB in, units of the training split's deviation out; (B, 1, bands, frames) stays as it is."""
        return (x - self.mean) / self.deviation

    def undo(self, x: torch.Tensor) -> torch.Tensor:
        """Inverse of `forward`: back to dB."""
        return x * self.deviation + self.mean
