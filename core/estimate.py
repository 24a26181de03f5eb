"""How long a run takes and how much memory it needs, from a few steps measured on this machine.

Each phase's work is a sum of two kinds: once per clip (reading, embedding, predicting) and once per optimiser step.
One unit of each is timed in a process of its own, whose peak memory is then that phase's; the numbers of clips and of
steps follow from the data and the schedules. Early stopping may end a training sooner: the estimate is for the whole
schedule.
"""

import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from torch import nn

from core import storage
from core.artifacts import artifacts_folder
from core.audio.clips import read_recording
from core.audio.transforms import TRANSFORMS
from core.config import Config, Recipe
from core.device import choose_device
from core.errors import ArtifactError
from core.evaluation import projection, shortcuts
from core.features.filterbanks import ast_filterbank
from core.features.fine_axes import SIZE
from core.machine import peak_memory_mb, worker_threads
from core.metrics import scores
from core.models import transformer as encoders
from core.models.attribution import explain_clip
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.build import build, frames
from core.phases import autoencoder, explain, hybrid, prepare, transformer
from core.training.batches import CALIBRATION_BATCHES, MicroBatch, Objective, cross_entropy
from core.training.loop import planned_epochs

TRAINED_AGAIN = ("autoencoder", "transformer", "baselines", "hybrid")  # by the audit, for every seed and every source
REPEATS = 3  # after one that warms up; the median counts
MAPPED = 5  # embeddings of which there is a map
FIXED = 8.0  # seconds a phase takes whatever the data: imports, figures, files
NATIVE_RATE = 44_100  # Hz of the clips that the reading is timed on


@dataclass(frozen=True)
class Cost:
    """What the units of a phase's work take on this machine."""

    per_clip: float  # seconds
    per_step: dict[str, float]  # seconds, by training or other work that `_times` counts
    memory_mb: float  # with one batch in memory, without the data set
    gpu_mb: float


@dataclass(frozen=True)
class Estimate:
    """A phase's expected run time and memory at its peak, and what it adds to the disk."""

    seconds: float
    memory_mb: float
    gpu_mb: float
    disk_mb: float


def estimate(config: Config, clips: int, sources: int = 1) -> dict[str, Estimate]:
    """Return what every phase of a run will take on this machine.

    Parameters
    ----------
    sources : of the class that has more of them; the audit may leave out each in turn.
    """
    costs = {phase: cost_of(phase, config) for phase in MEASURES}
    log_mel_mb = clips * config.spectrogram.n_mels * frames(config) * 4 / 1e6
    filterbank_mb = clips * ast_filterbank(np.ones(config.audio.samples, np.float32)).size * 2 / 1e6
    data_mb = {"autoencoder": 3 * log_mel_mb, "baselines": 3 * log_mel_mb}
    data_mb["hybrid"] = 2 * log_mel_mb if config.hybrid.end_to_end else 0.0  # else it reads embeddings alone
    data_mb["explain"] = config.split.train * log_mel_mb
    disk_mb = {"prepare": 0.9 * log_mel_mb + filterbank_mb, "explain": explain.bytes_needed(clips, config) / 1e6}
    expected = {
        phase: Estimate(
            seconds=FIXED
            + cost.per_clip * clips
            + sum(seconds * _times(config, name, clips) for name, seconds in cost.per_step.items()),
            memory_mb=cost.memory_mb + data_mb.get(phase, 0.0),
            gpu_mb=cost.gpu_mb,
            disk_mb=disk_mb.get(phase, 0.0),
        )
        for phase, cost in costs.items()
    }
    again = _trainings_again(config, sources) * sum(expected[phase].seconds for phase in TRAINED_AGAIN)
    extra = again + _robustness_seconds(config, clips)
    return expected | {"audit": replace(expected["audit"], seconds=expected["audit"].seconds + extra)}


def _trainings_again(config: Config, sources: int) -> float:
    """Return how many whole trainings the audit adds at most: one a further seed, a part of one for each source."""
    asked = config.audit.leave_out
    left_out = sources if asked == "all" else len(asked.split(",")) if asked else 0
    return config.train.seeds - 1 + config.audit.leave_out_share * left_out


