"""A second opinion on the demo: what a recogniser that learned from people hears where the embedded one judged.

The sounds stay those of the studio and of the embedded voice; only the listener is another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from model.evaluation.corpus_speech import from_segment
from model.evaluation.evaluate import differences, evaluate, summaries
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.recognition import UtteranceRecognizer
from model.evaluation.sounds import Sounds
from model.evaluation.statistics import Difference, Summary, summarize
from model.evaluation.utterance import Utterance
from model.validation.compared import BASE, FINE_TUNED
from pipeline.lake.lake import Lake
from pipeline.settings import Settings
from studio.demo_voice import DIALECT, in_words
from studio.truth import Truth

_LISTENERS_OWN_SECONDS = 30.0
"""Longest stretch that a Whisper hears at once."""


def second_opinion(settings: Settings, truths: Mapping[str, Truth], checkpoint: Path) -> dict[str, Any]:
    """Character error rates by the recogniser in `checkpoint` (a folder that faster-whisper loads), with intervals.

    `segments` by dialect and of all: what was said in the corpus segments of the scenes that recognisers wrote;
    `base`, `fine_tuned` and `difference`: the validation sentences of the Tianjin voice.
    Raises ModelUnavailable that names the folder.
    """
    hearing = settings.transcribe.model_copy(
        update={"checkpoint": str(checkpoint), "recognizers": (), "max_seconds": _LISTENERS_OWN_SECONDS}
    )
    metric = Intelligibility(UtteranceRecognizer(hearing))
    lake = Lake(settings.lake)
    rows = [row for row in evaluate(_segments(lake, truths), [metric]) if row.metric == "cer" and row.value is not None]
    segments = {dialect: _figure(one) for (dialect, _, _), one in summaries(rows).items()}
    if rows:
        values = [row.value for row in rows if row.value is not None]
        weights = [row.weight for row in rows]
        segments["all"] = _figure(summarize("cer", values, weights))
    return {"judge": {"checkpoint": str(checkpoint), "segments": segments, **_voice(lake, metric)}}


def print_second_opinion(summary: Mapping[str, Any], console: Console) -> None:
    """The embedded recogniser's figures and the second judge's, side by side."""
    judge = summary.get("judge")
    if judge is None:
        return
    table = Table("character error rate", "embedded recogniser", Path(judge["checkpoint"]).name)
    for dialect, one in judge["segments"].items():
        embedded = {"value": summary.get("cer"), "low": None} if dialect == "all" else None
        table.add_row(f"corpus segments, {dialect}", in_words(embedded) if embedded else "", in_words(one))
    for name in (BASE, FINE_TUNED, "difference"):
        if name in judge:
            table.add_row(f"Tianjin voice, {name}", in_words(summary.get(name, {}).get("cer")), in_words(judge[name]))
    console.print(table)


def _segments(lake: Lake, truths: Mapping[str, Truth]) -> list[Utterance]:
    """What was really said in the kept segments of recordings whose truth is known, with their sound.

    Recordings that came with their transcript are left out, as in the demo's own error rate.
    """
    sources = {row["recording_id"]: row["source"] for row in lake.rows("recordings") if row["source"] in truths}
    given = {row["recording_id"] for row in lake.rows("transcripts") if row["given_line"] is not None}
    kept = {row["segment_id"] for row in lake.rows("corpus") if row["decision"] == "keep"}
    found: dict[str, list[Utterance]] = defaultdict(list)
    for partition in lake.partitions("segments"):
        for row in lake.rows("segments", partition):
            if row["recording_id"] not in sources or row["recording_id"] in given or row["segment_id"] not in kept:
                continue
            truth = truths[sources[row["recording_id"]]]
            said = "".join(item.char for item in truth.characters if row["start"] <= item.middle <= row["end"])
            if said:
                one = from_segment(row)
                found[row["dialect"]].append(
                    Utterance(one.utterance_id, one.dialect, said, one.samples, one.sample_rate)
                )
    return [one for dialect in sorted(found) for one in found[dialect]]


def _voice(lake: Lake, metric: Intelligibility) -> dict[str, Any]:
    spoken = [row for row in lake.rows("validation_set", DIALECT) if row["purpose"] == "quality"]
    systems = {row["model_id"]: row["system"] for row in spoken}
    ids = {system: model_id for model_id, system in systems.items()}
    rows = evaluate(Sounds(lake, DIALECT, spoken).utterances(spoken), [metric])
    figures = {systems[model_id]: _figure(one) for (_, model_id, name), one in summaries(rows).items() if name == "cer"}
    if BASE in ids and FINE_TUNED in ids:
        compared = differences(rows, ids[BASE], ids[FINE_TUNED])
        if (DIALECT, "cer") in compared:
            figures["difference"] = _figure(compared[(DIALECT, "cer")])
    return figures


def _figure(one: Summary | Difference) -> dict[str, Any]:
    return {key: getattr(one, key) for key in ("value", "low", "high", "n")}
