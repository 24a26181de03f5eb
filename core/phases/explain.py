"""What the pages show of each clip, made once, so that no page has to load a model.

Arrays with one row per clip are written block by block and opened as memory maps: a page reads only the row it shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from core import storage
from core.artifacts import SPLITS, Clip, Run
from core.config import Config
from core.device import choose_device
from core.evaluation import projection
from core.features.filterbanks import ast_band_centres
from core.features.fine_axes import SIZE
from core.models.attribution import artefact_contributions, attention_map, explain_clip
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.build import frames
from core.models.fine_spectrum import FineSpectrumClassifier
from core.models.transformer import BANDS, ASTTransformerEncoder
from core.phases.audit import human_reference
from core.phases.phase import Made, command
from core.progress import progress
from core.storage import Array, Stream
from core.training import checkpoints
from core.training.batches import predict

DTYPE = np.float16  # of what has a row per clip: on log-mels its steps are 0.06 dB at most
BLOCK = 256  # clips in memory at once
BATCH = 32  # of them at a time through the autoencoder
ATTENTION_BLOCK = 32  # clips per file of intermediate results: what a kill can cost


def run(run: Run, config: Config, fingerprint: str) -> Made:
    """Write log-mels, reconstructions, artefacts, attention maps and the map of all clips."""
    clips = run.read_clips()
    storage.check_free_space(run.folder, bytes_needed(len(clips), config))
    files = [*_write_pictures(run, clips, config), *_write_artefacts(run, clips)]
    attention, mapped = _attention(run, clips, config, fingerprint), _map(run, clips, config, fingerprint)
    storage.write_npz(run.attention_maps, attention)
    storage.write_npz(run.map, mapped)
    for file in run.work.glob("explain-*.npz"):
        file.unlink()
    sentence = f"{len(attention['rows'])} of {len(clips)} clips with attention, {len(mapped['rows'])} on the map"
    return Made([*files, run.attention_maps, run.map], (sentence,))


def bytes_needed(clips: int, config: Config) -> int:
    """Return about how much this phase writes for a number of clips: what has a row for each of them."""
    picture = config.spectrogram.n_mels * frames(config)
    return clips * (2 * picture + SIZE) * np.dtype(DTYPE).itemsize


# Pictures


def _write_pictures(run: Run, clips: Sequence[Clip], config: Config) -> list[Path]:
    """Write every log-mel and what the autoencoder makes of it."""
    shape = (len(clips), config.spectrogram.n_mels, frames(config))
    storage.write_npy(run.log_mel, Stream(shape, DTYPE, _log_mels(run)))
    storage.write_npy(run.reconstructions, Stream(shape, DTYPE, _reconstructions(run)))
    return [run.log_mel, run.reconstructions]


def _log_mels(run: Run) -> Iterator[Array]:
    """Yield blocks of log-mels (up to BLOCK, n_mels, frames) float32 in row order, one split in memory at a time."""
    for split in SPLITS:
        values = storage.read_npz(run.dataset, [f"{split}_X"], run.remedy("prepare"))[f"{split}_X"]
        yield from _blocks(values)


def _blocks(values: Array) -> Iterator[Array]:
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK]


def _reconstructions(run: Run) -> Iterator[Array]:
    """Yield the autoencoder's reconstructions, in the blocks of `_log_mels`."""
    model, _ = checkpoints.load(run.checkpoint("ae_multitask_best"), run.remedy("autoencoder"))
    assert isinstance(model, MultiTaskAutoencoder)
    device = choose_device()
    device.place_model(model)
    for block in _log_mels(run):
        inputs = torch.from_numpy(block).unsqueeze(1)  # (B, 1, n_mels, frames)
        (rebuilt,) = predict(lambda x: (model(x).reconstruction,), [inputs], device, BATCH, "reconstructions")
        yield rebuilt.squeeze(1).numpy()


# Artefacts


def _write_artefacts(run: Run, clips: Sequence[Clip]) -> list[Path]:
    """Write the mean human training clip's fine spectrum, and what of every clip's moved the score away from it."""
    model, _ = checkpoints.load(run.checkpoint("fine_spectrum_best"), run.remedy("baselines"))
    assert isinstance(model, FineSpectrumClassifier)
    fine = storage.read_npy(run.fine_spectrum, run.remedy("prepare"))
    reference = human_reference(clips, fine)
    moved = (artefact_contributions(model, block, reference) for block in _blocks(fine))
    storage.write_npy(run.artefact_reference, reference)
    storage.write_npy(run.artefact_contributions, Stream(fine.shape, DTYPE, moved))
    return [run.artefact_reference, run.artefact_contributions]


# Attention


