"""Walk the frames of an MPEG audio stream, which alone tell how long an MP3 is.

A stream has no header of its own. A Xing frame at its start may hold a number of frames; encoders that write to a pipe
leave it out or empty, and joining files leaves that of the first. A decoder that knows none guesses the length from the
size of the file and its first frame, far too long or too short where the bit rate varies, and stops there. ISO 11172-3
§2.4.2.3, ISO 13818-3.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from core.audio.formats.opened import COMPLETE, Layout, Opened
from core.config import AudioConfig

_KBPS: Final = {  # by (MPEG-1?, layer), from index 1 on
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version
_VERSION_AND_LAYER = bytes(
    0xE0 | version << 3 | layer << 1 | unprotected for version in _RATES for layer in (1, 2) for unprotected in (0, 1)
)
_BITRATE_AND_RATE = bytes(
    kbps << 4 | rate << 2 | rest for kbps in range(1, 15) for rate in range(3) for rest in range(4)
)
_SYNC = re.compile(b"\xff[" + re.escape(_VERSION_AND_LAYER) + b"][" + re.escape(_BITRATE_AND_RATE) + b"]", re.DOTALL)
_CHUNK = 2**20  # bytes read at a time
_STRAY = 0.01  # share of a file's bytes that may be no sound before a decoder misjudges its length
_LONGEST = 2**12  # bytes, more than any frame has


@dataclass(frozen=True)
class FrameHeader:
    """What the four bytes at the start of a frame say."""

    layer: int  # 2 or 3
    sample_rate: int  # Hz
    channels: int
    samples: int  # of each channel
    kbps: int
    size: int  # bytes, these four included
    side_info: int  # bytes between the header and where a Xing tag stands


@dataclass
class FrameWalk:
    """What was found on the way through a stream."""

    header: FrameHeader  # of the first frame
    frames: int = 0  # that hold sound, of the first one's rate and channels
    stretches: list[range] = field(default_factory=list)  # bytes of the file with these frames
    declared: int | None = None  # frames, by the Xing frame at the start; None without one
    foreign: bool = False  # whether frames of another rate or other channels follow
    clean: bool = True  # nothing but frames between the first and the last, and one Xing frame at most
    constant: bool = True  # one bit rate throughout

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return self.frames * self.header.samples / self.header.sample_rate


def layout(file: Opened, config: AudioConfig) -> Layout:
    """Show a decoder the frames alone, behind one that counts them, wherever it would misjudge the length by itself."""
    walk = walk_frames(file.raw, file.start, file.stop)
    if walk is None or not walk.frames:
        return Layout()
    samples = max(walk.frames, walk.declared or 0) * walk.header.samples
    is_cut = walk.frames < COMPLETE * (walk.declared or 0)
    warnings = (*(["truncated"] if is_cut else []), *(["partial"] if walk.foreign else []))
    if walk.header.layer != 3 or (file.usual and _is_judged_rightly(walk, file.size)):
        return Layout((), samples if walk.declared is None else None, warnings)
    return Layout(((info_frame(walk.header, walk.frames), *walk.stretches),), samples, warnings)


def _is_judged_rightly(walk: "FrameWalk", size: int) -> bool:
    """Whether a decoder hears all of a stream and nothing else by itself."""
    if not walk.clean or walk.foreign:
        return False
    if walk.declared:
        return abs(walk.frames - walk.declared) <= 1  # some encoders count the head, too
    return walk.declared is None and walk.constant and sum(map(len, walk.stretches)) >= (1 - _STRAY) * size


def frame_header(head: bytes) -> FrameHeader | None:
    """Read a frame's header (layers II and III), or return None where there is none that is valid."""
    if not _SYNC.match(head) or len(head) < 4:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    is_mpeg1, is_mono = version == 3, head[3] >> 6 == 3
    rate = _RATES[version][head[2] >> 2 & 3]
    samples = 1152 if layer == 2 or is_mpeg1 else 576
    kbps = _KBPS[is_mpeg1, layer][(head[2] >> 4) - 1]
    size = samples * 125 * kbps // rate + (head[2] >> 1 & 1)
    side_info = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)
    return FrameHeader(layer, rate, 1 if is_mono else 2, samples, kbps, size, side_info)


