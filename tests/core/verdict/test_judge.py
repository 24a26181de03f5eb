"""From a file to a verdict: the same sound gives the same answer everywhere, and the answer says what it rests on."""

import csv
import itertools
import json
import os
import shutil
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from scipy.special import expit

from core import storage
from core.artifacts import DETECTORS, Run, list_runs
from core.audio.clips import read_clip
from core.audio.song import Song
from core.audio.source import open_audio
from core.config import AudioConfig, Config, DetectConfig
from core.data.places import Place
from core.errors import ArtifactError, AudioError
from core.features.front_end import Pictures, pictures
from core.metrics.calibration import Band
from core.metrics.songs import log_odds
from core.verdict import judge as judging
from core.verdict.answer import ScopeAnswer
from core.verdict.judge import MOST_AHEAD, Judge, answer, answers
from core.verdict.rule import SongRule, judged_scope, limits, read_rule, rule_sentence
from core.verdict.run import choose_run, described, run_facts
from core.verdict.scope import ScopeResult
from tests.support.hostile_audio import CASES, Case
from tests.support.whole_songs import read_song, window_starts, windows

AUDIO = AudioConfig()
MUSIC, NOISE, ODD = ScopeResult(4.0, 0.2), ScopeResult(0.5, 0.2), ScopeResult(4.0, 3.0)


@pytest.fixture(scope="module")
def judge(finished: Run) -> Judge:
    return Judge(finished)


