"""A bank of utterances with truth, which every trainer of the embedded checkpoints shares: int16 shards and an index.

A shard is three files: `shard-00.npy` (flat int16 at 16 kHz), `shard-00.parquet` (a row per utterance) and, because the
Parquet is written last, nothing else is needed to know that it is complete. Any prefix of shards is a balanced corpus.
"""

from __future__ import annotations

import bisect
import json
import multiprocessing
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soxr
from numpy.typing import NDArray

from pipeline.lake.files import replace_file
from studio import kokoro, kokoro_voices
from studio.speech import Utterance, Voice

Say = Callable[[str, random.Random, Sequence[Voice], bool], Utterance]
"""(dialect, draw, voices, held out) to an utterance; a function of a module, for it goes to other processes."""

SAMPLE_RATE = 16_000
DIALECTS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
SHARD_HOURS = 0.25

SCHEMA = pa.schema(
    [
        pa.field("utterance_id", pa.string()),
        pa.field("shard", pa.int32()),
        pa.field("start_sample", pa.int64(), metadata={"unit": "samples at 16 kHz from the start of the shard"}),
        pa.field("n_samples", pa.int64(), metadata={"unit": "samples at 16 kHz"}),
        pa.field("dialect", pa.string()),
        pa.field("voice_id", pa.string()),
        pa.field("text", pa.string()),
        pa.field("characters", pa.list_(pa.string())),
        pa.field("syllables", pa.list_(pa.string())),
        pa.field("char_start", pa.list_(pa.float32()), metadata={"unit": "seconds from the start of the utterance"}),
        pa.field("char_end", pa.list_(pa.float32()), metadata={"unit": "seconds from the start of the utterance"}),
    ]
)


@dataclass(frozen=True)
class _Shard:
    folder: str
    number: int
    hours: float
    seed: int
    held_out: bool
    dialects: tuple[str, ...]
    kokoro_share: float
    say: Say


def one_sentence(dialect: str, draw: random.Random, voices: Sequence[Voice], held_out: bool) -> Utterance:
    """A sentence of the dialect's own script by one of the voices."""
    from studio.scripts import sentence
    from studio.synthesis import speak

    voice = draw.choice(voices)
    return speak(sentence(dialect, draw, held_out), voice, draw.randrange(2**31))


def build_bank(
    out: Path,
    hours: float,
    seed: int,
    held_out: bool,
    workers: int = 2,
    dialects: Sequence[str] = DIALECTS,
    shard_hours: float = SHARD_HOURS,
    kokoro_share: float = 0.0,
    say: Say = one_sentence,
) -> None:
    """Write `hours` of speech in equal parts of `dialects`; held out means held-out sentences and held-out voices.

    `say` makes the utterances; `dialects` may be any names that it knows.

    Shards that exist are kept, so an interrupted call can be repeated. A shard depends on (seed, its number) alone: the
    same seed gives the same bytes whatever the number of workers. `kokoro_share` of the utterances that are not
    Cantonese are spoken by Kokoro, the rest by espeak-ng. Raises ValueError when `out` holds another bank, and
    KokoroMissingError.
    """
    out.mkdir(parents=True, exist_ok=True)
    count = max(1, round(hours / shard_hours))
    recipe: dict[str, object] = {
        "seed": seed,
        "held_out": held_out,
        "dialects": list(dialects),
        "shard_hours": hours / count,
        "sample_rate": SAMPLE_RATE,
    }
    if kokoro_share:
        kokoro.require()
        recipe["kokoro_share"] = kokoro_share
    if say is not one_sentence:
        recipe["say"] = f"{say.__module__}.{say.__qualname__}"
    _claim(out / "bank.json", recipe)
    shards = [
        _Shard(str(out), number, hours / count, seed, held_out, tuple(dialects), kokoro_share, say)
        for number in range(count)
    ]
    missing = [shard for shard in shards if not _index_path(out, shard.number).exists()]
    _build(missing, done=count - len(missing), total=count, workers=workers)


