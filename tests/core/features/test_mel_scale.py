"""The mel scale of the axes is the one the spectrograms were made with."""

import librosa
import numpy as np

from core.features import mel_scale


def test_bands_lie_where_librosa_puts_them() -> None:
    expected = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=8000)[1:-1]
    np.testing.assert_allclose(mel_scale.band_centres(128, 16_000), expected, rtol=1e-9)


def test_a_frequency_comes_back_from_its_mel() -> None:
    frequencies = np.array([0.0, 440.0, 999.9, 1000.0, 7999.0])
    np.testing.assert_allclose(mel_scale.hertz(mel_scale.mel(frequencies)), frequencies, atol=1e-9)


def test_a_bands_centre_lies_at_its_own_number() -> None:
    centres = mel_scale.band_centres(128, 16_000)
    np.testing.assert_allclose(mel_scale.band_of(centres, 128, 16_000), np.arange(128), atol=1e-9)
