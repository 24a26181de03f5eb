"""Statements about shortcuts: what can be told of a clip without its music, and that an audit finds it out."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import firwin, lfilter

from core.audio.clips import read_recording
from core.config import AudioConfig
from core.errors import AudioError, DataError
from core.evaluation import shortcuts
from core.evaluation.shortcuts import FEATURES, FeatureResult, ShortcutAudit, SoundFacts, measure, measure_sound
from core.metrics import scores
from tests.support.hostile_audio import encode, encoded

CONFIG = AudioConfig()
RATE = 44_100
Put = Callable[[str, np.ndarray, str, int], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Return a function that writes samples (frames,) or (frames, channels) to a WAV or FLAC."""

    def write(name: str, samples: np.ndarray, subtype: str = "FLOAT", rate: int = RATE) -> Path:
        path = tmp_path / name
        columns = samples[:, None] if samples.ndim == 1 else samples
        path.write_bytes(encode(columns, path.suffix[1:].upper(), subtype, rate))
        return path

    return write


def tone(frequency: float = 441.0, amplitude: float = 0.5, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    wave: np.ndarray = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return wave


def noise(seconds: float = 2.0, rate: int = RATE, seed: int = 1, cutoff: float = 0.0) -> np.ndarray:
    """Return white noise, below a cut-off in Hz if there is one: RMS about 0.1."""
    white: np.ndarray = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return lfilter(firwin(801, cutoff, fs=rate), 1, white) if cutoff else white  # type: ignore[no-any-return]


def heard(samples: np.ndarray, rate: int = RATE) -> SoundFacts:
    columns = samples[:, None] if samples.ndim == 1 else samples
    return measure_sound(columns.astype(np.float32), rate, CONFIG)


# What is measured


def test_a_sine_has_its_level_peak_and_crest() -> None:
    facts = heard(tone(amplitude=0.5))
    assert (facts.rms, facts.peak, facts.crest) == pytest.approx((-9.03, -6.02, 3.01), abs=0.01)


def test_a_square_wave_has_no_crest() -> None:
    assert heard(0.5 * np.sign(tone() + 1e-9)).crest == pytest.approx(0.0, abs=0.01)


def test_an_offset_is_seen_in_whichever_channel_and_direction_it_is() -> None:
    assert heard(tone()).dc_offset == pytest.approx(0.0, abs=1e-4)
    assert heard(tone() - 0.125).dc_offset == pytest.approx(0.125, abs=1e-4)
    assert heard(np.stack([tone() + 0.25, tone() - 0.25], axis=1)).dc_offset == pytest.approx(0.25, abs=1e-4)


def test_an_offset_is_no_bandwidth() -> None:
    quiet = tone(1000, amplitude=0.01)
    assert heard(quiet + 0.5).bandwidth == heard(quiet).bandwidth


def test_opposite_channels_do_not_cancel() -> None:
    mono, both = heard(noise()), heard(np.stack([noise(), -noise()], axis=1))
    assert both == pytest.approx(mono, rel=1e-4, abs=1e-4)


def test_silence_is_measured_where_it_is() -> None:
    quiet = np.zeros(RATE // 2)
    facts = heard(np.concatenate([quiet, tone(seconds=1.0), quiet, tone(seconds=1.0), quiet, quiet]))
    assert (facts.leading_silence, facts.trailing_silence) == pytest.approx((0.5, 1.0), abs=0.021)
    assert facts.silence == pytest.approx(0.5, abs=0.01)


def test_what_is_a_little_louder_than_silence_is_none() -> None:
    assert heard(tone(amplitude=10 ** (-55 / 20))).silence == 0
    assert heard(tone(amplitude=10 ** (-65 / 20))).silence == 1


def test_clipping_is_a_share_of_samples() -> None:
    assert heard(tone(amplitude=0.9)).clipped == 0
    assert heard(np.clip(tone(amplitude=2.0), -1, 1)).clipped == pytest.approx(2 / 3, abs=0.01)  # |sin| > 1/2


@pytest.mark.parametrize("bits", [8, 12, 16, 24])
def test_the_bits_in_use_are_counted_whatever_they_are_stored_in(put: Put, bits: int) -> None:
    steps = np.round(tone() * 2 ** (bits - 1)) / 2 ** (bits - 1)
    assert measure(read_recording(put("a.wav", steps, "FLOAT", RATE), CONFIG), CONFIG)["used_bits"] == bits


def test_sound_finer_than_integers_uses_floats() -> None:
    assert heard(1e-3 * noise()).used_bits == 32


@pytest.mark.parametrize("frequency", [500, 3000, 9000])
def test_a_tone_ends_the_bandwidth(frequency: int) -> None:
    assert heard(tone(frequency)).bandwidth == pytest.approx(frequency, abs=30)


@pytest.mark.parametrize(("rate", "cutoff"), [(22_050, 5_000), (32_000, 11_000), (44_100, 16_000), (48_000, 20_000)])
def test_a_low_pass_leaves_an_edge_where_it_cuts(rate: int, cutoff: int) -> None:
    facts = heard(noise(rate=rate, cutoff=cutoff), rate)
    assert facts.cutoff == pytest.approx(cutoff, abs=150)
    assert facts.cutoff_depth > 30
    assert facts.bandwidth == pytest.approx(cutoff, abs=150)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_gentle_spectrum_reaches_half_the_sample_rate(rate: int) -> None:
    falling = lfilter([1.0], [1.0, -0.95], noise(rate=rate))
    facts = heard(falling, rate)
    assert facts.cutoff == rate / 2
    assert 0 <= facts.cutoff_depth < 6


def test_a_rate_too_low_for_edges_has_none() -> None:
    assert heard(noise(rate=6_000), 6_000)[-2:] == (3_000, 0)


@pytest.mark.parametrize("samples", [np.full(RATE, 0.5), np.zeros(RATE)], ids=["constant", "zero"])
def test_every_measurement_of_a_strange_sound_is_a_number(samples: np.ndarray) -> None:
    assert np.isfinite(heard(samples)).all()


# What a file declares


@pytest.mark.parametrize(
    ("name", "container", "subtype", "codes"),
    [
        ("a.wav", "WAV", "PCM_U8", (0, 0)),
        ("a.wav", "WAV", "PCM_16", (0, 2)),
        ("a.wav", "WAV", "PCM_24", (0, 3)),
        ("a.wav", "WAV", "PCM_32", (0, 4)),
        ("a.wav", "WAV", "FLOAT", (0, 5)),
        ("a.wav", "WAV", "DOUBLE", (0, 6)),
        ("a.flac", "FLAC", "PCM_S8", (1, 1)),
        ("a.flac", "FLAC", "PCM_16", (1, 2)),
        ("a.ogg", "OGG", "VORBIS", (2, 7)),
        ("a.mp3", "MP3", "MPEG_LAYER_III", (3, 9)),
    ],
)
def test_every_format_has_its_code(
    tmp_path: Path, name: str, container: str, subtype: str, codes: tuple[int, int]
) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(container, subtype, 2.0, 22_050, 2))
    facts = measure(read_recording(path, CONFIG), CONFIG)
    assert (facts["container"], facts["encoding"], facts["channels"], facts["sample_rate"]) == (*codes, 2, 22_050)
    is_lossy = container in ("OGG", "MP3")
    assert facts["bit_rate"] == pytest.approx(path.stat().st_size / 250 * is_lossy, rel=0.1)  # kbit/s over 2 s


def test_the_duration_is_the_whole_files_and_the_sound_its_beginnings(put: Put) -> None:
    samples = np.concatenate([tone(amplitude=0.1, seconds=CONFIG.seconds), tone(amplitude=0.9, seconds=4.0)])
    facts = measure(read_recording(put("a.wav", samples, "PCM_16", RATE), CONFIG), CONFIG)
    assert facts["duration"] == pytest.approx(9.0)
    assert facts["peak"] == pytest.approx(-20.0, abs=0.01)


def test_the_features_are_named_ordered_and_titled(put: Put) -> None:
    assert tuple(measure(read_recording(put("a.wav", noise(), "FLOAT", RATE), CONFIG), CONFIG)) == FEATURES
    assert tuple(shortcuts.TITLES) == FEATURES


def test_the_same_file_has_the_same_features(put: Put) -> None:
    path = put("a.flac", noise(), "PCM_16", RATE)
    assert measure(read_recording(path, CONFIG), CONFIG) == measure(read_recording(path, CONFIG), CONFIG)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, put: Put) -> None:
    (tmp_path / "text.wav").write_text("no sound at all")
    for path in (tmp_path / "text.wav", tmp_path / "missing.wav", put("silence.wav", np.zeros(RATE), "PCM_16", RATE)):
        with pytest.raises(AudioError):
            measure(read_recording(path, CONFIG), CONFIG)


