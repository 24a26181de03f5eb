"""The changes of the live stress test: what sound goes through on its way to a listener, at seven strengths each.

Seven and the original are eight clips, as many as go through the models at a time.
"""

from dataclasses import dataclass

from core.storage import Array


@dataclass(frozen=True)
class Change:
    """A kind of change."""

    title: str
    unit: str
    amounts: tuple[float, ...]  # seven, from left to right on the chart


CHANGES = {
    "mp3": Change("MP3", "kbit/s", (128, 96, 64, 48, 32, 24, 16)),
    "noise": Change("White noise", "dB signal to noise", (50, 40, 30, 25, 20, 15, 10)),
    "pitch": Change("Pitch", "semitones", (-3, -2, -1, 0.5, 1, 2, 3)),
    "low_pass": Change("Low-pass", "kHz", (7, 6, 5, 4, 3, 2, 1)),
    "gain": Change("Gain", "dB", (-18, -12, -6, 3, 6, 12, 18)),
}
SEED = 0  # of the noise


def changed(kind: str, amount: float, waveform: Array, sample_rate: int) -> Array:
    """Return a waveform (samples,) after a change of a kind in `CHANGES`."""
    from core.audio import transforms  # late: loads signal libraries

    if kind == "noise":
        return transforms.noise(waveform, sample_rate, amount, SEED)
    if kind == "low_pass":
        return transforms.low_pass(waveform, sample_rate, 1000 * amount)
    change = {"mp3": transforms.mp3, "pitch": transforms.pitch, "gain": transforms.gain}[kind]
    return change(waveform, sample_rate, amount)
