"""The benchmark's steps on models: CNN, autoencoder, and the full-size Audio Spectrogram Transformer."""

import itertools
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.audio.clips import read_clip
from core.config import Config, TransformerConfig
from core.data.places import folders
from core.demo import clips as demo_clips
from core.device import Device, choose_device
from core.features.filterbanks import ast_filterbank
from core.features.front_end import FILTERBANK_DTYPE
from core.machine import worker_threads
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.build import build, frames
from core.models.cnn import CHANNELS, DROPOUTS
from core.models.pretrained import ast_classes, load_backbone
from core.models.transformer import ASTTransformerEncoder
from core.phases import autoencoder
from core.phases.transformer import BATCH
from core.progress import progress
from core.storage import Array
from core.training.batches import MicroBatch, Objective, cross_entropy, logits_of, predict
from scripts import demo
from scripts.benchmark.rounds import (
    Row,
    Way,
    Work,
    Worker,
    in_rounds,
    memory_mb,
    our_environment,
    plain_environment,
    result,
    scaled,
    workers,
)

CONFIG = Config()
RECIPE_CLIPS = 2  # per round through AST as documented, at about a second each
PROBE_SONGS = 16  # of each class, two clips each
PROBE_FOLDS = 4
SAME_ENVIRONMENT = "… plain in our environment"
THREADS = worker_threads()

# CNN and autoencoder


def plain_blocks() -> nn.Sequential:
    """Return the four convolution blocks in the order in which they are usually written."""
    layers: list[nn.Module] = []
    for inputs, outputs, dropout in zip(CHANNELS, CHANNELS[1:], DROPOUTS, strict=False):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class PlainCNN(nn.Module):
    """The prescribed CNN as a tutorial writes it; its weights stand in the order of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.features = plain_blocks()
        self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 2) of (B, 1, 128, 157)."""
        return self.head(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))  # type: ignore[no-any-return]


class PlainAutoencoder(nn.Module):
    """The prescribed autoencoder as a tutorial writes it; its weights stand in the order of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = plain_blocks()
        self.to_latent, self.from_latent = nn.Linear(256 * 8 * 9, 256), nn.Linear(256, 256 * 8 * 9)
        layers: list[nn.Module] = []
        for inputs, outputs, padding in ((256, 128, (0, 1)), (128, 64, (0, 1)), (64, 32, (0, 0))):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, output_padding=padding)]
            layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
        self.decoder = nn.Sequential(*layers, nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1, output_padding=(0, 1)))
        self.head = nn.Sequential(
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 2)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return reconstruction and logits of (B, 1, 128, 157)."""
        latent = self.to_latent(self.encoder(x).flatten(1))
        return self.decoder(self.from_latent(latent).unflatten(1, (256, 8, 9))), self.head(latent)


PLAIN_MODELS: dict[str, Callable[[], nn.Module]] = {"cnn": PlainCNN, "autoencoder": PlainAutoencoder}


