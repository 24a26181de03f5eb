"""The dashboard in a real browser: what only a browser knows (layout, themes, what foreign names become)."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from core import pipeline
from tests.support import browsing
from tests.support.browsing import complaints, too_wide, until, visit
from tests.support.invented_run import HOSTILE, invent

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

LINKS = "[data-testid=stSidebarNavLink]"
HOSTILE_RUN = "<img src=x onerror=alert(1)> **a** :smile:"  # a folder may be called this


@pytest.fixture(scope="module", autouse=True)
def runs(shelf: Path) -> None:
    hostile = invent(shelf, "hostile", sources={0: HOSTILE[:2], 1: HOSTILE[2:]})
    shutil.copytree(hostile.folder, shelf / HOSTILE_RUN)
    invent(shelf, "half", only=("prepare", "autoencoder"))


@pytest.mark.parametrize(("theme", "width"), browsing.OPENINGS)
def test_the_overview_fits_and_complains_about_nothing(browser: "Chrome", address: str, theme: str, width: int) -> None:
    text = visit(browser, f"{address}/?run=hostile", theme, width)
    assert "tells AI from human" in text
    assert "What may not be claimed" in text
    assert browser.execute_script(browsing.GROUND) == browsing.GROUNDS[theme]
    for shown in browsing.both_themes(browser, theme, width):
        assert too_wide(browser) <= 0, shown
    assert complaints(browser) == []


def test_foreign_names_are_shown_letter_by_letter(browser: "Chrome", address: str) -> None:
    text = visit(browser, f"{address}/?run={quote(HOSTILE_RUN)}").replace("\u2060", "")
    assert all(name in text for name in (*HOSTILE, HOSTILE_RUN))
    made = "return document.querySelectorAll('img[src=x], [src*=evil], [href*=evil], .katex').length"
    assert browser.execute_script(made) == 0


def test_the_server_warns_of_nothing_whatever_was_asked_for(browser: "Chrome", shelf: Path, tmp_path: Path) -> None:
    asked = "run=hostile&model=CNN&map=Autoencoder&colour=Score&thr=0.5&cell=tp&split=Training&map_k=7"
    with (tmp_path / "log").open("wb") as log, browsing.served(shelf, log=log) as address:
        visit(browser, f"{address}/audit?{asked}")
        for page in range(len(browser.find_elements("css selector", LINKS))):
            browser.find_elements("css selector", LINKS)[page].click()  # what was chosen goes along
            browsing.settle(browser)
    said = (tmp_path / "log").read_text().splitlines()
    assert [line for line in said if "server started" not in line] == []


@pytest.mark.parametrize(("page", "row"), [("clips", 4), ("models", 3), ("map", 3), ("audit", 4)])
def test_the_labels_of_choices_in_a_row_stand_on_one_line(browser: "Chrome", address: str, page: str, row: int) -> None:
    visit(browser, f"{address}/{page}?run=hostile")
    tops = """return [...document.querySelectorAll('[data-testid=stMain] [data-testid=stWidgetLabel]')]
        .map(label => label.getBoundingClientRect()).filter(box => box.height > 0).map(box => Math.round(box.top))"""
    assert len(set(browser.execute_script(tops)[:row])) == 1


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
