"""The two front ends: equal to their references, true to simple sounds, and deaf to what is no evidence."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from core.config import AudioConfig, SpectrogramConfig
from core.features.filterbanks import AST_DEVIATION, AST_FLOOR, AST_MEAN, ast_band_centres, ast_filterbank, log_mel

Wave = NDArray[np.float32]
AUDIO, SPECTROGRAM = AudioConfig(), SpectrogramConfig()
SECONDS = np.arange(AUDIO.samples) / AUDIO.sample_rate
NOISE = np.random.default_rng(0).standard_normal(AUDIO.samples)
SOUNDS = {
    "tone": np.sin(2 * np.pi * 440 * SECONDS),
    "low tone over a faint high one": np.sin(2 * np.pi * 50 * SECONDS) + 1e-4 * np.sin(2 * np.pi * 7000 * SECONDS),
    "noise": 0.1 * NOISE,
    "near-silence": 1e-6 * NOISE,
    "digital silence": np.zeros(AUDIO.samples),
    "click": np.eye(1, AUDIO.samples, 40_000)[0],
    "constant": np.full(AUDIO.samples, 0.5),
    "beyond full scale": 15 * NOISE,
}


def tone(hertz: float) -> Wave:
    return np.sin(2 * np.pi * hertz * SECONDS).astype(np.float32)


def reference_log_mel(waveform: Wave) -> Wave:
    import librosa

    mel = librosa.feature.melspectrogram(y=waveform, sr=16_000, n_fft=2048, hop_length=512, n_mels=128)
    return np.asarray(librosa.power_to_db(mel, ref=np.max, top_db=80.0))


@pytest.fixture(scope="module")
def reference_filterbank() -> Callable[[Wave], Wave]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of the 128 filters are narrower than a bin, and transformers says so
        from transformers import ASTFeatureExtractor

        extractor = ASTFeatureExtractor()
    return lambda waveform: extractor(waveform, sampling_rate=16_000, return_tensors="np")["input_values"][0, :498]


def real_clips() -> list[Wave]:
    folder = os.environ.get("SMD_REAL_DATA")
    if not folder:
        pytest.skip("SMD_REAL_DATA names no folder of real clips")
    files = sorted(Path(folder).rglob("*.flac"))
    return [soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1) for path in files[:: len(files) // 8]]


@pytest.mark.parametrize("sound", SOUNDS)
def test_log_mel_equals_librosa(sound: str) -> None:
    waveform = SOUNDS[sound].astype(np.float32)
    np.testing.assert_allclose(log_mel(waveform, AUDIO, SPECTROGRAM), reference_log_mel(waveform), atol=1e-3, rtol=0)


def test_log_mel_equals_librosa_on_real_clips() -> None:
    for waveform in real_clips():
        ours = log_mel(waveform, AUDIO, SPECTROGRAM)
        np.testing.assert_allclose(ours, reference_log_mel(waveform), atol=1e-3, rtol=0)


@pytest.mark.parametrize("sound", SOUNDS)
def test_filterbank_equals_transformers(sound: str, reference_filterbank: Callable[[Wave], Wave]) -> None:
    waveform = SOUNDS[sound].astype(np.float32)
    np.testing.assert_allclose(ast_filterbank(waveform), reference_filterbank(waveform), atol=1e-4, rtol=0)


def test_filterbank_equals_transformers_on_real_clips(reference_filterbank: Callable[[Wave], Wave]) -> None:
    for waveform in real_clips():
        expected = reference_filterbank(waveform)[: 1 + (len(waveform) - 400) // 160]
        np.testing.assert_allclose(ast_filterbank(waveform)[:498], expected, atol=1e-4, rtol=0)


def test_five_seconds_have_the_documented_shapes() -> None:
    assert log_mel(tone(440), AUDIO, SPECTROGRAM).shape == (128, 157)
    assert ast_filterbank(tone(440)).shape == (498, 128)
    assert log_mel(tone(440), AUDIO, SPECTROGRAM).dtype == ast_filterbank(tone(440)).dtype == np.float32


@pytest.mark.parametrize("hertz", [200, 1000, 3500, 7000])
def test_a_tone_peaks_in_its_own_mel_band(hertz: float) -> None:
    import librosa

    edges = librosa.mel_frequencies(n_mels=130, fmax=8000)
    band = log_mel(tone(hertz), AUDIO, SPECTROGRAM).mean(axis=1).argmax()
    assert edges[band] < hertz < edges[band + 2]
    centres = ast_band_centres()
    band = ast_filterbank(tone(hertz)).mean(axis=0).argmax()
    width = max(np.gradient(centres)[band], 16_000 / 512)  # low bands are narrower than a bin of the transform
    assert abs(centres[band] - hertz) < width


def test_a_clips_level_is_no_evidence_in_the_log_mel() -> None:
    waveform = SOUNDS["noise"].astype(np.float32)
    loud, quiet = (log_mel(waveform * gain, AUDIO, SPECTROGRAM) for gain in (1.0, 0.125))
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert loud.max() == 0


def test_the_log_mel_ends_80_db_below_the_maximum() -> None:
    spectrogram = log_mel(tone(440), AUDIO, SPECTROGRAM)
    assert spectrogram.min() == -80
    assert (spectrogram == -80).mean() > 0.2


def test_silence_sits_on_the_filterbanks_floor() -> None:
    silence = ast_filterbank(np.zeros(AUDIO.samples, np.float32))
    np.testing.assert_allclose(silence, (np.log(AST_FLOOR) - AST_MEAN) / (2 * AST_DEVIATION), rtol=1e-5)
    assert (log_mel(np.zeros(AUDIO.samples, np.float32), AUDIO, SPECTROGRAM) == 0).all()


def test_a_constant_offset_leaves_no_trace_in_the_filterbank() -> None:
    waveform = SOUNDS["noise"].astype(np.float32)
    np.testing.assert_allclose(ast_filterbank(waveform + np.float32(0.25)), ast_filterbank(waveform), atol=1e-3)


def test_a_frame_hears_only_its_own_samples() -> None:
    waveform = np.zeros(AUDIO.samples, np.float32)
    waveform[16_000:] = 0.1 * NOISE[16_000:]
    heard = ast_filterbank(waveform).max(axis=1) > -1.2
    assert heard.argmax() == 98  # the first 25-ms window that reaches beyond second 1 starts at 0.98
    assert (log_mel(waveform, AUDIO, SPECTROGRAM).max(axis=0) > -80).argmax() == 30  # centre 0.96 s, reach 64 ms


def test_threads_and_repetitions_do_not_disturb_each_other() -> None:
    waves = [(0.1 * gain * NOISE).astype(np.float32) + tone(300 * gain) for gain in range(1, 9)]
    alone = [(log_mel(wave, AUDIO, SPECTROGRAM), ast_filterbank(wave)) for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda wave: (log_mel(wave, AUDIO, SPECTROGRAM), ast_filterbank(wave)), waves * 4))
    for (mel, bank), (expected_mel, expected_bank) in zip(together, alone * 4, strict=True):
        assert np.array_equal(mel, expected_mel)
        assert np.array_equal(bank, expected_bank)


def test_the_waveform_is_left_as_it_was() -> None:
    waveform = tone(440)
    before = waveform.copy()
    log_mel(waveform, AUDIO, SPECTROGRAM)
    ast_filterbank(waveform)
    assert np.array_equal(waveform, before)
