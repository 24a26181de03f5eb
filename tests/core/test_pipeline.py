"""The whole work on a small data set: every file the specification names, nothing done twice, nothing built on sand."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from sklearn.metrics import roc_auc_score
from transformers import ASTConfig, ASTModel

from core import storage
from core.artifacts import DETECTORS, ROOT, SPLITS, PhaseRecord, Run
from core.audio.clips import ClipAudio, read_clip
from core.config import AudioConfig, Config, SplitConfig, with_settings
from core.data.places import Place, manifest, place_of
from core.data.search import Search, search
from core.data.splits import missing_sources, split_songs
from core.errors import ArtifactError, AudioError, ConfigError, DataError, DetectorError, ResourceError, WeightsError
from core.evaluation.attention import attention_sentences
from core.evaluation.detectors import comparison_table
from core.features.fine_axes import SIZE
from core.models.transformer import Encoder
from core.phases import prepare
from core.phases.prepare import bytes_needed
from core.pipeline import NAMES, PHASES, execute, statuses
from core.training import checkpoints
from scripts import pipeline as command
from tests.conftest import small_config
from tests.support.sharing import made_once


def hashes(run: Run) -> dict[str, str]:
    """Return the hashes of everything a run made but what holds times."""
    timed = ("run.json", "results.json")
    made = [path for path in run.folder.rglob("*") if path.suffix in (".npz", ".npy", ".pth", ".csv", ".json", ".png")]
    return {run.relative(p): storage.sha256(p) for p in made if p.name not in timed and p.parent.name != "phases"}


def ran(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the phases that the log says were started."""
    return [name for name in NAMES if any(f"{name}: starting" in message for message in caplog.messages)]


# What a run leaves behind


def test_every_file_the_specification_names_is_there(finished: Run) -> None:
    names = [
        "dataset.npz",
        "clips.csv",
        "skipped.csv",
        "features/ae_latents.npz",
        "features/ae_losses.npz",
        "features/transformer_embeddings.npz",
        "checkpoints/ae_multitask_last.pth",
        "checkpoints/ae_multitask_best.pth",
        "checkpoints/cnn_best.pth",
        "checkpoints/cnn_last.pth",
        "checkpoints/ae_classifier_best.pth",
        "checkpoints/transformer_classifier_best.pth",
        "checkpoints/hybrid_best.pth",
        "history/cnn.csv",
        "history/hybrid.csv",
        "results/model_comparison_table.csv",
        "results/model_comparison_table.json",
        "results/results.json",
        "results/predictions.csv",
        "results/attention_weights.csv",
        "results/confusion_matrices.png",
        "results/roc_curves.png",
        "results/tsne.png",
        "results/metrics_comparison.png",
        "results/attention.png",
        "results/training_curves.png",
        "results/ae_curves.png",
        "results/ae_reconstructions.png",
        "results/tsne_transformer_modes.png",
    ]
    assert [name for name in names if not (finished.folder / name).is_file()] == []


def test_the_dataset_loads_without_pickle_and_tells_everything(finished: Run) -> None:
    with np.load(finished.dataset, allow_pickle=False) as data:
        assert data["train_X"].shape[1:] == (128, 157)
        assert data["train_X"].dtype == np.float32
        for split in SPLITS:
            assert len(data[f"{split}_X"]) == len(data[f"{split}_y"]) == (data["splits"] == split).sum()
            assert set(data[f"{split}_y"].tolist()) == {0, 1}
        assert len(data["paths"]) == len(data["groups"]) == len(data["sources"]) == 48
        assert json.loads(str(data["settings"]))["spectrogram"]["n_mels"] == 128


def test_no_song_is_in_two_splits(finished: Run) -> None:
    homes = {(clip.group, clip.split) for clip in finished.read_clips()}
    assert len(homes) == len({group for group, _ in homes}) == 24


def test_embeddings_belong_to_their_clips_and_are_not_constant(finished: Run) -> None:
    clips = finished.read_clips()
    for path, size in ((finished.ae_latents, 256), (finished.transformer_embeddings, 512)):
        values = finished.read_splits(path, "prepare")
        assert values.shape == (len(clips), size)
        assert values.std(axis=0).mean() > 1e-4


