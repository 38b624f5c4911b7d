"""A dialect's voice from corpus to report through a real Dagster instance, on the tiny random checkpoint."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.automation import new_training_sets
from assets.definitions import build_definitions
from assets.fine_tuning import run_config
from assets.launch import RunFailed, open_instance, run_voice
from assets.resources import Workspace
from assets.schedules import build_schedules
from assets.voice_checks import not_worse_than_its_base
from model.evaluation.promotion import decide
from model.labels import labels
from model.validation.texts import Text, write_texts
from model.voices.registry import current, set_status, to_judge
from pipeline.audio.clips import encode_flac, to_int16
from pipeline.corpus.dedup import samples_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.settings import PROJECT, Settings, load_settings

pytestmark = pytest.mark.slow

DIALECT = "cmn-tianjin"
RATE = 16_000
TEXTS = [
    Text("tj-1", "everyday", "您了干嘛去。", "nin2 le5 gan4 ma2 qu4"),
    Text("tj-2", "numbers", "三块五。", "san1 kuai4 wu3"),
]
CONFIG = f"""
workspace = "{{root}}"
[base_model]
checkpoint = "{PROJECT / "tests/fixtures/voxcpm2-tiny-float32/checkpoint"}"
[training_set]
min_total_seconds = 5
[fine_tune]
steps = 2
warmup = 1
rank = 2
batch_samples = 2
accumulate = 1
eval_every = 1
[validation]
prompts = 2
long_prompts = 0
noise_prompts = 1
speed_prompts = 1
references = 2
steps = 2
rows = 4
"""


def segment(name: str, recording: str, start: float, samples: np.ndarray) -> dict:
    seconds = len(samples) / RATE
    times = np.linspace(start + 0.1, start + seconds - 0.1, 6)
    spoken = zip("今儿天儿好", ("jin1", "er2", "tian1", "er2", "hao3"), times, times[1:], strict=False)
    characters = [{"char": one, "start": first, "end": last, "score": 0.9} for one, _, first, last in spoken]
    return {
        "segment_id": name,
        "recording_id": recording,
        "turn_id": "t",
        "batch": "b00001",
        "dialect": DIALECT,
        "start": start,
        "end": start + seconds,
        "duration": seconds,
        "text": "今儿天儿好。",
        "text_normalized": "今儿天儿好",
        "romanization": "jin1 er2 tian1 er2 hao3",
        "characters": characters,
        "dnsmos_ovrl": 3.5,
        "tier": "keep",
        "decision": "keep",
        "audio": {"bytes": encode_flac(samples, RATE), "path": f"{name}.flac"},
        "audio_sha256": samples_sha256(to_int16(samples), RATE),
        "sample_rate": RATE,
        "provenance": "p",
    }


@pytest.fixture(scope="module")
def corpus_only(tmp_path_factory: pytest.TempPathFactory, murmur: Callable[..., np.ndarray]) -> Path:
    """A workspace whose corpus is made: Ann trains with three clips, Bo is dev, Cy test."""
    root = tmp_path_factory.mktemp("voice")
    lake = Lake(root / "lake")
    people = {"ann": ("train", 3), "bo": ("dev", 2), "cy": ("test", 2)}
    recordings: list[dict] = []
    segments, decided, speakers, consents = [], [], [], []
    for number, (person, (split, count)) in enumerate(people.items()):
        name, source = f"r{person}", f"{DIALECT}/market/{person}.wav"
        shared = {"recording_id": name, "batch": "b00001", "provenance": "p"}
        recordings.append(shared | {"source": source, "dialect": DIALECT, "status": "ok", "metadata": {}})
        scopes = ["asr", "tts_training", "voice_cloning"]
        consents.append({"consent_id": f"c-{person}", "recordings": [source], "scopes": scopes})
        speakers.append({"speaker_id": person, "recording_id": name, "local_speaker": "S0", "dialect": DIALECT})
        for place in range(count):
            samples = murmur(4.0, RATE, seed=10 * number + place)
            segments.append(segment(f"{person}{place}", name, 6.0 * place, samples))
            row = {"segment_id": f"{person}{place}", "recording_id": name, "speaker_id": person}
            decided.append(row | {"split": split, "decision": "keep"})
    lake.write("recordings", "b00001", recordings)
    lake.write("segments", "b00001", segments)
    lake.write("corpus", "all", decided)
    lake.write("speakers", "all", speakers)
    (root / "landing").mkdir()
    write_consents(root, consents)
    write_texts(root, DIALECT, TEXTS)
    (root / "fangyan.toml").write_text(CONFIG.format(root=root), encoding="utf-8")
    return root


def write_consents(root: Path, consents: list[dict]) -> None:
    lines = "".join(json.dumps(one) + "\n" for one in consents)
    (root / "landing" / "consents.jsonl").write_text(lines, encoding="utf-8")


def copy_of(root: Path, to: Path) -> tuple[Settings, Path]:
    """The workspace in another folder; its settings and their file."""
    shutil.copytree(root, to)
    config = to / "fangyan.toml"
    config.write_text(CONFIG.format(root=to), encoding="utf-8")
    return load_settings(config, {}), config


@pytest.fixture(scope="module")
def finished_voice(corpus_only: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """The loop run once; tests that change it work on a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        settings, config = copy_of(corpus_only, tmp_path_factory.mktemp("finished") / "workspace")
        run_voice(settings, config, DIALECT)
    return settings, config


