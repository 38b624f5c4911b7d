"""The named questions and their answers: a view of the catalog, narrowed by dialect, moment or days, or error words."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.lake.error_words import ERROR_WORDS, error_words
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError, Result
from pipeline.lake.summaries.questions import SUMMARIES
from pipeline.lake.summaries.summary import Summary
from pipeline.lake.views import literal, quoted
from pipeline.text import dialects

QUESTIONS: dict[str, Summary] = {one.name: one for one in (*SUMMARIES, ERROR_WORDS)}
_AGO = re.compile(r"(\d{1,5})d")


@dataclass(frozen=True)
class Asked:
    """What narrows an answer: `since` a moment, `days` ahead, a dialect's code, at most `limit` rows."""

    dialect: str | None = None
    since: datetime | None = None
    days: int | None = None
    limit: int | None = None


def question(name: str) -> Summary:
    """The question of this name, - or _ between its words. Raises CatalogError with the names that there are."""
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    if plain not in QUESTIONS:
        near = difflib.get_close_matches(plain, QUESTIONS, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise CatalogError(f"there is no question {name!r}{guess}\nThere are: {', '.join(QUESTIONS)}")
    return QUESTIONS[plain]


def moment(text: str, now: datetime | None = None) -> datetime:
    """A day (`2026-11-20`), a moment (`2026-11-20T08:00`) or days ago (`7d`), UTC unless it says otherwise.

    Raises CatalogError.
    """
    now = now or datetime.now(UTC)
    if ago := _AGO.fullmatch(text.strip()):
        return now - timedelta(days=int(ago[1]))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CatalogError(f"{text!r} is no moment; give 2026-11-20, 2026-11-20T08:00 or 7d (days ago)") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def answer(lake: Lake, name: str, asked: Asked = Asked(), now: datetime | None = None) -> Result:
    """Rows of the question `name`. Raises CatalogError, also for a condition that the question does not know."""
    found = question(name)
    conditions = _conditions(found, asked, now or datetime.now(UTC))
    if found is ERROR_WORDS:
        return error_words(lake, asked.dialect, asked.limit)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    most = f" LIMIT {asked.limit}" if asked.limit is not None else ""
    return query(lake, f"SELECT * FROM {quoted(found.name)}{where}{most}")


def _conditions(found: Summary, asked: Asked, now: datetime) -> list[str]:
    known = {"dialect": found.dialect, "since": found.since, "days": found.days}
    for option, column in known.items():
        if getattr(asked, option) is not None and not column:
            those = ", ".join(one.name for one in QUESTIONS.values() if getattr(one, option))
            raise CatalogError(f"{found.name} cannot be asked with --{option}; these can: {those}")
    conditions = []
    if asked.dialect is not None:
        conditions.append(_of_dialect(found.dialect, asked.dialect))
    since = asked.since or (now - timedelta(days=found.since_days) if found.since_days is not None else None)
    if since is not None:
        conditions.append(f"{quoted(found.since)} >= {literal(since.isoformat())}::TIMESTAMPTZ")
    days = found.most_days if asked.days is None else asked.days
    if days is not None:
        conditions.append(f"{quoted(found.days)} <= {days:d}")
    return conditions


def _of_dialect(column: str, code: str) -> str:
    try:
        dialects.get(code)
    except dialects.UnknownDialectError as error:
        raise CatalogError(str(error)) from None
    wanted = literal(code)
    return f"list_contains(dialects, {wanted})" if column == "dialects" else f"{quoted(column)} = {wanted}"
