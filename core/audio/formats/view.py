"""The bytes of a file that a decoder is shown, where they are not simply all of them."""

import io
import os
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO


class View(io.RawIOBase):
    """Some stretches of an open file, and bytes of our own before or between them, as one seekable stream.

    It reads the file that it is given, so it is the very file that was judged, and goes to each place anew: whoever
    else reads the file in between does no harm. Memory does not grow with the file.

    Parameters
    ----------
    raw : the file, unbuffered, which stays open for as long as the view is read.
    parts : bytes as they are, or a stretch of the file as `range(first, behind the last)`.
    """

    def __init__(self, raw: BinaryIO, parts: Sequence[bytes | range]) -> None:
        super().__init__()
        self._raw = raw
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))
        self._position = 0

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return where the next byte comes from."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it; behind the end nothing is read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self)}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Fill a buffer as far as the view goes, and return how many bytes there were."""
        wanted, filled = memoryview(buffer).cast("B"), 0
        while filled < len(wanted) and (piece := self._piece(len(wanted) - filled)):
            wanted[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def _piece(self, most: int) -> bytes:
        """Return bytes from here on, of one part."""
        begin = 0
        for part, end in zip(self._parts, self._ends, strict=True):
            if self._position < end:
                here = part[self._position - begin :][:most]
                return here if isinstance(here, bytes) else self._of_file(here)
            begin = end
        return b""

    def _of_file(self, stretch: range) -> bytes:
        self._raw.seek(stretch.start)
        return self._raw.read(len(stretch))
