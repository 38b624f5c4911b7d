"""Checks of transcripts that came with recordings: whether they can be read, are used, and agree with what is heard."""

import dagster as dg

from assets.batch_runs import batch_check
from assets.resources import Workspace

_MOST_UNUSED = 0.1
_MOST_DOUBTFUL = 0.1
_LISTED = 50


@batch_check("recordings")
def given_transcripts(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Transcripts beside recordings can be read; a recording goes on without one that cannot."""
    rows = workspace.lake().rows("recordings", batch)
    problems = [row["given_problem"] for row in rows if row.get("given_problem")]
    facts = {
        "with_transcript": sum(bool(row.get("given")) for row in rows),
        "problems": problems[:_LISTED],
        "notes": [row["given_notes"] for row in rows if row.get("given_notes")][:_LISTED],
    }
    return dg.AssetCheckResult(passed=not problems, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


@batch_check("transcripts")
def given_text_used(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Of the given lines at most 10 % have no place in the sound, and a recogniser doubts at most 10 % of the rest.

    Lines without a place overlap others, lie where nobody speaks, or were not found.
    """
    lake = workspace.lake()
    transcripts = lake.rows("transcripts", batch)
    used = {(row["recording_id"], row.get("given_line")) for row in transcripts}
    lines, unused = 0, []
    for row in lake.rows("recordings", batch):
        given = row.get("given") if row["status"] == "ok" else None
        for number, line in enumerate(given or ()):
            if line["text"].strip():
                lines += 1
                if (row["recording_id"], number) not in used:
                    when = "" if line["start"] is None else f", {line['start']:.2f} s"
                    unused.append(f"{row['source']}{when}: {line['text'][:60]}")
    placed = [row for row in transcripts if row.get("given_line") is not None]
    doubtful = [f"{row['transcript_id']}: {row['given_text'][:60]}" for row in placed if row["text_doubt"]]
    facts = {"lines": lines, "unused": len(unused), "without_a_place": unused[:_LISTED]}
    facts |= {"stretches": len(placed), "doubtful": len(doubtful), "doubted": doubtful[:_LISTED]}
    if workspace.settings().transcribe.text == "recognised":
        return dg.AssetCheckResult(passed=True, metadata={"lines": lines, "wanted": False})
    passed = len(unused) <= _MOST_UNUSED * lines and len(doubtful) <= _MOST_DOUBTFUL * len(placed)
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=facts)
