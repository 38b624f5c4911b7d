"""The list of summaries: each is a view of the catalog and an answer of `fangyan ask`."""

from __future__ import annotations

from pipeline.lake.summaries import dialects, hours, losses, review, rights, speakers, texts
from pipeline.lake.summaries.summary import Summary

SUMMARIES: tuple[Summary, ...] = (
    hours.HOURS_BY_DIALECT,
    hours.HOURS_BY_TIER,
    hours.HOURS_BY_SPLIT,
    speakers.SPEAKER_SUMMARY,
    losses.YIELD_BY_REASON,
    hours.BATCHES,
    hours.NEW_RECORDINGS,
    rights.CONSENTS_ENDING,
    review.STANDING_CORRECTIONS,
    review.REVIEW_PROGRESS,
    speakers.WORST_SPEAKERS,
    texts.LOW_ALIGNMENT,
    dialects.DIALECT_MISMATCHES,
    texts.SPEAKING_RATES,
)
