"""The dashboard's server and a real browser: started once for all tests, and how a person uses them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.request import urlopen

import pytest

from core.artifacts import ROOT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

APP = "dashboard/app.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
WAIT = 60.0  # seconds
HEIGHT = 900  # pixels
OPENINGS = [("light", 1280), ("dark", 390)]  # a theme and a width in pixels
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}
GROUND = "return getComputedStyle(document.querySelector('.stApp')).backgroundColor"
ROW = 35  # pixels of a table's row; its title is as high
IDLE = "return document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
SETTLED = """const count = (selector) => document.querySelectorAll(selector).length
    const fades = (each) => each.playState === 'running' && isFinite(each.effect.getComputedTiming().endTime)
    return count('h1') > 0 && count('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]') === 0
    && !document.getAnimations().some(fades)
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
    && count('.js-plotly-plot .main-svg') >= 2 * count('[data-testid=stPlotlyChart]')"""


@contextmanager
def served(artifacts: Path, app: str = APP, log: IO[bytes] | None = None) -> Iterator[str]:
    """Serve an app the way people type it, from the project's folder, and give its address; `log`: its complaints."""
    streamlit = Path(sys.executable).with_name("streamlit")
    if not streamlit.exists():
        pytest.skip("there is no `streamlit` command beside this Python")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(streamlit), "run", app, "--server.headless", "true", "--server.port", str(port)]
    environment = {**os.environ, "SMD_ARTIFACTS": str(artifacts)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: healthy(url))
            yield url
        finally:
            server.terminate()


def healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def launched(profile: Path) -> "Iterator[Chrome]":
    """Start a headless browser with a profile of its own, or skip where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tests/requirements.txt)")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(WAIT)
    try:
        yield browser
    finally:
        browser.quit()


# What a person does


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, or fail."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT:g} s in vain"
        time.sleep(0.1)


def look(browser: "Chrome", theme: str = "light", width: int = 1280, height: int = HEIGHT) -> None:
    """Let the browser have a theme and a size."""
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def visit(browser: "Chrome", url: str, theme: str = "light", width: int = 1280) -> str:
    """Open an address in a theme and width; return the page's text once nothing runs and every chart is drawn."""
    look(browser, theme, width)
    browser.get(url)
    settle(browser)
    return text(browser)


def both_themes(browser: "Chrome", first: str, width: int = 1280) -> Iterator[str]:
    """Yield the theme that the page was opened in, and the other once the page has it, too."""
    for theme in sorted(GROUNDS, key=lambda theme: theme != first):
        look(browser, theme, width)
        until(lambda theme=theme: browser.execute_script(GROUND) == GROUNDS[theme])  # type: ignore[misc]
        settle(browser)
        yield theme


def settle(browser: "Chrome") -> None:
    """Wait until nothing runs, every chart is drawn, and the words stay as they are."""
    seen = [""]

    def still() -> bool:
        seen.append(text(browser))
        return seen[-1] == seen[-2] and bool(browser.execute_script(SETTLED))

    until(still)


def text(browser: "Chrome") -> str:
    return str(browser.execute_script("return document.body.innerText"))


def says(browser: "Chrome", *words: str) -> None:
    """Wait until the page says something and nothing runs any more."""
    until(lambda: all(word in text(browser) for word in words) and browser.execute_script(IDLE))


def press(browser: "Chrome", x: float, y: float, *to: tuple[float, float]) -> None:
    """Press the mouse at a place of the window, drag it on if there is anywhere to drag it to, and let go."""
    end = to[-1] if to else (x, y)
    moves = [("mouseMoved", *place) for place in to]
    for kind, left, top in [("mouseMoved", x, y), ("mousePressed", x, y), *moves, ("mouseReleased", *end)]:
        event = {"type": kind, "x": left, "y": top, "button": "left", "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        browser.execute_script("return new Promise(done => setTimeout(done, 150))")  # plotly looks after each frame


def choose_row(browser: "Chrome", number: int) -> None:
    """Choose a row of the page's first table, the first being 1."""
    canvas = browser.find_element("css selector", "[data-testid=stDataFrame] canvas")
    place = "const box = arguments[0].getBoundingClientRect(); return [box.x, box.y]"
    x, y = browser.execute_script(place, canvas)
    press(browser, x + 16, y + (number + 0.5) * ROW)


def complaints(browser: "Chrome") -> list[str]:
    """Return the errors the browser met; Streamlit itself asks below the page's address first, in vain."""
    serious = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in serious if "/_stcore/" not in message]


def too_wide(browser: "Chrome") -> int:
    """Return by how many pixels the page is wider than the window."""
    wider = "const page = document.querySelector('[data-testid=stMain]'); return page.scrollWidth - page.clientWidth"
    return int(browser.execute_script(wider))