@pytest.fixture(scope="module")
def song(demo_place: Place, finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 23 seconds of music: five clips of one class, joined and cut."""
    parts = [read_clip(demo_place.root / clip.path, AUDIO).waveform for clip in finished.read_clips()[:5]]
    return write(tmp_path_factory.mktemp("song") / "song.wav", np.concatenate(parts)[: 23 * AUDIO.sample_rate])


def write(path: Path, samples: np.ndarray, rate: int = AUDIO.sample_rate) -> Path:
    sf.write(path, samples, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def noise(seconds: float, rate: int = AUDIO.sample_rate) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal(round(seconds * rate))).astype(np.float32)


def copy_of(run: Run, folder: Path) -> Run:
    return Run(Path(shutil.copytree(run.folder, folder / "copy")))


# Windows


@pytest.mark.parametrize("seconds", [1.5, 5.0, 5.0001, 7.5, 12.4, 20.0])
@pytest.mark.parametrize(("rate", "hop"), [(16_000, 2.5), (22_050, 1.0), (44_100, 60.0)])
def test_windows_of_a_stream_are_those_of_the_whole_song(seconds: float, rate: int, hop: float, tmp_path: Path) -> None:
    path, hop = write(tmp_path / "a.wav", noise(seconds, rate), rate), min(hop, AUDIO.seconds)
    whole = read_song(path, AUDIO).waveform
    with open_audio(path, AUDIO) as source:
        streamed = list(Song(source, AUDIO, hop).windows())
    assert [start for start, _ in streamed] == window_starts(len(whole), AUDIO, hop).tolist()
    np.testing.assert_array_equal(np.stack([window for _, window in streamed]), windows(whole, AUDIO, hop))


def test_a_hop_longer_than_a_window_leaves_nothing_out(tmp_path: Path) -> None:
    with open_audio(write(tmp_path / "a.wav", noise(21)), AUDIO) as source:
        starts = [start / AUDIO.sample_rate for start, _ in Song(source, AUDIO, hop_seconds=60).windows()]
    assert starts == [0, 5, 10, 15, 16]


def test_a_long_song_is_cut_in_the_memory_of_a_short_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", np.tile(noise(10), 60))
    tracemalloc.start()
    with open_audio(path, AUDIO) as source:
        count = sum(1 for _ in Song(source, AUDIO, 2.5).windows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 239
    assert peak < 4 * 2**20  # ten minutes decoded are 37 MiB


def test_the_windows_of_a_verdict_cover_the_song(judge: Judge, song: Path) -> None:
    verdict = judge.judge(song)
    assert verdict.windows[0].start == 0
    assert verdict.windows[-1].end == verdict.seconds == verdict.heard_seconds == 23.0
    assert all(after.start <= before.end for before, after in zip(verdict.windows, verdict.windows[1:], strict=False))


# The same answer everywhere


def test_a_clip_of_the_run_gets_what_the_pipeline_gave_it(judge: Judge, finished: Run, demo_place: Place) -> None:
    """To the last bit: predictions.csv has all the digits of a float32."""
    with finished.predictions.open(encoding="utf-8", newline="") as file:
        known = {(row["path"], row["model"]): np.float32(row["probability"]) for row in csv.DictReader(file)}
    for clip in finished.read_clips()[::3]:
        (window,) = judge.judge(demo_place.root / clip.path).windows
        for name in DETECTORS:
            assert window.probabilities[name] == known[clip.path, name], (clip.path, name)


def test_the_models_are_always_asked_about_eight_windows(
    judge: Judge, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer at a time the arithmetic of a large transformer takes other paths, and answers move."""
    counts: list[int] = []
    read = judge.detector.read
    monkeypatch.setattr(judge.detector, "read", lambda seen, label: counts.append(len(seen)) or read(seen, label))
    judge.judge(write(tmp_path / "a.wav", noise(5)))
    judge.judge(song, DetectConfig(hop_seconds=1.0))
    assert counts == [8] * 4


def test_a_window_sounds_the_same_whatever_stands_beside_it(judge: Judge, song: Path, tmp_path: Path) -> None:
    whole = read_song(song, AUDIO).waveform
    second = judge.judge(write(tmp_path / "a.wav", windows(whole, AUDIO, 2.5)[1]))
    assert second.windows[0].probabilities == judge.judge(song).windows[1].probabilities


def test_a_short_file_is_repeated_as_in_training(judge: Judge, song: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", read_song(song, AUDIO).waveform[: 2 * AUDIO.sample_rate])
    filled = write(tmp_path / "filled.wav", read_clip(short, AUDIO).waveform)
    verdict = judge.judge(short)
    assert verdict.windows[0].probabilities == judge.judge(filled).windows[0].probabilities
    assert (verdict.windows[0].end, verdict.heard_seconds) == (2.0, 2.0)


@pytest.fixture
def several(song: Path, tmp_path: Path) -> list[Path]:
    """Return files of 1 to 13 windows, one with silence in it, and two that cannot be judged."""
    whole, silence = read_song(song, AUDIO).waveform, np.zeros(8 * AUDIO.sample_rate, np.float32)
    sounds = [whole[:80_000], whole[::-1], whole[80_000:200_000], np.concatenate([whole, silence, whole[:90_000]])]
    paths = [write(tmp_path / f"{number}.wav", samples.copy()) for number, samples in enumerate(sounds)]
    empty = tmp_path / "empty.wav"
    empty.touch()
    return [*paths, empty, write(tmp_path / "silent.wav", silence), song]


def test_eight_threads_that_ask_together_get_the_answers_of_one(judge: Judge, several: list[Path]) -> None:
    alone = [answer(path, judge) for path in several]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda path: answer(path, judge), several * 4))
    assert together == alone * 4


