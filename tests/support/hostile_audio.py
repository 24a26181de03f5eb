"""Build bad audio files byte by byte, one per case of a list of what decoders got wrong; no fixtures are stored."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 22_050
SECONDS = 3.0


@dataclass(frozen=True)
class Case:
    """A bad file that `make` writes into a folder, and what reading gives: a code, `warns:` a warning, or `reads`."""

    name: str
    outcome: str
    make: Callable[[Path], Path]


def sound(seconds: float = SECONDS, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Return a chord in light noise: (frames, channels) float64, peak below 0.6."""
    rng = np.random.default_rng(7)
    time = np.arange(round(seconds * rate)) / rate
    chord = 0.15 * np.sin(2 * np.pi * np.outer(time, (220.0, 277.2, 329.6))).sum(axis=1)
    chords: np.ndarray = chord[:, None] + 0.02 * rng.standard_normal((len(time), channels))
    return chords


@cache
def encoded(
    container: str, subtype: str = "PCM_16", seconds: float = SECONDS, rate: int = RATE, channels: int = 1
) -> bytes:
    """Return an honest file's bytes."""
    return encode(sound(seconds, rate, channels), container, subtype, rate)


def encode(samples: np.ndarray, container: str, subtype: str, rate: int = RATE) -> bytes:
    """Encode samples; in pieces, because libsndfile's Vorbis encoder overflows its stack on long writes."""
    file = io.BytesIO()
    with sf.SoundFile(file, "w", rate, samples.shape[1], subtype, format=container) as out:
        for start in range(0, len(samples), 4096):
            out.write(samples[start : start + 4096])
    return file.getvalue()


def layer_two(seconds: float) -> bytes:
    """Return silence as MPEG-1 Layer II (128 kbit/s, 48 kHz, mono), which libsndfile reads but does not write."""
    frame = bytes((0xFF, 0xFD, 0x84, 0xC0)) + bytes(380)
    return frame * round(seconds * 48_000 / 1152)


def wav(
    data: bytes = b"",
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    align: int | None = None,
    data_size: int | None = None,
    fmt_size: int = 16,
    before_data: bytes = b"",
) -> bytes:
    """Assemble a WAV whose header may say anything."""
    align = (channels * bits // 8 if align is None else align) & 0xFFFF
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    size = len(data) if data_size is None else data_size
    chunks = b"fmt " + struct.pack("<I", fmt_size) + body + before_data + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) & 0xFFFFFFFF) + b"WAVE" + chunks


def flac_with(total: int | None = None, rate: int | None = None) -> bytes:
    """Return a FLAC whose STREAMINFO (20 bits rate, 3 channels, 5 depth, 36 length) declares another length or rate."""
    data = bytearray(encoded("FLAC"))
    facts = int.from_bytes(data[18:26], "big")
    if total is not None:
        facts = facts >> 36 << 36 | total
    if rate is not None:
        facts = facts & (1 << 44) - 1 | rate << 44
    data[18:26] = facts.to_bytes(8, "big")
    return bytes(data)


def aiff_with(chunk: str, values: bytes, offset: int) -> bytes:
    """Return an AIFF with other bytes in a chunk, counted from its name."""
    data = encoded("AIFF")
    place = data.index(chunk.encode()) + offset
    return data[:place] + values + data[place + len(values) :]


def ogg_with_length(granule: int, encoding: str = "VORBIS") -> bytes:
    """Return an OGG whose last page declares another length, with its checksum made right again."""
    data = bytearray(encoded("OGG", encoding, rate=48_000 if encoding == "OPUS" else RATE))
    page = data.rindex(b"OggS")
    data[page + 6 : page + 14] = struct.pack("<q", granule)
    data[page + 22 : page + 26] = bytes(4)
    data[page + 22 : page + 26] = struct.pack("<I", ogg_checksum(data[page:]))
    return bytes(data)


