"""The demo's clips: reproducible, whole, and told apart by nothing but the decoder's trace."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
import soxr
from scipy.signal import ShortTimeFFT
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.demo import clips as demo_clips
from core.demo import decoders as demo_decoders
from core.demo import songs as demo_songs
from core.errors import DataError

Array = npt.NDArray[np.float64]
SONGS = 48  # per class, in the data set that the classifiers are tried on


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_clips.make(tmp_path_factory.mktemp("demo") / "clips", songs_per_class=4, clips_per_song=2, seed=0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Array, int]]:
    """Path, samples (n, channels) and native rate of every clip of a larger set."""
    folder = demo_clips.make(tmp_path_factory.mktemp("demo") / "clips", SONGS, clips_per_song=1, seed=0)
    return [(path, *sf.read(path, always_2d=True)) for path in sorted(folder.rglob("*.wav"))]


def label(path: Path) -> int:
    return int(path.parent.parent.name == "Ai music")


def cross_validated_auc(features: list[list[float]], clips: list[tuple[Path, Array, int]], model: object) -> float:
    labels = np.array([label(path) for path, _, _ in clips])
    songs = [path.stem.rsplit("_", 1)[0] for path, _, _ in clips]
    folds = GroupKFold(5, shuffle=True, random_state=0)
    scaled = make_pipeline(StandardScaler(), model)
    scores = cross_val_predict(scaled, np.array(features), labels, groups=songs, cv=folds, method="predict_proba")
    return float(roc_auc_score(labels, scores[:, 1]))


def not_music(samples: Array, rate: int) -> list[float]:
    """Measure what a cheat would look at: rate, length, level, peak, crest, offset, silence, channels."""
    mono = samples.mean(axis=1)
    level, peak = float(np.sqrt((mono**2).mean())), float(np.abs(mono).max())
    silence = float(np.argmax(np.abs(mono) > 0.01)) / rate
    return [rate, mono.size / rate, level, peak, peak / level, mono.mean(), abs(mono.mean()), silence, samples.shape[1]]


def mean_log_spectrum(samples: Array, rate: int) -> list[float]:
    """Average spectrum in 128 bands of equal width on the mel scale, in dB below the loudest."""
    mono = soxr.resample(samples.mean(axis=1), rate, 16_000)
    power = ShortTimeFFT(np.hanning(2048), 512, 16_000).spectrogram(mono).mean(axis=1)
    edges = np.searchsorted(np.linspace(0, 8000, power.size), 700 * (np.geomspace(1, 8000 / 700 + 1, 129) - 1))
    bands = np.array([power[low : max(high, low + 1)].mean() for low, high in pairwise(edges)])
    level = 10 * np.log10(np.maximum(bands, 1e-12))
    return list(np.maximum(level - level.max(), -80))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(small: Path, tmp_path: Path) -> None:
    again = contents(demo_clips.make(tmp_path / "again", 4, 2, seed=0))
    other = contents(demo_clips.make(tmp_path / "other", 4, 2, seed=1))
    assert again == contents(small)
    assert other.keys() == again.keys()
    assert not set(other.values()) & set(again.values())


def test_a_longer_data_set_keeps_the_songs_of_a_shorter_one(small: Path, tmp_path: Path) -> None:
    longer = contents(demo_clips.make(tmp_path / "longer", 5, 2, seed=0))
    assert contents(small).items() <= longer.items()


def test_two_human_sources_and_two_generators_lie_in_the_two_folders(small: Path) -> None:
    names = set(contents(small))
    assert "Human Music/demo_recordings/bandroom_001_seg1.wav" in names
    assert "Human Music/demo_recordings/synthlab_002_seg2.wav" in names
    assert "Ai music/demo_generations/melvocoder_001_seg1.wav" in names
    assert "Ai music/demo_generations/upsampler_002_seg2.wav" in names
    assert len(names) == 16


def test_every_clip_is_five_seconds_of_sound_that_does_not_clip(small: Path) -> None:
    for path in small.rglob("*.wav"):
        samples, rate = sf.read(path)
        assert len(samples) == 5 * rate
        assert 0.02 < samples.std() < 0.5
        assert np.abs(samples).max() < 0.99


def test_no_song_is_in_both_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bytes] = []

    def perform(palette: demo_songs.Palette, seconds: float, rng: np.random.Generator) -> Array:
        song = original(palette, seconds, rng)
        played.append(song.tobytes())
        return song

    original = demo_songs.perform
    monkeypatch.setattr(demo_songs, "perform", perform)
    demo_clips.make(tmp_path / "clips", 4, 1, seed=0)
    assert len(set(played)) == len(played) == 8
    assert len({song.name for song in demo_clips.plan(40)}) == 80


def test_every_decoder_hears_every_palette_as_often() -> None:
    heard = [(song.decoder, song.palette.name) for song in demo_clips.plan(40) if song.decoder]
    assert {pair: heard.count(pair) for pair in heard} == dict.fromkeys(heard, 10)
    assert len(set(heard)) == 4


def test_what_is_not_music_does_not_tell_the_classes_apart(clips: list[tuple[Path, Array, int]]) -> None:
    features = [not_music(samples, rate) for _, samples, rate in clips]
    for model in (LogisticRegression(), KNeighborsClassifier(15)):
        assert cross_validated_auc(features, clips, model) <= 0.62


def test_the_average_spectrum_tells_them_apart_but_not_perfectly(clips: list[tuple[Path, Array, int]]) -> None:
    features = [mean_log_spectrum(samples, rate) for _, samples, rate in clips]
    assert 0.7 < cross_validated_auc(features, clips, LogisticRegression(C=0.1, max_iter=1000)) < 0.98


def test_the_upsampler_leaves_lines_at_multiples_of_its_latent_rate() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(10 * demo_songs.RATE)
    lines = demo_songs.RATE // demo_decoders.STRIDE * 10 * np.arange(1, 7)  # bins of a 10-second spectrum
    for signal, least, most in ((noise, 0, 3), (demo_decoders.upsampler(noise, rng), 5, 1000)):
        spectrum = np.abs(np.fft.rfft(signal))
        strength = np.median(spectrum[lines]) / np.median(spectrum)
        assert least < strength < most


def test_the_vocoder_keeps_the_mel_spectrum_and_loses_the_phase() -> None:
    rng = np.random.default_rng(0)
    song = demo_songs.perform(demo_songs.PALETTES[1], 5.0, rng)
    decoded = demo_decoders.melvocoder(song, rng)
    low = [np.abs(np.fft.rfft(signal))[: 5 * 500].std() for signal in (song, decoded)]
    assert low[1] == pytest.approx(low[0], rel=0.35)
    assert abs(np.corrcoef(song, decoded)[0, 1]) < 0.9


def test_made_clips_are_not_made_again(small: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    assert demo_clips.make(small, 4, 2, seed=0) == small
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


def test_a_deleted_clip_and_a_changed_number_make_the_set_again(tmp_path: Path) -> None:
    folder = demo_clips.make(tmp_path / "clips", 2, 1, seed=0)
    first = contents(folder)
    next(folder.rglob("*.wav")).unlink()
    assert contents(demo_clips.make(folder, 2, 1, seed=0)) == first
    assert len(contents(demo_clips.make(folder, 3, 1, seed=0))) == 6


def test_a_killed_making_leaves_no_half_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(songs: list[object], _: str) -> Iterator[object]:
        yield songs[0]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_clips, "progress", killed)
        with pytest.raises(KeyboardInterrupt):
            demo_clips.make(tmp_path / "clips", 2, 1, seed=0)
    assert not (tmp_path / "clips").exists()
    assert len(contents(demo_clips.make(tmp_path / "clips", 2, 1, seed=0))) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


def test_a_folder_of_the_users_own_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"mine")
    with pytest.raises(DataError, match="not demo clips"):
        demo_clips.make(tmp_path, 2, 1, seed=0)
    assert (tmp_path / "song.wav").read_bytes() == b"mine"
