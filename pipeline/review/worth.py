"""Which segments are most worth a person's minute, and why, in words. Nothing here knows what was reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.corrections.text_rows import BY_PEOPLE
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.views import literal

RARE_SEGMENTS = 2
_RARE_AMONG = 200
"""Segments that a dialect needs before a character in two of them is rare."""
_READ = ("segments", "corpus", "speakers", "segment_dialects")
_LOWEST = 0.05
"""Alignment and links to speakers are doubted in the lowest twentieth: their scales depend on the checkpoint."""

_SQL = """
WITH kept AS (
    SELECT segment_id, recording_id, start, "end", dialect, local_speaker, duration, text, text_source, confidence,
        agreement, asr_avg_logprob, align_score, text_disagreement, coalesce(text_doubt, false) AS text_doubt,
        dialect_heard, dialect_probability, review_reason, coalesce(text_normalized, '') AS spoken
    FROM segments WHERE decision = 'keep' AND duration > 0 AND coalesce(text_source, '') NOT IN ({people})
), links AS (
    SELECT recording_id, local_speaker, similarity, percent_rank() OVER (ORDER BY similarity) AS place
    FROM speakers WHERE similarity IS NOT NULL AND speaker_id IN (
        SELECT speaker_id FROM speakers GROUP BY speaker_id HAVING count(DISTINCT recording_id) > 1)
), judged AS (
    SELECT k.*, l.similarity, coalesce(l.place < {lowest}, false) AS doubtful_link,
        align_score IS NOT NULL
            AND percent_rank() OVER (PARTITION BY k.dialect ORDER BY align_score) < {lowest} AS low_alignment,
        CASE WHEN text_source = 'given' THEN CASE WHEN text_doubt THEN coalesce(text_disagreement, 1) ELSE 0 END
            ELSE greatest(0, 1 - coalesce(confidence, agreement, exp(asr_avg_logprob), 1)) END AS wrong_share
    FROM kept AS k LEFT JOIN links AS l USING (recording_id, local_speaker)
), found AS (
    SELECT *, least(wrong_share, 1) * length(spoken)
        + CASE WHEN review_reason IS NULL THEN 0 ELSE coalesce(dialect_probability, 0) END
        + CASE WHEN doubtful_link THEN 1 - greatest(similarity, 0) ELSE 0 END AS expected
    FROM judged WHERE {only}
), first AS (
    SELECT * FROM found ORDER BY expected / duration DESC, low_alignment DESC, segment_id LIMIT {limit}
), letters AS (
    SELECT dialect, letter, count(*) AS segments
    FROM (SELECT dialect, unnest(list_distinct(string_split(spoken, ''))) AS letter FROM kept WHERE {only}) GROUP BY ALL
), sizes AS (
    SELECT dialect, count(*) AS segments FROM kept GROUP BY dialect
), rare AS (
    SELECT f.segment_id, string_agg(l.letter, ' ' ORDER BY l.letter) AS letters
    FROM (SELECT dialect, segment_id, unnest(list_distinct(string_split(spoken, ''))) AS letter FROM first) AS f
    JOIN letters AS l USING (dialect, letter) JOIN sizes AS z USING (dialect)
    WHERE l.segments <= {rare} AND z.segments >= {among} AND l.letter <> '' GROUP BY f.segment_id
)
SELECT segment_id, recording_id, start, "end", dialect, duration, text, text_source, confidence, agreement, align_score,
    text_disagreement, text_doubt, dialect_heard, dialect_probability, review_reason, length(spoken), r.letters,
    similarity, doubtful_link, low_alignment, wrong_share, expected
FROM first LEFT JOIN rare AS r USING (segment_id)
ORDER BY expected / duration DESC, low_alignment DESC, segment_id
"""


@dataclass(frozen=True)
class Worth:
    """A kept segment, the errors that a person is expected to find in it, and the reasons to listen, in words."""

    segment_id: str
    recording_id: str
    start: float
    end: float
    dialect: str | None
    text: str
    expected_errors: float
    expected_errors_per_minute: float
    reasons: tuple[str, ...]


def most_worth(lake: Lake, limit: int, dialect: str | None = None) -> tuple[Worth, ...]:
    """The `limit` segments, of one dialect if given, with most errors expected per minute of listening, best first.

    Expected errors are characters times the share expected to be wrong (1 - calibrated confidence; uncalibrated,
    1 - agreement of the recognisers; of given text its disagreement where it is doubted), and one for each label times
    the probability that it is wrong: the dialect, the speaker.
    """
    stamps = tuple(
        (file.name, file.stat().st_mtime_ns, file.stat().st_size)
        for table in _READ
        for file in sorted((lake.root / table).glob("*.parquet"))
    )
    return _ranked(lake.root, stamps, limit, dialect)


@lru_cache(maxsize=8)
def _ranked(root: Path, stamps: tuple, limit: int, dialect: str | None) -> tuple[Worth, ...]:
    only = "true" if dialect is None else f"dialect = {literal(dialect)}"
    people = ", ".join(map(literal, BY_PEOPLE))
    statement = _SQL.format(
        rare=RARE_SEGMENTS, among=_RARE_AMONG, lowest=_LOWEST, limit=limit, only=only, people=people
    )
    found = query(Lake(root), statement)
    return tuple(_worth(*row) for row in found.rows)


def _worth(
    segment_id: str,
    recording_id: str,
    start: float,
    end: float,
    dialect: str | None,
    duration: float,
    text: str | None,
    text_source: str | None,
    confidence: float | None,
    agreement: float | None,
    align_score: float | None,
    text_disagreement: float | None,
    text_doubt: bool,
    dialect_heard: str | None,
    dialect_probability: float | None,
    review_reason: str | None,
    characters: int,
    rare_letters: str | None,
    similarity: float | None,
    doubtful_link: bool,
    low_alignment: bool,
    wrong_share: float,
    expected: float,
) -> Worth:
    reasons = []
    wrong = wrong_share * characters
    if text_source == "given":
        if text_doubt:
            share = "an unknown share" if text_disagreement is None else f"{text_disagreement:.0%}"
            reasons.append(f"given text doubted: the recognisers disagree with {share} of it")
    elif confidence is not None:
        if wrong >= 0.5:
            reasons.append(f"{wrong:.1f} of {characters} characters expected wrong (confidence {confidence:.2f})")
    elif wrong >= 0.5:
        reasons.append(f"up to {wrong:.1f} of {characters} characters expected wrong (confidence is not calibrated)")
    if text_source != "given" and agreement is not None and agreement < 1:
        reasons.append(f"recognisers disagree in {1 - agreement:.0%} of the places")
    if review_reason == "dialect_mismatch":
        reasons.append(f"dialect: {dialect_heard} is heard (probability {dialect_probability or 0:.2f}), not {dialect}")
    elif review_reason:
        reasons.append("dialect: another one is heard in a part of it")
    if low_alignment:
        reasons.append(f"low alignment: {align_score:.2f}, in the lowest twentieth of {dialect}")
    if doubtful_link:
        reasons.append(f"speaker: the link to other recordings is doubtful (similarity {similarity:.2f})")
    if rare_letters:
        reasons.append(f"rare: {rare_letters} in at most {RARE_SEGMENTS} segments of {dialect}")
    return Worth(
        segment_id,
        recording_id,
        start,
        end,
        dialect,
        text or "",
        expected,
        60 * expected / duration,
        tuple(reasons) or ("nothing speaks against it; it is next in the order of expected errors",),
    )
