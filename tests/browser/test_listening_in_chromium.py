"""The listening test in a real browser: done by keyboard alone, its exported answers are read back and un-blinded."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Chromium
from listening_items import HOSTILE, SYSTEMS, TEXTS, items

from model.listening import PageInfo, build_page, read_answers

TRIALS = len(TEXTS) * (len(SYSTEMS) + 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> PageInfo:
    return build_page(items(), tmp_path_factory.mktemp("listening") / "listen.html", "Which & why?")


def hear(browser: Chromium) -> None:
    """Play what this trial has, each clip to its end, by the space bar."""
    for _ in range(browser.value("document.querySelectorAll('#players button').length")):
        browser.press(" ")
        browser.wait("playing === ''")


def test_a_listener_with_a_keyboard_gives_answers_that_count(made: PageInfo, browser: Chromium, tmp_path: Path) -> None:
    browser.open(made.path, 1280, 900)
    browser.value("document.getElementById('name').focus()")
    for letter in "Li":
        browser.press(letter)
    browser.press("Enter")
    browser.wait("!document.getElementById('trial').hidden")
    browser.press("5")
    assert browser.value("Object.keys(answers).length") == 0, "an answer counts only after listening"
    texts = set()
    for number in range(TRIALS):
        assert browser.value("at") == number
        texts.add(browser.value("document.getElementById('text').textContent"))
        hear(browser)
        browser.press("4" if browser.value("trials[at].task") == "mos" else "a")
    assert texts == {*TEXTS}
    assert not browser.value("document.getElementById('done').hidden")
    (tmp_path / "results.csv").write_text(browser.value("csv()"), encoding="utf-8", newline="")
    answers = read_answers([tmp_path / "results.csv"], made.key)
    assert (answers.faults, answers.too_fast) == ([], [])
    assert len(answers.ratings) == len(TEXTS) * len(SYSTEMS)
    assert len(answers.preferences) == TRIALS - len(answers.ratings)
    assert {(one.clip.system, one.score) for one in answers.ratings} == {(system, 4) for system in SYSTEMS}
    assert browser.requests() == []
    assert browser.complaints() == []


def test_a_listener_who_comes_back_goes_on(made: PageInfo, browser: Chromium) -> None:
    browser.open(made.path, 1280, 900)
    start = "document.getElementById('name').value = 'Wang'; document.getElementById('start').requestSubmit()"
    browser.value(start)
    hear(browser)
    browser.press("2")
    browser.open(made.path, 1280, 900)
    browser.value(start)
    assert browser.value("at") == 1
    assert browser.value("Object.values(answers).map(each => each.answer)") == ["2"]


def test_hostile_text_stays_text_and_a_phone_shows_it(made: PageInfo, browser: Chromium) -> None:
    for width in (320, 390, 1280):
        browser.open(made.path, width, 844)
        browser.value("document.getElementById('name').value = 'Zhao'")
        browser.value("document.getElementById('start').requestSubmit()")
        shown = browser.value("trials.map((_, number) => { show(number); return get('text').textContent; })")
        assert HOSTILE in shown
        assert browser.value("document.images.length") == 0
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.complaints() == []
