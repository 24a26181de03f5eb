"""The report in a real browser: downloaded from its page, opened from disk, heard, and printed."""

import base64
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.artifacts import Run
from dashboard.report import document
from tests.pages import test_report as written
from tests.support.browsing import complaints, look, until, visit

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

made = written.made
A4 = (595, 842)  # points


@pytest.fixture(scope="module")
def run(made: Run, shelf: Path) -> Run:
    return Run(shutil.copytree(made.folder, shelf / made.name))


@pytest.fixture(scope="module")
def file(made: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(document.build(made, document.Options(), written.TODAY), encoding="utf-8")
    return path


def opened(browser: "Chrome", file: Path, theme: str = "light", width: int = 1280) -> None:
    """Open the file in a theme and width."""
    look(browser, theme, width)
    browser.get(file.as_uri())
    until(lambda: browser.execute_script("return document.readyState") == "complete")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_from_disk_and_fits_in_any_theme(browser: "Chrome", file: Path, theme: str, width: int) -> None:
    opened(browser, file, theme, width)
    wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wider) <= 0
    colours = "const look = getComputedStyle(document.documentElement); return [look.color, look.backgroundColor]"
    assert browser.execute_script(colours) == ["rgb(27, 31, 36)", "rgb(255, 255, 255)"]
    assert complaints(browser) == []


def test_nothing_is_fetched_and_every_picture_is_drawn(browser: "Chrome", file: Path) -> None:
    opened(browser, file)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 0)")
    widths = browser.execute_script("return [...document.querySelectorAll('svg image')].map(i => i.getBBox().width)")
    assert len(widths) >= 6
    assert min(widths) > 0


def test_every_example_can_be_heard(browser: "Chrome", file: Path) -> None:
    opened(browser, file)
    lengths = "return [...document.querySelectorAll('audio')].map(sound => sound.duration)"
    until(lambda: all(length and length > 0 for length in browser.execute_script(lengths)))
    heard = browser.execute_script(lengths)
    assert len(heard) >= 6
    assert all(length == pytest.approx(5, abs=0.1) for length in heard)


def test_it_prints_on_a4_paper_and_cuts_nothing_off(browser: "Chrome", file: Path) -> None:
    opened(browser, file)
    asked = {"preferCSSPageSize": True, "printBackground": True}
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", asked)["data"])
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert 5 <= len(re.findall(rb"/Type /Page\b", printed)) <= 40
    assert {(round(float(width)), round(float(height))) for width, height in sizes} == {A4}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    paper = {"width": 672, "height": 970, "deviceScaleFactor": 1, "mobile": False}  # A4 less its margins, in CSS pixels
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", paper)
    too_wide = "return [...document.querySelectorAll('table, img')].filter(e => e.getBoundingClientRect().right > 673)"
    shown = f"{too_wide}.map(e => e.textContent.slice(0, 80))"
    assert browser.execute_script(shown) == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_the_page_hands_the_report_over(browser: "Chrome", address: str, run: Run, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visit(browser, f"{address}/report?run={run.name}")
    frame = browser.find_element("css selector", "iframe[title]")
    browser.switch_to.frame(frame)
    assert "What may not be claimed" in browser.execute_script("return document.body.innerText")
    browser.switch_to.default_content()
    browser.find_element("css selector", "[data-testid=stDownloadButton] button").click()
    until(lambda: list(tmp_path.glob("*.html")))
    (downloaded,) = tmp_path.glob("synthetic-music-detector-evaluated-*.html")
    opened(browser, downloaded)
    assert "Listening examples" in browser.execute_script("return document.body.innerText")
    assert browser.execute_script("return document.querySelectorAll('audio').length") >= 6
