"""Honest sound: the file as it is, spectrograms turned back into sound at their true level, pictures that mean it."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from PIL import Image, ImageColor

from core import palette, storage
from core.artifacts import CLIP_COLUMNS, ROOT, Run
from core.audio.clips import read_clip
from core.config import Config
from core.errors import ArtifactError
from core.features.filterbanks import log_mel
from core.features.inverse import mel_to_audio, spread_over_bins
from core.features.mel_scale import band_centres
from dashboard.drawing import pictures, player
from dashboard.reading import sound
from dashboard.reading.sound import Sound

RATE = 44_100
SECONDS = 5.0
CONFIG = Config()
QUIETER = 12.0  # dB


def music(seconds: float = SECONDS, rate: int = RATE, level: float = 0.25) -> np.ndarray:
    """Return a chord that comes and goes, in stereo."""
    time = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 277.2, 329.6, 1760.0)) / 4
    return level * np.stack([chord, chord * (1 + np.sin(2 * np.pi * time)) / 2], axis=1)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of two clips whose reconstructions are the clips, 12 dB quieter."""
    rows = [make_clip(tmp_path / "data", f"{label}/song.wav", row) for row, label in enumerate(("human", "ai"))]
    run = Run(tmp_path / "artifacts" / "heard")
    place = {"root": str(tmp_path / "data"), "human": "human", "ai": "ai", "manifest": ""}
    run.write_description(place, CONFIG, demo=False)
    storage.write_csv(run.clips_table, CLIP_COLUMNS, rows)
    mels = np.stack([picture(tmp_path / "data" / str(row[1])) for row in rows])
    storage.write_npy(run.log_mel, mels.astype(np.float16))
    storage.write_npy(run.reconstructions, (mels - QUIETER).astype(np.float16))
    return run


def make_clip(root: Path, name: str, row: int, seconds: float = SECONDS) -> list[object]:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    sf.write(file, music(seconds), RATE)
    return [row, name, row, f"song_{row}", "source", "test", RATE, seconds, "WAV", "", "0" * 64]


def picture(file: Path) -> np.ndarray:
    return log_mel(read_clip(file, CONFIG.audio).waveform, CONFIG.audio, CONFIG.spectrogram)


def describe(run: Run, **changes: str) -> None:
    data, config, demo = run.read_description()
    run.write_description({**data, **changes}, config, demo=demo)


def decoded(content: bytes | Sound) -> np.ndarray:
    data = content.data if isinstance(content, Sound) else content
    return sf.read(io.BytesIO(data), always_2d=True)[0]


def level(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples)))))


# The file


def test_a_clip_sounds_as_its_file_byte_for_byte(run: Run, tmp_path: Path) -> None:
    heard = sound.original(run, "human/song.wav")
    assert heard.data == (tmp_path / "data/human/song.wav").read_bytes()
    assert (heard.mime, heard.name, heard.seconds, heard.note) == ("audio/wav", "song.wav", SECONDS, "")


