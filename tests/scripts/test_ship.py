"""The run that ships is small, silent about the machine that made it, and answers as the run it was made from."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core import storage
from core.artifacts import CHECKPOINTS, DETECTORS, PREDICTION_COLUMNS, ROOT, Run
from core.audio.containers import SUFFIXES
from core.data.places import Place
from core.errors import ArtifactError, ConfigError
from core.features.front_end import Pictures
from core.storage import Array
from core.training import checkpoints
from core.verdict.detector import Detector
from core.verdict.judge import Judge
from core.verdict.rule import limits
from scripts import pipeline, ship, ship_card
from tests.support.reading import opened, words


@pytest.fixture(scope="module")
def shipped(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ship.ship(finished, tmp_path_factory.mktemp("shipped") / "pretrained")


def probabilities(run: Run) -> dict[str, Array]:
    rows = storage.read_csv(run.predictions, PREDICTION_COLUMNS, "")
    return {name: np.array([float(r["probability"]) for r in rows if r["model"] == name]) for name in DETECTORS}


def pictures(run: Run, rows: slice) -> list[Pictures]:
    parts = run.read_dataset().log_mel, np.load(run.filterbank), np.load(run.fine_spectrum)
    return [Pictures(*arrays) for arrays in zip(*(part[rows] for part in parts), strict=True)]


def test_it_fits_into_the_repository_and_holds_no_sound(shipped: Run) -> None:
    files = ship.sizes(shipped)
    assert sum(files.values()) < ship.MAX_BYTES
    assert not [name for name in files if Path(name).suffix.lower() in SUFFIXES]
    assert not [name for name in files if "dataset" in name or "filterbank" in name or "reconstruction" in name]


def test_no_text_in_it_names_a_folder_of_the_machine(shipped: Run, finished: Run, demo_place: Place) -> None:
    texts = [path for path in shipped.folder.rglob("*") if path.suffix in ship.TEXTS]
    assert len(texts) > 8
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert str(demo_place.root) not in text
        assert str(finished.folder.parent) not in text
        assert not re.search(r"[\"',](?:/|[A-Z]:\\)", text), path


def test_a_text_that_names_such_a_folder_stops_it(
    finished: Run, demo_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "evaluate_rounded", lambda *_: None)  # the slow part
    run = Run(shutil.copytree(finished.folder, tmp_path / "leaky"))
    with run.skipped_table.open("a", encoding="utf-8") as file:
        file.write(f"a.wav,undecodable,see {demo_place.root}/a.wav\n")
    with pytest.raises(ArtifactError, match="names a folder of this machine"):
        ship.ship(run, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_judge_answers_from_the_folder_alone(shipped: Run, demo_place: Place) -> None:
    clip = demo_place.root / shipped.read_clips()[-1].path
    verdict = Judge(shipped, threads=1).judge(clip)
    assert set(verdict.by_detector) == set(DETECTORS)
    assert verdict.run.name == "pretrained"


def test_rounding_moves_no_probability_by_much(shipped: Run, finished: Run) -> None:
    before, after = probabilities(finished), probabilities(shipped)
    rounding = shipped.read_results()["shipped"]["rounding"]
    for name in DETECTORS:
        moved = np.abs(before[name] - after[name])
        assert np.median(moved) < 0.02
        assert moved.max() < 0.05
        assert moved.max() == pytest.approx(rounding[name]["largest_change"], abs=1e-6)
    assert max(np.abs(before[name] - after[name]).max() for name in DETECTORS) > 0, "nothing was rounded"


def test_its_predictions_are_those_of_the_weights_that_ship(shipped: Run, finished: Run) -> None:
    answers = Detector(shipped).read(pictures(finished, slice(0, 16)), label="")
    for name, expected in probabilities(shipped).items():
        np.testing.assert_allclose(answers[name], expected[:16], atol=0.003)  # bfloat16 by other batches


def test_rounded_weights_come_back_in_float32_within_half_a_step(shipped: Run, finished: Run) -> None:
    for name in CHECKPOINTS:
        model, _ = checkpoints.load(shipped.checkpoint(f"{name}_best"), "")
        exact, _ = checkpoints.load(finished.checkpoint(f"{name}_best"), "")
        for key, weight in exact.state_dict().items():
            rounded = model.state_dict()[key]
            assert rounded.dtype == weight.dtype
            if weight.ndim < 2:
                assert torch.equal(rounded, weight), f"{name} {key}"
                continue
            step = weight.abs().amax(dim=-1, keepdim=True) / 127
            assert bool(((rounded - weight).abs() <= 0.501 * step + 1e-7).all()), f"{name} {key}"


def test_only_the_largest_matrices_take_eight_bits(shipped: Run) -> None:
    weights = checkpoints.read(shipped.checkpoint("ae_multitask_best"), "")["weights"]
    assert {name for name, value in weights.items() if isinstance(value, dict)} == {
        "to_latent.weight", "from_latent.weight",
    }  # fmt: skip
    assert all(value.dtype == torch.float32 for value in weights.values()
               if isinstance(value, torch.Tensor) and value.ndim == 1)  # fmt: skip


def test_the_card_says_what_the_results_say(shipped: Run, finished: Run) -> None:
    results, card = shipped.read_results(), shipped.card.read_text(encoding="utf-8")
    materials = ship_card.material(finished.read_clips(), None)
    assert card == ship_card.model_card(results, materials)
    for model in results["models"].values():
        assert f"{model['test']['roc_auc']:.3f}" in card
    for sentence in limits(results):
        assert sentence.split("(")[0] in card.replace("\\", "")
    results["models"]["cnn"]["test"]["roc_auc"] = 0.123
    assert "0.123" in ship_card.model_card(results, materials)


def test_what_is_taken_over_is_the_runs_own_and_is_named(shipped: Run, finished: Run) -> None:
    results, original = shipped.read_results(), finished.read_results()
    for name in ("robustness", "shortcuts", "reconstruction"):
        assert results[name] == original[name]
        assert name in results["shipped"]["taken_over"]
        assert name in shipped.card.read_text(encoding="utf-8")
    assert "--run pretrained" not in json.dumps(results)


def test_songs_of_sources_never_heard_have_their_say_in_its_rule(finished: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.folder, tmp_path / finished.name))
    labels = np.array([clip.label for clip in run.read_clips()])
    splits = np.array([clip.split for clip in run.read_clips()])
    folds = [(f"new {n}", 0, row, role) for n in (1, 2) for role, chosen in (
        ("held_out", (splits == "train") & (labels == 0)), ("val", splits == "val"), ("test", splits == "test"),
    ) for row in np.flatnonzero(chosen)]  # fmt: skip
    columns = zip(("source", "source_label", "row", "role"), map(np.array, zip(*folds, strict=True)), strict=True)
    answers = np.random.default_rng(0).uniform(size=len(folds))
    storage.write_npz(run.leave_out, dict(columns) | {f"probability_{name}": answers for name in DETECTORS})
    rules = ship.ship(run, tmp_path / "pretrained").read_results()["verdict"]["models"]
    assert all(rule["unheard"]["human"]["sources"] == 2 for rule in rules.values())


@pytest.mark.parametrize("page", sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
def test_every_page_shows_it(page: str, shipped: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(shipped.folder.parent))
    clip = shipped.read_clips()[-1].path
    said = words(opened(page, run=shipped.name, clip=clip))
    assert "Shipped run" in said
    assert "cannot be shown" not in said


def test_each_of_its_maps_has_neighbours(shipped: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(shipped.folder.parent))
    app = opened("map", run=shipped.name, clip=shipped.read_clips()[-1].path)
    for name in app.selectbox(key="map").options:
        app.selectbox(key="map").select(name).run()
        assert not app.exception
        assert "Nearest in the original space" in words(app)


def test_licences_are_those_of_the_manifest(finished: Run, tmp_path: Path) -> None:
    clips, manifest = finished.read_clips(), tmp_path / "manifest.csv"
    manifest.write_text(f"path,origin,licence\n{clips[0].path},here|there,CC0\n", encoding="utf-8")
    materials = ship_card.material(clips, manifest)
    assert sum(part.clips for part in materials) == len(clips)
    assert [(part.origin, part.clips) for part in materials if part.licence == "CC0"] == [("here|there", 1)]
    assert {part.licence for part in materials} == {"CC0", ship_card.UNKNOWN}


def test_it_cannot_be_gone_on_with_and_says_so(shipped: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(shipped.folder.parent))
    with pytest.raises(SystemExit, match="no audio and no training data"):
        pipeline.main(["run", "--run", "pretrained"])
    with pytest.raises(ArtifactError, match="no audio and no training data"):
        shipped.read_dataset()
    with pytest.raises(ArtifactError, match="a shipped run already"):
        ship.ship(shipped, shipped.folder.parent / "again")


def test_one_that_is_too_large_is_refused_with_its_size(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "MAX_BYTES", 5_000_000)
    monkeypatch.setattr(ship, "evaluate_rounded", lambda *_: None)
    with pytest.raises(ArtifactError, match=r"too large to ship: \d+\.\d MB"):
        ship.ship(finished, tmp_path / "pretrained")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_left_alone(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="something else"):
        ship.ship(finished, tmp_path)
    assert (tmp_path / "letters").read_text(encoding="utf-8") == "mine"


STEPS = 12
REPLACE = """
import os, signal, sys
from pathlib import Path
from core import storage

