"""Read the head of an Opus stream (RFC 7845 §5.1), which does not count as other streams of an Ogg do.

Places are in samples at 48 kHz whatever was encoded, and the first few samples are the coder's own delay.
"""

import struct
from typing import Final, NamedTuple

CLOCK: Final = 48_000  # Hz in which an Opus stream counts
RATE_FIELD: Final = slice(12, 16)  # bytes of the head with the rate of what was encoded
_DECODED: Final = (8_000, 12_000, 16_000, 24_000, CLOCK)  # Hz; a decoder takes the next above the encoded one


class OpusHead(NamedTuple):
    """What the first packet says."""

    channels: int
    delay: int  # samples at 48 kHz before the sound begins
    encoded_rate: int  # Hz; 0 where it is not said

    @property
    def names_rate(self) -> bool:
        """Whether the rate can be one; a decoder that believes another makes a telephone of the sound."""
        return _DECODED[0] <= self.encoded_rate <= 4 * CLOCK

    @property
    def rate(self) -> int:
        """Hz at which the stream is decoded."""
        return next((rate for rate in _DECODED if self.names_rate and rate >= self.encoded_rate), CLOCK)

    def frames(self, granule: int) -> int:
        """Return how many frames are decoded up to a place in the stream."""
        return max(0, granule - self.delay) * self.rate // CLOCK


def opus_head(packet: bytes) -> OpusHead | None:
    """Read a stream's first packet; None where it is not Opus."""
    if packet[:8] != b"OpusHead" or len(packet) < RATE_FIELD.stop:
        return None
    return OpusHead(*struct.unpack("<BHI", packet[9:16]))
