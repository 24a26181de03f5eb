"""Every page, in both themes, under axe-core: nothing serious for people who see, hear or point in other ways."""

import shutil
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from core.artifacts import ROOT, Run
from dashboard.report import document
from tests.pages.test_report import TODAY
from tests.support.browsing import both_themes, look, settle, visit
from tests.support.invented_run import invent

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytest.importorskip("selenium_axe_python", reason="axe-core is not installed (tests/requirements.txt)")
AXE = files("selenium_axe_python").joinpath("axe-core", "axe.min.js").read_text(encoding="utf-8")
FINDINGS = """const [rules, done] = arguments
axe.run(document, {resultTypes: ['violations'], ...rules}).then(({ violations }) => done(violations
  .filter((rule) => ['serious', 'critical'].includes(rule.impact))
  .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`))))"""
LEVELS = """return [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]
    .filter(each => each.checkVisibility()).map(each => Number(each.tagName[1]))"""
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # in what one theme may differ from the other
PAGES = sorted(page.stem for page in (ROOT / "pages").glob("*.py"))
VIEWS = {  # behind a choice, by its address
    "models": ("part=All+detectors", "part=Calibration", "part=Training"),
    "attention": ("view=Three-way+fusion", "view=Transformer", "view=In+words"),
}


@pytest.fixture(scope="module")
def addresses(address: str, finished: Run, shelf: Path) -> dict[str, str]:
    """Return every page's address and that of its further views: a clip with its sound, or every part of the audit."""
    heard = Run(shutil.copytree(finished.folder, shelf / "heard"))
    # a demo has a notice
    heard.description.write_text(heard.description.read_text().replace('"demo": false', '"demo": true'))
    audited = invent(shelf, "seen")
    clip = f"run={heard.name}&clip={quote(heard.read_clips()[-1].path)}"
    query = {page: f"run={audited.name}" if page in ("overview", "robustness") else clip for page in PAGES}
    paths = {page: f"{address}/{'' if page == 'overview' else page}?{query[page]}" for page in PAGES}
    return paths | {view: f"{paths[page]}&{view}" for page, views in VIEWS.items() for view in views}


def findings(browser: "Chrome", rules: dict[str, list[str]] | None = None) -> list[str]:
    """Return what breaks some rules of axe-core, or any of them, and how."""
    browser.execute_script(AXE)
    return list(browser.execute_async_script(FINDINGS, rules or {}))


def jumps(levels: list[int]) -> list[tuple[int, int]]:
    """Return where headings go down by more than one level; a page begins with its title."""
    return [(before, now) for before, now in pairwise([0, *levels]) if now > before + 1]


def unfold(browser: "Chrome", theme: str) -> None:
    """Show the whole page, with all that can be unfolded: what is not in sight is not judged."""
    browser.execute_script("document.querySelectorAll('details:not([open]) > summary').forEach(each => each.click())")
    height = browser.execute_script("return document.querySelector('[data-testid=stMain]').scrollHeight")
    look(browser, theme, height=height + 500)
    settle(browser)  # what is unfolded may be made only now


@pytest.mark.parametrize("view", [*PAGES, *(view for views in VIEWS.values() for view in views)])
def test_nothing_serious_is_found_on_any_page(browser: "Chrome", addresses: dict[str, str], view: str) -> None:
    visit(browser, addresses[view])
    for theme in both_themes(browser, "light"):
        unfold(browser, theme)
        assert findings(browser, COLOURS if theme == "dark" else None) == [], theme
    levels = browser.execute_script(LEVELS)
    assert levels.count(1) == 1
    assert jumps(levels) == []


def test_nothing_serious_is_found_in_the_report(browser: "Chrome", finished: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(document.build(finished, document.Options(), TODAY), encoding="utf-8")
    browser.get(file.as_uri())
    assert findings(browser) == []
    levels = browser.execute_script(LEVELS)
    assert len(levels) > 10
    assert jumps(levels) == []


def test_a_level_that_is_left_out_would_be_found() -> None:
    assert jumps([1, 2, 3, 2, 2, 1]) == []
    assert jumps([1, 3, 2, 4]) == [(1, 3), (2, 4)]
    assert jumps([2]) == [(0, 2)]


def test_faint_words_and_a_nameless_button_would_be_found(browser: "Chrome") -> None:
    browser.get("data:text/html,<html lang=en><title>t</title><p style='color:%23999'>faint words</p><button></button>")
    assert sorted(finding.split(":")[0] for finding in findings(browser)) == ["button-name", "color-contrast"]
    assert [finding.split(":")[0] for finding in findings(browser, COLOURS)] == ["color-contrast"]
