"""A bank made of others' shards by links: the studio's two engines in one, the smaller one taken more often."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from recipes.bank import SAMPLE_RATE, Bank

ESPEAK, KOKORO = "espeak-ng", "Kokoro"
_TIMES = re.compile(r"^(.+?)(?:\*(\d+))?$")


def link_shards(banks: Sequence[str], out: Path) -> int:
    """Link every complete shard of `banks` into `out`, those of `"FOLDER*N"` N times; returns how many links there are.

    Shards that a bank under construction gains later are linked by the next call into a new folder. Raises
    FileExistsError when `out` has shards already, FileNotFoundError for a folder that has none.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob("shard-*")):
        raise FileExistsError(f"{out} has shards already: remove it or name another folder")
    count = 0
    for given in banks:
        found = _TIMES.match(given)
        assert found is not None
        folder, times = Path(found[1]), int(found[2] or 1)
        indexes = sorted(folder.glob("shard-*.parquet"))
        if not indexes:
            raise FileNotFoundError(f"no complete shard in {folder}")
        for index in indexes * times:
            (out / f"shard-{count:04d}.npy").symlink_to(index.with_suffix(".npy").absolute())
            (out / f"shard-{count:04d}.parquet").symlink_to(index.absolute())
            count += 1
    return count


def engine_of(voice_id: str) -> str:
    """Which engine speaks with a voice of the studio."""
    return KOKORO if voice_id.startswith("k") else ESPEAK


def hours_of_engines(bank: Bank) -> dict[str, float]:
    """Hours that each engine spoke, utterances that the bank has more than once counted once."""
    columns = ["utterance_id", "voice_id", "text", "n_samples"]
    rows = {tuple(row.values()) for row in bank.table.select(columns).to_pylist()}
    hours: dict[str, float] = {}
    for _, voice_id, _, samples in sorted(rows):
        hours[engine_of(voice_id)] = hours.get(engine_of(voice_id), 0.0) + samples / SAMPLE_RATE / 3600
    return {engine: round(value, 2) for engine, value in sorted(hours.items(), reverse=True)}
