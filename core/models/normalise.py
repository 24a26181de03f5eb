"""The first layer of models on spectrograms: the training split's mean and deviation, kept as weights."""

import numpy as np
import torch
from torch import nn

from core.storage import Array

BLOCK = 256  # clips at a time: a second copy of the split would double the memory


class Normalise(nn.Module):
    """Subtract a mean and divide by a deviation, one of each for the whole spectrogram.

    Both are buffers, so they travel with every checkpoint and serving cannot use others. One pair per band was tried:
    on few songs it makes the quiet bands as loud as the others, and the CNN learns them by heart.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, training: Array) -> None:
        """Take the statistics from the training split, (n, n_mels, frames), and never from validation or test."""
        mean = float(training.mean(dtype=np.float64))
        blocks = (training[start : start + BLOCK] for start in range(0, len(training), BLOCK))
        square = sum(float(np.square(block - np.float32(mean), dtype=np.float64).sum()) for block in blocks)
        self.mean.fill_(mean)
        self.deviation.fill_(max(np.sqrt(square / training.size), 1e-3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """DB in, units of the training split's deviation out; the shape stays."""
        return (x - self.mean) / self.deviation

    def undo(self, x: torch.Tensor) -> torch.Tensor:
        """Inverse of `forward`: back to dB."""
        return x * self.deviation + self.mean
