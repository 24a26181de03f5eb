"""Training clips get a random history that leaves length and label alone, the same for both classes."""

import inspect
import time
from collections.abc import Callable

import numpy as np
import pytest

from core.audio import augmentation, transforms
from core.audio.augmentation import augment_waveform
from core.audio.transforms import Waveform

RATE = 16_000
SAMPLES = 5 * RATE


def chord(amplitude: float = 0.1) -> Waveform:
    """Return three overtone-rich notes that fade, over a little hiss."""
    seconds = np.arange(SAMPLES) / RATE
    notes = sum(np.sin(2 * np.pi * note * k * seconds) / k for note in (220, 277, 330) for k in range(1, 9))
    hiss = 0.01 * np.random.default_rng(0).standard_normal(SAMPLES)
    return (amplitude * (notes * np.exp(-(seconds % 1)) + hiss)).astype(np.float32)


def draws(count: int, waveform: Waveform, seed: int = 0) -> list[Waveform]:
    rng = np.random.default_rng(seed)
    return [augment_waveform(waveform, RATE, rng) for _ in range(count)]


def test_most_draws_change_the_sound_and_some_leave_it_alone() -> None:
    changed = np.mean([not np.array_equal(drawn, chord()) for drawn in draws(100, chord())])
    assert 0.8 < changed < 1


@pytest.mark.parametrize(
    "sound",
    [chord(), chord(1e-6), np.zeros(SAMPLES, np.float32), np.sign(chord()), chord()[:RATE]],
    ids=["music", "almost silence", "silence", "full scale", "one second"],
)
def test_length_and_type_stay_and_numbers_are_finite(sound: Waveform) -> None:
    before = sound.copy()
    for drawn in draws(60, sound, seed=1):
        assert drawn.shape == sound.shape
        assert drawn.dtype == np.float32
        assert np.isfinite(drawn).all()
        assert np.abs(drawn).max() < 8
    assert np.array_equal(sound, before)


def test_the_same_state_gives_the_same_bytes_and_another_gives_others() -> None:
    first, second, other = (draws(20, chord(), seed) for seed in (5, 5, 6))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    assert not all(a.tobytes() == b.tobytes() for a, b in zip(first, other, strict=True))


def test_what_is_drawn_depends_neither_on_a_label_nor_on_the_sound() -> None:
    assert list(inspect.signature(augment_waveform).parameters) == ["waveform", "sample_rate", "rng"]
    states = []
    for sound in (chord(), np.zeros(SAMPLES, np.float32), np.sign(chord())):
        rng = np.random.default_rng(9)
        for _ in range(30):
            augment_waveform(sound, RATE, rng)
        states.append(rng.bit_generator.state)
    assert states[0] == states[1] == states[2]


def recorded(monkeypatch: pytest.MonkeyPatch, count: int, amplitude: float = 0.1) -> list[list[tuple[str, float]]]:
    """Return what each of many draws asked of `core.audio.transforms`, without doing it."""
    calls: list[tuple[str, float]] = []

    def stand_in(name: str) -> Callable[..., Waveform]:
        def change(waveform: Waveform, _rate: int, amount: float, *_seed: int) -> Waveform:
            calls.append((name, amount))
            return waveform

        return change

    for name in ("speed", "tempo", "equalise", "noise", "gain", "resample", "low_pass", "mp3", "ogg"):
        monkeypatch.setattr(transforms, name, stand_in(name))
    rng, sound, draws = np.random.default_rng(2), chord(amplitude), []
    for _ in range(count):
        calls.clear()
        augment_waveform(sound, RATE, rng)
        draws.append([*calls])
    return draws


def test_every_step_comes_as_often_as_its_probability_says(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = recorded(monkeypatch, 4000)
    expected = {
        ("speed", "tempo"): augmentation.TIME,
        ("equalise",): augmentation.EQUALISER,
        ("noise",): augmentation.NOISE,
        ("gain",): augmentation.GAIN,
        ("resample", "low_pass"): augmentation.BAND_LIMIT,
        ("mp3", "ogg"): augmentation.CODEC,
    }
    for names, probability in expected.items():
        for name in names:
            share = np.mean([name in [called for called, _ in calls] for calls in drawn])
            assert share == pytest.approx(probability / len(names), abs=0.03), name
    assert {len(calls) for calls in drawn} == set(range(7)), "none, all, and every number between"


def test_strengths_fill_their_ranges_and_stay_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [call for calls in recorded(monkeypatch, 4000) for call in calls]
    ranges = {
        "speed": (-0.5, 0.5),
        "tempo": (0.95, 1.05),
        "noise": (25, 50),
        "gain": (-12, 6),
        "resample": (11_000, 16_000),
        "low_pass": (4_000, 8_000),
        "mp3": (32, 128),
        "ogg": (32, 75),
    }
    for name, (low, high) in ranges.items():
        amounts = np.array([amount for called, amount in drawn if called == name])
        margin = 0.05 * (high - low)
        assert low <= amounts.min() < low + margin, name
        assert high - margin < amounts.max() <= high, name
    decibels = np.array([band.decibels for called, bands in drawn if called == "equalise" for band in bands])
    assert -6 <= decibels.min() < -5.9
    assert 5.9 < decibels.max() <= 6


def test_the_history_is_in_the_order_of_a_recording_and_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    way = (("speed", "tempo"), ("equalise",), ("noise",), ("gain",), ("resample", "low_pass"), ("mp3", "ogg"))
    place = {name: number for number, names in enumerate(way) for name in names}
    for calls in recorded(monkeypatch, 300):
        order = [place[name] for name, _ in calls]
        assert order == sorted(set(order))


def test_gain_rarely_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    full_scale = 0.1 / float(np.abs(chord(0.1)).max())
    drawn = recorded(monkeypatch, 3000, full_scale)
    decibels = np.array([amount for calls in drawn for name, amount in calls if name == "gain"])
    assert 0.002 < np.mean(decibels > 1e-3) < 0.05


def test_the_equaliser_tilts_the_ends_and_bends_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [bands for calls in recorded(monkeypatch, 500) for name, bands in calls if name == "equalise"]
    for bands in drawn:
        assert [band.shape for band in bands] == ["low shelf", "peak", "high shelf"]
        assert 60 <= bands[0].hertz <= bands[1].hertz <= bands[2].hertz <= 0.45 * RATE


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_it_works_at_other_sample_rates(rate: int) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        assert np.isfinite(augment_waveform(chord(), rate, rng)).all()


def test_a_clip_costs_milliseconds() -> None:
    draws(3, chord())
    start = time.thread_time()  # of this thread alone: a busy machine does not count
    draws(40, chord())
    assert (time.thread_time() - start) / 40 < 0.05
