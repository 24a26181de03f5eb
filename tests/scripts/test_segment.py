"""Statements about cutting songs into clips."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from core.audio.clips import read_clip
from core.config import AudioConfig
from core.data.names import song_of
from scripts import segment
from tests.support.hostile_audio import encode, encoded, sound

CONFIG = AudioConfig()
RATE = 22_050


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Return an empty folder for songs."""
    folder = tmp_path / "songs"
    folder.mkdir()
    return folder


@pytest.fixture
def cut(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs the command on the songs and returns what it printed."""

    def run(*options: str) -> str:
        segment.main([str(songs), str(tmp_path / "clips"), *options])
        return capsys.readouterr().out

    return run


Cut = Callable[..., str]


def put(path: Path, seconds: float, container: str = "WAV", subtype: str = "PCM_16", channels: int = 1) -> Path:
    """Write a song."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(container, subtype, seconds, RATE, channels))
    return path


def clips(tmp_path: Path) -> list[str]:
    folder = tmp_path / "clips"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.flac"))


def skipped(tmp_path: Path) -> dict[str, str]:
    with (tmp_path / "clips" / "skipped.csv").open(encoding="utf-8", newline="") as file:
        return {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}


def test_a_song_becomes_numbered_clips_without_its_tail(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "song.wav", 17.3)
    assert "1 songs: 3 clips written" in cut()
    assert clips(tmp_path) == ["song_seg1.flac", "song_seg2.flac", "song_seg3.flac"]
    assert [sf.info(tmp_path / "clips" / name).frames for name in clips(tmp_path)] == [5 * RATE] * 3


def test_the_clips_joined_are_the_song(songs: Path, cut: Cut, tmp_path: Path) -> None:
    song, _ = sf.read(put(songs / "song.wav", 12.0, channels=2), dtype="int16")
    cut()
    joined = np.concatenate([sf.read(tmp_path / "clips" / name, dtype="int16")[0] for name in clips(tmp_path)])
    assert np.array_equal(joined, song[: 10 * RATE])


def test_a_clip_keeps_its_songs_rate_and_channels(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "song.mp3", 6.0, "MP3", "MPEG_LAYER_III", channels=2)
    cut()
    facts = sf.info(tmp_path / "clips" / "song_seg1.flac")
    assert (facts.samplerate, facts.channels, facts.subtype) == (RATE, 2, "PCM_16")


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_every_accepted_format_is_cut(songs: Path, cut: Cut, tmp_path: Path, container: str, subtype: str) -> None:
    put(songs / f"song.{container.lower()}", 11.0, container, subtype)
    cut()
    assert len(clips(tmp_path)) == 2


def test_a_clip_of_a_song_is_what_reading_the_song_gives(songs: Path, cut: Cut, tmp_path: Path) -> None:
    song = put(songs / "song.wav", 5.0)
    cut()
    heard = read_clip(tmp_path / "clips" / "song_seg1.flac", CONFIG).waveform
    assert np.array_equal(heard, read_clip(song, CONFIG).waveform)


def test_a_song_shorter_than_a_clip_is_one_clip(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "jingle.wav", 2.5)
    cut()
    assert sf.info(tmp_path / "clips" / "jingle_seg1.flac").duration == pytest.approx(2.5)


def test_a_silent_piece_is_left_out_and_the_others_keep_their_numbers(songs: Path, cut: Cut, tmp_path: Path) -> None:
    samples = sound(15.0, RATE)
    samples[5 * RATE : 10 * RATE] = 0
    (songs / "song.wav").write_bytes(encode(samples, "WAV", "PCM_16", RATE))
    cut()
    assert clips(tmp_path) == ["song_seg1.flac", "song_seg3.flac"]


def test_songs_of_one_name_do_not_overwrite_each_other(songs: Path, cut: Cut, tmp_path: Path) -> None:
    for name in ("a/song.wav", "b/song.wav", "b/song.flac", "b/Song.ogg"):
        container = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}[name.rpartition(".")[2]]
        put(songs / name, 5.0, container, "VORBIS" if container == "OGG" else "PCM_16")
    cut()
    assert clips(tmp_path) == [
        "a/song_seg1.flac",
        "b/Song.ogg_seg1.flac",
        "b/song.flac_seg1.flac",
        "b/song.wav_seg1.flac",
    ]
    assert len({song_of(Path(name)) for name in clips(tmp_path)}) == 4


def test_clips_of_a_song_belong_together(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "rock" / "01 - A song (live).wav", 10.0)
    cut()
    assert {song_of(Path(name)) for name in clips(tmp_path)} == {"rock/01 - A song (live)"}


