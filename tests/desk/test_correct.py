"""Saving over HTTP what a reviewer says: what is kept, what is refused, who comes second, and taking it back."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

import pytest
import spoken_lake
from desk_served import served
from spoken_lake import TEXTS, span

from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.lake.tables import span_id


@dataclass
class Browser:
    """A program that holds the token of the desk's pages."""

    address: str
    recording_id: str
    corrections: Corrections
    token: str = ""

    def get(self, path: str) -> str:
        request = urllib.request.Request(self.address + path, headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"X-CSRF-Token": self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def page_of(self, number: int) -> str:
        return f"/segment/{span_id(self.recording_id, *span(number))}"

    def save(self, number: int, values: dict[str, Any], seen: Any = (), **more: Any) -> tuple[int, dict[str, Any]]:
        seen = list(seen) if isinstance(seen, tuple) else seen
        return self.post(f"{self.page_of(number)}/correct", {"values": values, "seen": seen} | more)

    def said_of(self, number: int) -> dict[str, tuple[str | None, str | None]]:
        rows = self.corrections.standing(self.recording_id)
        return {one.field: (one.old, one.new) for one in rows if one.start == span(number)[0]}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    settings, recording_id = spoken_lake.build(tmp_path_factory.mktemp("corrected"))
    with served(settings) as address:
        made = Browser(address, recording_id, Corrections.of(settings))
        found = re.search(r'name="csrf" content="([^"]+)"', made.get(made.page_of(0)))
        assert found is not None
        made.token = found[1]
        yield made


def test_what_was_said_is_kept_with_what_stood_there_before(browser: Browser) -> None:
    status, body = browser.save(0, {"text": " 改过了。 ", "keep": "drop"}, accepted=False, listened_s=2.5)
    assert (status, len(body["saved"])) == (200, 2)
    assert browser.said_of(0) == {"text": (TEXTS[0], "改过了。"), "keep": ("keep", "drop")}
    assert {one.listened_s for one in browser.corrections.rows()} == {2.5}
    assert "改过了。" in browser.get(browser.page_of(0))


def test_accepting_keeps_the_text_that_was_found_right(browser: Browser) -> None:
    assert browser.save(1, {}, accepted=True)[0] == 200
    assert browser.said_of(1) == {"accepted": (TEXTS[1], TEXTS[1])}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"text": "  "}, "text is empty"),
        ({"dialect": "cmn-sichaun"}, "did you mean"),
        ({"start": "later"}, "seconds"),
        ({"keep": "maybe"}, "keep or drop"),
        ({"speed": "1"}, "only text"),
        ({"text": 1}, "texts by field"),
        ({}, "nothing was changed"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_reason_and_nothing_is_kept(
    browser: Browser, values: dict[str, Any], says: str
) -> None:
    status, body = browser.save(2, values)
    assert (status, says in body["error"]) == (400, True), body
    assert browser.said_of(2) == {}


def test_a_body_that_is_no_object_and_a_segment_that_is_none_are_refused(browser: Browser) -> None:
    assert browser.post(f"{browser.page_of(2)}/correct", ["text"])[0] == 400
    assert browser.save(2, {"text": "好"}, seen="all")[0] == 400
    assert browser.post(f"/segment/{browser.recording_id}-000000001-000000002/correct", {})[0] == 404


def test_whoever_comes_second_is_told_what_the_first_one_said_and_saves_only_knowing_it(browser: Browser) -> None:
    other = correction("Li", browser.recording_id, *span(3), "text", None, "李的。")
    browser.corrections.add([other])
    status, body = browser.save(3, {"text": "我的。"})
    assert (status, body["ids"]) == (409, [other.correction_id])
    assert [(each["who"], each["field"], each["new"]) for each in body["newer"]] == [("Li", "text", "李的。")]
    assert browser.said_of(3)["text"][1] == "李的。"
    assert browser.save(3, {"text": "我的。"}, seen=body["ids"])[0] == 200
    assert browser.said_of(3)["text"] == ("李的。", "我的。")


def test_undo_takes_back_all_of_the_last_save_and_not_what_another_built_on(browser: Browser) -> None:
    assert browser.save(4, {"text": "错。", "speaker": "spk-9"}, accepted=True)[0] == 200
    status, body = browser.post("/undo", {})
    assert (status, body["segment"], sorted(body["fields"])) == (
        200,
        browser.page_of(4),
        ["accepted", "speaker", "text"],
    )
    assert browser.said_of(4) == {}
    assert browser.save(5, {"text": "错。"})[0] == 200
    seen = [one.correction_id for one in browser.corrections.rows()]
    browser.corrections.add([correction("Li", browser.recording_id, *span(5), "text", "错。", "对。")], seen)
    status, body = browser.post("/undo", {})
    assert (status, "Li" in body["error"]) == (409, True)
    assert browser.said_of(5)["text"] == ("错。", "对。")


def test_without_the_token_of_a_page_nothing_is_saved(browser: Browser) -> None:
    stranger = Browser(browser.address, browser.recording_id, browser.corrections)
    assert stranger.save(6, {"text": "好。"})[0] == 403
    assert browser.said_of(6) == {}


def test_the_recording_and_the_queue_are_shown_and_hostile_words_are_escaped(browser: Browser) -> None:
    for path in (f"/recording/{browser.recording_id}", "/queue", browser.page_of(10)):
        content = browser.get(path)
        assert spoken_lake.HOSTILE not in content, path
        assert spoken_lake.SCRIPT not in content, path
