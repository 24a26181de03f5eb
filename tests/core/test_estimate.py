"""The plan: what is done, what would run, and how long that takes on this machine."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core import estimate as estimation
from core.artifacts import Run
from core.config import Config, with_settings
from core.estimate import MEASURES, Cost, Estimate, estimate
from core.pipeline import NAMES
from scripts import pipeline as command
from tests.conftest import small_config


def unit_costs(phase: str, config: Config) -> Cost:
    """Stand for a measurement: a millisecond a clip, ten a step."""
    works = {"baselines": ["cnn"], "autoencoder": ["ae_multitask"], "explain": ["attention", "map"]}
    steps = works.get(phase, [])
    return Cost(per_clip=0.001, per_step=dict.fromkeys(steps, 0.01), memory_mb=500.0, gpu_mb=0.0)


def test_every_phase_is_measured() -> None:
    assert tuple(MEASURES) == NAMES


def test_time_and_memory_grow_with_the_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "cost_of", unit_costs)
    few, many = estimate(Config(), 400), estimate(Config(), 4000)
    assert many["prepare"].seconds - few["prepare"].seconds == pytest.approx(3.6)
    assert many["autoencoder"].memory_mb - few["autoencoder"].memory_mb == pytest.approx(3 * 3600 * 128 * 157 * 4 / 1e6)
    assert many["prepare"].disk_mb > 9 * few["prepare"].disk_mb


def test_the_fusions_hold_the_log_mels_only_where_they_are_trained_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "cost_of", unit_costs)
    few, many = estimate(Config(), 400), estimate(Config(), 4000)
    assert many["hybrid"].memory_mb == few["hybrid"].memory_mb
    end_to_end = estimate(with_settings(Config(), ["hybrid.end_to_end=true"]), 4000)["hybrid"].memory_mb
    assert end_to_end - many["hybrid"].memory_mb == pytest.approx(2 * 4000 * 128 * 157 * 4 / 1e6)


def test_a_training_counts_its_steps_its_validation_and_its_recalibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "cost_of", unit_costs)
    recipe = Config().baselines.cnn
    steps = 2800 // recipe.batch_size + 1
    passes = recipe.epochs * (steps + (steps * 0.15 / 0.70 + 16) / 3)
    expected = estimation.FIXED + 4000 * 0.001 + passes * 0.01
    assert estimate(Config(), 4000)["baselines"].seconds == pytest.approx(expected, rel=1e-3)


def test_the_audit_counts_the_trainings_it_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "cost_of", unit_costs)

    def audit(*settings: str) -> float:
        return estimate(with_settings(Config(), settings), 4000, sources=12)["audit"].seconds

    once = sum(estimate(Config(), 4000)[phase].seconds for phase in estimation.TRAINED_AGAIN)
    assert audit("train.seeds=3") - audit() == pytest.approx(2 * once)
    assert audit("audit.leave_out=all") - audit() == pytest.approx(12 * Config().audit.leave_out_share * once)
    assert audit("audit.robustness_clips=0") < audit()


def test_what_the_pages_show_costs_no_more_than_the_clips_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "cost_of", unit_costs)

    def seconds(clips: int) -> float:
        few = with_settings(Config(), ["explain.attention_clips=1000", "explain.map_clips=2000"])
        return estimate(few, clips)["explain"].seconds - estimation.FIXED - 0.001 * clips

    assert seconds(500) == pytest.approx(0.01 * (500 + 500))
    assert seconds(4000) == pytest.approx(0.01 * (1000 + 2000))


def test_one_phase_is_really_measured_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    first = estimation.cost_of("hybrid", small_config())
    assert 0 < first.per_step["hybrid"] < 10
    assert first.memory_mb > 50
    (file,) = (tmp_path / "machine").iterdir()
    file.write_text(json.dumps(asdict(replace(first, memory_mb=12.5))), encoding="utf-8")
    assert estimation.cost_of("hybrid", small_config()) == replace(first, memory_mb=12.5)


def test_the_plan_prints_phases_files_times_and_what_is_left(
    finished: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(finished.folder.parent))
    expected = dict.fromkeys(NAMES, Estimate(seconds=90.0, memory_mb=1500.0, gpu_mb=0.0, disk_mb=10.0))
    monkeypatch.setattr(command, "estimate", lambda config, clips, sources: expected)
    assert command.main(["plan", "--run", "finished", "--set", "hybrid.recipe.epochs=2"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*NAMES, "dataset.npz", "1.5 GB"))
    assert "to run (changed:" in printed
    assert "Left to do: at most 6 min" in printed  # hybrid and, after it, audit, evaluate and explain
