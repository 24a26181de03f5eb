"""The dashboard in a real browser: what only a browser knows (layout, themes, what foreign names become)."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from core import pipeline
from tests.invented_run import HOSTILE, invent

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tests/requirements.txt)")

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
HOSTILE_RUN = "<img src=x onerror=alert(1)> **a** :smile:"  # a folder may be called this
WAIT = 30.0  # seconds


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "artifacts"
    hostile = invent(folder, "hostile", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})
    shutil.copytree(hostile.folder, folder / HOSTILE_RUN)
    invent(folder, "half", only=("prepare", "autoencoder"))
    return folder


@pytest.fixture(scope="module")
def address(artifacts: Path) -> Iterator[str]:
    """Serve the dashboard the way people type it, from the project's folder, and return its address."""
    streamlit = Path(sys.executable).with_name("streamlit")
    if not streamlit.exists():
        pytest.skip("there is no `streamlit` command beside this Python")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(streamlit), "run", "dashboard/app.py", "--server.headless", "true", "--server.port", str(port)]
    environment = {**os.environ, "SMD_ARTIFACTS": str(artifacts)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as server:
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


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "the dashboard did not come up"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """Return a headless browser with a profile of its own, or skip where there is none."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def visit(browser: "Chrome", url: str, theme: str = "light", width: int = 1280) -> str:
    """Open an address in a theme and width; return the page's text once nothing runs and every chart is drawn."""
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    settled = """return document.querySelector('h1') !== null
        && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
        && document.querySelectorAll('.js-plotly-plot .main-svg').length
           >= 2 * document.querySelectorAll('[data-testid=stPlotlyChart]').length"""
    until(lambda: browser.execute_script(settled))
    return str(browser.execute_script("return document.body.innerText"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_overview_fits_and_complains_about_nothing(browser: "Chrome", address: str, theme: str, width: int) -> None:
    text = visit(browser, f"{address}/?run=hostile", theme, width)
    assert "tells AI from human" in text
    assert "What may not be claimed" in text
    wider = "const page = document.querySelector('[data-testid=stMain]'); return page.scrollWidth - page.clientWidth"
    assert browser.execute_script(wider) <= 0
    background = browser.execute_script("return getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}[theme]
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_foreign_names_are_shown_letter_by_letter(browser: "Chrome", address: str) -> None:
    text = visit(browser, f"{address}/?run={quote(HOSTILE_RUN)}").replace("\u2060", "")
    assert all(name in text for name in (*HOSTILE, HOSTILE_RUN))
    made = "return document.querySelectorAll('img[src=x], [src*=evil], [href*=evil], .katex').length"
    assert browser.execute_script(made) == 0


def test_nothing_is_fetched_from_elsewhere(browser: "Chrome", address: str) -> None:
    visit(browser, f"{address}/?run=hostile")
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert fetched
    assert [name for name in fetched if not name.startswith((address, "data:", "blob:"))] == []


def test_a_half_finished_run_reads_as_a_sentence_and_a_command(browser: "Chrome", address: str) -> None:
    text = visit(browser, f"{address}/?run=half")
    assert f"2 of {len(pipeline.NAMES)} phases are done" in text
    assert "python -m scripts.pipeline run --run half" in text
    assert "Traceback" not in text


def test_charts_and_tables_have_names_for_those_who_cannot_see(browser: "Chrome", address: str) -> None:
    visit(browser, f"{address}/?run=hostile")
    spoken = browser.execute_script(
        "return [...document.querySelectorAll('[aria-label]')].map(e => e.getAttribute('aria-label'))"
    )
    for said in (r"AUC on \d+ test clips", "Human clips called rightly", "Every detector's figures", "For each source"):
        assert any(re.search(said, name) for name in spoken), said


def test_opening_the_printed_figures_draws_them(browser: "Chrome", address: str) -> None:
    visit(browser, f"{address}/?run=hostile")
    count = "return [...document.querySelectorAll('[data-testid=stImage] img')].filter(i => i.naturalWidth > 0).length"
    assert browser.execute_script(count) == 0
    browser.execute_script(
        "[...document.querySelectorAll('summary')].find(s => s.innerText.includes('Printed figures')).click()"
    )
    until(lambda: browser.execute_script(count) >= 5)
