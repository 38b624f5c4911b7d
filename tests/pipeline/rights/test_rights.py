"""Claims about consents: what covers a recording, and that everything else is refused."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.rows import to_table
from pipeline.rights.cloning import CloningRefused, allow_cloning
from pipeline.rights.consent import Consent
from pipeline.rights.consents import TaintedModel, read_consents, refuse_tainted, resolve
from pipeline.rights.patterns import matches

DAY = date(2025, 6, 1)
SOURCE = "yue/tv/news/a.wav"


def consent(**fields: Any) -> Consent:
    return Consent.model_validate({"consent_id": "c1", "scopes": ["asr"], "recordings": ["yue/tv/**"]} | fields)


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("yue/tv/news/a.wav", True),
        ("yue/tv/**", True),
        ("**", True),
        ("**/a.wav", True),
        ("yue/**/a.wav", True),
        ("yue/**/news/*.wav", True),
        ("yue/tv/*/?.wav", True),
        ("yue/*", False),
        ("yue/tv/*.wav", False),
        ("yue/tv", False),
        ("YUE/tv/**", False),
        ("yue/tv/news/b.wav", False),
        ("", False),
    ],
)
def test_a_star_stays_in_its_folder_and_two_span_folders(pattern: str, covered: bool) -> None:
    assert matches(pattern, SOURCE) is covered


def test_a_pattern_may_be_a_name_with_brackets_or_in_another_unicode_form() -> None:
    assert matches("yue/tv/a [1].wav", "yue/tv/a [1].wav")
    assert matches("yue/tv/caf\u00e9.wav", "yue/tv/cafe\u0301.wav")


def test_without_a_matching_consent_everything_is_refused() -> None:
    assert resolve([], SOURCE, {}, on=DAY)[0] is None
    covering, why = resolve([consent(recordings=["cmn/**"])], SOURCE, {}, on=DAY)
    assert covering is None
    assert "no consent" in why


@pytest.mark.parametrize(
    ("fields", "expected", "words"),
    [
        ({}, "c1", "allows asr"),
        ({"from": "2025-06-01", "until": "2025-06-01"}, "c1", "allows asr"),
        ({"from": "2025-06-02"}, None, "begins on 2025-06-02"),
        ({"until": "2025-05-31"}, None, "ended on 2025-05-31"),
        ({"revoked": "2025-05-01"}, None, "revoked on 2025-05-01"),
        ({"revoked": "2030-01-01"}, None, "revoked"),
        ({"scopes": ["tts_training"]}, None, "tts_training, not for asr"),
        ({"scopes": []}, None, "nothing, not for asr"),
    ],
)
def test_a_consent_holds_within_its_days_scopes_and_until_revoked(
    fields: dict[str, Any], expected: str | None, words: str
) -> None:
    covering, why = resolve([consent(**fields)], SOURCE, {}, on=DAY)
    assert covering == expected
    assert words in why


def test_the_consent_named_in_the_metadata_is_the_only_one_asked() -> None:
    wide = consent(consent_id="wide", recordings=["**"])
    named = consent(consent_id="named", recordings=[])
    assert resolve([wide, named], SOURCE, {"consent_id": "named"}, on=DAY)[0] == "named"
    assert (
        resolve([wide, consent(consent_id="named", revoked="2025-01-01")], SOURCE, {"consent_id": "named"})[0] is None
    )
    elsewhere = consent(consent_id="named", recordings=["cmn/**"])
    assert resolve([wide, elsewhere], SOURCE, {"consent_id": "named"}, on=DAY)[0] is None
    assert resolve([wide], SOURCE, {"consent_id": "unheard-of"}, on=DAY)[0] is None
    assert resolve([wide], SOURCE, {"consent_id": " "}, on=DAY)[0] == "wide"


def test_a_consent_without_patterns_covers_only_what_names_it() -> None:
    assert resolve([consent(recordings=[])], SOURCE, {}, on=DAY)[0] is None


def test_another_consent_may_cover_where_the_first_has_ended() -> None:
    ended, standing = consent(consent_id="old", until="2024-01-01"), consent(consent_id="new")
    assert resolve([ended, standing], SOURCE, {}, on=DAY)[0] == "new"


def test_each_bad_line_is_named_and_the_others_hold(tmp_path: Path) -> None:
    good = {"consent_id": "good", "scopes": ["asr"], "recordings": ["yue/**"], "from": "2025-01-01", "until": None}
    lines = [
        json.dumps(good).encode(),
        b"{not json",
        b'{"consent_id": "s", "scopes": ["asrr"]}',
        b'{"consent_id": "d", "scopes": ["asr"], "until": "31.12.2025"}',
        b'{"consent_id": "u", "scopes": ["asr"], "untill": "2025-12-31"}',
        b'{"scopes": ["asr"]}',
        b"[1, 2]",
        b'{"consent_id": "\xff", "scopes": ["asr"]}',
        b"",
        b'{"consent_id": "blank", "scopes": ["asr"], "speaker": " \x1c"}'.replace(b"\x1c", b"\\u001c"),
        b'{"consent_id": "last", "scopes": ["asr", "publication"]}',
    ]
    file = tmp_path / "consents.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    consents, problems = read_consents(file)
    assert [one.consent_id for one in consents] == ["good", "last"]
    assert [problem.split(":")[0] for problem in problems] == [f"consents.jsonl, line {n}" for n in (*range(2, 9), 10)]
    for problem, word in zip(
        problems, ("JSON", "asrr", "31.12.2025", "untill", "consent_id", "line", "JSON", "blank"), strict=True
    ):
        assert word in problem


def test_a_bad_later_line_does_not_leave_the_earlier_consent_standing(tmp_path: Path) -> None:
    file = tmp_path / "consents.jsonl"
    standing = {"consent_id": "c1", "scopes": ["asr"], "recordings": ["**"]}
    file.write_text(json.dumps(standing) + "\n" + json.dumps(standing | {"revoked": "yesterday"}) + "\n")
    assert read_consents(file)[0] == []
    file.write_text(json.dumps(standing) + "\n" + json.dumps(standing | {"revoked": "2025-01-01"}) + "\n")
    (replaced,) = read_consents(file)[0]
    assert replaced.revoked == date(2025, 1, 1)


STANDING = '{"consent_id": "c-1", "scopes": ["asr"], "recordings": ["yue/**"]}'
OTHER = '{"consent_id": "c-10", "scopes": ["asr"], "recordings": ["yue/**"]}'


@pytest.mark.parametrize(
    ("line", "standing"),
    [
        ('{"consent_id": "c-1", "scopes": ["asr"], "revo', ["c-10"]),
        ('{"consent_id": "c-1", "revoked": "2026-01-05"}', ["c-10"]),
        ("{'consent_id': 'c-1', 'revoked': '2026-01-05'}", ["c-10"]),
        ('{"revoked": "2026-01-05", "consent_id": "c-1"', ["c-10"]),
        ('{"consent_id": "\\u0063-1", "revo', ["c-10"]),
        ('{"consent_id": "c-', []),
        ("c-1 revoked on 2026-01-05", ["c-10"]),
        (STANDING + STANDING.replace("}", ', "revoked": "2026-01-05"}'), ["c-10"]),
        ('{"consent_id": "c-1", "scopes": ["asr"], "until": "2020-01-01", "until": "2099-01-01"}', ["c-10"]),
        ('{"consent_id": "c-1", "scopes": ["asr"], "subject": "\\ud83d"}', ["c-10"]),
        ('{"consent_id": "c-1", "scopes": ["asr"], "subject": "a\\u0000"}', ["c-10"]),
        ('{"consent_id": "c-2", "scopes": ["asr"], "subject": "\\ud83d"}', ["c-1", "c-10"]),
        ('{"consent_id": " ", "scopes": ["asr"]}', ["c-1", "c-10"]),
    ],
)
def test_a_line_that_cannot_be_read_takes_the_earlier_one_about_its_consent_with_it(
    tmp_path: Path, line: str, standing: list[str]
) -> None:
    file = tmp_path / "consents.jsonl"
    file.write_text(f"{STANDING}\n{OTHER}\n{line}", encoding="utf-8")
    consents, problems = read_consents(file)
    assert [one.consent_id for one in consents] == standing
    assert [problem.split(":")[0] for problem in problems] == ["consents.jsonl, line 3"]
    assert "CANNOT BE READ" not in problems[0]


def test_a_torn_line_without_an_id_is_said_aloud(tmp_path: Path) -> None:
    file = tmp_path / "consents.jsonl"
    file.write_text(STANDING + '\n{"revoked": "2026-01-05", "cons', encoding="utf-8")
    consents, problems = read_consents(file)
    assert [one.consent_id for one in consents] == ["c-1"]
    assert "WHICH CONSENT IT IS ABOUT CANNOT BE READ" in problems[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (STANDING, None),
        (STANDING.replace("}", ', "revoked": "2026-01-05"}'), None),
        (STANDING.replace("yue/**", "yue/second/**"), "recordings were yue/**, are yue/second/**"),
        (STANDING.replace('["asr"]', '["asr", "publication"]'), "scopes were asr, are asr, publication"),
        (STANDING.replace("}", ', "until": "2027-01-01"}'), "valid_until were nothing, are 2027-01-01"),
        (STANDING.replace("c-1", "C-1"), "by capitals alone"),
        (STANDING.replace("c-1", "c-2").replace("yue/**", "landing/yue/**"), "leave that off"),
        (STANDING.replace("}", ', "evidence": "../form.pdf"}'), "outside of the landing folder"),
        (STANDING.replace("}", ', "evidence": "/etc/passwd"}'), "outside of the landing folder"),
        (STANDING.replace("}", ', "evidence": "C:\\\\form.pdf"}'), "outside of the landing folder"),
    ],
)
def test_a_later_line_that_covers_something_else_is_named(tmp_path: Path, line: str, words: str | None) -> None:
    file = tmp_path / "consents.jsonl"
    file.write_text(f"{STANDING}\n{line}\n", encoding="utf-8")
    _, problems = read_consents(file)
    assert len(problems) == (words is not None)
    assert (words or "") in "".join(problems)


def test_a_consent_that_was_revoked_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "consents.jsonl"
    file.write_text("\n".join([STANDING, STANDING.replace("}", ', "revoked": "2026-01-05"}'), STANDING]))
    (consent,), problems = read_consents(file)
    assert consent.revoked == date(2026, 1, 5)
    assert "stays so" in problems[0]


def test_no_pattern_covers_what_metadata_may_speak_of_that_cannot_be_read() -> None:
    wide = consent(consent_id="wide", recordings=["**"])
    covering, why = resolve([wide], SOURCE, {"metadata_problem": "yue/metadata.csv, line 3: is torn"}, on=DAY)
    assert covering is None
    assert "yue/metadata.csv, line 3: is torn" in why
    with pytest.raises(CloningRefused, match="line 3"):
        allow_cloning([], None, "Ann", SOURCE, {"metadata_problem": "yue/metadata.csv, line 3"})


def test_no_file_means_no_consent(tmp_path: Path) -> None:
    assert read_consents(tmp_path / "consents.jsonl") == ([], [])


def test_a_consent_fits_the_table(tmp_path: Path) -> None:
    row = consent(until="2026-01-01", evidence="forms/1.pdf", evidence_sha256="0" * 64).row()
    (stored,) = to_table("consents", [row]).to_pylist()
    assert stored["valid_until"] == date(2026, 1, 1)
    assert stored["recordings"] == ["yue/tv/**"]


@pytest.mark.parametrize(
    ("fields", "speaker", "expected"),
    [
        ({}, "Ann", "c1"),
        ({}, " Ann ", "c1"),
        ({}, "Ann;Ben", None),
        ({}, "", None),
        ({}, "Anna", None),
        ({"recordings": ["yue/**"]}, "Ann", "c1"),
        ({"recordings": ["cmn/**"]}, "Ann", None),
        ({"recordings": ["yue/**"]}, "Ben", None),
    ],
)
def test_a_consent_of_a_speaker_covers_what_is_theirs_alone(
    fields: dict[str, Any], speaker: str, expected: str | None
) -> None:
    own = consent(**({"recordings": [], "speaker": "Ann"} | fields))
    assert resolve([own], SOURCE, {"speaker": speaker}, on=DAY)[0] == expected
    assert resolve([own], SOURCE, {"speaker": speaker, "consent_id": "c1"}, on=DAY)[0] == expected


CLONING = {"scopes": ["voice_cloning"]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scopes": ["asr", "tts_training"]}, "not for voice_cloning"),
        (CLONING | {"until": "2025-05-31"}, "ended on 2025-05-31"),
        (CLONING | {"from": "2025-06-02"}, "begins on 2025-06-02"),
        (CLONING | {"revoked": "2025-05-31"}, "was revoked on 2025-05-31"),
        (CLONING | {"recordings": ["cmn/**"]}, "not covered by consent c1, which is for cmn/**"),
        (CLONING | {"recordings": [], "speaker": "Ben"}, "recordings of Ben alone"),
        (CLONING | {"recordings": []}, "whose metadata name it"),
        (CLONING | {"consent_id": "c2"}, "there is no consent c1"),
    ],
)
def test_a_voice_is_not_copied_on_a_consent_that_does_not_allow_it(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(CloningRefused, match=re.escape(words)):
        allow_cloning([consent(**fields)], "c1", None, SOURCE, {"speaker": "Ann"}, DAY)


def test_without_a_word_about_the_voice_it_is_not_copied_and_the_message_says_what_to_do() -> None:
    for own_voice in (None, "", " "):
        with pytest.raises(CloningRefused, match=r"--consent ID .* --own-voice"):
            allow_cloning([consent(**CLONING)], None, own_voice)
    with pytest.raises(CloningRefused, match="not both"):
        allow_cloning([consent(**CLONING)], "c1", "Ann")


def test_a_voice_is_copied_with_its_consent_or_as_ones_own() -> None:
    assert allow_cloning([consent(**CLONING)], "c1", None, SOURCE, {}, DAY) == "consent c1 allows voice_cloning"
    assert allow_cloning([consent(**CLONING)], "c1", None, None, None, DAY) == "consent c1 allows voice_cloning"
    assert allow_cloning([], None, "Ann") == "Ann declares the voice to be their own"


@pytest.mark.parametrize("speaker", ["张三", "张三;李四", "李四 2"])
def test_a_voice_is_not_ones_own_where_metadata_name_another(speaker: str) -> None:
    with pytest.raises(CloningRefused, match=f"name the speaker {speaker}"):
        allow_cloning([], None, "李四", SOURCE, {"speaker": speaker})
    assert allow_cloning([], None, "李四", SOURCE, {"speaker": " 李四 "})


def test_a_tainted_model_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    refuse_tainted(tmp_path)
    refuse_tainted(tmp_path / "hub" / "name")
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"status": "promoted"}))
    refuse_tainted(tmp_path)
    card.write_text(json.dumps({"status": "tainted", "status_reason": "takedown t-1 withdrew it"}))
    with pytest.raises(TaintedModel, match=r"takedown t-1 withdrew it.*--allow-tainted"):
        refuse_tainted(tmp_path)
    with pytest.raises(TaintedModel):
        refuse_tainted(tmp_path / "checkpoints" / "step-10")
    link = tmp_path.parent / f"{tmp_path.name}-newest"
    link.symlink_to(tmp_path / "checkpoints" / "step-10")
    with pytest.raises(TaintedModel):
        refuse_tainted(link)
    refuse_tainted(tmp_path, allow=True)
    card.write_text("{")
    with pytest.raises(TaintedModel, match="cannot be read"):
        refuse_tainted(tmp_path)
