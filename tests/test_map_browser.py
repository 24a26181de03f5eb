"""The map in a real browser: a lasso, the clips it means, and the clip that is chosen among them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import test_browser as shared
from tests.invented_run import HOSTILE, invent

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

address, browser = shared.address, shared.browser
RUN, N = "hostile", 160
ROW = 35  # pixels of a table's row


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map-browser") / "artifacts"
    invent(folder, RUN, sources={0: HOSTILE[:2], 1: HOSTILE[2:]})
    return folder


def find(browser: "Chrome", selector: str) -> "WebElement":
    return browser.find_element("css selector", selector)


def opened(browser: "Chrome", address: str, theme: str = "light", width: int = 1280, query: str = "") -> None:
    """Open the map and wait for its marks; forget what the browser complained about before."""
    browser.get_log("browser")
    shared.visit(browser, f"{address}/map?run={RUN}{query}", theme, width)
    shared.until(lambda: browser.execute_script("return document.querySelector('.gl-canvas') !== null"))
    shared.until(lambda: "nearest neighbours are of the same class" in text(browser))


def text(browser: "Chrome") -> str:
    return str(browser.execute_script("return document.body.innerText"))


def press(browser: "Chrome", x: float, y: float, *to: tuple[float, float]) -> None:
    """Press the mouse at a place of the window, drag it on if there is anywhere to drag it to, and let go."""
    end = to[-1] if to else (x, y)
    moves = [("mouseMoved", *place) for place in to]
    for kind, left, top in [("mouseMoved", x, y), ("mousePressed", x, y), *moves, ("mouseReleased", *end)]:
        event = {"type": kind, "x": left, "y": top, "button": "left", "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        browser.execute_script("return new Promise(done => setTimeout(done, 150))")  # plotly looks after each frame


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


def errors(browser: "Chrome") -> list[str]:
    """Return what the browser complains about; Streamlit itself asks below the page's address first, in vain."""
    serious = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in serious if "/_stcore/" not in message]


SHAPES = {
    "lasso": [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.26, 0.26)],
    "select": [(0.25, 0.25), (0.5, 0.5), (0.75, 0.75)],  # the box
}


@pytest.mark.parametrize("tool", SHAPES)
def test_a_drag_over_the_map_lists_the_clips_under_it(browser: "Chrome", address: str, tool: str) -> None:
    opened(browser, address)
    drag(browser, tool, *SHAPES[tool])
    shared.until(lambda: count(browser))
    inside = count(browser)
    assert 0 < inside < N
    shared.until(lambda: rows(browser) == inside)
    assert errors(browser) == []


def test_choosing_a_row_shows_the_clip_and_leaves_the_lasso(browser: "Chrome", address: str) -> None:
    opened(browser, address)
    drag(browser, "lasso", *SHAPES["lasso"])
    shared.until(lambda: count(browser))
    inside, outline = count(browser), "return document.querySelectorAll('.js-plotly-plot .selectionlayer path').length"
    drawn = browser.execute_script(outline)
    shared.until(lambda: rows(browser) == inside)
    table = find(browser, "[data-testid=stDataFrame] canvas")
    box = browser.execute_script("const b = arguments[0].getBoundingClientRect(); return [b.x, b.y]", table)
    press(browser, box[0] + 16, box[1] + 1.5 * ROW)
    shared.until(lambda: "Nearest in the original space" in text(browser))
    assert "clip=" in browser.current_url
    assert count(browser) == inside
    assert browser.execute_script(outline) == drawn > 0
    assert errors(browser) == []


def test_a_click_on_a_mark_selects_its_clip_everywhere(browser: "Chrome", address: str) -> None:
    opened(browser, address)
    place = """const map = document.querySelector('.js-plotly-plot');
        const trace = map._fullData[0], layout = map._fullLayout;
        const area = map.querySelector('.nsewdrag').getBoundingClientRect();
        const far = [...trace.y.keys()].reduce((a, b) => trace.y[a] > trace.y[b] ? a : b);  // where marks are few
        return [area.x + layout.xaxis.l2p(trace.x[far]), area.y + layout.yaxis.l2p(trace.y[far])]"""
    press(browser, *browser.execute_script(place))
    shared.until(lambda: count(browser) == 1)
    shared.until(lambda: "clip=" in browser.current_url)
    find(browser, "a[href$='/clips']").click()
    shared.until(lambda: "/clips" in browser.current_url and "clip=" in browser.current_url)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_map_fits(browser: "Chrome", address: str, theme: str, width: int) -> None:
    opened(browser, address, theme, width, "&colour=Source")
    wider = "const page = document.querySelector('[data-testid=stMain]'); return page.scrollWidth - page.clientWidth"
    assert browser.execute_script(wider) <= 0
    made = "return document.querySelectorAll('img[src=x], [src*=evil], [href*=evil], .katex').length"
    assert browser.execute_script(made) == 0
    legend = browser.execute_script("return [...document.querySelectorAll('.legendtext')].map(e => e.textContent)")
    assert all(any(name in line for line in legend) for name in HOSTILE)
    assert errors(browser) == []
