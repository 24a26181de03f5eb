"""The training loop: it learns, stops when it should, survives a kill bit for bit, and fits itself into memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from core.config import Config, Recipe
from core.device import Device, choose_device
from core.errors import ResourceError
from core.models.classifiers import EmbeddingClassifier
from core.models.cnn import CNN
from core.training import batches, loop
from core.training.batches import MicroBatch, cross_entropy, evaluate, predict, recalibrate
from core.training.loop import State, Training, evaluation_loader, fit, planned_epochs, train_baseline, training_loader

CPU = Device("cpu", None, "CPU in float32")


def blobs(n: int, seed: int = 0, dimensions: int = 8) -> TensorDataset:
    """Return points of two overlapping clouds with their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    return TensorDataset(torch.randn(n, dimensions, generator=generator) + labels[:, None] * 0.8, labels)


def a_training(folder: Path, name: str = "cnn", monitor: str = "val_accuracy", **recipe: float) -> Training:
    schedule = Recipe(**{"learning_rate": 1e-2, "batch_size": 16, "epochs": 4, "patience": 3, **recipe})
    files = (folder / f"{name}_best.pth", folder / f"{name}_last.pth", folder / f"{name}.csv")
    return Training(name, name, schedule, Config(), *files, fingerprint="f", monitor=monitor)


def new_model(dimensions: int = 8) -> EmbeddingClassifier:
    torch.manual_seed(0)
    return EmbeddingClassifier([dimensions, 16, 8, 2])


def train(training: Training, model: nn.Module | None = None) -> State:
    size = training.recipe.batch_size
    loaders = training_loader(blobs(70), size, seed=0), evaluation_loader(blobs(40, seed=1), size)
    return train_baseline(model or new_model(), *loaders, training, CPU)


def test_training_learns_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    model, training = new_model(), a_training(tmp_path, epochs=12)
    state = train(training, model)
    totals = evaluate(model, evaluation_loader(blobs(40, seed=1), 16), CPU, cross_entropy)
    assert totals.means("val")["val_accuracy"] == pytest.approx(max(row["val_accuracy"] for row in state.history))
    assert totals.means("val")["val_accuracy"] > 0.7
    header = training.history.read_text().splitlines()[0]
    assert header == "epoch,train_loss,train_accuracy,val_loss,val_accuracy,kept"


class Killed(Exception):  # noqa: N818
    """Stands for kill -9 between any two operations."""


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("moment", ["after best", "after last", "in the epoch"])
def test_a_training_killed_at_any_epoch_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int, moment: str
) -> None:
    whole, broken = (a_training(tmp_path / name, recalibrate=True, cosine=True) for name in ("whole", "broken"))
    train(whole)
    real_save, real_step, calls = loop.checkpoints.save, MicroBatch.step, {"steps": 0}

    def save(path: Path, *arguments: Any) -> None:  # noqa: ANN401
        real_save(path, *arguments)
        epochs_saved = len(arguments[3]["history"]) if len(arguments) > 3 and arguments[3] else 0
        if (moment == "after last" and epochs_saved == epoch) or (
            moment == "after best" and path == broken.best and calls["steps"] >= 5 * (epoch - 1)
        ):
            raise Killed

    def step(self: MicroBatch, *arguments: Any) -> Any:  # noqa: ANN401
        calls["steps"] += 1
        if moment == "in the epoch" and calls["steps"] == 5 * epoch - 2:
            raise Killed
        return real_step(self, *arguments)

    monkeypatch.setattr(loop.checkpoints, "save", save)
    monkeypatch.setattr(MicroBatch, "step", step)
    try:
        train(broken)
    except Killed:
        pass
    else:
        assert moment == "after best"  # no new best after that epoch: nothing to be killed in
    monkeypatch.undo()
    train(broken)
    for a, b in zip((whole.best, whole.last, whole.history), (broken.best, broken.last, broken.history), strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_another_fingerprint_starts_from_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = a_training(tmp_path)
    train(training)
    caplog.set_level("INFO")
    train(Training(**{**vars(training), "fingerprint": "other"}))
    assert not any("going on" in message for message in caplog.messages)
    train(Training(**{**vars(training), "fingerprint": "other"}))
    assert any("going on after epoch" in message for message in caplog.messages)


def test_the_order_of_clips_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = training_loader(TensorDataset(torch.arange(20)), 5, seed)
        loader.sampler.epoch = epoch  # type: ignore[attr-defined]
        return torch.cat([batch[0] for batch in loader]).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}) == 4
    assert sorted(order(0, 1)) == list(range(20))


