"""Look into audio containers before a decoder sees them: which format the bytes are, and whether the end is missing.

Nothing is allocated by a size a header declares. The list of what is accepted is short on purpose: each further
container is a further decoder for hostile bytes.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Final

from core.config import AudioConfig
from core.errors import AudioError

SUFFIXES: Final = {".wav": "WAV", ".wave": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".mp3": "MP3"}
RESAVE: Final = "Save it again as WAV, FLAC, OGG or MP3"

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
_SUBTYPES = {
    "WAV": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"},
    "FLAC": {"PCM_S8", "PCM_16", "PCM_24"},
    "OGG": {"VORBIS"},
    "MP3": {"MPEG_LAYER_III"},
}
_WAV_BITS = (8, 16, 24, 32, 64)
_WAV_MAX_CHUNKS = 1000  # before `data`; real files have a handful
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MP3_COMPLETE = 0.99  # share of the declared bytes below which the end counts as missing; taggers miscount by a few


def identify(raw: BinaryIO, path: Path) -> tuple[str, int]:
    """Name the container by its first bytes (WAV, FLAC, OGG, MP3) and the offset at which it starts, after an ID3 tag.

    Raises
    ------
    AudioError : `type_not_accepted` for a known type that is not read, `unrecognised_type` for anything else.
    """
    offset = _id3_length(raw)
    head = _read(raw, offset, 12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE" and not offset:
        return "WAV", offset
    if head[:4] == b"fLaC":
        return "FLAC", offset
    if head[:4] == b"OggS" and not offset:
        return "OGG", offset
    if _is_mp3_frame(head):
        return "MP3", offset
    raise _unknown_type(path, head)


def check_subtype(path: Path, container: str, subtype: str) -> None:
    """Refuse encodings inside an accepted container that are not themselves accepted, such as ADPCM or Opus."""
    if subtype not in _SUBTYPES[container]:
        raise AudioError(path, "type_not_accepted", f"holds {subtype} audio, which is not read", RESAVE)


def is_truncated(raw: BinaryIO, path: Path, container: str, offset: int, size: int, config: AudioConfig) -> bool:
    """Say whether the container shows that its end is missing, without decoding.

    A FLAC does not tell its length in bytes: only decoding shows a missing end. An MP3 tells it in its Xing/Info
    header, and without one does not tell it at all.

    Raises
    ------
    AudioError : for a WAV header that no decoder should be shown (`sample_rate`, `channels`, `undecodable`).
    """
    if container == "WAV":
        return _wav_truncated(raw, path, size, config)
    if container == "OGG":
        return _ogg_truncated(raw)
    return container == "MP3" and _mp3_truncated(raw, offset, size)


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


def _wav_truncated(raw: BinaryIO, path: Path, size: int, config: AudioConfig) -> bool:
    """Walk the chunks up to `data`; judge `fmt ` on the way, since decoders let absurd values through."""
    position = 12
    for _ in range(_WAV_MAX_CHUNKS):
        header = _read(raw, position, 8)
        if len(header) < 8:
            break
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return int(position + 8 + length) > size
        if name == b"fmt ":
            _check_wav_format(raw.read(16), path, config)
        position += 8 + length + length % 2
    raise AudioError(path, "undecodable", "is a WAV file without sound in it", RESAVE)


def _check_wav_format(body: bytes, path: Path, config: AudioConfig) -> None:
    if len(body) < 16:
        raise AudioError(path, "undecodable", "has a WAV header that is cut off", RESAVE)
    _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body)
    check_rate_and_channels(path, rate, channels, config)
    if bits not in _WAV_BITS:
        raise AudioError(path, "type_not_accepted", f"holds samples of {bits} bits, which are not read", RESAVE)


def _ogg_truncated(raw: BinaryIO) -> bool:
    """Walk all pages (RFC 3533 §6): each whole and with its checksum, the last with the end-of-stream flag.

    A decoder leaves a damaged page out in silence, and how much it leaves out depends on the length of its reads.
    """
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


def _mp3_truncated(raw: BinaryIO, offset: int, size: int) -> bool:
    """Compare the bytes there are with the bytes a Xing/Info header declares, if there is one."""
    frame = _read(raw, offset, 64)
    is_mpeg1, is_mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    side_info = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)  # bytes, ISO 11172-3 §2.4.1.7
    tag = frame[4 + side_info :]
    if tag[:4] not in (b"Xing", b"Info") or len(tag) < 16:
        return False
    has_frames, has_bytes = tag[7] & 1, tag[7] & 2
    start = 12 if has_frames else 8
    declared = int.from_bytes(tag[start : start + 4], "big")
    return bool(has_bytes) and size - offset < _MP3_COMPLETE * declared