def make_batch(clips: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised log-mels (clips, 1, 128, 157) and labels, the same every time."""
    shape = (clips, 1, CONFIG.spectrogram.n_mels, frames(CONFIG))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.arange(clips) % 2


def plain_training(kind: str, clips: int, device: str) -> Work:
    """Build one training step in float32."""
    model = PLAIN_MODELS[kind]().to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    batch = make_batch(clips)

    def step() -> float:
        x, y = (part.to(device) for part in batch)
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output if kind == "cnn" else output[1], y)
        if kind == "autoencoder":
            loss = F.mse_loss(output[0], x) + 0.5 * loss
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_training(kind: str, clips: int) -> Work:
    """Build one training step as the phases take it."""
    device, model = choose_device(), build(kind, CONFIG)
    device.place_model(model).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    objective: Objective = cross_entropy
    if isinstance(model, MultiTaskAutoencoder):
        objective = autoencoder.objective(model, CONFIG.autoencoder)
    micro, batch = MicroBatch(device), make_batch(clips)
    return lambda: micro.step(model, optimizer, batch, objective)


def plain_inference(kind: str, clips: int, device: str) -> Work:
    """Build the predictions for a batch in float32: probabilities of AI (clips,)."""
    model, x = _seeded(kind).to(device).eval(), make_batch(clips)[0]

    def infer() -> torch.Tensor:
        with torch.no_grad():
            output = model(x.to(device))
            logits: torch.Tensor = output if kind == "cnn" else output[1]
            return logits.softmax(dim=1)[:, 1].cpu()

    return infer


def our_inference(kind: str, clips: int) -> Work:
    """Build the predictions for a batch as the phases make them, with the plain model's weights."""
    device, model, x = choose_device(), build(kind, CONFIG), make_batch(clips)[0]
    with torch.no_grad():
        for weight, plain in zip(model.parameters(), _seeded(kind).parameters(), strict=True):
            weight.copy_(plain)
    device.place_model(model).eval()

    def forward(part: torch.Tensor) -> tuple[torch.Tensor]:
        return (logits_of(model(part)).float().softmax(dim=1)[:, 1],)

    return lambda: predict(forward, [x], device, clips, kind)[0]


def _seeded(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return PLAIN_MODELS[kind]()


def convolutional(kind: str, batch_size: int, rounds: int) -> list[Row]:
    """Time a training step and the predictions for a batch of the CNN or the autoencoder."""
    plain_work, our_work = (kind, batch_size, choose_device().kind), (kind, batch_size)
    with workers(plain_environment(), our_environment(), our_environment()) as (plain, tuned, ours):
        ways = {
            "plain train": Way(plain, plain_training, plain_work),
            "tuned train": Way(tuned, plain_training, plain_work),
            "ours train": Way(ours, our_training, our_work),
            "plain infer": Way(plain, plain_inference, plain_work),
            "tuned infer": Way(tuned, plain_inference, plain_work),
            "ours infer": Way(ours, our_inference, our_work),
        }
        times = {name: scaled(seconds, 1e3) for name, seconds in in_rounds(rounds, ways).items()}
        expected, answered = (
            plain.call(result, plain_inference, *plain_work),
            ours.call(result, our_inference, *our_work),
        )
    apart = float((expected - answered).abs().max())
    note = "largest difference of a probability:"
    return [
        Row(f"training step, batch {batch_size}", "ms", times["plain train"], times["ours train"], "asked: 2.2"),
        Row(SAME_ENVIRONMENT, "ms", times["tuned train"], times["ours train"]),
        Row(f"predictions, batch {batch_size}", "ms", times["plain infer"], times["ours infer"], note, apart),
        Row(SAME_ENVIRONMENT, "ms", times["tuned infer"], times["ours infer"]),
    ]


# Audio Spectrogram Transformer


def ast_extractor() -> Any:  # noqa: ANN401 - transformers' class
    """Return AST's own feature extractor."""
    from transformers import ASTFeatureExtractor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # AST's lowest mel bands are narrower than a bin; they came so
        return ASTFeatureExtractor()  # type: ignore[no-untyped-call]


def ast_model(weights: str) -> Any:  # noqa: ANN401 - transformers' class
    """Return AST: from a folder, or full-size with random weights that are the same in every process."""
    if weights:
        return load_backbone(weights, CONFIG.transformer.hub_timeout)
    ast_config, model = ast_classes()
    torch.manual_seed(0)
    return model(ast_config()).eval()  # type: ignore[no-untyped-call]


def plain_embedding(file: Path, clips: int, weights: str, device: str) -> Work:
    """Build [CLS] of the first clips (clips, hidden) by the recipe of transformers' documentation."""
    waveforms = np.load(file, allow_pickle=False)[:clips]
    extractor, model = ast_extractor(), ast_model(weights).to(device)

    def embed() -> Array:
        vectors = []
        for waveform in progress(waveforms, "[CLS] as documented", clips):
            inputs = extractor(waveform, sampling_rate=CONFIG.audio.sample_rate, return_tensors="pt").to(device)
            with torch.no_grad():
                vectors.append(model(**inputs).last_hidden_state[:, 0].cpu().numpy())
        return np.concatenate(vectors)

    return embed


def our_embedding(file: Path, clips: int, weights: str, reference: bool) -> Work:
    """Build [CLS] of the first clips (clips, hidden) as the phases make it; `reference`: in float32 throughout."""
    chosen = choose_device()
    device = Device(chosen.kind, None, "float32") if reference else chosen
    stored = np.float32 if reference else FILTERBANK_DTYPE
    waveforms, pool = np.load(file, allow_pickle=False)[:clips], ThreadPoolExecutor(THREADS)
    encoder = ASTTransformerEncoder(ast_model(weights), TransformerConfig(), "ast-pretrained")
    device.place_model(encoder.eval())

    def embed() -> Array:
        filterbanks = np.stack([bank.astype(stored) for bank in pool.map(ast_filterbank, waveforms)])
        inputs = torch.from_numpy(filterbanks.astype(np.float32))
        (vectors,) = predict(lambda x: (encoder.cls(x),), [inputs], device, BATCH, f"[CLS] in {device.autocast}")
        return vectors.numpy()

    return embed


def embedding(weights: str, songs: int, rounds: int) -> tuple[list[Row], tuple[str, ...]]:
    """Time the full-size AST and compare its [CLS] in our precision with float32 and with the documented recipe."""
    device = choose_device().kind
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waveforms.npy"
        labels, groups = make_waveforms(file, songs)
        used = _memory_per_clip(file, weights, device)
        with workers(plain_environment(), our_environment(), our_environment()) as (plain, tuned, ours):
            ways = {
                "plain": Way(plain, plain_embedding, (file, RECIPE_CLIPS, weights, device)),
                "tuned": Way(tuned, plain_embedding, (file, RECIPE_CLIPS, weights, device)),
                "reference": Way(ours, our_embedding, (file, BATCH, weights, True)),
                "ours": Way(ours, our_embedding, (file, BATCH, weights, False)),
            }
            times = in_rounds(rounds, ways)
            vectors = _all_vectors(tuned, ours, file, weights, device)
    each = {name: scaled(times[name], 1e3 / RECIPE_CLIPS) for name in ("plain", "tuned")}
    each |= {name: scaled(times[name], 1e3 / BATCH) for name in ("reference", "ours")}
    cosine = float(cosines(vectors["ours in float32"], vectors["ours"]).min())
    note = "asked: 10; smallest cosine of [CLS] with ours in float32:"
    rows = [
        Row("embed a clip", "ms", each["plain"], each["ours"], note, cosine),
        Row(SAME_ENVIRONMENT, "ms", each["tuned"], each["ours"]),
        Row("… plain: ours in float32", "ms", each["reference"], each["ours"], "the precision alone"),
        Row("memory per clip", "MB", (used[0],), (used[1],), f"beside the weights; ours {BATCH} clips at a time"),
    ]
    return rows, (_probe_remark(vectors, labels, groups, weights), _distance_remark(vectors))


def _memory_per_clip(file: Path, weights: str, device: str) -> tuple[float, float]:
    """Return what a clip takes on its way through the documented recipe and through ours, in MB."""
    with workers(plain_environment(), our_environment()) as (plain, ours):
        plain_mb = plain.call(memory_mb, plain_embedding, file, 1, weights, device)
        return plain_mb, ours.call(memory_mb, our_embedding, file, BATCH, weights, False) / BATCH


def _all_vectors(plain: Worker, ours: Worker, file: Path, weights: str, device: str) -> dict[str, Array]:
    """Return [CLS] of all clips (n, hidden) in every way."""
    clips = len(np.load(file, mmap_mode="r", allow_pickle=False))
    return {
        "as documented": plain.call(result, plain_embedding, file, clips, weights, device),
        "ours in float32": ours.call(result, our_embedding, file, clips, weights, True),
        "ours": ours.call(result, our_embedding, file, clips, weights, False),
    }


def make_waveforms(file: Path, songs: int) -> tuple[Array, Array]:
    """Store the waveforms of demo clips (n, samples); return their labels and songs."""
    root = demo_clips.make(file.with_name("clips"), songs, 2, demo.SEED)
    place = folders(root / demo_clips.HUMAN_FOLDER, root / demo_clips.AI_FOLDER)
    candidates = place.candidates(CONFIG.split)
    np.save(file, np.stack([read_clip(place.root / clip.name, CONFIG.audio).waveform for clip in candidates]))
    return np.array([clip.label for clip in candidates]), np.array([clip.group for clip in candidates])


def cosines(first: Array, second: Array) -> Array:
    """Return the cosine of each pair of rows."""
    products: Array = (first * second).sum(axis=1)
    products /= np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return products


def probe(vectors: Array, labels: Array, groups: Array) -> tuple[float, float]:
    """Return accuracy and AUC of a logistic regression on embeddings, cross-validated with songs kept together."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedGroupKFold(PROBE_FOLDS)
    scores = cross_val_predict(model, vectors, labels, groups=groups, cv=folds, method="predict_proba")[:, 1]
    return float(((scores > 0.5) == labels).mean()), float(roc_auc_score(labels, scores))


def _probe_remark(vectors: Mapping[str, Array], labels: Array, groups: Array, weights: str) -> str:
    accuracies = {name: probe(values, labels, groups) for name, values in vectors.items()}
    results = "; ".join(f"{name}: accuracy {right:.3f}, AUC {auc:.3f}" for name, (right, auc) in accuracies.items())
    kind = f"weights of {weights}" if weights else "random weights, which say nothing about real ones"
    return f"Probe on [CLS] of {len(labels)} demo clips ({PROBE_FOLDS} folds over songs; {kind}): {results}."


def _distance_remark(vectors: Mapping[str, Array]) -> str:
    """Compare what our precision rounds away with how far clips are apart: cosines near 1 alone flatter."""
    reference = vectors["ours in float32"]
    apart = median(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(reference, 2))
    error = float(np.median(np.linalg.norm(reference - vectors["ours"], axis=1)))
    documented = float(cosines(vectors["as documented"], reference).min())
    return (
        f"Median error of [CLS] ÷ median distance of two clips: {error / apart:.3f}. Smallest cosine of the documented "
        f"recipe, half of whose 1024 frames is padding, with ours in float32: {documented:.4f}."
    )
