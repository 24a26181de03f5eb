"""The dashboard's server and a real browser, for the benchmark: times are taken in the page itself.

Selenium and psutil come with tests/requirements.txt; without them, or without a Chromium, a sentence says so.
"""

import contextlib
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

from scripts.benchmark_rounds import StepError

ROOT = Path(__file__).resolve().parent.parent
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
  const drawn = (title) =>
    document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && all('h1').map((found) => found.innerText.trim()).join() === title
    && all('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]').length === 0
    && all('[data-testid=stPlotlyChart]').every((found) => found.querySelectorAll('.main-svg').length >= 2)
    && all('[data-testid=stDataFrame]').every((found) => found.querySelector('canvas'))
    && all('img').every((found) => found.complete)
    && all('.smd-player').every((found) => [...found.querySelectorAll('audio')].every((s) => s.readyState >= 1))
  const watch = (title, sign, event) => {{
    const before = sign(), seen = {{ start: event ? 0 : performance.now(), end: 0 }}
    let since = 0
    const look = () => {{
      const now = performance.now()
      since = seen.start && (!event || sign() !== before) && drawn(title) ? since || now : 0
      if (since && now - since >= {STEADY}) seen.end = since
      else setTimeout(look, {LOOK})
    }}
    if (event) document.addEventListener(event, () => {{ seen.start ||= performance.now() }}, {{ capture: true }})
    window.smdSeen = seen
    look()
  }}
  return {{ all, drawn, watch }}
}})()
"""
SEEN = "return window.smdSeen?.end ? (window.smdSeen.end - window.smdSeen.start) / 1000 : -1"
SOUND = "() => [...document.querySelectorAll('.smd-player audio')].map((found) => found.src).join()"
NUMBERS = """() => [...document.querySelectorAll('[data-testid=stMetricValue], [data-testid=stMarkdown]')]
    .map((found) => found.innerText).join()"""
THUMB = "[data-testid=stSlider] [role=slider]"
ROW = 35  # pixels of a table's row; its title is as high


class Server:
    """The dashboard, started the way people start it."""

    def __init__(self, artifacts: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py"]
        command += ["--server.headless", "true", "--server.port", str(port)]
        variables = {**os.environ, "SMD_ARTIFACTS": str(artifacts)}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self) -> float:
        """Return the seconds from its start until it says that it is healthy."""
        while not self._healthy():
            if self.process.poll() is not None:
                raise StepError("The dashboard ended by itself: run `streamlit run dashboard/app.py` to see why.")
            if time.perf_counter() - self.started > WAIT:
                raise StepError(f"The dashboard did not come up within {WAIT:.0f} s.")
            time.sleep(LOOK / 1e3)
        return time.perf_counter() - self.started

    def _healthy(self) -> bool:
        try:
            with urlopen(f"{self.address}/_stcore/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def memory_mb(self) -> float:
        """Return the resident memory of the server and all its children in MB."""
        psutil = needed("psutil")
        process = psutil.Process(self.process.pid)
        family = [process, *process.children(recursive=True)]
        return float(sum(one.memory_info().rss for one in family) / 1e6)

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

    def open(self, url: str, title: str) -> None:
        """Open an address and wait until the page of that title is drawn."""
        self.driver.get(url)
        self._watch(title, "() => 0", "")
        self._seconds(title)

    def forget_files(self) -> None:
        """Forget what was loaded before, as a browser that comes for the first time."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})

    def turn_to(self, title: str) -> float:
        """Choose a page in the sidebar; return the seconds until it is drawn."""
        self.driver.execute_script(
            f"{SCRIPT} smd.watch(arguments[0], () => 0, '')\n"
            "smd.all('[data-testid=stSidebarNavLink]').find((link) => link.innerText.trim() === arguments[0]).click()",
            title,
        )
        return self._seconds(title)

    def click_row(self, title: str, row: int) -> float:
        """Choose a row of the page's first table; return the seconds until the sound is another and all is drawn."""
        self._watch(title, SOUND, "pointerdown")
        place = self.driver.execute_script(
            "const table = document.querySelector('[data-testid=stDataFrame]')\n"
            "table.scrollIntoView({block: 'center'}); const box = table.getBoundingClientRect(); return [box.x, box.y]"
        )
        x, y = place[0] + ROW / 2, place[1] + ROW * (row + 1.5)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        return self._seconds(title)

    def press(self, title: str, key: str, sign: str, focus: str = "") -> float:
        """Press a key; return the seconds until what `sign` tells is another and all is drawn."""
        if focus:
            self.driver.execute_script("document.querySelector(arguments[0]).focus()", focus)
        else:
            self.driver.execute_script("document.activeElement.blur()")
        self._watch(title, sign, "keydown")
        for kind in ("rawKeyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)
        return self._seconds(title)

    def new_tab(self) -> None:
        """Go on in another tab; the one before stays open."""
        self.driver.switch_to.new_window("tab")

    def _watch(self, title: str, sign: str, event: str) -> None:
        self.driver.execute_script(f"{SCRIPT} smd.watch(arguments[0], {sign}, arguments[1])", title, event)

    def _seconds(self, title: str) -> float:
        end = time.perf_counter() + WAIT
        while (seconds := float(self.driver.execute_script(SEEN))) < 0:
            if time.perf_counter() > end:
                raise StepError(f"The page {title} was not drawn within {WAIT:.0f} s.")
            time.sleep(0.05)
        return seconds


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


def needed(module: str) -> Any:  # noqa: ANN401 - a module
    """Return a module that only the tests' requirements bring, or say how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        name = module.partition(".")[0]
        raise StepError(f"{name} is not installed: run `pip install -r tests/requirements.txt`.") from None
