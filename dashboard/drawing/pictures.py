"""Pictures as bytes: spectrograms, differences of two, colour bars and layers to put over them, and lines.

numpy and PIL only. A palette of 256 colours keeps a spectrogram near 15 kB; as a chart's heatmap it would be 200.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor

from core import palette
from dashboard.drawing import theme

LEVELS = 256
SEEN_THROUGH = 110  # of 255: how much of what lies below a dot hides
FINE = 400  # steps of a line's height
OPAQUE = 0.8 * 255  # how much of what lies below the strongest weight of a layer hides


def spectrogram_png(
    log_mel_db: ArrayLike, low: float = -80.0, high: float = 0.0, colours: Sequence[str] = palette.SEQUENTIAL
) -> bytes:
    """Draw a spectrogram, one pixel per band and frame, the lowest band at the bottom.

    Parameters
    ----------
    log_mel_db : (bands, frames) in dB; NaN is drawn as `low`.
    low, high : levels drawn in the first and the last colour, and everything beyond them.
    """
    values = np.nan_to_num(np.asarray(log_mel_db, np.float32), nan=low, posinf=high, neginf=low)
    share = np.clip((values - low) / (high - low), 0, 1)
    return _png(_with_palette(np.flipud(share), colours))


def colour_bar_png(colours: Sequence[str] = palette.SEQUENTIAL) -> bytes:
    """Draw a scale of colours, first to last from left to right, one pixel high."""
    return _png(_with_palette(np.linspace(0, 1, LEVELS)[None], colours))


def overlay_png(weights: ArrayLike) -> bytes:
    """Draw weights as a layer to lay over a spectrogram: clear at 0, then cyan, white at the highest.

    Cyan is no colour of the spectrogram's own scale.

    Parameters
    ----------
    weights : at least 0, (rows, columns), the lowest row first; scaled by their own highest.
    """
    values = np.maximum(np.nan_to_num(np.asarray(weights, np.float32)), 0)
    share = np.flipud(values / max(float(values.max(initial=0)), np.finfo(np.float32).tiny))
    cyan = np.array(ImageColor.getrgb(theme.OVERLAY), np.float32)
    colour = cyan + share[..., None] ** 2 * (255 - cyan)
    pixels = np.concatenate([colour, share[..., None] * OPAQUE], axis=-1)
    return _png(Image.fromarray(pixels.round().astype(np.uint8)))


def lines_svg(series: Sequence[tuple[ArrayLike, str, float]]) -> bytes:
    """Draw lines from the left side to the right, each of evenly spaced values; the picture stretches to any size.

    Parameters
    ----------
    series : values in [0, 1], 0 at the lower side; colour; and width in pixels. Later ones lie above.
    """
    paths, wide = [], 1
    for values, colour, width in series:
        heights = FINE - np.round(np.clip(np.asarray(values, np.float64), 0, 1) * FINE).astype(int)
        wide = max(len(heights) - 1, 1)
        path = " ".join(f"1 {step}" for step in np.diff(heights).tolist())
        paths.append(
            f'<path d="M0 {heights[0]}l{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            'vector-effect="non-scaling-stroke" stroke-linejoin="round"/>'
        )
    box = f'viewBox="0 0 {wide} {FINE}" preserveAspectRatio="none"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{"".join(paths)}</svg>'.encode()


def dots_png(x: ArrayLike, y: ArrayLike, size: tuple[int, int], colour: str, radius: int) -> bytes:
    """Draw a dot for each place, half seen through, on nothing.

    Parameters
    ----------
    x, y : in [0, 1], from the left and from below.
    size : pixels, across and upwards.
    """
    wide, high = size
    dots = np.zeros((high + 2 * radius, wide + 2 * radius), np.uint8)
    columns = np.round(np.asarray(x, np.float64) * (wide - 1)).astype(int)
    lines = np.round((1 - np.asarray(y, np.float64)) * (high - 1)).astype(int)
    for down, right in np.argwhere(np.hypot(*np.indices((2 * radius + 1,) * 2) - radius) <= radius):
        dots[lines + down, columns + right] = 1
    image = Image.fromarray(dots[radius:-radius, radius:-radius]).convert("P")
    image.putpalette(ImageColor.getrgb(colour) * 2)
    file = io.BytesIO()
    image.save(file, "PNG", transparency=bytes([0, SEEN_THROUGH]), bits=1)
    return file.getvalue()


def data_uri(content: bytes, mime: str) -> str:
    """Return bytes as an address that holds them: nothing has to be fetched."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _with_palette(share: NDArray[np.floating], colours: Sequence[str]) -> Image.Image:
    """Return numbers in [0, 1] as a picture of 256 colours."""
    image = Image.fromarray((share * (LEVELS - 1)).round().astype(np.uint8)).convert("P")
    image.putpalette(_palette(colours).tobytes())
    return image


def _palette(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Return 256 colours (256, 3) on straight lines between those given."""
    stops = np.array([ImageColor.getrgb(colour) for colour in colours], np.float64)
    places = np.linspace(0, len(stops) - 1, LEVELS)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
