"""A dataset for Hugging Face `datasets`: Parquet shards by split, sound inside, and the dataset card README.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.exchange.clip_facts import FACTS, facts_of
from pipeline.exchange.dataset_card import Totals, dataset_card
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.shards import shards
from pipeline.exchange.sound_files import safe_name
from pipeline.lake.files import replace_bytes, replace_file

_ROW_GROUP = 100
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FEATURES = {"info": {"features": {"audio": {"_type": "Audio"}}}}
SCHEMA = pa.schema({"audio": _AUDIO, **FACTS}, metadata={"huggingface": json.dumps(_FEATURES)})


class HuggingFace:
    """`data/<split>-<number>.parquet` and README.md, which names the splits."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._options = options

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The card, then the shards."""
        files = []
        totals = Totals()
        for split, number, part in shards(clips):
            file = self._out / "data" / f"{safe_name(split)}-{number:05d}.parquet"
            files.append(file)
            if not file.exists():
                replace_file(file, lambda temporary, part=part: self._fill(temporary, part))
            for clip in part:
                totals.add(clip)
        card = self._out / "README.md"
        replace_bytes(card, dataset_card(totals, self._options).encode())
        return [card, *files]

    def _fill(self, file: Path, clips: list[Clip]) -> None:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for begin in range(0, len(clips), _ROW_GROUP):
                rows = [
                    {"audio": {"bytes": clip.audio, "path": self._name(clip)}, **facts_of(clip)}
                    for clip in clips[begin : begin + _ROW_GROUP]
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))

    def _name(self, clip: Clip) -> str:
        return f"{safe_name(clip.segment_id)}.{self._options.encoding}"