def _recipes(config: Config) -> dict[str, Recipe]:
    """Return the schedule of every training by its name."""
    return {
        "ae_multitask": config.autoencoder.recipe,
        "transformer_frozen": config.transformer.projection_recipe,
        "transformer_finetuned": config.transformer.recipe,
        "cnn": config.baselines.cnn,
        "ae_classifier": config.baselines.ae_classifier,
        "transformer_classifier": config.baselines.transformer_classifier,
        "hybrid": config.hybrid.recipe,
        "concatenation": config.hybrid.recipe,
        "three_way": config.hybrid.three_way,
        "fine_spectrum": config.baselines.fine_spectrum,
    }


def _times(config: Config, work: str, clips: int) -> float:
    """Return how often a phase does some work: for so many clips of all, or as often as a training's schedule says."""
    limits = {"attention": config.explain.attention_clips, "map": config.explain.map_clips}
    return min(limits[work], clips) if work in limits else _passes(config, work, round(clips * config.split.train))


def _passes(config: Config, training: str, train_clips: int) -> float:
    """Return a training's whole schedule in optimiser steps; a forward pass, as in validation, counts as a third."""
    recipe = _recipes(config)[training]
    steps = -(-train_clips // recipe.batch_size)
    validation = steps * config.split.val / config.split.train
    calibration = min(steps, CALIBRATION_BATCHES) if recipe.recalibrate else 0
    return planned_epochs(recipe, steps) * (steps + (validation + calibration) / 3)


# Measuring


def cost_of(phase: str, config: Config) -> Cost:
    """Return a phase's costs, measured now unless they were measured here before with the same sizes."""
    machine = [platform.processor(), platform.machine(), os.cpu_count(), torch.__version__, choose_device().description]
    sizes = config.sections(["audio", "spectrogram", "autoencoder", "transformer", "baselines", "hybrid"])
    file = artifacts_folder() / "machine" / f"{phase}-{storage.fingerprint([machine, sizes])}.json"
    try:
        return Cost(**storage.read_json(file, ""))
    except (ArtifactError, TypeError):
        context = multiprocessing.get_context("spawn")  # a fresh process: its peak memory is this phase's alone
        with context.Pool(1) as pool:
            cost = pool.apply(measure, (phase, config))
        storage.write_json(file, asdict(cost))
        return cost


def measure(phase: str, config: Config) -> Cost:
    """Time the units of a phase's work now, in this process, whose peak memory is then the phase's."""
    per_clip, per_step = MEASURES[phase](config)
    return Cost(per_clip, per_step, peak_memory_mb(), choose_device().peak_gpu_mb())


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[REPEATS // 2]


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _step_seconds(model: nn.Module, inputs: Sequence[torch.Tensor], objective: Objective = cross_entropy) -> float:
    """Return the time of one optimiser step on a batch."""
    device = choose_device()
    device.place_model(model).train()
    labels = torch.arange(len(inputs[0])) % 2
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad])
    micro = MicroBatch(device)
    return _median_seconds(lambda: micro.step(model, optimizer, [*inputs, labels], objective))


def _forward_seconds(model: nn.Module, inputs: torch.Tensor) -> float:
    """Return the time per clip of a forward pass over a batch."""
    device = choose_device()
    device.place_model(model).eval()
    placed = device.place(inputs)

    def forward() -> None:
        with torch.inference_mode(), device.precision():
            model(placed)

    return _median_seconds(forward) / len(inputs)


def _measure_prepare(config: Config) -> tuple[float, dict[str, float]]:
    clips = 16
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        sf.write(path, 0.1 * _noise(round(NATIVE_RATE * config.audio.seconds), 2).numpy(), NATIVE_RATE)
        seconds = _median_seconds(lambda: [prepare.prepare_clip(path, config) for _ in range(clips)]) / clips
    storing = 0.5 * seconds  # compression of dataset.npz, which one thread does after the others have read
    return seconds / worker_threads() + storing, {}


def _measure_autoencoder(config: Config) -> tuple[float, dict[str, float]]:
    model = build("autoencoder", config)
    assert isinstance(model, MultiTaskAutoencoder)
    batch = _noise(config.autoencoder.recipe.batch_size, 1, config.spectrogram.n_mels, frames(config))
    step = _step_seconds(model, [batch], autoencoder.objective(model, config.autoencoder))
    return _forward_seconds(model, batch), {"ae_multitask": step}


