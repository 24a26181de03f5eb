"""Attention maps: known attention in, the right place in time and mel out."""

import numpy as np
import pytest
import torch

from core.config import TransformerConfig
from core.models.attribution import attention_map, attention_rollout, explain_clip, last_layer_cls_attention
from core.models.transformer import PatchGrid, small

GRID = PatchGrid(rows=12, columns=49, patch=16, row_stride=10, column_stride=10, stretch=1.0)
TOKENS = 2 + GRID.rows * GRID.columns
FRAMES = 498


def token(row: int, column: int) -> int:
    return 2 + row * GRID.columns + column


def everyone_asks(*tokens: int, heads: int = 3) -> np.ndarray:
    attention = np.zeros((heads, TOKENS, TOKENS))
    attention[:, :, list(tokens)] = 1 / len(tokens)
    return attention


def test_attention_on_one_patch_peaks_at_its_time_and_mel() -> None:
    shares = last_layer_cls_attention([everyone_asks(token(3, 20))])
    shown = attention_map(shares, GRID, FRAMES)
    row, column = np.unravel_index(shown.patches.argmax(), shown.patches.shape)
    assert (row, column) == (3, 20)
    assert shown.patch_bins[row] == 37.5  # bins 30 to 45
    assert shown.patch_seconds[column] == pytest.approx(2.0875)  # frames 200 to 215, windows of 25 ms every 10 ms
    bins, frames = np.nonzero(np.nan_to_num(shown.picture))
    assert (bins.min(), bins.max(), frames.min(), frames.max()) == (30, 45, 200, 215)
    assert shown.seconds[frames].mean() == pytest.approx(shown.patch_seconds[column])


def test_only_the_last_layer_counts_for_last_layer_attention() -> None:
    layers = [everyone_asks(token(0, 0)), everyone_asks(token(11, 48))]
    assert last_layer_cls_attention(layers).argmax() + 2 == token(11, 48)


def test_heads_are_averaged() -> None:
    layer = everyone_asks(token(1, 1))
    layer[0] = everyone_asks(token(2, 2))[0]
    shares = last_layer_cls_attention([layer])
    assert shares[token(1, 1) - 2] == pytest.approx(2 / 3)
    assert shares[token(2, 2) - 2] == pytest.approx(1 / 3)


def test_rollout_of_tokens_that_ask_only_themselves_reaches_no_patch() -> None:
    assert attention_rollout([np.eye(TOKENS)[None]] * 4).sum() == 0


def test_rollout_follows_a_detour() -> None:
    """[CLS] asks only A in the last layer, and A asked only B in the one before: a quarter of [CLS] comes from B."""
    a, b = token(5, 5), token(9, 30)
    first, last = np.eye(TOKENS)[None].copy(), np.eye(TOKENS)[None].copy()
    first[0, a], last[0, 0] = np.eye(TOKENS)[b], np.eye(TOKENS)[a]
    shares = attention_rollout([first, last])
    assert shares[a - 2] == pytest.approx(0.25)
    assert shares[b - 2] == pytest.approx(0.25)
    assert last_layer_cls_attention([first, last])[b - 2] == 0


def test_rollout_loses_nothing_but_what_stays_in_the_special_tokens() -> None:
    random = np.random.default_rng(0).dirichlet(np.ones(TOKENS), size=(4, 2, TOKENS))
    shares = attention_rollout(list(random))
    assert shares.min() > 0
    assert 0.9 < shares.sum() < 1


def test_even_attention_gives_an_even_picture_where_patches_overlap() -> None:
    shown = attention_map(np.full(TOKENS - 2, 1.0), GRID, FRAMES)
    np.testing.assert_allclose(shown.picture[:126, :496], 1 / (TOKENS - 2))
    assert shown.patches.sum() == pytest.approx(1)


def test_what_no_patch_covers_is_unknown() -> None:
    shown = attention_map(np.full(TOKENS - 2, 1.0), GRID, FRAMES)
    assert np.isnan(shown.picture[126:]).all()
    assert np.isnan(shown.picture[:, 496:]).all()
    assert shown.picture.shape == (len(shown.hertz), len(shown.seconds)) == (128, FRAMES)


def test_frames_beyond_the_clips_end_are_never_included() -> None:
    shares = last_layer_cls_attention([everyone_asks(token(3, 5), token(3, 40))])
    shown = attention_map(shares, GRID, FRAMES, seconds=2.0)
    assert shown.patch_seconds.max() < 2.0
    assert shown.patches.sum() == pytest.approx(1)  # the padding's share is left out, not spread
    assert shown.patches[3, 5] == pytest.approx(1)
    assert np.isnan(shown.picture[:, 200:]).all()


def test_a_clip_without_a_single_whole_patch_gives_an_empty_map() -> None:
    shown = attention_map(np.full(TOKENS - 2, 1.0), GRID, FRAMES, seconds=0.05)
    assert shown.patches.shape == (12, 0)
    assert np.isnan(shown.picture).all()


def test_a_stretched_clip_is_shown_in_its_own_seconds() -> None:
    grid = PatchGrid(rows=12, columns=101, patch=16, row_stride=10, column_stride=10, stretch=FRAMES / 1024)
    shares = np.zeros((12, 101))
    shares[0, 100] = 1  # the last column of 1024 frames: 1000 to 1015
    shown = attention_map(shares.ravel(), grid, FRAMES)
    assert shown.patch_seconds[100] == pytest.approx(4.9, abs=0.05)
    assert 485 <= np.nanargmax(shown.picture[0]) <= 494


def test_a_trained_eye_is_seen_on_the_patch_it_looks_at() -> None:
    """An encoder made to look for loud patches shows a clip's one loud patch, through the real model."""
    torch.manual_seed(0)
    config = TransformerConfig(small_hidden=32, small_layers=1, small_heads=1, small_stride=16, small_dropout=0.0)
    encoder = small(config, FRAMES).eval()
    block, embeddings = encoder.backbone.layers[0], encoder.backbone.embeddings
    with torch.no_grad():
        embeddings.position_embeddings.zero_()
        embeddings.patch_embeddings.projection.weight.zero_()
        embeddings.patch_embeddings.projection.weight[0] = 0.1  # first number of a patch's token: its loudness
        block.attention.q_proj.weight.zero_()
        block.attention.q_proj.bias.fill_(5.0)
        block.attention.k_proj.weight.zero_()
        block.attention.k_proj.weight[:, 0] = 1.0
    filterbank = np.full((FRAMES, 128), 0.0, np.float32)
    filterbank[320:336, 48:64] = 1.0  # 4th row, 21st column of patches 16 wide
    rollout, last = explain_clip(encoder, filterbank)
    for shown in (rollout, last):
        assert np.unravel_index(shown.patches.argmax(), shown.patches.shape) == (3, 20)
        assert shown.patches.max() > 0.5
        assert np.nanmean(shown.picture[48:64, 320:336]) == np.nanmax(shown.picture)
