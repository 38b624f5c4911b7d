"""Consents that end."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

CONSENTS_ENDING = Summary(
    "consents_ending",
    "Consents that stand today and have an end, the next first, and the hours that rest on them",
    """
    WITH covered AS (
        SELECT r.consent_id, count(DISTINCT r.recording_id) AS recordings, list_sort(list(DISTINCT r.dialect))
            AS dialects, coalesce(sum(s.seconds), 0) / 3600 AS hours_kept
        FROM recordings AS r LEFT JOIN (SELECT recording_id, sum(duration) AS seconds FROM segments
            WHERE decision = 'keep' GROUP BY recording_id) AS s USING (recording_id)
        WHERE r.status = 'ok' GROUP BY r.consent_id
    )
    SELECT valid_until, valid_until - current_date AS days_left, consent_id, scopes,
        coalesce(covered.recordings, 0) AS recordings, dialects, coalesce(hours_kept, 0) AS hours_kept
    FROM consents LEFT JOIN covered USING (consent_id)
    WHERE valid_until >= current_date AND coalesce(revoked > current_date, true)
        AND coalesce(valid_from <= current_date, true)
    ORDER BY valid_until, consent_id
    """,
    {
        "valid_until": "The last day on which it stands",
        "days_left": "Days until then; 0: it ends today",
        "recordings": "Recordings that it covers",
        "hours_kept": f"{HOURS_KEPT} [h]",
    },
    dialect="dialects",
    days="days_left",
    most_days=30,
)