def mp3_with_frames(frames: int) -> bytes:
    """Return an MP3 whose Info header declares another number of frames."""
    data = bytearray(encoded("MP3", "MPEG_LAYER_III"))
    tag = max(data.find(b"Info"), data.find(b"Xing"))
    data[tag + 8 : tag + 12] = struct.pack(">I", frames)
    return bytes(data)


def silent_flac(seconds: int, rate: int, channels: int = 1) -> bytes:
    """Return a small FLAC that lasts long."""
    file = io.BytesIO()
    with sf.SoundFile(file, "w", rate, channels, "PCM_16", format="FLAC") as out:
        for _ in range(seconds // 60):
            out.write(np.zeros((60 * rate, channels), np.int16))
    return file.getvalue()


def zipped() -> bytes:
    """Return an archive with an honest WAV in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("song.wav", wav(_pcm()))
    return file.getvalue()


def with_rf64_sizes(data: bytes) -> bytes:
    """Return an RF64 whose three sizes of 64 bits are as large as they can be."""
    place = data.index(b"ds64") + 8
    return data[:place] + b"\xff" * 24 + data[place + 24 :]


def damaged(data: bytes, at: float = 0.5, length: int = 400) -> bytes:
    """Overwrite a stretch inside a file."""
    start = int(len(data) * at)
    return data[:start] + b"\xa5" * length + data[start + length :]


def ogg_checksum(page: bytes | bytearray) -> int:
    """Return the checksum of an Ogg page whose own is zero."""
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ 0x04C11DB7 if checksum & 0x80000000 else checksum << 1) & 0xFFFFFFFF
    return checksum


def _pcm(seconds: float = SECONDS) -> bytes:
    return (sound(seconds) * 32767).astype("<i2").tobytes()


def _floats(value: float, dtype: str = "<f4") -> bytes:
    """Return a float WAV with one odd sample in its middle."""
    samples = sound()[:, 0].astype(dtype)
    samples[len(samples) // 2] = value
    return wav(samples.tobytes(), bits=samples.itemsize * 8, tag=3)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _clipped() -> bytes:
    return wav((np.clip(8 * sound(), -1, 1) * 32767).astype("<i2").tobytes())


def _mp3() -> bytes:
    return encoded("MP3", "MPEG_LAYER_III")


def _ogg() -> bytes:
    return encoded("OGG", "VORBIS")


def _opus() -> bytes:
    return encoded("OGG", "OPUS", rate=48_000)


def _long_ogg() -> bytes:
    return encoded("OGG", "VORBIS", seconds=12.0)


def _three_mp3s() -> bytes:
    others = (encoded("MP3", "MPEG_LAYER_III", rate=44_100, channels=2), encoded("MP3", "MPEG_LAYER_III", rate=48_000))
    return _mp3() + b"".join(others)


def _write(folder: Path, *, name: str, data: Callable[[], bytes]) -> Path:
    path = folder / name
    path.write_bytes(data())
    return path


def _directory(folder: Path) -> Path:
    path = folder / "folder.wav"
    path.mkdir()
    return path


def _fifo(folder: Path) -> Path:
    path = folder / "pipe.wav"
    os.mkfifo(path)
    return path


def _link(folder: Path, *, target: str) -> Path:
    path = folder / "link.wav"
    path.symlink_to(target)
    return path


def _ffconcat(folder: Path) -> Path:
    """Write a playlist named .wav; ffmpeg would read the other file it names."""
    (folder / "other.wav").write_bytes(wav(_pcm()))
    path = folder / "list.wav"
    path.write_text("ffconcat version 1.0\nfile other.wav\n")
    return path


_FILES: list[tuple[str, str, str, Callable[[], bytes]]] = [
    ("an empty wav", "empty_file", "a.wav", lambda: b""),
    ("an empty mp3", "empty_file", "a.mp3", lambda: b""),
    ("an empty flac", "empty_file", "a.flac", lambda: b""),
    ("one byte", "unrecognised_type", "a.wav", lambda: b"R"),
    ("riff without chunks", "undecodable", "a.wav", lambda: b"RIFF\x04\0\0\0WAVE"),
    ("wav header cut at 30 bytes", "undecodable", "a.wav", lambda: wav(_pcm())[:30]),
    ("wav of zero frames", "no_frames", "a.wav", wav),
    ("wav data size 0 before samples", "reads", "a.wav", lambda: wav(_pcm(), data_size=0)),
    ("one sample", "too_short", "a.wav", lambda: wav(b"\1\0")),
    ("0.2 seconds", "too_short", "a.wav", lambda: wav(_pcm(0.2))),
    ("wav cut in its samples", "warns:truncated", "a.wav", lambda: _half(wav(_pcm()))),
    ("wav data size 2 GB", "reads", "a.wav", lambda: wav(_pcm(), data_size=2**31 - 1)),
    ("wav data size 4 GB", "reads", "a.wav", lambda: wav(_pcm(), data_size=2**32 - 1)),
    ("rf64", "type_not_accepted", "a.wav", lambda: encoded("RF64")),
    ("rf64 of 2^62 bytes", "type_not_accepted", "a.wav", lambda: damaged(encoded("RF64"), 0.0002, 8)),
    ("rf64 of 2^64 - 1 bytes", "type_not_accepted", "a.wav", lambda: with_rf64_sizes(encoded("RF64"))),
    ("wav fmt size 4 GB", "undecodable", "a.wav", lambda: wav(_pcm(), fmt_size=2**32 - 1)),
    ("w64", "type_not_accepted", "a.wav", lambda: encoded("W64")),
    ("aiff", "reads", "a.aiff", lambda: encoded("AIFF")),
    ("aiff-c of floats", "reads", "a.aifc", lambda: encoded("AIFF", "FLOAT")),
    ("aiff with a rate that is no number", "sample_rate", "a.aif", lambda: damaged(encoded("AIFF"), 0.0002, 10)),
    ("aiff of 12 bits", "type_not_accepted", "a.aif", lambda: aiff_with("COMM", b"\0\1\0\0\xff\xff\0\x0c", 8)),
    ("aiff of 1025 channels", "channels", "a.aif", lambda: aiff_with("COMM", b"\4\1", 8)),
    ("aiff that declares 2^32 - 1 samples", "reads", "a.aif", lambda: aiff_with("COMM", b"\0\1\xff\xff\xff\xff", 8)),
    ("aiff data size 0 before samples", "reads", "a.aif", lambda: aiff_with("SSND", bytes(4), 4)),
    ("aiff data size 4 GB", "reads", "a.aif", lambda: aiff_with("SSND", b"\xff" * 4, 4)),
    ("aiff whose samples begin behind its end", "no_frames", "a.aif", lambda: aiff_with("SSND", b"\x7f" * 4, 8)),
    ("half an aiff", "warns:truncated", "a.aif", lambda: _half(encoded("AIFF"))),
    ("aiff header cut at 30 bytes", "undecodable", "a.aif", lambda: encoded("AIFF")[:30]),
    ("aiff without samples", "undecodable", "a.aif", lambda: encoded("AIFF")[:38]),
    ("aiff of a million chunks", "undecodable", "a.aif", lambda: encoded("AIFF")[:12] + b"junk\0\0\0\0" * 1_000_000),
    ("aiff in adpcm", "type_not_accepted", "a.aif", lambda: encoded("AIFF", "IMA_ADPCM")),
    ("an iff of pictures", "type_not_accepted", "a.aif", lambda: b"FORM\0\0\1\0ILBM" + bytes(200)),
    ("au", "type_not_accepted", "a.au", lambda: encoded("AU")),
    ("big-endian wav", "type_not_accepted", "a.wav", lambda: b"RIFX" + wav(_pcm())[4:]),
    ("a million junk chunks", "undecodable", "a.wav", lambda: wav(_pcm(), before_data=b"junk\0\0\0\0" * 1_000_000)),
    ("two thousand junk chunks", "undecodable", "a.wav", lambda: wav(_pcm(), before_data=b"junk\0\0\0\0" * 2_000)),
    *[
        (f"wav sample rate {rate}", "sample_rate", "a.wav", partial(lambda rate: wav(_pcm(), rate=rate), rate))
        for rate in (0, 1, 100, 768_000, 2**31 - 1, 2**32 - 1)
    ],
    *[
        (f"wav of {count} channels", "channels", "a.wav", partial(lambda count: wav(_pcm(), channels=count), count))
        for count in (0, 1024, 1025, 65_535)
    ],
    ("wav of 0 bits", "type_not_accepted", "a.wav", lambda: wav(_pcm(), bits=0)),
    ("wav of 7 bits", "type_not_accepted", "a.wav", lambda: wav(_pcm(), bits=7)),
    ("wav codec 0x1234", "undecodable", "a.wav", lambda: wav(_pcm(), tag=0x1234)),
    ("wav in adpcm", "type_not_accepted", "a.wav", lambda: encoded("WAV", "IMA_ADPCM")),
    ("wav in gsm", "type_not_accepted", "a.wav", lambda: encoded("WAV", "GSM610", rate=8000)),
    ("wav block align lies", "reads", "a.wav", lambda: wav(_pcm(), align=1)),
    ("one nan", "non_finite", "a.wav", lambda: _floats(float("nan"))),
    ("one infinity", "non_finite", "a.wav", lambda: _floats(float("-inf"))),
    ("a double beyond float range", "non_finite", "a.wav", lambda: _floats(1e308, "<f8")),
    ("a peak of 1e38", "peak", "a.wav", lambda: _floats(-1e38)),
    ("denormals", "silence", "a.wav", lambda: wav((sound() * 1e-39).astype("<f4").tobytes(), bits=32, tag=3)),
    ("digital silence", "silence", "a.wav", lambda: wav(bytes(4 * RATE))),
    ("the noise of one bit", "silence", "a.wav", lambda: wav((sound() * 2).astype("<i2").tobytes())),
    ("full-scale dc", "warns:clipped", "a.wav", lambda: wav(b"\xff\x7f" * 3 * RATE)),
    ("hard clipping", "warns:clipped", "a.wav", _clipped),
    ("flac of 2^36 - 1 samples", "declared_too_long", "a.flac", lambda: flac_with(total=2**36 - 1)),
    ("flac of unknown length", "reads", "a.flac", lambda: flac_with(total=0)),
    ("flac that declares 100 samples", "reads", "a.flac", lambda: flac_with(total=100)),
    ("flac sample rate 0", "undecodable", "a.flac", lambda: flac_with(rate=0)),
    ("half a flac", "warns:truncated", "a.flac", lambda: _half(encoded("FLAC"))),
    ("flac damaged inside", "warns:truncated", "a.flac", lambda: damaged(encoded("FLAC"))),
    ("a long flac cut after its clip", "warns:truncated", "a.flac", lambda: encoded("FLAC", seconds=12.0)[:-50_000]),
    ("flac of 61 silent minutes", "too_long", "a.flac", lambda: silent_flac(61 * 60, 8000)),
    ("flac of three silent hours", "too_long", "a.flac", lambda: silent_flac(3 * 3600, 8000, 2)),
    ("ogg of 2^40 samples", "declared_too_long", "a.ogg", lambda: ogg_with_length(2**40)),
    ("ogg of -5 samples", "undecodable", "a.ogg", lambda: ogg_with_length(-5)),
    ("half an ogg", "warns:truncated", "a.ogg", lambda: _half(_long_ogg())),
    ("ogg damaged inside", "warns:truncated", "a.ogg", lambda: damaged(_ogg(), 0.6)),
    ("a long ogg damaged after its clip", "warns:truncated", "a.ogg", lambda: damaged(_long_ogg(), 0.81, 1)),
    ("ogg cut between pages", "warns:truncated", "a.ogg", lambda: _ogg()[: _ogg().rindex(b"OggS")]),
    ("ogg headers only", "undecodable", "a.ogg", lambda: _ogg()[:3000]),
    ("opus", "reads", "a.opus", _opus),
    ("opus named ogg", "reads", "a.ogg", _opus),
    ("opus of 2^40 samples", "declared_too_long", "a.opus", lambda: ogg_with_length(2**40, "OPUS")),
    ("opus of -5 samples", "undecodable", "a.opus", lambda: ogg_with_length(-5, "OPUS")),
    ("half an opus", "warns:truncated", "a.opus", lambda: _half(encoded("OGG", "OPUS", 12.0, 48_000))),
    ("opus damaged inside", "warns:truncated", "a.opus", lambda: damaged(_opus(), 0.6)),
    ("opus cut between pages", "warns:truncated", "a.opus", lambda: _opus()[: _opus().rindex(b"OggS")]),
    ("opus headers only", "undecodable", "a.opus", lambda: _opus()[:120]),
    ("a midi file", "type_not_accepted", "a.mid", lambda: b"MThd" + bytes(200)),
    ("mp3 of 2^32 - 1 frames", "declared_too_long", "a.mp3", lambda: mp3_with_frames(2**32 - 1)),
    ("mp3 of five million frames", "declared_too_long", "a.mp3", lambda: mp3_with_frames(5_000_000)),
    ("mp3 of twice its frames", "warns:truncated", "a.mp3", lambda: mp3_with_frames(2 * round(SECONDS * RATE / 576))),
    ("half an mp3", "warns:truncated", "a.mp3", lambda: _half(_mp3())),
    ("mp3 without its head", "unrecognised_type", "a.mp3", lambda: _mp3()[1000:]),
    ("a megabyte of sync bits", "unrecognised_type", "a.mp3", lambda: b"\xff" * 2**20),
    ("sync bits without a bitrate", "unrecognised_type", "a.mp3", lambda: b"\xff\xfb\xf4\xc4" + _mp3()[4:]),
    ("an id3 tag of 256 MB", "unrecognised_type", "a.mp3", lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + _mp3()),
    ("three mp3 of three kinds joined", "warns:partial", "a.mp3", _three_mp3s),
    ("text", "unrecognised_type", "a.wav", lambda: b"not a sound\n" * 50),
    ("png", "unrecognised_type", "a.wav", lambda: b"\x89PNG\r\n\x1a\n" + bytes(200)),
    ("zip", "unrecognised_type", "a.wav", lambda: b"PK\3\4" + bytes(200)),
    ("a zip with a wav in it", "unrecognised_type", "a.wav", zipped),
    ("a program named as a wav", "unrecognised_type", "a.wav.exe", lambda: b"MZ\x90\0" + bytes(200)),
    ("html with a script", "unrecognised_type", "a.mp3", lambda: b"<html><script>alert(1)</script></html>"),
    ("elf", "unrecognised_type", "a.mp3", lambda: b"\x7fELF\2\1\1" + bytes(200)),
    ("random bytes", "unrecognised_type", "a.wav", lambda: np.random.default_rng(3).bytes(20_000)),
    ("m4a", "type_not_accepted", "a.m4a", lambda: b"\0\0\0\x20ftypM4A " + bytes(200)),
    ("aac", "type_not_accepted", "a.aac", lambda: b"\xff\xf1\x50\x80" + bytes(200)),
    ("webm", "type_not_accepted", "a.webm", lambda: b"\x1a\x45\xdf\xa3" + bytes(200)),
    ("headerless samples", "unrecognised_type", "a.raw", _pcm),
    ("mp3 named wav", "warns:extension", "a.wav", _mp3),
    ("wav named mp3", "warns:extension", "a.mp3", lambda: wav(_pcm())),
]

CASES = [
    *[Case(name, outcome, partial(_write, name=file, data=data)) for name, outcome, file, data in _FILES],
    Case("a playlist that names another file", "unrecognised_type", _ffconcat),
    Case("a folder", "path", _directory),
    Case("a file that is not there", "path", lambda folder: folder / "missing.wav"),
    Case("a dangling link", "path", partial(_link, target="nowhere.wav")),
    Case("a link to a device", "path", partial(_link, target="/dev/zero")),
    Case("a pipe", "path", _fifo),
]
