"""Claims about the audit log: every change to it is noticed, and a crash is not taken for one."""

from __future__ import annotations

import itertools
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.rights import audit
from pipeline.rights.audit import HEAD, LOG

Lines = list[bytes]


def filled(workspace: Path, count: int = 6) -> Path:
    for number in range(count):
        audit.append(workspace, "consent.add", f"c-{number}", {"scopes": ["asr"], "text": "方言"})
    return workspace


def lines_of(workspace: Path) -> Lines:
    return (workspace / LOG).read_bytes().splitlines(keepends=True)


def test_each_entry_follows_from_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANGYAN_ACTOR", "archivist")
    entries = list(audit.read(filled(tmp_path)))
    assert [entry["index"] for entry in entries] == list(range(6))
    assert {entry["actor"] for entry in entries} == {"archivist"}
    assert entries[0]["previous"] == "0" * 64
    assert all(after["previous"] == before["hash"] for before, after in itertools.pairwise(entries))
    verdict = audit.verify(tmp_path)
    assert (verdict.entries, verdict.last_hash, verdict.broken) == (6, entries[-1]["hash"], None)


def edited(lines: Lines) -> Lines:
    return [*lines[:2], lines[2].replace(b"c-2", b"c-9"), *lines[3:]]


def edited_and_hashed_anew(lines: Lines) -> Lines:
    entry = json.loads(lines[2])
    entry["subject"] = "c-9"
    entry["hash"] = audit._hash(entry)
    return [*lines[:2], audit._canonical(entry) + b"\n", *lines[3:]]


def inserted(lines: Lines) -> Lines:
    return [*lines[:3], lines[2], *lines[3:]]


CHANGES: list[tuple[Callable[[Lines], Lines], int, str]] = [
    (edited, 2, "was edited"),
    (edited_and_hashed_anew, 3, "does not follow"),
    (lambda lines: [*lines[:2], *lines[3:]], 2, "removed, inserted or put in another order"),
    (lambda lines: lines[1:], 0, "removed"),
    (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 2, "another order"),
    (inserted, 3, "inserted"),
    (lambda lines: [*lines[:2], b"\n", *lines[2:]], 2, "not JSON"),
    (lambda lines: [*lines[:2], b'{"index": 2}\n', *lines[3:]], 2, "keys"),
    (lambda lines: lines[:-1], 5, "missing"),
    (lambda lines: lines[:-3], 3, "missing"),
    (lambda lines: [], 0, "missing"),
    (lambda lines: [*lines[:-1], lines[-1][:-20]], 5, "missing"),
]


@pytest.mark.parametrize(("change", "broken", "words"), CHANGES)
def test_a_change_is_found_at_the_first_entry_that_is_wrong(
    tmp_path: Path, change: Callable[[Lines], Lines], broken: int, words: str
) -> None:
    filled(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join(change(lines_of(tmp_path))))
    verdict = audit.verify(tmp_path)
    assert verdict.broken is not None
    assert verdict.broken.startswith(f"entry {broken}")
    assert words in verdict.broken
    result = CliRunner().invoke(app, ["audit", "verify", "--workspace", str(tmp_path)])
    assert result.exit_code == 1
    assert f"entry {broken}" in result.output


def test_a_log_cut_short_takes_no_more_entries(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / LOG).write_bytes(b"".join(lines_of(tmp_path)[:-2]))
    with pytest.raises(audit.AuditBroken, match="audit verify"):
        audit.append(tmp_path, "consent.add", "c-7")


def test_a_line_torn_by_a_crash_is_no_tampering_and_is_cut_off_and_logged(tmp_path: Path) -> None:
    filled(tmp_path)
    with (tmp_path / LOG).open("ab") as log:
        log.write(b'{"action":"consent.revoke","act')
    verdict = audit.verify(tmp_path)
    assert verdict.broken is None
    assert "31 bytes of an unfinished entry 6" in verdict.notes[0]
    audit.append(tmp_path, "consent.revoke", "c-1")
    assert [entry["action"] for entry in audit.read(tmp_path)][-2:] == [audit.TORN, "consent.revoke"]
    assert (audit.verify(tmp_path).entries, audit.verify(tmp_path).broken) == (8, None)


def test_a_crash_between_log_and_head_is_no_tampering(tmp_path: Path) -> None:
    filled(tmp_path)
    head = (tmp_path / HEAD).read_bytes()
    audit.append(tmp_path, "consent.add", "c-6")
    (tmp_path / HEAD).write_bytes(head)
    verdict = audit.verify(tmp_path)
    assert verdict.broken is None
    assert "entry 6 is not in audit.head.json yet" in verdict.notes[0]
    audit.append(tmp_path, "consent.add", "c-7")
    assert (audit.verify(tmp_path).entries, audit.verify(tmp_path).notes) == (8, [])


def test_a_missing_or_foreign_head_leaves_the_end_unproved(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    filled(tmp_path / "two")
    (tmp_path / "one" / HEAD).write_bytes((tmp_path / "two" / HEAD).read_bytes())
    assert "entry 5 is not the one" in str(audit.verify(tmp_path / "one").broken)
    (tmp_path / "one" / HEAD).unlink()
    assert "audit.head.json is missing" in str(audit.verify(tmp_path / "one").broken)
    with pytest.raises(audit.AuditBroken):
        audit.append(tmp_path / "one", "consent.add", "c-7")


def test_a_log_rewritten_with_its_head_is_found_by_a_hash_noted_elsewhere(tmp_path: Path) -> None:
    noted = list(audit.read(filled(tmp_path)))[3]["hash"]
    assert audit.verify(tmp_path, holds=noted).broken is None
    (tmp_path / LOG).unlink()
    (tmp_path / HEAD).unlink()
    assert "does not hold" in str(audit.verify(tmp_path, holds=noted).broken)
    filled(tmp_path)
    assert audit.verify(tmp_path).broken is None
    assert "rewritten" in str(audit.verify(tmp_path, holds=noted).broken)


def _append_some(workspace: Path) -> None:
    for number in range(10):
        audit.append(workspace, "consent.add", f"c-{number}")


def test_processes_that_append_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    processes = [multiprocessing.Process(target=_append_some, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert (audit.verify(tmp_path).entries, audit.verify(tmp_path).broken) == (40, None)


def test_an_empty_workspace_has_a_sound_and_empty_log(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "verify", "--workspace", str(tmp_path)])
    assert result.exit_code == 0
    assert "0 entries" in result.output
    assert not (tmp_path / LOG).exists()


def test_a_log_deleted_with_its_head_is_missed_where_takedowns_were(tmp_path: Path) -> None:
    (tmp_path / "takedowns").mkdir()
    (tmp_path / "takedowns" / "t-1.json").write_text("{}")
    assert "they were deleted" in (audit.verify(tmp_path).broken or "")


def test_show_prints_the_last_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    filled(tmp_path)
    result = CliRunner().invoke(app, ["audit", "show", "--last", "2", "--workspace", str(tmp_path)])
    assert result.exit_code == 0
    assert "c-5" in result.output
    assert "c-3" not in result.output
