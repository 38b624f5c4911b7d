"""Segments of 3 to 30 s out of aligned transcripts, each with its sound, its scores and its grade."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.aligned_turns import cut_between_turns
from pipeline.audio import clips, dnsmos, quality
from pipeline.audio.dnsmos import Dnsmos
from pipeline.corpus import dedup, tiers
from pipeline.corrected_segments import fixed_segments, ipa_in, parts_of, readings_in, rescale, seconds_beside
from pipeline.corrections.spans import CorrectedSpan
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition.given_rows import of_segment
from pipeline.segment_audio import read_segments
from pipeline.segmentation import Limits, Segment, segment
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult
from pipeline.text.pieces import join_texts

HIGHEST_RATE = 48_000


class Score(Stage):
    """Cuts, listens and grades. Only what breaks a hard rule is dropped; a low score is a tier.

    DNSMOS looks at as few windows as cover a segment: within 0.1 of the published way at a third of its cost.
    """

    name = "score"
    version = "6"
    reads = ("recordings", "turns", "denoised", "transcripts", "alignments")
    corrected = ("text", "source", "speaker", "dialect", "keep", "unintelligible", "cut_by_hand")
    writes = "segments"
    resources = Resources(cpus=1.0, memory_gb=1.5)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.score
        self._dnsmos: Dnsmos | None = None

    def parameters(self) -> dict[str, Any]:
        """The settings; DNSMOS comes with a pinned wheel."""
        return self._settings.model_dump()

    def load(self) -> None:
        """Open DNSMOS. Raises ModelUnavailable."""
        self._dnsmos = Dnsmos(windows="cover")

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per segment, in order of start; dropped ones have no sound and no scores of it.

        What people corrected is a segment of its own, cut as they heard it.
        """
        applied = {row["turn_id"] for row in rows["denoised"] if row["applied"]}
        aligned, segments, said = self._segments(recording, rows, applied)
        shares = [_overlap_share(found, rows["turns"]) for found in segments]
        reasons = self._drop_reasons(segments, shares, said)
        rate = min(recording.sample_rate, HIGHEST_RATE)
        kept = [found for found, reason in zip(segments, reasons, strict=True) if reason is None]
        sounds = read_segments(recording, [(found.start, found.end) for found in kept], rows["denoised"], rate)
        transcripts = {row["transcript_id"]: row for row in rows["transcripts"]}
        about = _about(recording, rows["recordings"])
        result = StageResult()
        passed, dropped = 0.0, defaultdict[str, float](float)
        for found, span, share, reason in zip(segments, said, shares, reasons, strict=True):
            own = [(aligned[index], seconds) for index, seconds in found.covered]
            row = about | _facts(found, own, transcripts) | _as_said(span, found)
            row["romanization_ipa"] = ipa_in(found, row["dialect"])
            row |= {
                "turn_id": _first_turn(found, rows["turns"]) or own[0][0]["turn_id"],
                "segment_id": span_id(recording.recording_id, found.start, found.end),
                "overlap_share": share,
                "denoised": own[0][0]["turn_id"] in applied,
                "decision": "drop" if reason else "keep",
                "drop_reason": reason,
            }
            if reason is None:
                row |= self._heard(next(sounds), rate, row["segment_id"])
                passed += found.covered_seconds
            else:
                dropped[reason] += found.covered_seconds
            result.rows.append(row)
        if passed:
            result.ledger.append(LedgerEntry("passed", passed))
        result.ledger += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
        return result

    def _segments(
        self, recording: Recording, rows: Mapping[str, Sequence[Row]], applied: Set[str]
    ) -> tuple[list[Row], list[Segment], list[CorrectedSpan | None]]:
        """Aligned rows, the segments that they are cut to, in order of start, and what people said of each."""
        kept = [row for row in rows["alignments"] if row["decision"] == "keep"]
        inside, rest = parts_of(kept, recording.corrected, recording.recording_id)
        # A segment does not change its background in the middle.
        aligned = cut_between_turns(
            rest, rows["turns"], lambda one, two: (one["turn_id"] in applied) != (two["turn_id"] in applied)
        )
        known = {row["transcript_id"] for row in [*aligned, *(part for _, part in inside)]}
        silent = [(row["start"], row["end"]) for row in rows["transcripts"] if row["transcript_id"] not in known]
        silent += [(span.start, span.end) for span in recording.corrected]
        limits = Limits(
            min_seconds=self._settings.min_seconds,
            max_seconds=self._settings.max_seconds,
            target_seconds=self._settings.target_seconds,
            join_gap_seconds=self._settings.join_gap_seconds,
            margin_seconds=self._settings.margin_seconds,
        )
        cut = segment(
            aligned,
            rows["turns"],
            limits,
            recording.duration,
            silent,
            lambda one, two: (one["turn_id"] in applied) == (two["turn_id"] in applied),
        )
        rescale(cut, aligned, seconds_beside(rest, recording.corrected))
        fixed = fixed_segments(inside, rows["turns"], len(aligned))
        found: list[tuple[Segment, CorrectedSpan | None]] = [*((one, None) for one in cut), *fixed]
        found.sort(key=lambda pair: (pair[0].start, pair[0].end))
        return [*aligned, *(part for _, part in inside)], [one for one, _ in found], [span for _, span in found]

    def _drop_reasons(
        self, segments: Sequence[Segment], overlap_shares: Sequence[float], said: Sequence[CorrectedSpan | None]
    ) -> list[str | None]:
        everything = (-np.inf, np.inf)
        sound = [
            found.duration / len(found.characters)
            for found in segments
            if tiers.drop_reason(self._settings, found.duration, len(found.characters), 0.0, everything) is None
        ]
        usual = tiers.pace_bounds(sound)
        reasons = []
        for found, share, span in zip(segments, overlap_shares, said, strict=True):
            reason = tiers.drop_reason(self._settings, found.duration, len(found.characters), share, usual)
            # Pace is a doubt about the text, which a person who heard it has not.
            if span is not None and found.characters and (span.keep or (span.has_text and reason == "rate_outlier")):
                reason = None
            reasons.append((span.drop_reason if span is not None else None) or reason)
        return reasons

    def _heard(self, samples: NDArray[np.float32], rate: int, segment_id: str) -> Row:
        """What the sound of a kept segment says, (T,) at `rate` Hz, and the sound itself."""
        assert self._dnsmos is not None, "load() comes before process()"
        mos = self._dnsmos.score(clips.resample(samples, rate, dnsmos.SAMPLE_RATE))
        return {
            "dnsmos_ovrl": mos.ovrl,
            "dnsmos_sig": mos.sig,
            "dnsmos_bak": mos.bak,
            "dnsmos_p808": mos.p808,
            "snr_db": quality.snr_db(samples, rate),
            "bandwidth_hz": quality.bandwidth_hz(samples, rate),
            "loudness_lufs": quality.loudness_lufs(samples, rate),
            "tier": tiers.tier(self._settings.policy, mos),
            "audio": {"bytes": clips.encode_flac(samples, rate), "path": f"{segment_id}.flac"},
            "audio_sha256": dedup.samples_sha256(clips.to_int16(samples), rate),
            "sample_rate": rate,
        }


