"""Samples become bytes of the size that was asked for, and sound as before."""

import io

import numpy as np
import pytest
import soundfile as sf

from core.audio import encoding
from tests.support.hostile_audio import sound


@pytest.mark.parametrize("rate", encoding.MP3_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_has_the_bit_rate_that_was_asked_for(rate: int, channels: int) -> None:
    waveform = np.repeat(sound(4.0, rate), channels, axis=1).astype(np.float32)
    content = encoding.mp3(waveform, rate, 64)
    decoded, decoded_rate = sf.read(io.BytesIO(content), always_2d=True)
    assert encoding.allows_mp3(rate, 64)
    assert (decoded_rate, decoded.shape[1]) == (rate, channels)
    assert len(content) * 8 / 4.0 / 1000 == pytest.approx(64, rel=0.08)


def test_a_bit_rate_beyond_what_the_sample_rate_allows_is_brought_to_it() -> None:
    waveform = sound(2.0, 16_000)[:, 0].astype(np.float32)
    assert not encoding.allows_mp3(16_000, 320)
    assert not encoding.allows_mp3(96_000, 64)
    assert encoding.mp3(waveform, 16_000, 320) == encoding.mp3(waveform, 16_000, 160)


def test_more_kilobits_are_more_bytes_of_vorbis() -> None:
    waveform = sound(4.0, 16_000)[:, 0].astype(np.float32)
    sizes = [len(encoding.ogg(waveform, 16_000, kbps)) for kbps in (32, 48, 75)]
    assert sizes == sorted(set(sizes))
