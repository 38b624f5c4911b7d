"""The audit log `<workspace>/audit.jsonl`: who did what to rights and models, each entry hashing the one before it.

`audit.head.json` keeps count and last hash, so that a log cut short is noticed. Nothing here is secret: whoever may
write both files can forge both, so a hash that was noted elsewhere is the stronger proof (`verify(..., holds=HASH)`).
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.lake.files import replace_bytes

LOG = "audit.jsonl"
HEAD = "audit.head.json"
ACTOR_VARIABLE = "FANGYAN_ACTOR"
TORN = "audit.torn_line_removed"
_FIRST = "0" * 64
_KEYS = {"index", "time", "actor", "action", "subject", "details", "previous", "hash"}

Entry = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What reading the whole log found. `broken` names the first wrong entry; `notes` are no reason to worry."""

    entries: int
    last_hash: str
    broken: str | None = None
    notes: list[str] = field(default_factory=list)


class AuditBroken(Exception):
    """The log's end does not follow from its head; nothing is added to a log that was tampered with."""


def append(
    workspace: Path, action: str, subject: str, details: Mapping[str, Any] | None = None, by: str | None = None
) -> Entry:
    """Add one entry, on disk when this returns; a line that a crash tore is cut off and that is logged.

    `by` is who did it where that is not `actor()`: a user of the desk.

    Raises AuditBroken when the head says that entries at the end are missing or others than they were.
    """
    with _locked(workspace):
        lines, torn = _split(workspace / LOG)
        count, last = _ends(workspace, lines)
        if torn:
            what = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            os.truncate(workspace / LOG, sum(len(line) + 1 for line in lines))
            last = _add(workspace, count, last, TORN, LOG, what)["hash"]
            count += 1
        return _add(workspace, count, last, action, subject, details or {}, by)


def read(workspace: Path) -> Iterator[Entry]:
    """The entries that can be read, oldest first, whether they are sound or not."""
    for line in _split(workspace / LOG)[0]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def verify(workspace: Path, holds: str | None = None) -> Verdict:
    """Check every entry against the one before it and the end against the head; `holds` is a hash noted earlier."""
    if not (workspace / LOG).exists() and not (workspace / HEAD).exists():
        lost = f"the log is empty and does not hold {holds}" if holds else _deleted(workspace)
        return Verdict(0, _FIRST, lost)
    with _locked(workspace):
        lines, torn = _split(workspace / LOG)
        head = _head(workspace)
    previous, hashes = _FIRST, set[str]()
    for index, line in enumerate(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            return Verdict(index, previous, f"entry {index} is not JSON: the file was changed")
        wrong = _wrong(entry, index, previous)
        if wrong:
            return Verdict(index, previous, f"entry {index}: {wrong}")
        previous = entry["hash"]
        hashes.add(previous)
    notes = []
    if head is None:
        return Verdict(len(lines), previous, f"{HEAD} is missing or cannot be read: the end of the log is unproved")
    count, last = head
    if len(lines) == count + 1:
        notes.append(f"entry {count} is not in {HEAD} yet: a crash came between; the next entry mends it")
        known = json.loads(lines[count])["previous"]
    else:
        known = previous
    if len(lines) < count:
        return Verdict(len(lines), previous, f"entry {len(lines)} and what follows are missing: {HEAD} counts {count}")
    if len(lines) > count + 1 or known != last:
        return Verdict(len(lines), previous, f"entry {max(count - 1, 0)} is not the one that {HEAD} knows")
    if torn:
        notes.append(f"{len(torn)} bytes of an unfinished entry {len(lines)}, from a crash; the next entry mends it")
    if holds is not None and holds not in hashes:
        return Verdict(len(lines), previous, f"no entry has the hash {holds} that you noted: the log was rewritten")
    return Verdict(len(lines), previous, None, notes)


def _deleted(workspace: Path) -> str | None:
    """A sentence if a workspace without a log holds what is logged before it is done."""
    takedowns = [file for file in (workspace / "takedowns").glob("*") if not file.name.startswith(".")]
    if not takedowns:
        return None
    return f"{LOG} and {HEAD} are missing, though {workspace / 'takedowns'} holds {len(takedowns)}: they were deleted"


def actor() -> str:
    """$FANGYAN_ACTOR, else the user of the operating system."""
    if os.environ.get(ACTOR_VARIABLE):
        return os.environ[ACTOR_VARIABLE]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _add(
    workspace: Path,
    index: int,
    previous: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    by: str | None = None,
) -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry: Entry = {"index": index, "time": time, "actor": by or actor(), "action": action, "subject": subject}
    entry |= {"details": dict(details), "previous": previous}
    entry["hash"] = _hash(entry)
    with (workspace / LOG).open("ab") as log:
        log.write(_canonical(entry) + b"\n")
        log.flush()
        os.fsync(log.fileno())
    _write_head(workspace, index + 1, entry["hash"])
    return entry


def _ends(workspace: Path, lines: list[bytes]) -> tuple[int, str]:
    """Number and hash of the last entry on disk, once it is sure that it follows from the head."""
    head = _head(workspace)
    if head is None and not lines:
        # The head comes first, so that a log without one is never the work of a crash.
        _write_head(workspace, 0, _FIRST)
        head = 0, _FIRST
    advice = "; `fangyan audit verify` says more, restore both files from a backup"
    if head is None:
        raise AuditBroken(f"{workspace / HEAD} is missing{advice}")
    last = _FIRST
    if lines:
        try:
            entry = json.loads(lines[-1])
        except ValueError:
            entry = None
        previous = entry.get("previous") if isinstance(entry, dict) else None
        wrong = _wrong(entry, len(lines) - 1, str(previous))
        if wrong or not isinstance(entry, dict):
            raise AuditBroken(f"{workspace / LOG}, entry {len(lines) - 1}: {wrong}{advice}")
        last = entry["hash"]
        if (len(lines) - 1, previous) == head:
            return len(lines), last
    if (len(lines), last) != head:
        raise AuditBroken(f"{workspace / LOG} does not end as {HEAD} says{advice}")
    return len(lines), last


def _wrong(entry: Any, index: int, previous: str) -> str | None:
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        return "has not the keys of an entry"
    if entry["index"] != index:
        return f"says it is entry {entry['index']}: entries were removed, inserted or put in another order"
    if entry["previous"] != previous:
        return "does not follow from the entry before it"
    if entry["hash"] != _hash(entry):
        return "was edited: its hash is another"
    return None


def _hash(entry: Entry) -> str:
    return hashlib.sha256(_canonical({key: value for key, value in entry.items() if key != "hash"})).hexdigest()


def _canonical(values: Entry) -> bytes:
    return json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _split(log: Path) -> tuple[list[bytes], bytes]:
    """Finished lines without their ends, and what a crash left of an unfinished one."""
    try:
        *lines, torn = log.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], b""
    return lines, torn


def _head(workspace: Path) -> tuple[int, str] | None:
    try:
        values = json.loads((workspace / HEAD).read_bytes())
        return int(values["count"]), str(values["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_head(workspace: Path, count: int, last: str) -> None:
    replace_bytes(workspace / HEAD, json.dumps({"count": count, "hash": last}).encode())


@contextmanager
def _locked(workspace: Path) -> Iterator[None]:
    workspace.mkdir(parents=True, exist_ok=True)
    handle = os.open(workspace / ".audit.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