def _attention(run: Run, clips: Sequence[Clip], config: Config, fingerprint: str) -> dict[str, Array]:
    """Return the attention over patches of as many clips as are asked for; of none where no transformer is.

    Every clip fills its whole length with sound (a short one is repeated), so all maps share one grid without gaps.
    """
    encoder, _ = checkpoints.load(run.checkpoint("transformer_best"), run.remedy("transformer"))
    if not isinstance(encoder, ASTTransformerEncoder):
        maps = dict.fromkeys(("rollout", "last_layer"), np.zeros((0, 0, 0), np.float32))
        empty = dict.fromkeys(("patch_seconds", "patch_bins", "patch_hertz"), np.zeros(0))
        return {"rows": np.zeros(0, np.int64), **maps, **empty}
    choose_device().place_model(encoder)
    filterbanks = storage.read_npy(run.filterbank, run.remedy("prepare"))
    rows = _attention_rows(clips, config)
    parts = []
    for start in progress(range(0, len(rows), ATTENTION_BLOCK), f"attention ({ATTENTION_BLOCK} clips a step)"):
        file = run.work / f"explain-{fingerprint}-attention-{start:06d}.npz"
        if not file.exists():
            storage.write_npz(file, _maps(encoder, filterbanks, rows[start : start + ATTENTION_BLOCK]))
        parts.append(_kept(file, "rollout", "last_layer"))
    maps = {name: np.concatenate([part[name] for part in parts]) for name in ("rollout", "last_layer")}
    return {"rows": rows, **maps, **_places(encoder, filterbanks.shape[1])}


def _attention_rows(clips: Sequence[Clip], config: Config) -> Array:
    """Return the rows of the clips whose attention is kept: test, then validation, then training.

    The split of which not all fit gives the same share of both classes.
    """
    rows: list[int] = []
    for split in reversed(SPLITS):
        of_split = [clip for clip in clips if clip.split == split]
        left = config.explain.attention_clips - len(rows)
        chosen = projection.subsample([clip.label for clip in of_split], left, config.explain.seed)
        rows += [of_split[place].row for place in chosen]
    return np.array(rows, dtype=np.int64)


def _maps(encoder: ASTTransformerEncoder, filterbanks: Array, rows: Array) -> dict[str, Array]:
    """Return both kinds of attention of some clips, (clips, patch rows, patch columns)."""
    explanations = [explain_clip(encoder, filterbanks[row].astype(np.float32)) for row in rows]
    rollout, last_layer = (
        np.array([kind.patches for kind in kinds], np.float32) for kinds in zip(*explanations, strict=True)
    )
    return {"rollout": rollout, "last_layer": last_layer}


def _places(encoder: ASTTransformerEncoder, length: int) -> dict[str, Array]:
    """Return where the centres of the patches lie, in seconds, mel bins and Hz."""
    grid = encoder.grid(length)
    blank = attention_map(np.zeros(grid.rows * grid.columns), grid, length)
    hertz = np.interp(blank.patch_bins, np.arange(BANDS), ast_band_centres())
    return {"patch_seconds": blank.patch_seconds, "patch_bins": blank.patch_bins, "patch_hertz": hertz}


def _kept(file: Path, *names: str) -> Mapping[str, Array]:
    return storage.read_npz(file, names, f"Delete {file} and run the phase again")


# Map


def _map(run: Run, clips: Sequence[Clip], config: Config, fingerprint: str) -> dict[str, Array]:
    """Return t-SNE positions of clips of all splits for every embedding, each split and class with its share."""
    settings, perplexity = config.explain, config.evaluation.tsne_perplexity
    rows = projection.subsample([f"{clip.split} {clip.label}" for clip in clips], settings.map_clips, settings.seed)
    arrays = {"rows": rows, "perplexity": np.array(projection.usable_perplexity(len(rows), perplexity))}
    for name, embedding in progress(_embeddings(run).items(), "t-SNE of an embedding"):
        file = run.work / f"explain-{fingerprint}-map-{name}.npz"
        if not file.exists():
            storage.write_npz(file, {"points": projection.tsne(embedding[rows], perplexity, settings.seed)})
        arrays[name] = _kept(file, "points")["points"]
    return arrays


def _embeddings(run: Run) -> dict[str, Array]:
    """Return every embedding that a run has, (n, size) each."""
    modes = storage.read_json(run.transformer_note, run.remedy("transformer"))["modes"]
    trans = (run.transformer_embeddings, "transformer")
    return {
        "ae": run.read_splits(run.ae_latents, "autoencoder"),
        **{f"transformer_{mode}": run.read_splits(*trans, f"{mode}_") for mode in modes},
        **{name: run.read_splits(run.fusion, "hybrid", f"{name}_fused_") for name in ("hybrid", "three_way")},
    }


if __name__ == "__main__":
    command("explain")
