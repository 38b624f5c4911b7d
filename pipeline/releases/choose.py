"""Which segments of the corpus go into a release, and why each of the others does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError
from pipeline.lake.rows import Row
from pipeline.releases.names import ReleaseError
from pipeline.releases.rows import CONTENT, ROUNDED, hashed
from pipeline.rights.consents import CONSENTS_FILE, read_consents, resolve
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings

SCOPE = "publication"
"""The scope that every release needs of the consents."""
NOT_KEPT, CONDITION, NO_CONSENT, WITHDRAWN = "not_kept", "condition", "no_consent", "withdrawn"
_COLUMNS = tuple(name for name in CONTENT if name != "licence")
_LICENCES = ("licence", "license", "许可", "授权协议")


@dataclass
class Chosen:
    """Rows of a release, with their hashes, and rows of what it leaves out."""

    rows: list[Row]
    left_out: list[Row]


def choose(settings: Settings, where: str | None, uses: Sequence[str], on: date | None = None) -> Chosen:
    """Segments that the corpus keeps, that `where` (an SQL condition over view segments) holds for, and whose
    recordings a consent allows for publication and each of `uses` on a day (today). Raises ReleaseError.
    """
    lake = Lake(settings.lake)
    try:
        rows = _segments(lake)
        matching = _matching(lake, where) if where else None
    except CatalogError as error:
        words = f"--where {where!r}: {error}" if where else str(error)
        raise ReleaseError(words) from None
    recordings = {row["recording_id"]: row for row in _recordings(lake)}
    answers = permissions(settings, (SCOPE, *uses), on)
    chosen = Chosen([], [])
    for row in rows:
        reason, detail, consent_id = _refusal(row, matching, answers)
        if reason:
            chosen.left_out.append(_left_out(row, reason, detail))
        else:
            licence = licence_of(recordings[row["recording_id"]]["metadata"])
            chosen.rows.append(canonical(row | {"consent_id": consent_id, "licence": licence}))
    return chosen


Answer = tuple[str | None, str, str]
"""The consent for the first scope, or None with the reason's code and words."""


def permissions(settings: Settings, scopes: Sequence[str], on: date | None = None) -> dict[str, Answer]:
    """For each recording of the lake, whether the consents allow all scopes on a day (today)."""
    rights = _Rights(settings, scopes, on)
    return {row["recording_id"]: rights.of(row) for row in _recordings(Lake(settings.lake))}


def canonical(row: Row) -> Row:
    """A row with the columns of a release, its scores rounded, and its hash."""
    facts = {name: row.get(name) for name in CONTENT}
    facts |= {name: round(value, 3) for name in ROUNDED if (value := facts[name]) is not None}
    return hashed(facts)


def reasons(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Segments and seconds that are left out, by reason."""
    count: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for row in rows:
        count[row["reason"]] += 1
        seconds[row["reason"]] += row["duration"]  # type: ignore[assignment]
    return {name: {"segments": count[name], "seconds": round(seconds[name], 3)} for name in sorted(count)}


def licence_of(metadata: Mapping[str, str] | None) -> str | None:
    """The licence that came with a recording."""
    named = {key.casefold().strip(): value.strip() for key, value in (metadata or {}).items()}
    return next((named[name] for name in _LICENCES if named.get(name)), None)


class _Rights:
    """Whether a recording may be published, and for what else it must be allowed."""

    def __init__(self, settings: Settings, scopes: Sequence[str], on: date | None) -> None:
        self._consents, _ = read_consents(settings.landing / CONSENTS_FILE)
        self._current = CurrentRights.read(settings)
        self._scopes = scopes
        self._on = on or date.today()

    def of(self, recording: Row) -> Answer:
        """Whether a recording may be used for all scopes."""
        hashes = {recording["file_sha256"], recording["audio_sha256"]}
        if hashes & self._current.whole:
            return None, WITHDRAWN, "was withdrawn"
        found = []
        for scope in self._scopes:
            consent_id, why = self._ask(recording, scope, bool(hashes & self._current.in_part))
            if consent_id is None:
                return None, NO_CONSENT, f"{scope}: {why}"
            found.append(consent_id)
        return found[0], "", ""

    def _ask(self, recording: Row, scope: str, in_part: bool) -> tuple[str | None, str]:
        if not in_part:
            return resolve(self._consents, recording["source"], recording["metadata"] or {}, scope, self._on)
        # A takedown took the names out of its metadata: the consent that it came under is asked.
        consent = next((one for one in self._consents if one.consent_id == recording["consent_id"]), None)
        if consent is None:
            return None, "the consent that it came under is gone"
        refusal = consent.refusal(scope, self._on)
        return (None, refusal) if refusal else (consent.consent_id, "")


def _segments(lake: Lake) -> list[Row]:
    names = (*_COLUMNS, "decision", "drop_reason")
    columns = ", ".join(f'"{name}"' for name in names)
    order = 'recording_id, start, "end", segment_id'
    result = query(lake, f"SELECT {columns} FROM segments ORDER BY {order}")
    return [dict(zip(names, row, strict=True)) for row in result.rows]


def _matching(lake: Lake, where: str) -> set[str]:
    # The lines of their own keep a comment at the end of the condition from swallowing the bracket.
    result = query(lake, f"SELECT segment_id FROM segments WHERE (\n{where}\n)")
    if result.columns != ("segment_id",):
        raise CatalogError("give a condition, such as dialect = 'yue' AND tier = 'keep'")
    return {row[0] for row in result.rows}


def _recordings(lake: Lake) -> list[Row]:
    columns = ("recording_id", "source", "status", "consent_id", "metadata", "file_sha256", "audio_sha256")
    return [row for row in lake.rows("recordings", None, columns) if row["status"] == "ok"]


def _refusal(row: Row, matching: set[str] | None, answers: Mapping[str, Answer]) -> tuple[str, str, str | None]:
    if row["decision"] != "keep":
        return NOT_KEPT, row["drop_reason"] or "dropped", None
    if matching is not None and row["segment_id"] not in matching:
        return CONDITION, "the condition does not hold for it", None
    gone = (None, WITHDRAWN, "its recording is no longer in table recordings")
    consent_id, reason, detail = answers.get(row["recording_id"], gone)
    return reason, detail, consent_id


def _left_out(row: Row, reason: str, detail: str) -> Row:
    shared = ("segment_id", "recording_id", "start", "end", "duration")
    return {name: row[name] for name in shared} | {"reason": reason, "detail": detail}
