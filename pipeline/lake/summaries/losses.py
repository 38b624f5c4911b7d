"""Where the hours went."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

YIELD_BY_REASON = Summary(
    "yield_by_reason",
    "Where the hours went, per stage: passed on, dropped or quarantined, and why",
    """
    WITH ways AS (
        SELECT stage, outcome, coalesce(reason, '') AS reason, count(DISTINCT source) AS recordings,
            sum(seconds) / 3600 AS hours
        FROM ledger GROUP BY stage, outcome, coalesce(reason, '')
    ), kept AS (
        SELECT sum(duration) / 3600 AS hours_kept FROM segments WHERE decision = 'keep'
    )
    SELECT ways.*, hours / nullif(sum(hours) OVER (PARTITION BY stage), 0) AS share,
        CASE WHEN stage = 'corpus' AND outcome = 'passed' THEN hours_kept END AS hours_kept
    FROM ways, kept
    ORDER BY list_position({stages}, stage), outcome = 'passed' DESC, hours DESC
    """,
    {
        "hours": "Input of the stage that went this way, without the pauses and margins that segments keep: it adds "
        "up over a stage, and is for losses. Quote hours_kept of hours_by_dialect as the corpus's size [h]",
        "share": "Share of the stage's input",
        "hours_kept": f"What the corpus passes, as it is played. {HOURS_KEPT} [h]",
    },
    dialect="",
)