def test_files_that_share_batches_get_the_answers_they_get_alone(
    judge: Judge, several: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*several[::-1], *several]
    alone = [answer(path, judge) for path in files]
    rounds: list[int] = []
    read = judge.detector.read
    monkeypatch.setattr(judge.detector, "read", lambda seen, label: rounds.append(len(seen)) or read(seen, label))
    assert list(answers(files, judge)) == alone
    audible = sum(bool(window["probabilities"]) for result in alone for window in result.get("windows", []))
    assert rounds == [8] * -(-audible // 8)  # but for the last, no batch was filled up


def test_broken_files_hold_nothing_back(judge: Judge, song: Path, tmp_path: Path) -> None:
    """However many follow a song whose last windows wait for company."""
    drawn: list[str] = []
    missing = (drawn.append(name) or tmp_path / name for name in map(str, range(1000)))
    answered = answers(itertools.chain([song], missing), judge)
    assert "error" not in next(answered)
    assert len(drawn) <= MOST_AHEAD
    assert sum("error" in result for result in answered) == 1000


def test_what_goes_wrong_in_one_file_concerns_no_other(
    judge: Judge, several: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_in_silence(waveform: np.ndarray, config: Config) -> Pictures:
        assert waveform[:100].any()  # not so in the middle of the fourth file
        return pictures(waveform, config)

    alone = [answer(path, judge) for path in several]
    monkeypatch.setattr(judging, "pictures", fails_in_silence)
    answered = list(answers(several, judge))
    assert answered.pop(3)["error"]["code"] == "unexpected"
    assert answered == [*alone[:3], *alone[4:]]


def test_the_same_file_gives_the_same_text(judge: Judge, finished: Run, song: Path) -> None:
    first, second = (json.dumps(asked.judge(song).to_dict(), allow_nan=False) for asked in (judge, Judge(finished, 1)))
    assert first == second
    assert json.loads(first)["call"] in ("human", "ai", "uncertain", "out_of_scope")


def test_a_song_is_scored_by_the_mean_of_its_windows_log_odds(judge: Judge, finished: Run, song: Path) -> None:
    verdict, rules = judge.judge(song), finished.read_results()["verdict"]["models"]
    for name, rule in rules.items():
        scores = log_odds([window.probabilities[name] for window in verdict.windows]) / rule["temperature"]
        assert verdict.by_detector[name].probability == pytest.approx(expit(scores.mean()), abs=1e-12)
        calibrated = [window.calibrated[name] for window in verdict.windows]
        np.testing.assert_allclose(calibrated, expit(scores), atol=1e-12)
    assert verdict.probability == verdict.by_detector[verdict.detector].probability


def test_progress_rises_to_the_end(judge: Judge, song: Path) -> None:
    shares: list[float] = []
    judge.judge(song, DetectConfig(hop_seconds=1.0), progress=shares.append)
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_smaller_hop_gives_more_windows_and_says_so(judge: Judge, song: Path) -> None:
    verdict = judge.judge(song, DetectConfig(hop_seconds=1.0))
    assert len(verdict.windows) == 19
    assert "19 windows of 5 s, one every 1 s" in verdict.rule


# Silence, noise and bad files


def test_silent_windows_do_not_count(judge: Judge, song: Path, tmp_path: Path) -> None:
    music = read_song(song, AUDIO).waveform[: 5 * AUDIO.sample_rate]
    verdict = judge.judge(write(tmp_path / "a.wav", np.concatenate([music, np.zeros(15 * AUDIO.sample_rate, "f4")])))
    assert [window.note == "silent" for window in verdict.windows] == [False, False, *[True] * 5]
    assert not verdict.windows[-1].probabilities
    assert verdict.windows[0].counts
    assert verdict.heard_seconds == (7.5 if verdict.windows[1].counts else 5.0)  # half of the second is silent
    assert "(5 of 7 here)" in verdict.rule


def test_a_silent_file_gets_no_verdict(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="silent") as error:
        judge.judge(write(tmp_path / "a.wav", np.zeros(12 * AUDIO.sample_rate, "f4")))
    assert error.value.code == "silence"


def test_noise_is_out_of_scope_and_music_is_not(judge: Judge, song: Path, tmp_path: Path) -> None:
    verdict = judge.judge(write(tmp_path / "a.wav", noise(8)))
    assert (verdict.call, verdict.scope.reason) == ("out_of_scope", "it is as random as noise")
    assert verdict.scope.outside == 1.0
    assert judge.judge(song).call != "out_of_scope"


def test_windows_out_of_scope_have_no_vote(judge: Judge, song: Path, tmp_path: Path) -> None:
    music = read_song(song, AUDIO).waveform[: 15 * AUDIO.sample_rate]
    alone = judge.judge(write(tmp_path / "music.wav", music))
    verdict = judge.judge(write(tmp_path / "mixed.wav", np.concatenate([music, noise(10)])))
    votes = [window for window in verdict.windows if window.counts]
    left_out = [window.note for window in verdict.windows if not window.counts]
    assert verdict.call == alone.call != "out_of_scope"
    assert set(left_out) == {NOISE.reason}
    assert (verdict.counted, verdict.scope.windows) == (len(votes), len(left_out))
    assert f"mean over {len(votes)} windows" in verdict.rule
    assert f"({len(left_out)} of 9)" in verdict.rule
    for name, rule in judge.rule.models.items():
        expected = rule.song([window.probabilities[name] for window in votes])
        assert verdict.by_detector[name].probability == expected


def test_nothing_is_called_where_nothing_counts(judge: Judge, tmp_path: Path) -> None:
    verdict = judge.judge(write(tmp_path / "a.wav", noise(12)))
    assert (verdict.counted, verdict.heard_seconds) == (0, 0.0)
    assert {detector.call for detector in verdict.by_detector.values()} == {"out_of_scope"}


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        ([MUSIC, NOISE], ""),
        ([MUSIC, NOISE, NOISE], NOISE.reason),
        ([ODD, NOISE, MUSIC], NOISE.reason),
        ([ODD, ODD, NOISE], ODD.reason),
    ],
)
def test_most_windows_decide_what_a_file_is(windows: list[ScopeResult], reason: str) -> None:
    assert judged_scope(windows, 0.5).reason == reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_file_gets_an_answer_within_bounds(case: Case, judge: Judge, tmp_path: Path) -> None:
    """A verdict, or one sentence with what to do about it; three hours cost no more than a second."""
    path = case.make(tmp_path)
    began = time.process_time()
    tracemalloc.start()
    try:
        answered = answer(path, judge)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 10
    assert peak < 128 * 2**20
    assert answered["file"] == str(path)
    if "error" in answered:
        problem, remedy = answered["error"]["problem"], answered["error"]["remedy"]
        assert problem
        assert remedy
        assert not any(odd in problem + remedy for odd in ("\n", "Error", "Traceback", str(tmp_path)))
    if case.outcome == "reads":
        assert "error" not in answered
    elif case.outcome.startswith("warns:"):
        assert case.outcome.removeprefix("warns:") in answered["warnings"]
    else:
        assert answered["error"]["code"] == case.outcome