def test_statistics_never_see_validation_or_test(finished: Run) -> None:
    model, _ = checkpoints.load(finished.checkpoint("cnn_best"), "")
    train = finished.read_dataset().log_mel[finished.read_dataset().rows("train")]
    mean, everything = train.mean(), finished.read_dataset().log_mel.mean()
    assert float(model.normalise.mean) == pytest.approx(mean, abs=1e-3)  # type: ignore[arg-type]
    assert abs(everything - mean) > 0.01, "the test could not tell the difference"


def test_predictions_hold_one_row_per_clip_and_model(finished: Run) -> None:
    with finished.predictions.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "song", "source", "split", "label", "model", "probability", "prediction"]
    assert Counter(row["model"] for row in rows) == dict.fromkeys(DETECTORS, 48)
    models = finished.read_results()["models"]
    for row in rows:
        assert 0 <= float(row["probability"]) <= 1
        called = float(row["probability"]) >= float(f"{models[row['model']]['threshold']:.8g}")
        assert row["prediction"] == ("ai" if called else "human")


def test_results_are_those_of_the_predictions_over_the_whole_split(finished: Run) -> None:
    results = finished.read_results()
    with finished.predictions.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for name in DETECTORS:
        of_model = [row for row in rows if row["model"] == name]
        labels = [row["label"] == "ai" for row in of_model]
        probabilities = [float(row["probability"]) for row in of_model]
        scores = results["models"][name]["test"]
        assert scores["n"] == len(of_model)
        assert scores["accuracy"] == pytest.approx(np.mean([row["label"] == row["prediction"] for row in of_model]))
        assert scores["roc_auc"] == pytest.approx(roc_auc_score(labels, probabilities))
        assert scores["intervals"]["roc_auc"] is None  # of the few songs that a small run tests


def test_the_table_is_sorted_by_accuracy_and_equals_the_results(finished: Run) -> None:
    rows = json.loads(finished.comparison_json.read_text())
    assert [row["Accuracy"] for row in rows] == sorted((row["Accuracy"] for row in rows), reverse=True)
    assert rows == comparison_table(finished.read_results()["models"])


def test_the_run_says_which_encoder_made_the_embeddings_and_never_calls_it_ast(finished: Run) -> None:
    encoder = finished.read_results()["encoder"]
    assert (encoder["kind"], encoder["name"]) == ("ast-small-scratch", "Small AST from scratch")
    assert encoder["modes"] == ["frozen", "finetuned"]
    assert encoder["mode"] in encoder["modes"]


def test_the_reconstruction_is_measured_beside_the_mean_spectrogram(finished: Run) -> None:
    reconstruction = finished.read_results()["reconstruction"]
    train = finished.read_dataset().log_mel[finished.read_dataset().rows("train")]
    test = finished.read_dataset().log_mel[finished.read_dataset().rows("test")]
    model, _ = checkpoints.load(finished.checkpoint("ae_multitask_best"), "")
    deviation = model.normalise.deviation.numpy()  # type: ignore[union-attr]
    expected = (((test - train.mean(axis=0)) / deviation) ** 2).mean()
    assert reconstruction["mean_spectrogram_mse"] == pytest.approx(float(expected), rel=1e-3)
    assert 0 < reconstruction["test_mse"] < 10


def test_the_attention_is_put_into_words_from_its_numbers(finished: Run) -> None:
    attention = finished.read_results()["attention"]
    for label in ("human", "ai"):
        means = [attention["mean_weights"][branch][label]["mean"] for branch in ("autoencoder", "transformer")]
        assert sum(means) == pytest.approx(1, abs=1e-4)
    changed = json.loads(json.dumps(attention))
    changed["mean_weights"]["autoencoder"]["ai"]["mean"] = 0.123
    assert "12% to the autoencoder" in " ".join(attention_sentences(changed, 8))
    assert set(attention["without"]) == {"autoencoder", "transformer"}


# Nothing twice, and nothing stale


