"""manifest.json of an export: what it holds, from where, under which consents, for what and for whom; and the file
by which an interrupted export knows itself again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from pipeline.handover.choice import Choice, ExportError
from pipeline.lake.files import file_sha256, replace_bytes
from pipeline.lake.rows import Row
from pipeline.rights import audit
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.settings import Settings

MANIFEST = "manifest.json"
CLIPS = "manifest.clips.jsonl"
BEGUN = ".export.json"
_LOCK = ".export.lock"
_DECIDES = ("segment_id", "text", "split", "speaker_id", "dialect", "audio_sha256", "provenance")


@dataclass(frozen=True)
class Begun:
    """An export as it was begun; `fresh` in this call, `finished` in an earlier one."""

    handover_id: str
    begun: str
    plan: str
    fresh: bool
    finished: bool


@dataclass(frozen=True)
class Written:
    """The manifest's file and the SHA-256 of its bytes."""

    file: Path
    sha256: str


def begin(out: Path, wish: Mapping[str, Any], rows: Sequence[Row]) -> Begun:
    """Mark a folder as holding this export, or find that it holds it already. Raises ExportError if it holds another.

    It is the same if format, purpose, receiver, form and version are, and the rows and their texts and sounds.
    """
    digest = hashlib.sha256(json.dumps(wish, ensure_ascii=False, sort_keys=True).encode())
    for row in rows:
        digest.update(json.dumps([row[name] for name in _DECIDES], ensure_ascii=False).encode())
    plan = digest.hexdigest()
    file = out / BEGUN
    try:
        known = json.loads(file.read_bytes())
    except FileNotFoundError:
        if any(one.name != _LOCK for one in out.iterdir()):
            raise ExportError(f"{out} holds other files; choose an empty folder") from None
        now = datetime.now(UTC)
        known = {"handover_id": f"{wish['format']}-{now:%Y%m%dT%H%M%SZ}-{token_hex(4)}", "plan": plan}
        known["begun"] = now.isoformat(timespec="seconds")
        replace_bytes(file, json.dumps(known).encode())
        return Begun(**known, fresh=True, finished=False)
    except ValueError:
        raise ExportError(f"{file} cannot be read; choose another folder") from None
    if known.get("plan") != plan:
        raise ExportError(
            f"{out} holds the export {known.get('handover_id')}, of other segments or made otherwise; choose an empty "
            "folder, or give the command of that export to go on with it"
        )
    return Begun(**known, fresh=False, finished=(out / MANIFEST).exists())


def write_manifest(
    settings: Settings,
    out: Path,
    begun: Begun,
    wish: Mapping[str, Any],
    choice: Choice,
    facts: Mapping[str, Any],
    files: Sequence[Path],
) -> Written:
    """manifest.json with the SHA-256 of every file, and beside it a line for each clip with its provenance."""
    clips = out / CLIPS
    replace_bytes(clips, "".join(_clip_lines(choice.rows)).encode())
    content = {
        "handover_id": begun.handover_id,
        "begun": begun.begun,
        "by": audit.actor(),
        **{key: wish[key] for key in ("format", "purpose", "to", "where", "script", "sample_rate", "encoding")},
        **{key: wish[key] for key in ("release", "commercial", "punctuation") if key in wish},
        "clips": len(choice.rows),
        "hours": _hours(choice.rows),
        **facts,
        "consents": _consents(settings, choice.rows),
        "recordings": _recordings(choice.rows),
        "refused": [asdict(one) | {"seconds": round(one.seconds, 3)} for one in choice.refused],
        "left_out": dict(choice.left_out),
        "files": [
            {"path": file.relative_to(out).as_posix(), "bytes": file.stat().st_size, "sha256": file_sha256(file)}
            for file in [*files, clips]
        ],
    }
    data = (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
    replace_bytes(out / MANIFEST, data)
    return Written(out / MANIFEST, hashlib.sha256(data).hexdigest())


def _clip_lines(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        names = ("segment_id", "recording_id", "start", "end", "split", "consent_id", "audio_sha256", "provenance")
        yield json.dumps({name: row[name] for name in names}, ensure_ascii=False) + "\n"


def _hours(rows: Sequence[Row]) -> dict[str, Any]:
    """In all, and by dialect, split and tier."""
    seconds: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name in ("dialect", "split", "tier"):
            seconds[name][row[name] or "none"] += row["duration"]
    found: dict[str, Any] = {"all": round(sum(row["duration"] for row in rows) / 3600, 4)}
    for name, counted in seconds.items():
        found[name] = {key: round(value / 3600, 4) for key, value in sorted(counted.items())}
    return found


def _consents(settings: Settings, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The consents that the rows are handed out under, as they stand now; who agreed stays at home."""
    used = {row["consent_id"] for row in rows}
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    names = ("consent_id", "scopes", "valid_from", "valid_until", "evidence_sha256")
    return [
        {name: value for name, value in one.model_dump(mode="json").items() if name in names}
        for one in consents
        if one.consent_id in used
    ]


def _recordings(rows: Sequence[Row]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = found.setdefault(
            row["recording_id"],
            {"recording_id": row["recording_id"], "consent_id": row["consent_id"], "clips": 0, "seconds": 0.0},
        )
        one["clips"] += 1
        one["seconds"] = round(one["seconds"] + row["duration"], 3)
    return sorted(found.values(), key=lambda one: one["recording_id"])
