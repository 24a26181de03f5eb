"""Lines and grain: what a decoder leaves, measured without the clip's level."""

import numpy as np
import pytest
import torch

from core.config import Config
from core.features import fine_axes as axes
from core.features import fine_spectrum as fs
from core.models.attribution import artefact_view
from core.models.build import build
from core.models.fine_spectrum import FineSpectrumClassifier

RATE = 16_000
RNG = np.random.default_rng(0)
NOISE = (0.1 * RNG.standard_normal(5 * RATE)).astype(np.float32)
TIME = np.arange(5 * RATE) / RATE


def tone(hertz: float, level: float = 0.02) -> fs.Array:
    return (level * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def grain_of(waveform: fs.Array) -> fs.Array:
    """Return (resolutions, statistics, bands)."""
    return fs.fine_spectrum(waveform)[axes.LINE_COUNT :].reshape(len(axes.GRAIN), len(axes.STATISTICS), axes.BANDS)


def test_the_vector_has_its_size_and_is_finite_even_for_silence() -> None:
    for waveform in (NOISE, np.zeros(5 * RATE, np.float32)):
        vector = fs.fine_spectrum(waveform)
        assert vector.shape == (axes.SIZE,)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()


@pytest.mark.parametrize("hertz", [400.0, 2000.0, 6500.0])
def test_a_faint_steady_tone_in_noise_stands_out_at_its_own_frequency(hertz: float) -> None:
    lines = fs.lines(NOISE + tone(hertz))
    peak = axes.line_frequencies(RATE)[int(lines.argmax())]
    assert peak == pytest.approx(hertz, abs=RATE / axes.LINES_FFT)
    assert lines.max() > np.sort(lines)[-10] + 2  # dB


def test_level_is_no_evidence() -> None:
    music = NOISE + tone(700, 0.3) * np.sin(2 * np.pi * 2 * TIME).astype(np.float32)
    np.testing.assert_allclose(fs.fine_spectrum(0.05 * music), fs.fine_spectrum(music), atol=2e-3)


def test_what_lies_above_the_highest_band_is_not_read() -> None:
    above = tone(7_800, 0.3)
    changed = np.abs(fs.fine_spectrum(NOISE + above) - fs.fine_spectrum(NOISE))
    assert changed[: axes.LINE_COUNT].max() < 0.05  # dB
    assert axes.line_frequencies(RATE).max() < 0.925 * RATE / 2


def test_a_steady_tone_has_steadier_phase_than_noise() -> None:
    row = axes.STATISTICS.index("phase steadiness")
    for place, (n_fft, _, _) in enumerate(axes.GRAIN):
        band = int(np.abs(axes.band_centres(RATE, n_fft) - 3000).argmin())
        tonal, noisy = grain_of(tone(3000, 0.5) + 1e-2 * NOISE), grain_of(NOISE)
        assert tonal[place, row, band] > noisy[place, row, band] + 0.05


def test_sound_that_stands_still_has_no_steps_in_time() -> None:
    row = axes.STATISTICS.index("step in time")
    hop_length = axes.GRAIN[0][1]
    held = np.tile(NOISE[:hop_length], 5 * RATE // hop_length)  # every frame is the same
    assert grain_of(held)[0, row].mean() < 0.01 * grain_of(NOISE)[0, row].mean()


def test_the_residuals_quantiles_are_in_order() -> None:
    rows = [axes.STATISTICS.index(f"residual {q:.0%}") for q in axes.QUANTILES]
    assert (np.diff(grain_of(NOISE)[:, rows], axis=1) > 0).all()


# The detector that reads it


def fitted() -> tuple[FineSpectrumClassifier, torch.Tensor]:
    """Return a detector with the statistics of some vectors and weights of its own."""
    torch.manual_seed(0)
    model = build("fine_spectrum", Config())
    assert isinstance(model, FineSpectrumClassifier)
    vectors = torch.randn(12, axes.SIZE) * 3 + 1
    model.bend.fit(vectors)
    torch.nn.init.normal_(model.linear.weight, std=0.01)
    return model.eval(), vectors


def test_untrained_it_is_undecided() -> None:
    logits = build("fine_spectrum", Config())(torch.randn(3, axes.SIZE))
    assert torch.equal(logits, torch.zeros(3, 2))


def test_no_value_counts_for_more_than_two_deviations() -> None:
    model, vectors = fitted()
    wild = vectors[:1].clone()
    wild[0, 7] = 1e6
    assert model.bend(wild)[0, 7] == pytest.approx(2.0)


def test_grain_counts_as_much_as_lines() -> None:
    model, vectors = fitted()
    bent = model.bend(vectors)
    lines, grain = bent[:, : axes.LINE_COUNT].square().sum(), bent[:, axes.LINE_COUNT :].square().sum()
    assert float(lines / grain) == pytest.approx(1, rel=0.05)


def test_contributions_add_up_to_the_verdict() -> None:
    model, vectors = fitted()
    with torch.inference_mode():
        logits = model(vectors)
        bias = model.linear.bias[1] - model.linear.bias[0]
        sums = model.contributions(vectors).sum(dim=1) + bias
    torch.testing.assert_close(sums, logits[:, 1] - logits[:, 0], atol=1e-4, rtol=1e-4)


def test_the_artefact_view_names_the_line_that_moved_the_score() -> None:
    model, vectors = fitted()
    place = 1234
    with torch.no_grad():
        model.linear.weight[1, place] = 5.0
    reference = vectors[0].numpy()
    clip = reference.copy()
    clip[place] += 4
    view = artefact_view(model, clip, reference, RATE)
    assert view.strongest[0] == place
    assert view.hertz[place] == pytest.approx((axes.LINES.start + place) * RATE / axes.LINES_FFT)
    with torch.inference_mode():
        logits = model(torch.from_numpy(np.stack([clip, reference])))
    moved = float((logits[0, 1] - logits[0, 0]) - (logits[1, 1] - logits[1, 0]))
    assert view.lines.sum() + view.grain.sum() == pytest.approx(moved, abs=1e-3)
    assert view.grain.shape == (len(axes.GRAIN), len(axes.STATISTICS), axes.BANDS)
