"""Claims about metadata beside landed files: what cannot be read is named, ends no run, and widens no consent."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import batches
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_table
from pipeline.landed_metadata import Metadata
from pipeline.rights.consents import METADATA_PROBLEM, read_consents, resolve
from pipeline.run import run_stage
from pipeline.settings import Settings
from pipeline.stage_list import build_stage

FOLDER = "cmn/x"
REVOKED = "file_name,speaker,consent_id\na.wav,张三,c-revoked\n"
Asked = dict[str, str | None]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Consent c-all covers everything but what names c-revoked; a.wav and b.wav have landed."""
    folder = tmp_path / "landing" / FOLDER
    folder.mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"RIFF")
    lines = [{"consent_id": "c-all", "recordings": ["cmn/**"], "scopes": ["asr"]}]
    lines += [{"consent_id": "c-named", "scopes": ["asr"]}]
    lines += [{"consent_id": "c-revoked", "scopes": ["asr"], "revoked": "2026-01-05"}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "landing" / "consents.jsonl").write_text(text, encoding="utf-8")
    return tmp_path / "landing"


def write(landing: Path, content: bytes | str, name: str = "metadata.csv") -> None:
    (landing / FOLDER / name).write_bytes(content.encode() if isinstance(content, str) else content)


def asked(landing: Path) -> Asked:
    """The consent that covers each landed file, by its name."""
    consents, metadata = read_consents(landing / "consents.jsonl")[0], Metadata(landing)
    files = sorted(file for file in (landing / FOLDER).rglob("*.wav"))
    found: Asked = {}
    for file in files:
        source = file.relative_to(landing).as_posix()
        columns = metadata.of(source)
        found[file.name] = resolve(consents, source, columns)[0]
        # Whatever stands in metadata, a table can hold it.
        to_table(
            "recordings",
            [
                {"source": source, "recording_id": "r", "dialect": "cmn", "collection": "x"}
                | {"batch": "b", "provenance": "p", "status": "ok", "metadata": columns}
            ],
        )
    return found


def places(landing: Path, reason: str = "bad_metadata") -> list[str]:
    return [problem.source for problem in batches.problems(landing) if problem.reason == reason]


def csv_of(*rows: str, header: str = "file_name,speaker,consent_id") -> str:
    return "".join(f"{line}\n" for line in (header, *rows))


@pytest.mark.parametrize(
    "content",
    [
        REVOKED.encode("utf-8"),
        REVOKED.encode("utf-8-sig"),
        REVOKED.encode("gb18030"),
        REVOKED.encode("utf-16"),
        b"\xfe\xff" + REVOKED.encode("utf-16-be"),
        REVOKED.encode("utf-32"),
        REVOKED.replace(",", "\t").encode("utf-16"),
        REVOKED.replace(",", ";").encode("gb18030"),
        REVOKED.replace(",", ";"),
        REVOKED.replace(",", "\t"),
        REVOKED.replace(",", " , "),
        REVOKED.replace("\n", "\r\n"),
        REVOKED.replace("\n", "\r"),
        "sep=;\n" + REVOKED.replace(",", ";"),
        "# exported on Monday\n\n" + REVOKED,
        '"file_name";"speaker";"consent_id"\n"a.wav";"张三";"c-revoked"\n',
        csv_of("a.wav,张三,c-revoked", header="File_Name,Speaker,Consent_ID"),
        csv_of("a.wav,张三,c-revoked", header="file_name, speaker, consent_id "),
        csv_of("a.wav,张三,c-revoked", header="FILE_NAME,ｓｐｅａｋｅｒ,ＣＯＮＳＥＮＴ＿ＩＤ"),
        csv_of("./a.wav,张三,c-revoked"),
        csv_of(" a.wav ,张三, c-revoked "),
        csv_of(".\\a.wav,张三,c-revoked"),
        csv_of("a.wav,张三,c-revoked,,,", ",,", "  ", ""),
        csv_of(f"b.wav,{'x' * 200_000},", "a.wav,张三,c-revoked"),
    ],
)
def test_metadata_that_can_be_read_without_doubt_are_read(landing: Path, content: bytes | str) -> None:
    write(landing, content)
    assert asked(landing)["a.wav"] is None
    assert Metadata(landing).of(f"{FOLDER}/a.wav").get("consent_id", "").strip() == "c-revoked"


