"""Who speaks how much, and whose text is worst."""

from __future__ import annotations

from pipeline.lake.summaries.summary import HOURS_KEPT, Summary

SPEAKER_SUMMARY = Summary(
    "speaker_summary",
    "One row per linked speaker: how much they speak, and what is kept of it",
    """
    WITH linked AS (
        SELECT speaker_id, count(DISTINCT recording_id) AS recordings,
            list_sort(list(DISTINCT dialect)) AS dialects, sum(seconds) AS seconds_spoken,
            min(similarity) AS least_similarity
        FROM speakers GROUP BY speaker_id
    ), kept AS (
        SELECT speaker_id, count(*) AS segments, sum(duration) AS seconds_kept, sum(covered_seconds) AS speech_kept,
            avg(dnsmos_ovrl) AS dnsmos_ovrl, avg(speaking_rate) AS speaking_rate, any_value(split) AS split,
            count(DISTINCT recording_id) AS recordings_kept, list_sort(list(DISTINCT dialect)) AS dialects_kept
        FROM segments WHERE decision = 'keep' AND speaker_id IS NOT NULL GROUP BY speaker_id
    )
    SELECT speaker_id, coalesce(recordings, recordings_kept) AS recordings,
        coalesce(dialects, dialects_kept) AS dialects, coalesce(seconds_spoken, 0) AS seconds_spoken,
        coalesce(segments, 0) AS segments,
        coalesce(seconds_kept, 0) AS seconds_kept, coalesce(speech_kept, 0) AS speech_kept,
        coalesce(speech_kept, 0) / nullif(seconds_spoken, 0) AS share_kept, split, dnsmos_ovrl, speaking_rate,
        least_similarity
    FROM linked FULL JOIN kept USING (speaker_id) ORDER BY seconds_spoken DESC, speaker_id
    """,
    {
        "seconds_spoken": "Speech that diarization found; 0 of a speaker whom only reviewers named [s]",
        "seconds_kept": f"{HOURS_KEPT}; so it may be more than seconds_spoken [s]",
        "speech_kept": "Speech that diarization found in the kept segments [s]",
        "share_kept": "speech_kept of seconds_spoken",
        "speaking_rate": "Mean spoken characters per second [1/s]",
        "least_similarity": "Cosine similarity of the local speaker farthest from the centroid",
    },
    dialect="dialects",
)

# levenshtein counts bytes, of which a Chinese character has three: each pair's characters are numbered first.
WORST_SPEAKERS = Summary(
    "worst_speakers",
    "Whose text is worst, by what is known of it: corrections, given text, or the recognisers' confidence",
    r"""
    WITH kept AS (
        SELECT segment_id, recording_id, start, "end", speaker_id, dialect, split, duration, text_disagreement,
            1 - confidence AS expected_error, length(regexp_replace(text, '[^\p{L}\p{N}]', '', 'g')) AS characters
        FROM segments WHERE decision = 'keep'
    ), changed AS (
        SELECT k.segment_id, regexp_replace(c.old, '[^\p{L}\p{N}]', '', 'g') AS old,
            regexp_replace(c.new, '[^\p{L}\p{N}]', '', 'g') AS new
        FROM standing_corrections AS c JOIN kept AS k USING (recording_id)
        WHERE c.field IN ('text', 'accepted')
            AND least(c."end", k."end") - greatest(c.start, k.start)
                > least(c."end" - c.start, k."end" - k.start) / 2
        QUALIFY row_number() OVER (PARTITION BY k.segment_id ORDER BY c."at" DESC, c.correction_id) = 1
    ), spelled AS (
        SELECT segment_id, string_split(coalesce(old, new), '') AS before, string_split(new, '') AS after,
            list_distinct(string_split(coalesce(old, new) || new, '')) AS letters FROM changed
    ), edited AS (
        SELECT segment_id, len(after) AS units, levenshtein(
            array_to_string([chr(list_position(letters, one)::INTEGER) for one in before], ''),
            array_to_string([chr(list_position(letters, one)::INTEGER) for one in after], '')) AS edits
        FROM spelled
    ), judged AS (
        SELECT kept.*, edits, units FROM kept LEFT JOIN edited USING (segment_id)
    ), figures AS (
        SELECT speaker_id, min(dialect) AS dialect, any_value(split) AS split, count(*) AS segments,
            sum(duration) AS seconds_kept, sum(edits) / nullif(sum(units), 0) AS corrected_error,
            count(units) AS segments_corrected,
            sum(text_disagreement * characters) / nullif(sum(characters) FILTER (text_disagreement IS NOT NULL), 0)
                AS given_error,
            count(text_disagreement) AS segments_given,
            sum(expected_error * characters) / nullif(sum(characters) FILTER (expected_error IS NOT NULL), 0)
                AS expected_error,
            count(expected_error) AS segments_expected,
            max(coalesce(edits / nullif(units, 0), text_disagreement, expected_error)) AS worst_error,
            arg_max(segment_id, coalesce(edits / nullif(units, 0), text_disagreement, expected_error)) AS worst_segment
        FROM judged GROUP BY speaker_id
    )
    SELECT speaker_id, dialect, split, segments, seconds_kept, coalesce(corrected_error, given_error, expected_error)
        AS error, CASE WHEN corrected_error IS NOT NULL THEN 'corrections' WHEN given_error IS NOT NULL
        THEN 'given text' WHEN expected_error IS NOT NULL THEN 'confidence' ELSE 'not measured' END AS known_by,
        worst_error, worst_segment, corrected_error, segments_corrected, given_error, segments_given, expected_error,
        segments_expected
    FROM figures ORDER BY error DESC NULLS LAST, speaker_id
    """,
    {
        "seconds_kept": f"{HOURS_KEPT} [s]",
        "error": "Errors a character; of the three that follow the first that is known",
        "known_by": "corrections, given text, confidence (what a calibration expects: nobody has listened), "
        "or not measured",
        "worst_error": "Errors a character of the speaker's worst segment, by the same order",
        "corrected_error": "By what people changed: edits from the old text to theirs",
        "given_error": "By text that came with the recording: how far a recogniser is from it",
        "expected_error": "1 - confidence, weighted by characters",
    },
)
