"""Segments that sound like another dialect."""

from __future__ import annotations

from pipeline.lake.summaries.summary import Summary

DIALECT_MISMATCHES = Summary(
    "dialect_mismatches",
    "Kept segments in which another dialect is heard than the folder's, in all or in a part of it; to be reviewed",
    """
    SELECT s.segment_id, s.recording_id, r.source, s.dialect, s.dialect_heard, s.dialect_probability,
        h.expected_probability, s.review_reason, s.dialect_spans, s.start, s."end", s.speaker_id, s.text
    FROM segments AS s JOIN segment_dialects AS h USING (segment_id)
    LEFT JOIN (SELECT recording_id, min(source) AS source FROM recordings WHERE status = 'ok' GROUP BY recording_id)
        AS r ON r.recording_id = s.recording_id
    WHERE s.decision = 'keep' AND s.review_reason IS NOT NULL
    ORDER BY s.review_reason DESC, s.dialect_probability DESC, s.segment_id
    """,
    {
        "dialect": "Of the folder; the corpus goes by it",
        "dialect_heard": "What the identifier of [dialect] hears",
        "review_reason": "dialect_mismatch: in the whole segment; dialect_changes: in the spans that say so",
    },
)
