"""Multi-task autoencoder: one latent that must rebuild the spectrogram and tell human from AI.

Why two tasks: a latent trained only to rebuild keeps what fills the spectrogram (level, pitch, texture) and drops what
is faint, which is where a generator's trace lies. A latent trained only to classify keeps whatever separates the
training clips, shortcuts included. Together, the reconstruction ties the latent to the sound, and the class head keeps
the faint differences in it. Whether that holds on a data set is measured, not assumed:
`--set autoencoder.variants=true` trains the single-task autoencoders too and compares their latents.
"""

from typing import NamedTuple

import torch
from torch import nn

from core.models.cnn import CHANNELS, conv_blocks
from core.models.normalise import Normalise


class AutoencoderOutput(NamedTuple):
    """What `MultiTaskAutoencoder` returns."""

    reconstruction: torch.Tensor  # (B, 1, n_mels, frames) in dB, the input's shape and range
    logits: torch.Tensor  # (B, 2): human, AI
    latent: torch.Tensor  # (B, latent)


class MultiTaskAutoencoder(nn.Module):
    """Convolutional autoencoder with a class head on its latent."""

    def __init__(self, n_mels: int = 128, frames: int = 157, latent: int = 256) -> None:
        super().__init__()
        sizes = [
            (n_mels >> i, frames >> i) for i in range(len(CHANNELS))
        ]  # (128, 157) (64, 78) (32, 39) (16, 19) (8, 9)
        self.inner = (CHANNELS[-1], *sizes[-1])
        flat = self.inner[0] * self.inner[1] * self.inner[2]
        self.normalise = Normalise()
        self.encoder = conv_blocks()
        self.to_latent = nn.Linear(flat, latent)
        self.from_latent = nn.Linear(latent, flat)
        self.decoder = nn.Sequential(*(self._decoder_block(sizes, step) for step in range(len(CHANNELS) - 1, 0, -1)))
        self.head = nn.Sequential(
            nn.Linear(latent, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 2)
        )

    @staticmethod
    def _decoder_block(sizes: list[tuple[int, int]], step: int) -> nn.Module:
        """Return one transposed convolution that exactly undoes the `step`-th pooling, odd sizes included."""
        (rows, columns), (more_rows, more_columns) = sizes[step], sizes[step - 1]
        upsample = nn.ConvTranspose2d(
            CHANNELS[step],
            CHANNELS[step - 1],
            kernel_size=4,
            stride=2,
            padding=1,
            output_padding=(more_rows - 2 * rows, more_columns - 2 * columns),
        )
        if step == 1:
            return upsample  # the last layer is linear: its range is that of its target, normalised dB
        return nn.Sequential(upsample, nn.BatchNorm2d(CHANNELS[step - 1]), nn.ReLU(inplace=True))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latent (B, latent) of log-mels (B, 1, n_mels, frames) in dB."""
        x = self.normalise(x)  # (B, 1, 128, 157)
        x = self.encoder(x)  # (B, 256, 8, 9)
        return self.to_latent(x.flatten(1))  # type: ignore[no-any-return]  # (B, latent)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return log-mels in dB (B, 1, n_mels, frames) from latents (B, latent)."""
        x = self.from_latent(latent).unflatten(1, self.inner)  # (B, 256, 8, 9)
        x = self.decoder(x)  # (B, 1, 128, 157)
        return self.normalise.undo(x.float())

    def forward(self, x: torch.Tensor) -> AutoencoderOutput:
        """Return reconstruction, logits and latent of log-mels in dB."""
        latent = self.encode(x)
        return AutoencoderOutput(self.decode(latent), self.head(latent), latent)
