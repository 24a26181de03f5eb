"""One way through all pages in a real browser, as somebody goes it who has just been sent the dashboard's address."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from core.artifacts import Run
from dashboard.reading.annotations import read_annotations
from tests.support.browsing import choose_row, complaints, launched, says, settle, text, until, visit

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tests/requirements.txt)")
from selenium.webdriver import ActionChains, Keys  # noqa: E402 - after the check that it is there

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

RUN = "walked"
WITH_CLIPS = ("map", "models", "audit", "attention")  # pages that show the selected clip, beside Clips
HEARD = "return [...document.querySelectorAll('.smd-player audio')].map(sound => sound.duration)"
SELECTED = "[data-testid=stSidebar] [data-testid=stText]"
NUMBERS = "return [...document.querySelectorAll('[data-testid=stMetricValue]')].map(number => number.innerText)"

THUMB = "[data-testid=stSlider] [role=slider], [data-testid=stSlider] input[type=range]"


@pytest.fixture(scope="module")
def run(finished: Run, shelf: Path) -> Run:
    return Run(shutil.copytree(finished.folder, shelf / RUN))


@pytest.fixture(scope="module")
def moved(finished: Run, shelf: Path) -> Run:
    """Return a run whose audio files are no longer where they were."""
    run = Run(shutil.copytree(finished.folder, shelf / "moved"))
    description = json.loads(run.description.read_text(encoding="utf-8"))
    description["data"]["root"] = str(shelf / "nowhere")
    run.description.write_text(json.dumps(description), encoding="utf-8")
    return run


@pytest.fixture
def silent(browser: "Chrome") -> "Iterator[Chrome]":
    """Return the browser, and let it complain about nothing until the test's end."""
    yield browser
    assert complaints(browser) == []


def turn_to(browser: "Chrome", page: str) -> None:
    """Go to a page by its link in the sidebar."""
    link = browser.find_element("css selector", f"[data-testid=stSidebarNav] a[href$='/{page}']")
    link.click()
    title = f"return document.querySelector('h1')?.innerText.trim() === '{page.title()}'"
    until(lambda: browser.execute_script(title))
    settle(browser)


def press(browser: "Chrome", *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def chosen(browser: "Chrome") -> str:
    """Return the selected clip's name in the sidebar, or nothing."""
    selected = browser.find_elements("css selector", SELECTED)
    return str(selected[0].text) if selected else ""


def is_heard(browser: "Chrome") -> None:
    """Wait until one sound of five seconds has loaded."""
    until(lambda: browser.execute_script(HEARD) == [pytest.approx(5, abs=0.05)])


def test_a_clip_that_was_chosen_once_is_the_same_on_every_page(
    silent: "Chrome", address: str, run: Run, tmp_path: Path
) -> None:
    browser = silent
    assert "tells AI from human" in visit(browser, f"{address}/?run={RUN}")
    assert chosen(browser) == ""
    turn_to(browser, "clips")
    choose_row(browser, 2)
    until(lambda: chosen(browser))
    says(browser, "The selected clip", "What the fine spectrum hears in it")
    is_heard(browser)
    name = chosen(browser)
    assert [clip.path.rsplit("/")[-1] for clip in run.read_clips()].count(name) == 1
    for page in WITH_CLIPS:
        turn_to(browser, page)
        until(lambda: chosen(browser) == name)
        is_heard(browser)
        assert f"/{page}?" in browser.current_url
    with launched(tmp_path / "profile") as fresh:
        visit(fresh, browser.current_url)
        assert chosen(fresh) == name
        is_heard(fresh)


def test_every_number_follows_the_threshold_and_comes_back(silent: "Chrome", address: str, run: Run) -> None:
    visit(silent, f"{address}/models?run={RUN}")
    labels = [clip.label for clip in run.read_clips() if clip.split == "test"]
    human, ai = labels.count(0), labels.count(1)
    until(lambda: silent.find_elements("css selector", THUMB) and len(silent.execute_script(NUMBERS)) == 4)
    before = silent.execute_script(NUMBERS)
    silent.execute_script("arguments[0].focus()", silent.find_element("css selector", THUMB))
    press(silent, Keys.HOME)  # every clip is called AI
    until(lambda: silent.execute_script(NUMBERS)[:2] == [f"{human} of {human}", f"0 of {ai}"])
    says(silent, f"✓ AI: {ai} (100%)", f"✗ AI: {human} (100%)")
    assert "thr=" in silent.current_url
    silent.find_element("xpath", "//button[contains(., 'Back to the validation threshold')]").click()
    until(lambda: silent.execute_script(NUMBERS) == before)
    until(lambda: "thr=" not in silent.current_url)


def test_a_tag_and_a_note_are_there_after_a_reload(silent: "Chrome", address: str, run: Run) -> None:
    visit(silent, f"{address}/audit?run={RUN}")
    says(silent, "Clip 1 of")
    press(silent, "1")
    says(silent, "✓ mislabelled")
    until(
        lambda: press(silent, "n") or "Note" in silent.execute_script("return document.activeElement.ariaLabel || ''")
    )
    press(silent, "applause at the end", Keys.ENTER)
    until(lambda: [annotation.note for annotation in read_annotations(run.annotations)] == ["applause at the end"])
    visit(silent, silent.current_url)
    says(silent, "✓ mislabelled")
    assert silent.find_element("css selector", "textarea").get_attribute("value") == "applause at the end"


def test_the_report_is_a_page_by_itself(silent: "Chrome", address: str, run: Run, tmp_path: Path) -> None:
    silent.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visit(silent, f"{address}/report?run={RUN}")
    silent.find_element("css selector", "[data-testid=stDownloadButton] button").click()
    until(lambda: list(tmp_path.glob("*.html")))
    (file,) = tmp_path.glob("*.html")
    assert file.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    silent.get(file.as_uri())
    assert "What may not be claimed" in text(silent)
    assert silent.execute_script("return document.querySelectorAll('audio').length") > 0


@pytest.mark.parametrize("page", ["clips", *WITH_CLIPS])
def test_a_clip_whose_file_has_moved_is_still_seen_and_judged(
    silent: "Chrome", address: str, moved: Run, page: str
) -> None:
    clip = moved.read_clips()[-1].path
    said = visit(silent, f"{address}/{page}?run={moved.name}&clip={quote(clip)}")
    assert len(re.findall("has been moved", said)) == 1
    assert "Put it back" in said
    assert silent.find_elements("css selector", ".smd-player") == []
    spoken = "[aria-label^='{}'], [alt^='{}']"
    for start in ("Log-mel spectrogram of the clip", "What each detector said"):
        until(lambda start=start: silent.find_elements("css selector", spoken.format(start, start)))
