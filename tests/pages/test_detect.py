"""The Detect page: anyone's sound in, the verdict of the one function out, and nothing of it to anybody else."""

import gc
import hashlib
import html
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from streamlit.testing.v1 import AppTest

from core import palette
from core.artifacts import ROOT, Run
from core.audio import upload
from core.audio.clips import read_clip
from core.audio.upload import Decoded, Progress, decoded
from core.config import AudioConfig
from core.data.places import Place
from core.features.front_end import pictures
from core.verdict.answer import Verdict
from core.verdict.judge import BATCH, Judge, judge_sound
from dashboard.detect import export as detect_export
from dashboard.detect import figures as detect_figures
from dashboard.detect import models as detect_models
from dashboard.detect import near
from dashboard.detect import view as detect_view
from dashboard.detect import words as detect_words
from dashboard.detect.session import Given
from dashboard.detect.stress import CHANGES
from dashboard.reading.embeddings import nearest
from dashboard.reading.sound import Sound
from tests.support import hostile_audio, reading
from tests.support.invented_run import HOSTILE, invent
from tests.support.reading import words

APP = ROOT / "dashboard" / "app.py"
AUDIO = AudioConfig()
KEPT = "detect_kept"
READERS = 20
NAMES = [*HOSTILE, "../../evil.wav", "\u202egpj.wav", "a\nb.wav", "x" * 3000]