def replace(place, steps):
    def count(event, _arguments):
        nonlocal steps
        if event in ("os.rename", "os.remove", "os.rmdir"):
            steps -= 1
            if steps == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    storage.replace_folder(place / "made", place / "pretrained")
    os._exit(0)

for step in range(1, int(sys.argv[2]) + 1):
    child = os.fork() or replace(Path(sys.argv[1], str(step)), step)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="a process cannot be killed at a chosen step elsewhere")
def test_killed_at_any_step_of_the_replacement_one_of_both_is_there_and_whole(tmp_path: Path) -> None:
    files = {"run.json", "results/a.json", "results/b.json"}
    for place, name, file in itertools.product(range(1, STEPS + 1), ("made", "pretrained"), files):
        storage.write_json(tmp_path / str(place) / name / file, name)
    command = [sys.executable, "-c", REPLACE, tmp_path, str(STEPS)]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    killed = ended.count(str(-signal.SIGKILL))
    assert ended == [str(-signal.SIGKILL)] * killed + ["0"] * (STEPS - killed)
    assert 5 < killed < STEPS
    outcomes = []
    for place in (tmp_path / str(step) for step in range(1, STEPS + 1)):
        storage.mend_folder(folder := place / "pretrained")
        texts = {path.relative_to(folder).as_posix(): storage.read_json(path, "") for path in folder.rglob("*.json")}
        assert set(texts) == files
        assert len(set(texts.values())) == 1
        assert {path.name for path in place.iterdir()} <= {"made", "pretrained"}
        outcomes.append(texts["run.json"])
    assert outcomes == ["pretrained"] * 2 + ["made"] * (STEPS - 2)


def test_a_run_that_a_kill_had_moved_aside_is_back_before_anything_else(
    shipped: Run, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped.folder, tmp_path / ".pretrained.replaced")
    monkeypatch.setattr(ship, "evaluate_rounded", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        ship.ship(finished, tmp_path / "pretrained")
    assert Run(tmp_path / "pretrained").read_results() == shipped.read_results()
    assert [path.name for path in tmp_path.iterdir()] == ["pretrained"]


def fail(*_: object) -> None:
    raise RuntimeError("in the middle")
