"""The benchmark measures what it says: both ways do the same work, and a ratio compares times of one round."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from core import storage
from core.artifacts import Run
from core.errors import AudioError
from core.estimate import Estimate
from core.machine import peak_memory_mb
from core.models.build import build
from core.pipeline import NAMES
from scripts.benchmark import command as benchmark
from scripts.benchmark import detect as benchmark_detect
from scripts.benchmark import models as benchmark_models
from scripts.benchmark import read as benchmark_read
from scripts.benchmark import rounds as benchmark_rounds
from scripts.benchmark.command import FEWEST_CLIPS, Options, Outcome, main
from scripts.benchmark.rounds import Row, StepError, Worker
from tests.support import invented_run

# What librosa's loader imports is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
TINY = Options(rounds=1, clips=FEWEST_CLIPS)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ways be timed in this process: starting others takes longer than the work itself."""
    monkeypatch.setattr(benchmark_rounds, "start_process", lambda variables: ThreadPoolExecutor(1))


@pytest.fixture(scope="module")
def small_ast(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with an AST of two narrow blocks that reads what the real one reads."""
    folder = tmp_path_factory.mktemp("small ast")
    from transformers import ASTConfig, ASTModel  # here, or the worker below would import it too

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    ASTModel(ASTConfig(**sizes)).save_pretrained(folder)
    return str(folder)


def rows_of(outcome: Outcome) -> list[Row]:
    """Return a step's rows, after a look at each number."""
    rows = [row for row in outcome.rows if isinstance(row, Row)]
    assert rows
    assert len(rows) == len(outcome.rows)
    for row in rows:
        assert len(row.ratios) == 1
        assert all(math.isfinite(value) and value > 0 for value in (*row.plain, *row.ours, *row.ratios)), row.what
    return rows


def agreements(rows: list[Row]) -> list[float]:
    return [row.agreement for row in rows if row.agreement is not None]


@pytest.mark.usefixtures("here")
def test_a_clip_read_our_way_is_the_clip_librosa_reads() -> None:
    rows = rows_of(benchmark.read(Options(rounds=1, clips=12)))
    assert len(agreements(rows)) == len(benchmark_read.KINDS)
    assert max(agreements(rows)) <= 1e-3


@pytest.mark.usefixtures("here")
def test_memory_is_measured_on_a_quarter_and_on_the_whole_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    quarter, whole, growth, seconds = rows_of(benchmark.memory(TINY))
    assert f"{TINY.clips // 4} clips" in quarter.what
    assert f"{TINY.clips} clips" in whole.what
    assert growth.unit == "MB"
    assert seconds.unit == "s"
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("here")
def test_a_scan_is_timed_beside_the_loop_whose_answers_it_gives(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(finished.folder.parent))
    for name, size in {"TIMED": 10, "FEW": 2, "MANY": 3, "SONGS": 1, "SONG_SECONDS": 12}.items():
        monkeypatch.setattr(benchmark_detect, name, size)
    commands: list[str] = []
    monkeypatch.setattr(benchmark_detect, "seconds_of", lambda words, run: commands.append(words[1]) or 0.5)
    outcome = benchmark.detect(Options(rounds=1, run="finished"))
    assert agreements(rows_of(outcome)) == [0]
    assert commands.count("scripts.detect") == 2
    compile(benchmark_detect.PLAIN_LOOP, "", "exec")
    assert "Run finished. Ours: 4.0 files per second" in outcome.remarks[0]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["cnn", "autoencoder"])
def test_a_model_in_our_precision_answers_as_the_plain_one(kind: str) -> None:
    rows = benchmark_models.convolutional(kind, batch_size=4, rounds=1)
    (apart,) = agreements(rows_of(Outcome(rows)))
    assert 0 <= apart < 0.02