def test_a_bad_song_is_listed_with_its_reason_and_the_rest_goes_on(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "good.wav", 5.0)
    (songs / "empty.mp3").touch()
    (songs / "video.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    (songs / "quiet.wav").write_bytes(encode(np.zeros((6 * RATE, 1)), "WAV", "PCM_16", RATE))
    (songs / "cover.jpg").write_bytes(b"not a song, and not listed")
    said = cut()
    assert "3 songs: 1 clips written, 0 already there; 2 songs in skipped.csv" in said
    assert "Passed over: 1 M4A file, 1 of other kinds (1 JPG)" in said
    reasons = {name: reason.partition(":")[0] for name, reason in skipped(tmp_path).items()}
    assert reasons == {"empty.mp3": "empty_file", "video.m4a": "type_not_accepted", "quiet.wav": "silence"}


def test_a_song_that_turns_bad_gives_the_clips_before_that(songs: Path, cut: Cut, tmp_path: Path) -> None:
    samples = sound(20.0, RATE)
    samples[12 * RATE] = np.inf
    (songs / "song.wav").write_bytes(encode(samples, "WAV", "FLOAT", RATE))
    cut()
    assert clips(tmp_path) == ["song_seg1.flac", "song_seg2.flac"]
    assert skipped(tmp_path)["song.wav"].startswith("non_finite")


def test_running_again_goes_on_where_it_stopped(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "song.wav", 15.0)
    cut()
    first = tmp_path / "clips" / "song_seg1.flac"
    written = first.stat().st_mtime_ns
    (tmp_path / "clips" / "song_seg2.flac").unlink()
    assert "1 clips written, 2 already there" in cut()
    assert first.stat().st_mtime_ns == written
    assert len(clips(tmp_path)) == 3


def test_clips_of_another_length_or_of_a_replaced_song_are_never_taken_for_these(
    songs: Path, cut: Cut, tmp_path: Path
) -> None:
    song = put(songs / "song [live].wav", 12.0)
    cut()
    before = {path: path.read_bytes() for path in (tmp_path / "clips").rglob("*")}
    with pytest.raises(SystemExit, match=r"clips of 1 songs .*song \[live\]\.wav.*another folder"):
        cut("--seconds", "3")
    put(song, 17.0)
    with pytest.raises(SystemExit, match="cut from other files"):
        cut()
    assert {path: path.read_bytes() for path in (tmp_path / "clips").rglob("*")} == before
    for clip in (tmp_path / "clips").glob("*.flac"):
        clip.unlink()
    assert "3 clips written" in cut()


def test_clips_inside_the_song_folder_are_not_cut_again(songs: Path, tmp_path: Path) -> None:
    put(songs / "song.wav", 5.0)
    for _ in range(2):
        segment.main([str(songs), str(songs / "clips")])
    assert [path.name for path in songs.rglob("*.flac")] == ["song_seg1.flac"]


def test_an_interrupted_write_leaves_no_half_clip(
    songs: Path, cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(songs / "song.wav", 5.0)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        cut()
    assert list((tmp_path / "clips").iterdir()) == []


def test_the_number_and_the_length_of_clips_can_be_set(songs: Path, cut: Cut, tmp_path: Path) -> None:
    put(songs / "song.wav", 14.0)
    cut("--seconds", "3", "--max-per-song", "2")
    assert clips(tmp_path) == ["song_seg1.flac", "song_seg2.flac"]
    assert sf.info(tmp_path / "clips" / "song_seg2.flac").duration == pytest.approx(3.0)


def test_a_single_song_can_be_named(songs: Path, tmp_path: Path) -> None:
    segment.main([str(put(songs / "song.wav", 5.0)), str(tmp_path / "clips")])
    assert clips(tmp_path) == ["song_seg1.flac"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{songs}/missing", "{songs}/clips"], "there is no such file or folder"),
        (["{songs}", "{songs}/clips"], "it holds no audio file"),
        (["{songs}", "{songs}"], "share one folder"),
        (["{songs}", "{songs}/clips", "--seconds", "0"], "out of range"),
    ],
)
def test_a_mistake_ends_in_one_sentence(songs: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence) as ended:
        segment.main([argument.format(songs=songs) for argument in arguments])
    assert "\n" not in str(ended.value)


def test_no_clip_at_all_is_a_failure(songs: Path, cut: Cut) -> None:
    (songs / "empty.wav").touch()
    with pytest.raises(SystemExit, match="no song gave a clip"):
        cut()
