"""Cut a file of any length into windows while it is decoded, in memory that does not grow with its length."""

from collections.abc import Iterator

import numpy as np

from core.audio.clips import clipped_share, fit
from core.audio.source import Source, Waveform, check_length
from core.config import AudioConfig


class Song:
    """An open file on its way through the models, to be read once.

    The windows begin one every hop, the last so that it ends with the sound; a file shorter than a window is repeated
    to fill one, as in training.
    """

    def __init__(self, source: Source, config: AudioConfig, hop_seconds: float) -> None:
        self.source = source
        self.config = config
        self.samples = 0  # decoded so far, at `config.sample_rate`
        self._clipped = 0.0  # of these, at full scale
        self._hop = max(1, round(min(hop_seconds, config.seconds) * config.sample_rate))

    def windows(self) -> Iterator[tuple[int, Waveform]]:
        """Yield where each window begins, in samples, and the window, (config.samples,).

        Raises
        ------
        AudioError : as `Source.blocks`, and `too_short` or `too_long` where the sound is not as long as declared.
        """
        length, begin, start = self.config.samples, 0, 0
        held = np.empty(0, np.float32)  # what a window may still need, from `begin` on
        for block in self._blocks():
            held = np.concatenate([held, block])
            while start + length < self.samples:
                yield start, held[start - begin :][:length].copy()
                start += self._hop
            gone = max(0, self.samples - length - begin)
            held, begin = held[gone:], begin + gone
        check_length(self.source.path, self.samples / self.config.sample_rate, self.config)
        yield max(0, self.samples - length), fit(held, self.config)

    @property
    def seconds(self) -> float:
        """Length in seconds of what has been decoded so far."""
        return self.samples / self.config.sample_rate

    def warnings(self) -> tuple[str, ...]:
        """Return what is odd about the file, as keys of `WARNINGS`; known when the windows have been read."""
        clipped = ("clipped",) if self._clipped > self.config.max_clipped * self.samples else ()
        return self.source.warnings() + clipped

    def _blocks(self) -> Iterator[Waveform]:
        longest = self.config.max_seconds * self.config.sample_rate
        for block in self.source.resampled():
            self.samples += len(block)
            self._clipped += clipped_share(block) * len(block) if len(block) else 0
            if self.samples > longest:
                check_length(self.source.path, self.seconds, self.config)
            yield block