def _about(recording: Recording, recordings: Sequence[Row]) -> Row:
    row = next((row for row in recordings if row["recording_id"] == recording.recording_id), None) or {}
    return {
        "recording_id": recording.recording_id,
        "source": recording.source,
        "dialect": recording.dialect,
        "collection": recording.collection,
        "consent_id": row.get("consent_id"),
        "landed_at": row.get("landed_at"),
        "scored_at": datetime.now(UTC),
        "metadata": list(dict(row.get("metadata") or {}).items()),
    }


def _as_said(span: CorrectedSpan | None, found: Segment) -> Row:
    """What people say of a segment beside its text; the speaker is looked up when the corpus is built."""
    if span is None:
        return {}
    said: Row = {} if span.speaker is None else {"speaker_id": span.speaker}
    if span.dialect is not None:
        said |= {"dialect": span.dialect, "romanization": readings_in(found, span.dialect)}
    return said


def _facts(found: Segment, own: Sequence[tuple[Row, float]], transcripts: Mapping[str, Row]) -> Row:
    """What text and times say; `own` are the alignments of a segment with the seconds of each that it covers."""
    names = [character["char"] for character in found.characters]
    sources = [
        (transcripts[row["transcript_id"]], seconds) for row, seconds in own if row["transcript_id"] in transcripts
    ]
    scores = [character["score"] for character in found.characters]
    return {
        "local_speaker": found.local_speaker,
        "start": found.start,
        "end": found.end,
        "duration": found.duration,
        "covered_seconds": found.covered_seconds,
        "text": found.text,
        "text_normalized": join_texts(names).lower(),
        "romanization": " ".join(found.readings),
        "characters": found.characters,
        "language_probability": _mean(sources, "language_probability"),
        "confidence": _mean(sources, "confidence"),
        "agreement": _mean(sources, "agreement"),
        "asr_avg_logprob": _mean(sources, "asr_avg_logprob"),
        "asr_no_speech_prob": _highest(sources, "asr_no_speech_prob"),
        "asr_compression_ratio": _highest(sources, "asr_compression_ratio"),
        "align_score": float(np.mean(scores)) if scores else None,
        "speaking_rate": len(names) / found.duration if found.duration > 0 else None,
        **of_segment(sources),
    }


def _first_turn(found: Segment, turns: Sequence[Row]) -> str | None:
    """The turn in which a segment's first character is heard."""
    if not found.characters:
        return None
    first = found.characters[0]["start"]
    own = (turn for turn in turns if turn["local_speaker"] == found.local_speaker and first < turn["end"])
    return next((turn["turn_id"] for turn in sorted(own, key=lambda turn: turn["start"])), None)


def _mean(sources: Sequence[tuple[Row, float]], column: str) -> float | None:
    """Mean by the seconds covered; None where no transcript has a value."""
    known = [(row[column], seconds) for row, seconds in sources if row[column] is not None]
    total = sum(seconds for _, seconds in known)
    return sum(value * seconds for value, seconds in known) / total if total > 0 else None


def _highest(sources: Sequence[tuple[Row, float]], column: str) -> float | None:
    return max((row[column] for row, _ in sources if row[column] is not None), default=None)


def _overlap_share(found: Segment, turns: Sequence[Row]) -> float:
    """Share of the segment in which somebody else speaks, from the shares of the turns it reaches over."""
    overlapped = 0.0
    for turn in turns:
        if turn["local_speaker"] == found.local_speaker and turn["overlap_share"]:
            common = min(turn["end"], found.end) - max(turn["start"], found.start)
            overlapped += turn["overlap_share"] * max(0.0, common)
    return overlapped / found.duration if found.duration > 0 else 0.0
