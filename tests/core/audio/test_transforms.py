"""Each transform does to a sound what its name says, as strongly as it says, and nothing else."""

import io
import math
from pathlib import Path

import numpy as np
import pytest

from core.audio import transforms
from core.audio.clips import read_clip
from core.audio.transforms import TRANSFORMS, EqualiserBand, Transform, Waveform
from core.config import AudioConfig

RATE = 16_000
SAMPLES = 5 * RATE
SECONDS = np.arange(SAMPLES) / RATE


def tone(hertz: float, amplitude: float = 0.3) -> Waveform:
    return (amplitude * np.sin(2 * np.pi * hertz * SECONDS)).astype(np.float32)


def music(seed: int = 0, samples: int = SAMPLES) -> Waveform:
    """Return struck notes with overtones over a little hiss, at about -20 dBFS."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / RATE
    sound = 0.002 * rng.standard_normal(samples)
    for start in np.arange(0.0, samples / RATE, 0.25):
        after = np.clip(seconds - start, 0, None)
        note = 110 * 2 ** (rng.integers(36) / 12)
        for overtone in range(1, 8):
            sound += (seconds >= start) * np.exp(-6 * after) * np.sin(2 * np.pi * note * overtone * after) / overtone
    return (0.1 * sound / np.std(sound)).astype(np.float32)


def level(waveform: Waveform) -> float:
    """Return the RMS in dBFS."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))))


def strength(waveform: Waveform, hertz: float, width: float = 20.0) -> float:
    """Return the energy around a frequency in dB."""
    energy = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    frequencies = np.fft.rfftfreq(len(waveform), 1 / RATE)
    return float(10 * np.log10(energy[np.abs(frequencies - hertz) < width].sum()))


def peak_frequency(waveform: Waveform) -> float:
    middle = waveform[RATE:-RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 2**20))
    return float(np.argmax(spectrum) * RATE / 2**20)


def delay(original: Waveform, changed: Waveform) -> int:
    """Return by how many samples the changed sound lags behind."""
    size = 2 * len(original)
    match = np.fft.irfft(np.fft.rfft(changed, size) * np.conj(np.fft.rfft(original, size)))
    lag = int(np.argmax(match))
    return lag if lag < len(original) else lag - size


def likeness(original: Waveform, changed: Waveform) -> float:
    """Return the ratio of a sound to what was changed in it, level aside, in dB."""
    scaled = changed * (np.dot(original, changed) / np.dot(changed, changed))
    return float(10 * np.log10(np.sum(original**2) / np.sum((original - scaled) ** 2)))


def apply(name: str, waveform: Waveform, seed: int = 0) -> Waveform:
    return next(step for step in TRANSFORMS if step.name == name).apply(waveform, RATE, seed)


SOUNDS = {
    "music": music(),
    "almost silence": music() * np.float32(1e-5),
    "digital silence": np.zeros(SAMPLES, np.float32),
    "a full-scale square": np.sign(tone(220)),
    "one click": np.eye(1, SAMPLES, 1000, dtype=np.float32)[0],
    "a second of music": music(samples=RATE),
}


@pytest.mark.parametrize("step", TRANSFORMS, ids=lambda step: step.name)
def test_every_transform_keeps_length_and_type_and_stays_finite(step: Transform) -> None:
    for name, sound in SOUNDS.items():
        before = sound.copy()
        changed = step.apply(sound, RATE, 0)
        assert changed.shape == sound.shape, name
        assert changed.dtype == np.float32, name
        assert np.isfinite(changed).all(), name
        assert np.abs(changed).max() < 4, name
        assert np.array_equal(sound, before), "what was handed in stays as it was"
        assert not np.shares_memory(changed, sound), name


@pytest.mark.parametrize("step", TRANSFORMS, ids=lambda step: step.name)
def test_the_same_seed_gives_the_same_bytes(step: Transform) -> None:
    first, second, other = (step.apply(SOUNDS["music"], RATE, seed).tobytes() for seed in (3, 3, 4))
    assert first == second
    assert (first != other) == step.seeded, "the seed matters just where something is drawn"


@pytest.mark.parametrize("step", TRANSFORMS, ids=lambda step: step.name)
def test_every_transform_changes_the_sound(step: Transform) -> None:
    assert not np.allclose(step.apply(SOUNDS["music"], RATE, 0), SOUNDS["music"], atol=1e-4)


