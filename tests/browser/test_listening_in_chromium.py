"""The listening page in a real browser: a whole test by keyboard, progress that stays, nothing asked of the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium
from listening_items import HOSTILE, items

from model.evaluation.listening import build_page, read_answers

PHONE, DESK = (390, 844), (1280, 900)
TRIALS, RATED = 12, 6


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_page(items(), tmp_path_factory.mktemp("listening") / "listen.html").path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


def begin(browser: Chromium, page: Path, name: str, width: int = 1280) -> None:
    browser.open(page, width, 900)
    browser.value("document.getElementById('name').focus()")
    browser.call("Input.insertText", text=name)
    browser.press("Enter")


def listen(browser: Chromium) -> None:
    """Hear everything that the trial offers, with the space bar."""
    for _ in range(browser.value("document.querySelectorAll('#players button').length")):
        browser.press(" ")
        browser.wait("document.querySelector('#players [aria-pressed=true]') !== null")
        browser.wait("document.querySelector('#players [aria-pressed=true]') === null")


def shown(browser: Chromium) -> str:
    return browser.value("document.getElementById('count').textContent")


def test_a_whole_test_is_done_by_keyboard_and_its_answers_read_back(
    page: Path, browser: Chromium, tmp_path: Path
) -> None:
    begin(browser, page, "小李 2")
    given = []
    for number in range(TRIALS):
        assert shown(browser) == f"{number + 1} / {TRIALS}"
        listen(browser)
        key = str(number % 5 + 1) if number < RATED else "ab"[number % 2]
        given.append(key)
        browser.press(key)
    assert browser.value("document.getElementById('done').hidden") is False
    assert "All done, thank you!" in browser.value("document.getElementById('thanks').textContent")
    (tmp_path / "results.csv").write_text(
        "\ufeff" + browser.value("document.getElementById('csv').value"), encoding="utf-8", newline=""
    )
    answers = read_answers([tmp_path / "results.csv"], page.with_suffix(".key.json"))
    assert (answers.faults, answers.too_fast) == ([], [])
    assert [str(rating.score) for rating in answers.ratings] == given[:RATED]
    assert len(answers.preferences) == TRIALS - RATED
    assert browser.requests() == []
    assert browser.complaints() == []


def test_the_export_is_a_csv_file(page: Path, browser: Chromium, tmp_path: Path) -> None:
    begin(browser, page, "saver")
    listen(browser)
    browser.press("3")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.value("document.getElementById('export').click()")
    browser.value("new Promise(done => setTimeout(done, 800))")
    (file,) = tmp_path.glob("listening-*-saver.csv")
    answers = read_answers([file], page.with_suffix(".key.json"))
    assert [rating.score for rating in answers.ratings] == [3]


def test_no_answer_counts_before_it_was_heard(page: Path, browser: Chromium) -> None:
    begin(browser, page, "hasty")
    browser.press("5")
    assert shown(browser) == f"1 / {TRIALS}"
    assert "Listen first" in browser.value("document.getElementById('hint').textContent")
    listen(browser)
    browser.press("5")
    assert shown(browser) == f"2 / {TRIALS}"


def test_a_clip_stopped_and_begun_at_once_is_heard_without_a_complaint(page: Path, browser: Chromium) -> None:
    begin(browser, page, "quick")
    browser.value("for (let times = 0; times < 3; times++) toggle(trials[0].clips[0])")
    browser.wait("heard[trials[0].clips[0]] === true")
    assert browser.value("document.getElementById('broken').hidden") is True
    browser.press("5")
    assert shown(browser) == f"2 / {TRIALS}"


def test_progress_stays_and_the_order_is_the_listeners_own(page: Path, browser: Chromium) -> None:
    order = "JSON.stringify(trials.map(trial => [trial.item, trial.clips]))"
    begin(browser, page, "steady")
    mine = browser.value(order)
    for score in ("2", "4"):
        listen(browser)
        browser.press(score)
    begin(browser, page, "steady")
    assert shown(browser) == f"3 / {TRIALS}"
    assert browser.value(order) == mine
    browser.press("ArrowLeft")
    assert browser.value("document.querySelector('#choices [aria-pressed=true]').dataset.value") == "4"
    browser.press("ArrowRight")
    assert shown(browser) == f"3 / {TRIALS}"
    begin(browser, page, "another")
    assert shown(browser) == f"1 / {TRIALS}"
    assert browser.value(order) != mine


def test_the_end_reached_by_skipping_says_how_many_are_left_and_leads_back(page: Path, browser: Chromium) -> None:
    begin(browser, page, "skipper")
    for _ in range(TRIALS):
        browser.press("ArrowRight")
    thanks = "document.getElementById('thanks').textContent"
    assert f"{TRIALS} of {TRIALS} not answered yet." in browser.value(thanks)
    assert "All done" not in browser.value(thanks)
    browser.value("document.getElementById('unanswered').click()")
    assert shown(browser) == f"1 / {TRIALS}"
    listen(browser)
    browser.press("4")
    for _ in range(TRIALS):
        browser.press("ArrowRight")
    assert f"{TRIALS - 1} of {TRIALS} not answered yet." in browser.value(thanks)
    browser.value("document.getElementById('unanswered').click()")
    assert shown(browser) == f"2 / {TRIALS}"


def test_a_name_that_could_be_a_formula_is_refused(page: Path, browser: Chromium) -> None:
    begin(browser, page, "=1+1")
    assert browser.value("document.getElementById('start').hidden") is False
    assert "Letters and digits only" in browser.value("document.getElementById('broken').textContent")


def test_hostile_text_stays_text(page: Path, browser: Chromium) -> None:
    begin(browser, page, "reader")
    texts = []
    for _ in range(RATED):
        texts.append(browser.value("document.getElementById('text').textContent"))
        browser.press("ArrowRight")
    assert HOSTILE in texts
    assert browser.value("document.images.length") == 0
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_width_needs_sideways_scrolling(page: Path, browser: Chromium, width: int) -> None:
    begin(browser, page, "narrow", width)
    for _ in range(TRIALS + 1):
        assert browser.value("document.documentElement.scrollWidth") <= width
        browser.press("ArrowRight")


def test_everything_that_can_be_pressed_has_a_name_and_room_for_a_finger(page: Path, browser: Chromium) -> None:
    begin(browser, page, "finger", PHONE[0])
    sizes = "[...document.querySelectorAll('button')].filter(b => b.offsetParent).map(b => b.offsetHeight)"
    assert min(browser.value(sizes)) >= 44
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "textbox", "progressbar", "group")
    controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in roles]
    assert len(controls) > 8
    assert all(node["name"]["value"].strip() for node in controls)
