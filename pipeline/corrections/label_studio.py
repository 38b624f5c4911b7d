"""Label Studio's JSON: a task a recording with its segments as predicted regions, and annotated tasks read back.

By the task format of its documentation (labelstud.io/guide/task_format). A region is two results of one id: `labels`
and `textarea`, both with start and end in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline.corrections.edited import Edited
from pipeline.corrections.spans import UNINTELLIGIBLE
from pipeline.exchange.annotations import Label, label_of, plain, read_label
from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row

SPEECH, DROP = "Speech", "Drop"
_LABELS = (SPEECH, DROP, UNINTELLIGIBLE.capitalize())
_REGIONS, _TEXT, _SPEAKER, _AUDIO = "kind", "text", "speaker", "audio"
CONFIGURATION = f"""<View>
  <Labels name="{_REGIONS}" toName="{_AUDIO}">
    {"".join(f'<Label value="{name}"/>' for name in _LABELS)}
  </Labels>
  <Audio name="{_AUDIO}" value="${_AUDIO}" zoom="true" speed="true"/>
  <TextArea name="{_TEXT}" toName="{_AUDIO}" rows="2" editable="true" maxSubmissions="1" perRegion="true"/>
  <TextArea name="{_SPEAKER}" toName="{_AUDIO}" rows="1" editable="true" maxSubmissions="1" perRegion="true"/>
</View>
"""
"""The labelling interface that the tasks are made for."""


class LabelStudioError(Exception):
    """The file is no export of Label Studio that can be read; the message says what is wrong and what to do."""


def write_tasks(rows: Sequence[Row], file: Path, audio: str, at: datetime) -> None:
    """A task for each recording of `rows` (ordered by recording); `audio` is its address with {source} for the path
    below landing."""
    tasks = []
    for recording_id, own in groupby(rows, key=lambda row: row["recording_id"]):
        group = list(own)
        data: dict[str, Any] = {
            _AUDIO: audio.replace("{source}", group[0]["source"] or "").replace("{recording_id}", recording_id),
            "recording_id": recording_id,
            "segments": {row["segment_id"]: _label(row, at) for row in group},
        }
        results = [result for row in group for result in _results(row)]
        tasks.append({"data": data, "predictions": [{"model_version": "fangyan", "result": results}]})
    replace_bytes(file, json.dumps(tasks, ensure_ascii=False, indent=1).encode())


def read_tasks(content: bytes) -> Iterator[Edited]:
    """The regions of each task's last annotation. Raises LabelStudioError.

    Tasks without an annotation, and annotations that were skipped, say nothing.
    """
    try:
        tasks = json.loads(content)
    except ValueError as error:
        raise LabelStudioError(f"is not JSON: {error}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise LabelStudioError("is no list of tasks; export it from Label Studio as JSON, not as JSON-MIN or CSV")
    for number, task in enumerate(tasks, 1):
        try:
            yield from _of_task(task)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            words = f"task {task.get('id', number)} is not read: {type(error).__name__}: {error}"
            raise LabelStudioError(f"{words}; export it as JSON, with the interface that came with the tasks") from None


def _of_task(task: Mapping[str, Any]) -> Iterator[Edited]:
    recording_id, labels = task["data"]["recording_id"], task["data"].get("segments") or {}
    annotations = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
    if not annotations:
        return
    last = max(annotations, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
    regions: dict[str, dict[str, Any]] = {}
    for result in last["result"]:
        value = result["value"]
        if "start" not in value:
            continue
        region = regions.setdefault(result["id"], {"start": float(value["start"]), "end": float(value["end"])})
        if result["type"] == "labels":
            region["kind"] = value["labels"][0]
        elif result["type"] == "textarea":
            said = value["text"]
            region[result["from_name"]] = " ".join(said) if isinstance(said, list) else str(said)
    for name, region in regions.items():
        start, end, kind = region["start"], region["end"], region.get("kind", SPEECH)
        if end <= start:
            continue
        label: Label | None = read_label(labels.get(name), start, end)
        dropped = {"keep": "drop"} if kind == DROP else {}
        text = "" if kind == _LABELS[2] else region.get(_TEXT, "")
        yield Edited(recording_id, start, end, text, region.get(_SPEAKER) or None, label, dropped)


def _results(row: Row) -> Iterator[dict[str, Any]]:
    span = {"start": row["start"], "end": row["end"], "channel": 0}
    shared = {"id": row["segment_id"], "to_name": _AUDIO, "origin": "prediction"}
    yield shared | {"from_name": _REGIONS, "type": "labels", "value": span | {"labels": [SPEECH]}}
    yield shared | {"from_name": _TEXT, "type": "textarea", "value": span | {"text": [plain(row["text"] or "")]}}
    yield shared | {"from_name": _SPEAKER, "type": "textarea", "value": span | {"text": [plain(row["speaker"])]}}


def _label(row: Row, at: datetime) -> str:
    return label_of(row["segment_id"], plain(row["text"] or ""), plain(row["speaker"]), at)