def test_a_second_run_does_nothing(copy: Run, demo_place: Place, caplog: pytest.LogCaptureFixture) -> None:
    before = hashes(copy)
    caplog.set_level("INFO")
    execute(copy, small_config(), demo_place)
    assert ran(caplog) == []
    assert sum("skipped" in message for message in caplog.messages) == len(PHASES)
    assert hashes(copy) == before


def test_a_clip_that_could_not_be_opened_is_read_as_soon_as_it_can_be(
    demo_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights, unlike contents, leave no trace in size and time of change."""
    locked, run = sorted(demo_place.root.rglob("*.wav"))[0], Run(tmp_path / "run")

    def refuse(path: Path, config: AudioConfig) -> ClipAudio:
        if path == locked:
            raise AudioError(path, "path", "cannot be opened (Permission denied)", "Check the permissions")
        return read_clip(path, config)

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "read_clip", refuse)
        execute(run, small_config(), demo_place, only=["prepare"])
    assert len(run.read_clips()) == 47
    state = statuses(run, small_config(), demo_place.listing(SplitConfig()))[0]
    assert state.reason == f"can be read now: {demo_place.listing(SplitConfig()).name(locked)}"
    execute(run, small_config(), demo_place, only=["prepare"])
    assert len(run.read_clips()) == 48
    assert statuses(run, small_config(), demo_place.listing(SplitConfig()))[0].valid


def test_a_command_that_is_refused_leaves_the_run_as_it_was(copy: Run, demo_place: Place, tmp_path: Path) -> None:
    before, description = hashes(copy), copy.description.read_bytes()
    humans = tmp_path / "humans.csv"
    human = demo_place.root / demo_place.human
    rows = [f"{path.name},human,{path.stem}," for path in sorted(human.glob("*.wav"))]
    shutil.copytree(human, tmp_path, dirs_exist_ok=True)
    humans.write_text("\n".join(["path,label,group,source", *rows]), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for place in (manifest(humans), Place(tmp_path, demo_place.human, "empty"), Place(tmp_path, "gone", "empty")):
        with pytest.raises(DataError):
            execute(copy, small_config(), place, force=["baselines"])
        assert copy.description.read_bytes() == description
    changed = with_settings(small_config(), ["audit.leave_out=nobody"])
    with pytest.raises(ConfigError):
        execute(copy, changed, demo_place, force=["baselines"])
    assert copy.description.read_bytes() == description
    assert hashes(copy) == before


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("evaluation.threshold=0.4", ["evaluate"]),
        ("hybrid.recipe.epochs=2", ["hybrid", "audit", "evaluate", "explain"]),
        ("baselines.ae_classifier.epochs=2", ["baselines", "audit", "evaluate", "explain"]),
        ("explain.attention_clips=5", ["explain"]),
    ],
)
def test_a_changed_setting_makes_its_phase_stale_and_what_depends_on_it(
    finished: Run, demo_place: Place, setting: str, expected: list[str]
) -> None:
    config = small_config(setting)
    plan = statuses(finished, config, demo_place.listing(config.split))
    stale = [status for status in plan if not status.valid]
    assert [status.phase.name for status in stale] == expected
    assert stale[0].reason == f"changed: {setting.partition('=')[0]}"


def test_what_a_changed_setting_makes_stale_is_run_and_nothing_else(
    copy: Run, demo_place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    execute(copy, small_config("hybrid.recipe.epochs=2", "explain.attention_clips=5"), demo_place)
    assert ran(caplog) == ["hybrid", "audit", "evaluate", "explain"]
    assert any("changed: hybrid.recipe.epochs" in message for message in caplog.messages)


def test_a_file_touched_but_not_changed_costs_one_phase(
    copy: Run, demo_place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    record = copy.read_record("prepare")
    assert record is not None
    copy.write_record(PhaseRecord(**{**vars(record), "settings": {**record.settings, "clips": "touched"}}))
    caplog.set_level("INFO")
    execute(copy, small_config(), demo_place)
    assert ran(caplog) == ["prepare"]


MADE_BY = {
    "features/ae_latents.npz": "autoencoder",
    "checkpoints/hybrid_best.pth": "hybrid",
    "results/results.json": "evaluate",
}


def damage(path: Path, how: str) -> None:
    """Delete a file, keep its first bytes alone, or turn one bit of it."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if how != "gone":
        path.write_bytes(bytes(content) if how == "flipped" else bytes(content[:100]))


@pytest.mark.parametrize("name", MADE_BY)
@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_a_damaged_file_is_named_and_its_phase_is_stale(copy: Run, demo_place: Place, name: str, how: str) -> None:
    damage(copy.folder / name, how)
    plan = statuses(copy, small_config(), demo_place.listing(small_config().split))
    first = next(status for status in plan if not status.valid)
    assert (first.phase.name, first.reason) == (MADE_BY[name], f"missing or damaged: {name}")


@pytest.mark.parametrize(("name", "how"), list(zip(MADE_BY, ["gone", "cut", "flipped"], strict=True)))
def test_a_damaged_file_is_made_again_the_same_and_nothing_else(
    copy: Run, demo_place: Place, caplog: pytest.LogCaptureFixture, name: str, how: str
) -> None:
    before = hashes(copy)
    damage(copy.folder / name, how)
    caplog.set_level("INFO")
    execute(copy, small_config(), demo_place)
    assert any(f"missing or damaged: {name}" in message for message in caplog.messages)
    assert ran(caplog) == [MADE_BY[name]]
    assert hashes(copy) == before


def test_forcing_a_phase_runs_it_again_to_the_same_bytes(
    copy: Run, demo_place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    before = hashes(copy)
    caplog.set_level("INFO")
    execute(copy, small_config(), demo_place, force=["hybrid"])
    assert ran(caplog) == ["hybrid"]
    assert any("hybrid epoch 1" in message for message in caplog.messages)
    assert hashes(copy) == before


def test_a_phase_alone_refuses_to_build_on_what_is_missing_or_stale(copy: Run, demo_place: Place) -> None:
    with pytest.raises(ArtifactError, match="phase autoencoder: changed: autoencoder.recipe.epochs"):
        execute(copy, small_config("autoencoder.recipe.epochs=9"), demo_place, only=["hybrid"])
    copy.record("prepare").unlink()
    with pytest.raises(ArtifactError, match=r"phase prepare: not made yet. Run `python -m scripts.pipeline run"):
        execute(copy, small_config(), demo_place, only=["autoencoder"])


def test_a_second_run_into_the_same_folder_is_refused(copy: Run, demo_place: Place) -> None:
    with storage.lock(copy.lock("transformer")):
        with pytest.raises(ResourceError, match="transformer phase of this run"):
            execute(copy, small_config(), demo_place)
        execute(copy, small_config(), demo_place, only=["autoencoder"])  # does not need the transformer


def test_the_plan_tells_what_stands_after_an_invalid_phase(copy: Run, demo_place: Place) -> None:
    copy.ae_latents.unlink()
    config = small_config()
    by_name = {status.phase.name: status for status in statuses(copy, config, demo_place.listing(config.split))}
    assert not by_name["autoencoder"].valid
    assert by_name["transformer"].valid
    assert by_name["baselines"].reason == "after autoencoder"


def test_the_list_of_phases_loads_no_phase_and_none_of_their_libraries() -> None:
    """Pages ask it, too."""
    heavy = ("torch", "transformers", "librosa", "sklearn", "scipy", "soundfile", "matplotlib", "core.phases")
    code = f"import sys, core.pipeline; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_clips_are_listed_once_however_many_ask_for_them(
    demo_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Path] = []

    def counted(folder: Path) -> Search:
        searched.append(folder)
        return search(folder)

    monkeypatch.setattr("core.data.places.search", counted)
    config = small_config("audit.leave_out=synthlab")
    for times in (1, 2):  # made, then found up to date
        execute(Run(tmp_path / "run"), config, demo_place, only=["prepare"])
        assert searched == times * [demo_place.root / demo_place.human, demo_place.root / demo_place.ai]


def test_a_record_that_names_files_outside_the_run_is_none_of_ours(copy: Run, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    record = copy.read_record("prepare")
    assert record is not None
    for name in ("../precious.txt", str(precious)):
        copy.write_record(PhaseRecord(**{**vars(record), "outputs": {name: "0"}}))
        assert copy.read_record("prepare") is None
    copy.record("prepare").write_text('{"phase": "prepare", "outputs": null}')
    assert copy.read_record("prepare") is None
    assert precious.exists()


def test_a_phase_that_only_leaves_out_cannot_be_forced(copy: Run, demo_place: Place) -> None:
    before = hashes(copy)
    with pytest.raises(ConfigError, match="--force prepare: it is not among the phases of --only"):
        execute(copy, small_config(), demo_place, only=["evaluate"], force=["prepare"])
    assert hashes(copy) == before


# What settings add


@pytest.fixture(scope="module")
def elaborate(finished: Run, demo_place: Place) -> Run:
    """Return a run with single-task autoencoders, end-to-end tuning and pretrained weights from a local folder."""

    def make(folder: Path) -> None:
        sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96}
        ASTModel(ASTConfig(**sizes)).save_pretrained(folder / "weights")
        settings = ["autoencoder.variants=true", "hybrid.end_to_end=true", "hybrid.end_to_end_recipe.epochs=1"]
        settings += [f"transformer.weights={folder / 'weights'}"]
        shutil.copytree(finished.folder, folder / "elaborate")
        execute(Run(folder / "elaborate"), small_config(*settings), demo_place)

    return Run(made_once("elaborate", make) / "elaborate")


def test_single_task_autoencoders_and_end_to_end_tuning_are_made_and_compared(elaborate: Run) -> None:
    results = elaborate.read_results()
    variants = {variant["variant"]: variant for variant in results["autoencoder_variants"]}
    assert set(variants) == {"multitask", "reconstruction", "human_only"}
    assert all(0 <= variant["probe_auc"] <= 1 and variant["test_mse"] > 0 for variant in variants.values())
    assert variants["multitask"]["test_mse"] == pytest.approx(results["reconstruction"]["test_mse"])
    assert results["end_to_end"]["test"]["n"] == 8
    assert elaborate.checkpoint("hybrid_end_to_end_best").exists()


def test_pretrained_weights_from_a_local_folder_take_the_same_path_and_are_called_ast(elaborate: Run) -> None:
    encoder = elaborate.read_results()["encoder"]
    assert (encoder["kind"], encoder["name"], encoder["reason"]) == ("ast-pretrained", "AST", "")
    assert encoder["modes"] == ["frozen"] or torch.cuda.is_available()
    loaded, _ = checkpoints.load(elaborate.checkpoint("transformer_best"), "")
    assert isinstance(loaded, Encoder)
    clips, filterbanks = elaborate.read_clips(), storage.read_npy(elaborate.filterbank, "")
    with torch.inference_mode():
        embedding = loaded(torch.from_numpy(filterbanks[:4].astype(np.float32))).embedding
    stored = torch.from_numpy(elaborate.read_splits(elaborate.transformer_embeddings, "")[:4])
    torch.testing.assert_close(embedding, stored, atol=0.05, rtol=0.05)  # bfloat16 where the CPU has it
    assert len(clips) == 48


def test_weights_that_a_user_names_and_that_are_not_there_stop_the_run(copy: Run, demo_place: Place) -> None:
    with pytest.raises(WeightsError, match="there is no such folder"):
        execute(copy, small_config("transformer.weights=./nowhere/at/all"), demo_place)


def test_a_hub_out_of_reach_goes_on_with_the_small_transformer_and_says_why(
    copy: Run, demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise WeightsError("MIT/ast", "the hub cannot give it (no network)", "Name a folder")

    monkeypatch.setattr("core.models.transformer.load_backbone", unreachable)
    execute(copy, small_config("transformer.weights=MIT/ast"), demo_place, only=["transformer"])
    encoder = storage.read_json(copy.transformer_note, "")  # what the results say of the encoder
    assert encoder["kind"] == "ast-small-scratch"
    assert "the hub cannot give it" in encoder["reason"]


# Data as people have it


def test_a_bad_file_is_skipped_with_its_reason_and_stops_nothing(demo_place: Place, tmp_path: Path) -> None:
    shutil.copytree(demo_place.root, tmp_path / "clips")
    place = Place(tmp_path / "clips", demo_place.human, demo_place.ai)
    human, ai = place.root / place.human, place.root / place.ai
    (human / "not audio.wav").write_text("hello")
    (human / "<b>name\n.mp3").write_bytes(b"")
    sf.write(human / "silent.wav", np.zeros(80_000), 16_000)
    twin = sorted(human.glob("*.wav"))[5]
    shutil.copy(twin, human / "copy_of_a_song.wav")
    shutil.copy(sorted(ai.glob("*.wav"))[0], human / "mislabelled.wav")
    run = Run(tmp_path / "run")
    execute(run, small_config(), place, only=["prepare"])
    with run.skipped_table.open(encoding="utf-8", newline="") as file:
        skipped = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    reasons = {name: row["reason"] for name, row in skipped.items()}
    assert reasons["not audio.wav"] == "unrecognised_type"
    assert reasons["<b>name\n.mp3"] == "empty_file"
    assert reasons["silent.wav"] == "silence"
    assert reasons["mislabelled.wav"] == "both_labels"
    assert len(reasons) == 5, "and the clip it is the same as"
    assert all(row["explanation"] for row in skipped.values())
    clips = {Path(clip.path).name: clip for clip in run.read_clips()}
    assert clips["copy_of_a_song.wav"].group == clips[twin.name].group
    assert len(run.read_dataset().log_mel) == len(clips) == 48  # and the copy, less the clip labelled both ways


def test_no_usable_clip_at_all_is_one_sentence(tmp_path: Path) -> None:
    for name in ("h", "a"):
        (tmp_path / name).mkdir()
        for song in ("waltz", "polka", "tango"):
            (tmp_path / name / f"{song}.wav").write_text("no")
    with pytest.raises(DataError, match=r"none of the 6 files is usable.*skipped\.csv"):
        execute(Run(tmp_path / "run"), small_config(), Place(tmp_path, "h", "a"), only=["prepare"])
    assert len((tmp_path / "run" / "skipped.csv").read_text().splitlines()) == 7


def test_a_full_disk_is_noticed_before_any_work(
    demo_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    with pytest.raises(ResourceError, match="are needed on this disk"):
        execute(Run(tmp_path / "run"), small_config(), demo_place, only=["prepare"])


def test_the_space_needed_grows_with_the_clips() -> None:
    clip = 128 * 157 * 4 + 498 * 128 * 2 + SIZE * 4
    assert bytes_needed(4000, Config()) == pytest.approx(4000 * 2 * clip)
    degraded = with_settings(Config(), ["train.waveform_copies=2"])
    assert bytes_needed(4000, degraded) == pytest.approx(4000 * (2 + 2 * 0.7) * clip)


def songs_by_source(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the songs of each source, each once, in their order."""
    songs: dict[str, dict[str, None]] = defaultdict(dict)
    for source, song in rows:
        songs[source][song] = None
    return {source: list(names) for source, names in songs.items()}


def test_real_clips_are_usable_and_few_songs_are_said_to_be_missing(real_data: Path, tmp_path: Path) -> None:
    """Up to four songs of every source: as many as it takes to be in every split, and one more."""
    rows = storage.read_csv(real_data / "manifest.csv", ["path", "label", "group", "source"], "")
    songs = songs_by_source((row["source"], row["group"]) for row in rows)
    chosen = [row for row in rows if row["group"] in songs[row["source"]][:4]]
    for folder in {Path(row["path"]).parts[0] for row in chosen}:
        (tmp_path / folder).symlink_to(real_data / folder)
    storage.write_csv(tmp_path / "some.csv", list(rows[0]), [list(row.values()) for row in chosen])
    run = Run(tmp_path / "run")
    execute(run, Config(), Place(tmp_path, manifest="some.csv"), only=["prepare"])
    clips, record = run.read_clips(), run.read_record("prepare")
    assert storage.read_csv(run.skipped_table, ["path"], "") == []
    assert [clip.path for clip in sorted(clips, key=lambda clip: clip.path)] == sorted(row["path"] for row in chosen)
    present = {(clip.source, clip.split) for clip in clips}
    lacking = {source for source in songs if any((source, split) not in present for split in SPLITS)}
    assert lacking == {source for source, names in songs.items() if len(names) < len(SPLITS)}
    assert record is not None
    assert {note.split()[1] for note in record.notes if " is not in the " in note} == lacking


def test_every_real_source_of_three_songs_is_in_every_split(real_data: Path) -> None:
    clips = Place(real_data, manifest="manifest.csv").candidates(Config().split)
    assert all((real_data / clip.name).is_file() for clip in clips)
    labels, groups, sources = zip(*((clip.label, clip.group, clip.source) for clip in clips), strict=True)
    splits = split_songs(labels, groups, sources, Config().split, Config().split.seed)
    few = {source for source, songs in songs_by_source(zip(sources, groups, strict=True)).items() if len(songs) < 3}
    assert {sentence.split()[1] for sentence in missing_sources(sources, splits)} == few


# The command


def test_the_command_goes_on_by_the_runs_name_alone(
    finished: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(finished.folder.parent))
    caplog.set_level("INFO")
    assert command.main(["run", "--run", "finished"]) == 0
    assert ran(caplog) == []
    printed = capsys.readouterr().out
    assert "ROC_AUC" in printed
    assert "Small Audio Spectrogram Transformer, trained from scratch" in printed


def test_other_clips_take_an_old_runs_place_only_when_asked_to(
    copy: Run, demo_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(copy.folder.parent))
    before, other = hashes(copy), tmp_path / "other"
    shutil.copytree(demo_place.root / demo_place.human, other)
    arguments = ["run", "--run", copy.name, "--human", str(other), "--ai", str(demo_place.root / demo_place.ai)]
    with pytest.raises(SystemExit, match=r"made of other clips: --human was .*, now .*other\..*--replace") as caught:
        command.main(arguments)
    assert "--ai was" not in str(caught.value.code)
    assert hashes(copy) == before
    assert command.main([*arguments, "--replace", "--only", "prepare"]) == 0
    place = place_of(copy.read_description()[0])
    assert place.root / place.human == other


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--run", "new"], "there is no such run yet"),
        (["run", "--run", "../x"], "not a run's name"),
        (["run", "--run", "new", "--human", "nowhere", "--ai", "nowhere2"], "there is no such folder"),
        (["run", "--run", "new", "--human", "."], "only one of the two folders"),
        (["run", "--run", "new", "--manifest", "no.csv"], "there is no such manifest"),
        (["run", "--run", "new", "--set", "tarin.seed=1"], "Did you mean train"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert says in str(caught.value.code)
    assert "\n" not in str(caught.value.code)
    assert list(tmp_path.iterdir()) == [], "nothing is written for a command that was refused"


def folder_options(place: Place) -> list[str]:
    return ["--human", str(place.root / place.human), "--ai", str(place.root / place.ai)]


def test_a_damaged_description_is_refused_and_its_remedy_works(
    copy: Run, demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(copy.folder.parent))
    copy.description.write_text('{"format": 1, "data": [], "config": {}, "demo": false}')
    with pytest.raises(SystemExit, match="does not describe a run"):
        command.main(["run", "--run", copy.name])
    options = command.parser().parse_args(["run", "--run", copy.name, *folder_options(demo_place)])
    assert command.work_of(options, copy)[:2] == (demo_place, Config())


def test_an_artifacts_folder_that_cannot_be_written_is_one_sentence(demo_place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written to"):
        execute(Run(tmp_path / "file" / "run"), small_config(), demo_place)


def test_every_error_is_a_detector_error_with_a_remedy() -> None:
    error = DetectorError("a\x1b[31m.wav", "it is wrong", "Mend it")
    assert str(error) == "a\\u001b[31m.wav: it is wrong. Mend it."


def test_a_phase_is_a_command_of_its_own(finished: Run) -> None:
    environment = {**os.environ, "SMD_ARTIFACTS": str(finished.folder.parent)}
    arguments = [sys.executable, "-m", "core.phases.hybrid", "--run", finished.name]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "hybrid: up to date" in done.stderr) == (0, True), done.stderr