def test_a_file_that_breaks_the_program_gets_an_answer_too(
    judge: Judge, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge.detector, "read", lambda *_, **__: 1 / 0)
    answered = answer(song, judge)
    assert answered["error"]["code"] == "unexpected"


# The rule


@pytest.mark.parametrize(
    ("band", "calls"),
    [
        (Band(0.2, 0.7), ["human", "uncertain", "uncertain", "ai"]),
        (Band(0.5, 0.5), ["human", "human", "ai", "ai"]),
        (Band(0.0, 1.0000000000000002), ["uncertain"] * 4),
    ],
)
def test_a_limit_belongs_to_what_lies_above_it(band: Band, calls: list[str]) -> None:
    rule = SongRule(1.0, band, 10, 10, 8, 1)
    assert [rule.call(probability) for probability in (0.1, 0.2, 0.5 + 1e-9, 0.7)] == calls


def test_limits_keep_their_promise_on_validation_songs(finished: Run) -> None:
    stored = finished.read_results()["verdict"]
    assert stored["detector"] == finished.read_results()["best"]
    for name, rule in stored["models"].items():
        assert 0 <= rule["low"] <= rule["high"] <= 1.0000000000000002, name
        assert rule["test"]["n"] > 0
        assert rule["val_songs"] < len(finished.read_clips())
    assert 0 <= stored["scope"]["val"]["outside"] <= stored["scope"]["val"]["n"]


def test_the_rule_says_the_numbers_it_was_made_with(judge: Judge) -> None:
    song_rule = replace(judge.rule.models["hybrid"], band=Band(0.125, 0.5), temperature=1.5, val_songs=66)
    rule = replace(judge.rule, detector="hybrid", models={"hybrid": song_rule}, max_error=0.05)
    scope = ScopeAnswer(4.0, 0.5, 1 / 7, 1, "")
    said = rule_sentence(rule, 5.0, windows=9, silent=2, scope=scope, silence_dbfs=-60)
    for words in (
        "Hybrid",
        "6 windows",
        "temperature of 1.50",
        "Below 12.5%",
        "from 50.0% on AI",
        "66 validation songs",
    ):
        assert words in said
    none = replace(rule, models={"hybrid": replace(song_rule, band=Band(0.0, 1.0000000000000002))})
    assert "No song is called human, none AI" in rule_sentence(none, 5.0, 9, 2, scope, -60)


def test_limits_name_the_sources_and_what_was_not_measured(finished: Run) -> None:
    results = finished.read_results()
    said = " ".join(limits(results))
    assert all(cell["source"] in said for cell in results["data"]["counts"])
    assert "not a proof" in said
    assert "was not measured" in said
    assert "demo" in limits({**results, "demo": True})[0]
    measured = {"n": 388, "sources": 9, "error": 0.25, "interval": [0.2, 0.3]}
    heard = {"models": {results["verdict"]["detector"]: {"ai": measured, "human": None}}}
    assert "it calls 75% AI (interval 70% to 80%)" in " ".join(limits({**results, "leave_out": heard}))


