"""Which audio containers are read, and a look into one before a decoder sees it: what it is, and where its sound lies.

What a header says of its length is believed only where the stream behind it agrees: encoders that write to a pipe leave
it open, joined files keep that of their first part, and a decoder stops where the header says.

All that is particular to a container stands in `FORMATS`, at the end: what is offered, accepted, served and named
elsewhere follows from it. The table is short on purpose, for each further container is a further decoder for hostile
bytes. Nothing is allocated by a size that a header declares.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from core.audio.formats import aiff, flac, mpeg, ogg, wav
from core.audio.formats.opened import Layout, Opened
from core.config import AudioConfig
from core.errors import AudioError, printable

_REFUSED = {  # leading bytes of well-known types that are not accepted
    b"RF64": "an RF64 file",
    b"RIFX": "a big-endian WAV file",
    b"riff": "a W64 file",
    b"FORM": "an IFF file of another kind than AIFF",
    b".snd": "an AU file",
    b"caff": "a CAF file",
    b"\x1a\x45\xdf\xa3": "a WebM or Matroska file",
    b"\xff\xf1": "an AAC file",
    b"\xff\xf9": "an AAC file",
}
_UNREAD = """
    3gp aac ac3 amr ape asf au caf dff dsf dts m4a m4b mka mkv mov mp2 mp4 mpc ra rf64 snd spx tta w64 weba webm wma wv
"""
UNREAD_SUFFIXES: Final = frozenset(f".{name}" for name in _UNREAD.split())  # of sound that `FORMATS` does not hold
_MOST_PADDING = 2**20  # zeros between a tag and the sound


@dataclass(frozen=True)
class Format:
    """A container that is read."""

    suffixes: tuple[str, ...]  # of file names, lower case
    mime: str
    encodings: tuple[str, ...]  # accepted inside, by libsndfile's names
    is_lossy: bool
    is_start: Callable[[bytes], bool]  # whether twelve bytes begin such a file
    layout: Callable[[Opened, AudioConfig], Layout]  # finds where the sound lies, without decoding
    shows_end: bool  # whether that shows a missing end; else only decoding does
    is_played: bool = True  # by browsers


def look(raw: BinaryIO, path: Path, size: int, config: AudioConfig) -> tuple[str, Layout]:
    """Name the container by its first bytes (a key of `FORMATS`), and find where its sound lies and how long it is.

    Raises
    ------
    AudioError : `type_not_accepted` for a known type that is not read, `unrecognised_type` for anything else; for a WAV
        header that no decoder should be shown `sample_rate`, `channels`, `undecodable`.
    """
    start, usual = _behind_tags(raw, size)
    head = _read(raw, start, 12)
    for name, kind in FORMATS.items():
        if kind.is_start(head):
            return name, kind.layout(Opened(raw, path, size, start, _before_tags(raw, size), usual, RESAVE), config)
    raise _unknown_type(path, head)


def check_encoding(path: Path, container: str, encoding: str) -> None:
    """Refuse encodings inside an accepted container that are not themselves accepted, such as ADPCM."""
    if encoding not in FORMATS[container].encodings:
        raise AudioError(path, "type_not_accepted", f"holds {encoding} audio, which is not read", RESAVE)


def convert(suffix: str) -> str:
    """Return how a file of a type that is not read becomes one that is, as a remedy."""
    return f"Convert it, for instance: ffmpeg -i NAME{printable(suffix, 10)} NAME.flac"


def is_misnamed(name: str, container: str) -> bool:
    """Say whether the suffix of a file's name belongs to another container than its bytes; none belongs to all."""
    suffix = PurePath(name).suffix.lower()
    return bool(suffix) and suffix not in FORMATS[container].suffixes


def _read(raw: BinaryIO, offset: int, length: int) -> bytes:
    raw.seek(offset)
    return raw.read(length)


