"""Links the local speakers of all recordings to people, by the cosine similarity of their embeddings.

One rule serves the first run and each later one: clusters of average linkage are merged, best pair first, while their
similarity is above the threshold and they share no recording. Clusters of an earlier run are never split or merged with
each other, so their ids stand when recordings are added. Which clusters may meet is found by products of blocks of
embeddings; only those are merged one by one (`clusters.py`).
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpus.clusters import People
from pipeline.lake.tables import TABLES

_FULL_WEIGHT_SECONDS = 60.0
_LEAST_WEIGHT_SECONDS = 0.1
_SAME_EMBEDDING = 0.999
_CHUNK = 3000
"""New local speakers linked at once."""
_ROWS = 20_000


def link(speakers: pa.Table, threshold: float, previous: pa.Table) -> pa.Table:
    """Rows of table speakers, ordered by recording and label.

    `speakers` has recording_id, local_speaker, dialect, seconds and embedding. `previous` are rows of the run before:
    who is in them with the same embedding keeps the speaker_id. A local speaker without an embedding is linked to
    nobody. The same input gives the same output in whatever order it comes.
    """
    local = speakers.take(pc.sort_indices(speakers, [("recording_id", "ascending"), ("local_speaker", "ascending")]))  # type: ignore[attr-defined]
    local = local.combine_chunks()
    vectors, before = _Vectors(local["embedding"]), _Vectors(previous["embedding"])
    at = _places(local, previous)
    taken = set(previous["speaker_id"].to_pylist())
    former = np.array([*previous["speaker_id"].to_pylist(), ""], object)
    ids = np.empty(len(local), object)
    similarity = np.full(len(local), np.nan)
    keys = list(zip(local["recording_id"].to_pylist(), local["local_speaker"].to_pylist(), strict=True))
    alone = np.flatnonzero(vectors.size == 0)
    for row in alone.tolist():
        known = at[row] >= 0 and before.size[at[row]] == 0
        ids[row] = former[at[row]] if known else _new_id(keys[row], taken)
    recording = local["recording_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    weights = np.clip(local["seconds"].to_numpy(), _LEAST_WEIGHT_SECONDS, _FULL_WEIGHT_SECONDS)
    # Embeddings of two sizes come from two models: nothing can be said about their likeness.
    for size in np.unique(vectors.size[vectors.size > 0]).tolist():
        rows = np.flatnonzero(vectors.size == size)
        people = People(vectors.units(rows), weights[rows], recording[rows], threshold)
        standing = _unchanged(people.units, rows, at, before)
        names = people.found(np.flatnonzero(standing), former[at[rows[standing]]])
        fresh = np.flatnonzero(~standing)
        for start in range(0, len(fresh), _CHUNK):
            people.add(fresh[start : start + _CHUNK])
            for first in people.first_members()[len(names) :].tolist():
                names.append(_new_id(keys[rows[first]], taken))
        ids[rows] = np.array([*names, ""], object)[people.of]
        similarity[rows] = people.similarity()
    columns = {name: local[name] for name in ("recording_id", "local_speaker", "dialect", "seconds", "embedding")}
    columns["speaker_id"] = pa.array(ids.tolist(), pa.string())
    columns["similarity"] = pa.array(similarity.astype(np.float32), mask=np.isnan(similarity))
    schema = TABLES["speakers"]
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


class _Vectors:
    """A column of lists of numbers; `size` is that of each, 0 where there is none or one that says nothing."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        lists = column.combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], column.type)
        self.size = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)  # type: ignore[attr-defined]
        self._values = lists.values.to_numpy(zero_copy_only=False)
        self._begins = lists.offsets.to_numpy().astype(np.int64)[:-1]
        for size in np.unique(self.size[self.size > 0]).tolist():
            rows = np.flatnonzero(self.size == size)
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS]
                length = np.linalg.norm(self.raw(part), axis=1)
                self.size[part[~(np.isfinite(length) & (length > 0))]] = 0

    def raw(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Vectors of one size, (rows, size)."""
        size = int(self.size[rows[0]]) if len(rows) else 0
        return self._values[self._begins[rows][:, None] + np.arange(size)].astype(np.float64)

    def units(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Vectors of one size, of length 1."""
        units = np.empty((len(rows), int(self.size[rows[0]])))
        for start in range(0, len(rows), _ROWS):
            raw = self.raw(rows[start : start + _ROWS])
            units[start : start + _ROWS] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return units


def _places(local: pa.Table, previous: pa.Table) -> NDArray[np.int64]:
    """The row of each local speaker in the run before, -1 for one who was not there."""
    names = ["recording_id", "local_speaker"]
    before = previous.select(names).append_column("at", pa.array(np.arange(len(previous))))
    here = local.select(names).append_column("row", pa.array(np.arange(len(local))))
    met = here.join(before, names, join_type="inner")
    at = np.full(len(local), -1, np.int64)
    at[met["row"].to_numpy()] = met["at"].to_numpy()
    return at


def _unchanged(
    units: NDArray[np.float64], rows: NDArray[np.int64], at: NDArray[np.int64], before: _Vectors
) -> NDArray[np.bool_]:
    """Who is the speaker of the run before: a new diarization may give the label to somebody else."""
    same = np.zeros(len(rows), bool)
    there = (
        np.flatnonzero((at[rows] >= 0) & (before.size[at[rows]] == units.shape[1])) if len(before.size) else rows[:0]
    )
    for start in range(0, len(there), _ROWS):
        part = there[start : start + _ROWS]
        was = before.units(at[rows[part]])
        same[part] = np.einsum("ij,ij->i", units[part], was) >= _SAME_EMBEDDING
    return same


def _new_id(key: tuple[str, str], taken: set[str]) -> str:
    """An id from the first member, so that it does not depend on the order in which recordings arrive."""
    salt = 0
    while True:
        name = "\0".join([*key, *([str(salt)] if salt else [])])
        speaker_id = f"spk-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        if speaker_id not in taken:
            taken.add(speaker_id)
            return speaker_id
        salt += 1
