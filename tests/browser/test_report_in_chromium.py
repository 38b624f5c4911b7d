"""The report in a real browser: players load, no request leaves it, hostile text stays text, phones can read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import report_lake
from chromium import Chromium
from contrast import CONTRASTS

from model.report import build

PHONE, DESK = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = report_lake.make(tmp_path_factory.mktemp("report"))
    return build(made.lake, made.report / "index.html", published=report_lake.PUBLISHED).path


def test_every_player_loads_and_can_be_heard(page: Path, browser: Chromium) -> None:
    browser.open(page, *DESK)
    browser.wait("[...document.querySelectorAll('audio')].every(player => player.readyState > 0)")
    lengths = browser.value("[...document.querySelectorAll('audio')].map(player => player.duration)")
    spoken = len(report_lake.TEXTS) + 1
    # A reference, base, fine-tuned and espeak-ng, whose second utterance failed.
    assert len(lengths) == 4 * spoken - 1
    assert lengths == pytest.approx([0.6] * len(lengths), abs=0.01)
    assert browser.value("[...document.querySelectorAll('audio')].every(player => player.error === null)")


def test_one_player_stops_the_other(page: Path, browser: Chromium) -> None:
    browser.open(page, *DESK)
    browser.call("Runtime.evaluate", expression="var two = document.querySelectorAll('audio')", userGesture=True)
    playing = "(async () => { two[1].loop = two[2].loop = true; await two[1].play(); await two[2].play(); })()"
    browser.call("Runtime.evaluate", expression=playing, awaitPromise=True, userGesture=True)
    assert browser.value("[two[1].paused, two[2].paused]") == [True, False]


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(page: Path, browser: Chromium) -> None:
    browser.open(page, *DESK)
    browser.wait("[...document.querySelectorAll('audio')].every(player => player.readyState > 0)")
    assert browser.requests() == []
    assert browser.complaints() == []


def test_hostile_text_stays_text(page: Path, browser: Chromium) -> None:
    browser.open(page, *DESK)
    shown = "[...document.querySelectorAll('.text')].map(text => text.textContent)"
    assert any(report_lake.HOSTILE in text for text in browser.value(shown))
    assert browser.value("document.images.length") == 0
    assert browser.value("document.scripts.length") == 1
    assert browser.complaints() == []


def test_the_policy_stops_what_the_escaping_would_miss(page: Path, browser: Chromium) -> None:
    browser.open(page, *DESK)
    inject = (
        "document.body.insertAdjacentHTML('beforeend', '<img src=https://evil.example/x onerror=\"window.ran=1\">')"
    )
    browser.value(inject)
    assert any("Content Security Policy" in each for each in browser.complaints())
    assert browser.value("window.ran") is None


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_needs_sideways_scrolling(page: Path, browser: Chromium, width: int) -> None:
    browser.open(page, width, 844)
    assert browser.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_every_caption_is_seen_whole(page: Path, browser: Chromium, width: int) -> None:
    browser.open(page, width, 844)
    browser.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    edges = "[...document.querySelectorAll('.caption')].map(each => each.getBoundingClientRect().right)"
    found = browser.value(edges)
    assert len(found) >= 4
    assert max(found) <= width
    assert browser.value("[...document.querySelectorAll('.caption')].every(each => !each.closest('.scroll'))")


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(page: Path, browser: Chromium, dark: bool) -> None:
    browser.open(page, *PHONE, dark=dark)
    assert min(browser.value(CONTRASTS)) >= 4.5