def _behind_tags(raw: BinaryIO, size: int) -> tuple[int, bool]:
    """Return where the sound begins, and whether a decoder finds it there by itself: behind one ID3 tag at most.

    ID3v2.4 §3.1 (four 7-bit digits), APEv2 (a header of 32 bytes); some programs leave zeros behind a tag.
    """
    offset = tags = 0
    while offset < size:
        head = _read(raw, offset, 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            digits = [byte & 0x7F for byte in head[6:10]]
            has_footer = bool(head[5] & 0x10)
            offset += 10 + (digits[0] << 21 | digits[1] << 14 | digits[2] << 7 | digits[3]) + 10 * has_footer
            tags += 1
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            offset += 32 + int.from_bytes(head[12:16], "little")
            tags += 2
        elif tags and head[:1] == b"\0":
            padding = _read(raw, offset, _MOST_PADDING)
            offset += len(padding) - len(padding.lstrip(b"\0"))
            tags += 2
            if not _read(raw, offset, 1).strip(b"\0"):
                break
        else:
            break
    return offset, tags <= 1


def _before_tags(raw: BinaryIO, size: int) -> int:
    """Return where the sound ends at the latest: before an ID3v1 tag (128 bytes) and an APE tag."""
    end = size - 128 if size > 128 and _read(raw, size - 128, 3) == b"TAG" else size
    footer = _read(raw, end - 32, 32) if end > 32 else b""
    if footer[:8] == b"APETAGEX" and len(footer) == 32:
        has_header = bool(footer[23] & 0x80)
        end -= int.from_bytes(footer[12:16], "little") + 32 * has_header
    return end if end > 0 else size


def _unknown_type(path: Path, head: bytes) -> AudioError:
    name = next((name for magic, name in _REFUSED.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        name = "an MP4 or M4A file"
    if name:
        return AudioError(path, "type_not_accepted", f"is {name}, which is not read", convert(path.suffix))
    if head.startswith(b"MThd"):
        return AudioError(path, "type_not_accepted", "is a MIDI file, which holds notes and no sound", RESAVE)
    return AudioError(path, "unrecognised_type", "is not a sound file, whatever its name says", RESAVE)


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
        layout=wav.layout,
        shows_end=True,
    ),
    "FLAC": Format(
        suffixes=(".flac",),
        mime="audio/flac",
        encodings=("PCM_S8", "PCM_16", "PCM_24"),
        is_lossy=False,
        is_start=lambda head: head[:4] == b"fLaC",
        layout=flac.layout,
        shows_end=False,
    ),
    "OGG": Format(
        suffixes=(".ogg", ".oga", ".opus"),
        mime="audio/ogg",
        encodings=("VORBIS", "OPUS"),
        is_lossy=True,
        is_start=lambda head: head[:4] == b"OggS",
        layout=ogg.layout,
        shows_end=True,
    ),
    "MP3": Format(
        suffixes=(".mp3",),
        mime="audio/mpeg",
        encodings=("MPEG_LAYER_III", "MPEG_LAYER_II"),
        is_lossy=True,
        is_start=lambda head: mpeg.frame_header(head) is not None,
        layout=mpeg.layout,
        shows_end=True,
    ),
    "AIFF": Format(
        suffixes=(".aiff", ".aif", ".aifc"),
        mime="audio/aiff",
        encodings=("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
        is_lossy=False,
        is_start=lambda head: head[:4] == b"FORM" and head[8:] in aiff.KINDS,
        layout=aiff.layout,
        shows_end=True,
        is_played=False,
    ),
}
SUFFIXES: Final = tuple(suffix for kind in FORMATS.values() for suffix in kind.suffixes)
ENCODINGS: Final = (*_LOSSLESS, *(name for kind in FORMATS.values() if kind.is_lossy for name in kind.encodings))
ACCEPTED: Final = _listed(list(FORMATS))  # in a sentence
RESAVE: Final = f"Save it again as {ACCEPTED}"
