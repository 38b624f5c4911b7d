"""Judges a dialect's validation set: tables evaluation and evaluation_summary, and the tones as a picture and JSON.

Quality utterances give the overall figures; those for noise, speed and drift are kept apart by their condition.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.evaluation import drift, topline
from model.evaluation.conditions import in_words
from model.evaluation.evaluate import EvaluationRow, conditions, evaluate, summaries
from model.evaluation.intelligibility import error_rate, unspaced
from model.evaluation.judges import Judges, measured_names, open_judges
from model.evaluation.listening.tables import stored_rows
from model.evaluation.metrics import ERROR_RATES
from model.evaluation.pairs import difference_rows
from model.evaluation.sounds import Sounds
from model.evaluation.statistics import METHOD
from model.evaluation.tone_files import write_tones
from model.evaluation.utterance import Metric
from model.evaluation.verdicts import judged
from model.validation.compared import RECORDINGS
from model.validation.condition import SLOPE, Decoding, Window
from model.validation.texts import Text
from pipeline.lake.content import digest_of
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_table
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES
from pipeline.recognition import checkpoints, dialect_identifier, recognizers
from pipeline.settings import Settings, Transcribe
from pipeline.text.normalize import normalizer

VERSION = "2"
_FOLLOWED_IN_NOISE = ("similarity", "cer", "wer", "dnsmos")
# (utterances done, utterances to do, what they are for)
Progress = Callable[[int, int, str], None]
_SHOWN_DETAILS = ("repeated", "skipped", "dialect_heard", "dialect_spans")
_MADE_FROM = b"fangyan.made_from"


@dataclass
class _Rows:
    """Rows of both tables as they come together."""

    rows: list[Row] = field(default_factory=list)
    summary: list[Row] = field(default_factory=list)


def evaluate_dialect(lake: Lake, settings: Settings, dialect: str, progress: Progress | None = None) -> list[Row]:
    """Bring both tables of the dialect up to date; the rows of evaluation_summary.

    Nothing is measured anew while validation set, corpus, metrics and models stand. What listeners said is kept.
    Raises ModelUnavailable.
    """
    spoken = lake.rows("validation_set", dialect)
    made_from = _made_from(lake, settings, dialect, spoken)
    if _made_before(lake, dialect) == made_from and not _unmeasured(lake, dialect, spoken):
        return lake.rows("evaluation_summary", dialect)
    judges = open_judges(lake, settings, dialect)
    systems = {row["model_id"]: row["system"] for row in spoken}
    sounds = Sounds(lake, dialect, spoken)
    out = _Rows()
    _quality(out, [row for row in spoken if row["purpose"] == "quality"], sounds, judges, systems, progress)
    _topline(out, lake, sounds, judges, progress)
    _noise(out, [row for row in spoken if row["purpose"] == "noise"], sounds, judges, systems, progress)
    _speed(out, [row for row in spoken if row["purpose"] == "speed"], sounds, judges, systems)
    _drift(out, [row for row in spoken if row["purpose"] == "long"], sounds, judges, systems, progress)
    write_tones(settings.root / "report" / dialect, judges.tones, sounds.details, systems)
    kept, kept_summary = stored_rows(lake, settings.root, dialect)
    _write(lake, "evaluation", dialect, [*out.rows, *kept], made_from)
    _write(lake, "evaluation_summary", dialect, judged([*out.summary, *kept_summary]), made_from)
    return lake.rows("evaluation_summary", dialect)


def _quality(
    out: _Rows,
    rows: Sequence[Row],
    sounds: Sounds,
    judges: Judges,
    systems: Mapping[str, str],
    progress: Progress | None,
) -> None:
    utterances = sounds.utterances(rows)
    judges.recognizer.transcribe(utterances)
    metrics = [*judges.all, judges.speed({row["conditions"] or "" for row in rows})]
    found = evaluate(utterances, metrics, _reporting(progress, "quality"))
    for row in found:
        if "syllables" in row.details:
            sounds.details[row.model_id].append(row.details)
    for row in rows:
        if row["audio"] is None:
            found += nothing_spoken(row)
    conditions_of = _conditions_by_metric(metrics)
    _add(out, found, None, sounds, systems, conditions_of)
    copied = {row["utterance_id"]: row["reference_speaker_id"] for row in rows if row["reference_speaker_id"]}
    out.summary += difference_rows(sounds.dialect, found, systems, conditions_of, copied)


def _topline(out: _Rows, lake: Lake, sounds: Sounds, judges: Judges, progress: Progress | None) -> None:
    """What recordings of the dialect score; an error rate where a person said what is right, and not the recogniser."""
    known = topline.recorded(lake, sounds.dialect)
    judges.recognizer.transcribe([each for each in known.utterances if each.utterance_id not in known.by_recogniser])
    metrics = judges.giving(topline.MEASURES)
    found = evaluate(known.utterances, metrics, _reporting(progress, "recordings"))
    found = [
        replace(row, value=None, note=topline.OWN_TEXT)
        if row.metric in ERROR_RATES and row.utterance_id in known.by_recogniser
        else row
        for row in found
        if row.metric in topline.MEASURES
    ]
    sounds.recordings |= {(name, RECORDINGS): recording for name, recording in known.recordings.items()}
    _add(out, found, None, sounds, {RECORDINGS: RECORDINGS}, _conditions_by_metric(metrics))


def nothing_spoken(row: Row) -> list[EvaluationRow]:
    """What a failure counts as: all of the text wrong, as an error rate of its whole length, and no good end."""
    text, unit = Text("", "", row["text"]).heard, "cer" if unspaced(row["dialect"]) else "wer"
    weights = {"stop_rate": 1.0}
    for name, expected in ((unit, normalizer(row["dialect"]).text(text)), (f"{unit}_raw", text)):
        if expected:
            _, weights[name] = error_rate(expected, "", unit)
    return [
        EvaluationRow(
            row["utterance_id"],
            row["model_id"],
            row["dialect"],
            name,
            0.0 if name == "stop_rate" else 1.0,
            weight,
            row["error"] or "",
        )
        for name, weight in weights.items()
    ]


def _noise(
    out: _Rows,
    rows: Sequence[Row],
    sounds: Sounds,
    judges: Judges,
    systems: Mapping[str, str],
    progress: Progress | None,
) -> None:
    metrics = judges.giving(_FOLLOWED_IN_NOISE)
    for condition, group in _grouped(rows, lambda row: row["reference_condition"] or "").items():
        utterances = sounds.utterances(group)
        judges.recognizer.transcribe(utterances)
        found = evaluate(utterances, metrics, _reporting(progress, f"reference {condition}"))
        found = [row for row in found if row.metric in _FOLLOWED_IN_NOISE]
        _add(out, found, condition, sounds, systems, _conditions_by_metric(metrics))


def _speed(out: _Rows, rows: Sequence[Row], sounds: Sounds, judges: Judges, systems: Mapping[str, str]) -> None:
    metrics = [judges.speed({row["conditions"] or "" for row in rows})]
    for condition, group in _grouped(rows, lambda row: str(Decoding(row["steps"], row["guidance"]))).items():
        found = evaluate(sounds.utterances(group), metrics)
        _add(out, found, condition, sounds, systems, _conditions_by_metric(metrics))


def _drift(
    out: _Rows,
    rows: Sequence[Row],
    sounds: Sounds,
    judges: Judges,
    systems: Mapping[str, str],
    progress: Progress | None,
) -> None:
    conditions_of = _conditions_by_metric(judges.all)
    for number, (model_id, group) in enumerate(_grouped(rows, lambda row: row["model_id"]).items(), 1):
        drifts, found = drift.measure_drift(sounds.utterances(group), judges.all, judges.aligner)
        followed = [row for row in found if row.metric in drift.BOUNDS or row.value is None]
        for condition, window in _grouped(followed, _window).items():
            _add(out, window, condition, sounds, systems, conditions_of)
        for one in drifts:
            slope = one.slope
            out.summary.append(
                {
                    "dialect": sounds.dialect,
                    "model_id": model_id,
                    "system": systems[model_id],
                    "metric": one.metric,
                    "condition": SLOPE,
                    "value": slope.value,
                    "low": slope.low,
                    "high": slope.high,
                    "n": slope.n,
                    "verdict": "worse" if one.flagged else "undecided",
                    "conditions": f"windows of {drift.WINDOW_SECONDS:g} s; {conditions_of.get(one.metric, METHOD)}",
                }
            )
        if progress is not None:
            progress(number, len(set(row["model_id"] for row in rows)), "drift")


def _window(row: EvaluationRow) -> str:
    """`window 20-30 s` of a row whose utterance id ends in @<second>s."""
    start = row.utterance_id.rpartition("@")[2].removesuffix("s")
    if not start.isdigit():
        return "whole"
    size = drift.WINDOW_SECONDS
    first = round(int(start) / size) * size
    return str(Window(first, first + size))


def _add(
    out: _Rows,
    found: Sequence[EvaluationRow],
    condition: str | None,
    sounds: Sounds,
    systems: Mapping[str, str],
    conditions_of: Mapping[str, str],
) -> None:
    """Rows and their figures, under one condition."""
    for row in found:
        rate = row.metric in ERROR_RATES and row.value is not None
        spoken = row.utterance_id.partition("@")[0]
        out.rows.append(
            {
                "utterance_id": row.utterance_id,
                "model_id": row.model_id,
                "system": systems[row.model_id],
                "dialect": row.dialect,
                "reference_recording_id": sounds.recordings.get((spoken, row.model_id)),
                "metric": row.metric,
                "value": row.value,
                "numerator": row.value * row.weight if rate and row.value is not None else None,
                "denominator": row.weight if rate else None,
                "condition": condition,
                "detail": _detail(row),
            }
        )
    for (dialect, model_id, name), one in summaries(found).items():
        out.summary.append(
            {
                "dialect": dialect,
                "model_id": model_id,
                "system": systems[model_id],
                "metric": name,
                "condition": condition,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "n": one.n,
                "conditions": conditions_of.get(name, METHOD),
            }
        )


def _detail(row: EvaluationRow) -> str | None:
    if row.note:
        return row.note
    if "sounds" in row.details:
        return str(row.details["sounds"])
    wrong = {key: row.details[key] for key in _SHOWN_DETAILS if row.details.get(key)}
    return json.dumps(wrong, ensure_ascii=False) if wrong else None


def _conditions_by_metric(metrics: Sequence[Metric]) -> dict[str, str]:
    """What each measure's values depend on, in words."""
    out = {}
    for metric in metrics:
        facts = conditions([metric])[metric.name]
        out |= dict.fromkeys(metric.gives, f"{in_words(facts)}; {METHOD}")
    return out