def metadata(settings: Settings, asset: str) -> dict[str, Any]:
    """Of the asset's latest materialization."""
    with open_instance(settings) as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset))
        (record,) = instance.fetch_materializations(wanted, limit=1).records
        materialization = record.asset_materialization
        assert materialization is not None
        return {key: value.value for key, value in materialization.metadata.items()}


def spoken(settings: Settings) -> list[dict]:
    return Lake(settings.lake).rows("validation_set", DIALECT)


def test_the_model_lies_in_its_folder_with_card_and_row(finished_voice: tuple[Settings, Path]) -> None:
    settings, _ = finished_voice
    (row,) = Lake(settings.lake).rows("models", DIALECT)
    folder = settings.root / row["path"]
    assert row["model_id"].startswith(f"{DIALECT}-")
    assert row["base"] == "checkpoint"
    assert row["consent_ids"] == ["c-ann", "c-bo"]
    assert row["recording_ids"] == ["rann", "rbo"]
    assert {"lora_weights.safetensors", "lora_config.json", "curves.json", "curves.png"} <= {
        file.name for file in folder.iterdir()
    }
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card == json.loads(row["card"])
    assert {"base_sha256", "training_set_sha256", "config", "versions", "label_practice"} <= card.keys()
    assert card["status"] in (folder / "README.md").read_text(encoding="utf-8")


def test_both_voices_and_the_other_system_say_the_same_and_every_sound_is_labelled(
    finished_voice: tuple[Settings, Path],
) -> None:
    rows = spoken(finished_voice[0])
    asked: dict[str, set[str]] = {}
    for row in rows:
        asked.setdefault(row["system"], set()).add(row["utterance_id"])
    assert asked["base"] == asked["fine_tuned"]
    assert asked["espeak-ng"] == {f"{text.prompt_id}-quality" for text in TEXTS}
    assert {row["purpose"] for row in rows} == {"quality", "noise", "speed"}
    # Only who is in no training set and lets their voice be cloned is copied.
    assert {row["reference_recording_id"] for row in rows} == {"rbo", "rcy"}
    for row in rows:
        assert row["error"] is None
        report = labels.inspect(row["audio"]["bytes"])
        assert report.standing is labels.Standing.INTACT
        assert report.label is not None
        assert report.label.to_json() == row["label"]