@pytest.mark.parametrize(
    "content",
    [
        REVOKED.encode("utf-16-le"),
        "file_name,speaker,consent_id\n\u738b\u4e94.wav,\u5f20\u4e09,c-revoked\n".encode("gb18030"),
        b"\xff\xfe" + REVOKED.encode("utf-16-le")[:-1],
        REVOKED.replace(",", "，"),
        csv_of("a.wav,张三,c-revoked", header="filename,speaker,consent_id"),
        csv_of("a.wav,张三,c-revoked", header="文件,说话人,同意书编号"),
        csv_of('b.wav,"李四', "a.wav,张三,c-revoked"),
        csv_of('b.wav,"李"四,', "a.wav,张三,c-revoked"),
        csv_of(",张三,c-revoked"),
        csv_of("a.wav;张三;c-revoked"),
        csv_of("张三,c-revoked", header="speaker,consent_id,file_name"),
        csv_of("a.wav,张三,c-all,c-revoked", header="file_name,speaker,consent_id,consent_id"),
        "{",
    ],
)
def test_no_pattern_covers_a_file_beside_metadata_that_cannot_be_read(landing: Path, content: bytes | str) -> None:
    write(landing, content)
    assert asked(landing) == {"a.wav": None, "b.wav": None}
    assert batches.problems(landing)[0].source.startswith(f"{FOLDER}/metadata.csv")
    (landing / FOLDER / "metadata.csv").unlink()
    assert asked(landing) == {"a.wav": "c-all", "b.wav": "c-all"}


@pytest.mark.parametrize(
    "content",
    [
        csv_of("a.wav,张三"),
        csv_of("a.wav,张三,c-revoked,more"),
        REVOKED.replace("张三", "張三").encode("big5"),
        REVOKED.replace("张三", "José Müller").encode("latin-1"),
        csv_of(f"a.wav,{'x' * 200_000},"),
        csv_of("a.wav,张\0三,"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,consent id"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,Consent-ID"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,consentid"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,concent_id"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,consent"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker,同意书编号"),
        csv_of("a.wav,张三,c-revoked", header="file_name,speaker;consent_id,note"),
        csv_of("a.wav,张三,c-revoked", "a.wav,张三,c-all"),
        csv_of("a.wav,李四,", "a.wav,张三,"),
        csv_of('b.wav,"李四,', 'a.wav,张三",'),
        csv_of("A.WAV,张三,c-revoked"),
        csv_of("a,张三,c-revoked"),
        csv_of("a.mp3,张三,c-revoked"),
        csv_of("/data/cmn/x/a.wav,张三,c-revoked"),
        csv_of("../x/a.wav,张三,c-revoked"),
        csv_of("C:\\data\\a.wav,张三,c-revoked"),
        csv_of("#a.wav,张三,c-revoked"),
        csv_of("# a.wav"),
        csv_of("b.wav,李四,", "a.wav,张三,c-\udced\udca0\udcbd").encode("utf-8", "surrogateescape"),
        csv_of("b.wav,李四,", "a.wav,张\ud83d,").encode("utf-8", "surrogatepass"),
    ],
)
def test_a_row_that_cannot_be_used_takes_its_file_from_the_patterns_and_no_other(
    landing: Path, content: bytes | str
) -> None:
    write(landing, content)
    assert asked(landing) == {"a.wav": None, "b.wav": "c-all"}
    told = "".join(problem.source + problem.message for problem in batches.problems(landing))
    assert f"{FOLDER}/metadata.csv, line " in told