# What an audit finds


def deal(songs: int = 120) -> tuple[np.ndarray, list[str], list[str]]:
    """Return labels, groups and splits of two clips a song, classes in turn; half of the songs for training."""
    song = np.repeat(np.arange(songs), 2)
    splits = np.array(["train", "train", "val", "test"])[song // 2 % 4]
    return song % 2, [f"song {number}" for number in song], splits.tolist()


def test_classes_that_differ_in_sample_rate_only_are_found_out(put: Put) -> None:
    labels, groups, splits = deal(40)
    rates = [32_000 if label else (22_050, 44_100)[row // 4 % 2] for row, label in enumerate(labels)]
    files = [put(f"{row}.wav", noise(1.1, rate, row), "PCM_16", rate) for row, rate in enumerate(rates)]
    features = [list(measure(read_recording(path, CONFIG), CONFIG).values()) for path in files]
    audited = shortcuts.audit(features, FEATURES, labels, groups, splits)
    alone = {result.name: result for result in audited.features}
    assert audited.test_auc == alone["sample_rate"].test_auc == 1
    assert audited.features[0].val_auc == alone["sample_rate"].val_auc == 1
    assert max(alone[name].test_auc for name in ("rms", "crest", "dc_offset", "silence", "container")) < 0.9


def test_classes_that_differ_in_nothing_are_not_told_apart() -> None:
    labels, groups, splits = deal()
    features = np.random.default_rng(5).standard_normal((len(labels), 6))
    audited = shortcuts.audit(features, "abcdef", labels, groups, splits)
    test = np.array(splits) == "test"
    interval = scores.song_bootstrap(labels[test], audited.probability[test], np.array(groups)[test], 0.5, 500, 0.95, 0)
    low, high = interval["roc_auc"]
    assert low < 0.5 < high
    assert "No shortcut" in shortcuts.advice(audited, (low, high), 60, 30)[0]


def one_telling_column() -> tuple[np.ndarray, tuple[np.ndarray, list[str], list[str]]]:
    """Return features of which the third alone tells, and not by being larger or smaller: AI lies between the human."""
    labels, groups, splits = deal()
    random = np.random.default_rng(2)
    features = random.standard_normal((len(labels), 4))
    features[:, 2] = np.where(labels, 32, random.choice([16, 48], len(labels)))
    return features, (labels, groups, splits)


def test_the_feature_that_tells_is_named_first_even_if_neither_more_nor_less_of_it_is_ai() -> None:
    features, clips = one_telling_column()
    audited = shortcuts.audit(features, "abcd", *clips)
    assert audited.features[0][:3] == ("c", 1, 1)
    assert audited.features[0].importance > 0.3
    assert max(result.importance for result in audited.features[1:]) < 0.05
    assert [result.val_auc for result in audited.features] == sorted(
        (r.val_auc for r in audited.features), reverse=True
    )


def test_a_sum_of_features_is_found_by_a_line() -> None:
    labels, groups, splits = deal()
    features = np.random.default_rng(3).standard_normal((len(labels), 12))
    features += 0.5 * (2 * labels[:, None] - 1)
    audited = shortcuts.audit(features, "abcdefghijkl", labels, groups, splits)
    assert audited.model == "logistic regression"
    assert audited.test_auc > 0.9


def test_the_probabilities_and_the_choice_do_not_know_the_test_labels() -> None:
    features, (labels, groups, splits) = one_telling_column()
    swapped = np.where(np.array(splits) == "test", 1 - labels, labels)
    told, untold = (shortcuts.audit(features, "abcd", truth, groups, splits) for truth in (labels, swapped))
    assert np.array_equal(told.probability, untold.probability)
    assert (told.val_auc, told.test_auc, untold.test_auc) == (1, 1, 0)


def test_nothing_is_fitted_on_validation() -> None:
    features, (labels, groups, splits) = one_telling_column()
    swapped = np.where(np.array(splits) == "val", 1 - labels, labels)
    audited = shortcuts.audit(features, "abcd", swapped, groups, splits)
    assert audited.features[-1][:3] == ("c", 0, 1)


def test_an_audit_repeats_itself() -> None:
    features, clips = one_telling_column()
    first, second = (shortcuts.audit(features, "abcd", *clips) for _ in range(2))
    assert np.array_equal(first.probability, second.probability)
    assert first.features == second.features


def test_a_song_in_two_splits_is_refused() -> None:
    features, (labels, groups, splits) = one_telling_column()
    groups[0] = groups[-2]
    with pytest.raises(DataError, match="splits"):
        shortcuts.audit(features, "abcd", labels, groups, splits)


# What it advises


FOUND = ShortcutAudit(
    np.zeros(0),
    "random forest",
    0.8,
    0.9,
    (
        FeatureResult("sample_rate", 0.8, 0.81, 0.1),
        FeatureResult("cutoff", 0.7, 0.72, 0.1),
        FeatureResult("rms", 0.5, 0.6, 0.0),
    ),
)


def test_a_strong_shortcut_is_named_with_its_figures_and_its_remedy() -> None:
    text = " ".join(shortcuts.advice(FOUND, (0.85, 0.95), 120, 64))
    assert "0.90 (0.85 to 0.95; 120 clips, 64 songs)" in text
    assert "native sample rate 0.81, cut-off frequency 0.72." in text  # and not loudness
    assert "--set audio.equalise=true" in text


def test_who_has_equalised_is_not_told_to_equalise() -> None:
    text = " ".join(shortcuts.advice(FOUND, (0.85, 0.95), 120, 64, equalised=True))
    assert "--set" not in text
    assert "common chain" in text


def test_a_weak_shortcut_is_called_weak() -> None:
    text = " ".join(shortcuts.advice(replace(FOUND, test_auc=0.62), (0.55, 0.69), 120, 64))
    assert "weak" in text
    assert "--set" not in text


def test_what_may_be_chance_is_no_finding() -> None:
    assert shortcuts.advice(replace(FOUND, test_auc=0.75), (0.49, 0.9), 12, 8) == [
        "No shortcut of this kind was found: without the music the classes cannot be told apart, "
        "test AUC 0.75 (0.49 to 0.90; 12 clips, 8 songs)."
    ]


def test_real_clips_are_measured_in_finite_numbers() -> None:
    folder = os.environ.get("SMD_REAL_DATA")
    if not folder:
        pytest.skip("SMD_REAL_DATA names no folder")
    for path in sorted(Path(folder).rglob("*.flac"))[::40]:
        assert np.isfinite(list(measure(read_recording(path, CONFIG), CONFIG).values())).all()
