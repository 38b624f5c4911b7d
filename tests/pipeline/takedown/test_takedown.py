"""Claims about takedowns: what goes, what stays, that it is finished after a kill, and that nothing comes back."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import killed_takedown
import numpy as np
import pytest
import small_workspace as small
from audio_traces import pcm, traces, windows
from small_workspace import ANN, BEN, FOLDER, RATE, TURNS
from typer.testing import CliRunner

from assets.launch import RunFailed, run_pending
from cli.main import app
from pipeline import batches, ledger
from pipeline.audio import clips
from pipeline.audio.kept import KeptAudio
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.query import query
from pipeline.lake.rows import Row
from pipeline.lake.tables import TABLES
from pipeline.review import samples
from pipeline.rights import audit
from pipeline.rights.consents import read_consents, resolve
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings
from pipeline.stage_list import build_stage
from pipeline.takedown import takedown
from pipeline.takedown.plan import NothingToTakeDown
from pipeline.takedown.walk import REBUILT_CORPUS


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small.build(tmp_path_factory.mktemp("built") / "workspace")


@pytest.fixture
def settings(built: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(built.root, tmp_path / "workspace", copy_function=shutil.copy2)
    return Settings(workspace=tmp_path / "workspace", engine=Engine(workers=1))


def rows(settings: Settings, table: str) -> list[Row]:
    return Lake(settings.lake).rows(table)


def state(settings: Settings) -> tuple[dict[str, list[str]], list[str]]:
    """Every table but the tombstones, and every file but logs, journals and temporary ones."""
    tables = {
        table: sorted(map(repr, rows(settings, table))) for table in TABLES if table not in ("tombstones", "models")
    }
    tables["models"] = sorted(f"{row['model_id']} {row['status']}" for row in rows(settings, "models"))
    files = (file.relative_to(settings.root).as_posix() for file in settings.root.rglob("*") if file.is_file())
    return tables, sorted(file for file in files if "takedowns/" not in file and "tombstones/" not in file)


def voice(settings: Settings, who: str) -> set[bytes]:
    """Windows of all that one speaker says, as integers and floats, original and denoised, and of the stored FLAC."""
    found: set[bytes] = set()
    for name, turns in TURNS.items():
        samples = clips.read(settings.landing / FOLDER / f"{name}.wav")
        for start, end, speaker, _ in turns:
            if speaker == who:
                found |= windows(*pcm(samples[round(start * RATE) : round(end * RATE)]))
    for table in ("segments", "denoised"):
        labels = {row["turn_id"]: row["local_speaker"] for row in rows(settings, "turns")}
        for row in rows(settings, table):
            if labels[row["turn_id"]] == f"SPEAKER_{who}":
                cell = row["audio"]["bytes"]
                found |= windows(cell, *pcm(clips.decode_bytes(cell)[0]))
    return found


def no_leaks(settings: Settings) -> bool:
    lake = Lake(settings.lake)
    return not [leak for batch in lake.partitions("recordings") for leak in ledger.leaks(lake, batch)]


def test_the_small_workspace_is_sound(settings: Settings) -> None:
    assert no_leaks(settings)
    assert {row["decision"] for row in rows(settings, "corpus")} == {"keep"}


def test_a_dry_run_shows_every_place_and_touches_none(settings: Settings) -> None:
    before = state(settings)
    plan, removals = takedown.preview(settings, "speaker", small.speaker_id(settings, ANN))
    assert state(settings) == before
    assert not (settings.root / "takedowns").exists()
    places = {one.place for one in removals}
    for table in ("turns", "denoised", "hypotheses", "transcripts", "alignments", "segments"):
        assert f"lake/{table}/b00001.parquet" in places
    segment = next(row for row in rows(settings, "segments") if row["local_speaker"] == "SPEAKER_Ann")["segment_id"]
    assert {
        f"landing/{FOLDER}/duo.wav",
        f"landing/{FOLDER}/solo.wav",
        f"landing/{FOLDER}/metadata.csv",
        f"lake/training_set/{small.DIALECT}.parquet",
        f"lake/validation_set/{small.DIALECT}.parquet",
        f"training/{small.DIALECT}/train.jsonl",
        f"training/{small.DIALECT}/audio/{segment}.flac",
        f"models/{small.DIALECT}/tianjin-1/samples/reference.wav",
        "export/renamed.flac",
        "report/index.html",
        "cache",
    } <= places
    assert plan.tainted == ["tianjin-1"]


def test_takedown_removes_every_row_of_a_recording_and_no_other(settings: Settings) -> None:
    gone = small.recording_id(settings, "solo")
    samples.draw(Lake(settings.lake), "random-1")
    before = {table: rows(settings, table) for table in TABLES}
    takedown.take_down(settings, "recording", gone)
    for table, content in before.items():
        if table.startswith("evaluation") or table in ("models", "tombstones", "consents", "quarantine"):
            continue
        about = [row for row in content if gone in (row.get("recording_id"), row.get("reference_recording_id"))]
        assert about, table
        kept = [row for row in content if row not in about]
        assert sorted(map(repr, rows(settings, table))) == sorted(map(repr, kept)), table
    assert no_leaks(settings)
    assert query(Lake(settings.lake), "SELECT count(*) FROM recordings").rows == [(2,)]


def test_no_byte_of_a_withdrawn_voice_is_left_and_the_other_voice_is(settings: Settings) -> None:
    ann, ben = voice(settings, ANN), voice(settings, BEN)
    places = traces(settings.root, ann)
    assert {f"landing/{FOLDER}/duo.wav", f"landing/{FOLDER}/solo.wav", "export/renamed.flac"} <= set(places)
    for place in ("lake/segments/b00001.parquet", "lake/denoised/b00001.parquet", "cache/latents/1234.safetensors"):
        assert places[place] > 100, place
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    assert traces(settings.root, ann) == {}
    assert traces(settings.root, ben)["lake/segments/b00001.parquet"] > 100


def test_of_a_shared_recording_the_other_speaker_stays_where_the_withdrawn_one_is_silent(settings: Settings) -> None:
    shared = small.recording_id(settings, "duo")
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    for table in ("turns", "denoised", "hypotheses", "transcripts", "alignments", "segments", "training_set"):
        left = [row for row in rows(settings, table) if row["recording_id"] == shared]
        # Two turns of Ben; his third is spoken over, and by whom nobody knows.
        starts = [int((row.get("turn_id") or row["segment_id"]).rsplit("-", 2)[1]) // 1000 for row in left]
        assert sorted(starts) == [4, 12], table
    (row,) = [row for row in rows(settings, "recordings") if row["recording_id"] == shared]
    assert row["status"] == "ok"
    assert row["metadata"] == {"consent_id": "c-duo"}
    assert {row["local_speaker"] for row in rows(settings, "speakers")} == {"SPEAKER_Ben"}
    assert not (settings.landing / FOLDER / "duo.wav").exists()
    assert no_leaks(settings)
    (entry,) = [row for row in rows(settings, "ledger") if row["reason"] == "withdrawn"]
    assert (entry["stage"], entry["outcome"]) == ("identify", "dropped")
    assert entry["seconds"] == pytest.approx(3.5 + 3.5 + 1.5)


def test_a_second_speaker_of_the_same_recording_can_follow(settings: Settings) -> None:
    ben = small.speaker_id(settings, BEN)
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    takedown.take_down(settings, "speaker", ben)
    assert rows(settings, "recordings") == rows(settings, "segments") == rows(settings, "ledger") == []
    assert no_leaks(settings)


def test_decoded_audio_kept_between_stages_goes(settings: Settings) -> None:
    keeping = KeptAudio(str(settings.root / "cache" / "audio"), 10_000_000)
    list(keeping.keeping("0123", iter([np.ones(16_000, np.float32)]), 1.0))
    assert keeping.samples("0123") is not None
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    assert keeping.samples("0123") is None
    assert not (settings.root / "cache" / "audio").exists()


def test_training_files_and_exports_lose_what_is_withdrawn_and_keep_the_rest(settings: Settings) -> None:
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    folder = settings.root / "training" / small.DIALECT
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 3
    assert {line["text"] for line in lines} == {"买白菜"}
    assert sorted(Path(line["audio"]).name for line in lines) == sorted(
        file.name for file in (folder / "audio").iterdir()
    )
    assert [folder.name for folder in (settings.root / "cache").iterdir()] == [REBUILT_CORPUS]
    assert not (settings.root / "report" / "index.html").exists()
    assert list((settings.root / "export").iterdir()) == []
    assert not list((settings.lake / ".parts").rglob("*.parquet"))


def test_metadata_loses_the_lines_of_what_went_and_no_other_byte(settings: Settings) -> None:
    file = settings.landing / FOLDER / "metadata.csv"
    before = file.read_bytes()
    takedown.take_down(settings, "recording", f"{FOLDER}/solo.wav")
    solo = b'solo.wav,Ann,c-solo,"two\nlines, solo"\n'
    assert before.count(solo) == 1
    assert file.read_bytes() == before.replace(solo, b"")


def test_models_that_learned_from_it_are_tainted_in_table_and_card(settings: Settings) -> None:
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    status = {row["model_id"]: row["status"] for row in rows(settings, "models")}
    assert status == {"tianjin-1": "tainted", "tianjin-2": "candidate"}
    for name, expected in status.items():
        folder = settings.root / "models" / small.DIALECT / name
        assert json.loads((folder / "card.json").read_text())["status"] == expected
        assert (folder / "samples" / "reference.wav").exists() is (expected == "candidate")


def test_every_card_of_a_tainted_model_says_so(settings: Settings) -> None:
    lake = Lake(settings.lake)
    folder = settings.root / "models" / small.DIALECT / "tianjin-1"
    readme = "# tianjin-1\n\n**Status: promoted**: not worse\n\nstatus: promoted\n"
    (folder / "README.md").write_text(readme, encoding="utf-8")
    models = lake.rows("models", small.DIALECT)
    models[0] |= {"status": "promoted", "card": json.dumps({"model_id": "tianjin-1", "status": "promoted"})}
    lake.write("models", small.DIALECT, models)
    plan, _ = takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    (row,) = [row for row in rows(settings, "models") if row["model_id"] == "tianjin-1"]
    why = row["status_reason"]
    assert plan.takedown_id in why
    for card in (json.loads(row["card"]), json.loads((folder / "card.json").read_text(encoding="utf-8"))):
        assert (card["model_id"], card["status"], card["status_reason"]) == ("tianjin-1", "tainted", why)
    said = (folder / "README.md").read_text(encoding="utf-8")
    assert said == readme.replace("**Status: promoted**: not worse", f"**Status: tainted**: {why}")


def test_a_training_that_was_killed_goes_for_it_has_no_card_to_mark(settings: Settings) -> None:
    killed = [settings.root / "models" / dialect / "killed" for dialect in (small.DIALECT, "yue")]
    for folder in killed:
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "step-10.safetensors").write_bytes(b"weights")
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert [folder.exists() for folder in killed] == [False, True]


def test_a_model_fine_tuned_from_a_tainted_one_is_tainted_too_and_what_it_spoke_goes(settings: Settings) -> None:
    lake = Lake(settings.lake)
    models = lake.rows("models", small.DIALECT)
    models[1] |= {"base": "tianjin-1"}
    lake.write("models", small.DIALECT, models)
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert {row["status"] for row in rows(settings, "models")} == {"tainted"}
    assert rows(settings, "validation_set") == []


def test_tables_and_exports_nobody_listed_here_are_cleaned_too(settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    solo, other = small.recording_id(settings, "solo"), small.recording_id(settings, "other")
    for place, columns in (
        ("lake/new_table/x.parquet", {"made_from_recording_id": [solo, other, None]}),
        ("export/shard.parquet", {"segment_id": [f"{solo}-000000250-000005750", f"{other}-000000250-000005750", None]}),
        ("export/coded.parquet", {"recording_id": pa.array([solo, other, None]).dictionary_encode()}),
        ("export/merged.parquet", {"recording_ids": [[other, solo], [other], []]}),
    ):
        file = settings.root / place
        file.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), file)
    takedown.take_down(settings, "recording", solo)
    for place in ("lake/new_table/x.parquet", "export/shard.parquet", "export/coded.parquet", "export/merged.parquet"):
        assert pq.ParquetFile(settings.root / place).metadata.num_rows == 2, place


def test_metadata_of_a_shared_recording_goes_from_exports_in_whatever_form(settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"recording_id": small.recording_id(settings, "duo"), "local_speaker": "SPEAKER_Ben"}
    ids = {name: pa.array([value]) for name, value in row.items()}
    for form, cell in (("text", "Ann, of the market"), ("struct", {"speaker": "Ann"}), ("list", ["speaker", "Ann"])):
        pq.write_table(pa.table(ids | {"metadata": pa.array([cell])}), settings.root / "export" / f"{form}.parquet")
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    for form in ("text", "struct", "list"):
        left = pq.read_table(settings.root / "export" / f"{form}.parquet").to_pylist()
        assert left == [row | {"metadata": None}], form


def test_the_transcript_that_came_with_a_shared_recording_goes_from_its_row_and_from_landing(
    settings: Settings,
) -> None:
    lake, shared = Lake(settings.lake), small.recording_id(settings, "duo")
    lines = [{"start": 0.5, "end": 1.5, "text": "安妮在讲价钱", "speaker": "Ann"}]
    for batch in lake.partitions("recordings"):
        given = {"given": lines, "given_from": f"{FOLDER}/duo.eaf", "given_problem": "duo.srt", "given_notes": "Ann"}
        lake.write("recordings", batch, [row | given for row in lake.rows("recordings", batch)])
    beside = settings.landing / FOLDER / "duo.eaf"
    beside.write_text("<ANNOTATION_DOCUMENT/>", encoding="utf-8")
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    left = {row["recording_id"]: row for row in rows(settings, "recordings")}
    assert [left[shared][name] for name in ("given", "given_from", "given_problem", "given_notes")] == [None] * 4
    assert all(row["given"] for name, row in left.items() if name != shared)
    assert not beside.exists()


def test_a_file_that_cannot_be_read_is_named_and_stops_nothing_else(settings: Settings) -> None:
    broken = settings.root / "export" / "broken.parquet"
    broken.write_bytes(b"PAR1 no more")
    with pytest.raises(takedown.TakedownIncomplete, match=r"export/broken\.parquet: cannot be read"):
        takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert len(rows(settings, "recordings")) == 2
    with pytest.raises(RunFailed, match=r"export/broken\.parquet"):
        run_pending(settings, None)
    broken.unlink()
    assert len(takedown.finish_pending(settings)) == 1


def test_a_table_with_damaged_pages_is_named_and_a_damaged_part_goes(settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    solo = small.recording_id(settings, "solo")
    damaged, part = settings.root / "export" / "damaged.parquet", settings.lake / ".parts" / "score" / "b" / "x.parquet"
    content = {"recording_id": [solo, *(hashlib.sha256(bytes([n])).hexdigest() for n in range(200))]}
    pq.write_table(pa.table(content), damaged, compression="zstd", use_dictionary=False)
    pages = bytearray(damaged.read_bytes())
    pages[60:2000] = bytes(1940)
    damaged.write_bytes(pages)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PAR1 no more")
    with pytest.raises(OSError, match="decompression failed"):
        pq.read_table(damaged)
    with pytest.raises(takedown.TakedownIncomplete, match=r"left 1 places.*export/damaged\.parquet: cannot be read"):
        takedown.take_down(settings, "recording", solo)
    assert not part.exists()
    assert len(rows(settings, "recordings")) == 2


def test_a_cache_on_another_disk_is_emptied(settings: Settings) -> None:
    elsewhere = settings.root.parent / "disk"
    shutil.move(settings.root / "cache", elsewhere)
    (settings.root / "cache").symlink_to(elsewhere)
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert not elsewhere.exists()
    assert not (settings.root / "cache").is_symlink()


def test_a_broken_audit_log_keeps_nobody_from_taking_a_consent_back(settings: Settings) -> None:
    for _ in range(2):
        audit.append(settings.root, "consent.add", "c-other")
    (settings.root / audit.LOG).write_bytes(b"")
    said: list[str] = []
    takedown.take_down(settings, "consent", "c-other", say=said.append)
    assert any(words.startswith("revoked, but not logged") for words in said)
    assert f"{FOLDER}/other.wav" not in {row["source"] for row in rows(settings, "recordings")}
    consents, _ = read_consents(settings.landing / "consents.jsonl")
    assert [one.consent_id for one in consents if one.revoked] == ["c-other"]
    assert takedown.finish_pending(settings) == []


def test_a_consent_takes_what_it_alone_covers_and_is_revoked(settings: Settings) -> None:
    takedown.take_down(settings, "consent", "c-other")
    assert {row["source"] for row in rows(settings, "recordings")} == {f"{FOLDER}/duo.wav", f"{FOLDER}/solo.wav"}
    consents, _ = read_consents(settings.landing / "consents.jsonl")
    assert [one.consent_id for one in consents if one.revoked] == ["c-other"]
    assert resolve(consents, f"{FOLDER}/other.wav", {}, "asr")[0] is None
    assert [entry["action"] for entry in audit.read(settings.root)] == [
        "takedown.begin",
        "consent.revoke",
        "takedown.done",
    ]


def test_a_file_that_ingest_has_not_seen_goes_with_its_consent_and_is_refused_later(settings: Settings) -> None:
    fresh = settings.landing / FOLDER / "other.fresh.flac"
    fresh.write_bytes(b"not yet looked at")
    takedown.take_down(settings, "consent", "c-other")
    assert not fresh.exists()
    digest = hashlib.sha256(b"not yet looked at").hexdigest()
    assert digest in {row["file_sha256"] for row in rows(settings, "tombstones")}
    with pytest.raises(NothingToTakeDown, match="was withdrawn on"):
        takedown.take_down(settings, "consent", "c-other")


@pytest.mark.slow
def test_the_same_file_or_sound_is_refused_when_it_lands_again(settings: Settings) -> None:
    folder = settings.landing / FOLDER
    original, kept = folder / "solo.wav", settings.root.parent / "solo.wav"
    shutil.copy2(original, kept)
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    shutil.copy2(kept, original)
    from soundfile import write

    write(folder / "solo-again.flac", clips.read(kept), RATE, subtype="PCM_16")
    names = batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
    assert names == ["b00002"]
    run_stage(build_stage("ingest", settings), "b00002", settings)
    again = Lake(settings.lake).rows("recordings", "b00002")
    assert {row["source"]: row["status"] for row in again} == {
        f"{FOLDER}/solo.wav": "withdrawn",
        f"{FOLDER}/solo-again.flac": "withdrawn",
    }
    assert all("withdrawn on" in row["status_detail"] and "takedown t-" in row["status_detail"] for row in again)
    assert ledger.leaks(Lake(settings.lake), "b00002") == []
    assert {row["reason"] for row in Lake(settings.lake).rows("ledger", "b00002.ingest")} == {"withdrawn"}


@pytest.mark.slow
def test_what_stands_of_a_shared_recording_survives_the_next_run(settings: Settings) -> None:
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    before = rows(settings, "recordings")
    report = run_stage(build_stage("ingest", settings), "b00001", settings)
    after = rows(settings, "recordings")
    # The recording that is whole was made without ingest here and is computed now; the one without a file is not.
    assert report.recomputed == 1
    duo = [row for row in before if row["source"].endswith("duo.wav")]
    assert [row for row in after if row["source"].endswith("duo.wav")] == duo
    consents = settings.landing / "consents.jsonl"
    consents.write_text(consents.read_text().replace('["asr", "tts_training", "voice_cloning"]', '["publication"]'))
    run_stage(build_stage("ingest", settings), "b00001", settings)
    assert "ok" not in {row["status"] for row in rows(settings, "recordings")}


def test_a_tombstone_holds_hashes_and_numbers_and_no_name(settings: Settings) -> None:
    plan, _ = takedown.take_down(settings, "speaker", "Ann", reason="asked by letter")
    stones = rows(settings, "tombstones")
    assert {row["extent"] for row in stones} == {"whole"}
    assert {row["seconds"] for row in stones} == {19.0, 7.0}
    journal = (settings.root / "takedowns" / f"{plan.takedown_id}.json").read_text()
    for text in (repr(stones), journal):
        assert "Ann" not in text
        assert ".wav" not in text
    assert audit.verify(settings.root).broken is None


def test_a_file_that_took_the_name_of_a_withdrawn_one_stays(settings: Settings) -> None:
    file = settings.landing / FOLDER / "solo.wav"
    gone = small.recording_id(settings, "solo")
    shutil.copyfile(settings.landing / FOLDER / "other.wav", file)
    said: list[str] = []
    takedown.take_down(settings, "recording", gone, say=said.append)
    assert file.exists()
    assert any("another recording" in words for words in said)
    assert b"solo.wav" in (settings.landing / FOLDER / "metadata.csv").read_bytes()


def test_names_are_found_in_either_unicode_form(settings: Settings) -> None:
    lake = Lake(settings.lake)
    content = lake.rows("recordings", "b00001")
    content[0] |= {"source": f"{FOLDER}/cafe\u0301.wav", "metadata": {"speaker": "Ben; Rene\u0301"}}
    lake.write("recordings", "b00001", content)
    by_speaker, _ = takedown.preview(settings, "speaker", "Ren\u00e9")
    by_source, _ = takedown.preview(settings, "recording", f"{FOLDER}/caf\u00e9.wav")
    for plan in (by_speaker, by_source):
        assert [one.recording_id for one in plan.extents] == [content[0]["recording_id"]]


def test_an_unknown_id_is_refused_and_a_done_takedown_says_when_it_was(settings: Settings) -> None:
    with pytest.raises(NothingToTakeDown, match="SELECT"):
        takedown.take_down(settings, "recording", "nobody")
    gone = small.recording_id(settings, "solo")
    takedown.take_down(settings, "recording", gone)
    with pytest.raises(NothingToTakeDown, match="was withdrawn on"):
        takedown.take_down(settings, "recording", gone)


def test_a_takedown_waits_for_those_who_write(settings: Settings) -> None:
    said: list[str] = []
    waits = threading.Event()

    def say(words: str) -> None:
        said.append(words)
        waits.set()

    gone = small.recording_id(settings, "solo")
    with writing(settings.root), writing(settings.root):
        thread = threading.Thread(target=takedown.take_down, args=(settings, "recording", gone, "", say))
        thread.start()
        assert waits.wait(60)
        assert said == ["waiting until a running stage has finished"]
        assert len(rows(settings, "recordings")) == 3
    thread.join(60)
    assert len(rows(settings, "recordings")) == 2


@pytest.mark.slow
def test_a_killed_takedown_is_finished_on_the_next_start_wherever_it_was(built: Settings, tmp_path: Path) -> None:
    ann = voice(built, ANN)
    script = Path(killed_takedown.__file__)
    command = [sys.executable, str(script), str(built.root), small.speaker_id(built, ANN), str(tmp_path)]
    subprocess.run(command, check=True)
    expected = state(Settings(workspace=tmp_path / "whole"))
    killed = sorted((tmp_path / "killed").iterdir(), key=lambda folder: int(folder.name))
    assert len(killed) >= 8
    begun = 0
    for folder in killed:
        settings = Settings(workspace=folder)
        begun += len(takedown.finish_pending(settings))
        if not list(folder.glob("takedowns/t-*.json")):
            # Killed before the journal was there: nothing has happened.
            assert state(settings)[0] == state(built)[0]
            continue
        assert state(settings) == expected, folder.name
        assert audit.verify(folder).broken is None
        assert takedown.finish_pending(settings) == []
    assert begun >= 6
    assert traces(killed[len(killed) // 2], ann) == {}


def test_the_command_shows_first_and_removes_then(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    def fangyan(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["takedown", *words, "--workspace", str(settings.root)])
        return result.exit_code, result.output

    gone = small.recording_id(settings, "solo")
    code, said = fangyan("--recording", gone, "--dry-run")
    assert code == 0, said
    for words in ("would go", f"landing/{FOLDER}/solo.wav", "model tianjin-1: would be tainted"):
        assert words in said
    assert len(rows(settings, "recordings")) == 3
    code, said = fangyan("--recording", gone, "--reason", "asked by letter")
    assert code == 0, said
    assert "model tianjin-1: is tainted" in said
    assert len(rows(settings, "recordings")) == 2
    assert {row["reason"] for row in rows(settings, "tombstones")} == {"asked by letter"}
    for wrong in ((), ("--recording", gone, "--speaker", "x"), ("--resume", "--consent", "c"), ("--recording", gone)):
        code, said = fangyan(*wrong)
        assert (code, "Traceback" in said) == (1, False), wrong
    assert fangyan("--resume") == (0, "0 interrupted takedowns finished\n")
