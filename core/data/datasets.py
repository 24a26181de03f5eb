"""Clips as PyTorch takes them, one or one of its degraded versions at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from core.artifacts import Dataset
from core.storage import Array


class SpectrogramDataset(TorchDataset[tuple[torch.Tensor, int]]):
    """Log-mels as PyTorch takes them: (spectrogram (1, 128, 157) float32 in dB, label).

    Given degraded versions of the clips, every visit draws one of them or the clip itself.
    """

    def __init__(self, log_mel: Array, labels: Array, copies: Array | None = None) -> None:
        self.log_mel = log_mel  # (n, n_mels, frames)
        self.labels = labels  # (n,)
        self.copies = copies  # (copies, n, n_mels, frames)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return random_version(self.log_mel, self.copies, index).unsqueeze(0), int(self.labels[index])


class VectorDataset(TorchDataset[tuple[torch.Tensor, ...]]):
    """One or more vectors per clip, then its label; with degraded versions as in `SpectrogramDataset`."""

    def __init__(self, parts: Sequence[tuple[Array, Array | None]], labels: Array) -> None:
        self.parts = parts  # of each: values (n, size), copies (copies, n, size) or None
        self.labels = labels  # (n,)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        copies = self.parts[0][1]
        version = _version(copies)
        vectors = (torch.from_numpy(_chosen(values, copies, version, index)) for values, copies in self.parts)
        return *vectors, torch.tensor(int(self.labels[index]))


def random_version(values: Array, copies: Array | None, index: int) -> torch.Tensor:
    """Return a clip, or at random one of its degraded versions, as float32."""
    return torch.from_numpy(_chosen(values, copies, _version(copies), index))


class Filterbanks(TorchDataset[tuple[torch.Tensor, int]]):
    """AST's filterbanks from disk, one clip at a time: (filterbank (frames, 128) float32, label).

    Given degraded versions (copies, rows, frames, 128), every visit draws one of them or the clip itself.
    """

    def __init__(self, filterbanks: Array, labels: Array, rows: Array, copies: Array | None = None) -> None:
        self.filterbanks = filterbanks[rows[0] : rows[-1] + 1]
        self.labels, self.rows, self.copies = labels, rows, copies

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return random_version(self.filterbanks, self.copies, index), int(self.labels[self.rows[index]])


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


def _version(copies: Array | None) -> int:
    """Draw a version: 0 is the clip itself. Without copies nothing is drawn."""
    return 0 if copies is None else int(torch.randint(len(copies) + 1, ()))


def _chosen(values: Array, copies: Array | None, version: int, index: int) -> Array:
    chosen = values[index] if copies is None or version == 0 else copies[version - 1, index]
    return np.array(chosen, dtype=np.float32)
