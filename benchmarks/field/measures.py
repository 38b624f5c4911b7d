"""Figures of a group of recordings, the pipeline's and a peer's: errors, what was dropped, diarization, made-up text.

Intervals are those of model/evaluation/statistics.py, recordings drawn with replacement.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.field.peers import Heard
from benchmarks.field.recordings import LabelledRecording, SpokenTurn
from benchmarks.field.system import FRAMES_PER_SECOND, KEPT, POLICY, Outcome
from model.evaluation.statistics import compare, summarize
from pipeline.text.normalize import normalizer, raw_errors

COLLAR_SECONDS = 0.25


def figures(
    recordings: Sequence[LabelledRecording], outcomes: Mapping[str, Outcome], heard: Mapping[str, Heard]
) -> dict[str, Any]:
    """All figures of one dialect, one configuration and one peer; keys that cannot be measured are left out."""
    done = [one for one in recordings if one.name in outcomes]
    found: dict[str, Any] = {"files": len(recordings), "seconds": sum(outcomes[one.name].seconds for one in done)}
    with_text = [one for one in done if one.text and one.holds_speech and one.name in heard]
    found |= {"n": len(with_text), "normaliser": ", ".join(sorted({normalizer(one.code).name for one in with_text}))}
    if with_text:
        found |= _errors(with_text, outcomes, heard)
    found |= _dropped([one for one in done if one.holds_speech and one.name in heard], outcomes, heard)
    found |= _alignment([outcomes[one.name] for one in done])
    silent = [one for one in done if not one.holds_speech]
    found["hallucinated_s"] = sum(outcomes[one.name].text_seconds for one in silent)
    found["peer_hallucinated_s"] = sum(_seconds(heard[one.name].spans) for one in silent if one.name in heard)
    told = [one for one in done if one.turns is not None]
    if told:
        found |= _diarization(told, outcomes)
    return found


def _errors(
    recordings: Sequence[LabelledRecording], outcomes: Mapping[str, Outcome], heard: Mapping[str, Heard]
) -> dict[str, Any]:
    own, peer, raw, raw_peer, weights, raw_weights = ({} for _ in range(6))
    for one in recordings:
        written, said = outcomes[one.name].written, heard[one.name].text
        errors = normalizer(one.code).character_errors
        wrong, length = errors(one.text, written)
        if not length:
            continue
        own[one.name], weights[one.name] = wrong / length, length
        peer[one.name] = errors(one.text, said)[0] / length
        raw_wrong, raw_length = raw_errors(one.text, written)
        raw[one.name], raw_weights[one.name] = raw_wrong / raw_length, raw_length
        raw_peer[one.name] = raw_errors(one.text, said)[0] / raw_length
    if not own:
        return {}
    names = list(own)
    total = summarize("cer", [own[name] for name in names], [weights[name] for name in names])
    difference = compare("cer", peer, own, weights)
    whole = [name for name in names if outcomes[name].kept_whole]
    return {
        "cer": total.value,
        "cer_low": total.low,
        "cer_high": total.high,
        "raw_cer": _mean(raw, raw_weights),
        "peer_cer": difference.base,
        "raw_peer_cer": _mean(raw_peer, raw_weights),
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "verdict": difference.verdict,
        "files_kept_whole": len(whole),
        "cer_of_files_kept_whole": _mean({name: own[name] for name in whole}, weights),
        "right_dropped_share": _right_and_dropped(recordings, outcomes, heard),
    }


def _right_and_dropped(
    recordings: Sequence[LabelledRecording], outcomes: Mapping[str, Outcome], heard: Mapping[str, Heard]
) -> float | None:
    """Of the characters that the peer wrote right, the share for which the pipeline kept nothing.

    One that the pipeline kept in another form is an error of its text, not a loss.
    """
    right = lost = 0
    for one in recordings:
        good = _matched(one, heard[one.name].text, ("equal",))
        kept = _matched(one, outcomes[one.name].kept_text, ("equal", "replace"))
        right += len(good)
        lost += len(good - kept)
    return lost / right if right else None


def _matched(one: LabelledRecording, hypothesis: str, kinds: Sequence[str]) -> set[int]:
    """Places of the reference's characters (words of a spaced script) that the hypothesis has, by Levenshtein."""
    from rapidfuzz.distance import Levenshtein

    tokens = normalizer(one.code).characters
    blocks = Levenshtein.opcodes(tokens(one.text), tokens(hypothesis))
    return {index for block in blocks if block.tag in kinds for index in range(block.src_start, block.src_end)}


def _dropped(
    recordings: Sequence[LabelledRecording], outcomes: Mapping[str, Outcome], heard: Mapping[str, Heard]
) -> dict[str, Any]:
    """Of the speech that the peer wrote text for: the share that a stage judged away, and where all of it went."""
    where: Counter[str] = Counter()
    for one in recordings:
        states, peer = outcomes[one.name].states, heard[one.name]
        speech = _mask(peer.spans, len(states)) & _mask(peer.speech, len(states))
        where.update(states[speech].tolist())
    total = sum(where.values())
    if not total:
        return {}
    judged = sum(count for state, count in where.items() if state != KEPT and not state.startswith(f"{POLICY}:"))
    lost = {state: count / FRAMES_PER_SECOND for state, count in where.most_common() if state != KEPT}
    return {
        "peer_speech_s": total / FRAMES_PER_SECOND,
        "dropped_share": judged / total,
        "kept_share": where[KEPT] / total,
        "lost_s": lost,
    }


def _alignment(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    aligned, refused = sum(one.aligned for one in outcomes), sum(one.refused for one in outcomes)
    scores = [score for one in outcomes for score in one.scores]
    return {
        "aligned_share": aligned / (aligned + refused) if aligned + refused else None,
        "align_score_median": statistics.median(scores) if scores else None,
    }


def _diarization(recordings: Sequence[LabelledRecording], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """DER without a collar, overlap counted, and with 0.25 s and without overlap; found less true speakers, a file."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    strict, lenient = DiarizationErrorRate(), DiarizationErrorRate(collar=2 * COLLAR_SECONDS, skip_overlap=True)
    miscounted = []
    for one in recordings:
        assert one.turns is not None
        outcome = outcomes[one.name]
        truth, found = Annotation(), Annotation()
        for number, turn in enumerate(one.turns):
            truth[Segment(turn.start, turn.end), number] = turn.speaker
        for number, (start, end, speaker) in enumerate(outcome.turns):
            found[Segment(start, end), number] = speaker
        everything = Timeline([Segment(0, outcome.seconds)])
        strict(truth, found, uem=everything)
        lenient(truth, found, uem=everything)
        miscounted.append(len({who for _, _, who in outcome.turns}) - _speakers(one.turns))
    return {
        "der": float(abs(strict)),
        "der_collar": float(abs(lenient)),
        "der_files": len(recordings),
        "speaker_count_error": statistics.fmean(abs(error) for error in miscounted),
        "speaker_count_bias": statistics.fmean(miscounted),
    }


def _speakers(turns: Sequence[SpokenTurn]) -> int:
    return len({turn.speaker for turn in turns})


def _mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    total = sum(weights[name] for name in values)
    return sum(value * weights[name] for name, value in values.items()) / total if total else None


def _mask(spans: Sequence[Sequence[float]], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, bool)
    for start, end in spans:
        found[round(start * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = True
    return found


def _seconds(spans: Sequence[Sequence[float]]) -> float:
    return sum(end - start for start, end in spans)
