"""Table corpus over the whole lake, and its part of the ledger: duplicates, splits, who is for training only.

Segments are rows of arrays here, and names are numbers: recordings, speakers and dialects in order of their names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.corpus import hubs
from pipeline.corpus.candidates import Pairs
from pipeline.corpus.corpus_rows import Decisions, chunks, content, ledger_rows
from pipeline.corpus.decided import PARTITION, keep_report, name_of, report_of, write
from pipeline.corpus.dedup import keepers
from pipeline.corpus.duplicates import find_pairs
from pipeline.corpus.facts import Facts, cache_of
from pipeline.corpus.segment_facts import Segments, segment_facts
from pipeline.corpus.segment_speakers import SegmentSpeakers, linked_facts, speakers_of
from pipeline.corpus.splits import NONE, SIDES, Members, assign
from pipeline.corpus.standing import Standing, standing
from pipeline.corpus.working_recordings import recording_facts, refusals
from pipeline.lake.lake import Lake
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings

LEDGER_PARTITION = "corpus"
DUPLICATE = "duplicate_segment"
HUB = "hub_speaker"
"""Drop reason of a segment of a speaker for training only, in a recording that is held out."""
VERSION = "2"


def build_corpus(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Deduplicate and split all segments; write table corpus and the ledger's partition `corpus`; counts and hours.

    Does nothing where the last run made both from the same content under the same settings.
    """
    folder = cache_of(lake, settings)
    facts = segment_facts(lake, folder, settings.dedup.text_similarity)
    recordings, linked = recording_facts(lake, folder), linked_facts(lake, folder)
    refused = refusals(recordings, CurrentRights.read(settings), folder)
    decided_by = settings.splits.model_dump()
    made_from = name_of(
        VERSION,
        [each.digest for each in (facts, recordings, linked)],
        sorted(refused.items()),
        settings.dedup.model_dump(),
        decided_by,
    )
    before = report_of(lake, folder, made_from, ("corpus", PARTITION), ("ledger", LEDGER_PARTITION))
    if before is not None:
        return before
    decided = _decide(lake, settings, folder, facts, linked, refused)
    write(lake, "corpus", PARTITION, chunks(decided), decided_by, made_from)
    rows = ledger_rows(decided, recordings, _provenance(settings))
    write(lake, "ledger", LEDGER_PARTITION, [rows], decided_by, made_from)
    report = _report(decided) | {"content": content(decided)}
    keep_report(folder, "corpus", made_from, report)
    return report


def _decide(
    lake: Lake, settings: Settings, folder: Path, facts: Facts, linked: Facts, refused: Mapping[str, str]
) -> Decisions:
    segments = Segments(facts)
    recording, recordings = segments.codes("recording_id")
    speakers = speakers_of(segments, linked, recording, recordings)
    dialect, dialects = segments.codes("dialect")
    reason, reasons = segments.codes("drop_reason")
    names = reasons.to_pylist() + sorted({DUPLICATE, HUB, *refused.values()} - set(reasons.to_pylist()))
    number = {name: place for place, name in enumerate(names)}
    refusal = np.array([number.get(refused.get(name, ""), -1) for name in recordings.to_pylist()], np.int64)
    kept = segments.numbers("keep").astype(bool)
    away = kept & (refusal[recording] >= 0)
    reason[away] = refusal[recording[away]]
    kept &= ~away
    duplicates = find_pairs(lake, segments, kept, settings, folder)
    gone, instead = keepers(duplicates.pairs, segments.numbers("dnsmos"), segments.ids)
    unique = kept.copy()
    unique[gone] = False
    was = standing(lake, settings.splits.model_dump(), recordings, speakers.names)
    found = _hubs(unique, recording, dialect + 1, speakers, ["", *dialects.to_pylist()], was, settings)
    is_hub = np.zeros(len(speakers.names) + 1, bool)
    is_hub[list(found)] = True
    hub = is_hub[speakers.of_segment]
    rows = np.flatnonzero(unique)
    side = np.full(segments.count, NONE, np.int8)
    side[rows] = assign(
        _members(rows, recording, dialect + 1, speakers, segments.numbers("duration"), hub, len(recordings)),
        settings.splits.dev_share,
        settings.splits.test_share,
        settings.splits.seed,
        lambda ties: [f"recording {name}" for name in recordings.take(pa.array(ties)).to_pylist()],
        _ties(duplicates.pairs, recording, hub),
        np.concatenate([was.recording, was.speaker]),
    )
    replaced = np.full(segments.count, -1, np.int64)
    replaced[gone] = instead
    reason[gone] = number[DUPLICATE]
    reason[unique & (side == NONE)] = number[HUB]
    return Decisions(
        segments=segments,
        recordings=recordings,
        recording=recording,
        speakers=speakers,
        side=side,
        kept=kept,
        away=away,
        reason=reason,
        reasons=names,
        replaced=replaced,
        hub=hub,
        hubs=found,
        duplicates=duplicates,
    )


def _hubs(
    unique: NDArray[np.bool_],
    recording: NDArray[np.int64],
    dialect: NDArray[np.int64],
    speakers: SegmentSpeakers,
    dialects: list[str],
    was: Standing,
    settings: Settings,
) -> dict[int, hubs.Hub]:
    heard = unique & (speakers.of_segment >= 0)
    who = speakers.of_segment[heard]
    appearance = hubs.Appearance(dialect[heard], recording[heard], who, dialects, speakers.names.to_pylist())
    return hubs.find(appearance, settings.splits.hub_share, was.hub)


def _members(
    rows: NDArray[np.int64],
    recording: NDArray[np.int64],
    dialect: NDArray[np.int64],
    speakers: SegmentSpeakers,
    seconds: NDArray[np.float64],
    hub: NDArray[np.bool_],
    recordings: int,
) -> Members:
    """Tied by recording and, but for hubs, by speaker; speakers are numbered after the recordings."""
    speaker = speakers.of_segment[rows]
    speaker = np.where((speaker < 0) | hub[rows], -1, speaker + recordings)
    return Members(np.stack([recording[rows], speaker], axis=1), dialect[rows], seconds[rows], hub[rows])


def _ties(pairs: Pairs, recording: NDArray[np.int64], hub: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Recordings that share a sound. What an interviewer plays or says the same way each time is nothing that held-out
    data could leak by."""
    tied = pairs[~hub[pairs].all(axis=1)]
    return np.unique(recording[tied], axis=0)


def _provenance(settings: Settings) -> str:
    return hashlib.sha256(json.dumps(settings.dedup.model_dump(), sort_keys=True).encode()).hexdigest()[:32]


def _report(decided: Decisions) -> dict[str, Any]:
    segments, chosen = decided.segments, decided.side != NONE
    seconds = np.bincount(decided.side[chosen], segments.numbers("duration")[chosen], len(SIDES))
    pairs = decided.duplicates
    replaced = int((decided.replaced >= 0).sum())
    return {
        "segments": segments.count,
        "kept": int(chosen.sum()),
        "duplicates_exact": pairs.exact,
        "duplicates_near": replaced - pairs.exact,
        "candidates": pairs.candidates,
        "speakers": len(np.unique(decided.speakers.of_segment[chosen])),
        "hubs": [str(hub) for hub in sorted(decided.hubs.values(), key=lambda hub: hub.speaker_id)],
        "hub_segments_left_out": int((decided.kept & ~chosen & (decided.replaced < 0)).sum()),
        **{f"hours_{side}": float(seconds[place] / 3600) for place, side in enumerate(SIDES)},
    }
