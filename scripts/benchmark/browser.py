"""The dashboard's server and a real browser, for the benchmark: times are taken in the page itself.

Selenium and psutil come with tests/requirements.txt; without them, or without a Chromium, a sentence says so.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from core.artifacts import ROOT
from scripts.benchmark.rounds import StepError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,1600",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT = 90.0  # seconds; what takes longer is broken
STEADY = 150  # milliseconds a page must stay as it is to be called drawn; they are not counted
LOOK = 10  # milliseconds between two looks
# A page is drawn when its title stands, nothing runs or is stale, and every chart, table, picture and sound is there
SCRIPT = f"""
window.smd ??= (() => {{
  const all = (selector) => [...document.querySelectorAll(selector)].filter((found) => found.checkVisibility())
  const heard = () => [...document.querySelectorAll('.smd-player audio')].every((found) => found.readyState >= 1)
    && all('.smd-picture').every((found) => found.complete)
  const drawn = (title) =>
    document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && all('h1').map((found) => found.innerText.trim()).join() === title
    && all('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]').length === 0
    && all('[data-testid=stPlotlyChart]').every((found) => found.querySelectorAll('.main-svg').length >= 2)
    && all('[data-testid=stDataFrame]').every((found) => found.querySelector('canvas'))
    && all('img').every((found) => found.complete)
    && heard()
  const watch = (title, event, sign, early) => {{
    const before = [sign(), early()], seen = {{ start: event ? 0 : performance.now(), early: 0, end: 0 }}
    let since = 0
    const look = () => {{
      const now = performance.now(), begun = seen.start > 0
      if (begun && early() !== before[1] && heard()) seen.early ||= now
      since = begun && (!event || sign() !== before[0]) && drawn(title) ? since || now : 0
      if (since && now - since >= {STEADY}) seen.end = since
      else setTimeout(look, {LOOK})
    }}
    const begin = () => {{ seen.start = performance.now() }}
    if (event) document.addEventListener(event, begin, {{ capture: true, once: true }})
    window.smdSeen = seen
    look()
  }}
  return {{ all, drawn, watch }}
}})()
"""
SEEN = (
    "const { start, early, end } = window.smdSeen ?? {}; return end ? [early, end].map((t) => (t - start) / 1e3) : null"
)
NOTHING = "() => 0"
SOUND = "() => [...document.querySelectorAll('.smd-player audio')].map((found) => found.src).join()"
NAMES = "() => [...document.querySelectorAll('[data-testid=stText]')].map((found) => found.innerText).join()"
NUMBERS = """() => [...document.querySelectorAll('[data-testid=stMetricValue], [data-testid=stMarkdown]')]
    .map((found) => found.innerText).join()"""
THUMB = "[data-testid=stSlider] input[type=range]"
ROW = 35  # pixels of a table's row; its title is as high


class Server:
    """The dashboard, started the way people start it; `started` is when, as `time.time` tells it."""

    def __init__(self, artifacts: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py"]
        command += ["--server.headless", "true", "--server.port", str(port)]
        variables = {**os.environ, "SMD_ARTIFACTS": str(artifacts)}
        self.started = time.time()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self) -> float:
        """Return the time when it says that it is healthy."""
        while not self._healthy():
            if self.process.poll() is not None:
                raise StepError("The dashboard ended by itself: run `streamlit run dashboard/app.py` to see why.")
            if time.time() - self.started > WAIT:
                raise StepError(f"The dashboard did not come up within {WAIT:.0f} s.")
            time.sleep(LOOK / 1e3)
        return time.time()

    def _healthy(self) -> bool:
        try:
            with urlopen(f"{self.address}/_stcore/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has taken."""
        return cpu_seconds(self.process.pid)

    def memory_mb(self) -> float:
        """Return the resident memory of the server and all its children in MB."""
        return float(sum(process.memory_info().rss for process in family(self.process.pid)) / 1e6)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Browser:
    """A headless Chromium with a profile of its own, and what a reader does in it."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401 - selenium's, imported late
        self.driver = driver

    def open(self, url: str, title: str) -> float:
        """Open an address; return the time, as `time.time` tells it, when the page of that title was drawn."""
        source = f"{SCRIPT} smd.watch({json.dumps(title)}, '', {NOTHING}, {NOTHING})"
        made = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self.driver.get(url)
        self._seconds(title)
        self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)
        return float(self.driver.execute_script("return (performance.timeOrigin + window.smdSeen.end) / 1000"))

    def forget_files(self) -> None:
        """Forget what was loaded before, as a browser that comes for the first time."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})

    def turn_to(self, title: str) -> float:
        """Choose a page in the sidebar; return the seconds until it is drawn."""
        self.driver.execute_script(
            f"{SCRIPT} smd.watch(arguments[0], '', {NOTHING}, {NOTHING})\n"
            "smd.all('[data-testid=stSidebarNavLink]').find((link) => link.textContent.endsWith(arguments[0])).click()",
            title,
        )
        return self._seconds(title)[1]

    def click_row(self, title: str, row: int) -> tuple[float, float]:
        """Choose a row of the page's first table; return the seconds until another sound is there, and until drawn."""
        place = self.driver.execute_script(
            "const table = document.querySelector('[data-testid=stDataFrame]')\n"
            "table.scrollIntoView({block: 'center'}); const box = table.getBoundingClientRect(); return [box.x, box.y]"
        )
        self._watch(title, "pointerdown", NAMES, SOUND)
        x, y = place[0] + ROW / 2, place[1] + ROW * (row + 1.5)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        return self._seconds(title)

    def press(self, title: str, key: str, sign: str, early: str, focus: str = "") -> tuple[float, float]:
        """Press a key, in the field `focus` if one is given.

        Returns
        -------
        early : seconds until what `early` tells is another, and every sound ready; below 0 where it stays the same.
        drawn : seconds until what `sign` tells is another, and the page is drawn.
        """
        self.driver.execute_script(
            "arguments[0] ? document.querySelector(arguments[0]).focus() : document.activeElement.blur()", focus
        )
        self._watch(title, "keydown", sign, early)
        for kind in ("rawKeyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)
        return self._seconds(title)

    def new_tab(self) -> None:
        """Go on in another tab; the one before stays open."""
        self.driver.switch_to.new_window("tab")

    def cpu_seconds(self) -> float:
        """Return the processor time that the browser has taken."""
        return cpu_seconds(self.driver.service.process.pid)

    def _watch(self, title: str, event: str, sign: str, early: str) -> None:
        script = f"{SCRIPT} smd.watch(arguments[0], arguments[1], {sign}, {early})"
        self.driver.execute_script(script, title, event)

    def _seconds(self, title: str) -> tuple[float, float]:
        end = time.perf_counter() + WAIT
        while (seen := self.driver.execute_script(SEEN)) is None:
            if time.perf_counter() > end:
                raise StepError(f"The page {title} was not drawn within {WAIT:.0f} s.")
            time.sleep(0.05)
        return float(seen[0]), float(seen[1])


KEYS = {"ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Run a block with a headless browser.

    Raises
    ------
    StepError : there is none on this machine.
    """
    webdriver = needed("selenium.webdriver")
    binary, driver = next(filter(None, map(shutil.which, BROWSERS)), None), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise StepError("There is no Chromium with its chromedriver here; on Debian: apt install chromium-driver.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield Browser(chrome)
        except needed("selenium.common.exceptions").WebDriverException as error:
            raise StepError(f"The browser gave up: {str(error.msg).splitlines()[0]}") from error
        finally:
            chrome.quit()


@contextlib.contextmanager
def server(artifacts: Path) -> Iterator[Server]:
    """Run a block with a dashboard that has just been started."""
    started = Server(artifacts)
    try:
        yield started
    finally:
        started.stop()


def family(pid: int) -> list[Any]:
    """Return a process and all that it has started, as psutil sees them."""
    first = needed("psutil").Process(pid)
    return [first, *first.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and all that it has started have taken."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(needed("psutil").NoSuchProcess):  # ended since
            times = process.cpu_times()
            total += times.user + times.system
    return total


def needed(module: str) -> Any:  # noqa: ANN401 - a module
    """Return a module that only the tests' requirements bring, or say how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        name = module.partition(".")[0]
        raise StepError(f"{name} is not installed: run `pip install -r tests/requirements.txt`.") from None
