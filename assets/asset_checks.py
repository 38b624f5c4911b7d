"""Asset checks. Blocking: schema, conserved time, consent, alignment. Not blocking: quarantine, yield, CER, DNSMOS."""

import itertools
import statistics

import dagster as dg
import pyarrow.parquet as pq

from assets.metadata import bar_chart, yield_table
from assets.partitions import batch_partitions, dialect_partitions
from assets.resources import Workspace
from assets.voice_assets import evaluation, training_set
from pipeline import batches, ledger, stage_list
from pipeline.lake.tables import TABLES
from pipeline.rights import audit
from pipeline.stage_list import StageEntry
from pipeline.text.normalize import NORMALIZATION, character_errors

_MARGIN_SECONDS = 0.02


def _schema_check(entry: StageEntry) -> dg.AssetChecksDefinition:
    table = entry.table

    @dg.asset_check(asset=entry.asset, name="schema", blocking=True, partitions_def=batch_partitions)
    def schema(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
        """The file has the columns and types of its contract, and no null where none is allowed."""
        file = workspace.lake().path(table, context.partition_key)
        found = pq.ParquetFile(file)
        expected, actual = TABLES[table], found.schema_arrow
        missing = [name for name in expected.names if name not in actual.names]
        surplus = [name for name in actual.names if name not in expected.names]
        wrong = {
            field.name: f"{actual.field(field.name).type}, expected {field.type}"
            for field in expected
            if field.name in actual.names and actual.field(field.name).type != field.type
        }
        required = [field.name for field in expected if not field.nullable and field.name in actual.names]
        nulls = {name: count for name in required if (count := found.read(columns=[name])[name].null_count)}
        facts = {"missing_columns": missing, "surplus_columns": surplus, "type_mismatches": wrong, "nulls": nulls}
        return dg.AssetCheckResult(passed=not any(facts.values()), metadata=facts)

    return schema


def _time_check(entry: StageEntry) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=entry.asset, name="conserves_time", blocking=True, partitions_def=batch_partitions)
    def conserves_time(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
        """Every second that came in is passed on, dropped or quarantined, to the millisecond."""
        stages = stage_list.names()
        found = ledger.leaks(workspace.lake(), context.partition_key, stages[: stages.index(entry.name) + 1])
        examples = [
            f"{leak.stage}: {leak.source}: {leak.seconds_in:.3f} s in, {leak.seconds_accounted:.3f} s accounted for"
            for leak in found[:20]
        ]
        return dg.AssetCheckResult(passed=not found, metadata={"leaks": len(found), "examples": examples})

    return conserves_time


def _quarantine_check(entry: StageEntry) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=entry.asset, name="nothing_quarantined", partitions_def=batch_partitions)
    def nothing_quarantined(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
        """Files that could not be worked on; the rest of the batch went on."""
        rows = workspace.lake().rows("quarantine", ledger.partition(context.partition_key, entry.name))
        listed = [f"{row['source']}: {row['reason']}: {row['message']}" for row in rows[:50]]
        return dg.AssetCheckResult(
            passed=not rows, severity=dg.AssetCheckSeverity.WARN, metadata={"files": len(rows), "listed": listed}
        )

    return nothing_quarantined


@dg.asset_check(asset="recordings", blocking=True, partitions_def=batch_partitions)
def consent_coverage(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """No recording goes on without a consent, unless the configuration asks for none."""
    rows = workspace.lake().rows("recordings", context.partition_key, ("source", "status", "consent_id"))
    bare = [row["source"] for row in rows if row["status"] == "ok" and not row["consent_id"]]
    refused = sum(row["status"] == "no_consent" for row in rows)
    required = workspace.settings().ingest.require_consent
    facts = {"required": required, "without_consent_but_used": bare[:50], "held_back_without_consent": refused}
    return dg.AssetCheckResult(passed=not (required and bare), metadata=facts)


@dg.asset_check(asset="aligned_segments", blocking=True, partitions_def=batch_partitions)
def alignment_gate(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """Characters that are kept have a length, follow one another and lie inside their stretch of the recording."""
    columns = ("transcript_id", "start", "end", "characters", "decision")
    rows = workspace.lake().rows("alignments", context.partition_key, columns)
    kept = [row for row in rows if row["decision"] == "keep"]
    broken = []
    for row in kept:
        spans = [(item["start"], item["end"]) for item in row["characters"]]
        empty = any(end <= start for start, end in spans)
        backwards = any(after[0] < before[0] for before, after in itertools.pairwise(spans))
        outside = spans and (
            spans[0][0] < row["start"] - _MARGIN_SECONDS or spans[-1][1] > row["end"] + _MARGIN_SECONDS
        )
        if not spans or empty or backwards or outside:
            broken.append(row["transcript_id"])
    facts = {"kept": len(kept), "refused": len(rows) - len(kept), "broken": broken[:50]}
    return dg.AssetCheckResult(passed=not broken, metadata=facts)


@dg.asset_check(asset="scored_segments", partitions_def=batch_partitions)
def yield_by_reason(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """How much of the batch became corpus, and where the rest went; fails when nothing did."""
    lake = workspace.lake()
    seconds_in = sum(row["duration"] or 0.0 for row in lake.rows("recordings", context.partition_key, ("duration",)))
    rows = lake.rows("ledger", ledger.partition(context.partition_key, "score"))
    kept = sum(row["seconds"] for row in rows if row["outcome"] == "passed")
    facts = {
        "hours_in": seconds_in / 3600,
        "hours_kept": kept / 3600,
        "yield": kept / seconds_in if seconds_in else 0.0,
        "by_reason": dg.MetadataValue.md(yield_table(lake, context.partition_key)),
    }
    return dg.AssetCheckResult(passed=kept > 0, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@dg.asset_check(asset="scored_segments", partitions_def=batch_partitions)
def dnsmos_distribution(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """Predicted quality of the segments; fails when the median is below 2.5."""
    rows = workspace.lake().rows("segments", context.partition_key, ("dnsmos_ovrl", "decision"))
    scores = [row["dnsmos_ovrl"] for row in rows if row["decision"] == "keep" and row["dnsmos_ovrl"] is not None]
    median = statistics.median(scores) if scores else 0.0
    counts = {f"{low / 2:.1f} to {low / 2 + 0.5:.1f}": 0 for low in range(2, 10)}
    for score in scores:
        low = min(9, max(2, int(score * 2)))
        counts[f"{low / 2:.1f} to {low / 2 + 0.5:.1f}"] += 1
    facts = {"segments": len(scores), "median": median, "histogram": bar_chart(counts, "segments")}
    return dg.AssetCheckResult(passed=median >= 2.5, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@dg.asset_check(asset="transcripts", partitions_def=batch_partitions)
def cer_against_given(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """Character error rate against transcripts that came with the recordings; fails above 20 %."""
    lake = workspace.lake()
    recordings = lake.rows("recordings", context.partition_key, ("recording_id", "source", "status", "metadata"))
    given = {row["recording_id"]: row["metadata"].get("transcript") for row in recordings if row["status"] == "ok"}
    columns = ("recording_id", "start", "text", "decision")
    texts: dict[str, str] = {}
    for row in sorted(lake.rows("transcripts", context.partition_key, columns), key=lambda row: row["start"]):
        if row["decision"] == "keep":
            texts[row["recording_id"]] = texts.get(row["recording_id"], "") + row["text"]
    edits = characters = 0
    for recording_id, reference in given.items():
        if reference:
            found = character_errors(reference, texts.get(recording_id, ""))
            edits, characters = edits + found[0], characters + found[1]
    facts = {"recordings_with_transcript": sum(bool(text) for text in given.values()), "characters": characters}
    if not characters:
        return dg.AssetCheckResult(passed=True, metadata=facts)
    rate = edits / characters
    facts |= {"cer": rate, "normalisation": NORMALIZATION}
    return dg.AssetCheckResult(passed=rate <= 0.2, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@dg.asset_check(asset="consents")
def landing_zone(workspace: Workspace) -> dg.AssetCheckResult:
    """Nothing in the landing zone waits for somebody: files that no batch takes, broken metadata or consents."""
    found = batches.problems(workspace.settings().landing)
    listed = [f"{problem.source}: {problem.reason}: {problem.message}" for problem in found[:50]]
    return dg.AssetCheckResult(
        passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata={"problems": len(found), "listed": listed}
    )


@dg.asset_check(asset="consents")
def audit_log(workspace: Workspace) -> dg.AssetCheckResult:
    """No entry of the log about rights was edited, removed, inserted or moved."""
    verdict = audit.verify(workspace.settings().root)
    facts = {
        "entries": verdict.entries,
        "last_hash": verdict.last_hash,
        "broken": verdict.broken or "",
        "notes": verdict.notes,
    }
    return dg.AssetCheckResult(passed=not verdict.broken, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


_OF_EVERY_STAGE = (_schema_check, _time_check, _quarantine_check)


def stage_checks() -> list[dg.AssetChecksDefinition]:
    """The checks that every stage's asset has."""
    return [check(entry) for entry in stage_list.STAGES for check in _OF_EVERY_STAGE]


checks = [
    consent_coverage,
    alignment_gate,
    yield_by_reason,
    dnsmos_distribution,
    cer_against_given,
    landing_zone,
    audit_log,
]


@dg.asset_check(asset=evaluation, partitions_def=dialect_partitions)
def promotion(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """The fine-tuned voice is promoted only if it is not worse than its base in any guarded metric; else rejected."""
    from model.evaluation.promotion import decide, table
    from model.voices.training import current, set_status

    settings, lake, dialect = workspace.settings(), workspace.lake(), context.partition_key
    voice = current(lake, settings, dialect)
    if voice is None:
        return dg.AssetCheckResult(
            passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"reason": f"{dialect} has no voice to promote"}
        )
    decision = decide(lake.rows("evaluation_summary", dialect), voice.row, settings.evaluation.guarded)
    with workspace.writing():
        set_status(lake, settings, voice.model_id, dialect, decision.status, decision.reason)
    return dg.AssetCheckResult(
        passed=decision.promoted,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "model_id": voice.model_id,
            "status": decision.status,
            "reason": decision.reason,
            "guarded": dg.MetadataValue.md(table(decision)),
        },
    )


@dg.asset_check(asset=training_set, blocking=True, partitions_def=dialect_partitions)
def enough_speech(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """There is enough speech to train a voice on; a dialect without it goes no further."""
    rows = workspace.lake().rows("training_set", context.partition_key, ("split", "seconds"))
    seconds = sum(row["seconds"] for row in rows if row["split"] == "train")
    least = workspace.settings().train.min_total_seconds
    facts = {"seconds": seconds, "least_seconds": least}
    return dg.AssetCheckResult(passed=seconds > 0 and seconds >= least, metadata=facts)


voice_checks = [enough_speech, promotion]
