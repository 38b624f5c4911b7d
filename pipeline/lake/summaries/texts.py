"""What is doubtful in the texts: where characters fit badly, how fast people speak."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

LOW_ALIGNMENT = Summary(
    "low_alignment",
    "Where text and sound fit least: kept segments and refused stretches, the worst first",
    """
    SELECT align_score, 'kept' AS outcome, NULL::VARCHAR AS reason, dialect, source, start, "end", text, segment_id
    FROM segments WHERE decision = 'keep' AND align_score IS NOT NULL
    UNION ALL
    SELECT a.align_score, 'refused', a.drop_reason, r.dialect, r.source, a.start, a."end", a.text, NULL
    FROM alignments AS a LEFT JOIN (SELECT recording_id, batch, min(source) AS source, min(dialect) AS dialect
        FROM recordings WHERE status = 'ok' GROUP BY recording_id, batch) AS r USING (recording_id, batch)
    WHERE a.decision = 'drop'
    ORDER BY align_score NULLS LAST, source, start
    """,
    {
        "align_score": "Mean probability of the aligned characters, 0 to 1. Another aligner has another scale",
        "outcome": "kept in the corpus, or refused when it was aligned",
        "reason": "Why it was refused",
        "segment_id": "The kept segment; null of what was refused",
    },
)

SPEAKING_RATES = Summary(
    "speaking_rates",
    "How fast people speak, per dialect: spoken characters a second",
    """
    SELECT dialect, count(speaking_rate) AS segments, count(DISTINCT speaker_id) AS speakers,
        quantile_cont(speaking_rate, 0.1) AS slow, median(speaking_rate) AS rate,
        quantile_cont(speaking_rate, 0.9) AS fast, sum(duration) / 3600 AS hours_kept, 'not measured' AS pitch
    FROM segments WHERE decision = 'keep' GROUP BY dialect ORDER BY dialect
    """,
    {
        "slow": "A tenth of the kept segments are slower [1/s]",
        "rate": "Median of the kept segments [1/s]",
        "fast": "A tenth of the kept segments are faster [1/s]",
        "hours_kept": f"{HOURS_KEPT} [h]",
        "pitch": "No table of the lake has the pitch of recordings; that of synthesized speech is judged in evaluation",
    },
)