def test_a_last_batch_of_one_clip_is_left_out() -> None:
    assert [len(batch[0]) for batch in training_loader(TensorDataset(torch.arange(33)), 16, 0)] == [16, 16]
    assert [len(batch[0]) for batch in training_loader(TensorDataset(torch.arange(34)), 16, 0)] == [16, 16, 2]


def test_losses_are_means_over_clips_and_never_over_batches() -> None:
    model = new_model()
    data = blobs(37)
    by_batches = evaluate(model, evaluation_loader(data, 16), CPU, cross_entropy).means("val")
    at_once = evaluate(model, evaluation_loader(data, 37), CPU, cross_entropy).means("val")
    assert by_batches["val_loss"] == pytest.approx(at_once["val_loss"], rel=1e-6)
    assert by_batches["val_accuracy"] == at_once["val_accuracy"]


# Stopping


def never_better(tmp_path: Path, **recipe: int) -> int:
    """Return after how many epochs a training ends that has its best epoch first."""
    training = a_training(tmp_path, monitor="val_loss", learning_rate=1e-8, **recipe)

    def ever_worse(model: nn.Module, loader: Any, device: Device, objective: Any) -> batches.Totals:  # noqa: ANN401
        totals = batches.Totals()
        ever_worse.calls += 1  # type: ignore[attr-defined]
        totals.add({"loss": ever_worse.calls, "accuracy": 0.5}, 1)  # type: ignore[attr-defined]
        return totals

    ever_worse.calls = 0  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "evaluate", ever_worse)
        return train(training).epoch


def test_patience_counts_epochs_without_a_new_best(tmp_path: Path) -> None:
    assert never_better(tmp_path, epochs=50, patience=3) == 4


def test_patience_counts_only_after_the_minimum_of_steps(tmp_path: Path) -> None:
    steps_per_epoch = 5  # 70 clips by 16
    assert never_better(tmp_path, epochs=50, patience=3, min_steps=10 * steps_per_epoch) == 13


def test_epochs_are_raised_until_the_minimum_of_steps_fits() -> None:
    recipe = Recipe(learning_rate=1e-3, batch_size=32, epochs=50, patience=5, min_steps=600)
    assert planned_epochs(recipe, 3) == 200
    assert planned_epochs(recipe, 88) == 50


def test_equal_accuracies_are_decided_by_the_loss(tmp_path: Path) -> None:
    losses = iter([0.5, 0.4, 0.6])

    def same_accuracy(*_: Any) -> batches.Totals:  # noqa: ANN401
        totals = batches.Totals()
        totals.add({"loss": next(losses), "accuracy": 0.5}, 1)
        return totals

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "evaluate", same_accuracy)
        assert train(a_training(tmp_path, epochs=3)).best_epoch == 2


