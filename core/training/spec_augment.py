"""Changes to training pictures that leave their label true (SpecAugment: Park et al., Interspeech 2019)."""

from collections.abc import Callable

import torch

Tensor = torch.Tensor
Augment = Callable[[Tensor], Tensor]

TIME_SHARE = 0.2  # of the clip: the longest mask
BAND_SHARE = 0.2  # of the bands: the widest mask


def roll(x: Tensor, time: int) -> Tensor:
    """Begin each clip of a batch at another moment, its own end following on; `time` is the axis of time."""
    frames = x.shape[time]
    start = torch.randint(frames, (len(x), 1))
    index = (start + torch.arange(frames)) % frames  # (B, frames)
    return x.gather(time, _along(index, x, time).expand_as(x))


def mask(x: Tensor, axis: int, share: float) -> Tensor:
    """Hide one stretch of an axis in each clip of a batch, up to a share of it, behind the batch's mean."""
    size = x.shape[axis]
    length = torch.rand(len(x), 1) * share * size
    start = torch.rand(len(x), 1) * (size - length)
    position = torch.arange(size)
    hidden = (position >= start) & (position < start + length)  # (B, size)
    return torch.where(_along(hidden, x, axis), x.mean(), x)


def _along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """Return values (B, size) with the axes of x, so that they stand along one of them."""
    return values.reshape([size if place in (0, axis % x.ndim) else 1 for place, size in enumerate(x.shape)])


def roll_log_mel(x: Tensor) -> Tensor:
    """Roll log-mels (B, 1, n_mels, frames) and hide nothing: the autoencoder must rebuild what it sees."""
    return roll(x, -1)


def augment_filterbank(x: Tensor) -> Tensor:
    """Roll and mask filterbanks (B, frames, 128)."""
    return mask(mask(roll(x, 1), 1, TIME_SHARE), 2, BAND_SHARE)