def test_every_metric_is_there_for_both_sides_and_the_status_says_what_decided(
    finished_voice: tuple[Settings, Path],
) -> None:
    settings, _ = finished_voice
    lake = Lake(settings.lake)
    summary = lake.rows("evaluation_summary", DIALECT)
    overall = {(row["system"], row["metric"]) for row in summary if not row["condition"]}
    for system in ("base", "fine_tuned", "difference"):
        assert {(system, name) for name in ("cer", "similarity", "dnsmos", "stop_rate", "rtf")} <= overall
    recordings = {row["metric"]: row for row in summary if row["system"] == "recordings"}
    assert {"similarity", "dnsmos", "tone_distance"} <= recordings.keys()
    conditions = {row["condition"] for row in summary}
    assert {"clean", "snr 0 dB denoised", "steps 4, guidance 2"} <= conditions
    (model,) = lake.rows("models", DIALECT)
    assert model["status"] in ("promoted", "undecided", "rejected")
    decision = decide(summary, model, settings.evaluation.guarded)
    assert (model["status"], model["status_reason"]) == (decision.status, decision.reason)
    found = promotion_check(settings)
    assert found["reason"] == decision.reason
    assert found["status"] == decision.status


def promotion_check(settings: Settings) -> dict[str, Any]:
    with open_instance(settings) as instance:
        run = instance.get_runs(dg.RunsFilter(job_name="voice_job"))[0]
        records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        data = event.asset_check_evaluation_data
        if data.check_name == "not_worse_than_its_base":
            return {key: value.value for key, value in data.metadata.items()}
    raise AssertionError("the voice was not checked")


def test_report_and_catalog_show_the_voice(finished_voice: tuple[Settings, Path]) -> None:
    settings, _ = finished_voice
    page = (settings.root / "report" / "index.html").read_text(encoding="utf-8")
    (model,) = Lake(settings.lake).rows("models", DIALECT)
    assert model["model_id"] in page
    assert metadata(settings, "report")["report"] == "http://127.0.0.1:3001/index.html"
    assert f"| {DIALECT} |" in metadata(settings, "report")["verdicts"]
    counts = """SELECT (SELECT count(*) FROM training_set), (SELECT count(*) FROM validation_set),
        (SELECT count(*) FROM evaluation), (SELECT count(*) FROM models WHERE list_contains(recording_ids, 'rann'))"""
    ((clips, utterances, measured, models),) = query(Lake(settings.lake), counts).rows
    assert (clips, models) == (5, 1)
    assert utterances == len(spoken(settings))
    assert measured > utterances


