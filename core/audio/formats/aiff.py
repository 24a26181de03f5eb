"""Walk an AIFF's or AIFF-C's chunks: what its format says, and how far its samples go.

As WAV, with the other end of each number first. A decoder counts the samples itself, so that a length which a pipe left
open needs no mending here.
"""

import math
import struct
from typing import Final

from core.audio.formats.opened import Layout, Opened, check_rate_and_channels
from core.config import AudioConfig
from core.errors import AudioError

KINDS: Final = (b"AIFF", b"AIFC")
_BITS: Final = (8, 16, 24, 32, 64)
_MAX_CHUNKS = 1000  # up to the last of the two that are needed; real files have a handful
_OPEN_LENGTH = 0x7F00_0000  # bytes; this or more stands for: to the end


def layout(file: Opened, config: AudioConfig) -> Layout:
    """Walk the chunks up to both `COMM`, which is judged, since decoders let absurd values through, and `SSND`."""
    warnings: tuple[str, ...] = ()
    position, needed = file.start + 12, {b"COMM", b"SSND"}
    for _ in range(_MAX_CHUNKS):
        header = file.read(position, 8)
        if len(header) < 8:
            break
        name, length = struct.unpack(">4sI", header)
        if name == b"COMM":
            _check_format(file, position + 8, config)
        elif name == b"SSND" and file.size - position - 8 < length < _OPEN_LENGTH:
            warnings = ("truncated",)
        needed.discard(name)
        if not needed:
            return Layout(((range(file.start, file.size),),) if file.start else (), warnings=warnings)
        position += 8 + length + length % 2
    raise AudioError(file.path, "undecodable", "is an AIFF file without sound in it", file.resave)


def _check_format(file: Opened, place: int, config: AudioConfig) -> None:
    body = file.read(place, 18)
    if len(body) < 18:
        raise AudioError(file.path, "undecodable", "has an AIFF header that is cut off", file.resave)
    channels, _, bits, rate = struct.unpack(">HIH10s", body)
    check_rate_and_channels(file.path, _rate(rate), channels, config)
    if bits not in _BITS:
        problem = f"holds samples of {bits} bits, which are not read"
        raise AudioError(file.path, "type_not_accepted", problem, file.resave)


def _rate(extended: bytes) -> int:
    """Return a number of 80 bits (IEEE 754 double extended) in Hz; 0 for what is no rate: negative, vast, no number."""
    exponent, mantissa = struct.unpack(">HQ", extended)
    return int(math.ldexp(mantissa, exponent - 16383 - 63)) if exponent < 16383 + 32 else 0
