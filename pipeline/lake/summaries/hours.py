"""How many hours: by dialect, tier, split and day, and the batches they came in."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

_KEPT = """count(*) AS segments, count(DISTINCT speaker_id) AS speakers, sum(duration) / 3600 AS hours_kept
        FROM segments WHERE decision = 'keep'"""

HOURS_BY_DIALECT = Summary(
    "hours_by_dialect",
    "What landed and what the corpus keeps of it, per dialect",
    """
    WITH landed AS (
        SELECT dialect, count(*) AS recordings, sum(duration) / 3600 AS hours_landed
        FROM recordings WHERE status = 'ok' GROUP BY dialect
    ), kept AS (
        SELECT dialect, count(*) AS segments, count(DISTINCT speaker_id) AS speakers, sum(duration) / 3600 AS hours,
            coalesce(sum(duration) FILTER (split = 'train'), 0) / 3600 AS hours_train,
            coalesce(sum(duration) FILTER (split = 'dev'), 0) / 3600 AS hours_dev,
            coalesce(sum(duration) FILTER (split = 'test'), 0) / 3600 AS hours_test,
            sum(dnsmos_ovrl * duration) / sum(duration) AS dnsmos_ovrl
        FROM segments WHERE decision = 'keep' GROUP BY dialect
    )
    SELECT dialect, coalesce(recordings, 0) AS recordings, coalesce(hours_landed, 0) AS hours_landed,
        coalesce(hours, 0) AS hours_kept, coalesce(segments, 0) AS segments, coalesce(speakers, 0) AS speakers,
        coalesce(hours_train, 0) AS hours_train, coalesce(hours_dev, 0) AS hours_dev,
        coalesce(hours_test, 0) AS hours_test, dnsmos_ovrl
    FROM landed FULL JOIN kept USING (dialect) ORDER BY dialect
    """,
    {
        "recordings": "Recordings that the pipeline works on",
        "hours_landed": "Their length [h]",
        "hours_kept": f"{HOURS_KEPT} [h]",
        "hours_train": "The part of hours_kept that is for training [h]",
        "hours_dev": "The part of hours_kept that is for development [h]",
        "hours_test": "The part of hours_kept that is for testing [h]",
        "dnsmos_ovrl": "Mean DNSMOS P.835 OVRL of the kept segments, weighted by length",
    },
)

HOURS_BY_TIER = Summary(
    "hours_by_tier",
    "What the corpus keeps, per dialect and grade of quality",
    f"SELECT dialect, tier, {_KEPT} GROUP BY dialect, tier ORDER BY dialect, tier",
    {"tier": "Grade by the policy of [score]; null where a segment has none", "hours_kept": f"{HOURS_KEPT} [h]"},
)

HOURS_BY_SPLIT = Summary(
    "hours_by_split",
    "What the corpus keeps for training, development and testing, per dialect",
    f"SELECT dialect, split, {_KEPT} GROUP BY dialect, split ORDER BY dialect, split = 'train' DESC, split",
    {"split": "train, dev or test; no speaker is in two of them", "hours_kept": f"{HOURS_KEPT} [h]"},
)

BATCHES = Summary(
    "batches",
    "The batches in which files came: when, how many, which dialects, how much of it is kept",
    """
    WITH landed AS (
        SELECT batch, min(landed_at) AS landed_first, max(landed_at) AS landed_at, max(ingested_at) AS ingested_at,
            count(*) AS files, count(*) FILTER (status = 'ok') AS recordings,
            coalesce(sum(duration) FILTER (status = 'ok'), 0) / 3600 AS hours_landed,
            list_sort(list(DISTINCT dialect)) AS dialects
        FROM recordings GROUP BY batch
    ), kept AS (
        SELECT batch, count(*) AS segments, sum(duration) / 3600 AS hours_kept
        FROM segments WHERE decision = 'keep' GROUP BY batch
    )
    SELECT batch, landed_first, landed_at, ingested_at, files, recordings, hours_landed, dialects,
        coalesce(segments, 0) AS segments, coalesce(hours_kept, 0) AS hours_kept
    FROM landed LEFT JOIN kept USING (batch) ORDER BY length(batch) DESC, batch DESC
    """,
    {
        "landed_first": "When the first of its files landed",
        "landed_at": "When the last of its files landed",
        "ingested_at": "When its last row of recordings was made",
        "files": "Files of the batch, quarantined ones and those without consent included",
        "recordings": "Those that the pipeline works on",
        "hours_landed": "Their length [h]",
        "hours_kept": f"{HOURS_KEPT} [h]",
    },
    dialect="dialects",
    since="landed_at",
)

NEW_RECORDINGS = Summary(
    "new_recordings",
    "What came in, the newest first, and how much of each file is kept",
    """
    WITH kept AS (
        SELECT recording_id, batch, count(*) AS segments, sum(duration) AS seconds_kept
        FROM segments WHERE decision = 'keep' GROUP BY recording_id, batch
    )
    SELECT landed_at, ingested_at, batch, dialect, collection, source, status, status_detail,
        duration AS seconds_landed, CASE WHEN status = 'ok' THEN coalesce(segments, 0) ELSE 0 END AS segments,
        CASE WHEN status = 'ok' THEN coalesce(seconds_kept, 0) ELSE 0 END AS seconds_kept
    FROM recordings LEFT JOIN kept USING (recording_id, batch) ORDER BY landed_at DESC NULLS LAST, source
    """,
    {
        "landed_at": "When the file was put below the landing folder; null in rows from before this was noted",
        "seconds_landed": "Length of the recording [s]",
        "seconds_kept": f"{HOURS_KEPT} [s]",
    },
    since="landed_at",
    since_days=7,
)