def test_a_second_run_trains_and_speaks_nothing_again(finished_voice: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    tables = ("training_set", "models", "validation_set", "evaluation", "evaluation_summary")
    before = {table: Lake(settings.lake).rows(table, DIALECT) for table in tables}
    run_voice(settings, config, DIALECT)
    assert metadata(settings, "fine_tuned_model")["reused"] is True
    facts = metadata(settings, "validation_set")
    assert (facts["spoken"], facts["reused"]) == (0, len(before["validation_set"]))
    assert {table: Lake(settings.lake).rows(table, DIALECT) for table in tables} == before


def test_a_consent_taken_back_makes_another_model_without_that_voice(
    finished_voice: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    (first,) = Lake(settings.lake).rows("models", DIALECT)
    kept = [{"consent_id": "c-ann", "recordings": [f"{DIALECT}/market/ann.wav"], "scopes": ["tts_training"]}]
    write_consents(settings.root, kept)
    run_voice(settings, config, DIALECT)
    (_, second) = Lake(settings.lake).rows("models", DIALECT)
    assert second["model_id"] != first["model_id"]
    assert second["consent_ids"] == ["c-ann"]
    # Nobody lets their voice be cloned any more: both speak, but copy no one.
    assert {row["reference_recording_id"] for row in spoken(settings)} == {None}


def test_with_too_little_speech_nothing_is_trained_and_the_check_says_so(corpus_only: Path, tmp_path: Path) -> None:
    settings, config = copy_of(corpus_only, tmp_path / "workspace")
    write_consents(settings.root, [])
    with pytest.raises(RunFailed, match="has 0 s of speech to train on"):
        run_voice(settings, config, DIALECT)
    assert not (settings.root / "models").exists()
    definitions = build_definitions(Workspace(config=str(config), root=str(settings.root)))
    job = definitions.get_repository_def().get_job("voice_job")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key=DIALECT,
            raise_on_error=False,
            asset_selection=[dg.AssetKey("fine_tuned_model")],
        )
    assert not result.success
    messages = [str(event.event_specific_data) for event in result.all_events if event.is_failure]
    assert any("has 0 s of speech to train on" in message for message in messages)


@pytest.mark.long
def test_a_run_killed_while_speaking_goes_on_where_it_was(corpus_only: Path, tmp_path: Path) -> None:
    settings, config = copy_of(corpus_only, tmp_path / "workspace")
    command = [sys.executable, "-m", "cli.main", "voice", "--dialect", DIALECT, "--config", str(config)]
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    process = subprocess.Popen(command, env=environment, cwd=PROJECT, start_new_session=True)
    parts = settings.lake / ".parts" / "validate" / DIALECT
    deadline = time.monotonic() + 300
    while not list(parts.glob("[!.]*.parquet")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list(parts.glob("[!.]*.parquet")))
    assert finished
    assert not spoken(settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        run_voice(settings, config, DIALECT)
    assert metadata(settings, "fine_tuned_model")["reused"] is True
    facts = metadata(settings, "validation_set")
    assert facts["reused"] >= finished
    assert facts["spoken"] + facts["reused"] == len(spoken(settings))
    assert not parts.exists()


def difference(metric: str, value: float, verdict: str) -> dict[str, Any]:
    return {
        "system": "difference",
        "model_id": "m",
        "metric": metric,
        "condition": None,
        "value": value,
        "low": value - 0.01,
        "high": value + 0.01,
        "n": 20,
        "verdict": verdict,
    }


def test_promotion_is_refused_for_one_guarded_metric_that_is_worse() -> None:
    model = {"model_id": "m", "dialect": "cmn-tianjin", "status": "candidate", "status_reason": ""}
    better = difference("cer", -0.12, "better")
    guarded = {"cer": 0.02, "dnsmos": 0.1}
    good = decide([better, difference("dnsmos", -0.002, "undecided")], model, guarded)
    assert good.status == "promoted"
    assert "−12.0 points" in good.reason
    bad = decide([better, difference("dnsmos", -0.5, "worse")], model, guarded)
    assert bad.status == "rejected"
    assert bad.reason == ("Predicted quality is worse than the base's by −0.50 MOS (95 % interval −0.51 to −0.49)")
    unguarded = decide([better, difference("dnsmos", -0.5, "worse")], model, {"cer": 0.02})
    assert unguarded.status == "promoted"


def test_promotion_asks_of_english_its_word_errors_and_no_tones() -> None:
    model = {"model_id": "m", "dialect": "en", "status": "candidate", "status_reason": ""}
    guarded = {"cer": 0.02, "tone_distance": 0.1}
    assert decide([difference("wer", -0.1, "better")], model, guarded).status == "promoted"
    assert decide([difference("wer", 0.1, "worse")], model, guarded).status == "rejected"
    assert decide([difference("cer", -0.1, "better")], model, guarded).status == "rejected"


def test_promotion_is_refused_for_what_was_not_measured_and_for_tainted_models() -> None:
    model = {"model_id": "m", "dialect": "cmn-tianjin", "status": "candidate", "status_reason": ""}
    missing = decide([difference("cer", -0.1, "better")], model, {"cer": 0.02, "similarity": 0.02})
    assert (missing.status, "not measured" in missing.reason) == ("rejected", True)
    other = decide([difference("cer", -0.1, "better") | {"model_id": "another"}], model, {"cer": 0.02})
    assert other.status == "rejected"
    tainted = decide([difference("cer", -0.1, "better")], model | {"status": "tainted"}, {"cer": 0.02})
    assert (tainted.status, "tainted" in tainted.reason) == ("rejected", True)


def made(name: str, content: str, partition: str | None = None) -> dg.AssetMaterialization:
    tags = {"dagster/data_version": content, "dagster/is_user_provided_data_version": "true"}
    return dg.AssetMaterialization(name, partition=partition, tags=tags)


def run_chosen(settings: Settings, config: Path, assets: list[str], ops: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Some assets of the voice's job, with a launchpad's configuration."""
    definitions = build_definitions(Workspace(config=str(config), root=str(settings.root)))
    job = definitions.get_repository_def().get_job("voice_job")
    with open_instance(settings) as instance:
        return job.execute_in_process(
            instance=instance,
            partition_key=DIALECT,
            asset_selection=[dg.AssetKey(name) for name in assets],
            run_config={"ops": {name: {"config": values} for name, values in ops.items()}},
            raise_on_error=False,
        )


@pytest.mark.slow
def test_an_experiment_changes_nothing_that_is_judged_or_promoted_until_it_is_asked_for(
    finished_voice: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    lake = Lake(settings.lake)
    before, said = current(lake, settings, DIALECT), {row["model_id"] for row in spoken(settings)}
    assert before is not None
    trained = run_chosen(settings, config, ["fine_tuned_model"], {"fine_tuned_model": {"steps": 1, "alpha": 3.0}})
    assert trained.success
    (made,) = trained.asset_materializations_for_node("fine_tuned_model")
    experiment = str(made.metadata["model_id"].value)
    assert made.metadata["status"].value == "experiment"
    assert made.metadata["changed"].value == {"steps": 1, "alpha": 3.0}
    assert str(made.metadata["loss"].value).startswith("![loss by step](data:image/png;base64,")
    # What follows the model sees no other content.
    assert (made.tags or {})["dagster/data_version"] == before.model_id
    assert current(lake, settings, DIALECT) == before
    judging = ["validation_set", "evaluation", "promotion"]
    assert run_chosen(settings, config, judging, {}).success
    assert {row["model_id"] for row in spoken(settings)} == said

    assert run_chosen(settings, config, judging, {"validation_set": {"model_id": experiment}}).success
    systems = {row["model_id"]: row["system"] for row in spoken(settings)}
    # It is put beside the voice that speaks for the dialect, whose evidence stays.
    assert (systems[experiment], systems[before.model_id]) == ("experiment", "fine_tuned")
    assert said < systems.keys()
    rows = {row["model_id"]: row for row in lake.rows("models", DIALECT)}
    assert rows[experiment]["status"] == "experiment"
    assert rows[experiment]["status_reason"].startswith("an experiment; it would be ")
    assert current(lake, settings, DIALECT) == before
    refused = run_chosen(settings, config, ["validation_set"], {"validation_set": {"model_id": "nobody"}})
    assert "has no voice 'nobody'" in str(refused.get_step_failure_events()[0].event_specific_data)


@pytest.mark.slow
def test_a_run_with_another_configuration_as_a_candidate_is_judged(
    finished_voice: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    run_voice(settings, config, DIALECT, steps=1, candidate=True)
    row = Lake(settings.lake).rows("models", DIALECT)[-1]
    assert row["status"] in ("promoted", "rejected")
    assert row["model_id"] in {one["model_id"] for one in spoken(settings)}


@pytest.mark.slow
def test_a_new_candidate_is_compared_with_the_promoted_voice_on_the_same_texts(
    finished_voice: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    lake = Lake(settings.lake)
    (first,) = lake.rows("models", DIALECT)
    set_status(lake, settings, first["model_id"], DIALECT, "promoted", "for this test")
    before = {row["provenance"]: row for row in spoken(settings)}
    run_voice(settings, config, DIALECT, steps=1, candidate=True)
    rows = [row for row in spoken(settings) if row["system"] == "promoted_before"]
    # It says nothing again, and in quality alone.
    assert {row["utterance_id"] for row in rows} == {f"{text.prompt_id}-quality" for text in TEXTS}
    assert all(row == before[row["provenance"]] | {"system": "promoted_before"} for row in rows)
    second = lake.rows("models", DIALECT)[-1]["model_id"]
    over = [row for row in lake.rows("evaluation_summary", DIALECT) if row["condition"] == "over promoted_before"]
    assert {row["metric"] for row in over} >= {"cer", "similarity", "dnsmos", "stop_rate"}
    assert {(row["model_id"], row["against"]) for row in over} == {(second, first["model_id"])}
    # The dialect of speech under a second is not judged.
    assert {row["n"] for row in over if row["metric"] in ("cer", "similarity", "dnsmos", "stop_rate")} == {len(TEXTS)}
    history = lake.rows("evaluation_history", DIALECT)
    told = {(row["model_id"], row["against"]) for row in history}
    assert told == {(first["model_id"], "checkpoint"), (second, "checkpoint"), (second, first["model_id"])}
    page = (settings.root / "report" / "index.html").read_text(encoding="utf-8")
    assert "Against the voice promoted before" in page
    assert page.count("<time") >= 3


def test_the_launchpad_shows_every_knob_with_the_configurations_value(corpus_only: Path) -> None:
    fields = run_config(load_settings(corpus_only / "fangyan.toml", {}).fine_tune).model_fields
    assert {"kind", "steps", "learning_rate", "rank", "alpha", "warmup", "batch_samples", "candidate"} <= fields.keys()
    assert (fields["steps"].default, fields["alpha"].default) == (2, 64)
    assert all(field.description for field in fields.values())


def test_the_promoted_voice_speaks_for_the_dialect_though_a_later_one_was_rejected(tmp_path: Path) -> None:
    settings, lake = Settings(workspace=tmp_path), Lake(tmp_path / "lake")

    def row(name: str, status: str) -> dict[str, Any]:
        return {"model_id": name, "dialect": DIALECT, "status": status, "path": f"models/{name}"}

    lake.write("models", DIALECT, [row("a", "promoted"), row("b", "rejected"), row("c", "experiment")])
    found, next_one = current(lake, settings, DIALECT), to_judge(lake, settings, DIALECT)
    assert found is not None
    assert next_one is not None
    assert (found.model_id, next_one.model_id) == ("a", "b")
    lake.write("models", DIALECT, [row("a", "tainted"), row("c", "experiment")])
    assert current(lake, settings, DIALECT) is None


def test_checking_a_voice_again_writes_nothing(finished_voice: tuple[Settings, Path]) -> None:
    settings, config = finished_voice
    files = {file: file.stat().st_mtime_ns for file in settings.lake.rglob("*.parquet")}
    log = (settings.root / "audit.jsonl").read_bytes() if (settings.root / "audit.jsonl").exists() else b""
    workspace = Workspace(config=str(config), root=str(settings.root))
    with dg.build_asset_context(partition_key=DIALECT) as context:
        result = not_worse_than_its_base(context, workspace=workspace)
    assert isinstance(result, dg.AssetCheckResult)
    assert result.metadata["status"].value in ("promoted", "rejected")
    assert {file: file.stat().st_mtime_ns for file in settings.lake.rglob("*.parquet")} == files
    assert ((settings.root / "audit.jsonl").read_bytes() if log else b"") == log


def test_the_status_that_a_model_got_is_shown_at_the_model(finished_voice: tuple[Settings, Path]) -> None:
    settings, _ = finished_voice
    (row,) = Lake(settings.lake).rows("models", DIALECT)
    with open_instance(settings) as instance:
        (latest,) = instance.fetch_observations(dg.AssetKey("fine_tuned_model"), limit=1).records
    observation = latest.asset_observation
    assert observation is not None
    assert observation.metadata["status"].value == row["status"] != "candidate"


def asked_for(instance: dg.DagsterInstance, workspace: Workspace) -> list[str | None]:
    """Dialects whose training sets the sensor asks for."""
    result = new_training_sets(dg.build_sensor_context(instance=instance, resources={"workspace": workspace}))
    assert isinstance(result, dg.SensorResult)
    assert {request.tags["dagster/priority"] for request in result.run_requests or []} <= {"-10"}
    return [request.partition_key for request in result.run_requests or []]


def test_a_training_set_is_asked_for_where_there_is_speech_when_corpus_or_consents_changed(corpus_only: Path) -> None:
    workspace = Workspace(config=str(corpus_only / "fangyan.toml"), root=str(corpus_only))
    with dg.DagsterInstance.ephemeral() as instance:
        assert asked_for(instance, workspace) == []
        for asset in ("corpus", "consents"):
            instance.report_runless_asset_event(made(asset, "one"))
        assert asked_for(instance, workspace) == [DIALECT]
        inputs = {f"dagster/input_data_version/{asset}": "one" for asset in ("corpus", "consents")}
        built = dg.AssetMaterialization("training_set", partition=DIALECT, tags=inputs)
        instance.report_runless_asset_event(built)
        # Made again with the same content: nothing to do.
        instance.report_runless_asset_event(made("corpus", "one"))
        assert asked_for(instance, workspace) == []
        instance.report_runless_asset_event(made("consents", "two"))
        assert asked_for(instance, workspace) == [DIALECT]


def test_a_training_set_notes_what_it_was_made_from(finished_voice: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, config = copy_of(finished_voice[0].root, tmp_path / "workspace")
    workspace = Workspace(config=str(config), root=str(settings.root))
    with open_instance(settings) as instance:
        for asset in ("corpus", "consents"):
            instance.report_runless_asset_event(made(asset, "one"))
        assert asked_for(instance, workspace) == [DIALECT]
    run_voice(settings, config, DIALECT)
    with open_instance(settings) as instance:
        assert asked_for(instance, workspace) == []


def test_what_speaks_and_is_judged_follows_the_model(corpus_only: Path) -> None:
    workspace = Workspace(config=str(corpus_only / "fangyan.toml"), root=str(corpus_only))
    definitions = build_definitions(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = dg.evaluate_automation_conditions(definitions, instance).cursor

        def requested(*events: dg.AssetMaterialization) -> dict[str, set[str | None]]:
            nonlocal cursor
            for event in events:
                instance.report_runless_asset_event(event)
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            cursor = result.cursor
            names = ("training_set", "fine_tuned_model", "validation_set", "evaluation", "promotion", "report")
            return {
                name: set(result.get_requested_partitions(dg.AssetKey(name)))
                for name in names
                if result.get_num_requested(dg.AssetKey(name))
            }

        assert requested(made("corpus", "one"), made("consents", "one"), made("training_set", "one", DIALECT)) == {}
        followers = requested(made("fine_tuned_model", "model", DIALECT))
        assert followers == {name: {DIALECT} for name in ("validation_set", "evaluation", "promotion")}
        assert requested() == {}
        assert requested(made("promotion", "figures", DIALECT)).keys() == {"report"}
        # Judged again with the same figures: nothing to do.
        assert requested(made("promotion", "figures", DIALECT)) == {}


def test_a_training_set_without_speech_is_a_green_run(corpus_only: Path, tmp_path: Path) -> None:
    settings, config = copy_of(corpus_only, tmp_path / "workspace")
    write_consents(settings.root, [])
    definitions = build_definitions(Workspace(config=str(config), root=str(settings.root)))
    job = definitions.get_repository_def().get_job("voice_job")
    with dg.DagsterInstance.ephemeral() as instance:
        chosen = [dg.AssetKey("training_set")]
        result = job.execute_in_process(instance=instance, partition_key=DIALECT, asset_selection=chosen)
    assert result.success


def test_the_weekly_schedule_asks_for_dialects_that_have_something_to_learn(
    finished_voice: tuple[Settings, Path],
) -> None:
    settings, config = finished_voice
    _, weekly_voices = build_schedules(settings.schedules)
    found = weekly_voices(
        dg.build_schedule_context(
            scheduled_execution_time=datetime.datetime(2026, 11, 29, 4, tzinfo=datetime.UTC),
            resources={"workspace": Workspace(config=str(config), root=str(settings.root))},
        )
    )
    assert isinstance(found, list)
    assert [request.partition_key for request in found] == [DIALECT]