def walk_frames(raw: BinaryIO, offset: int, end: int) -> FrameWalk | None:
    """Walk from frame to frame between two places of a file; None where there is not one.

    What lies between frames (tags, damage) is passed over; a frame behind such a gap counts where another follows it.
    """
    walk: FrameWalk | None = None
    for place, header, declared in _frames(raw, offset, end):
        if walk is None:
            walk = FrameWalk(header, declared=declared)
        elif declared is not None:  # the head of a second file that was joined to the first
            walk.clean = False
        if declared is not None:
            continue
        if (header.sample_rate, header.channels) != (walk.header.sample_rate, walk.header.channels):
            walk.foreign = True
            break
        walk.constant &= header.kbps == walk.header.kbps or not walk.frames
        _add(walk, range(place, min(place + header.size, end)))
    return walk


def info_frame(header: FrameHeader, frames: int) -> bytes:
    """Return a silent frame that tells a decoder how many frames follow, for a Layer III stream with such headers."""
    is_mono = header.channels == 1
    version, rate = next(
        (v, rates.index(header.sample_rate)) for v, rates in _RATES.items() if header.sample_rate in rates
    )
    for kbps in range(1, 15):  # the smallest frame that holds it
        head = bytes((0xFF, 0xE0 | version << 3 | 0b011, kbps << 4 | rate << 2, 0xC0 if is_mono else 0))
        counter = frame_header(head)
        body = head + bytes(counter.side_info if counter else 0) + b"Info" + struct.pack(">II", 1, frames)
        if counter and len(body) <= counter.size:
            break
    return body.ljust(counter.size if counter else 0, b"\0")


def _add(walk: FrameWalk, stretch: range) -> None:
    walk.frames += 1
    if walk.stretches and walk.stretches[-1].stop == stretch.start:
        walk.stretches[-1] = range(walk.stretches[-1].start, stretch.stop)
        return
    walk.clean = walk.clean and not walk.stretches
    walk.stretches.append(stretch)


def _frames(raw: BinaryIO, offset: int, end: int) -> Iterator[tuple[int, FrameHeader, int | None]]:
    """Yield place and header of each frame, and the number that a Xing frame declares."""
    window = _Window(raw, end)
    place, in_step = offset, True
    while place < end:
        header = frame_header(window.at(place, 4))
        if header and (in_step or frame_header(window.at(place + header.size, 4)) or place + header.size >= end):
            yield place, header, _declared(window.at(place, 4 + header.side_info + 12), header)
            place, in_step = place + header.size, True
            continue
        in_step = False
        place = window.next_sync(place + 1)


def _declared(head: bytes, header: FrameHeader) -> int | None:
    tag = head[4 + header.side_info :]
    if header.layer != 3 or tag[:4] not in (b"Xing", b"Info"):
        return None
    return int.from_bytes(tag[8:12], "big") if len(tag) == 12 and tag[7] & 1 else 0


class _Window:
    """A file read forward in chunks, of which a little stays for what lies across two of them."""

    def __init__(self, raw: BinaryIO, end: int) -> None:
        self._raw, self._end = raw, end
        self._start, self._bytes = 0, b""

    def at(self, place: int, length: int) -> bytes:
        if not self._start <= place <= place + length <= self._start + len(self._bytes):
            self._load(place)
        begin = place - self._start
        return self._bytes[begin : begin + length]

    def next_sync(self, place: int) -> int:
        while place < self._end:
            self.at(place, _LONGEST)
            if match := _SYNC.search(self._bytes, place - self._start):
                return self._start + match.start()
            place = max(place + 1, self._start + len(self._bytes) - 2)
        return self._end

    def _load(self, place: int) -> None:
        self._raw.seek(place)
        self._start, self._bytes = place, self._raw.read(max(0, min(_CHUNK, self._end - place)))
