"""One pass of a batch through a model: its loss, a step, a prediction, in whatever memory there is."""

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from core.device import Device, free_memory, is_out_of_memory
from core.errors import ResourceError
from core.progress import progress

log = logging.getLogger(__name__)
Tensor = torch.Tensor
Batch = Sequence[Tensor]  # inputs, then labels

CALIBRATION_BATCHES = 16  # after some 500 clips the statistics no longer move


class Losses(NamedTuple):
    """Mean loss of a batch: the one that is minimised, and its parts by name for the history."""

    total: Tensor
    parts: dict[str, Tensor]


Objective = Callable[[Any, Batch], Losses]  # a model's output and its batch


def cross_entropy(output: Any, batch: Batch) -> Losses:  # noqa: ANN401 - models return logits or a tuple of more
    """Cross-entropy of a model's logits, wherever in its output they are."""
    return Losses(F.cross_entropy(logits_of(output).float(), batch[-1]), {})


def logits_of(output: Any) -> Tensor:  # noqa: ANN401 - as above
    """Return the logits of a model's output."""
    return output.logits if hasattr(output, "logits") else output  # type: ignore[no-any-return]


class Totals:
    """Sums over a split, divided once at its end: never a mean of batch means."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.clips = 0

    def add(self, sums: dict[str, float], clips: int) -> None:
        """Add a batch's sums over its clips."""
        self.clips += clips
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self, prefix: str) -> dict[str, float]:
        """Return the means per clip."""
        return {f"{prefix}_{name}": value / self.clips for name, value in self.sums.items()}


def _sums(output: Any, losses: Losses, batch: Batch) -> dict[str, float]:  # noqa: ANN401 - any model's output
    """Return a batch's loss, right answers and parts, each summed over its clips."""
    clips = len(batch[-1])
    right = (logits_of(output).argmax(dim=1) == batch[-1]).sum()
    values = torch.stack(
        [losses.total.detach() * clips, right, *(part.detach() * clips for part in losses.parts.values())]
    )
    return dict(zip(["loss", "accuracy", *losses.parts], values.tolist(), strict=True))


@torch.inference_mode()
def evaluate(model: nn.Module, loader: DataLoader[Any], device: Device, objective: Objective) -> Totals:
    """Return the sums of loss and right answers over a whole split."""
    model.eval()
    totals = Totals()
    for batch in loader:
        placed = [device.place(part) for part in batch]
        with device.precision():
            output = model(*placed[:-1])
            losses = objective(output, placed)
        totals.add(_sums(output, losses, placed), len(placed[-1]))
    return totals


class MicroBatch:
    """Takes optimiser steps; halves the part of a batch that is in memory at once when it does not fit.

    Gradients of the parts are added up, weighted by their clips, so the effective batch size stays. Batch norm sees the
    parts, as it must.
    """

    SMALLEST = 2  # clips: batch norm needs two

    def __init__(self, device: Device) -> None:
        self.device = device
        self.parts = 1

    def step(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, objective: Objective
    ) -> tuple[dict[str, float], int]:
        """Take one step on a batch; return the sums over its clips and their number."""
        while True:
            try:
                return self._step(model, optimizer, batch, objective)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(batch[-1]))

    def _step(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, objective: Objective
    ) -> tuple[dict[str, float], int]:
        optimizer.zero_grad(set_to_none=True)
        totals, clips = Totals(), len(batch[-1])
        parts = max(1, min(self.parts, clips // self.SMALLEST))
        for part in zip(*(tensor.tensor_split(parts) for tensor in batch), strict=True):
            placed = [self.device.place(tensor) for tensor in part]
            with self.device.precision():
                output = model(*placed[:-1])
                losses = objective(output, placed)
            (losses.total * (len(placed[-1]) / clips)).backward()
            totals.add(_sums(output, losses, placed), len(placed[-1]))
        optimizer.step()
        return totals.sums, clips

    def _halve(self, clips: int) -> None:
        free_memory(self.device)
        if clips // (self.parts * 2) < self.SMALLEST:
            raise ResourceError(
                "memory", "even two clips at a time do not fit", "Close other programs, or use a smaller model"
            )
        self.parts *= 2
        log.warning("out of memory: going on with %d clips at a time, same effective batch size", clips // self.parts)


@torch.inference_mode()
def predict(
    forward: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor], device: Device, batch_size: int, label: str
) -> tuple[Tensor, ...]:
    """Run a function over all rows in order and return its outputs, float32 on the CPU.

    Out of memory halves the batch, as in training.
    """
    outputs, start, rows = [], 0, len(inputs[0])
    bar = iter(progress(range(rows), label))
    while start < rows:
        try:
            with device.precision():
                output = forward(*(device.place(tensor[start : start + batch_size]) for tensor in inputs))
        except Exception as error:
            if not is_out_of_memory(error) or batch_size == 1:
                raise
            free_memory(device)
            batch_size //= 2
            continue
        outputs.append([part.float().cpu() for part in output])
        start += batch_size
        next(islice(bar, batch_size - 1, None), None)
    return tuple(torch.cat(parts) for parts in zip(*outputs, strict=True))


@torch.no_grad()
def recalibrate(model: nn.Module, train_loader: DataLoader[Any], device: Device) -> None:
    """Take batch norm's statistics anew from training clips, with dropout off, as evaluation will find them."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    for batch in islice(train_loader, CALIBRATION_BATCHES) if norms else ():
        with device.precision():
            model(*(device.place(part) for part in batch[:-1]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