@pytest.mark.parametrize(
    ("line", "denied"),
    [
        (r'{"file_name":"a.wav","speaker":"\ud83d"}', ["a.wav"]),
        (r'{"file_name":"a.wav","\ud83d":"x"}', ["a.wav"]),
        (r'{"file_name":"a.wav","note":{"deep":["\udc00"]}}', ["a.wav"]),
        (r'{"file_name":"a\ud83d.wav","speaker":"x"}', []),
        (r'{"file_name":"\ud83d.wav","consent_id":"c-revoked"}', ["a.wav", "b.wav"]),
        (r'{"file_name":"a.wav","speaker":"a\u0000b"}', ["a.wav"]),
        ('{"file_name":"a.wav","consent_id":"c-revoked","consent_id":"c-all"}', ["a.wav"]),
        ('{"file_name":"a.wav","consent_id":"c-named","Consent_ID":"c-revoked"}', ["a.wav"]),
        ('{"file_name":"a.wav","consent id":"c-revoked"}', ["a.wav"]),
        ('{"file_name":"a.wav","consent_id":"c-revo', ["a.wav"]),
        ('{"file_name":"a.wav","note":' + "[" * 5000 + "]" * 5000 + "}", ["a.wav"]),
        ('{"file_name":"a.wav","age":' + "9" * 5000 + "}", ["a.wav"]),
        ('{"file_name":"a.wav","note":"' + "x" * 200_000 + '"}', ["a.wav"]),
        ('{"file_name":7,"consent_id":"c-revoked"}', ["a.wav", "b.wav"]),
        ('{"speaker":"x"}', ["a.wav", "b.wav"]),
        ('["a.wav"]', ["a.wav", "b.wav"]),
        ("// a comment", ["a.wav", "b.wav"]),
    ],
)
def test_a_bad_line_of_json_is_named_and_takes_only_what_it_may_speak_of(
    landing: Path, line: str, denied: list[str]
) -> None:
    (landing / FOLDER / "c.wav").write_bytes(b"RIFF")
    write(landing, f'{{"file_name":"c.wav","consent_id":"c-named"}}\n{line}\n', "metadata.jsonl")
    expected: Asked = {name: None if name in denied else "c-all" for name in ("a.wav", "b.wav")}
    assert asked(landing) == expected | {"c.wav": "c-named"}
    assert places(landing) == [f"{FOLDER}/metadata.jsonl, line 2"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (30, "30"),
        (True, "true"),
        (1.5, "1.5"),
        (["c-1", "c-2"], '["c-1", "c-2"]'),
        ({"a": {"b": None}}, '{"a": {"b": null}}'),
        ("\x1b[31m\x07", "\x1b[31m\x07"),
        ("\ufffd\ufeff", "\ufffd\ufeff"),
        (10**400, str(10**400)),
        ("", None),
        (None, None),
    ],
)
def test_values_of_any_kind_are_kept_as_text(landing: Path, value: Any, kept: str | None) -> None:
    write(landing, json.dumps({"file_name": "a.wav", "note": value}), "metadata.jsonl")
    assert Metadata(landing).of(f"{FOLDER}/a.wav").get("note") == kept
    assert asked(landing)["a.wav"] == "c-all"


def test_a_row_that_names_a_consent_is_no_pattern_and_counts_beside_what_cannot_be_read(landing: Path) -> None:
    write(landing, csv_of("a.wav,张三,c-named", 'b.wav,"李四'))
    assert asked(landing) == {"a.wav": "c-named", "b.wav": None}
    (landing / "cmn" / "metadata.csv").write_bytes(b"\xff\xff")
    write(landing, csv_of("a.wav,张三,c-named", "b.wav,李四,"))
    assert asked(landing) == {"a.wav": "c-named", "b.wav": None}


def test_only_files_below_the_folder_are_kept_from_the_patterns(landing: Path) -> None:
    (landing / FOLDER / "deep").mkdir()
    (landing / FOLDER / "deep" / "d.wav").write_bytes(b"RIFF")
    (landing / FOLDER / "deep" / "metadata.csv").write_text("no header\n")
    assert asked(landing) == {"a.wav": "c-all", "b.wav": "c-all", "d.wav": None}


@pytest.mark.parametrize("name", ["Metadata.csv", "METADATA.CSV", "metadata.CSV"])
def test_capitals_in_the_name_of_the_file_do_not_hide_it(landing: Path, name: str) -> None:
    write(landing, REVOKED, name)
    assert asked(landing) == {"a.wav": None, "b.wav": "c-all"}
    assert [problem for problem in batches.problems(landing) if problem.source.endswith(name)] == []


@pytest.mark.parametrize("name", ["metadata.xlsx", "metadata.csv.txt", "Metadata.json", "metadata.\udcff"])
def test_metadata_of_another_kind_are_not_read_and_deny_unless_there_are_others(landing: Path, name: str) -> None:
    write(landing, REVOKED, name)
    assert asked(landing) == {"a.wav": None, "b.wav": None}
    write(landing, csv_of("b.wav,李四,"))
    assert asked(landing) == {"a.wav": "c-all", "b.wav": "c-all"}


