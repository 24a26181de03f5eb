"""Walk the pages of an Ogg stream (RFC 3533): whether all are there, and where one song ends and the next begins.

A file may hold several streams one after the other, as recordings of radio do; a decoder of one stream stops at the end
of the first and says nothing.
"""

import struct
import zlib
from dataclasses import dataclass
from itertools import takewhile
from typing import BinaryIO, NamedTuple

from core.audio.formats.opened import Layout, Opened
from core.audio.formats.opus import CLOCK, RATE_FIELD, OpusHead, opus_head
from core.config import AudioConfig

_BEGIN, _END = 0x02, 0x04  # flags of a stream's first and last page
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Link(NamedTuple):
    """One stream of a chain."""

    stretch: range  # bytes of the file
    frames: int  # by its last page
    kind: bytes  # codec, channels and sample rate, as its first page has them
    head: bytes = b""  # what a decoder is shown instead of its first page, where that would mislead it


@dataclass(frozen=True)
class PageWalk:
    """What was found on the way through a file."""

    links: tuple[Link, ...]
    truncated: bool  # a page is damaged or cut, or the last stream does not end


class _Page(NamedTuple):
    start: int
    stop: int
    flags: int
    granule: int  # frames up to here; -1 where no packet ends
    header: bytes  # with its table of lengths
    body: bytes


def layout(file: Opened, config: AudioConfig) -> Layout:
    """Take every stream of a chain that is like the first."""
    walk = walk_pages(file.raw, file.start)
    alike = [*takewhile(lambda link: link.kind == walk.links[0].kind, walk.links)]
    warnings = (*(["truncated"] if walk.truncated else []), *(["partial"] if len(alike) < len(walk.links) else []))
    if len(walk.links) < 2 and not file.start and not any(link.head for link in alike):
        return Layout(warnings=warnings)
    frames = sum(link.frames for link in alike) if len(alike) > 1 else None
    return Layout(tuple(map(_shown, alike)), frames, warnings)


def _shown(link: Link) -> tuple[bytes | range, ...]:
    return link.head, range(link.stretch.start + len(link.head), link.stretch.stop)


def walk_pages(raw: BinaryIO, offset: int) -> PageWalk:
    """Walk all pages from a place on: each whole and with its checksum, the last with the end-of-stream flag.

    A decoder leaves a damaged page out in silence, and how much it leaves out depends on the length of its reads.
    """
    raw.seek(offset)
    links: list[Link] = []
    opus: OpusHead | None = None  # of the last link
    place, flags = offset, 0
    while page := _next_page(raw, place):
        if page.body is _DAMAGED:
            return PageWalk(tuple(links), truncated=True)
        if page.flags & _BEGIN and not (links and flags & _BEGIN):  # several that begin together are one link
            opus = opus_head(page.body)
            links.append(_begun(page, opus))
        if links:
            frames = opus.frames(page.granule) if opus else page.granule
            frames = frames if page.granule > 0 else links[-1].frames
            links[-1] = links[-1]._replace(stretch=range(links[-1].stretch.start, page.stop), frames=frames)
        place, flags = page.stop, page.flags
    return PageWalk(tuple(links), truncated=not flags & _END)


def _begun(page: "_Page", opus: OpusHead | None) -> Link:
    """Return the link that a page begins; an Opus stream that names no rate is shown as one of 48 kHz."""
    nothing = range(page.start, page.start)
    if not opus:
        return Link(nothing, 0, page.body[:16])
    kind = b"Opus" + bytes([opus.channels]) + struct.pack("<I", opus.rate)
    if opus.names_rate:
        return Link(nothing, 0, kind)
    body = page.body[: RATE_FIELD.start] + struct.pack("<I", CLOCK) + page.body[RATE_FIELD.stop :]
    before, behind = page.header[:22], page.header[26:]
    return Link(nothing, 0, kind, before + _checksum(before + bytes(4) + behind + body) + behind + body)


_DAMAGED = b"damaged"


def _next_page(raw: BinaryIO, place: int) -> _Page | None:
    """Read the page that begins here; None where none does."""
    header = raw.read(27)
    if header[:4] != b"OggS" or len(header) < 27:
        return None
    flags, granule = struct.unpack("<Bq", header[5:14])
    table = raw.read(header[26])
    body = raw.read(sum(table))
    whole = len(body) == sum(table) and _checksum(header[:22] + bytes(4) + header[26:] + table + body) == header[22:26]
    stop = place + len(header) + len(table) + len(body)
    return _Page(place, stop, flags, granule, header + table, body if whole else _DAMAGED)


def _checksum(page: bytes) -> bytes:
    """Return a page's CRC-32: zlib's without its inversions, and with the bits of each byte in reverse."""
    reflected = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return reflected.to_bytes(4, "big").translate(_REVERSED_BITS)
