"""The desk in a real browser: listen, correct by keyboard, two reviewers at once, hostile words, phones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spoken_lake
from chromium import Chromium
from contrast import CONTRASTS
from desk_served import served
from spoken_lake import COUNT, TEXTS, span

from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.lake.tables import span_id
from pipeline.settings import Settings

PHONE, DESK = (390, 844), (1280, 900)
READY = "document.getElementById('segment')?.classList.contains('ready') === true"
TIME = "document.getElementById('segment').player.wave.getCurrentTime()"
CORRECTED = [f"第{number}句改过了。" for number in range(10)]


class Desk:
    """Where it is served, and ways to it."""

    def __init__(self, settings: Settings, recording_id: str, address: str) -> None:
        self.recording_id, self.address = recording_id, address
        self.corrections = Corrections.of(settings)

    def id_of(self, number: int) -> str:
        return span_id(self.recording_id, *span(number))

    def open(self, browser: Chromium, number: int, size: tuple[int, int] = DESK, dark: bool = False) -> None:
        browser.visit(f"{self.address}/segment/{self.id_of(number)}", *size, dark=dark)
        browser.wait(READY)

    def said_of(self, number: int) -> dict[str, str | None]:
        """What stands of a segment, by field."""
        start, _ = span(number)
        return {one.field: one.new for one in self.corrections.standing(self.recording_id) if one.start == start}

    def say(self, number: int, who: str, field: str, new: str) -> None:
        """As another reviewer, who has seen everything."""
        seen = [one.correction_id for one in self.corrections.rows()]
        self.corrections.add([correction(who, self.recording_id, *span(number), field, None, new)], seen)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings, recording_id = spoken_lake.build(tmp_path / "workspace")
    with served(settings) as address:
        yield Desk(settings, recording_id, address)


def type_text(browser: Chromium, text: str) -> None:
    """Over what stands in the text, from anywhere on the page, and leave it."""
    browser.press("t")
    browser.value("document.activeElement.select()")
    browser.call("Input.insertText", text=text)
    browser.press("Escape")


def listen(browser: Chromium) -> None:
    browser.press(" ")
    browser.wait("document.getElementById('segment').player.listened > 0.5")


def here(browser: Chromium) -> str:
    return browser.value("location.pathname").rpartition("/")[2]


def shown(browser: Chromium) -> str:
    return browser.value("document.getElementById('said').textContent")


def test_a_segment_plays_and_its_characters_light_up_as_they_are_heard(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    browser.press(" ")
    browser.wait(f"{TIME} > 0.4 && document.querySelector('.ch.now') !== null")
    browser.press(" ")
    browser.wait("!document.getElementById('segment').player.playing")
    lit = browser.value("document.querySelector('.ch.now').textContent")
    start, end, now = browser.value(
        f"(each => [+each.dataset.start, +each.dataset.end, {TIME}])(document.querySelector('.ch.now'))"
    )
    assert lit[0] in TEXTS[0]
    assert start - 0.05 <= now + span(0)[0] <= end + 0.05
    browser.press("s")
    assert browser.value("document.getElementById('rate').textContent") == "0.9×"
    assert browser.value("document.getElementById('segment').player.wave.getPlaybackRate()") == 0.9
    browser.press("r")
    browser.wait(f"{TIME} < 0.4 && document.getElementById('segment').player.playing")
    assert browser.complaints() == []


def test_ten_segments_are_corrected_by_keyboard_alone(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    for number, text in enumerate(CORRECTED):
        assert here(browser) == desk.id_of(number)
        listen(browser)
        type_text(browser, text)
        browser.press("a")
        browser.wait(f"location.pathname.endsWith('{desk.id_of(number + 1)}')")
        browser.wait(READY)
    for number, text in enumerate(CORRECTED):
        assert desk.said_of(number) == {"text": text, "accepted": text}
    assert all((one.listened_s or 0) > 0.4 for one in desk.corrections.rows())
    desk.open(browser, 3)
    assert browser.value("document.forms.correction.text.value") == CORRECTED[3]
    assert browser.complaints() == []


def test_nothing_is_accepted_before_it_was_heard(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    browser.press("a")
    browser.wait("document.getElementById('said').textContent.startsWith('Listen first')")
    assert desk.corrections.rows() == []


def test_letters_typed_into_the_text_are_letters_and_with_alt_they_are_keys(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    browser.press("t")
    browser.value("document.activeElement.select()")
    for letter in "dnazxw 1":
        browser.press(letter)
    browser.press("Enter")
    assert browser.value("document.forms.correction.text.value") == "dnazxw 1"
    assert here(browser) == desk.id_of(0)
    assert desk.corrections.rows() == []
    browser.press("d", alt=True)
    assert browser.value("document.forms.correction.keep.value") == "drop"
    browser.press("p", alt=True)
    browser.wait(f"{TIME} > 0.1")
    browser.press("Enter", control=True)
    browser.wait("document.getElementById('segment').player.listened > 0.5")
    browser.press("Enter", control=True)
    browser.wait(f"location.pathname.endsWith('{desk.id_of(1)}')")
    assert desk.said_of(0) == {"text": "dnazxw 1", "keep": "drop"}


def test_letters_without_alt_can_be_switched_off(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    browser.press("h")
    assert browser.value("document.getElementById('help').open")
    browser.value("document.getElementById('bare').click()")
    browser.press("Escape")
    browser.wait("!document.getElementById('help').open")
    browser.press("d")
    assert browser.value("document.forms.correction.keep.value") == "keep"
    browser.press("d", alt=True)
    assert browser.value("document.forms.correction.keep.value") == "drop"
    # What is not saved would ask before the page is left; and the choice is this browser's.
    browser.value("document.forms.correction.reset(), localStorage.clear()")


def test_an_input_method_at_work_has_enter_and_the_letters_to_itself(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    listen(browser)
    browser.press("t")
    browser.value("document.activeElement.select()")
    browser.call("Input.imeSetComposition", text="ni", selectionStart=2, selectionEnd=2)
    for key, control in (("Enter", False), ("Enter", True), ("a", True)):
        at_work = {"key": "Process", "code": key, "windowsVirtualKeyCode": 229, "modifiers": 2 * control}
        browser.call("Input.dispatchKeyEvent", type="rawKeyDown", **at_work)
    assert browser.value("document.forms.correction.text.value") == "ni"
    browser.press("Enter", control=True)
    assert here(browser) == desk.id_of(0)
    browser.call("Input.insertText", text="你")
    assert browser.value("document.forms.correction.text.value") == "你"
    assert desk.corrections.rows() == []
    browser.press("Enter", control=True)
    browser.wait(f"location.pathname.endsWith('{desk.id_of(1)}')")
    assert desk.said_of(0)["text"] == "你"


def test_undo_takes_the_last_correction_back_and_leads_to_it(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0)
    listen(browser)
    type_text(browser, "错了。")
    browser.press("a")
    browser.wait(f"location.pathname.endsWith('{desk.id_of(1)}')")
    browser.wait(READY)
    browser.press("z")
    browser.wait(f"location.pathname.endsWith('{desk.id_of(0)}')")
    browser.wait(READY)
    assert browser.value("document.forms.correction.text.value") == TEXTS[0]
    assert desk.said_of(0) == {}
    assert len(desk.corrections.rows()) == 4
    assert browser.value("document.querySelectorAll('.history .back').length") == 2
    browser.press("z")
    browser.wait("document.getElementById('said').textContent.includes('nothing')")


def test_the_second_of_two_reviewers_sees_what_the_first_one_said_and_chooses(desk: Desk, browser: Chromium) -> None:
    for number, choice in ((0, "mine"), (1, "theirs-stay")):
        desk.open(browser, number)
        listen(browser)
        desk.say(number, "Li", "text", "李的文字。")
        type_text(browser, "我的文字。")
        browser.press("w")
        browser.wait("document.getElementById('conflict').open")
        assert "李的文字。" in browser.value("document.getElementById('theirs').textContent")
        assert "Li" in browser.value("document.getElementById('theirs').textContent")
        assert desk.said_of(number) == {"text": "李的文字。"}
        browser.value("window.before = true")
        browser.value(f"document.getElementById('{choice}').click()")
        browser.wait(f"window.before === undefined && {READY}")
        kept = "我的文字。" if choice == "mine" else "李的文字。"
        assert desk.said_of(number) == {"text": kept}
        assert browser.value("document.forms.correction.text.value") == kept


def test_boundaries_are_moved_by_keys_and_by_dragging(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 4)
    start, end = span(4)
    browser.press("1")
    browser.wait("document.getElementById('segment').player.region !== undefined")
    browser.wait(f"document.forms.correction.start.value === '{start - 0.05:.3f}'")
    browser.press("4")
    assert browser.value("document.forms.correction.end.value") == f"{end + 0.05:.3f}"
    browser.wait("document.getElementById('segment').player.region.element.getBoundingClientRect().width > 0")
    x, y, pixels = browser.value(
        "(() => { const region = document.getElementById('segment').player.region; "
        "const box = region.element.getBoundingClientRect(); "
        "return [box.right - 2, box.top + box.height / 2, box.width / (region.end - region.start)] })()"
    )
    for kind, by in (
        ("mouseMoved", 0),
        ("mousePressed", 0),
        ("mouseMoved", 10),
        ("mouseMoved", 60),
        ("mouseReleased", 60),
    ):
        where = {"x": x + by, "y": y, "button": "none" if kind == "mouseMoved" and not by else "left"}
        browser.call("Input.dispatchMouseEvent", type=kind, clickCount=1, buttons=int(by > 0), **where)
    dragged = float(browser.value("document.forms.correction.end.value"))
    assert dragged == pytest.approx(end + 0.05 + 60 / pixels, abs=0.1)
    browser.value("window.before = true")
    browser.press("w")
    browser.wait(f"window.before === undefined && {READY}")
    assert desk.said_of(4) == {"start": f"{start - 0.05:.3f}", "end": f"{dragged:.3f}"}


def test_a_recordings_turns_segments_and_dropped_stretches_are_all_played(desk: Desk, browser: Chromium) -> None:
    browser.visit(f"{desk.address}/recording/{desk.recording_id}", *DESK)
    buttons = browser.value("document.querySelectorAll('section > .stretches .play').length")
    assert buttons == COUNT
    for place in ("rect.turn", "rect.kept", "rect.dropped", "#segments ~ ol .play", "#dropped ~ ol .play"):
        browser.call(
            "Runtime.evaluate",
            expression=f"document.querySelector('{place}').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))",
            userGesture=True,
        )
        browser.wait("document.getElementById('player').currentTime > 0.05 || document.getElementById('player').ended")
    assert browser.complaints() == []


def test_a_found_segment_is_heard_and_read_in_its_place(desk: Desk, browser: Chromium) -> None:
    browser.visit(f"{desk.address}/browse", *DESK)
    browser.value("document.querySelectorAll('[data-look]').forEach(each => each.click())")
    browser.wait(f"document.querySelectorAll('.glance.ready').length === {COUNT}")
    for number in (0, COUNT - 1):
        heard = f"document.querySelectorAll('.glance')[{number}]"
        press = f"{heard}.querySelector('[data-do=toggle]').click()"
        browser.call("Runtime.evaluate", expression=press, userGesture=True)
        lit = " && document.querySelector('.glance .ch.now') !== null" if number == 0 else ""
        browser.wait(f"{heard}.player.wave.getCurrentTime() > 0.3{lit}")
    assert browser.value("[...document.querySelectorAll('.glance')].filter(each => each.player.playing).length") <= 1
    said = browser.value("document.querySelectorAll('.glance')[0].textContent")
    for words in ("one", spoken_lake.HOSTILE, "confidence", "c-1", spoken_lake.SOURCE):
        assert words in said
    assert browser.value("document.querySelectorAll('main img').length") == 0
    assert browser.complaints() == []
    browser.value("document.querySelector('[data-look]').click()")
    assert browser.value("document.querySelectorAll('.glance').length") == COUNT - 1


def test_the_queue_leads_from_task_to_task(desk: Desk, browser: Chromium) -> None:
    browser.visit(f"{desk.address}/queue", *DESK)
    assert browser.value("document.querySelectorAll('.tasks li').length") == COUNT - 1
    browser.press("Enter")
    browser.wait(f"location.pathname.startsWith('/segment/') && {READY}")
    passed = [here(browser)]
    for key in ("n", "a"):
        if key == "a":
            listen(browser)
        browser.press(key)
        browser.wait(f"!location.pathname.endsWith('{passed[-1]}') && location.pathname.startsWith('/segment/')")
        browser.wait(READY)
        passed.append(here(browser))
    assert len(set(passed)) == 3
    (said,) = desk.corrections.rows()
    assert (said.field, span_id(said.recording_id, said.start, said.end)) == ("accepted", passed[1])
    assert said.sample is not None


@pytest.mark.parametrize("dark", [False, True])
def test_hostile_words_stay_words_on_every_page(desk: Desk, browser: Chromium, dark: bool) -> None:
    pages = [f"/segment/{desk.id_of(number)}" for number in (0, 10, 11)]
    for path in ("/queue", "/browse", f"/recording/{desk.recording_id}", *pages):
        if path == pages[0]:
            for field in ("text", "speaker", "note"):
                desk.say(10, f"Mallory{spoken_lake.HOSTILE}", field, f"{spoken_lake.SCRIPT}{spoken_lake.HOSTILE}")
        browser.visit(desk.address + path, *DESK, dark=dark)
        if path in pages:
            browser.wait(READY)
        browser.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.value("document.querySelectorAll('main img').length") == 0, path
        assert spoken_lake.HOSTILE in browser.value("document.body.textContent"), path
        assert [each for each in browser.requests() if not each.startswith(desk.address)] == []
        assert browser.complaints() == [], path
        assert min(browser.value(CONTRASTS)) >= 4.5, path


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_width_needs_sideways_scrolling_and_a_finger_finds_room(desk: Desk, browser: Chromium, width: int) -> None:
    sizes = (
        "[...document.querySelectorAll('main button, main .button, main input:not([type=checkbox]), main select')]"
        ".filter(each => each.offsetParent).map(each => each.offsetHeight)"
    )
    for path in (f"/segment/{desk.id_of(10)}", f"/recording/{desk.recording_id}", "/queue"):
        browser.visit(desk.address + path, width, 844)
        browser.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.value("document.documentElement.scrollWidth") <= width, path
        assert min(browser.value(sizes)) >= 40, path


def test_everything_that_can_be_pressed_has_a_name(desk: Desk, browser: Chromium) -> None:
    desk.open(browser, 0, PHONE)
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "textbox", "combobox", "checkbox", "spinbutton")
    controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in roles]
    assert len(controls) > 15
    assert all(node["name"]["value"].strip() for node in controls)