def test_metadata_that_lead_nowhere_deny(landing: Path) -> None:
    (landing / FOLDER / "metadata.csv").symlink_to(landing / "nowhere.csv")
    assert asked(landing) == {"a.wav": None, "b.wav": None}
    (landing / FOLDER / "metadata.csv").unlink()
    (landing / FOLDER / "metadata.jsonl").mkdir()
    assert asked(landing) == {"a.wav": None, "b.wav": None}


def test_rows_about_files_that_have_not_landed_deny_nothing(landing: Path) -> None:
    (landing / FOLDER / "1").mkdir()
    (landing / FOLDER / "1" / "d.wav").write_bytes(b"RIFF")
    write(landing, csv_of("gone.wav,张三,c-revoked", "2/d.wav,张三,c-revoked", "b.wav,李四,", "a.flac,张三,c-1"))
    (landing / FOLDER / "a.flac").write_bytes(b"fLaC")
    assert asked(landing) == {"a.wav": "c-all", "b.wav": "c-all", "d.wav": "c-all"}


def test_a_name_may_lack_folders_or_have_more_of_them(landing: Path) -> None:
    for folder in ("1", "2"):
        (landing / FOLDER / folder).mkdir()
        (landing / FOLDER / folder / f"d{folder}.wav").write_bytes(b"RIFF")
    write(landing, csv_of("d1.wav,张三,c-revoked", "x/2/D2.wav,张三,c-revoked", "deep/a.wav,张三,c-revoked"))
    assert asked(landing) == {"a.wav": None, "b.wav": "c-all", "d1.wav": None, "d2.wav": None}


def test_names_in_another_unicode_form_are_the_same_file(landing: Path) -> None:
    (landing / FOLDER / unicodedata.normalize("NFD", "é.wav")).write_bytes(b"RIFF")
    write(landing, csv_of("\u00e9.wav,张三,c-revoked"))
    assert asked(landing)[unicodedata.normalize("NFD", "é.wav")] is None
    assert asked(landing)["a.wav"] == "c-all"


def test_columns_and_values_of_good_metadata_are_kept_as_they_are(landing: Path) -> None:
    write(landing, 'file_name,Region,speaker,note,,consent_date\na.wav, 天津 ,张三,"two\nlines, more",,2026\n')
    expected = {"Region": " 天津 ", "speaker": "张三", "note": "two\nlines, more", "consent_date": "2026"}
    assert Metadata(landing).of(f"{FOLDER}/a.wav") == expected
    assert asked(landing) == {"a.wav": "c-all", "b.wav": "c-all"}


def test_problems_can_be_printed_and_name_every_line(landing: Path) -> None:
    lines = [r'{"file_name":"a.wav","speaker":"\ud83d"}'] * 3 + ['{"file_name":"\x1b[31m.wav"']
    write(landing, "\n".join(lines), "metadata.jsonl")
    problems = batches.problems(landing)
    assert problems[0].source == f"{FOLDER}/metadata.jsonl, line 1"
    assert "half a surrogate pair" in problems[0].message
    assert "lines 2, 3 too" in problems[0].message
    assert all((problem.source + problem.message).isprintable() for problem in problems)


@pytest.mark.slow
def test_a_half_character_in_metadata_does_not_end_the_batch(
    landing: Path, encode: Callable[..., Path], murmur: Callable[..., Any]
) -> None:
    for number, name in enumerate(("a", "b")):
        encode(landing / FOLDER / f"{name}.wav", murmur(1.0, 16000, number), 16000)
    write(
        landing, '{"file_name":"a.wav","speaker":"\\ud83d"}\n{"file_name":"b.wav","speaker":"李四"}\n', "metadata.jsonl"
    )
    settings = Settings(workspace=landing.parent)
    (batch,) = batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
    report = run_stage(build_stage("ingest", settings), batch, settings)
    assert (report.recordings, report.quarantined) == (2, 0)
    rows = {row["source"]: row for row in Lake(settings.lake).rows("recordings")}
    refused, good = rows[f"{FOLDER}/a.wav"], rows[f"{FOLDER}/b.wav"]
    assert (good["status"], good["metadata"]) == ("ok", {"speaker": "李四"})
    assert refused["status"] == "no_consent"
    assert f"{FOLDER}/metadata.jsonl, line 1" in refused["status_detail"]
    assert METADATA_PROBLEM in refused["metadata"]
