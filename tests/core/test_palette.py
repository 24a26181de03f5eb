"""The colours of the two classes have one home, and whatever cannot take them from there says the same."""

import colorsys
import tomllib

import pytest

from core import palette
from core.artifacts import ROOT
from dashboard.drawing import theme
from dashboard.report import document

SUFFIXES = {".py", ".css", ".js", ".html", ".svg"}  # what could take a colour from its home


def contrast(first: str, second: str) -> float:
    """Return the ratio of two colours' luminances, as WCAG defines it: 1 to 21."""

    def luminance(colour: str) -> float:
        linear = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_theme_file_repeats_the_palette() -> None:
    chosen = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    assert chosen["blueTextColor"] == palette.HUMAN
    assert chosen["redTextColor"] == palette.AI
    assert chosen["chartCategoricalColors"][:3] == [palette.HUMAN, palette.AI, palette.ACCENT]
    assert chosen["chartSequentialColors"] == palette.SEQUENTIAL
    assert chosen["chartDivergingColors"] == palette.DIVERGING


@pytest.mark.parametrize("colour", [palette.HUMAN, palette.AI])
def test_no_other_file_repeats_a_class_colour(colour: str) -> None:
    folders = ("core", "dashboard", "pages", "scripts", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    assert len(files) > 100
    holding = [path for path in files if colour.lower() in path.read_text(encoding="utf-8").lower()]
    assert [path.relative_to(ROOT).as_posix() for path in holding] == ["core/palette.py"]


@pytest.mark.parametrize("label", ["human", "ai"])
def test_the_icon_and_the_report_wear_the_class_colours(label: str) -> None:
    assert theme.COLOURS[label] in theme.ICON
    assert f"--{label}: {theme.COLOURS[label]};" in document.style()
    assert f".{label} {{ color: var(--{label}); }}" in document.style()


def test_both_class_colours_are_seen_on_both_pages_and_are_apart_in_hue() -> None:
    pages = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    for page in (pages["light"]["backgroundColor"], pages["dark"]["backgroundColor"]):
        assert min(contrast(colour, page) for colour in (palette.HUMAN, palette.AI)) >= 3
    human, ai = (
        colorsys.rgb_to_hsv(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0]
        for colour in (palette.HUMAN, palette.AI)
    )
    assert 0.3 < abs(human - ai) < 0.7