@pytest.fixture
def run(finished: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SMD_ARTIFACTS", str(finished.folder.parent))
    return finished


@pytest.fixture(scope="module")
def judge(finished: Run) -> Judge:
    return Judge(finished)


@pytest.fixture(scope="module")
def songs(demo_place: Place, finished: Run) -> list[bytes]:
    """Return two stereo WAVs at 44.1 kHz of ten seconds each."""
    clips = [read_clip(demo_place.root / clip.path, AUDIO).waveform for clip in finished.read_clips()[:4]]
    files = []
    for parts in (clips[:2], clips[2:]):
        stretched = np.interp(np.linspace(0, 1, 441_000), np.linspace(0, 1, 160_000), np.concatenate(parts))
        file = io.BytesIO()
        sf.write(file, np.stack([stretched, 0.8 * stretched], axis=1), 44_100, format="WAV", subtype="PCM_16")
        files.append(file.getvalue())
    return files


def judge_upload(content: bytes, name: str, judge: Judge) -> Verdict:
    """Return what the page should say of an upload."""
    with decoded(content, name, AUDIO) as sound:
        return judge_sound(sound, name, judge)


def opened() -> AppTest:
    return reading.opened("detect")


def given(content: bytes, name: str = "song.wav", app: AppTest | None = None) -> AppTest:
    app = app or opened()
    app.file_uploader[0].upload(name, content, "audio/wav").run()
    assert not app.exception, app.exception
    return app


def verdict_in(app: AppTest) -> Verdict:
    (answer,) = [value for key, value in app.session_state[KEPT].items() if key[0] == "answer"]
    assert isinstance(answer, detect_models.Answer)
    return answer.verdict


# The verdict


def test_the_page_says_what_the_command_would_to_the_last_bit(
    run: Run, judge: Judge, songs: list[bytes], tmp_path: Path
) -> None:
    app = given(songs[0])
    path = tmp_path / "song.wav"
    path.write_bytes(songs[0])
    expected = replace(judge.judge(path), file="song.wav")
    assert verdict_in(app) == expected == judge_upload(songs[0], "song.wav", judge)
    said = words(app)
    assert detect_words.headline(expected) in said
    assert all(limit in said for limit in expected.limits)
    assert expected.rule in said
    assert "Stress test" in said
    assert "training clips nearest" in said


def test_a_change_of_sound_moves_the_answers_from_where_they_were(run: Run, songs: list[bytes]) -> None:
    app = given(songs[0])
    app.get("segmented_control")[0].set_value("low_pass")
    app.run()
    assert not app.exception
    assert "moves most, by" in words(app)
    kept = app.session_state[KEPT]
    (moved,) = [value for key, value in kept.items() if key[0] == "stress"]
    start = next(key[3] for key in kept if key[0] == "stress")
    window = next(candidate for candidate in verdict_in(app).windows if candidate.start == start)
    assert dict(moved.original) == dict(window.calibrated)
    amounts = CHANGES["low_pass"].amounts
    assert all(len(values) == len(amounts) == 7 for values in moved.changed.values())
    assert any(values[-1] != moved.original[name] for name, values in moved.changed.items())


def test_another_window_is_looked_into_when_it_is_chosen_and_nothing_is_decoded_again(
    run: Run, songs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def counted(content: bytes, name: str, config: AudioConfig, progress: Progress) -> AbstractContextManager[Decoded]:
        names.append(name)
        return decoded(content, name, config, progress)

    monkeypatch.setattr(upload, "decoded", counted)
    app = given(songs[0])
    app.select_slider[0].set_value(2).run()
    assert not app.exception
    assert "The window 0:05 to 0:10" in words(app)
    assert names == ["song.wav"]


def test_a_window_is_cut_to_the_sample_from_what_was_judged(run: Run, judge: Judge, songs: list[bytes]) -> None:
    app = given(songs[0])
    (evidence,) = [value for key, value in app.session_state[KEPT].items() if key[0] == "evidence"]
    window = verdict_in(app).windows[detect_view.most_telling(verdict_in(app))]
    heard = judge.detector.read([pictures(evidence.waveform, judge.config)] * BATCH, label="")
    assert {name: float(values[0]) for name, values in heard.items()} == dict(window.probabilities)


def test_what_the_models_heard_of_a_large_file_is_played_as_mp3(
    run: Run, songs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.reading.sound.MAX_BYTES", len(songs[0]) - 1)
    (answer,) = [value for key, value in given(songs[0]).session_state[KEPT].items() if key[0] == "answer"]
    played, rate = sf.read(io.BytesIO(answer.sound.data))
    assert (answer.sound.mime, rate, "as MP3" in answer.sound.note) == ("audio/mpeg", AUDIO.sample_rate, True)
    assert len(played) / rate == pytest.approx(10.0, abs=0.1)


# Bad files and names


@pytest.mark.parametrize(
    "case", [case for case in hostile_audio.CASES if case.outcome.isidentifier()][::9], ids=lambda case: case.name
)
def test_a_bad_file_becomes_one_sentence(case: hostile_audio.Case, run: Run, tmp_path: Path) -> None:
    if case.outcome in ("path", "reads"):
        return
    said = words(given(case.make(tmp_path).read_bytes(), "evil.wav"))
    assert "No verdict" in said
    assert len(re.findall(r"^evil\.wav .+\. .+\.$", said, re.MULTILINE)) == 1
    assert not any(word in said for word in ("Traceback", "site-packages", str(tmp_path), "/upload"))


def test_a_hostile_name_is_shown_letter_by_letter_and_short(run: Run) -> None:
    app = opened()
    for name in NAMES:
        given(b"not a sound", f"{name}.wav", app)
        marked_up = [str(element.value) for kind in ("markdown", "caption", "subheader") for element in app.get(kind)]
        assert not any(name in text for text in marked_up)
        assert all(len(str(element.value)) < 400 for element in app.text)
        assert not any(unprintable in element.value for element in app.text for unprintable in "\u202e\n")


# Whose file it is


@pytest.fixture(scope="module")
def uploads(demo_place: Place, finished: Run) -> dict[str, bytes]:
    """Return two seconds of another song for each reader, by name."""
    files = {}
    for number, clip in enumerate(finished.read_clips()[:READERS]):
        file = io.BytesIO()
        waveform = read_clip(demo_place.root / clip.path, AUDIO).waveform[: 2 * AUDIO.sample_rate]
        sf.write(file, waveform, AUDIO.sample_rate, format="WAV", subtype="PCM_16")
        files[f"reader-{number}.wav"] = file.getvalue()
    return files


def test_twenty_readers_at_once_see_their_own_file_alone_and_leave_nothing(
    run: Run, uploads: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kinds = {Given, detect_models.Answer, Sound}
    of_others = [thing for thing in gc.get_objects() if type(thing) in kinds]  # what tests before this one still hold
    apps = {name: opened() for name in uploads}
    for name, content in uploads.items():
        given(content, name, apps[name])
    for name, app in apps.items():  # once more, when everybody's file is there
        assert not app.run().exception
        seen = verdict_in(app)
        assert (seen.file, seen.sha256) == (name, hashlib.sha256(uploads[name]).hexdigest())
        assert set(re.findall(r"reader-\d+\.wav", words(app))) == {name}
    assert len({verdict_in(app).windows[0].probabilities["cnn"] for app in apps.values()}) == READERS
    assert not list(tmp_path.glob("upload*"))  # torch, too, may put something into this folder
    apps.clear()
    del app
    gc.collect()
    held = [thing for thing in gc.get_objects() if type(thing) in kinds]
    assert all(any(thing is other for other in of_others) for thing in held)


def test_twenty_threads_judge_their_own_upload_as_one_does(
    judge: Judge, uploads: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ThreadPoolExecutor(READERS) as pool:
        together = list(pool.map(lambda name: judge_upload(uploads[name], name, judge), uploads))
    assert together[::7] == [judge_upload(content, name, judge) for name, content in list(uploads.items())[::7]]
    assert [verdict.file for verdict in together] == list(uploads)
    assert [verdict.sha256 for verdict in together] == [
        hashlib.sha256(content).hexdigest() for content in uploads.values()
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_file_leaves_nothing_in_the_session(run: Run, songs: list[bytes]) -> None:
    app = given(songs[0], "secret.wav")
    next(button for button in app.button if button.label == "Forget this file").click().run()
    assert not app.exception
    assert "secret" not in words(app)
    assert not any(name in app.session_state for name in ("detect_given", KEPT))


def test_another_file_takes_the_place_of_the_first(run: Run, songs: list[bytes]) -> None:
    app = given(b"not a sound", "first.wav", given(songs[0], "song.wav"))
    assert "song.wav" not in words(app)
    assert len(app.session_state[KEPT]) == 1


def test_a_clip_of_the_run_can_be_judged(run: Run) -> None:
    app = opened()
    next(button for button in app.button if button.label == "◆ AI").click().run()
    assert not app.exception
    assert verdict_in(app).seconds == 5.0


# The page without models


def test_opening_the_page_loads_no_models(run: Run) -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        "app = AppTest.from_file(sys.argv[1], default_timeout=60);"
        "app.run(); app.switch_page('../pages/detect.py').run(); assert not app.exception;"
        "print([name for name in ('torch', 'transformers', 'librosa', 'sklearn', 'scipy') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(APP)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert process.stdout.strip().splitlines()[-1] == "[]"


def test_a_run_without_a_rule_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMD_ARTIFACTS", str(tmp_path / "artifacts"))
    old = invent(tmp_path / "artifacts", "old")
    results = json.loads(old.results_file.read_text(encoding="utf-8"))
    results.pop("verdict", None)
    old.results_file.write_text(json.dumps(results), encoding="utf-8")
    app = opened()
    assert "it holds no rule for whole songs" in words(app)
    assert "--only evaluate" in words(app)
    assert not app.get("file_uploader")


# Pure parts


@pytest.fixture(scope="module")
def verdict(judge: Judge, songs: list[bytes]) -> Verdict:
    return judge_upload(songs[0], "<b>song</b>.wav", judge)


def test_the_html_holds_names_as_text_and_the_json_everything(verdict: Verdict) -> None:
    page = detect_export.as_html(verdict)
    assert "<b>song" not in page
    assert html.escape("<b>song</b>.wav") in page
    assert all(html.escape(limit) in page for limit in verdict.limits)
    assert json.loads(detect_export.as_json(verdict)) == json.loads(json.dumps(verdict.to_dict()))


@pytest.mark.parametrize("call", ["human", "ai", "uncertain", "out_of_scope"])
def test_every_call_has_words_and_a_mark_beside_its_colour(call: str, verdict: Verdict) -> None:
    called = replace(verdict, call=call)  # type: ignore[arg-type]
    others = {detect_words.headline(replace(verdict, call=other)) for other in detect_words.NAMES if other != call}
    assert detect_words.headline(called) not in others
    assert detect_words.marked(called.call)[0] in "●◆?–"
    assert ("No call is made" in detect_words.meaning(called)) == (call == "out_of_scope")


def test_no_probability_reads_as_certainty() -> None:
    assert [detect_words.share(value) for value in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "below 1%", "below 1%", "50.0%", "over 99%", "over 99%",
    ]  # fmt: skip


def test_the_timeline_shows_the_band_and_says_which_windows_do_not_count(verdict: Verdict, judge: Judge) -> None:
    silent = replace(verdict.windows[1], probabilities={}, calibrated={}, note="silent")
    shown = replace(verdict, windows=(verdict.windows[0], silent, *verdict.windows[2:]))
    calls = {name: tuple("ai" if window.calibrated else None for window in shown.windows) for name in shown.by_detector}
    figure = detect_figures.timeline(shown, calls, 0.2, 0.7, 0)  # type: ignore[arg-type]
    bands = [shape for shape in figure.layout.shapes if shape.y0 == 0.2 and shape.y1 == 0.7]
    assert bands
    line, rows = figure.data
    assert line.y[1] is None
    assert line.y[0] == shown.windows[0].calibrated[shown.detector]
    assert [row[1] for row in rows.z] == [None] * 6
    assert "2 of 3 windows count" in detect_words.timeline_alt(shown)


def test_columns_of_overlapping_windows_meet_half_way(verdict: Verdict) -> None:
    windows = [replace(verdict.windows[0], start=start, end=start + 5) for start in (0.0, 2.5, 3.5)]
    assert detect_figures.column_edges(windows) == [1.25, 3.75, 5.5, 6.5]


def test_a_single_window_fills_its_own_time(verdict: Verdict) -> None:
    only = replace(verdict, windows=(replace(verdict.windows[0], start=0.0, end=5.0),), seconds=5.0)
    figure = detect_figures.timeline(only, dict.fromkeys(only.by_detector, ("ai",)), 0.2, 0.7, 0)
    assert list(figure.data[1].x) == [0, 5]
    assert not [shape for shape in figure.layout.shapes if shape.fillcolor == palette.ACCENT], "nothing is marked"


def test_a_sound_that_is_a_clip_stands_where_the_clip_stands() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(30, 8)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = rng.normal(size=(30, 2))
    rows, cosines = nearest(directions, near.unit(7 * directions[11]), np.arange(30), near.K)
    assert rows[0] == 11
    assert cosines[0] == pytest.approx(1)
    assert near.between(positions[rows], cosines) == pytest.approx(tuple(positions[11]), abs=1e-3)
    assert 11 not in nearest(directions, directions[11], np.arange(11), near.K)[0]


def test_the_most_telling_window_is_the_surest(verdict: Verdict) -> None:
    place = detect_view.most_telling(verdict)
    apart = [abs(window.calibrated[verdict.detector] - 0.5) for window in verdict.windows]
    assert apart[place] == max(apart)


@pytest.fixture(autouse=True, scope="module")
def _no_models_left_over() -> Iterator[None]:
    yield
    detect_models.judge_of.clear()