def _measure_transformer(config: Config) -> tuple[float, dict[str, float]]:
    filterbank = ast_filterbank(np.ones(config.audio.samples, np.float32))
    encoder, _ = encoders.build(config.transformer, len(filterbank))
    modes = transformer.modes_of(config, encoder.kind, choose_device())
    per_clip = _forward_seconds(encoder, _noise(transformer.BATCH, *filterbank.shape)) * len(modes)
    steps = {}
    if "frozen" in modes:
        projection_batch = _noise(config.transformer.projection_recipe.batch_size, encoder.projection.in_features)
        steps["transformer_frozen"] = _step_seconds(transformer.Projection(encoder), [projection_batch])
    if "finetuned" in modes:
        encoder.trainable(config.transformer.finetune_blocks)
        batch = _noise(config.transformer.recipe.batch_size, *filterbank.shape)
        steps["transformer_finetuned"] = _step_seconds(encoder, [batch])
    return per_clip, steps


def _measure_baselines(config: Config) -> tuple[float, dict[str, float]]:
    shapes = {
        "cnn": (1, config.spectrogram.n_mels, frames(config)),
        "ae_classifier": (config.autoencoder.latent,),
        "transformer_classifier": (config.transformer.embedding,),
        "fine_spectrum": (SIZE,),
    }
    batches = {name: _noise(_recipes(config)[name].batch_size, *shape) for name, shape in shapes.items()}
    steps = {name: _step_seconds(build(name, config), [batch]) for name, batch in batches.items()}
    return _forward_seconds(build("cnn", config), batches["cnn"]), steps


def _measure_hybrid(config: Config) -> tuple[float, dict[str, float]]:
    rows = config.hybrid.recipe.batch_size
    sizes = (config.autoencoder.latent, config.transformer.embedding, SIZE)
    batches = [_noise(rows, size) for size in sizes]
    return 0.0, {name: _step_seconds(build(name, config), batches[:count]) for name, count in hybrid.FUSIONS.items()}


def _measure_audit(config: Config) -> tuple[float, dict[str, float]]:
    """Time the shortcuts of a clip. The transforms are of a fixed number of clips, not of all: see `estimate`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        sf.write(path, 0.1 * _noise(round(NATIVE_RATE * config.audio.seconds), 2).numpy(), NATIVE_RATE)
        return _median_seconds(lambda: shortcuts.measure(read_recording(path, config.audio), config.audio)) * 1.5, {}


def _robustness_seconds(config: Config, clips: int) -> float:
    """Return the time of transforming and judging the tested clips: some 60 ms for each of each transform."""
    return 0.06 * min(config.audit.robustness_clips, clips * config.split.test) * (1 + len(TRANSFORMS))


def _measure_evaluate(config: Config) -> tuple[float, dict[str, float]]:
    """Time the bootstrap and t-SNE on a few hundred clips; both grow a little faster than the clips."""
    n, rng = 300, np.random.default_rng(0)
    labels, values, settings = np.arange(n) % 2, rng.random(n), config.evaluation
    start = time.perf_counter()
    scores.song_bootstrap(labels, values, np.arange(n), 0.5, settings.bootstraps, settings.confidence, 0)
    seconds = time.perf_counter() - start + _tsne_seconds(config, n)
    return 12 * seconds / n * config.split.test, {}


def _measure_explain(config: Config) -> tuple[float, dict[str, float]]:
    """Time a reconstruction, a clip's attention and its place in t-SNE, which takes longer among thousands."""
    model = build("autoencoder", config)
    batch = _noise(explain.BATCH, 1, config.spectrogram.n_mels, frames(config))
    filterbank = ast_filterbank(np.ones(config.audio.samples, np.float32))
    encoder, _ = encoders.build(config.transformer, len(filterbank))
    works = {"map": 2 * MAPPED * _tsne_seconds(config, 300) / 300}
    if isinstance(encoder, encoders.ASTTransformerEncoder):
        choose_device().place_model(encoder.eval())
        works["attention"] = _median_seconds(lambda: explain_clip(encoder, filterbank))
    return _forward_seconds(model, batch), works


def _tsne_seconds(config: Config, clips: int) -> float:
    values = np.random.default_rng(0).standard_normal((clips, config.transformer.embedding))
    start = time.perf_counter()
    projection.tsne(values, config.evaluation.tsne_perplexity, 0)
    return time.perf_counter() - start


MEASURES: dict[str, Callable[[Config], tuple[float, dict[str, float]]]] = {
    "prepare": _measure_prepare,
    "autoencoder": _measure_autoencoder,
    "transformer": _measure_transformer,
    "baselines": _measure_baselines,
    "hybrid": _measure_hybrid,
    "audit": _measure_audit,
    "evaluate": _measure_evaluate,
    "explain": _measure_explain,
}
