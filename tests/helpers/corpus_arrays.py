"""The corpus's array functions called with, and answering in, small Python values that a test can read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.corpus import hubs, splits
from pipeline.corpus.candidates import Spoken, like_text, same_text
from pipeline.corpus.sketches import BANDS, band_keys, rows_of_band, text_keys
from pipeline.corpus.speakers import link
from pipeline.lake.tables import TABLES


@dataclass(frozen=True)
class LocalSpeaker:
    """A speaker as diarization sees it inside one recording; `embedding` may be missing."""

    recording_id: str
    label: str
    dialect: str | None
    seconds: float
    embedding: Sequence[float] | None

    @property
    def key(self) -> tuple[str, str]:
        return self.recording_id, self.label


@dataclass(frozen=True)
class Member:
    """A kept segment; `ties` are whatever it must not be parted from: its speaker, its recording."""

    segment_id: str
    dialect: str
    seconds: float
    ties: tuple[str, ...]
    train_only: bool = False


@dataclass(frozen=True)
class Said:
    """What deduplication knows of a segment before it listens."""

    segment_id: str
    text: str
    seconds: float


def linked(local: Sequence[LocalSpeaker], threshold: float, previous: Sequence[dict] = ()) -> list[dict]:
    """Rows of table speakers."""
    schema = TABLES["speakers"]
    rows = [
        {"recording_id": one.recording_id, "local_speaker": one.label, "dialect": one.dialect}
        | {"seconds": one.seconds, "embedding": one.embedding}
        for one in local
    ]
    given = pa.Table.from_pylist(rows, pa.schema([schema.field(name) for name in rows[0]]))
    return link(given, threshold, pa.Table.from_pylist(list(previous), schema)).to_pylist()


def assigned(
    members: Sequence[Member],
    dev_share: float,
    test_share: float,
    seed: int,
    duplicates: Iterable[tuple[str, str]] = (),
    previous: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """{segment_id: split}, without the segments that are in none."""
    pairs, before = list(duplicates), previous or {}
    names = sorted({*(tie for member in members for tie in member.ties), *(tie for pair in pairs for tie in pair)})
    number = {name: place for place, name in enumerate(names)}
    dialects = sorted({member.dialect for member in members})
    most = max(len(member.ties) for member in members)
    ties = [[number[tie] for tie in member.ties] + [-1] * (most - len(member.ties)) for member in members]
    sides = splits.assign(
        splits.Members(
            np.array(ties),
            np.array([dialects.index(member.dialect) for member in members]),
            np.array([member.seconds for member in members]),
            np.array([member.train_only for member in members]),
        ),
        dev_share,
        test_share,
        seed,
        lambda places: [names[place] for place in places],
        np.array([[number[tie] for tie in pair] for pair in pairs], np.int64).reshape(-1, 2),
        np.array([splits.SIDES.index(before[name]) if name in before else splits.NONE for name in names], np.int8),
    )
    return {
        member.segment_id: splits.SIDES[side]
        for member, side in zip(members, sides.tolist(), strict=True)
        if side != splits.NONE
    }


def found_hubs(
    heard: Iterable[tuple[str, str, str]], share: float, standing: Collection[str] = ()
) -> dict[str, hubs.Hub]:
    """{speaker_id: Hub} from (dialect, recording_id, speaker_id)."""
    columns = list(zip(*heard, strict=True))
    names = [sorted(set(column)) for column in columns]
    dialect, recording, speaker = (
        np.array([own.index(one) for one in column]) for own, column in zip(names, columns, strict=True)
    )
    appearance = hubs.Appearance(dialect, recording, speaker, names[0], names[2])
    found = hubs.find(appearance, share, np.array([name in standing for name in names[2]]))
    return {hub.speaker_id: hub for hub in found.values()}


def candidate_pairs(segments: Sequence[Said], text_similarity: float) -> list[tuple[str, str]]:
    """Pairs of segment_ids, each pair in order."""
    texts = [one.text for one in segments]
    keys = band_keys(texts, rows_of_band(text_similarity))
    letters = np.array([len(text) for text in texts], np.int32)
    spoken = Spoken(text_keys(texts), letters, np.array([one.seconds for one in segments]))
    bands = [lambda rows, band=band: keys[rows, band] for band in range(BANDS)]
    found = [*same_text(spoken), *like_text(spoken, bands, lambda rows: [texts[row] for row in rows], text_similarity)]
    pairs = [sorted(segments[row].segment_id for row in pair) for pairs in found for pair in pairs]
    return [(one, two) for one, two in pairs]
