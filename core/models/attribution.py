"""Show where in a clip the transformer looked, and which lines of its spectrum moved the score.

Attention says where information was taken from, not whether it moved the score: beside a map, look at what happens to
the score when a branch is removed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from core.features.filterbanks import AST_FRAME, AST_HOP, AST_RATE, ast_band_centres
from core.features.fine_axes import BANDS as GRAIN_BANDS
from core.features.fine_axes import GRAIN, LINE_COUNT, STATISTICS, line_frequencies
from core.models.fine_spectrum import FineSpectrumClassifier
from core.models.transformer import BANDS, SPECIAL, ASTTransformerEncoder, PatchGrid
from core.storage import Array

CLS = 0  # the token whose attention is shown


class AttentionMap(NamedTuple):
    """One clip's attention, by patch and spread over the filterbank it was computed from."""

    patches: Array  # (rows, columns), adds up to 1
    patch_seconds: Array  # (columns,): centre of each column of patches
    patch_bins: Array  # (rows,): centre of each row of patches, in mel bins
    picture: Array  # (128, frames): mean of the patches that cover a bin; NaN where none does
    seconds: Array  # (frames,): centre of each frame
    hertz: Array  # (128,): centre of each mel bin


class ArtefactView(NamedTuple):
    """What the fine-spectrum detector heard in a clip, beside a reference.

    Contributions are log-odds of AI, the clip's less the reference's; all of them add up to the difference of the two
    verdicts, because the detector is linear behind its first layer.
    """

    hertz: Array  # (lines,)
    residual: Array  # (lines,) dB: the clip's time-averaged spectrum less its trend
    reference: Array  # (lines,) dB: the same of the reference, such as the mean human training clip
    lines: Array  # (lines,): contribution of each line
    grain: Array  # (resolutions, statistics, bands): contribution of each number on grain
    strongest: Array  # indices of the lines that moved the score most, strongest first


def artefact_view(
    model: FineSpectrumClassifier, clip: Array, reference: Array, sample_rate: int, strongest: int = 20
) -> ArtefactView:
    """Compare a clip's fine spectrum with a reference's, line by line.

    Parameters
    ----------
    clip, reference : as `fine_spectrum` makes them, (SIZE,).
    """
    moved = artefact_contributions(model, clip[None], reference)[0]
    lines = moved[:LINE_COUNT]
    grain = moved[LINE_COUNT:].reshape(len(GRAIN), len(STATISTICS), GRAIN_BANDS)
    order = np.argsort(-np.abs(lines), kind="stable")[:strongest]
    hertz = line_frequencies(sample_rate)
    return ArtefactView(hertz, clip[:LINE_COUNT], reference[:LINE_COUNT], lines, grain, order)


def artefact_contributions(model: FineSpectrumClassifier, clips: Array, reference: Array) -> Array:
    """Return how much each value of each clip moves the log-odds of AI away from a reference's.

    Parameters
    ----------
    clips, reference : as `fine_spectrum` makes them, (n, SIZE) and (SIZE,).

    Returns
    -------
    (n, SIZE); a row adds up to the clip's log-odds less the reference's.
    """
    model.eval()
    with torch.inference_mode():
        values = torch.from_numpy(np.concatenate([reference[None], clips]).astype(np.float32)).to(_device_of(model))
        contributions = model.contributions(values).cpu().numpy()
    return contributions[1:] - contributions[0]  # type: ignore[no-any-return]


def _device_of(model: FineSpectrumClassifier) -> torch.device:
    return model.linear.weight.device


def explain_clip(
    encoder: ASTTransformerEncoder, filterbank: Array, seconds: float | None = None
) -> tuple[AttentionMap, AttentionMap]:
    """Return a clip's attention as rollout through all layers, and in the last layer alone.

    Parameters
    ----------
    filterbank : as `ast_filterbank` makes it, (frames, 128).
    seconds : where the sound ends, when the clip was padded: patches that reach beyond are left out.
    """
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        attentions = encoder.attention(torch.from_numpy(filterbank)[None].to(device))
    layers = [layer[0].float().cpu().numpy() for layer in attentions]  # each (heads, N, N)
    grid, frames = encoder.grid(len(filterbank)), len(filterbank)
    rollout = attention_map(attention_rollout(layers), grid, frames, seconds)
    return rollout, attention_map(last_layer_cls_attention(layers), grid, frames, seconds)


def attention_rollout(layers: Sequence[Array]) -> Array:
    """Follow attention from [CLS] through all layers to the patches (Abnar and Zuidema, 2020).

    Each block adds what it gathered to what was there, so half of a token stays itself: (A + I) / 2, heads averaged,
    multiplied from the last layer back to the first.

    Parameters
    ----------
    layers : softmax weights per layer, first to last, each (heads, N, N), row = who asks.

    Returns
    -------
    Share of each patch in [CLS], (N - 2,); what stays in the two special tokens is missing from the sum of 1.
    """
    share: Array = np.eye(1, layers[0].shape[-1], CLS)[0]  # (N,)
    for layer in reversed(layers):
        share = (share + share @ layer.mean(axis=0)) / 2
    patches: Array = share[SPECIAL:]
    return patches


def last_layer_cls_attention(layers: Sequence[Array]) -> Array:
    """Return what [CLS] asks of each patch in the last layer, heads averaged, (N - 2,)."""
    weights: Array = layers[-1].mean(axis=0, dtype=np.float64)
    return weights[CLS, SPECIAL:]


def attention_map(share: Array, grid: PatchGrid, frames: int, seconds: float | None = None) -> AttentionMap:
    """Lay weights over patches out on time and mel, and spread them over the filterbank.

    Parameters
    ----------
    share : weight per patch, (rows * columns,), row after row.
    frames : of the clip's filterbank.
    seconds : where the sound ends; columns of patches that reach beyond are left out. None: at the filterbank's end.
    """
    starts = grid.stretch * grid.column_stride * np.arange(grid.columns)  # in the clip's frames
    ends = starts + grid.stretch * grid.patch
    heard = np.ones(grid.columns, bool) if seconds is None else _window_end(ends - 1) <= seconds
    patches = share.reshape(grid.rows, grid.columns)[:, heard]
    patches = patches / max(patches.sum(), np.finfo(float).tiny)
    bottoms = grid.row_stride * np.arange(grid.rows)
    return AttentionMap(
        patches,
        patch_seconds=_window_end((starts + ends)[heard] / 2 - 0.5) - AST_FRAME / 2 / AST_RATE,
        patch_bins=bottoms + (grid.patch - 1) / 2,
        picture=_spread(patches, _covers(bottoms, grid.patch, BANDS), _covers(starts[heard], ends[0], frames)),
        seconds=_window_end(np.arange(frames)) - AST_FRAME / 2 / AST_RATE,
        hertz=ast_band_centres(),
    )


def _window_end(frame: Array) -> Array:
    """Return the second at which a frame's window ends."""
    return (frame * AST_HOP + AST_FRAME) / AST_RATE


def _covers(starts: Array, length: float, cells: int) -> Array:
    """Return 1 where a patch from `starts`, `length` long, covers the middle of a cell, (patches, cells)."""
    middle = np.arange(cells) + 0.5
    return ((middle >= starts[:, None]) & (middle < starts[:, None] + length)).astype(float)


def _spread(patches: Array, by_bin: Array, by_frame: Array) -> Array:
    """Average the patches over each cell they cover, (rows, columns) → (bins, frames)."""
    total = by_bin.T @ patches @ by_frame
    count = np.outer(by_bin.sum(axis=0), by_frame.sum(axis=0))
    mean: Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean
