"""The audit in a real browser, by keyboard alone: from a question to a tagged, noted, exported list."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.artifacts import Run
from dashboard.reading.annotations import read_annotations
from tests.support.browsing import OPENINGS, both_themes, complaints, says, too_wide, until, visit
from tests.support.invented_run import invent

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tests/requirements.txt)")
from selenium.webdriver import ActionChains, Keys  # noqa: E402 - after the check that it is there

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FOCUS = "return document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"


@pytest.fixture(scope="module")
def made(shelf: Path) -> Run:
    return invent(shelf, "audited")


@pytest.fixture
def run(made: Run) -> Iterator[Run]:
    """Return the run, and leave it without tags."""
    yield made
    for file in made.folder.glob("annotations.sqlite*"):
        file.unlink()


def press(browser: "Chrome", *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def focus(browser: "Chrome", key: str, label: str) -> None:
    """Press a key until the cursor stands where it leads: the listener comes last when a page opens."""

    def there() -> bool:
        if browser.execute_script(FOCUS) != label:
            press(browser, key)
        return bool(browser.execute_script(FOCUS) == label)

    until(there)


def kept(run: Run) -> list[tuple[tuple[str, ...], str]]:
    return [(annotation.tags, annotation.note) for annotation in read_annotations(run.annotations)]


def test_from_the_question_to_the_exported_list_without_a_mouse(
    browser: "Chrome", address: str, run: Run, tmp_path: Path
) -> None:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    text = visit(browser, f"{address}/audit?run=audited&model=Hybrid")
    assert "Wrong, most confident first" in text
    says(browser, "Clip 1 of")
    press(browser, "5")
    says(browser, "✓ sounds AI")
    focus(browser, "n", "Note")
    press(browser, "1 or 2 notes, right?", Keys.ENTER)
    until(lambda: kept(run) == [(("sounds AI",), "1 or 2 notes, right?")])
    until(lambda: browser.execute_script(FOCUS) == "BODY")
    press(browser, Keys.ARROW_RIGHT)
    says(browser, "Clip 2 of")
    press(browser, "1")
    says(browser, "✓ mislabelled")
    press(browser, "8")
    says(browser, "✓ checked")
    press(browser, "u")
    until(lambda: ("mislabelled",) in [tags for tags, _ in kept(run)])
    press(browser, "a")
    says(browser, "Go on after a tag: on")
    press(browser, "t")
    says(browser, "Clip 3 of")
    press(browser, "2")
    says(browser, "Clip 4 of")
    press(browser, Keys.ARROW_LEFT)
    says(browser, "✓ speech")
    press(browser, "e")
    until(lambda: list(tmp_path.glob("*.csv")))
    rows = list(csv.DictReader(io.StringIO(next(tmp_path.glob("*.csv")).read_text("utf-8-sig"))))
    assert [row["tags"] for row in rows[:4]] == ["sounds AI", "mislabelled", "speech", ""]
    assert rows[0]["note"] == "1 or 2 notes, right?"
    assert all(row["verdict_hybrid"] != row["label"] for row in rows)


def test_another_list_is_a_key_away_and_the_address_opens_it_again(browser: "Chrome", address: str, run: Run) -> None:
    visit(browser, f"{address}/audit?run=audited&model=Hybrid")
    focus(browser, "f", "List")
    press(browser, "nearest", Keys.ENTER)
    says(browser, "Clip 1 of 30")
    until(lambda: browser.execute_script(FOCUS) == "BODY")
    press(browser, Keys.ARROW_RIGHT)
    says(browser, "Clip 2 of 30")
    until(lambda: "clip=" in browser.current_url)
    visit(browser, browser.current_url)
    says(browser, "Clip 2 of 30")


def test_space_plays_without_the_cursor_in_the_player(browser: "Chrome", address: str, run: Run) -> None:
    visit(browser, f"{address}/audit?run=audited&model=Hybrid")
    says(browser, "Clip 1 of")
    browser.execute_script(
        "document.querySelectorAll('.smd-play').forEach(b => b.classList.remove('smd-play'));"
        "const play = document.createElement('button'); play.className = 'smd-play'; window.played = 0;"
        "play.onclick = () => { window.played += 1 }; document.body.append(play)"
    )
    until(lambda: press(browser, " ") or browser.execute_script("return window.played") > 0)
    focus(browser, "n", "Note")
    before = browser.execute_script("return window.played")
    press(browser, "a b")
    assert browser.execute_script("return window.played") == before
    press(browser, Keys.ESCAPE)
    until(lambda: kept(run) == [((), "a b")])


def test_on_a_phone_tags_and_note_come_between_the_clip_and_the_verdicts(
    browser: "Chrome", address: str, run: Run
) -> None:
    visit(browser, f"{address}/audit?run=audited", width=390)
    says(browser, "Clip 1 of")
    clip, ahead, tag, note, verdicts = (
        browser.execute_script("return document.querySelector(arguments[0]).getBoundingClientRect().top", place)
        for place in (
            "[data-testid=stPlotlyChart], .smd-player, .smd-plane", ".st-key-next", ".st-key-tag-1",
            "textarea[aria-label=Note]", "[data-testid=stTable]",
        )
    )  # fmt: skip
    assert clip < ahead < tag < note < verdicts


@pytest.mark.parametrize(("theme", "width"), OPENINGS)
def test_the_audit_fits_and_complains_about_nothing(
    browser: "Chrome", address: str, run: Run, theme: str, width: int
) -> None:
    visit(browser, f"{address}/audit?run=audited&model=Hybrid", theme, width)
    says(browser, "Clip 1 of")
    cut = """return [...document.querySelectorAll('[data-testid=stMain] button p')]
        .filter(label => label.scrollWidth > label.clientWidth + 1).map(label => label.innerText)"""
    for shown in both_themes(browser, theme, width):
        assert too_wide(browser) <= 0, shown
        assert browser.execute_script(cut) == []
    assert complaints(browser) == []
