"""Lists of segments: what narrows them, pages, samples, SQL conditions, and words that would be markup."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import pytest
import spoken_lake
from desk_client import browser, desk_of
from spoken_lake import COUNT, HOSTILE, SCRIPT
from starlette.testclient import TestClient

from desk import browse, condition
from desk.browse import PAGE
from pipeline.lake.lake import Lake
from pipeline.lake.query_result import CatalogError
from pipeline.lake.tables import span_id

MANY = 137


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Twelve segments, hostile words everywhere."""
    return browser(desk_of(spoken_lake.build(tmp_path_factory.mktemp("spoken"))[0]))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Segments without sound of one recording, every third dropped, confidence from 0 to 1."""
    settings, recording_id = spoken_lake.build(tmp_path_factory.mktemp("many"))
    lake = Lake(settings.lake)
    shared = {"recording_id": recording_id, "batch": "b00001", "turn_id": "t", "provenance": "p"}
    rows = [
        shared
        | {"segment_id": span_id(recording_id, number, number + 1), "start": float(number), "end": number + 1.0}
        | {"duration": 1.0, "text": f"第{number}句", "dialect": "yue" if number % 2 else "nan", "tier": "A"}
        | {"decision": "keep" if number % 3 else "drop", "confidence": number / MANY, "source": "x.wav"}
        | ({"drop_reason": "too_noisy"} if number % 3 == 0 else {})
        for number in range(MANY)
    ]
    lake.write("segments", "b00001", rows)
    for table in ("corpus", "segment_dialects"):
        for partition in lake.partitions(table):
            lake.path(table, partition).unlink()
    return browser(desk_of(settings))


def _found(client: TestClient, **asked: str) -> list[str]:
    """Ids on one page."""
    answer = client.get("/browse?" + urlencode(asked))
    assert answer.status_code == 200, answer.text
    return re.findall(r'data-play="/audio/segment/([^"]+)"', answer.text)


def _total(client: TestClient, **asked: str) -> int:
    answer = client.get("/browse?" + urlencode(asked))
    return int(re.findall(r"<h1>([\d,]+) segment", answer.text)[0].replace(",", ""))


def test_the_pages_show_each_segment_once_and_lead_back(many: TestClient) -> None:
    path, seen, pages = "/browse", list[str](), list[list[str]]()
    for _ in range(10):
        answer = many.get(path).text
        pages.append(re.findall(r'data-play="/audio/segment/([^"]+)"', answer))
        seen += pages[-1]
        later = re.search(r'rel="next" href="([^"]+)"', answer)
        if not later:
            break
        path = html.unescape(later[1])
    assert len(seen) == len(set(seen)) == MANY
    assert seen == sorted(seen)
    earlier = re.search(r'rel="prev" href="([^"]+)"', many.get(path).text)
    assert earlier
    assert re.findall(r'data-play="/audio/segment/([^"]+)"', many.get(html.unescape(earlier[1])).text) == pages[-2]


def test_facets_words_and_ranges_narrow_together(many: TestClient) -> None:
    assert _total(many) == MANY
    assert _total(many, dialect="yue") == MANY // 2
    assert _total(many, dialect="yue", decision="drop") == sum(n % 2 == 1 and n % 3 == 0 for n in range(MANY))
    assert _total(many, reason_none="1") == sum(n % 3 != 0 for n in range(MANY))
    assert _total(many, confidence_min="0.5", confidence_max="0.75") == sum(
        0.5 <= n / MANY <= 0.75 for n in range(MANY)
    )
    assert len(_found(many, q="第7句")) == 1
    assert len(_found(many, q=_found(many)[3])) == 1
    assert _total(many, q="第1 句", dialect="nan") == sum("第1" in f"第{n}句" and n % 2 == 0 for n in range(MANY))


def test_a_facet_says_how_many_it_would_leave(many: TestClient) -> None:
    page = many.get("/browse?dialect=yue").text
    kept = sum(n % 2 == 1 and n % 3 != 0 for n in range(MANY))
    assert re.search(rf"dialect=yue&amp;decision=keep\"><span>keep</span> <b>{kept}</b>", page)


def test_a_random_sample_has_its_number_and_another_number_another_sample(many: TestClient) -> None:
    first, again, other = (_found(many, sample=seed) for seed in ("1", "1", "2"))
    assert first == again != other
    assert len(first) == len(set(first)) == PAGE
    assert first != sorted(first)
    assert len(_found(many, sample="1", dialect="yue", decision="drop")) == _total(many, dialect="yue", decision="drop")


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("confidence < 0.5 AND dialect = 'yue'", sum(n / MANY < 0.5 and n % 2 == 1 for n in range(MANY))),
        ("segments.confidence < 0.1 -- few", sum(n / MANY < 0.1 for n in range(MANY))),
        ("confidence < 0.1 OR confidence > 0.9", sum(not 0.1 <= n / MANY <= 0.9 for n in range(MANY))),
        ("len(characters) IS NULL AND turn_id = 't'", MANY),
    ],
)
def test_a_sql_condition_narrows_like_any_filter(many: TestClient, where: str, count: int) -> None:
    assert _total(many, where=where) == count
    dropped = _total(many, where=where, decision="drop")
    assert dropped + _total(many, where=where, decision="keep") == count


@pytest.mark.parametrize(
    "where",
    [
        "true) OR (true",
        "true) UNION SELECT recording_id FROM recordings WHERE (true",
        "segment_id IN (SELECT segment_id FROM segments)",
        "EXISTS (FROM read_text('/etc/passwd'))",
        "true; DROP TABLE segments",
        "true /*",
        "$refused IS NULL",
        "true ORDER BY 1",
        "true LIMIT 1",
        "no_such_column > 1",
        "confidence <",
        "getenv('HOME') = 'x'",
        "x" * 3000,
    ],
)
def test_what_is_no_plain_condition_is_refused_in_words(many: TestClient, where: str) -> None:
    answer = many.get("/browse?" + urlencode({"where": where}))
    assert answer.status_code == 400
    assert re.search(r'role="alert">\s*\S', answer.text)
    assert "data-play" not in answer.text


def test_a_condition_is_given_up_after_its_time(many: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "SECONDS", 0.2)
    where = "list_sum(list_transform(range(0, 20000000), x -> x * (ordinal + 1))) < 0"
    answer = many.get("/browse?" + urlencode({"where": where}))
    assert answer.status_code == 400


def test_a_number_that_is_none_is_named(many: TestClient) -> None:
    answer = many.get("/browse?confidence_min=high")
    assert answer.status_code == 400
    assert "Confidence: &#39;high&#39; is no number" in answer.text


def test_a_condition_says_which_columns_it_asks() -> None:
    assert condition.check("a > 1 AND segments.b = 'x' -- c") == {"a", "b"}
    with pytest.raises(CatalogError, match="a query inside"):
        condition.check("(SELECT 1) = 1")


@pytest.mark.parametrize("path", ["/", "/browse", "/browse?q=%3Cscript%3E", "/browse?speaker=%22%3E%3Cscript%3E", "/x"])
def test_hostile_words_of_recordings_stay_words(spoken: TestClient, path: str) -> None:
    page = spoken.get(path).text
    assert HOSTILE not in page
    assert SCRIPT not in page
    assert "<script>" not in page
    assert page.count("<script") == page.count('<script src="/static/') + page.count(
        '<script type="module" src="/static/'
    )


def test_hostile_words_are_found_and_linked_as_they_are(spoken: TestClient) -> None:
    asked = urlencode({"reason": HOSTILE})
    assert len(_found(spoken, reason=HOSTILE)) == 1
    assert _total(spoken, heard=HOSTILE) == COUNT
    assert f"reason={asked.split('=', 1)[1]}" in spoken.get("/browse").text
