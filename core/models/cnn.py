"""CNN on log-mel spectrograms."""

import torch
from torch import nn

from core.models.normalise import Normalise

CHANNELS = (1, 32, 64, 128, 256)
DROPOUTS = (0.25, 0.25, 0.3, 0.3)


def conv_block(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Convolution 3x3, batch norm, ReLU, 2x2 max-pool, dropout: halves both axes.

    The pool stands before the ReLU: the two commute exactly, and the ReLU then works on a quarter of the values.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
    )


def conv_blocks() -> nn.Sequential:
    """Return the four blocks 1→32→64→128→256 that the CNN and the autoencoder share."""
    return nn.Sequential(*(conv_block(CHANNELS[i], CHANNELS[i + 1], dropout) for i, dropout in enumerate(DROPOUTS)))


class CNN(nn.Module):
    """Four convolution blocks, global average pooling, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.features = conv_blocks()
        self.head = nn.Sequential(nn.Linear(CHANNELS[-1], 128), nn.ReLU(), nn.Linear(128, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (human, AI) for log-mels in dB."""
        x = self.normalise(x)  # (B, 1, M, T)
        x = self.features(x)  # (B, 256, M/16, T/16)
        x = x.mean(dim=(2, 3))  # (B, 256)
        return self.head(x)  # type: ignore[no-any-return]  # (B, 2)