def test_names_are_unique() -> None:
    assert len({step.name for step in TRANSFORMS}) == len(TRANSFORMS)
    assert next(step for step in TRANSFORMS if step.amount == 64).name == "mp3 64 kbit/s"


@pytest.mark.parametrize("kind", ["mp3", "ogg", "resampling", "low-pass", "noise"])
def test_the_strengths_of_a_kind_grow(kind: str) -> None:
    left = [likeness(music(), step.apply(music(), RATE, 0)) for step in TRANSFORMS if step.kind == kind]
    assert len(left) > 1
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize("rate", [8_000, 16_000, 20_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("kbps", [8, 32, 64, 128, 320])
def test_mp3_starts_where_the_clip_does_at_every_rate(rate: int, kbps: int) -> None:
    sound = music(1, 2 * RATE)
    decoded = transforms.mp3(sound, rate, kbps)
    assert len(decoded) == len(sound)
    assert abs(delay(sound, decoded)) <= 1
    assert likeness(sound, decoded) > 6


@pytest.mark.parametrize("name", ["mp3 32 kbit/s", "ogg 32 kbit/s", "resampling 8 kHz", "low-pass 3 kHz"])
def test_what_does_not_move_time_keeps_every_start(name: str) -> None:
    assert abs(delay(music(), apply(name, music()))) <= 1


@pytest.mark.parametrize(
    ("codec", "kbps", "tolerance"),
    [("mp3", 128, 0.05), ("mp3", 64, 0.05), ("mp3", 32, 0.05), ("ogg", 64, 0.3), ("ogg", 48, 0.3), ("ogg", 32, 0.3)],
)
def test_a_codec_takes_the_bit_rate_asked_for(
    codec: str, kbps: int, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[bytes] = []
    read = transforms.soundfile.read

    def keep(file: io.BytesIO, dtype: str) -> tuple[Waveform, int]:
        files.append(file.getvalue())
        return read(file, dtype=dtype)

    monkeypatch.setattr(transforms.soundfile, "read", keep)
    getattr(transforms, codec)(music(), RATE, kbps)
    assert len(files[0]) * 8 / 5 / 1000 == pytest.approx(kbps, rel=tolerance)


def test_codecs_keep_the_level_within_half_a_decibel() -> None:
    for name in ("mp3 128 kbit/s", "mp3 32 kbit/s", "ogg 64 kbit/s", "ogg 32 kbit/s"):
        assert level(apply(name, music())) == pytest.approx(level(music()), abs=0.6)


def test_a_song_of_minutes_goes_through_the_encoder() -> None:
    song = np.tile(music(), 64)  # written at once it would end the process
    assert likeness(song[-SAMPLES:], transforms.ogg(song, RATE, 32)[-SAMPLES:]) > 10


def test_a_low_pass_leaves_what_is_below_and_removes_what_is_above() -> None:
    passed = transforms.low_pass(tone(1000) + tone(5000), RATE, 3000)
    assert strength(passed, 1000) == pytest.approx(strength(tone(1000), 1000), abs=0.1)
    assert strength(passed, 5000) < strength(tone(5000), 5000) - 40
    sound = music()
    untouched = transforms.low_pass(sound, RATE, RATE / 2)
    assert np.array_equal(untouched, sound)
    assert not np.shares_memory(untouched, sound)


def test_resampling_leaves_nothing_above_half_the_rate() -> None:
    both = tone(2000) + tone(5000)
    narrow = transforms.resample(both, RATE, 8000)
    assert strength(narrow, 2000) == pytest.approx(strength(both, 2000), abs=0.1)
    assert strength(narrow, 5000) < strength(both, 5000) - 60
    assert strength(transforms.resample(both, RATE, 22_050), 5000) == pytest.approx(strength(both, 5000), abs=0.1)


@pytest.mark.parametrize("snr", [40, 30, 20])
def test_noise_has_the_ratio_asked_for(snr: int) -> None:
    for sound in (music(), music() * np.float32(0.01)):
        hiss = transforms.noise(sound, RATE, snr, seed=1) - sound
        assert level(sound) - level(hiss) == pytest.approx(snr, abs=0.2)


def test_noise_is_white() -> None:
    hiss = transforms.noise(music(), RATE, 20, seed=1) - music()
    octaves = [strength(hiss, hertz, 200) for hertz in (500, 2000, 7000)]
    assert max(octaves) - min(octaves) < 1


def test_gain_moves_the_level_and_clips_at_full_scale() -> None:
    assert level(transforms.gain(music(), RATE, -12)) == pytest.approx(level(music()) - 12, abs=0.01)
    loud = transforms.gain(tone(100, 0.9), RATE, 6)
    assert np.abs(loud).max() == 1.0
    assert np.mean(np.abs(loud) == 1.0) > 0.5


@pytest.mark.parametrize("semitones", [-2, -1, 1, 2])
def test_a_pitch_shift_moves_a_tone_and_keeps_level_and_tempo(semitones: int) -> None:
    shifted = transforms.pitch(tone(1000), RATE, semitones)
    assert peak_frequency(shifted) == pytest.approx(1000 * 2 ** (semitones / 12), rel=0.001)
    assert level(transforms.pitch(music(), RATE, semitones)) == pytest.approx(level(music()), abs=0.1)
    assert click_times(transforms.pitch(clicks(), RATE, semitones)) == pytest.approx([1.0, 3.0], rel=0.02)


def clicks() -> Waveform:
    """Return two bursts of noise, at one second and at three."""
    sound = np.zeros(SAMPLES, np.float32)
    for start in (RATE, 3 * RATE):
        sound[start : start + 100] = np.random.default_rng(0).standard_normal(100)
    return sound


def click_times(waveform: Waveform) -> list[float]:
    """Return the centre of the energy of each of two bursts, in seconds."""
    energy, two = waveform.astype(np.float64) ** 2, 2 * RATE
    halves = (slice(0, two), slice(two, SAMPLES - RATE // 2))
    return [float(np.average(SECONDS[half], weights=energy[half])) for half in halves]


@pytest.mark.parametrize("ratio", [0.95, 1.05])
def test_a_tempo_change_moves_events_and_keeps_pitch_and_level(ratio: float) -> None:
    assert click_times(transforms.tempo(clicks(), RATE, ratio)) == pytest.approx([1 / ratio, 3 / ratio], abs=0.02)
    assert peak_frequency(transforms.tempo(tone(1000), RATE, ratio)) == pytest.approx(1000, rel=0.001)
    assert level(transforms.tempo(music(), RATE, ratio)) == pytest.approx(level(music()), abs=0.1)


def test_the_phase_vocoder_leaves_two_low_notes_clean_and_a_click_short() -> None:
    shifted = transforms.pitch(tone(110) + tone(165), RATE, 2)[RATE:-RATE]
    angles = [2 * np.pi * hertz * 2 ** (2 / 12) * SECONDS[: len(shifted)] for hertz in (110, 165)]
    waves = np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)
    clean = waves @ np.linalg.lstsq(waves, shifted)[0]
    assert likeness(clean, shifted) > 30
    burst = transforms.pitch(clicks(), RATE, 2)[RATE // 2 : 2 * RATE] ** 2
    assert np.diff(np.searchsorted(np.cumsum(burst) / burst.sum(), [0.05, 0.95]))[0] / RATE < 0.05


def test_speed_moves_pitch_and_tempo_together() -> None:
    faster = transforms.speed(tone(1000), RATE, 0.5)
    assert peak_frequency(faster) == pytest.approx(1000 * 2 ** (0.5 / 12), rel=0.001)
    assert click_times(transforms.speed(clicks(), RATE, 0.5))[1] == pytest.approx(3 / 2 ** (0.5 / 12), abs=0.02)


def test_what_became_shorter_begins_again_from_its_start() -> None:
    length = round(SAMPLES / 1.05)
    faster = transforms.tempo(music(), RATE, 1.05)
    assert np.allclose(faster[length:], faster[: SAMPLES - length])


@pytest.mark.parametrize("rt60", [0.3, 0.8])
def test_a_room_answers_a_click_with_a_decay_of_its_length(rt60: float) -> None:
    answer = transforms.reverb(SOUNDS["one click"], RATE, rt60, seed=2)[1000:]
    assert np.argmax(np.abs(answer)) == 0, "the direct sound comes first and is the loudest"
    tail = answer[1:].astype(np.float64) ** 2
    early, late = (tail[int(at * rt60 * RATE) :][:800].mean() for at in (0.1, 0.6))
    assert 10 * math.log10(early / late) == pytest.approx(30, abs=3), "half the time, half of 60 dB"
    assert tail.sum() == pytest.approx(answer[0] ** 2, rel=0.01)
    assert level(transforms.reverb(music(), RATE, rt60, seed=2)) == pytest.approx(level(music()), abs=0.01)


def test_a_trimmed_clip_starts_later_and_is_filled_with_its_own_start() -> None:
    cut = 3 * RATE // 2
    trimmed = transforms.trim(music(), RATE, 1.5)
    assert np.array_equal(trimmed[: SAMPLES - cut], music()[cut:])
    assert np.array_equal(trimmed[SAMPLES - cut :], trimmed[:cut])
    short = transforms.trim(music(samples=RATE), RATE, 1.5)
    assert np.array_equal(short[: RATE // 2], music(samples=RATE)[RATE // 2 :]), "half a short clip stays"


@pytest.mark.parametrize("decibels", [6, -6])
@pytest.mark.parametrize(
    ("shape", "inside", "half", "outside"),
    [("low shelf", 30, 500, 6000), ("peak", 500, None, 6000), ("high shelf", 6000, 500, 20)],
)
def test_an_equaliser_moves_its_own_band_and_no_other(
    shape: str, inside: int, half: int | None, outside: int, decibels: int
) -> None:
    for hertz, change in ((inside, decibels), (half, decibels / 2), (outside, 0)):
        if hertz:
            changed = transforms.equalise(tone(hertz), RATE, [EqualiserBand(shape, 500, decibels)])
            assert strength(changed, hertz) - strength(tone(hertz), hertz) == pytest.approx(change, abs=0.3)


@pytest.mark.parametrize(("q", "half"), [(0.707, 966), (2.0, 640)])
def test_the_quality_of_a_band_says_where_half_its_gain_is_left(q: float, half: int) -> None:
    changed = transforms.equalise(tone(half), RATE, [EqualiserBand("peak", 500, 6, q)])
    assert strength(changed, half) - strength(tone(half), half) == pytest.approx(3, abs=0.15)


def test_the_bands_of_an_equaliser_add_up() -> None:
    changed = transforms.equalise(tone(500), RATE, [EqualiserBand("peak", 500, 4), EqualiserBand("peak", 500, -1)])
    assert strength(changed, 500) - strength(tone(500), 500) == pytest.approx(3, abs=0.1)


def test_the_common_chain_gives_loud_and_quiet_clips_one_level_and_one_bandwidth() -> None:
    hiss = transforms.noise(tone(1000, 0.01), RATE, 0, seed=1)  # reaches 8 kHz
    for sound in (hiss, hiss * np.float32(20), transforms.low_pass(hiss, RATE, 6000)):
        chained = transforms.decode_chain(sound, RATE, 11_025)
        assert level(chained) == pytest.approx(-20, abs=0.01)
        assert strength(chained, 7000, 500) < strength(chained, 3000, 500) - 80
        assert abs(delay(sound, chained)) <= 1


def test_the_common_chain_never_passes_full_scale_and_leaves_silence_silent() -> None:
    click = transforms.decode_chain(SOUNDS["one click"], RATE, 11_025)
    assert np.abs(click).max() == pytest.approx(1.0)
    assert level(click) < -20
    assert not transforms.decode_chain(SOUNDS["digital silence"], RATE, 11_025).any()


def test_the_common_chain_has_a_codec_in_it() -> None:
    without = transforms.resample(music(), RATE, 11_025)
    assert likeness(without, transforms.decode_chain(music(), RATE, 11_025)) < 60


def test_real_clips_survive_every_transform(real_data: Path) -> None:
    clip = read_clip(next(iter(sorted(real_data.rglob("*.flac")))), AudioConfig()).waveform
    for step in TRANSFORMS:
        changed = step.apply(clip, RATE, 0)
        assert np.isfinite(changed).all()
        if step.kind not in ("gain", "trim"):
            assert level(changed) == pytest.approx(level(clip), abs=1)