def _grouped(rows: Iterable[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _reporting(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(done, total, what)


def _made_from(lake: Lake, settings: Settings, dialect: str, spoken: Sequence[Row]) -> bytes:
    facts = [
        VERSION,
        # A failure that was spoken after all has the provenance that it had.
        [[row["provenance"], row["model_id"], row["system"], row["error"]] for row in spoken],
        _kept(lake),
        _hearing(settings.transcribe),
        [checkpoints.fingerprint(name) for name in (settings.align.checkpoint, settings.diarize.checkpoint)],
        dialect_identifier.facts(settings.dialect),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest().encode()


def _kept(lake: Lake) -> str:
    """Names the segments that the corpus keeps."""
    digest = hashlib.sha256()
    for name in lake.partitions("corpus"):
        for rows in lake.batches("corpus", name, ("segment_id", "decision")):
            digest.update(digest_of(rows.filter(pc.field("decision") == "keep")))
    return digest.hexdigest()


def _hearing(settings: Transcribe) -> list[Any]:
    """What shapes the texts that the judges hear."""
    judges = [recognizers.identity(each) for each in recognizers.first_of_each(settings.used)]
    return [judges, settings.batch_size, settings.min_seconds, settings.max_seconds]


def _unmeasured(lake: Lake, dialect: str, spoken: Sequence[Row]) -> set[str]:
    """Metrics that were added since the dialect was measured; all others have a row for every utterance with audio."""
    if not any(row["purpose"] == "quality" and row["audio"] for row in spoken):
        return set()
    return measured_names() - {row["metric"] for row in lake.rows("evaluation", dialect, ("metric",))}


def _made_before(lake: Lake, dialect: str) -> bytes | None:
    files = [lake.path(table, dialect) for table in ("evaluation", "evaluation_summary")]
    if not all(file.exists() for file in files):
        return None
    found = {(pq.read_schema(readable(file)).metadata or {}).get(_MADE_FROM) for file in files}
    return found.pop() if len(found) == 1 else None


def _write(lake: Lake, table: str, dialect: str, rows: Sequence[Row], made_from: bytes) -> None:
    content = to_table(table, rows)
    notes = dict(TABLES[table].metadata or {}) | {_MADE_FROM: made_from}
    lake.write(table, dialect, iter([content.replace_schema_metadata(notes)]))
