"""Claims about adding, showing and revoking consents from the command line, each told to the audit log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline import batches
from pipeline.rights import audit
from pipeline.rights.consent import Consent
from pipeline.rights.consents import read_consents, resolve


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace" / "landing").mkdir(parents=True)
    return tmp_path / "workspace"


def fangyan(workspace: Path, *words: object) -> tuple[int, str]:
    command = [*map(str, words), "--workspace", str(workspace)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    return result.exit_code, result.output


def consents(workspace: Path) -> list[Consent]:
    found, problems = read_consents(workspace / "landing" / "consents.jsonl")
    assert problems == []
    return found


def add(workspace: Path, *words: object) -> tuple[int, str]:
    return fangyan(workspace, "consent", "add", *words)


def test_an_added_consent_allows_its_scopes_on_its_days_and_is_logged(workspace: Path, tmp_path: Path) -> None:
    form = tmp_path / "form 7.pdf"
    form.write_bytes(b"signed")
    digest = hashlib.sha256(b"signed").hexdigest()
    code, said = add(
        *(workspace, "c-7", "--scope", "asr", "--scope", "tts_training", "--recordings", "yue/**"),
        *("--subject", "Reader 7", "--from", "2026-01-01", "--until", "2027-12-31", "--evidence", form),
    )
    assert code == 0, said
    assert digest in said
    (consent,) = consents(workspace)
    assert (consent.subject, consent.evidence_sha256) == ("Reader 7", digest)
    day = consent.valid_from
    assert resolve([consent], "yue/tv/a.wav", {}, "tts_training", day)[0] == "c-7"
    assert resolve([consent], "yue/tv/a.wav", {}, "voice_cloning", day)[0] is None
    assert consent.evidence is not None
    assert (workspace / "landing" / consent.evidence).read_bytes() == b"signed"
    assert batches.problems(workspace / "landing") == []
    (entry,) = audit.read(workspace)
    assert (entry["action"], entry["subject"]) == ("consent.add", "c-7")
    assert entry["details"]["evidence_sha256"] == digest


def test_a_line_that_somebody_wrote_by_hand_without_an_end_is_not_glued_to_the_next(workspace: Path) -> None:
    line = {"consent_id": "by-hand", "scopes": ["asr"], "recordings": ["cmn/**"]}
    (workspace / "landing" / "consents.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert add(workspace, "c-1", "--scope", "asr", "--speaker", "王 [A]")[0] == 0
    assert [one.consent_id for one in consents(workspace)] == ["by-hand", "c-1"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--scope", "everything"), "everything"),
        (("--scope", "asr", "--from", "31.12.2026"), "31.12.2026"),
        (("--scope", "asr", "--from", "2026-02-01", "--until", "2026-01-01"), "before it begins"),
        (("--scope", "asr", "--evidence", "nowhere.pdf"), "nowhere.pdf"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    workspace: Path, words: tuple[str, ...], expected: str
) -> None:
    code, said = add(workspace, "c-1", *words)
    assert code == 1
    assert expected in said
    assert "Traceback" not in said
    assert list(workspace.rglob("*.jsonl")) == []


def test_an_id_that_is_taken_is_refused_revoked_or_not(workspace: Path) -> None:
    assert add(workspace, "c-1", "--scope", "asr", "--recordings", "yue/**")[0] == 0
    for _ in range(2):
        code, said = add(workspace, "c-1", "--scope", "tts_training", "--recordings", "**")
        assert (code, "exists already" in said) == (1, True)
        fangyan(workspace, "consent", "revoke", "c-1")
    assert consents(workspace)[0].scopes == ("asr",)


def test_a_revoked_consent_covers_nothing_and_keeps_its_line(workspace: Path) -> None:
    add(workspace, "c-1", "--scope", "asr", "--recordings", "yue/**")
    code, said = fangyan(workspace, "consent", "revoke", "c-1", "--reason", "asked by letter")
    assert code == 0
    assert "takedown --consent c-1" in said
    (consent,) = consents(workspace)
    assert "was revoked" in resolve([consent], "yue/tv/a.wav", {})[1]
    assert len((workspace / "landing" / "consents.jsonl").read_text().splitlines()) == 2
    assert [entry["action"] for entry in audit.read(workspace)] == ["consent.add", "consent.revoke"]
    assert fangyan(workspace, "consent", "revoke", "c-1")[0] == 1
    assert fangyan(workspace, "consent", "revoke", "c-2")[0] == 1
    assert audit.verify(workspace).entries == 2


def test_show_checks_the_evidence_against_its_hash(workspace: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.txt"
    form.write_text("signed", encoding="utf-8")
    add(workspace, "c-1", "--scope", "asr", "--recordings", "yue/**", "--evidence", form)
    code, said = fangyan(workspace, "consent", "show", "c-1")
    assert code == 0
    assert "is there and has its hash" in said
    evidence = workspace / "landing" / str(consents(workspace)[0].evidence)
    evidence.write_text("signed, or so", encoding="utf-8")
    code, said = fangyan(workspace, "consent", "show", "c-1")
    assert (code, "was changed" in said) == (1, True)
    evidence.unlink()
    code, said = fangyan(workspace, "consent", "show", "c-1")
    assert (code, "cannot be read" in said) == (1, True)


def test_list_says_of_each_whether_it_holds_today(workspace: Path) -> None:
    add(workspace, "c-now", "--scope", "asr", "--recordings", "yue/**")
    add(workspace, "c-over", "--scope", "asr", "--speaker", "王 [A]", "--until", "2020-01-01")
    with (workspace / "landing" / "consents.jsonl").open("a") as lines:
        lines.write('{"consent_id": "c-bare", "scopes": []}\n')
        lines.write("{broken\n")
    code, said = fangyan(workspace, "consent", "list")
    assert code == 0
    for words in ("c-now", "holds", "speaker 王 [A]", "ended on 2020-01-01", "is for nothing", "line 4"):
        assert words in said, words


def test_a_revocation_that_cannot_be_logged_holds_and_says_so(workspace: Path) -> None:
    for name in ("c-1", "c-2"):
        add(workspace, name, "--scope", "asr", "--recordings", "yue/**")
    (workspace / audit.LOG).write_bytes(b"")
    code, said = fangyan(workspace, "consent", "revoke", "c-1")
    assert (code, "is revoked, but that is not logged" in said) == (1, True)
    assert [one.consent_id for one in consents(workspace) if one.revoked] == ["c-1"]


def test_list_and_show_cut_nothing_and_can_be_read_by_programs(workspace: Path) -> None:
    name = "studio-yue-2026-01-05-" + "x" * 80
    add(workspace, name, "--scope", "asr", "--recordings", "yue/" + "y" * 90 + "/**", "--subject", "[bold]=1,2")
    for command in (["list"], ["show", name]):
        words = ["consent", *command, "--workspace", str(workspace)]
        result = CliRunner().invoke(app, words, env={"COLUMNS": "40"})
        assert name in result.output
        assert "y" * 90 in result.output
        (row,) = json.loads(CliRunner().invoke(app, [*words, "--format", "json"]).stdout)
        assert (row["consent_id"], row["subject"], row["today"]) == (name, "[bold]=1,2", "holds")
        header, line = CliRunner().invoke(app, [*words, "--format", "csv"]).stdout.splitlines()
        assert header.startswith("consent_id,")
        assert line.startswith(f"{name},")
    log = CliRunner().invoke(app, ["audit", "show", "--workspace", str(workspace), "--format", "json"])
    assert json.loads(log.stdout)[0]["subject"] == name


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_a_list_of_nothing_can_be_read_too(workspace: Path, format: str) -> None:
    code, said = fangyan(workspace, "consent", "list", "--format", format)
    assert (code, "Traceback" in said) == (0, False)


def test_add_warns_of_patterns_that_match_nothing(workspace: Path) -> None:
    folder = workspace / "landing" / "yue" / "[tv]"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"RIFF")
    for name, pattern, words in (
        ("c-1", "yue/[tv]/*", ""),
        ("c-2", "landing/yue/**", "leave that off"),
        ("c-3", "yue/tv/**", "matches no file that has landed"),
    ):
        code, said = add(workspace, name, "--scope", "asr", "--recordings", pattern)
        assert code == 0
        assert words in said
        assert ("landing folder" in said) is bool(words)


def test_evidence_outside_of_the_landing_folder_is_not_read(workspace: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (workspace / "landing" / "link.txt").symlink_to(secret)
    for evidence in (str(secret), "../../secret.txt", "link.txt"):
        line = {"consent_id": "c-1", "scopes": ["asr"], "recordings": ["cmn/**"], "evidence": evidence}
        (workspace / "landing" / "consents.jsonl").write_text(json.dumps(line), encoding="utf-8")
        code, said = fangyan(workspace, "consent", "show", "c-1")
        assert (code, "is not read" in said) == (1, True)
        assert hashlib.sha256(b"secret").hexdigest() not in said


def test_a_name_that_no_file_can_hold_is_refused(workspace: Path) -> None:
    code, said = add(workspace, "c-1", "--scope", "asr", "--subject", "\udcff")
    assert (code, "subject has half a surrogate pair" in said) == (1, True)


def test_an_id_whose_revocation_is_torn_is_not_given_again(workspace: Path) -> None:
    add(workspace, "c-1", "--scope", "asr", "--recordings", "yue/**")
    with (workspace / "landing" / "consents.jsonl").open("a") as lines:
        lines.write('{"consent_id": "c-1", "scopes": ["asr"], "revok')
    code, said = add(workspace, "c-1", "--scope", "asr", "--recordings", "yue/**")
    assert (code, "mend that line first" in said) == (1, True)
    assert read_consents(workspace / "landing" / "consents.jsonl")[0] == []
