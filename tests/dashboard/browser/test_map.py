"""The map in a real browser: a lasso, the clips it means, and the clip that is chosen among them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browsing import OPENINGS, both_themes, choose_row, complaints, press, text, too_wide, until, visit
from tests.support.invented_run import HOSTILE, invent

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

RUN, N = "mapped", 160


@pytest.fixture(scope="module", autouse=True)
def run(shelf: Path) -> None:
    invent(shelf, RUN, sources={0: HOSTILE[:2], 1: HOSTILE[2:]})


def find(browser: "Chrome", selector: str) -> "WebElement":
    return browser.find_element("css selector", selector)


def opened(browser: "Chrome", address: str, theme: str = "light", width: int = 1280, query: str = "") -> None:
    """Open the map and wait for its marks."""
    visit(browser, f"{address}/map?run={RUN}{query}", theme, width)
    until(lambda: browser.execute_script("return document.querySelector('.gl-canvas') !== null"))
    until(lambda: "nearest neighbours are of the same class" in text(browser))


def drag(browser: "Chrome", tool: str, *corners: tuple[float, float]) -> None:
    """Take a tool above the map and draw from corner to corner, each a share of the map's width and height."""
    find(browser, f".js-plotly-plot [data-val={tool}]").click()
    area = find(browser, ".js-plotly-plot .nsewdrag").rect
    top = browser.execute_script("return document.querySelector('.nsewdrag').getBoundingClientRect().y")
    places = [(area["x"] + x * area["width"], top + y * area["height"]) for x, y in corners]
    press(browser, *places[0], *places[1:])


def count(browser: "Chrome") -> int:
    """Return how many clips the page says are chosen."""
    said = re.search(rf"([\d,]+) of {N} shown clips chosen", text(browser))
    return int(said[1].replace(",", "")) if said else 0


def rows(browser: "Chrome") -> int:
    """Return how many rows the table beside the map has, its title left out."""
    grid = browser.execute_script("return document.querySelector('[data-testid=stDataFrame] [role=grid]')")
    return int(grid.get_attribute("aria-rowcount")) - 1 if grid else 0


SHAPES = {
    "lasso": [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.26, 0.26)],
    "select": [(0.25, 0.25), (0.5, 0.5), (0.75, 0.75)],  # the box
}


@pytest.mark.parametrize("tool", SHAPES)
def test_a_drag_over_the_map_lists_the_clips_under_it(browser: "Chrome", address: str, tool: str) -> None:
    opened(browser, address)
    drag(browser, tool, *SHAPES[tool])
    until(lambda: count(browser))
    inside = count(browser)
    assert 0 < inside < N
    until(lambda: rows(browser) == inside)
    assert complaints(browser) == []


def test_choosing_a_row_shows_the_clip_and_leaves_the_lasso(browser: "Chrome", address: str) -> None:
    opened(browser, address)
    drag(browser, "lasso", *SHAPES["lasso"])
    until(lambda: count(browser))
    inside, outline = count(browser), "return document.querySelectorAll('.js-plotly-plot .selectionlayer path').length"
    lasso = browser.execute_script(outline)
    until(lambda: rows(browser) == inside)
    choose_row(browser, 1)
    until(lambda: "Nearest in the original space" in text(browser))
    assert "clip=" in browser.current_url
    assert count(browser) == inside
    assert browser.execute_script(outline) == lasso > 0
    assert complaints(browser) == []


def test_a_click_on_a_mark_selects_its_clip_everywhere(browser: "Chrome", address: str) -> None:
    opened(browser, address)
    place = """const map = document.querySelector('.js-plotly-plot');
        const trace = map._fullData[0], layout = map._fullLayout;
        const area = map.querySelector('.nsewdrag').getBoundingClientRect();
        const far = [...trace.y.keys()].reduce((a, b) => trace.y[a] > trace.y[b] ? a : b);  // where marks are few
        return [area.x + layout.xaxis.l2p(trace.x[far]), area.y + layout.yaxis.l2p(trace.y[far])]"""
    press(browser, *browser.execute_script(place))
    until(lambda: count(browser) == 1)
    until(lambda: "clip=" in browser.current_url)
    find(browser, "a[href$='/clips']").click()
    until(lambda: "/clips" in browser.current_url and "clip=" in browser.current_url)


@pytest.mark.parametrize(("theme", "width"), OPENINGS)
def test_the_map_fits(browser: "Chrome", address: str, theme: str, width: int) -> None:
    opened(browser, address, theme, width, "&colour=Source")
    made = "return document.querySelectorAll('img[src=x], [src*=evil], [href*=evil], .katex').length"
    legend = "return [...document.querySelectorAll('.legendtext')].map(e => e.textContent)"
    for shown in both_themes(browser, theme, width):
        assert too_wide(browser) <= 0, shown
        assert browser.execute_script(made) == 0
        lines = browser.execute_script(legend)
        assert all(any(name in line for line in lines) for name in HOSTILE)
    assert complaints(browser) == []
