"""The page to try a voice in a real browser: it speaks, plays, offers the file, and asks nobody but its server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import Chromium
from speech_served import Served, served

SIZE = (1280, 900)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served") / "workspace") as running:
        yield running


def test_a_text_is_spoken_played_and_offered(browser: Chromium, server: Served) -> None:
    browser.visit(server.address + "/", *SIZE)
    browser.wait("document.getElementById('dialect').length > 1 && document.getElementById('voice').length > 0")
    browser.value("document.getElementById('text').value = '你好。'; document.getElementById('steps').value = 2; 0")
    browser.value("document.getElementById('dialect').value = 'yue'; document.getElementById('speak').click(); 0")
    browser.wait("!document.getElementById('player').hidden && document.getElementById('player').duration > 0.2", 120)
    assert str(browser.value("document.getElementById('said').textContent")).startswith("AI-generated")
    assert browser.value("document.getElementById('download').download") == "speech.wav"
    assert browser.complaints() == []
    assert all(each.startswith((server.address, "blob:", "data:")) for each in browser.requests())


def test_the_interface_is_shown_without_help_from_elsewhere(browser: Chromium, server: Served) -> None:
    browser.visit(server.address + "/docs", *SIZE)
    browser.wait("document.body.textContent.includes('response_format')")
    assert browser.complaints() == []
    assert all(each.startswith((server.address, "data:")) for each in browser.requests())


def test_the_page_asks_for_a_key_where_keys_are_needed(browser: Chromium, server: Served) -> None:
    key = server.service.users.add("page", ["speak"])
    browser.visit(server.address + "/", *SIZE)
    browser.wait("!document.getElementById('key-row').hidden")
    browser.value(
        f"const key = document.getElementById('key'); key.value = '{key}'; key.dispatchEvent(new Event('change')); 0"
    )
    browser.wait("document.getElementById('dialect').length > 1")
