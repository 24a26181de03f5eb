"""Which audio containers are read, and a look into one before a decoder sees it: what it is, and if its end is missing.

All that is particular to a container stands in `FORMATS`, at the end: what is offered, accepted, served and named
elsewhere follows from it. The table is short on purpose, for each further container is a further decoder for hostile
bytes. Nothing is allocated by a size that a header declares.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from core.config import AudioConfig
from core.errors import AudioError

_REFUSED = {  # leading bytes of well-known types that are not accepted
    b"RF64": "an RF64 file",
    b"RIFX": "a big-endian WAV file",
    b"riff": "a W64 file",
    b"FORM": "an AIFF file",
    b".snd": "an AU file",
    b"caff": "a CAF file",
    b"\x1a\x45\xdf\xa3": "a WebM or Matroska file",
    b"\xff\xf1": "an AAC file",
    b"\xff\xf9": "an AAC file",
    b"MThd": "a MIDI file",
}
_WAV_BITS = (8, 16, 24, 32, 64)
_WAV_MAX_CHUNKS = 1000  # before `data`; real files have a handful
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MP3_COMPLETE = 0.99  # share of the declared bytes below which the end counts as missing; taggers miscount by a few


@dataclass(frozen=True)
class Opened:
    """A file whose container is known, before any decoder has seen it."""

    raw: BinaryIO
    path: Path
    size: int  # bytes
    offset: int  # bytes before the container: an ID3 tag


@dataclass(frozen=True)
class Format:
    """A container that is read."""

    suffixes: tuple[str, ...]  # of file names, lower case
    mime: str
    encodings: tuple[str, ...]  # accepted inside, by libsndfile's names
    is_lossy: bool
    is_start: Callable[[bytes], bool]  # whether twelve bytes begin such a file
    follows_tag: bool  # whether an ID3 tag may stand before it
    is_truncated: Callable[[Opened, AudioConfig], bool] | None  # None: only decoding shows that the end is missing


def identify(raw: BinaryIO, path: Path) -> tuple[str, int]:
    """Name the container by its first bytes (a key of `FORMATS`) and the offset at which it starts, after an ID3 tag.

    Raises
    ------
    AudioError : `type_not_accepted` for a known type that is not read, `unrecognised_type` for anything else.
    """
    offset = _id3_length(raw)
    head = _read(raw, offset, 12)
    for name, kind in FORMATS.items():
        if kind.is_start(head) and (kind.follows_tag or not offset):
            return name, offset
    raise _unknown_type(path, head)


def check_encoding(path: Path, container: str, encoding: str) -> None:
    """Refuse encodings inside an accepted container that are not themselves accepted, such as ADPCM or Opus."""
    if encoding not in FORMATS[container].encodings:
        raise AudioError(path, "type_not_accepted", f"holds {encoding} audio, which is not read", RESAVE)


def is_truncated(raw: BinaryIO, path: Path, container: str, offset: int, size: int, config: AudioConfig) -> bool:
    """Say whether the container shows that its end is missing, without decoding.

    A FLAC does not tell its length in bytes: only decoding shows a missing end. An MP3 tells it in its Xing/Info
    header, and without one does not tell it at all.

    Raises
    ------
    AudioError : for a WAV header that no decoder should be shown (`sample_rate`, `channels`, `undecodable`).
    """
    check = FORMATS[container].is_truncated
    return check is not None and check(Opened(raw, path, size, offset), config)


def is_misnamed(name: str, container: str) -> bool:
    """Say whether the suffix of a file's name belongs to another container than its bytes; none belongs to all."""
    suffix = PurePath(name).suffix.lower()
    return bool(suffix) and suffix not in FORMATS[container].suffixes


def check_rate_and_channels(path: Path, rate: int, channels: int, config: AudioConfig) -> None:
    """Refuse a sample rate or channel count outside the configured bounds."""
    low, high = config.min_native_rate, config.max_native_rate
    if not low <= rate <= high:
        remedy = f"Resample it to between {low} and {high} Hz"
        raise AudioError(path, "sample_rate", f"has a sample rate of {rate} Hz", remedy)
    if not 1 <= channels <= config.max_channels:
        remedy = f"Mix it down to at most {config.max_channels} channels"
        raise AudioError(path, "channels", f"has {channels} channels", remedy)


def _read(raw: BinaryIO, offset: int, length: int) -> bytes:
    raw.seek(offset)
    return raw.read(length)


