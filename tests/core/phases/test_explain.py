"""What the pages show of each clip is what the models made of that very clip."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from core import storage
from core.artifacts import SPLITS, Run
from core.config import Config, with_settings
from core.data.places import Place
from core.errors import ResourceError
from core.evaluation import projection
from core.features.filterbanks import ast_band_centres
from core.features.fine_axes import SIZE
from core.models.attribution import explain_clip
from core.models.autoencoder import MultiTaskAutoencoder
from core.models.fine_spectrum import FineSpectrumClassifier
from core.models.transformer import ASTTransformerEncoder, CNNEncoder
from core.phases import explain
from core.pipeline import execute, statuses
from core.training import checkpoints
from tests.conftest import small_config

MAPS = ("rows", "rollout", "last_layer", "patch_seconds", "patch_hertz", "patch_bins")


def attention(run: Run) -> dict[str, np.ndarray]:
    return storage.read_npz(run.attention_maps, MAPS, "")


def splits(run: Run, rows: np.ndarray) -> list[str]:
    clips = run.read_clips()
    return [clips[row].split for row in rows]


def explained(run: Run, place: Place, *settings: str) -> Run:
    execute(run, small_config(*settings), place, only=["explain"])
    return run


# Pictures


def test_every_log_mel_stands_in_the_row_of_its_clip(finished: Run) -> None:
    stored, expected = storage.read_npy(finished.log_mel, ""), finished.read_dataset().log_mel
    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored, expected.astype(np.float16))
    assert np.abs(stored[:-1] - stored[1:]).max(axis=(1, 2)).min() > 0, "all clips the same: rows could be mixed up"


def test_one_clips_row_is_read_without_the_others(finished: Run) -> None:
    for path in (finished.log_mel, finished.reconstructions, finished.artefact_contributions):
        assert isinstance(storage.read_npy(path, ""), np.memmap)


def test_the_reconstructions_have_the_errors_that_the_autoencoder_phase_measured(finished: Run) -> None:
    model, _ = checkpoints.load(finished.checkpoint("ae_multitask_best"), "")
    assert isinstance(model, MultiTaskAutoencoder)
    difference = storage.read_npy(finished.reconstructions, "") - finished.read_dataset().log_mel
    errors = ((difference / model.normalise.deviation.numpy()) ** 2).mean(axis=(1, 2))
    measured = finished.read_splits(finished.ae_losses, "autoencoder")
    np.testing.assert_allclose(errors, measured, rtol=2e-3)
    assert measured.std() > 0.02 * measured.mean(), "the errors are alike: rows could be mixed up"


# Artefacts


def test_the_contributions_of_a_clip_add_up_to_how_far_its_score_is_from_the_references(finished: Run) -> None:
    model, _ = checkpoints.load(finished.checkpoint("fine_spectrum_best"), "")
    assert isinstance(model, FineSpectrumClassifier)
    reference = storage.read_npy(finished.artefact_reference, "")
    fine = storage.read_npy(finished.fine_spectrum, "")
    with torch.inference_mode():
        logits = model(torch.from_numpy(np.concatenate([fine, reference[None]])))
    odds = (logits[:, 1] - logits[:, 0]).numpy()
    contributions = storage.read_npy(finished.artefact_contributions, "")
    assert contributions.shape == (len(finished.read_clips()), SIZE)
    np.testing.assert_allclose(contributions.sum(axis=1, dtype=np.float64), odds[:-1] - odds[-1], atol=2e-3)
    assert np.ptp(odds) > 0.1


def test_the_reference_is_the_mean_of_human_training_clips_alone(finished: Run) -> None:
    chosen = [clip.row for clip in finished.read_clips() if (clip.split, clip.label) == ("train", 0)]
    expected = np.mean([storage.read_npy(finished.fine_spectrum, "")[row] for row in chosen], axis=0)
    np.testing.assert_allclose(storage.read_npy(finished.artefact_reference, ""), expected, atol=1e-4)


# Attention


def test_attention_is_kept_of_test_clips_first_and_then_of_all_others(finished: Run) -> None:
    rows = attention(finished)["rows"]
    assert sorted(rows) == list(range(len(finished.read_clips())))
    order = splits(finished, rows)
    assert order == sorted(order, key=("test", "val", "train").index)


def test_a_clips_attention_is_what_the_transformer_shows_for_its_filterbank(finished: Run) -> None:
    encoder, _ = checkpoints.load(finished.checkpoint("transformer_best"), "")
    assert isinstance(encoder, ASTTransformerEncoder)
    maps, filterbanks = attention(finished), storage.read_npy(finished.filterbank, "")
    for place in (0, len(maps["rows"]) - 1):
        rollout, last = explain_clip(encoder, filterbanks[maps["rows"][place]].astype(np.float32))
        np.testing.assert_allclose(maps["rollout"][place], rollout.patches, rtol=1e-3)
        np.testing.assert_allclose(maps["last_layer"][place], last.patches, rtol=1e-3)
        np.testing.assert_allclose(maps["patch_seconds"], rollout.patch_seconds)
        np.testing.assert_allclose(maps["patch_bins"], rollout.patch_bins)


def test_every_map_is_on_one_grid_of_rising_hertz_and_seconds_and_adds_up_to_one(finished: Run) -> None:
    maps = attention(finished)
    for name in ("rollout", "last_layer"):
        assert maps[name].shape == (len(maps["rows"]), len(maps["patch_hertz"]), len(maps["patch_seconds"]))
        np.testing.assert_allclose(maps[name].sum(axis=(1, 2)), 1, rtol=1e-4)
    below = np.floor(maps["patch_bins"]).astype(int)
    centres = ast_band_centres()
    assert np.all((centres[below] <= maps["patch_hertz"]) & (maps["patch_hertz"] <= centres[below + 1]))
    assert np.all(np.diff(maps["patch_seconds"]) > 0)
    assert 0 < maps["patch_seconds"][0] < maps["patch_seconds"][-1] < 5


def test_a_few_maps_are_of_test_clips_of_both_classes(copy: Run, demo_place: Place) -> None:
    rows = attention(explained(copy, demo_place, "explain.attention_clips=4"))["rows"]
    assert splits(copy, rows) == ["test"] * 4
    assert [copy.read_clips()[row].label for row in rows].count(0) == 2


def test_an_encoder_without_attention_leaves_no_maps(
    copy: Run, demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = checkpoints.load

    def load(path: Path, remedy: str) -> tuple[torch.nn.Module, Config]:
        model, config = original(path, remedy)
        is_encoder = path.stem == "transformer_best"
        return (CNNEncoder(config.transformer) if is_encoder else model), config

    monkeypatch.setattr(checkpoints, "load", load)
    maps = attention(explained(copy, demo_place, "explain.seed=1"))
    assert len(maps["rows"]) == len(maps["rollout"]) == len(maps["last_layer"]) == 0


# Map


def test_the_map_holds_every_embedding_of_clips_of_all_splits(finished: Run) -> None:
    names = ("ae", "transformer_frozen", "transformer_finetuned", "hybrid", "three_way")
    places = storage.read_npz(finished.map, ["rows", "perplexity", *names], "")
    assert places["rows"].tolist() == list(range(len(finished.read_clips())))
    assert set(splits(finished, places["rows"])) == set(SPLITS)
    assert all(places[name].shape == (len(places["rows"]), 2) for name in names)
    assert 1 <= float(places["perplexity"]) <= (len(places["rows"]) - 1) / 3
    assert all(np.abs(places[a] - places[b]).max() > 1 for a, b in pairwise(names))


def test_neighbours_in_an_embedding_are_neighbours_on_its_map(finished: Run) -> None:
    places = storage.read_npz(finished.map, ["rows", "three_way"], "")
    embedding = finished.read_splits(finished.fusion, "hybrid", "three_way_fused_")[places["rows"]]
    standard = (embedding - embedding.mean(axis=0)) / np.maximum(embedding.std(axis=0), 1e-9)
    near = [
        NearestNeighbors(n_neighbors=8).fit(x).kneighbors(return_distance=False)
        for x in (standard, places["three_way"])
    ]
    shared = np.mean([len(set(a) & set(b)) for a, b in zip(*near, strict=True)]) / 8
    assert shared > 2 * 8 / (len(embedding) - 1), "no more than chance"


def test_a_small_map_gives_every_split_and_class_its_share(copy: Run, demo_place: Place) -> None:
    rows = storage.read_npz(explained(copy, demo_place, "explain.map_clips=24").map, ["rows"], "")["rows"]
    clips = copy.read_clips()
    assert len(rows) == 24
    for split in SPLITS:
        for label in (0, 1):
            whole = sum((clip.split, clip.label) == (split, label) for clip in clips)
            assert sum((clips[row].split, clips[row].label) == (split, label) for row in rows) == whole / 2


# The phase among the others


def test_a_run_that_knew_nothing_of_this_phase_opens_and_is_given_it(copy: Run, demo_place: Place) -> None:
    value = json.loads(copy.description.read_text())
    del value["config"]["explain"]
    copy.description.write_text(json.dumps(value))
    for path in (copy.record("explain"), copy.log_mel, copy.reconstructions, copy.attention_maps, copy.map):
        path.unlink()
    config = copy.read_description()[1]
    assert config == small_config()
    listing = demo_place.listing(config.split)
    assert [status.phase.name for status in statuses(copy, config, listing) if not status.valid] == ["explain"]
    execute(copy, config, demo_place, only=["explain"])
    assert all(status.valid for status in statuses(copy, config, listing))


def test_the_work_of_an_interrupted_phase_is_taken_up_and_cleared_away(
    copy: Run, demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {path: storage.sha256(path) for path in (copy.attention_maps, copy.map)}
    monkeypatch.setattr(explain, "ATTENTION_BLOCK", 16)
    config = small_config()

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(projection, "tsne", stopped)
    with pytest.raises(KeyboardInterrupt):
        execute(copy, config, demo_place, only=["explain"], force=["explain"])
    kept = sorted(copy.work.glob("explain-*-attention-*.npz"))
    assert len(kept) == 3
    kept[1].unlink()
    monkeypatch.undo()
    monkeypatch.setattr(explain, "ATTENTION_BLOCK", 16)
    explained_clips: list[np.ndarray] = []
    monkeypatch.setattr(
        explain, "explain_clip", lambda encoder, clip: explained_clips.append(clip) or explain_clip(encoder, clip)
    )
    execute(copy, config, demo_place, only=["explain"])
    assert len(explained_clips) == 16, "only the block that was missing"
    assert {path: storage.sha256(path) for path in expected} == expected
    assert not list(copy.work.glob("explain-*"))


def test_a_full_disk_is_noticed_before_anything_is_written(
    copy: Run, demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(copy.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    with pytest.raises(ResourceError, match="are needed on this disk"):
        explained(copy, demo_place, "explain.seed=1")


def test_the_space_needed_is_that_of_the_files(finished: Run) -> None:
    clips = len(finished.read_clips())
    files = (finished.log_mel, finished.reconstructions, finished.artefact_contributions)
    assert explain.bytes_needed(clips, Config()) == pytest.approx(sum(path.stat().st_size for path in files), rel=1e-3)
    assert explain.bytes_needed(clips, with_settings(Config(), ["spectrogram.n_mels=64"])) < 0.6 * sum(
        path.stat().st_size for path in files
    )
