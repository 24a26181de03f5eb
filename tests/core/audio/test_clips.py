"""Statements about reading sound: what comes out, what is refused, and that nothing else can happen."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile as sf

from core.audio import clips
from core.audio.song import Song
from core.audio.source import open_audio
from core.config import AudioConfig
from core.errors import AudioError, DetectorError
from tests.support.hostile_audio import CASES, RATE, Case, damaged, encode, encoded, sound, wav
from tests.support.whole_songs import read_song

CONFIG = AudioConfig()
by_librosa = pytest.mark.filterwarnings(
    "ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning"
)  # its fallback
REFUSED = [case for case in CASES if case.outcome != "reads" and not case.outcome.startswith("warns:")]
FORMATS = {
    "wav-8": ("WAV", "PCM_U8"),
    "wav-16": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-32": ("WAV", "PCM_32"),
    "wav-float": ("WAV", "FLOAT"),
    "wavex-16": ("WAVEX", "PCM_16"),
    "aiff-16": ("AIFF", "PCM_16"),
    "aiff-float": ("AIFF", "FLOAT"),
    "flac-16": ("FLAC", "PCM_16"),
    "flac-24": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Return a function that writes bytes to a file of a given name."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


Put = Callable[[str, bytes], Path]


def file_name(container: str) -> str:
    return f"a.{container.lower().replace('wavex', 'wav')}"


def outcome(path: Path) -> str:
    """Read a clip and say what happened in a word, as a `Case` does."""
    try:
        clip = clips.read_clip(path, CONFIG)
    except AudioError as error:
        return error.code
    assert clip.waveform.shape == (CONFIG.samples,)
    assert np.isfinite(clip.waveform).all()
    return f"warns:{','.join(clip.warnings)}" if clip.warnings else "reads"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_file_has_its_stated_outcome(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    outcomes: list[str] = []
    # In a thread of its own, for a pipe could hold it for ever
    reader = threading.Thread(target=lambda: outcomes.append(outcome(path)), daemon=True)
    reader.start()
    reader.join(timeout=10)
    assert outcomes == [case.outcome]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_refusal_is_a_sentence_with_a_path_a_problem_and_a_remedy(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    with pytest.raises(AudioError) as refusal:
        clips.read_clip(path, CONFIG)
    assert str(refusal.value) == f"{path}: {refusal.value.problem}. {refusal.value.remedy}."
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 2), (22_050, 1), (44_100, 2), (48_000, 1)])
def test_an_honest_file_is_read_without_a_warning(put: Put, name: str, rate: int, channels: int) -> None:
    container, subtype = FORMATS[name]
    path = put(file_name(container), encoded(container, subtype, 1.3, rate, channels))
    header = clips.inspect(path, CONFIG)
    assert (header.sample_rate, header.channels, header.warnings) == (rate, channels, ())
    assert header.seconds == pytest.approx(1.3, abs=0.2)  # MP3 counts whole frames
    assert outcome(path) == "reads"


@pytest.mark.parametrize("rate", [96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 6])
def test_studio_rates_and_surround_are_read(put: Put, rate: int, channels: int) -> None:
    assert outcome(put("a.wav", encoded("WAV", "PCM_24", 1.1, rate, channels))) == "reads"


@by_librosa
@pytest.mark.parametrize("rate", [16_000, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_clip_equals_librosas(put: Put, rate: int, channels: int) -> None:
    path = put("a.wav", encoded("WAV", "PCM_16", 7.0, rate, channels))
    expected, _ = librosa.load(path, sr=CONFIG.sample_rate, mono=True)
    np.testing.assert_allclose(clips.read_clip(path, CONFIG).waveform, expected[: CONFIG.samples], atol=1e-6, rtol=0)


@by_librosa
@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_a_compressed_clip_equals_librosas(put: Put, container: str, subtype: str) -> None:
    path = put(file_name(container), encoded(container, subtype, 6.0, 44_100, 2))
    expected, _ = librosa.load(path, sr=CONFIG.sample_rate, mono=True)
    np.testing.assert_allclose(clips.read_clip(path, CONFIG).waveform, expected[: CONFIG.samples], atol=1e-6, rtol=0)


@by_librosa
def test_real_clips_equal_librosas() -> None:
    folder = os.environ.get("SMD_REAL_DATA")
    if not folder:
        pytest.skip("SMD_REAL_DATA names no folder")
    for path in sorted(Path(folder).rglob("*.flac"))[::40]:
        expected, _ = librosa.load(path, sr=CONFIG.sample_rate, mono=True)
        heard = clips.read_clip(path, CONFIG).waveform[: len(expected)]
        np.testing.assert_allclose(heard, expected[: CONFIG.samples], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["wav-16", "flac-16", "ogg", "mp3"])
def test_training_and_serving_hear_the_same(put: Put, name: str) -> None:
    container, subtype = FORMATS[name]
    path = put(file_name(container), encoded(container, subtype, 12.5, 44_100, 2))
    clip, song = clips.read_clip(path, CONFIG).waveform, read_song(path, CONFIG).waveform
    assert np.array_equal(clip, song[: CONFIG.samples])
    with open_audio(path, CONFIG) as source:
        _, first = next(Song(source, CONFIG, 2.5).windows())
    assert np.array_equal(clip, first)
    assert len(song) == pytest.approx(12.5 * CONFIG.sample_rate, rel=0.01)


@pytest.mark.parametrize("container", ["FLAC", "OGG"])
def test_a_damaged_file_too_sounds_the_same_in_training_and_serving(put: Put, container: str) -> None:
    data = encoded(container, dict(FORMATS.values())[container], 12.0, 44_100)
    path = put(file_name(container), damaged(data, at=0.6))
    clip, song = clips.read_clip(path, CONFIG), read_song(path, CONFIG)
    heard = min(len(song.waveform), CONFIG.samples)
    assert np.array_equal(clip.waveform[:heard], song.waveform[:heard])
    assert song.warnings == ("truncated",)


def test_the_sound_before_the_damage_is_kept(put: Put) -> None:
    whole, broken = put("a.flac", encoded("FLAC")), put("b.flac", damaged(encoded("FLAC"), at=0.8))
    before = 2 * CONFIG.sample_rate  # of 3 seconds, damaged after about 2.4
    assert np.array_equal(read_song(broken, CONFIG).waveform[:before], read_song(whole, CONFIG).waveform[:before])


def test_what_follows_a_hole_is_not_spliced_on(put: Put) -> None:
    song = read_song(put("a.ogg", damaged(encoded("OGG", "VORBIS", 12.0, 44_100), at=0.95)), CONFIG)
    assert 11.0 < len(song.waveform) / CONFIG.sample_rate < 11.7


def test_mono_is_the_mean_of_the_channels(put: Put) -> None:
    left, right = sound(2.0, 16_000)[:, 0], np.flip(sound(2.0, 16_000)[:, 0])
    path = put("a.wav", encode(np.stack([left, right], axis=1), "WAV", "FLOAT", 16_000))
    np.testing.assert_allclose(read_song(path, CONFIG).waveform, (left + right) / 2, atol=1e-7)


def test_a_tone_above_half_the_rate_does_not_fold_down(put: Put) -> None:
    time = np.arange(2 * 44_100) / 44_100
    loud, quiet = np.sin(2 * np.pi * 12_000 * time), 0.01 * np.sin(2 * np.pi * 1_000 * time)
    heard = read_song(put("a.wav", encode((0.5 * loud + quiet)[:, None], "WAV", "FLOAT", 44_100)), CONFIG).waveform
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum[round(4_000 * len(heard) / 16_000)] < 1e-3 * spectrum[round(1_000 * len(heard) / 16_000)]


def test_a_short_clip_is_repeated_from_its_start_and_never_padded_with_zeros(put: Put) -> None:
    path = put("a.wav", encoded("WAV", seconds=2.0, rate=16_000))
    clip, song = clips.read_clip(path, CONFIG).waveform, read_song(path, CONFIG).waveform
    assert np.array_equal(clip, np.concatenate([song, song, song[: CONFIG.samples - 2 * len(song)]]))


def test_a_long_song_is_decoded_no_further_than_its_clip(put: Put) -> None:
    samples = sound(20.0)
    samples[15 * RATE] = np.nan
    path = put("a.wav", encode(samples, "WAV", "FLOAT"))
    assert outcome(path) == "reads"
    with pytest.raises(AudioError, match="not numbers"):
        read_song(path, CONFIG)


def test_the_native_sound_is_the_files_own_samples(put: Put) -> None:
    data = encoded("WAV", "PCM_16", 7.0, 44_100, 2)
    stored, _ = sf.read(io.BytesIO(data), dtype="float32")
    header, waveform = clips.read_native(put("a.wav", data), CONFIG)
    assert (header.sample_rate, header.subtype) == (44_100, "PCM_16")
    assert np.array_equal(waveform, stored[: round(44_100 * CONFIG.seconds)])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 3), (44_100, 2), (192_000, 1), (8_000, 2)])
def test_one_reading_gives_the_native_sound_and_the_very_clip(put: Put, subtype: str, rate: int, channels: int) -> None:
    path = put("a.wav", encoded("WAV", subtype, 6.0, rate, channels))
    recording, clip = clips.read_recording(path, CONFIG), clips.read_clip(path, CONFIG)
    np.testing.assert_array_equal(recording.clip.waveform, clip.waveform)
    np.testing.assert_array_equal(recording.native, clips.read_native(path, CONFIG)[1])
    assert (recording.clip.header, recording.clip.warnings) == (clip.header, clip.warnings)
    assert recording.size == path.stat().st_size


def test_native_sound_shorter_than_a_clip_is_not_filled(put: Put) -> None:
    assert clips.read_native(put("a.flac", encoded("FLAC", seconds=1.5)), CONFIG)[1].shape == (round(1.5 * RATE), 1)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_is_refused_as_a_clip_is_refused_as_native_sound(case: Case, tmp_path: Path) -> None:
    with pytest.raises(AudioError) as refusal:
        clips.read_native(case.make(tmp_path), CONFIG)
    assert refusal.value.code == case.outcome


def test_every_limit_can_be_set(put: Put) -> None:
    path = put("a.wav", encoded("WAV", channels=2))
    strict = {
        "too_large": replace(CONFIG, max_bytes=1024),
        "sample_rate": replace(CONFIG, min_native_rate=44_100),
        "channels": replace(CONFIG, max_channels=1),
        "too_long": replace(CONFIG, max_seconds=2.0),
        "too_short": replace(CONFIG, min_seconds=4.0),
        "silence": replace(CONFIG, silence_dbfs=0.0),
    }
    for code, config in strict.items():
        with pytest.raises(AudioError) as refusal:
            clips.read_clip(path, config)
        assert refusal.value.code == code


@pytest.mark.parametrize("name", ["wav-16", "flac-16", "ogg", "mp3"])
def test_a_file_cut_anywhere_is_refused_or_warned_about(put: Put, name: str) -> None:
    container, subtype = FORMATS[name]
    data = encoded(container, subtype, 12.0)
    outcomes = {outcome(put(file_name(container), data[: len(data) * part // 20])) for part in range(1, 20)}
    assert "reads" not in outcomes
    assert "warns:truncated" in outcomes


def test_an_mp3_tag_before_the_sound_is_stepped_over(put: Put) -> None:
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    assert outcome(put("a.mp3", tag + encoded("MP3", "MPEG_LAYER_III"))) == "reads"


def test_an_id3_tag_behind_the_sound_is_no_damage(put: Put) -> None:
    assert outcome(put("a.mp3", encoded("MP3", "MPEG_LAYER_III") + b"TAG" + bytes(125))) == "reads"


def test_a_link_to_a_file_is_followed(put: Put, tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(put("a.wav", encoded("WAV")))
    assert outcome(tmp_path / "link.wav") == "reads"


@pytest.mark.parametrize(
    "name", ["ein Lied.wav", "песня.wav", "歌.flac", "-rf.wav", "a\nb.wav", os.fsdecode(b"\xff.wav")]
)
def test_a_file_name_may_be_anything(put: Put, name: str) -> None:
    assert outcome(put(name, encoded("FLAC" if name.endswith("flac") else "WAV"))) == "reads"


def test_a_name_with_a_null_byte_is_refused() -> None:
    assert outcome(Path("a\0.wav")) == "path"


@pytest.mark.parametrize("name", ["wav-16", "wav-float", "flac-16", "ogg", "mp3"])
def test_no_mutation_gives_anything_but_a_clip_or_a_refusal(put: Put, name: str) -> None:
    container, subtype = FORMATS[name]
    original = np.frombuffer(encoded(container, subtype, 1.5, 16_000), np.uint8)
    rng = np.random.default_rng(11)
    for _ in range(80):
        mutant = original[: rng.integers(1, len(original)) if rng.random() < 0.2 else None].copy()
        reach = min(len(mutant), 200 if rng.random() < 0.5 else len(mutant))  # half of them hit the header
        hits = rng.integers(0, reach, rng.integers(1, 12))
        mutant[hits] = rng.integers(0, 256, len(hits))
        outcome(put(file_name(container), mutant.tobytes()))


def windows_of(path: Path) -> list[tuple[int, np.ndarray]]:
    """Return the windows of a song with where they start, one every 2.5 s."""
    with open_audio(path, CONFIG) as source:
        return list(Song(source, CONFIG, 2.5).windows())


def test_windows_cover_the_song_and_the_last_ends_with_it(put: Put) -> None:
    ramp = np.linspace(0, 1, int(12.3 * CONFIG.sample_rate), dtype=np.float32)
    starts, windows = zip(*windows_of(put("a.wav", encode(ramp[:, None], "WAV", "FLOAT", 16_000))), strict=True)
    assert list(starts) == [0, 40_000, 80_000, len(ramp) - CONFIG.samples]
    assert windows[-1][-1] == ramp[-1]
    for start, window in zip(starts, windows, strict=True):
        assert np.array_equal(window, ramp[start : start + CONFIG.samples])


@pytest.mark.parametrize("seconds", [1.25, 5.0])
def test_a_song_of_at_most_one_window_has_one_window(put: Put, seconds: float) -> None:
    ((start, window),) = windows_of(put("a.wav", encoded("WAV", seconds=seconds, rate=16_000)))
    assert (start, window.shape) == (0, (CONFIG.samples,))


def test_an_hour_is_streamed_in_little_memory(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="only Unix tells a process's peak memory")
    path = tmp_path / "hour.flac"
    minute = (sound(60.0, 8_000) * 32767).astype(np.int16)
    with sf.SoundFile(path, "w", 8_000, 1, "PCM_16", format="FLAC") as out:
        for _ in range(60):
            out.write(minute)
    program = (
        "import resource, sys; from core.audio.source import open_audio; from core.config import AudioConfig\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "with open_audio(sys.argv[1], AudioConfig()) as source: samples = sum(map(len, source.resampled()))\n"
        "print(samples, peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    samples, grown = map(int, run.stdout.split())
    assert samples == 3600 * CONFIG.sample_rate
    assert grown < 32 * 1024  # KiB on Linux, where the samples would take 230 MB


def test_a_million_declared_channels_or_samples_allocate_nothing(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="only Unix can bound a process's memory")
    lies = [
        case for case in CASES if case.outcome in ("declared_too_long", "length_unknown", "sample_rate", "channels")
    ]
    paths = []
    for number, case in enumerate(lies):
        (tmp_path / str(number)).mkdir()
        paths.append(case.make(tmp_path / str(number)))
    program = (
        "import resource, sys; from core.audio.clips import read_clip; from core.config import AudioConfig\n"
        "from core.errors import AudioError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); codes = []\n"
        "for path in sys.argv[1:]:\n"
        "    try: read_clip(path, AudioConfig())\n"
        "    except AudioError as error: codes.append(error.code)\n"
        "print(len(codes), peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    refused, grown = map(int, run.stdout.split())
    assert refused == len(lies)
    assert grown < 16 * 1024


def test_nothing_stays_open_after_a_refusal(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list open files")
    path = tmp_path / "a.wav"
    path.write_bytes(wav(bytes(2 * RATE * 2)))

    def count() -> int:
        return sum(1 for _ in descriptors.iterdir())

    before = count()
    for _ in range(5):
        with pytest.raises(DetectorError):
            clips.read_clip(path, CONFIG)
        with open_audio(path, CONFIG) as source:
            next(source.resampled())  # and leave the rest unread
    assert count() == before
