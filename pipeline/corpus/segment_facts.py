"""What deduplication and splits need of each segment, by partition (`facts.py`), and the segments as arrays."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpus.candidates import Rows
from pipeline.corpus.facts import Facts
from pipeline.corpus.sketches import BANDS, band_keys, fewest_letters, rows_of_band, text_keys
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.text.normalize import normalizer

VERSION = "1"
"""Raise it when what is made of a segment changes; the normalisers' names are in it too."""
COLUMNS = (
    "segment_id",
    "recording_id",
    "dialect",
    "local_speaker",
    "speaker_id",
    "duration",
    "covered_seconds",
    "text_normalized",
    "dnsmos_ovrl",
    "audio_sha256",
    "decision",
    "drop_reason",
)
_NAMES = ("recording_id", "dialect", "local_speaker", "speaker_id", "drop_reason")


def segment_facts(lake: Lake, folder: Path, text_similarity: float) -> Facts:
    """Facts of all partitions of table segments."""
    rows, letters = rows_of_band(text_similarity), fewest_letters(text_similarity)
    version = f"{VERSION} {rows} {letters} {normalizer('cmn').name}"
    return Facts(lake, folder, "segments", COLUMNS, version, lambda table: _facts(table, rows, letters))


def _facts(table: pa.Table, rows: int, letters: int) -> pa.Table:
    keep = pc.equal(table["decision"], "keep")  # type: ignore[attr-defined]
    texts = _texts(table, keep.to_numpy().astype(bool))
    sizes = np.array([len(text) for text in texts], np.int32)
    sketched = np.flatnonzero(sizes >= letters)
    bands = np.zeros((len(texts), BANDS), np.uint32)
    bands[sketched] = band_keys([texts[row] for row in sketched], rows)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"segment_id": table["segment_id"]}
    columns |= {name: table[name].combine_chunks().dictionary_encode() for name in _NAMES}
    columns |= {name: pc.fill_null(table[name], 0.0) for name in ("duration", "covered_seconds")}  # type: ignore[attr-defined]
    columns["dnsmos"] = pc.fill_null(table["dnsmos_ovrl"], 0.0)  # type: ignore[attr-defined]
    columns["keep"] = pa.array(keep.to_numpy().astype(np.uint8))
    columns["text"] = pa.array(texts, pa.string())
    columns["text_key"] = pa.array(text_keys(texts))
    columns["letters"] = pa.array(sizes)
    columns["sha256"] = pa.FixedSizeListArray.from_arrays(_hashes(table["audio_sha256"].to_pylist()).ravel(), 2)
    columns |= {f"band{band}": pa.array(np.ascontiguousarray(bands[:, band])) for band in range(BANDS)}
    return pa.table(columns)


def _texts(table: pa.Table, keep: NDArray[np.bool_]) -> list[str]:
    """Texts of kept segments as they are compared."""
    said = table["text_normalized"].to_pylist()
    codes = table["dialect"].to_pylist()
    folds = {code: normalizer(code or "cmn").text for code in set(codes)}
    return [
        folds[code](text or "") if kept else "" for text, code, kept in zip(said, codes, keep.tolist(), strict=True)
    ]


def _hashes(names: Sequence[str | None]) -> NDArray[np.uint64]:
    """128 bits of each name, (names, 2); zero for none."""
    digests = (hashlib.blake2b(name.encode(), digest_size=16).digest() if name else bytes(16) for name in names)
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


class Segments:
    """All segments in order of partition and place: columns as arrays when asked for, strings mapped from the cache."""

    def __init__(self, facts: Facts) -> None:
        tables = list(facts.tables())
        self.sizes = [len(table) for table in tables]
        self.count = sum(self.sizes)
        self._table = pa.concat_tables(tables) if tables else _facts(_schema().empty_table(), 1, 1)
        self.begins = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self.partitions = list(facts.content)

    def numbers(self, column: str) -> NDArray:
        """A column of numbers, (segments,)."""
        return self._table[column].to_numpy()

    def hashes(self) -> NDArray[np.uint64]:
        """The hash of each segment's samples, (segments, 2)."""
        flat = [chunk.flatten().to_numpy() for chunk in self._table["sha256"].chunks]
        return np.concatenate([*flat, np.zeros(0, np.uint64)]).reshape(-1, 2)

    def codes(self, column: str) -> tuple[NDArray[np.int64], pa.Array]:
        """A column of names as numbers (-1: null) and the names, in order."""
        encoded = self._table[column].unify_dictionaries()
        # Files without rows are mapped as columns without chunks.
        names = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.string())
        order = pc.sort_indices(names).to_numpy()  # type: ignore[attr-defined]
        rank = np.empty(len(order) + 1, np.int64)
        rank[order], rank[-1] = np.arange(len(order)), -1
        codes = np.empty(self.count, np.int64)
        at = 0
        for chunk in encoded.chunks:
            codes[at : at + len(chunk)] = rank[pc.fill_null(chunk.indices, -1).to_numpy()]  # type: ignore[attr-defined]
            at += len(chunk)
        return codes, names.take(pa.array(order))

    def texts(self, rows: Rows) -> list[str]:
        """Texts of rows as they are compared."""
        return self._take("text", rows).to_pylist()

    def ids(self, rows: Rows) -> list[str]:
        """segment_ids of rows."""
        return self._take("segment_id", rows).to_pylist()

    def _take(self, column: str, rows: Rows) -> pa.Array:
        """Values of some rows; looked up partition by partition, since a take from many chunks is slow."""
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        cuts = np.searchsorted(wanted, self.begins)
        parts = [
            self._chunks(column)[number].take(pa.array(wanted[low:high] - self.begins[number]))
            for number, (low, high) in enumerate(itertools.pairwise(cuts.tolist()))
            if high > low
        ]
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return (pa.concat_arrays(parts) if parts else pa.array([], pa.string())).take(pa.array(back))

    def _chunks(self, column: str) -> list[pa.Array]:
        return [chunk for chunk in self._table[column].chunks if len(chunk)]

    def spans(self) -> Iterator[tuple[int, int, pa.Table]]:
        """(first row, row after the last, segment_id and recording_id) partition by partition."""
        for begin, end in itertools.pairwise(self.begins.tolist()):
            if end > begin:
                yield begin, end, self._table.slice(begin, end - begin).select(["segment_id", "recording_id"])


def _schema() -> pa.Schema:
    return pa.schema([TABLES["segments"].field(name) for name in COLUMNS])
