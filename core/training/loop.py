"""One loop for every training: a generator of epochs, early stopping, and a state from which a killed run goes on.

Bit-identical after a kill: the order of clips and all dropout are functions of (seed, epoch) alone, so the
state between two epochs is the weights, the optimiser's moments and the history, and nothing else.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from core import storage
from core.artifacts import Run
from core.config import Config, Recipe
from core.device import Device
from core.progress import progress
from core.training import checkpoints
from core.training.batches import MicroBatch, Objective, Totals, cross_entropy, evaluate, recalibrate
from core.training.spec_augment import Augment

log = logging.getLogger(__name__)
HISTORY_COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


class Epoch(NamedTuple):
    """One epoch's numbers, each over the whole split."""

    number: int
    metrics: dict[str, float]  # the columns of the history but `epoch`
    is_best: bool


class EpochSampler(Sampler[int]):
    """Visit every clip once an epoch, in an order that depends on seed and epoch alone."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())


def training_loader(dataset: Dataset[Any], batch_size: int, seed: int) -> DataLoader[Any]:
    """Return a loader in a new order every epoch. A last batch of one clip is left out: batch norm cannot take it."""
    size = len(dataset)  # type: ignore[arg-type]
    return DataLoader(dataset, batch_size, sampler=EpochSampler(size, seed), drop_last=size % batch_size == 1)


def evaluation_loader(dataset: Dataset[Any], batch_size: int) -> DataLoader[Any]:
    """Return a loader in row order."""
    return DataLoader(dataset, batch_size, shuffle=False)


@dataclass
class State:
    """Everything between two epochs that the next one depends on, beside the model's weights."""

    epoch: int = 0
    steps: int = 0
    best: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    optimizer: dict[str, Any] | None = None


@dataclass(frozen=True)
class Training:
    """What one training is: its names, schedule and place on disk."""

    name: str  # of its files: `<name>_best.pth`, `<name>_last.pth`, `<name>.csv`
    kind: str  # of its model, as `core.models.build.build` takes it
    recipe: Recipe
    config: Config  # stored in the checkpoints
    best: Path
    last: Path
    history: Path
    fingerprint: str  # of data and settings; a `last` checkpoint of another is not resumed
    monitor: str = "val_accuracy"  # or "val_loss"
    augment: Augment | None = None  # of the first input, in training only

    @staticmethod
    def of(run: Run, config: Config, fingerprint: str, name: str, recipe: Recipe, **others: Any) -> "Training":  # noqa: ANN401
        """Return a training whose files lie where the run keeps them; its kind is its name unless given."""
        best, last = run.checkpoint(f"{name}_best"), run.checkpoint(f"{name}_last")
        named = {"name": name, "kind": name, "fingerprint": fingerprint} | others
        return Training(recipe=recipe, config=config, best=best, last=last, history=run.history(name), **named)

    @property
    def files(self) -> list[Path]:
        """What the training leaves behind."""
        return [self.best, self.last, self.history]


