"""A bank is balanced, resumable, the same bytes for any number of workers, and its truth fits its audio."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from recipes.bank import SAMPLE_RATE, Bank, build_bank
from recipes.mixture import hours_of_engines, link_shards
from studio import scripts, voices

pytestmark = pytest.mark.slow

HOURS = 80 / 3600


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bank") / "held_out"
    build_bank(out, HOURS, seed=7, held_out=True, workers=2, shard_hours=HOURS / 2)
    return out


def test_one_worker_and_two_write_the_same_bytes_and_finished_shards_are_kept(folder: Path, tmp_path: Path):
    build_bank(tmp_path / "again", HOURS, seed=7, held_out=True, workers=1, shard_hours=HOURS / 2)
    assert _digests(tmp_path / "again") == _digests(folder)
    (tmp_path / "again" / "shard-01.parquet").unlink()
    kept = (tmp_path / "again" / "shard-00.npy").stat().st_mtime_ns
    build_bank(tmp_path / "again", HOURS, seed=7, held_out=True, workers=1, shard_hours=HOURS / 2)
    assert (tmp_path / "again" / "shard-00.npy").stat().st_mtime_ns == kept
    assert _digests(tmp_path / "again") == _digests(folder)


def test_every_shard_has_equal_parts_of_the_dialects(folder: Path):
    bank = Bank(folder)
    rows = [bank.row(index) for index in range(len(bank))]
    assert bank.hours == pytest.approx(HOURS, rel=0.15)
    for shard in (0, 1):
        seconds = dict.fromkeys(scripts.DIALECTS, 0.0)
        for row in rows:
            if row["shard"] == shard:
                seconds[row["dialect"]] += row["n_samples"] / SAMPLE_RATE
        assert max(seconds.values()) - min(seconds.values()) < 10, seconds


def test_a_held_out_bank_has_held_out_sentences_and_voices_alone(folder: Path):
    allowed = {voice.voice_id for voice in voices.voices(held_out=True)}
    bank = Bank(folder)
    for row in (bank.row(index) for index in range(len(bank))):
        assert row["voice_id"] in allowed
        assert scripts.is_held_out(row["text"])


def test_spans_fit_the_audio(folder: Path):
    bank = Bank(folder)
    assert len({bank.row(index)["utterance_id"] for index in range(len(bank))}) == len(bank)
    for index in range(0, len(bank), 3):
        samples, row = bank[index]
        assert samples.dtype == np.float32
        assert len(samples) == row["n_samples"]
        starts, ends = np.array(row["char_start"]), np.array(row["char_end"])
        assert len(starts) == len(row["characters"]) == len(row["syllables"])
        assert (ends > starts).all()
        assert all(end <= start + 1e-4 for end, start in itertools.pairwise(_interleaved(starts, ends)))
        assert ends[-1] < len(samples) / SAMPLE_RATE
        power = np.square(samples)
        inside = np.concatenate(
            [power[round(s * SAMPLE_RATE) : round(e * SAMPLE_RATE)] for s, e in zip(starts, ends, strict=True)]
        )
        assert inside.mean() > 100 * power[: round((starts[0] - 0.005) * SAMPLE_RATE)].mean()


def _interleaved(starts: np.ndarray, ends: np.ndarray) -> list[float]:
    return [float(value) for pair in zip(starts, ends, strict=True) for value in pair]


def test_another_recipe_does_not_mix_into_a_bank(folder: Path):
    with pytest.raises(ValueError, match="holds a bank made with"):
        build_bank(folder, HOURS, seed=8, held_out=True)


def test_a_mixture_has_the_shards_of_its_banks_as_often_as_asked(folder: Path, tmp_path: Path):
    assert link_shards([f"{folder}*3", str(folder)], tmp_path / "mixed") == 8
    bank, mixed = Bank(folder), Bank(tmp_path / "mixed")
    assert len(mixed) == 4 * len(bank)
    assert hours_of_engines(mixed) == hours_of_engines(bank) == {"espeak-ng": round(bank.hours, 2)}
    samples, row = mixed[len(mixed) - 1]
    last, same = bank[len(bank) - 1]
    assert row == same
    np.testing.assert_array_equal(samples, last)
    with pytest.raises(FileExistsError, match="has shards already"):
        link_shards([str(folder)], tmp_path / "mixed")
    with pytest.raises(FileNotFoundError, match="no complete shard"):
        link_shards([str(tmp_path / "mixed" / "none")], tmp_path / "other")
