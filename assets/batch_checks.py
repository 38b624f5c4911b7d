"""Checks of a batch after each stage: schema, conserved time, consent and alignment block what follows; quarantine,
yield, CER and DNSMOS warn.
"""

import itertools
import statistics
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from assets.batch_runs import batch_check
from assets.given_checks import given_text_used, given_transcripts
from assets.metadata import bar_chart, yield_table
from assets.resources import Workspace
from pipeline import ledger, stage_list
from pipeline.corrections.text_rows import BY_PEOPLE
from pipeline.exchange.marks import spoken
from pipeline.lake.rows import Row
from pipeline.lake.storage import readable
from pipeline.lake.stored import with_current_names
from pipeline.lake.tables import TABLES
from pipeline.stage_list import StageEntry
from pipeline.text.normalize import normalizer, raw_errors
from pipeline.text.pieces import join_texts

_MARGIN_SECONDS = 0.02


def _schema_check(entry: StageEntry) -> dg.AssetChecksDefinition:
    table = entry.table

    @batch_check(entry.asset, blocking=True)
    def schema(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
        """The file has the columns and types of its contract, and no null where none is allowed.

        A column that may be null may be missing: the file is older than the column.
        """
        file = workspace.lake().path(table, batch)
        found = pq.ParquetFile(readable(file))
        expected, actual = TABLES[table], with_current_names(found.schema_arrow.empty_table(), table).schema
        missing = [field.name for field in expected if field.name not in actual.names and not field.nullable]
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
    @batch_check(entry.asset, blocking=True)
    def conserves_time(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
        """Every second that came in is passed on, dropped or quarantined, to the millisecond."""
        stages = stage_list.names()
        found = ledger.leaks(workspace.lake(), batch, stages[: stages.index(entry.name) + 1])
        examples = [
            f"{leak.stage}: {leak.source}: {leak.seconds_in:.3f} s in, {leak.seconds_accounted:.3f} s accounted for"
            for leak in found[:20]
        ]
        return dg.AssetCheckResult(passed=not found, metadata={"leaks": len(found), "examples": examples})

    return conserves_time


def _quarantine_check(entry: StageEntry) -> dg.AssetChecksDefinition:
    @batch_check(entry.asset)
    def nothing_quarantined(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
        """Files that could not be worked on; the rest of the batch went on."""
        rows = workspace.lake().rows("quarantine", ledger.partition(batch, entry.name))
        listed = [f"{row['source']}: {row['reason']}: {row['message']}" for row in rows[:50]]
        return dg.AssetCheckResult(
            passed=not rows, severity=dg.AssetCheckSeverity.WARN, metadata={"files": len(rows), "listed": listed}
        )

    return nothing_quarantined


@batch_check("recordings", blocking=True)
def consent_coverage(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """No recording goes on without a consent, unless the configuration asks for none."""
    rows = workspace.lake().rows("recordings", batch, ("source", "status", "consent_id"))
    bare = [row["source"] for row in rows if row["status"] == "ok" and not row["consent_id"]]
    refused = sum(row["status"] == "no_consent" for row in rows)
    required = workspace.settings().ingest.require_consent
    facts = {"required": required, "without_consent_but_used": bare[:50], "held_back_without_consent": refused}
    return dg.AssetCheckResult(passed=not (required and bare), metadata=facts)


@batch_check("aligned_segments", blocking=True)
def alignment_gate(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Characters that are kept have a length, follow one another and lie inside their stretch of the recording."""
    columns = ("transcript_id", "start", "end", "characters", "decision")
    rows = workspace.lake().rows("alignments", batch, columns)
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


@batch_check("scored_segments")
def yield_by_reason(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """How much of the batch became corpus, and where the rest went; fails when nothing did."""
    lake = workspace.lake()
    seconds_in = sum(row["duration"] or 0.0 for row in lake.rows("recordings", batch, ("duration",)))
    rows = lake.rows("ledger", ledger.partition(batch, "score"))
    kept = sum(row["seconds"] for row in rows if row["outcome"] == "passed")
    facts = {
        "hours_in": seconds_in / 3600,
        "hours_passed": kept / 3600,
        "yield": kept / seconds_in if seconds_in else 0.0,
        "by_reason": dg.MetadataValue.md(yield_table(lake, batch)),
    }
    return dg.AssetCheckResult(passed=kept > 0, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@batch_check("scored_segments")
def dnsmos_distribution(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Predicted quality of the segments; fails when the median is below 2.5."""
    rows = workspace.lake().rows("segments", batch, ("dnsmos_ovrl", "decision"))
    scores = [row["dnsmos_ovrl"] for row in rows if row["decision"] == "keep" and row["dnsmos_ovrl"] is not None]
    median = statistics.median(scores) if scores else 0.0
    counts = {f"{low / 2:.1f} to {low / 2 + 0.5:.1f}": 0 for low in range(2, 10)}
    for score in scores:
        low = min(9, max(2, int(score * 2)))
        counts[f"{low / 2:.1f} to {low / 2 + 0.5:.1f}"] += 1
    facts = {"segments": len(scores), "median": median, "histogram": bar_chart(counts, "segments")}
    return dg.AssetCheckResult(passed=median >= 2.5, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@batch_check("transcripts")
def cer_against_given(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Error rate of recognised text against transcripts that came along, by dialect; fails if one is above 20 %.

    Stretches with given text count with what was recognised there, if it was; of a recording without any, the whole.
    `cer` is of texts that the dialect's normaliser made alike, `cer_raw` of the texts as written.
    """
    lake = workspace.lake()
    recordings = {row["recording_id"]: row for row in lake.rows("recordings", batch) if row["status"] == "ok"}
    pairs = recognised_and_given(recordings, lake.rows("transcripts", batch))
    counts: dict[str, list[int]] = {}
    for dialect, *pair in pairs:
        found = (*normalizer(dialect).character_errors(*pair), *raw_errors(*pair))
        sums = counts.setdefault(dialect, [0, 0, 0, 0])
        counts[dialect] = [one + two for one, two in zip(sums, found, strict=True)]
    by_dialect = {
        dialect: {
            "cer": edits / units,
            "cer_raw": raw_edits / raw_units,
            "characters": units,
            "normaliser": normalizer(dialect).name,
        }
        for dialect, (edits, units, raw_edits, raw_units) in sorted(counts.items())
        if units
    }
    facts: dict[str, Any] = {
        "recordings_with_transcript": sum(bool(row.get("given")) for row in recordings.values()),
        "characters": sum(each["characters"] for each in by_dialect.values()),
    }
    if not by_dialect:
        return dg.AssetCheckResult(passed=True, metadata=facts)
    edits, units, raw_edits, raw_units = map(sum, zip(*counts.values(), strict=True))
    facts |= {
        "cer": edits / units,
        "cer_raw": raw_edits / raw_units,
        "normalisation": ", ".join(sorted({each["normaliser"] for each in by_dialect.values()})),
        "by_dialect": by_dialect,
    }
    worst = max(each["cer"] for each in by_dialect.values())
    return dg.AssetCheckResult(passed=worst <= 0.2, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


def recognised_and_given(recordings: dict[str, Row], transcripts: list[Row]) -> list[tuple[str, str, str]]:
    """(dialect, given text, recognised text), of stretches or of whole recordings."""
    pairs: list[tuple[str, str, str]] = []
    texts: dict[str, str] = {}
    with_given = {row["recording_id"] for row in transcripts if row.get("given_line") is not None}
    # What a person wrote is not what a recogniser did.
    corrected = {row["recording_id"] for row in transcripts if row.get("text_source") in BY_PEOPLE}
    for row in sorted(transcripts, key=lambda row: row["start"]):
        name = row["recording_id"]
        if row.get("recognised_text") is not None and name in recordings:
            pairs.append((recordings[name]["dialect"], row["text"], row["recognised_text"]))
        elif row["decision"] == "keep" and name not in with_given:
            texts[name] = join_texts([texts.get(name, ""), row["text"]])
    for name, row in recordings.items():
        if row.get("given") and name not in with_given | corrected:
            given = join_texts(spoken(line["text"]) for line in row["given"])
            pairs.append((row["dialect"], given, texts.get(name, "")))
    return pairs


_OF_EVERY_STAGE = (_schema_check, _time_check, _quarantine_check)


def batch_checks() -> list[dg.AssetChecksDefinition]:
    """Those that every stage's asset has, and those of single stages."""
    of_stages = [check(entry) for entry in stage_list.STAGES for check in _OF_EVERY_STAGE]
    of_text = [given_transcripts, given_text_used, cer_against_given]
    return [*of_stages, consent_coverage, alignment_gate, yield_by_reason, dnsmos_distribution, *of_text]