def train_baseline(
    model: nn.Module,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    training: Training,
    device: Device,
    objective: Objective = cross_entropy,
    parameters: Sequence[dict[str, Any]] | None = None,
) -> State:
    """Train a model to its end, from wherever an earlier call was stopped; leave it with its best weights.

    Parameters
    ----------
    model : its output is logits (B, 2) or a tuple with a field `logits`; it is moved to the device.
    train_loader, val_loader : batches of inputs followed by labels.
    parameters : groups for the optimiser, where not all learn at the recipe's rate.

    Returns
    -------
    The state after the last epoch: its history, and which epoch's weights the model now has.
    """
    device.place_model(model)
    optimizer = torch.optim.Adam(parameters or model.parameters(), lr=training.recipe.learning_rate)
    state = _resume(model, optimizer, training)
    for epoch in fit(model, optimizer, train_loader, val_loader, training, device, objective, state):
        if epoch.is_best:
            checkpoints.save(training.best, training.kind, model, training.config)
        # Best before last: killed between the two, the epoch is done again and writes the same best once more.
        saved = asdict(state) | {"optimizer": optimizer.state_dict(), "fingerprint": training.fingerprint}
        checkpoints.save(training.last, training.kind, model, training.config, saved)
        log.info("%s epoch %d: %s%s", training.name, epoch.number, _line(epoch.metrics), " *" if epoch.is_best else "")
    write_history(training.history, state)
    model.load_state_dict(checkpoints.read(training.best, "Delete it and run the phase again")["weights"])
    return state


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, training: Training) -> State:
    """Return the state an earlier call with the same data and settings left, loaded into the model, or a new one."""
    if not training.last.exists():
        return State()
    content = checkpoints.read(training.last, f"Delete {training.last} and run the phase again")
    saved = dict(content["training"] or {})
    if saved.pop("fingerprint", None) != training.fingerprint or not training.best.exists():
        return State()
    model.load_state_dict(content["weights"])
    optimizer.load_state_dict(saved.pop("optimizer"))
    state = State(**{**saved, "best": tuple(saved["best"])})
    log.info("%s: going on after epoch %d", training.name, state.epoch)
    return state


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    training: Training,
    device: Device,
    objective: Objective,
    state: State,
) -> Iterator[Epoch]:
    """Yield one epoch after the other until the schedule ends; the caller saves and logs.

    Early stopping watches `training.monitor`; equal accuracies are decided by the validation loss. Patience counts only
    after `min_steps` optimiser steps, and the number of epochs is raised until those fit.
    """
    recipe, seed = training.recipe, training.config.train.seed
    micro = MicroBatch(device)
    last = planned_epochs(recipe, len(train_loader))
    rate = Rate(optimizer, recipe, last * len(train_loader))
    while state.epoch < last and not _out_of_patience(state, recipe):
        state.epoch += 1
        torch.manual_seed(seed * 100_003 + state.epoch)  # dropout
        if isinstance(train_loader.sampler, EpochSampler):
            train_loader.sampler.epoch = state.epoch
        model.train()
        batches = progress(train_loader, f"{training.name} epoch {state.epoch}/{last}", total=len(train_loader))
        trained = Totals()
        for batch in batches:
            rate.set(state.steps)
            if training.augment:
                batch = [training.augment(batch[0]), *batch[1:]]
            trained.add(*micro.step(model, optimizer, batch, objective))
            state.steps += 1
        if recipe.recalibrate:
            recalibrate(model, train_loader, device)
        metrics = trained.means("train") | evaluate(model, val_loader, device, objective).means("val")
        score = _score(metrics, training.monitor)
        is_best = score > state.best
        if is_best:
            state.best, state.best_epoch = score, state.epoch
        state.history.append({"epoch": state.epoch, **metrics})
        yield Epoch(state.epoch, metrics, is_best)


def planned_epochs(recipe: Recipe, steps_per_epoch: int) -> int:
    """Return the epochs of a whole schedule, enough for its minimum of steps."""
    return max(recipe.epochs, math.ceil(recipe.min_steps / max(steps_per_epoch, 1)))


class Rate:
    """The learning rate as a function of the step alone, so that a resumed training continues it."""

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Recipe, total_steps: int) -> None:
        self.optimizer, self.cosine, self.total = optimizer, recipe.cosine, max(total_steps, 1)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def set(self, step: int) -> None:
        """Set every group's rate for a step, counted from 0."""
        if self.cosine:
            done = min((step + 0.5) / self.total, 1.0)
            factor = min(done / 0.05, 1.0) * 0.5 * (1 + math.cos(math.pi * done))
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor


def _score(metrics: dict[str, float], monitor: str) -> tuple[float, float]:
    """Return what early stopping maximises."""
    return (metrics["val_accuracy"] if monitor == "val_accuracy" else -metrics[monitor], -metrics["val_loss"])


def _out_of_patience(state: State, recipe: Recipe) -> bool:
    """Whether `patience` epochs have gone by without a new best, counted from the end of the minimum of steps."""
    if state.steps < recipe.min_steps or not state.history:
        return False
    steps_per_epoch = state.steps / state.epoch
    first_counted = math.ceil(recipe.min_steps / steps_per_epoch)
    return state.epoch - max(state.best_epoch, first_counted) >= recipe.patience


def write_history(path: Path, state: State) -> None:
    """Write one row per epoch; the column `kept` is 1 for the epoch whose weights were kept."""
    columns = list(state.history[0])
    rows = ([*(row[name] for name in columns), int(row["epoch"] == state.best_epoch)] for row in state.history)
    storage.write_csv(path, [*columns, "kept"], rows)


def _line(metrics: dict[str, float]) -> str:
    return " ".join(f"{name} {metrics[name]:.3f}" for name in HISTORY_COLUMNS if name in metrics)
