"""What people have heard and corrected."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

STANDING_CORRECTIONS = Summary(
    "standing_corrections",
    "The corrections that nobody took back, the last of each span and field",
    """
    WITH RECURSIVE chain AS (
        SELECT correction_id AS first, correction_id AS last, 0 AS depth FROM corrections WHERE takes_back IS NULL
        UNION
        SELECT chain.first, c.correction_id, chain.depth + 1
        FROM chain JOIN corrections AS c ON c.takes_back = chain.last
    ), standing AS (
        SELECT first AS correction_id FROM chain GROUP BY first HAVING max(depth) % 2 = 0
    )
    SELECT c.* EXCLUDE (takes_back) FROM corrections AS c JOIN standing USING (correction_id)
    QUALIFY row_number() OVER (
        PARTITION BY recording_id, round(start * 1000), round("end" * 1000), field
        ORDER BY c."at" DESC, c.correction_id DESC
    ) = 1
    ORDER BY c."at" DESC, c.correction_id
    """,
    {
        "at": "When it was made",
        "who": "Who says so",
        "field": "text, speaker, dialect, start, end, keep, unintelligible, note; accepted: everything was found right",
    },
    dialect="",
    since="at",
)

REVIEW_PROGRESS = Summary(
    "review_progress",
    "How much of the corpus people have listened to, and how much of that they changed, per dialect",
    """
    WITH heard AS (
        SELECT s.segment_id, bool_or(c.field <> 'accepted' AND c.field <> 'note') AS changed,
            bool_or(c.sample LIKE 'random-%') AS at_random, max(c."at") AS last_at
        FROM segments AS s JOIN standing_corrections AS c USING (recording_id)
        WHERE least(c."end", s."end") - greatest(c.start, s.start)
            > least(c."end" - c.start, s."end" - s.start) / 2
        GROUP BY s.segment_id
    ), people AS (
        SELECT r.dialect, count(DISTINCT c.who) AS reviewers, sum(c.listened_s) / 3600 AS hours_listened
        FROM corrections AS c JOIN (SELECT recording_id, min(dialect) AS dialect FROM recordings GROUP BY recording_id)
            AS r USING (recording_id)
        GROUP BY r.dialect
    ), corpus_of AS (
        SELECT dialect, count(*) FILTER (decision = 'keep') AS segments,
            coalesce(sum(duration) FILTER (decision = 'keep'), 0) / 3600 AS hours_kept,
            count(heard.segment_id) AS segments_heard,
            count(heard.segment_id) FILTER (decision = 'keep') / nullif(count(*) FILTER (decision = 'keep'), 0)
                AS share_heard,
            coalesce(sum(duration) FILTER (heard.segment_id IS NOT NULL), 0) / 3600 AS hours_heard,
            count(*) FILTER (changed) AS segments_changed, count(*) FILTER (at_random) AS segments_at_random,
            max(last_at) AS last_at
        FROM segments LEFT JOIN heard USING (segment_id)
        WHERE decision = 'keep' OR heard.segment_id IS NOT NULL GROUP BY dialect
    )
    SELECT dialect, segments, hours_kept, segments_heard, hours_heard, share_heard,
        segments_changed, segments_at_random, coalesce(reviewers, 0) AS reviewers,
        coalesce(hours_listened, 0) AS hours_listened, last_at
    FROM corpus_of LEFT JOIN people USING (dialect) ORDER BY dialect
    """,
    {
        "segments": "Segments that are kept",
        "hours_kept": f"{HOURS_KEPT} [h]",
        "segments_heard": "Segments of which a standing correction or `accepted` says something, dropped ones included",
        "share_heard": "Share of the kept segments",
        "segments_changed": "Those of which something other than a note was changed",
        "segments_at_random": "Those that a random sample offered: only they estimate the corpus",
        "hours_listened": "Time that reviewers listened, repeats included, as far as it was noted [h]",
        "last_at": "When the last of it was said",
    },
)
