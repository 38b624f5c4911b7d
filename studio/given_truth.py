"""Whether transcripts that came with studio recordings arrive in the lake as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.exchange.marks import spoken
from pipeline.lake.lake import Lake

_SLACK_SECONDS = 1e-3


def given_text(lake: Lake, truth: Path) -> dict[str, Any]:
    """Counts over recordings with a transcript whose truth is in that folder.

    `given_lines` were written; of these `given_lines_changed` are not in the recording's row with the same text and
    speaker and times within 1 ms, or have another text in table transcripts; `given_lines_aligned` is the share that
    the gate let through.
    """
    truths = {facts["source"]: facts for file in sorted(truth.glob("*.json")) if (facts := _facts(file))}
    written = changed = aligned = 0
    passed = {row["transcript_id"] for row in lake.rows("alignments") if row["decision"] == "keep"}
    transcripts: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in lake.rows("transcripts"):
        if row.get("given_line") is not None:
            transcripts.setdefault((row["recording_id"], row["given_line"]), []).append(row)
    for recording in lake.rows("recordings"):
        if not recording.get("given") or recording["source"] not in truths:
            continue
        lines = [(number, line) for number, line in enumerate(recording["given"]) if line["text"]]
        expected = truths[recording["source"]]["lines"]
        written += len(expected)
        found = {_key(line): number for number, line in lines}
        for one in expected:
            number = next((found[key] for key in _near(one) if key in found), None)
            own = transcripts.get((recording["recording_id"], -1 if number is None else number), [])
            said = "".join(row["text"] for row in sorted(own, key=lambda row: row["start"]))
            changed += number is None or (bool(own) and said != spoken(one["text"]))
            aligned += any(row["transcript_id"] in passed for row in own)
    return {
        "given_lines": written,
        "given_lines_changed": changed,
        "given_lines_aligned": aligned / written if written else None,
    }


def _facts(file: Path) -> dict[str, Any] | None:
    facts = json.loads(file.read_text(encoding="utf-8"))
    return facts if facts.get("lines") else None


def _key(line: dict[str, Any]) -> tuple[str, str | None, int, int]:
    return line["text"], line["speaker"], round(line["start"] / _SLACK_SECONDS), round(line["end"] / _SLACK_SECONDS)


def _near(line: dict[str, Any]) -> list[tuple[str, str | None, int, int]]:
    """The keys of a line whose times are within a millisecond of this one's."""
    text, speaker, start, end = _key(line | {"start": max(0.0, line["start"])})
    return [(text, speaker, start + one, end + two) for one in (0, -1, 1) for two in (0, -1, 1)]