class Bank:
    """Reads the complete shards of a bank; `bank[i]` is (samples float32 (T,) at 16 kHz, row dict)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        indexes = sorted(path.glob("shard-*.parquet"))
        if not indexes:
            raise FileNotFoundError(f"no complete shard in {path}; build one with `python -m recipes bank`")
        self.table = pa.concat_tables([pq.read_table(index) for index in indexes]).combine_chunks()
        self._audio = [np.load(index.with_suffix(".npy"), mmap_mode="r") for index in indexes]
        self._firsts: list[int] = []
        total = 0
        for index in indexes:
            self._firsts.append(total)
            total += pq.read_metadata(index).num_rows

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def hours(self) -> float:
        """Hours of audio."""
        return sum(self.table["n_samples"].to_pylist()) / SAMPLE_RATE / 3600

    def row(self, index: int) -> dict[str, Any]:
        """One row of the index, without its audio."""
        return self.table.slice(index, 1).to_pylist()[0]

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
        if not 0 <= index < len(self):
            raise IndexError(f"utterance {index} of {len(self)}")
        row = self.row(index)
        shard = self._audio[bisect.bisect_right(self._firsts, index) - 1]
        piece = shard[row["start_sample"] : row["start_sample"] + row["n_samples"]]
        return np.asarray(piece, np.float32) / np.float32(32768), row


def _claim(path: Path, recipe: Mapping[str, object]) -> None:
    if not path.exists():
        path.write_text(json.dumps(recipe, indent=2) + "\n")
    elif (found := json.loads(path.read_text())) != recipe:
        raise ValueError(f"{path.parent} holds a bank made with {found}, not {dict(recipe)}: remove it or use another")


def _build(missing: Sequence[_Shard], done: int, total: int, workers: int) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("bank"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        Progress(*columns) as progress,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        task = progress.add_task("bank", total=total, completed=done)
        for future in as_completed([pool.submit(_write_shard, shard) for shard in missing]):
            future.result()
            progress.advance(task)


def _write_shard(shard: _Shard) -> None:
    """Speak until the shard is full, always the dialect with the least audio so far."""
    from studio.voices import voices

    draw = random.Random(f"bank {shard.seed} {shard.number} {shard.held_out}")
    speakers = voices(shard.held_out)
    wanted = round(shard.hours * 3600 * SAMPLE_RATE)
    spent = dict.fromkeys(shard.dialects, 0)
    audio: list[NDArray[np.int16]] = []
    rows: list[dict[str, object]] = []
    position = 0
    while position < wanted:
        dialect = min(spent, key=lambda name: spent[name])
        by_kokoro = shard.kokoro_share > 0 and dialect != "yue" and draw.random() < shard.kokoro_share
        voices_of = kokoro_voices.voices(shard.held_out) if by_kokoro else speakers
        utterance = shard.say(dialect, draw, voices_of, shard.held_out)
        samples = _int16(soxr.resample(utterance.samples, utterance.sample_rate, SAMPLE_RATE))
        rows.append(
            {
                "utterance_id": f"{shard.number:03d}-{len(rows):05d}",
                "shard": shard.number,
                "start_sample": position,
                "n_samples": len(samples),
                "dialect": dialect,
                "voice_id": utterance.voice.voice_id,
                "text": utterance.sentence.text,
                "characters": list(utterance.sentence.characters),
                "syllables": list(utterance.sentence.syllables),
                "char_start": [span.start for span in utterance.spans],
                "char_end": [span.end for span in utterance.spans],
            }
        )
        audio.append(samples)
        spent[dialect] += len(samples)
        position += len(samples)
    folder = Path(shard.folder)
    replace_file(folder / f"shard-{shard.number:02d}.npy", lambda file: _save(file, np.concatenate(audio)))
    index = pa.Table.from_pylist(rows, SCHEMA)
    replace_file(_index_path(folder, shard.number), lambda file: pq.write_table(index, file))


def _int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def _index_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:02d}.parquet"


def _save(file: Path, samples: NDArray[np.int16]) -> None:
    with file.open("wb") as opened:
        np.save(opened, samples)
