"""Find out how long a FLAC is whose header leaves it open or says too little: its last frame tells (RFC 9639 §9).

An encoder that writes to a pipe cannot go back to write the number of samples. Every frame numbers its first sample or
itself, so the end of the file is enough.
"""

import re
from typing import BinaryIO, NamedTuple

from core.audio.formats.opened import Layout, Opened
from core.config import AudioConfig

STREAMINFO = range(8, 42)  # bytes of the stream, behind `fLaC` and the block's header
_TAIL = 2**18  # bytes at the end of a file in which its last frame begins
_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xaf]")
_BLOCK_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}


class StreamInfo(NamedTuple):
    """What the head of a FLAC says."""

    raw: bytes  # the 34 bytes
    block: int  # samples of a frame; the largest, where they differ
    samples: int  # of the whole, 0: not said


def layout(file: Opened, config: AudioConfig) -> Layout:
    """Count the samples where the header does not say them, or says fewer than there are.

    A missing end does not show: only decoding tells.
    """
    info = stream_info(file.raw, file.start)
    counted = counted_samples(file.raw, info, file.stop) if info else None
    if info and counted is not None and counted > info.samples:
        before, behind = (
            range(file.start, file.start + STREAMINFO.start),
            range(file.start + STREAMINFO.stop, file.stop),
        )
        return Layout(((before, with_samples(info, counted), behind),))
    return Layout(() if file.usual and file.stop == file.size else ((range(file.start, file.stop),),))


def stream_info(raw: BinaryIO, offset: int) -> StreamInfo | None:
    """Read the head of the stream that begins here; None where it is cut off or not as it must be."""
    raw.seek(offset + STREAMINFO.start)
    body = raw.read(len(STREAMINFO))
    if len(body) < len(STREAMINFO):
        return None
    return StreamInfo(body, int.from_bytes(body[2:4], "big"), int.from_bytes(body[13:18], "big") & (1 << 36) - 1)


def counted_samples(raw: BinaryIO, info: StreamInfo, end: int) -> int | None:
    """Return the samples up to the end of the last whole frame before a place; None where none ends there.

    A number that the header says, too, is believed without the checksum over the whole frame, which takes longer.
    """
    start = max(0, end - _TAIL)
    raw.seek(start)
    tail = raw.read(end - start)
    for match in reversed([*_SYNC.finditer(tail)]):
        frame = tail[match.start() :]
        counted = _behind(frame, info)
        if counted is not None and (counted == info.samples or _crc16(frame) == 0):
            return counted
    return None


def with_samples(info: StreamInfo, samples: int) -> bytes:
    """Return the 34 bytes with another number of samples."""
    kept = int.from_bytes(info.raw[13:18], "big") >> 36 << 36
    return info.raw[:13] + (kept | samples).to_bytes(5, "big") + info.raw[18:]


def _behind(frame: bytes, info: StreamInfo) -> int | None:
    """Return the number of the first sample behind a frame, or None where its header is not one (§9.1)."""
    number, place = _coded_number(frame)
    code, extra = frame[2] >> 4, frame[2] >> 4 in (6, 7)
    length = 1 if code == 6 else 2
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(frame[2] & 0x0F, 0)
    checked = place + (length if extra else 0) + rate_bytes
    if number is None or checked >= len(frame) or _crc8(frame[:checked]) != frame[checked]:
        return None
    block = int.from_bytes(frame[place : place + length], "big") + 1 if extra else _BLOCK_SIZES.get(code, 0)
    first = number if frame[1] & 1 else number * info.block
    return first + block


def _coded_number(frame: bytes) -> tuple[int | None, int]:
    """Read the number coded as in UTF-8, and where it ends."""
    head = frame[4] if len(frame) > 4 else 0xFF
    more = next((ones for ones in range(8) if not head & 0x80 >> ones), 8)
    if more in (1, 8) or len(frame) < 4 + max(1, more):
        return None, 0
    number = head & (0x7F >> more)
    for byte in frame[5 : 4 + more]:
        number = number << 6 | byte & 0x3F
    return number, 4 + max(1, more)


def _crc_table(polynomial: int, bits: int) -> list[int]:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    table = []
    for value in range(256):
        crc = value << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
        table.append(crc)
    return table


_CRC8, _CRC16 = _crc_table(0x07, 8), _crc_table(0x8005, 16)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc16(data: bytes) -> int:
    """Return the checksum of a frame: 0 where the two bytes at its end are right."""
    crc = 0
    for byte in data:
        crc = crc << 8 & 0xFFFF ^ _CRC16[crc >> 8 ^ byte]
    return crc