@pytest.mark.parametrize("kind", ["cnn", "autoencoder"])
def test_the_plain_model_is_the_same_network(kind: str) -> None:
    plain, ours = benchmark_models.PLAIN_MODELS[kind](), build(kind, benchmark_models.CONFIG)
    with torch.no_grad():
        for weight, source in zip(ours.parameters(), plain.parameters(), strict=True):
            weight.copy_(source)
        x, _ = benchmark_models.make_batch(2)
        expected, answered = plain.eval()(x), ours.eval()(x)
    if kind == "autoencoder":
        torch.testing.assert_close(answered.reconstruction, expected[0], atol=1e-5, rtol=1e-4)
        expected, answered = expected[1], answered.logits
    torch.testing.assert_close(answered, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("here")
def test_an_embedding_in_our_precision_points_where_float32_points(small_ast: str) -> None:
    outcome = benchmark.ast(Options(rounds=1, clips=FEWEST_CLIPS, ast=small_ast))
    (cosine,) = agreements(rows_of(outcome))
    assert 0.999 <= cosine <= 1 + 1e-6
    probe, distance = outcome.remarks
    assert "as documented: accuracy" in probe
    assert "ours in float32: accuracy" in probe
    assert "Median error" in distance


def test_a_probe_tells_classes_apart_only_where_they_differ() -> None:
    labels, groups = np.arange(80) % 2, np.arange(80) // 2
    noise = np.random.default_rng(0).standard_normal((80, 3))
    assert benchmark_models.probe(noise + 5 * labels[:, None], labels, groups) == (1.0, 1.0)
    assert benchmark_models.probe(noise, labels, groups)[1] < 0.75


@pytest.mark.usefixtures("here")
def test_the_plan_stands_beside_what_a_run_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = invented_run.invent(tmp_path / "artifacts", "half", only=("prepare", "autoencoder"))
    storage.write_csv(run.history("ae_multitask"), ["epoch"], [[1], [2], [3]])
    monkeypatch.setenv("SMD_ARTIFACTS", str(run.folder.parent))
    monkeypatch.setattr(benchmark, "estimate", expect_a_second_per_clip)
    outcome = benchmark.plan(Options(clips=4000, run=run.name))
    rows = {row.phase: row for row in outcome.rows if isinstance(row, benchmark.PhaseRow)}
    assert list(rows) == list(NAMES)
    record = run.read_record("autoencoder")
    assert record is not None
    assert rows["autoencoder"].measured == (record.seconds, record.peak_mb)
    assert rows["autoencoder"].expected.seconds == len(run.read_clips())
    assert rows["autoencoder"].whole.seconds == 4000
    assert rows["hybrid"].measured is None
    assert rows["hybrid"].cells()["measured"] == "not run"
    assert "ae_multitask 3" in outcome.remarks[1]


def expect_a_second_per_clip(config: object, clips: int) -> dict[str, Estimate]:
    return {phase: Estimate(float(clips), 1.0, 0.0, 0.0) for phase in NAMES}


def test_a_ratio_compares_the_times_of_one_round() -> None:
    row = Row("sleep", "ms", plain=(10.0, 40.0, 12.0), ours=(5.0, 10.0, 4.0))
    assert row.ratios == [2.0, 4.0, 3.0]
    cells = row.cells()
    assert [cells[name] for name in ("plain", "ours", "ratio: min", "median", "max", "rounds")] == [
        "12 ms",
        "5 ms",
        "2.00",
        "3.00",
        "4.00",
        3,
    ]


@pytest.mark.usefixtures("here")
def test_all_ways_take_their_turn_in_every_round() -> None:
    with benchmark_rounds.workers({}, {}) as (one, other):
        CALLS.clear()
        ways = {"a": benchmark_rounds.Way(one, note_call, ("a",)), "b": benchmark_rounds.Way(other, note_call, ("b",))}
        times = benchmark_rounds.in_rounds(2, ways)
    assert CALLS == ["a", "b"] * 3  # the first pair warms up
    assert [len(seconds) for seconds in times.values()] == [2, 2]


CALLS: list[str] = []


def note_call(name: str) -> benchmark_rounds.Work:
    return lambda: CALLS.append(name)


def test_a_worker_has_its_own_environment_its_own_memory_and_tells_errors() -> None:
    before = dict(os.environ)
    ballast = np.ones(2**26)  # 512 MB that are not the worker's
    worker = Worker({**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "SMD_DEVICE": "cpu"})
    try:
        assert worker.call(os.getenv, "SMD_DEVICE") == "cpu"
        assert worker.call(os.getenv, "GLIBC_TUNABLES") == "glibc.malloc.hugetlb=1"
        assert worker.call(os.getpid) != os.getpid()
        assert 0 < worker.call(benchmark_rounds.peak_mb) < peak_memory_mb() - ballast.nbytes / 2e6
        with pytest.raises(StepError, match="song.wav: is silent. Record it again."):
            worker.call(refuse)
        with pytest.raises(StepError, match="ended from outside"):
            worker.call(os._exit, 1)
    finally:
        worker.close()
    assert dict(os.environ) == before


def refuse() -> None:
    raise AudioError("song.wav", "silence", "is silent", "Record it again")


def test_the_plain_way_has_no_variable_that_ours_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*benchmark_rounds.ADDED, "SMD_DEVICE"):
        monkeypatch.setenv(name, "as it was")
    assert not benchmark_rounds.plain_environment().keys() & set(benchmark_rounds.ADDED)
    assert benchmark_rounds.our_environment() == dict(os.environ)
    for name in benchmark_rounds.ADDED:
        monkeypatch.delenv(name)
    added = benchmark_rounds.our_environment().keys() - benchmark_rounds.plain_environment().keys()
    assert added <= set(benchmark_rounds.ADDED)  # whatever scripts/environment.py adds, the plain way must not have


def test_the_command_prints_the_machine_and_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nap(options: Options) -> Outcome:
        """Time a nap."""
        return Outcome([Row("nap", "ms", (3.0,) * options.rounds, (1.0,) * options.rounds)], ("Well rested.",))

    monkeypatch.setattr(benchmark, "STEPS", {"nap": nap})
    assert main(["nap", "--rounds", "2"]) == 0
    machine, *table = capsys.readouterr().out.splitlines()
    assert "native bfloat16:" in machine
    assert "torch" in machine
    assert "nap: Time a nap." in table
    assert table[-2].split()[:8] == ["nap", "3", "ms", "1", "ms", "3.00", "3.00", "3.00"]
    assert table[-1] == "Well rested."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nap"], "nap: there is no such step. Choose from read, memory"),
        (["--rounds", "0"], "--rounds 0: it is too small. Take at least 1"),
        (["--clips", "8"], f"--clips 8: it is too small. Take at least {FEWEST_CLIPS}"),
        (["plan", "--run", "../x"], "not a run's name"),
    ],
)
def test_a_wrong_word_on_the_command_line_ends_in_one_sentence(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_rounds, "start_process", lambda variables: ThreadPoolExecutor(1))
    with pytest.raises(SystemExit, match=sentence):
        main(arguments)


@pytest.mark.usefixtures("here")
def test_a_folder_without_a_model_ends_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"config\.json: there is no such file"):
        main(["ast", "--ast", str(tmp_path), "--clips", str(FEWEST_CLIPS)])
