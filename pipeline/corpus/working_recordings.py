"""The recordings that the pipeline works on, and which of them may be used no longer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus.decided import name_of
from pipeline.corpus.facts import Facts
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_rows
from pipeline.rights.current import CurrentRights

_COLUMNS = (
    "source",
    "recording_id",
    "batch",
    "dialect",
    "status",
    "consent_id",
    "metadata",
    "file_sha256",
    "audio_sha256",
)
_AT_ONCE = 10_000


def recording_facts(lake: Lake, folder: Path) -> Facts:
    """The recordings that the pipeline works on, by partition."""
    return Facts(lake, folder, "recordings", _COLUMNS, "1", lambda table: table.filter(pc.field("status") == "ok"))


def refusals(facts: Facts, rights: CurrentRights, folder: Path) -> dict[str, str]:
    """{recording_id: reason} of those that may be used no longer; asked anew when recordings, rights or the day change.

    A consent may have been revoked since the segments were made.
    """
    asked = name_of(
        facts.digest,
        hashlib.sha256(
            repr(
                (rights.consents, sorted(rights.whole), sorted(rights.in_part), rights.required, rights.today)
            ).encode()
        ).hexdigest(),
    )
    file = folder / "refusals.json"
    if file.exists():
        kept = json.loads(file.read_bytes())
        if kept.get("asked") == asked:
            return kept["refused"]
    refused = {
        row["recording_id"]: reason
        for table in facts.tables()
        for batch in table.to_batches(_AT_ONCE)
        for row in to_rows(pa.Table.from_batches([batch]))
        if (reason := rights.refusal(row)) is not None
    }
    replace_bytes(file, json.dumps({"asked": asked, "refused": refused}).encode())
    return refused