def test_the_cosine_schedule_warms_up_falls_to_zero_and_continues_after_a_kill() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    rate = loop.Rate(optimizer, Recipe(learning_rate=0.1, batch_size=2, epochs=1, patience=1, cosine=True), 100)

    def at(step: int) -> float:
        rate.set(step)
        return float(optimizer.param_groups[0]["lr"])

    rates = [at(step) for step in range(100)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates[-1] < 1e-4
    assert at(40) == rates[40]


def striped(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return small spectrograms; those of AI have faint lines at fixed steps, as upsampling leaves them."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    spectrograms = 12 * torch.randn(n, 1, 32, 32, generator=generator) - 40
    spectrograms[labels == 1, :, ::4] += 6
    return spectrograms, labels


def test_the_default_schedule_does_not_collapse_on_a_hundred_clips(tmp_path: Path) -> None:
    recipe, (train_x, train_y), (test_x, test_y) = Config().baselines.cnn, striped(100, 0), striped(60, 1)
    torch.manual_seed(0)
    model = CNN()
    model.normalise.fit(train_x.squeeze(1).numpy())
    schedule = Training("cnn", "cnn", recipe, Config(), tmp_path / "b", tmp_path / "l", tmp_path / "h", "f")
    loaders = training_loader(TensorDataset(train_x, train_y), recipe.batch_size, 0)
    train_baseline(model, loaders, evaluation_loader(TensorDataset(test_x, test_y), 32), schedule, choose_device())
    with torch.inference_mode():
        called = model.eval()(test_x).argmax(dim=1)
    assert 0.25 < called.float().mean() < 0.75, "nearly every clip is called the same"
    assert (called == test_y).float().mean() > 0.85


def test_recalibration_makes_batch_norm_see_what_evaluation_sees() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4), nn.BatchNorm1d(4))
    data = TensorDataset(torch.randn(128, 8) + 3, torch.zeros(128, dtype=torch.long))
    loader = training_loader(data, 32, 0)
    model.train()
    for inputs, _ in loader:
        model(inputs)
    norm = model[2]
    assert isinstance(norm, nn.BatchNorm1d)
    true_variance = model[1](data.tensors[0]).var(dim=0)
    before = (norm.running_var / true_variance - 1).abs().max()  # type: ignore[operator]
    recalibrate(model, loader, CPU)
    after = (norm.running_var / true_variance - 1).abs().max()  # type: ignore[operator]
    assert after < 0.1 < before
    assert norm.momentum == 0.1


# Memory


class Greedy(nn.Module):
    """Runs out of memory when it is given more than eight clips at once."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 2)
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(x))
        if len(x) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.linear(x)  # type: ignore[no-any-return]


def test_out_of_memory_halves_the_batch_and_keeps_the_gradient() -> None:
    inputs, labels = blobs(32).tensors
    greedy, modest = Greedy(), nn.Linear(8, 2)
    modest.load_state_dict(greedy.linear.state_dict())
    optimizer = torch.optim.SGD(greedy.parameters(), lr=1.0)
    sums, clips = MicroBatch(CPU).step(greedy, optimizer, [inputs, labels], cross_entropy)
    loss = nn.functional.cross_entropy(modest(inputs), labels)
    loss.backward()
    expected = [weight - weight.grad for weight in modest.parameters() if weight.grad is not None]
    for weight, other in zip(greedy.linear.parameters(), expected, strict=True):
        torch.testing.assert_close(weight, other)
    assert (clips, greedy.seen) == (32, [32, 16, 8, 8, 8, 8])
    assert sums["loss"] / clips == pytest.approx(loss.item(), rel=1e-5)


def test_memory_for_not_even_two_clips_is_one_clear_sentence() -> None:
    class Hopeless(Greedy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model = Hopeless()
    with pytest.raises(ResourceError, match="even two clips at a time do not fit"):
        MicroBatch(CPU).step(model, torch.optim.SGD(model.parameters()), blobs(32).tensors, cross_entropy)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        MicroBatch(CPU).step(model, torch.optim.SGD(model.parameters()), blobs(4).tensors, cross_entropy)


def test_prediction_survives_a_lack_of_memory_and_keeps_the_order() -> None:
    greedy = Greedy()
    (values,) = predict(lambda x: (greedy(x),), [torch.randn(50, 8)], CPU, 32, "test")
    assert len(values) == 50
    inputs = torch.randn(50, 8)
    (values,) = predict(lambda x: (greedy(x),), [inputs], CPU, 32, "test")
    torch.testing.assert_close(values, greedy.linear(inputs).detach())


def test_the_generator_yields_an_epoch_at_a_time_and_leaves_saving_to_its_caller(tmp_path: Path) -> None:
    model, training = new_model(), a_training(tmp_path)
    loader: DataLoader[Any] = training_loader(blobs(70), 16, 0)
    epochs: Iterator[loop.Epoch] = fit(
        model, torch.optim.Adam(model.parameters()), loader, loader, training, CPU, cross_entropy, State()
    )
    assert next(epochs).number == 1
    assert list(tmp_path.iterdir()) == []
    assert np.isfinite(next(epochs).metrics["val_loss"])
