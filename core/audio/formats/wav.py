"""Walk a WAV's chunks: what its format says, and how far its samples go.

A program that writes to a pipe cannot go back to write the length: it leaves 0 there, or nearly all that can be told.
"""

import struct
from typing import Final

from core.audio.formats.opened import Layout, Opened, check_rate_and_channels
from core.config import AudioConfig
from core.errors import AudioError

_BITS: Final = (8, 16, 24, 32, 64)
_MAX_CHUNKS = 1000  # before `data`; real files have a handful
_OPEN_LENGTH = 0x7FFF_0000  # bytes; this or more stands for: to the end


def layout(file: Opened, config: AudioConfig) -> Layout:
    """Walk the chunks up to `data`; judge `fmt ` on the way, since decoders let absurd values through."""
    position = file.start + 12
    for _ in range(_MAX_CHUNKS):
        header = file.read(position, 8)
        if len(header) < 8:
            break
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return _of_samples(file, position, length)
        if name == b"fmt ":
            _check_format(file, position + 8, config)
        position += 8 + length + length % 2
    raise AudioError(file.path, "undecodable", "is a WAV file without sound in it", file.resave)


def _of_samples(file: Opened, position: int, length: int) -> Layout:
    """Find how far the samples go; a length of nothing or of nearly all that can be told means: to the end."""
    there = file.size - position - 8
    is_open = length >= _OPEN_LENGTH and length > there
    is_open |= length == 0 < there and not _is_last_chunk(file.read(position + 8, 8), there)
    if not is_open:
        shown = ((range(file.start, file.size),),) if file.start else ()
        return Layout(shown, warnings=("truncated",) if length > there else ())
    head = file.read(file.start, position + 4 - file.start)
    riff = head[:4] + struct.pack("<I", file.size - file.start - 8) + head[8:]
    return Layout(((riff + struct.pack("<I", there), range(position + 8, file.size)),))


def _is_last_chunk(header: bytes, there: int) -> bool:
    """Whether a chunk begins here that ends with the file."""
    return len(header) == 8 and header[:4].isalnum() and 0 <= there - 8 - int.from_bytes(header[4:], "little") <= 1


def _check_format(file: Opened, place: int, config: AudioConfig) -> None:
    body = file.read(place, 16)
    if len(body) < 16:
        raise AudioError(file.path, "undecodable", "has a WAV header that is cut off", file.resave)
    _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body)
    check_rate_and_channels(file.path, rate, channels, config)
    if bits not in _BITS:
        problem = f"holds samples of {bits} bits, which are not read"
        raise AudioError(file.path, "type_not_accepted", problem, file.resave)
