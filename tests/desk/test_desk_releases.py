"""Releases at the desk: who may make one, what its pages say, and that they escape what people wrote."""

from __future__ import annotations

import json

import pytest
import spoken_lake
from desk_client import csrf_of, desk_of, signed_in
from httpx import Response
from spoken_lake import HOSTILE, SCRIPT
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline.releases.names import existing
from pipeline.releases.release import open_release
from pipeline.rights import audit
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made, _ = spoken_lake.build(tmp_path_factory.mktemp("releases"))
    consent = {"consent_id": "c-1", "recordings": ["cmn-sichuan/**"], "scopes": ["asr", "publication"]}
    (made.landing / "consents.jsonl").write_text(json.dumps(consent) + "\n", encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def desk(settings: Settings) -> Starlette:
    return desk_of(settings)


@pytest.fixture(scope="module")
def lead(desk: Starlette) -> TestClient:
    """One who may release."""
    return signed_in(desk, "lead", "release")


def freeze(client: TestClient, name: str, **fields: object):
    return client.post("/releases", data={"name": name, "csrf": csrf_of(client)} | fields)


@pytest.fixture(scope="module")
def first(lead: TestClient) -> Response:
    """The answer to making release `first`, which several tests need, whichever of them a worker is given."""
    return freeze(lead, "first", note=SCRIPT, licence=HOSTILE)


def test_a_lead_makes_a_release_and_is_named_in_it_and_in_the_log(
    lead: TestClient, first: Response, settings: Settings
) -> None:
    assert (first.status_code, first.headers["location"]) == (303, "/releases/first")
    assert open_release(settings, "first").document["created_by"] == "lead"
    entry = next(one for one in audit.read(settings.root) if one["action"] == "release.create")
    assert (entry["actor"], entry["subject"]) == ("lead", "first")
    for path in ("/releases", "/releases/first"):
        page = lead.get(path)
        assert page.status_code == 200
        assert "first" in page.text
        assert "<img src=x" not in page.text
        assert "<script>alert" not in page.text


@pytest.mark.usefixtures("first")
def test_what_changed_since_another_is_on_a_page_and_escaped(lead: TestClient) -> None:
    assert freeze(lead, "short", where="start < 10").status_code == 303
    page = lead.get("/releases/short/since/first").text
    assert "Went: " in page
    assert "is left out by the condition" in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


@pytest.mark.usefixtures("first")
def test_what_cannot_be_a_release_comes_back_with_the_form_and_the_reason(lead: TestClient, settings: Settings) -> None:
    before = existing(settings)
    for name, where, words in (
        ("../x", "", "cannot be the name of a release"),
        ("first", "", "a release is frozen, take another name"),
        ("bad", "nonsense = 1", "nonsense"),
        ("none", "start < 0", "nothing would be in release none"),
    ):
        page = freeze(lead, name, where=where)
        assert page.status_code == 400
        assert words in page.text
    assert existing(settings) == before


@pytest.mark.usefixtures("first")
def test_who_may_only_correct_reads_releases_and_makes_none(desk: Starlette, settings: Settings) -> None:
    reviewer = signed_in(desk, "reviewer", "correct")
    page = reviewer.get("/releases/first")
    assert page.status_code == 200
    assert "Handed out" not in page.text
    assert '<form method="post" action="/releases"' not in reviewer.get("/releases").text
    before = existing(settings)
    assert freeze(reviewer, "theirs").status_code == 403
    assert existing(settings) == before


@pytest.mark.usefixtures("first")
def test_a_release_that_is_not_there_is_not_found(lead: TestClient) -> None:
    for path in ("/releases/nothing", "/releases/..%2F..%2Fetc", "/releases/first/since/nothing"):
        assert lead.get(path).status_code == 404