def _id3_length(raw: BinaryIO) -> int:
    """Return the bytes of a leading ID3v2 tag, 0 without one (ID3v2.4 §3.1: four 7-bit digits)."""
    head = _read(raw, 0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    digits = [byte & 0x7F for byte in head[6:]]
    has_footer = bool(head[5] & 0x10)
    return 10 + (digits[0] << 21 | digits[1] << 14 | digits[2] << 7 | digits[3]) + 10 * has_footer


def _unknown_type(path: Path, head: bytes) -> AudioError:
    name = next((name for magic, name in _REFUSED.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        name = "an MP4 or M4A file"
    if name:
        return AudioError(path, "type_not_accepted", f"is {name}, which is not read", RESAVE)
    return AudioError(path, "unrecognised_type", "is not a sound file, whatever its name says", RESAVE)


def _wav_truncated(file: Opened, config: AudioConfig) -> bool:
    """Walk the chunks up to `data`; judge `fmt ` on the way, since decoders let absurd values through."""
    position = 12
    for _ in range(_WAV_MAX_CHUNKS):
        header = _read(file.raw, position, 8)
        if len(header) < 8:
            break
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return int(position + 8 + length) > file.size
        if name == b"fmt ":
            _check_wav_format(file.raw.read(16), file.path, config)
        position += 8 + length + length % 2
    raise AudioError(file.path, "undecodable", "is a WAV file without sound in it", RESAVE)


def _check_wav_format(body: bytes, path: Path, config: AudioConfig) -> None:
    if len(body) < 16:
        raise AudioError(path, "undecodable", "has a WAV header that is cut off", RESAVE)
    _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body)
    check_rate_and_channels(path, rate, channels, config)
    if bits not in _WAV_BITS:
        raise AudioError(path, "type_not_accepted", f"holds samples of {bits} bits, which are not read", RESAVE)


def _ogg_truncated(file: Opened, _config: AudioConfig) -> bool:
    """Walk all pages (RFC 3533 §6): each whole and with its checksum, the last with the end-of-stream flag.

    A decoder leaves a damaged page out in silence, and how much it leaves out depends on the length of its reads.
    """
    raw = file.raw
    raw.seek(0)
    has_ended = False
    while (header := raw.read(27))[:4] == b"OggS" and len(header) == 27:
        table = raw.read(header[26])
        body = raw.read(sum(table))
        if (
            len(body) < sum(table)
            or _ogg_checksum(header[:22] + bytes(4) + header[26:] + table + body) != header[22:26]
        ):
            return True
        has_ended = bool(header[5] & 0x04)
    return not has_ended


def _ogg_checksum(page: bytes) -> bytes:
    """Return a page's CRC-32: zlib's without its inversions, and with the bits of each byte in reverse."""
    reflected = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return reflected.to_bytes(4, "big").translate(_REVERSED_BITS)


def _is_mp3_frame(head: bytes) -> bool:
    """Recognise an MPEG audio Layer III frame header: sync, version, layer, bitrate and rate all valid."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and bitrate not in (0, 15) and rate != 3


def _mp3_truncated(file: Opened, _config: AudioConfig) -> bool:
    """Compare the bytes there are with the bytes a Xing/Info header declares, if there is one."""
    frame = _read(file.raw, file.offset, 64)
    is_mpeg1, is_mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    side_info = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)  # bytes, ISO 11172-3 §2.4.1.7
    tag = frame[4 + side_info :]
    if tag[:4] not in (b"Xing", b"Info") or len(tag) < 16:
        return False
    has_frames, has_bytes = tag[7] & 1, tag[7] & 2
    start = 12 if has_frames else 8
    declared = int.from_bytes(tag[start : start + 4], "big")
    return bool(has_bytes) and file.size - file.offset < _MP3_COMPLETE * declared


def _listed(names: list[str]) -> str:
    """Return names as in a sentence: A, B or C."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


_LOSSLESS: Final = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")

FORMATS: Final = {
    "WAV": Format(
        suffixes=(".wav", ".wave"),
        mime="audio/wav",
        encodings=("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
        is_lossy=False,
        is_start=lambda head: head[:4] == b"RIFF" and head[8:] == b"WAVE",
        follows_tag=False,
        is_truncated=_wav_truncated,
    ),
    "FLAC": Format(
        suffixes=(".flac",),
        mime="audio/flac",
        encodings=("PCM_S8", "PCM_16", "PCM_24"),
        is_lossy=False,
        is_start=lambda head: head[:4] == b"fLaC",
        follows_tag=True,
        is_truncated=None,
    ),
    "OGG": Format(
        suffixes=(".ogg", ".oga"),
        mime="audio/ogg",
        encodings=("VORBIS",),
        is_lossy=True,
        is_start=lambda head: head[:4] == b"OggS",
        follows_tag=False,
        is_truncated=_ogg_truncated,
    ),
    "MP3": Format(
        suffixes=(".mp3",),
        mime="audio/mpeg",
        encodings=("MPEG_LAYER_III",),
        is_lossy=True,
        is_start=_is_mp3_frame,
        follows_tag=True,
        is_truncated=_mp3_truncated,
    ),
}
SUFFIXES: Final = tuple(suffix for kind in FORMATS.values() for suffix in kind.suffixes)
ENCODINGS: Final = (*_LOSSLESS, *(name for kind in FORMATS.values() if kind.is_lossy for name in kind.encodings))
ACCEPTED: Final = _listed(list(FORMATS))  # in a sentence
RESAVE: Final = f"Save it again as {ACCEPTED}"
