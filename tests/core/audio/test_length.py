"""However its header was written, a file is heard whole: what is behind the header is counted, not believed.

Every file here is made from an honest one, byte by byte, as pipes, joiners, taggers and recorders of radio make them.
"""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from core.audio.clips import read_clip, read_native
from core.audio.formats import flac, mpeg
from core.audio.source import Header, Waveform, open_audio
from core.config import AudioConfig
from core.errors import AudioError
from tests.support.hostile_audio import encode, flac_with, layer_two, ogg_checksum, sound, wav

CONFIG = AudioConfig()
SECONDS, RATE = 20.0, 44_100
TOLERANCE = 0.06  # seconds: an MP3 begins with up to two frames of the coder's own delay
PICTURE = b"ID3\4\0\0" + bytes((0, 6, 0, 0)) + bytes(6 << 14)  # 98 kB of tag, as a cover takes


def heard(path: Path) -> tuple[Header, Waveform, tuple[str, ...]]:
    """Return what a file declares, all of it at 16 kHz, and what is odd about it."""
    with open_audio(path, CONFIG) as source:
        waveform = np.concatenate([*source.resampled()])
        return source.header, waveform, source.warnings()


def varied(seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Return sound that takes more bits in some seconds than in others: (frames, 1)."""
    samples = sound(seconds, rate)
    loud = (np.arange(len(samples)) // rate % 3 == 2)[:, None]
    return np.asarray(samples * np.where(loud, 1.0, 0.01))


def mp3(samples: np.ndarray, rate: int = RATE, mode: str = "VARIABLE") -> bytes:
    """Encode samples with the head that counts the frames."""
    file = io.BytesIO()
    with sf.SoundFile(
        file, "w", rate, samples.shape[1], "MPEG_LAYER_III", format="MP3", bitrate_mode=mode, compression_level=0.5
    ) as out:
        out.write(samples)
    return file.getvalue()


def without_head(data: bytes) -> bytes:
    """Return an MP3 as an encoder leaves it that writes to a pipe: without the frame that counts the others."""
    header = mpeg.frame_header(data)
    assert header
    assert data[4 + header.side_info :][:4] in (b"Xing", b"Info")
    return data[header.size :]


def with_frames(data: bytes, frames: int) -> bytes:
    """Return an MP3 whose head counts so many frames."""
    header = mpeg.frame_header(data)
    assert header
    place = 4 + header.side_info + 8
    return data[:place] + frames.to_bytes(4, "big") + data[place + 4 :]


def open_flac(data: bytes) -> bytes:
    """Return a FLAC as an encoder leaves it that writes to a pipe: of unknown length."""
    info = flac.stream_info(io.BytesIO(data), 0)
    assert info
    return data[: flac.STREAMINFO.start] + flac.with_samples(info, 0) + data[flac.STREAMINFO.stop :]


def open_aiff(data: bytes, length: int) -> bytes:
    """Return an AIFF as an encoder leaves it that writes to a pipe: its samples are counted and measured wrongly."""
    frames, place = data.index(b"COMM") + 10, data.index(b"SSND") + 4
    opened = data[:frames] + struct.pack(">I", length // 2) + data[frames + 4 : place]
    return opened + struct.pack(">I", length) + data[place + 4 :]


def ogg(samples: np.ndarray, rate: int = RATE) -> bytes:
    return encode(samples, "OGG", "VORBIS", rate)


def opus(samples: np.ndarray, rate: int = 48_000) -> bytes:
    return encode(samples, "OGG", "OPUS", rate)


def of_no_rate(data: bytes) -> bytes:
    """Return an Opus file whose head does not say what was encoded, as several encoders leave it."""
    head = bytearray(data[: data.index(b"OggS", 4)])
    head[40:44] = bytes(4)
    head[22:26] = bytes(4)
    head[22:26] = ogg_checksum(head).to_bytes(4, "little")
    return bytes(head) + data[len(head) :]


def id3v1() -> bytes:
    return b"TAG" + bytes(125)


def ape(size: int = 500) -> bytes:
    """Return an APE tag as it stands before the sound."""
    return b"APETAGEX" + struct.pack("<IIII", 2000, size, 1, 0xA0000000) + bytes(8) + bytes(size)


WHOLE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "mp3 of varying rate from a pipe": ("a.mp3", lambda: without_head(mp3(varied()))),
    "mp3 from a pipe that begins with silence": (
        "a.mp3",
        lambda: without_head(mp3(np.concatenate([np.zeros((5 * RATE, 1)), varied(15.0)]))),
    ),
    "mp3 of constant rate from a pipe": ("a.mp3", lambda: without_head(mp3(varied(), mode="CONSTANT"))),
    "mp3 of constant rate behind a picture": ("a.mp3", lambda: PICTURE + without_head(mp3(varied(), mode="CONSTANT"))),
    "mp3 of varying rate behind a picture": ("a.mp3", lambda: PICTURE + mp3(varied())),
    "two mp3 joined": ("a.mp3", lambda: mp3(varied(8.0)) + mp3(varied(12.0))),
    "an mp3 joined to one without a head": ("a.mp3", lambda: mp3(varied(8.0)) + without_head(mp3(varied(12.0)))),
    "two tagged mp3 joined": ("a.mp3", lambda: PICTURE + mp3(varied(8.0)) + id3v1() + PICTURE + mp3(varied(12.0))),
    "mp3 whose head counts 0 frames": ("a.mp3", lambda: with_frames(mp3(varied()), 0)),
    "mp3 whose head counts too few": ("a.mp3", lambda: with_frames(mp3(varied()), 100)),
    "mp3 behind two tags": ("a.mp3", lambda: PICTURE + PICTURE + mp3(varied())),
    "mp3 behind a tag and zeros": ("a.mp3", lambda: PICTURE + bytes(4000) + mp3(varied())),
    "mp3 behind an ape tag": ("a.mp3", lambda: ape() + mp3(varied())),
    "mp3 with tags at its end": ("a.mp3", lambda: mp3(varied()) + ape() + id3v1()),
    "wav from a pipe (ffmpeg)": ("a.wav", lambda: wav(pcm(), rate=RATE, data_size=2**32 - 1)),
    "wav from a pipe (sox)": ("a.wav", lambda: wav(pcm(), rate=RATE, data_size=2**31 - 4096)),
    "wav from a pipe (0)": ("a.wav", lambda: wav(pcm(), rate=RATE, data_size=0)),
    "wav behind a tag": ("a.wav", lambda: PICTURE + wav(pcm(), rate=RATE)),
    "flac from a pipe": ("a.flac", lambda: open_flac(encode(varied(), "FLAC", "PCM_16", RATE))),
    "flac that counts too few": ("a.flac", lambda: flac_with(total=100)),
    "flac with a tag at its end": ("a.flac", lambda: encode(varied(), "FLAC", "PCM_16", RATE) + id3v1()),
    "flac from a pipe with a tag at its end": (
        "a.flac",
        lambda: open_flac(encode(varied(), "FLAC", "PCM_16", RATE)) + id3v1(),
    ),
    "flac behind a tag": ("a.flac", lambda: PICTURE + encode(varied(), "FLAC", "PCM_16", RATE)),
    "flac behind two tags": ("a.flac", lambda: PICTURE + PICTURE + encode(varied(), "FLAC", "PCM_16", RATE)),
    "a chain of ogg": ("a.ogg", lambda: ogg(varied(8.0)) + ogg(varied(12.0))),
    "opus": ("a.opus", lambda: opus(varied(rate=48_000))),
    "opus of 16 kHz": ("a.opus", lambda: opus(varied(rate=16_000), 16_000)),
    "opus that names no rate": ("a.opus", lambda: of_no_rate(opus(varied(rate=48_000)))),
    "opus behind a tag": ("a.opus", lambda: PICTURE + opus(varied(rate=48_000))),
    "a chain of opus": ("a.opus", lambda: opus(varied(8.0, 48_000)) + opus(varied(12.0, 48_000))),
    "a chain of opus of one rate and of none": (
        "a.opus",
        lambda: opus(varied(8.0, 48_000)) + of_no_rate(opus(varied(12.0, 48_000))),
    ),
    "aiff": ("a.aiff", lambda: encode(varied(), "AIFF", "PCM_16", RATE)),
    "aiff from a pipe": ("a.aiff", lambda: open_aiff(encode(varied(), "AIFF", "PCM_16", RATE), 0)),
    "aiff from a pipe (sox)": ("a.aiff", lambda: open_aiff(encode(varied(), "AIFF", "PCM_16", RATE), 0x7F00_0008)),
    "aiff behind a tag": ("a.aiff", lambda: PICTURE + encode(varied(), "AIFF", "PCM_16", RATE)),
    "a chain of three ogg": ("a.ogg", lambda: ogg(varied(4.0)) + ogg(varied(4.0)) + ogg(varied(12.0))),
}


def pcm() -> bytes:
    return (varied() * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_is_heard_whole_and_without_a_warning(name: str, tmp_path: Path) -> None:
    path, make = tmp_path / WHOLE[name][0], WHOLE[name][1]
    path.write_bytes(make())
    seconds = 3.0 if "counts too few" in name and path.suffix == ".flac" else SECONDS
    header, waveform, warnings = heard(path)
    tolerance = TOLERANCE * (1 + name.count("joined"))
    assert abs(len(waveform) / CONFIG.sample_rate - seconds) < tolerance
    assert abs(header.seconds - seconds) < tolerance
    assert warnings == ()


def test_what_is_heard_of_joined_files_is_what_is_in_them(tmp_path: Path) -> None:
    """The second half of a chain is the second file, not the first again and not silence."""
    quiet, loud = sound(8.0, RATE) * 0.05, sound(12.0, RATE)
    for name, parts in {
        "a.mp3": (mp3(quiet), mp3(loud)),
        "a.ogg": (ogg(quiet), ogg(loud)),
    }.items():
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        _, waveform, _ = heard(path)
        before, behind = waveform[: 7 * 16_000], waveform[9 * 16_000 :]
        assert np.sqrt(np.mean(before**2)) < 0.1 * np.sqrt(np.mean(behind**2))


@pytest.mark.parametrize("kind", ["rate", "channels"])
@pytest.mark.parametrize("name", ["a.mp3", "a.ogg"])
def test_sound_of_another_kind_that_follows_is_said_to_be_unheard(name: str, kind: str, tmp_path: Path) -> None:
    other_rate, other_channels = (48_000, 1) if kind == "rate" else (RATE, 2)
    other = sound(5.0, other_rate, other_channels)
    path = tmp_path / name
    if name == "a.mp3":
        path.write_bytes(mp3(varied(8.0)) + mp3(other, other_rate))
    else:
        path.write_bytes(ogg(varied(8.0)) + ogg(other, other_rate))
    _, waveform, warnings = heard(path)
    assert abs(len(waveform) / CONFIG.sample_rate - 8.0) < TOLERANCE
    assert warnings == ("partial",)


@pytest.mark.parametrize("name", ["mp3 of varying rate from a pipe", "flac from a pipe", "a chain of ogg"])
def test_a_clip_and_its_native_sound_come_of_any_of_them(name: str, tmp_path: Path) -> None:
    path = tmp_path / WHOLE[name][0]
    path.write_bytes(WHOLE[name][1]())
    assert len(read_clip(path, CONFIG).waveform) == CONFIG.samples
    header, waveform = read_native(path, CONFIG)
    assert waveform.shape == (round(CONFIG.seconds * header.sample_rate), 1)


def test_a_flac_from_a_pipe_is_the_same_sound_to_the_last_bit(tmp_path: Path) -> None:
    whole, piped = tmp_path / "whole.flac", tmp_path / "piped.flac"
    whole.write_bytes(encode(varied(), "FLAC", "PCM_16", RATE))
    piped.write_bytes(open_flac(whole.read_bytes()))
    assert np.array_equal(heard(whole)[1], heard(piped)[1])


def test_opus_that_names_no_rate_is_not_heard_as_over_a_telephone(tmp_path: Path) -> None:
    named, unnamed = tmp_path / "named.opus", tmp_path / "unnamed.opus"
    named.write_bytes(opus(varied(rate=48_000)))
    unnamed.write_bytes(of_no_rate(named.read_bytes()))
    header, waveform, _ = heard(unnamed)
    assert header.sample_rate == 48_000
    assert np.array_equal(waveform, heard(named)[1])


def test_half_of_an_mp3_without_a_head_is_all_there_is_of_it(tmp_path: Path) -> None:
    """Nothing in such a stream tells that more was meant to follow."""
    path, data = tmp_path / "a.mp3", without_head(mp3(varied()))
    path.write_bytes(data[: len(data) // 2])
    _, waveform, warnings = heard(path)
    assert 3.0 < len(waveform) / CONFIG.sample_rate < SECONDS - 1.0
    assert warnings == ()


@pytest.mark.parametrize("name", ["half an mp3", "two mp3 joined", "mp3 whose head counts 0 frames"])
def test_the_decoder_writes_no_line_of_its_own(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Such a line names no file, so that nobody could tell which of a thousand it is about."""
    path, data = tmp_path / "a.mp3", mp3(varied())
    path.write_bytes(data[: len(data) // 2] if name == "half an mp3" else WHOLE[name][1]())
    _, _, warnings = heard(path)
    assert warnings == (("truncated",) if name == "half an mp3" else ())
    assert capfd.readouterr() == ("", "")


def test_channels_that_cancel_each_other_are_not_called_silent(tmp_path: Path) -> None:
    path, mono = tmp_path / "a.wav", sound(6.0, RATE)
    sf.write(path, np.hstack([mono, -mono]), RATE)
    with pytest.raises(AudioError, match="cancel each other") as refusal:
        read_clip(path, CONFIG)
    assert refusal.value.code == "cancelled"


def test_layer_two_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(layer_two(6.0))
    with open_audio(path, CONFIG) as source:
        assert source.header.subtype == "MPEG_LAYER_II"
        assert source.header.seconds == pytest.approx(6.0)


def test_a_megabyte_that_is_nearly_sync_is_walked_at_once() -> None:
    data = without_head(mp3(varied(2.0))) + b"\xff\xfb" * 2**19
    walk = mpeg.walk_frames(io.BytesIO(data), 0, len(data))
    assert walk
    assert abs(walk.seconds - 2.0) < TOLERANCE


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_frame_that_counts_is_read_by_the_decoder(rate: int, channels: int, tmp_path: Path) -> None:
    data = without_head(mp3(sound(3.0, rate, channels), rate))
    walk = mpeg.walk_frames(io.BytesIO(data), 0, len(data))
    assert walk
    path = tmp_path / "a.mp3"
    path.write_bytes(mpeg.info_frame(walk.header, walk.frames) + data)
    assert 0 <= walk.frames * walk.header.samples - sf.info(path).frames <= 529  # the decoder's own delay
