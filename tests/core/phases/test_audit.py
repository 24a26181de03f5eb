"""What the audit asks the models, and that a source which is left out is really left out."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.artifacts import DETECTORS, Clip, Run
from core.audio.clips import read_clip
from core.audio.transforms import TRANSFORMS
from core.config import Config
from core.data.places import Place, manifest
from core.errors import ArtifactError, ConfigError
from core.features.front_end import pictures
from core.phases import audit, retraining
from core.pipeline import NAMES, execute
from core.verdict.detector import Detector
from tests.conftest import small_config
from tests.support.sharing import made_once

TRANSFORMED = ["rows", "transforms", *(f"probability_{name}" for name in DETECTORS)]


def clip(row: int, label: int, source: str, split: str) -> Clip:
    return Clip(row, f"{source}/{row}.wav", label, f"{source}{row}", source, split, 16000, 5.0, "WAV", "", str(row))


def clips_of(*sources: tuple[int, str]) -> list[Clip]:
    """Return clips in row order: four of each source for training, one each for validation and test."""
    splits = ["train"] * 4 + ["val", "test"]
    listed = [(label, source, split) for label, source in sources for split in splits]
    listed.sort(key=lambda item: ("train", "val", "test").index(item[2]))
    return [clip(row, *item) for row, item in enumerate(listed)]


SOURCES = ((0, "fma"), (0, "gtzan"), (1, "musicgen"), (1, "yue"), (1, "riffusion"))


# Detector


def test_the_detector_gives_what_the_pipeline_gave(finished: Run, demo_place: Place) -> None:
    """One path from a file to a probability, for training and for serving."""
    detector, clips = Detector(finished), finished.read_clips()
    waveforms = [read_clip(demo_place.root / c.path, detector.config.audio).waveform for c in clips]
    known = retraining.known_probabilities(finished, clips)
    for name, values in detector.read([pictures(waveform, detector.config) for waveform in waveforms]).items():
        np.testing.assert_allclose(values, known[name], atol=2e-2, err_msg=name)  # bfloat16 in other batches


def test_a_missing_checkpoint_names_the_phase_that_makes_it(finished: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(finished.folder, copy.folder)
    copy.checkpoint("three_way_best").unlink()
    with pytest.raises(ArtifactError, match="--only hybrid"):
        Detector(copy)


def test_equalised_clips_of_any_level_look_the_same() -> None:
    config = Config()
    config = replace(config, audio=replace(config.audio, equalise=True, equalise_rate=12_000))
    waveform = (0.1 * np.random.default_rng(0).standard_normal(config.audio.samples)).astype(np.float32)
    quiet, loud = (pictures(level * waveform, config) for level in (0.1, 1.0))
    difference = np.abs(quiet.filterbank.astype(np.float32) - loud.filterbank.astype(np.float32))
    assert difference.mean() < 0.005  # the codec rounds differently, now and then
    plain = pictures(waveform, replace(config, audio=replace(config.audio, equalise=False)))
    above = slice(120, 128)  # bands over 6 kHz
    assert loud.log_mel[above].mean() < plain.log_mel[above].mean() - 20  # dB


# Robustness


def test_the_audit_asks_about_every_transform(finished: Run) -> None:
    arrays = storage.read_npz(finished.robustness, TRANSFORMED, "")
    assert arrays["transforms"].tolist() == ["clean", *(transform.name for transform in TRANSFORMS)]
    assert len(arrays["rows"]) == 4
    for name in DETECTORS:
        answers = arrays[f"probability_{name}"]
        assert answers.shape == (1 + len(TRANSFORMS), 4)
        assert ((answers >= 0) & (answers <= 1)).all()
        assert np.ptp(answers, axis=0).max() > 0


def test_clean_answers_are_those_of_the_run(finished: Run) -> None:
    answers = storage.read_npz(finished.robustness, TRANSFORMED, "")
    known = retraining.known_probabilities(finished, finished.read_clips())
    for name in DETECTORS:
        clean = answers[f"probability_{name}"][0]
        np.testing.assert_allclose(clean, known[name][answers["rows"]], atol=2e-2, err_msg=name)


def test_only_test_clips_of_both_classes_are_tested() -> None:
    clips = clips_of(*SOURCES)
    rows = audit.tested_rows(clips, 4)
    assert {clips[row].split for row in rows} == {"test"}
    assert sorted(clips[row].label for row in rows) == [0, 0, 1, 1]
    assert len(audit.tested_rows(clips, 1000)) == len(SOURCES)


def test_audio_that_has_moved_is_said_before_any_work(finished: Run, demo_place: Place, tmp_path: Path) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(finished.folder, copy.folder)
    copy.write_description({"root": str(tmp_path), "human": "", "ai": "", "manifest": ""}, small_config(), demo=False)
    with pytest.raises(ArtifactError, match="48 of 48 audio files are gone"):
        audit.run(copy, small_config(), "print")


# Unseen sources


def test_every_source_is_left_out_once_beside_one_of_the_other_class() -> None:
    folds = retraining.folds(clips_of(*SOURCES), "all")
    left_out = [source for fold in folds for source in fold.sources]
    assert sorted(left_out) == sorted(SOURCES)
    assert len(folds) == 3
    assert all(len({label for label, _ in fold.sources}) == len(fold.sources) for fold in folds)


def test_named_sources_alone_are_left_out_and_a_wrong_name_is_refused() -> None:
    clips = clips_of(*SOURCES)
    assert [fold.sources for fold in retraining.folds(clips, "yue, fma")] == [((0, "fma"), (1, "yue"))]
    with pytest.raises(ConfigError, match="Choose all, or from: fma"):
        retraining.folds(clips, "suno")


def test_nothing_of_a_source_is_left_in_training_or_validation() -> None:
    clips = clips_of(*SOURCES)
    fold = retraining.Fold(((0, "gtzan"), (1, "yue")))
    parts = retraining.split_without(clips, fold)
    assert sorted(part.row for part in parts) == list(range(len(clips)))
    assert all(part.split == "test" for part in parts if part.source in ("gtzan", "yue"))
    assert all(part.split == clips[part.row].split for part in parts if part.source not in ("gtzan", "yue"))


def test_a_song_that_stands_in_two_sources_leaves_training_with_either() -> None:
    clips = clips_of(*SOURCES)
    clips[0] = replace(clips[0], group="shared")  # fma, train
    twin = next(c for c in clips if c.source == "gtzan" and c.split == "train")
    clips[twin.row] = replace(twin, group="shared")
    fold = retraining.Fold(((0, "gtzan"),))
    parts = retraining.split_without(clips, fold)
    assert next(part for part in parts if part.row == 0).split == "test"
    lines = retraining.judgements(fold, parts, {})
    assert 0 not in lines["row"], "it is neither known nor unheard"


def test_where_two_sources_together_would_empty_a_split_each_is_tried_alone() -> None:
    clips = clips_of((0, "fma"), (1, "yue"), (1, "riffusion"))
    possible = [part for fold in retraining.folds(clips, "all") for part in retraining.possible_folds(clips, fold)]
    assert sorted(source for fold in possible for source in fold.sources) == [(0, "fma"), (1, "riffusion"), (1, "yue")]
    assert all(len(fold.sources) == 1 for fold in possible)


def test_a_wrong_name_is_refused_before_any_work(demo_place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no source suno"):
        execute(Run(tmp_path / "run"), small_config("audit.leave_out=suno,"), demo_place)
    assert not Run(tmp_path / "run").clips_table.exists()


def test_a_source_that_is_its_whole_class_cannot_be_left_out() -> None:
    clips = clips_of((0, "fma"), (1, "yue"), (1, "riffusion"))
    parts = retraining.split_without(clips, retraining.Fold(((0, "fma"),)))
    assert "train human" in retraining.lacking_classes(parts)
    assert not retraining.lacking_classes(retraining.split_without(clips, retraining.Fold(((1, "yue"),))))


def test_a_judged_source_never_stands_beside_the_other_one_left_out() -> None:
    clips = clips_of(*SOURCES)
    fold = retraining.Fold(((0, "gtzan"), (1, "yue")))
    parts = retraining.split_without(clips, fold)
    lines = retraining.judgements(fold, parts, {"cnn": np.array([part.row for part in parts], dtype=float)})
    np.testing.assert_array_equal(lines["probability_cnn"], lines["row"])
    judged = {
        (str(s), str(role)): clips[row].source
        for s, row, role in zip(lines["source"], lines["row"], lines["role"], strict=True)
        if role == "held_out"
    }
    assert judged == {("gtzan", "held_out"): "gtzan", ("yue", "held_out"): "yue"}
    others = {clips[row].source for row, role in zip(lines["row"], lines["role"], strict=True) if role != "held_out"}
    assert others == {"fma", "musicgen", "riffusion"}


def test_a_part_of_a_run_holds_each_clips_own_features(finished: Run, tmp_path: Path) -> None:
    clips = finished.read_clips()
    shuffled = sorted(
        (replace(c, split="test") if c.row < 5 else c for c in clips),
        key=lambda c: (("train", "val", "test").index(c.split), c.row),
    )
    part = Run(tmp_path / "part")
    retraining.fill_part(finished, part, shuffled)
    dataset, whole = part.read_dataset(), finished.read_dataset()
    fine, whole_fine = (storage.read_npy(run.fine_spectrum, "") for run in (part, finished))
    for row, clip in enumerate(shuffled):
        assert dataset.clips[row].path == clip.path
        np.testing.assert_array_equal(dataset.log_mel[row], whole.log_mel[clip.row])
        np.testing.assert_array_equal(fine[row], whole_fine[clip.row])


@pytest.fixture(scope="module")
def four_sources(demo_place: Place) -> Run:
    """Return a run whose clips are said to come from two sources a class, with seeds and unseen sources audited."""
    rows = ["path,label,group,source"]
    for candidate in demo_place.candidates(Config().split):
        number = sum(candidate.group.encode()) % 2
        label = ("human", "ai")[candidate.label]
        rows.append(f"{candidate.name},{label},{candidate.group},{label}-{number}")
    table = demo_place.root / "sources.csv"
    settings = ["train.seeds=2", "audit.leave_out=all", "audit.robustness_clips=0", "train.waveform_copies=1"]
    settings += ["autoencoder.recipe.epochs=1", "transformer.recipe.epochs=1", "baselines.cnn.epochs=1"]
    until_audit = NAMES[: NAMES.index("audit") + 1]

    def make(folder: Path) -> None:
        table.write_text("\n".join(rows) + "\n", encoding="utf-8")
        execute(Run(folder / "sources"), small_config(*settings), manifest(table), only=until_audit)

    return Run(made_once("four sources", make) / "sources")


def test_leave_one_source_out_answers_for_every_source(four_sources: Run) -> None:
    names = ["source", "role", "row", *(f"probability_{name}" for name in DETECTORS)]
    lines = storage.read_npz(four_sources.leave_out, names, "")
    clips = four_sources.read_clips()
    assert set(lines["source"].tolist()) == {"human-0", "human-1", "ai-0", "ai-1"}
    for source in set(lines["source"].tolist()):
        chosen = (lines["source"] == source) & (lines["role"] == "held_out")
        assert sorted(lines["row"][chosen]) == sorted(c.row for c in clips if c.source == source)
    assert not list(four_sources.work.glob("*"))


def test_another_seed_gives_other_answers(four_sources: Run) -> None:
    answers = storage.read_npz(four_sources.seeds, ["seeds", "probability_cnn"], "")
    assert answers["seeds"].tolist() == [0, 1]
    known = retraining.known_probabilities(four_sources, four_sources.read_clips())["cnn"]
    np.testing.assert_array_equal(answers["probability_cnn"][0], known)
    assert not np.array_equal(answers["probability_cnn"][1], known)


def test_degraded_versions_are_of_training_clips_alone(four_sources: Run) -> None:
    train = sum(c.split == "train" for c in four_sources.read_clips())
    whole = four_sources.read_dataset()
    copies = four_sources.read_copies("log_mel")
    assert copies is not None
    assert copies.shape == (1, train, *whole.log_mel.shape[1:])
    different = [not np.allclose(copies[0, row], whole.log_mel[row], atol=0.1) for row in range(train)]
    assert np.mean(different) > 0.7
    latents = four_sources.read_training_copies(four_sources.ae_latents, "autoencoder")
    assert latents is not None
    assert latents.shape[:2] == (1, train)