def test_a_moved_file_reads_as_one_sentence_with_a_command(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data/human/song.wav").unlink()
    with pytest.raises(ArtifactError, match=r"song\.wav: this clip's file has been moved.*Put it back") as raised:
        sound.original(run, "human/song.wav")
    assert "python -m scripts.pipeline run --run heard --human DIR --ai DIR" in raised.value.remedy


@pytest.mark.parametrize("change", [(4.0, RATE), (SECONDS, 22_050), None], ids=["shorter", "slower", "text"])
def test_a_file_that_is_another_by_now_is_not_played(
    run: Run, tmp_path: Path, change: tuple[float, int] | None
) -> None:
    file = tmp_path / "data/human/song.wav"
    file.write_text("no sound")
    if change:
        sf.write(file, music(*change), change[1])
    with pytest.raises(ArtifactError, match="has changed"):
        sound.original(run, "human/song.wav")


@pytest.mark.parametrize("outside", ["../secret.wav", "human/../../secret.wav", "/secret.wav", "linked/secret.wav"])
def test_no_clip_lies_outside_the_runs_folders(run: Run, tmp_path: Path, outside: str) -> None:
    name = str(tmp_path / "secret.wav") if outside.startswith("/") else outside
    row = make_clip(tmp_path, "secret.wav", 2)
    (tmp_path / "data/human/linked").symlink_to(tmp_path, target_is_directory=True)
    row[1] = f"human/{name}" if name.startswith("linked") else name
    storage.write_csv(run.clips_table, CLIP_COLUMNS, [row])
    with pytest.raises(ArtifactError, match="leaves the run's folders"):
        sound.original(run, str(row[1]))
    describe(run, manifest="clips.csv")
    if "linked" not in name:  # a manifest may name what lies behind a link
        with pytest.raises(ArtifactError, match="leaves the run's folders"):
            sound.original(run, str(row[1]))


def test_a_clip_that_is_a_link_is_played_as_it_was_read(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "data/human/song.wav"
    file.rename(tmp_path / "elsewhere.wav")
    file.symlink_to(tmp_path / "elsewhere.wav")
    assert sound.original(run, "human/song.wav").seconds == SECONDS


def test_a_name_that_is_no_clip_of_the_run_has_no_sound(run: Run) -> None:
    with pytest.raises(ArtifactError, match="lists no clip"):
        sound.original(run, "human/other.wav")


@pytest.mark.parametrize(("limit", "value"), [("MAX_SECONDS", 3.0), ("MAX_BYTES", 1000)])
def test_of_a_long_file_the_part_the_models_heard_is_played(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    storage.write_csv(run.clips_table, CLIP_COLUMNS, [make_clip(tmp_path / "data", "human/song.wav", 0, seconds=9.0)])
    monkeypatch.setattr(sound, limit, value)
    heard = sound.original(run, "human/song.wav")
    assert "first 5 s of a file of 9 s" in heard.note
    assert heard.seconds == SECONDS
    np.testing.assert_allclose(decoded(heard), music(9.0)[: RATE * 5], atol=2e-4)


def test_a_file_that_no_browser_plays_is_played_as_wav(run: Run, tmp_path: Path) -> None:
    row = make_clip(tmp_path / "data", "human/song.wav", 0)
    row[CLIP_COLUMNS.index("format")] = "AIFF"
    storage.write_csv(run.clips_table, CLIP_COLUMNS, [row])
    file = tmp_path / "data/human/song.wav"
    samples, rate = sf.read(file)
    sf.write(file, samples, rate, "PCM_16", format="AIFF")
    heard = sound.original(run, "human/song.wav")
    assert (heard.mime, heard.data[:4], heard.seconds) == ("audio/wav", b"RIFF", SECONDS)
    np.testing.assert_allclose(decoded(heard), samples, atol=2e-4)


# The reconstruction made audible


def test_a_reconstruction_12_db_quieter_sounds_12_db_quieter(run: Run) -> None:
    heard = sound.reconstruction(run, 0)
    assert level(decoded(heard.rebuilt)) - level(decoded(heard.heard)) == pytest.approx(-QUIETER, abs=0.1)
    assert heard.level == pytest.approx(-QUIETER, abs=0.1)


def test_the_models_version_is_as_loud_as_the_file(run: Run) -> None:
    heard = sound.reconstruction(run, 1)
    mono = decoded(heard.original).mean(axis=1)
    assert level(decoded(heard.heard)) == pytest.approx(level(mono), abs=0.1)
    assert heard.original == sound.original(run, "ai/song.wav")
    assert "dB below" not in heard.note


def test_where_one_would_clip_all_three_are_lowered_alike(run: Run, tmp_path: Path) -> None:
    loud = music()[:, :1] * 4
    sf.write(tmp_path / "data/human/song.wav", np.where(np.arange(len(loud))[:, None] % 20_000 < 900, loud, 0), RATE)
    mel = picture(tmp_path / "data/human/song.wav")
    storage.write_npy(run.log_mel, np.stack([mel, mel]).astype(np.float16))
    storage.write_npy(run.reconstructions, np.stack([mel + 20, mel]).astype(np.float16))
    heard = sound.reconstruction(run, 0)
    lowered = level(decoded(sound.original(run, "human/song.wav"))) - level(decoded(heard.original))
    assert lowered > 3
    assert f"{lowered:.1f} dB below the file's" in heard.note
    assert level(decoded(heard.heard)) == pytest.approx(level(decoded(heard.original)), abs=0.1)
    assert np.abs(decoded(heard.rebuilt)).max() == pytest.approx(sound.HEADROOM, abs=1e-3)


def test_silence_stays_silent() -> None:
    nothing, something = np.zeros(100, np.float32), np.full(100, 0.5, np.float32)
    assert sound.gains(nothing, something, something) == (0.0, 1.0)
    assert sound.gains(something, nothing, nothing) == (0.0, 1.0)


def test_pictures_not_made_yet_name_the_command(run: Run) -> None:
    run.reconstructions.unlink()
    with pytest.raises(ArtifactError, match=r"not made yet.*--only explain"):
        sound.reconstruction(run, 0)


def test_pictures_of_other_clips_are_refused(run: Run) -> None:
    storage.write_npy(run.log_mel, np.zeros((5, 128, 157), np.float16))
    with pytest.raises(ArtifactError, match=r"does not hold the clips.*--only explain"):
        sound.reconstruction(run, 0)


def test_equal_spectrograms_give_equal_sound_and_lower_ones_lower_sound() -> None:
    mel = np.random.default_rng(0).uniform(-80, 0, (128, 40))
    first, again, lower = (mel_to_audio(m, 16_000, 2048, 512, 20_000) for m in (mel, mel, mel - 20))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(lower, first / 10, atol=1e-4 * np.abs(first).max())


def test_a_clip_comes_back_from_its_mel_spectrogram(run: Run, tmp_path: Path) -> None:
    mel = picture(tmp_path / "data/human/song.wav")
    audio, spectrogram = CONFIG.audio, CONFIG.spectrogram
    again = mel_to_audio(mel, audio.sample_rate, spectrogram.n_fft, spectrogram.hop_length, audio.samples)
    assert again.shape == (audio.samples,)
    error = np.abs(np.maximum(log_mel(again, audio, spectrogram), -50) - np.maximum(mel, -50))
    assert error.mean() < 1.0


def test_energies_spread_over_bins_add_up_to_their_bands() -> None:
    from librosa.filters import mel

    filters = mel(sr=16_000, n_fft=2048, n_mels=128)
    bands = filters @ np.random.default_rng(0).exponential(size=(1025, 3))
    np.testing.assert_allclose(filters @ spread_over_bins(bands, 16_000, 2048), bands, rtol=0.02)


def test_a_real_clip_and_its_reconstruction_keep_their_levels(real_data: Path, tmp_path: Path) -> None:
    file = next(real_data.rglob("*.flac"))
    clip = read_clip(file, CONFIG.audio).waveform
    mel = log_mel(clip, CONFIG.audio, CONFIG.spectrogram)
    made = mel_to_audio(mel, 16_000, 2048, 512, len(clip))
    gain, lowered = sound.gains(clip, made, made)
    assert level(made * gain / lowered) == pytest.approx(level(clip), abs=0.01)


# Waveforms for drawing


def test_an_outline_holds_every_peak() -> None:
    samples = np.zeros((16_000, 2), np.float32)
    samples[1000, 0], samples[9000, 1] = 0.75, -0.5
    outline = sound.waveform_outline(sound.wav(samples, 16_000, "peaks.wav").data)
    assert outline.shape == (800, 2)
    assert outline[50, 1] == pytest.approx(0.75, abs=1e-3)
    assert outline[450, 0] == pytest.approx(-0.5, abs=1e-3)
    assert np.count_nonzero(outline) == 2


def test_what_is_no_sound_has_no_outline() -> None:
    assert sound.waveform_outline(b"no sound").shape == (0, 2)
    assert sound.waveform_outline(sound.wav(np.zeros(0, np.float32), 16_000, "").data).shape == (0, 2)
    assert len(sound.waveform_outline(sound.wav(np.ones(3, np.float32), 16_000, "").data)) == 3


def test_a_quiet_waveform_stays_quiet_in_its_file() -> None:
    assert np.abs(decoded(sound.wav(np.full(100, 0.01, np.float32), 16_000, "quiet.wav"))).max() < 0.0101


# Pictures


def colours(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def rgb(colour: str) -> list[int]:
    return list(ImageColor.getrgb(colour))


def test_low_bands_are_at_the_bottom_and_loud_is_bright() -> None:
    mel = np.full((4, 6), -80.0)
    mel[0, 2] = 0  # the lowest band, third frame
    picture = colours(pictures.spectrogram_png(mel))
    assert picture.shape == (4, 6, 4)
    assert picture[3, 2, :3].tolist() == rgb(palette.SEQUENTIAL[-1])
    assert picture[0, 2, :3].tolist() == rgb(palette.SEQUENTIAL[0])


def test_beyond_the_scale_its_ends_are_drawn() -> None:
    picture = colours(pictures.spectrogram_png([[-200.0, np.nan, 50.0]]))
    assert [pixel[:3].tolist() for pixel in picture[0]] == [rgb(palette.SEQUENTIAL[n]) for n in (0, 0, -1)]


def test_a_layer_is_clear_where_nothing_weighs() -> None:
    weights = np.zeros((3, 5))
    weights[0, 1] = 0.02
    layer = colours(pictures.overlay_png(weights))
    assert layer[2, 1].tolist() == [255, 255, 255, round(pictures.OPAQUE)]
    assert np.count_nonzero(layer[..., 3]) == 1
    assert not colours(pictures.overlay_png(np.zeros((3, 5))))[..., 3].any()


def test_a_colour_bar_runs_through_all_colours() -> None:
    bar = colours(pictures.colour_bar_png())[0, :, :3]
    assert bar[[0, -1]].tolist() == [rgb(palette.SEQUENTIAL[0]), rgb(palette.SEQUENTIAL[-1])]


# What the player is given


def test_the_axes_lie_where_the_bands_and_frames_are() -> None:
    axes = player.log_mel_axes(CONFIG, 157)
    heights = {text: height for height, text in axes.ticks}
    assert list(heights) == ["0.5", "1", "2", "4"]
    band = int(np.argmin(np.abs(band_centres(128, 16_000) - 1000)))
    assert heights["1"] == pytest.approx((band + 0.5) / 128, abs=1 / 128)
    assert axes.hertz[band] == pytest.approx(1000, abs=25)
    assert (axes.start, axes.end) == pytest.approx((-0.016, 5.008))


def test_names_with_marks_and_markup_arrive_as_they_are() -> None:
    name = "<b>**a**</b>"
    track = player.Track(name=name, sound=sound.wav(np.zeros(10, np.float32), 10, name, "Cut."), picture=b"", alt=name)
    described = player.player_track(track)
    assert [described[key] for key in ("name", "file", "alt", "caption")] == [name, name, name, "Cut."]
    assert described["axes"] == {"start": 0.0, "end": 1.0, "ticks": (), "hertz": ()}


def test_the_players_script_never_writes_markup_or_fetches() -> None:
    script = (ROOT / "dashboard/drawing/player.js").read_text(encoding="utf-8")
    style = (ROOT / "dashboard/drawing/player.css").read_text(encoding="utf-8")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|fetch\(|import\(", script)
    assert re.findall(r"https?://[^\"]+", script + style) == ["http://www.w3.org/2000/svg"]  # a name, never fetched
    rules = re.sub(r"/\*.*?\*/|@media[^{]*\{|\{[^}]*\}", "", style, flags=re.DOTALL).replace("}", "")
    assert all(rule.strip().startswith(".smd-player") for rule in re.split(r"[,\n]", rules) if rule.strip())
