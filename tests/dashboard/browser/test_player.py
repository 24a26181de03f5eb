"""The player in a real browser: it loads, seeks, plays, loops, compares, survives reruns, and ends with its page."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from core.artifacts import ROOT
from tests.support.browsing import complaints, look, served, too_wide, until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tests/requirements.txt)")

HOSTILE = "<img src=x onerror=alert(1)>"
PAGE = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import numpy as np
import streamlit as st

from core.config import Config
from dashboard.drawing import pictures
from dashboard.drawing.player import ColourBar, Track, log_mel_axes, player
from dashboard.reading import sound

seconds = np.arange(80_000) / 16_000
mel = np.linspace(-80, 0, 128)[:, None] + np.zeros(157)


def track(name, hertz, **more):
    tone = sound.wav(0.3 * np.sin(2 * np.pi * hertz * seconds) * (0.2 + seconds / 6), 16_000, f"{{name}}.wav")
    return Track(
        name=name, sound=tone, picture=pictures.spectrogram_png(mel), outline=sound.waveform_outline(tone.data),
        alt="A slope", axes=log_mel_axes(Config(), 157), caption=name,
        scale=ColourBar(picture=pictures.colour_bar_png(), low="−80", high="0 dB"), **more,
    )


st.title("Player")
again = st.button("rerun")
if not st.button("remove"):
    layer = pictures.overlay_png(np.eye(4))
    more = [track("Added", 550)] if again else []
    player([*more, track("Low", 220), track({HOSTILE!r}, 440, overlay=layer)], key="two")
    player([track("Other", 330)], key="other")
    player([Track(name="Broken", sound=sound.Sound(b"no sound", "audio/wav", "b.wav", 5), picture=b"", alt="")], "bad")
"""
PLAYER = "const p = document.querySelectorAll('.smd-player')[arguments[0]];"
HEARD_UNTIL_REPEATED_TWICE = """
const done = arguments[arguments.length - 1], sound = document.querySelector('.smd-player audio'), seen = []
let turns = 0
const look = () => {
  turns += sound.currentTime < seen.at(-1)
  seen.push(sound.currentTime)
  turns === 2 ? done(seen) : setTimeout(look, 20)
}
look()
"""
SOUND = f"{PLAYER} const sounds = [...p.querySelectorAll('audio')];"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a page with three players: of two tracks, of one, and of one that is no sound."""
    folder = tmp_path_factory.mktemp("player")
    (folder / "page.py").write_text(PAGE, encoding="utf-8")
    with served(folder, str(folder / "page.py")) as url:
        yield url


class Page:
    """The page as one who listens and looks at it uses it."""

    def __init__(self, browser: "Chrome", address: str, theme: str = "light", width: int = 1280) -> None:
        self.browser = browser
        look(browser, theme, width, height=1600)
        browser.get(address)
        loaded = "return sounds.length === 2 && sounds.every(sound => sound.readyState >= 1)"
        until(
            lambda: self.script("return document.querySelectorAll('.smd-player').length === 3") and self.sounds(loaded)
        )

    def script(self, code: str, before: str = "", player: int = 0) -> Any:  # noqa: ANN401 - whatever the script returns
        return self.browser.execute_script(before + code, player)

    def sounds(self, code: str, player: int = 0) -> Any:  # noqa: ANN401
        return self.script(code, SOUND, player)

    def position(self, track: int = 0, player: int = 0) -> float:
        return float(self.sounds(f"return sounds[{track}].currentTime", player))

    def playing(self) -> list[bool]:
        return list(self.script("return [...document.querySelectorAll('audio')].map(sound => !sound.paused)"))

    def area(self, player: int = 0) -> Any:  # noqa: ANN401 - a selenium element
        return self.browser.find_elements("css selector", ".smd-area")[player]

    def drag(self, start: float, end: float | None = None) -> None:
        """Press the mouse at a second of the first player, drag it to another if one is given, and let go."""
        area = self.area()
        mouse = webdriver.ActionChains(self.browser, duration=20).move_to_element_with_offset(area, *at(area, start))
        mouse.click_and_hold()
        if end is not None:
            mouse.move_to_element_with_offset(area, *at(area, end))
        mouse.release().perform()

    def press(self, key: str) -> None:
        webdriver.ActionChains(self.browser).send_keys(key).perform()

    def click(self, text: str) -> None:
        button = "[...document.querySelectorAll('button')].find(e => e.innerText.includes(arguments[1]))"
        until(lambda: self.browser.execute_script(f"const found = {button}; found?.click(); return found", 0, text))


def at(area: Any, second: float) -> tuple[int, int]:  # noqa: ANN401 - a selenium element
    """Return where a second lies in a player of 5 seconds, from its middle."""
    return round((second / 5 - 0.5) * area.size["width"]), 0


@pytest.fixture
def page(browser: "Chrome", address: str) -> Page:
    return Page(browser, address)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_a_player_loads_its_sounds_and_fits(browser: "Chrome", address: str, theme: str, width: int) -> None:
    page = Page(browser, address, theme, width)
    assert page.sounds("return sounds.map(sound => sound.duration)") == pytest.approx([5.0, 5.0], abs=0.01)
    assert page.sounds("return sounds.map(sound => sound.autoplay)") == [False, False]
    assert too_wide(browser) <= 0
    ink, ground = page.script(
        "return [getComputedStyle(p).color, getComputedStyle(document.querySelector('.stApp')).backgroundColor]", PLAYER
    )
    assert (ink, ground) == {
        "light": ("rgb(29, 39, 48)", "rgb(255, 255, 255)"), "dark": ("rgb(230, 234, 238)", "rgb(14, 17, 23)"),
    }[theme]  # fmt: skip
    assert page.script("return p.querySelector('.smd-picture').naturalWidth", PLAYER) == 157
    assert complaints(browser) == []


def test_a_click_goes_there_and_arrows_go_half_a_second(page: Page) -> None:
    page.drag(3.0)
    assert page.position() == pytest.approx(3.0, abs=0.02)
    assert page.script("return p.querySelector('.smd-playhead').style.left", PLAYER).startswith(("60", "59.9"))
    page.press("\ue014")  # right
    assert page.position() == pytest.approx(3.5, abs=0.02)
    page.press("\ue012")  # left
    assert page.position() == pytest.approx(3.0, abs=0.02)
    spoken = page.area().get_attribute("aria-valuetext")
    assert spoken == f"{page.position():.2f} of 5.0 seconds"
    assert page.playing() == [False] * 4


def test_space_plays_and_pauses(page: Page) -> None:
    page.drag(1.0)
    page.press(" ")
    until(lambda: page.position() > 1.2)
    page.press(" ")
    assert page.playing() == [False] * 4
    assert page.position() < 4


def test_a_dragged_stretch_is_repeated_until_escape(page: Page) -> None:
    page.drag(1.0, 1.3)
    assert page.playing() == [False] * 4
    assert page.position() == pytest.approx(1.0, abs=0.02)
    page.press(" ")
    seen = page.browser.execute_async_script(HEARD_UNTIL_REPEATED_TWICE)
    assert min(seen) > 0.95
    assert max(seen) < 1.6  # by a frame or two at most; the stretch ends at 1.3
    assert sum(later < before for before, later in pairwise(seen)) == 2
    page.press("\ue00c")  # escape
    until(lambda: page.position() > 1.6)
    assert page.script("return p.querySelector('.smd-region').hidden", PLAYER)


def test_a_number_switches_the_track_at_the_same_position(page: Page) -> None:
    page.drag(0.5)
    page.press(" ")
    page.press("2")
    until(lambda: page.playing()[:2] == [False, True])
    before = page.position(track=0)
    assert before - 0.1 < page.position(track=1) < before + 1.5
    until(lambda: page.position(track=1) > before + 0.1)
    assert page.script("return p.querySelector('.smd-caption').textContent", PLAYER) == HOSTILE
    pressed = "return [...p.querySelectorAll('.smd-top .smd-choice button')].map(b => b.getAttribute('aria-pressed'))"
    assert page.script(pressed, PLAYER) == ["false", "true"]
    assert page.browser.find_elements("css selector", "img[src=x]") == []


def test_only_one_player_sounds_at_a_time(page: Page) -> None:
    page.area(0).click()
    page.press("\ue011")  # home
    page.press(" ")
    until(lambda: page.playing() == [True, False, False, False])
    page.area(1).click()
    page.press(" ")
    until(lambda: page.playing() == [False, False, True, False])


def test_playing_goes_on_over_a_rerun_and_ends_with_the_page(page: Page) -> None:
    page.click("Loop")  # so that it cannot end before it is looked at
    page.drag(0.5)
    page.press(" ")
    page.sounds("window.kept = sounds[0]")
    page.click("rerun")
    until(lambda: page.sounds("return sounds.length") == 3)
    assert page.script("return [kept.isConnected, kept.paused]") == [True, False]
    assert page.script("return p.querySelector('.smd-caption').textContent", PLAYER) == "Low"
    page.click("remove")
    until(lambda: page.playing() == [])
    assert page.script("return [window.kept.paused, window.kept.hasAttribute('src')]") == [True, False]


def test_what_cannot_be_played_says_so_and_can_be_downloaded(page: Page) -> None:
    said = "return [p.querySelector('.smd-trouble').textContent, p.querySelector('.smd-trouble a').download]"
    until(lambda: not page.script("return p.querySelector('.smd-trouble').hidden", PLAYER, player=2))
    sentence, name = page.script(said, PLAYER, player=2)
    assert sentence == "This browser cannot play “Broken”. Download the file to hear it elsewhere."
    assert name == "b.wav"
    assert page.script("return p.querySelector('.smd-play').disabled", PLAYER, player=2)


def test_every_control_has_a_name_and_a_visible_focus(page: Page) -> None:
    names = "return [...p.querySelectorAll('button')].map(b => [b.innerText, b.getAttribute('aria-label')])"
    buttons = page.script(names, PLAYER)
    assert len(buttons) == 8
    assert all(label and text.split("\n")[-1].strip("12 \t") in label for text, label in buttons)
    page.drag(1.0)
    page.press("\ue004")  # tab: to the play button
    ring = (
        "const s = getComputedStyle(document.activeElement); return [document.activeElement.className, s.outlineStyle]"
    )
    assert page.script(ring) == ["smd-button smd-play", "solid"]