# The run


def test_a_run_that_is_not_there_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"scripts\.pipeline run --run nothing --human DIR"):
        Judge(Run(tmp_path / "nothing"))


@pytest.mark.parametrize("missing", ["verdict", "detector", "models"])
def test_a_run_of_an_older_version_names_the_phase(missing: str, finished: Run, tmp_path: Path) -> None:
    run, results = copy_of(finished, tmp_path), finished.read_results()
    del (results if missing == "verdict" else results["verdict"])[missing]
    storage.write_json(run.results_file, results)
    with pytest.raises(ArtifactError, match="--only evaluate"):
        read_rule(run, run.read_results())


def test_a_missing_scope_names_the_phase(finished: Run, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path)
    run.scope.unlink()
    with pytest.raises(ArtifactError, match="--only evaluate"):
        Judge(run)


def test_a_changed_weight_changes_the_fingerprint(finished: Run, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path)
    assert run_facts(run).fingerprint == run_facts(finished).fingerprint
    with run.checkpoint("cnn_best").open("ab") as file:
        file.write(b"\0")
    assert run_facts(run).fingerprint != run_facts(finished).fingerprint


def test_the_newest_evaluated_run_answers_and_a_demo_only_alone(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    monkeypatch.setattr("core.verdict.run.PRETRAINED", tmp_path / "pretrained")
    with pytest.raises(ArtifactError, match="no evaluated run"):
        choose_run()
    data, config, _ = finished.read_description()
    for name, demo in (("demo", True), ("mine", False)):
        run = Run(tmp_path / name)
        run.write_description(data, config, demo=demo)
        assert choose_run("other").name == "other"
        storage.write_json(run.results_file, {})
        assert choose_run().name == name
    storage.write_json(Run(tmp_path / "demo").results_file, {})  # newer, and still a demo
    assert choose_run().name == "mine"
    assert described(choose_run("demo")).startswith("a demo")


def test_the_run_that_ships_answers_where_there_is_no_other_and_before_a_demo(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is the newest, as after a new version was fetched."""
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path))
    data, config, _ = finished.read_description()
    runs = {name: Run(tmp_path / name) for name in ("demo", "mine", "pretrained")}
    for name in ("demo", "pretrained"):
        runs[name].write_description(data, config, demo=name == "demo")
        storage.write_json(runs[name].results_file, {})
    runs["pretrained"].card.touch()
    monkeypatch.setattr("core.verdict.run.PRETRAINED", runs["pretrained"].folder)
    assert choose_run().name == "pretrained"
    runs["mine"].write_description(data, config, demo=False)
    assert choose_run().name == "pretrained"  # mine is not evaluated yet
    storage.write_json(runs["mine"].results_file, {})
    for path in (runs["pretrained"].results_file, runs["pretrained"].description):
        os.utime(path, (2**31, 2**31))
    assert choose_run().name == "mine"
    assert [run.name for run in list_runs()] == ["mine", "demo", "pretrained"]
    assert described(choose_run("pretrained")).startswith("which ships")
    assert described(choose_run()) == "a run of your own"
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "elsewhere"))
    assert choose_run().folder == runs["pretrained"].folder


def test_a_description_from_before_detect_still_opens(finished: Run, tmp_path: Path) -> None:
    value = storage.read_json(finished.description, "")
    del value["config"]["detect"]
    run = Run(tmp_path / "old")
    storage.write_json(run.description, value)
    assert run.read_description()[1].detect == Config().detect


# Real sound


def test_real_clips_get_verdicts(real_data: Path, judge: Judge) -> None:
    clips = sorted(real_data.rglob("*.flac"))
    for path in clips[:: len(clips) // 20][:20]:
        answered = answer(path, judge)
        assert "error" not in answered, answered
        assert answered["seconds"] == pytest.approx(5.0, abs=0.01)
        heard = 0.0 if answered["call"] == "out_of_scope" else 5.0  # the demo's models may not know such music
        assert answered["heard_seconds"] == pytest.approx(heard, abs=0.01)
