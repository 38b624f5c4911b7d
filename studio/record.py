"""Writes a landing zone of studio scenes, as a field team would leave it, and beside it the truth about every file.

Times in the truth are those a decoder of the written file sees: a codec's delay is measured and taken into account.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.audio.clips import read, to_int16
from studio.given_files import write_given
from studio.noise import KINDS
from studio.scenes import Scene, scene
from studio.voices import cast

COLLECTION = "studio"
FIRST_DAY = "2026-01-01"
LAST_DAY = "2099-12-31"
SCOPES = ("asr", "tts_training", "voice_cloning", "commercial", "publication")


@dataclass(frozen=True)
class Format:
    """A way to write a file: FFmpeg's container and codec, Hz, bits a second (None: lossless), sample format."""

    extension: str
    container: str
    codec: str
    sample_rate: int
    bit_rate: int | None
    samples: str


# Lossless ones first and every other one, so that any landing zone has a file that can be duplicated exactly.
FORMATS = (
    Format("wav", "wav", "pcm_s16le", 48_000, None, "s16"),
    Format("mp3", "mp3", "libmp3lame", 44_100, 128_000, "s16p"),
    Format("flac", "flac", "flac", 16_000, None, "s16"),
    Format("m4a", "ipod", "aac", 48_000, 96_000, "fltp"),
    Format("ogg", "ogg", "libopus", 48_000, 48_000, "s16"),
    Format("wav", "wav", "pcm_s16le", 16_000, None, "s16"),
    Format("webm", "webm", "libopus", 48_000, 64_000, "s16"),
    Format("flac", "flac", "flac", 44_100, None, "s16"),
    Format("mp3", "mp3", "libmp3lame", 24_000, 64_000, "s16p"),
    Format("mka", "matroska", "flac", 32_000, None, "s16"),
)


def record(
    out: Path,
    dialects: Sequence[str],
    recordings: int,
    minutes: float,
    speakers: int,
    overlap: float,
    snr: float,
    seed: int,
    held_out: bool = True,
    consents: bool = True,
    voices_shared: int | None = None,
    formats: Sequence[Format] = FORMATS,
    collection: str = COLLECTION,
    first: int = 0,
    dry: bool = False,
    given: Sequence[str] = ("",),
) -> list[Path]:
    """Write scenes of `minutes` each into `out`/landing and their truth into `out`/truth; returns the files.

    Dialects take turns. `voices_shared` lets all recordings draw their speakers from a pool of that many voices.
    `consents=False` leaves consents.jsonl out. Files are numbered from `first`; with a collection of its own it keeps
    the files of several calls apart. `dry` records without a room. `given` says in turn in which form a recording
    comes with its transcript: eaf, TextGrid, or "" for none. The same arguments give the same bytes.
    """
    if not 1 <= speakers <= (voices_shared or speakers):
        raise ValueError(f"{speakers} speakers cannot be drawn from a pool of {voices_shared} voices")
    draw = random.Random(f"record {seed}")
    pool = cast(voices_shared, draw, held_out) if voices_shared else None
    paths: list[Path] = []
    rows: dict[Path, list[dict[str, str]]] = defaultdict(list)
    agreed: list[dict[str, Any]] = []
    for number in range(recordings):
        dialect = dialects[number % len(dialects)]
        # One step aside each time round the dialects, so that a dialect is not always in the same container.
        written_as = formats[(number + number // len(dialects)) % len(formats)]
        voices = tuple(draw.sample(pool, speakers)) if pool else cast(speakers, draw, held_out)
        kind, scene_seed = draw.choice(KINDS), draw.randrange(2**31)
        rate = written_as.sample_rate
        made = scene(dialect, voices, minutes * 60, overlap, snr, kind, rate, scene_seed, held_out, dry)
        folder = out / "landing" / dialect / collection
        path = folder / f"{dialect}-{first + number:03d}.{written_as.extension}"
        encode(path, made.samples, written_as)
        source = path.relative_to(out / "landing").as_posix()
        delay = codec_delay(path, made.samples, made.sample_rate)
        _write_truth(out / "truth", source, {"dialect": dialect, "noise": kind, "snr": snr}, made, delay)
        form = given[number % len(given)]
        if form:
            shifted = [replace(line, start=max(0.0, line.start + delay), end=line.end + delay) for line in made.lines]
            write_given(path, form, shifted)
        consent_id = f"{collection}-{dialect}-{first + number:03d}" if consents else ""
        if consents:
            agreed.append(_consent(out / "landing", consent_id, [source], f"voices {', '.join(made.speakers)}"))
        rows[folder].append(_metadata(path, dialect, made, consent_id))
        paths.append(path)
    for folder, some in rows.items():
        _write_metadata(folder / "metadata.csv", some)
    if consents:
        _append_consents(out / "landing", agreed)
    return paths


def plant_faults(out: Path) -> dict[str, Path]:
    """Add four files that must not get through: truncated, an exact duplicate, without consent, and pure silence.

    Works on what `record` wrote into `out`; returns the files by fault.
    """
    landing = out / "landing"
    others = (".csv", ".eaf", ".TextGrid")
    recorded = sorted(path for path in landing.glob(f"*/{COLLECTION}/*") if path.suffix not in others)
    lossless = next((path for path in recorded if path.suffix in (".wav", ".flac")), None)
    if lossless is None:
        raise ValueError(f"{landing} has no WAV or FLAC recording to copy: record at least one lossless file first")
    samples, rate = read(lossless), _rate(lossless)
    folder = landing / lossless.parent.parent.name / "with-faults"
    other = ("flac", "flac") if lossless.suffix == ".wav" else ("wav", "pcm_s16le")
    twin = Format(other[0], other[0], other[1], rate, None, "s16")
    wav = Format("wav", "wav", "pcm_s16le", rate, None, "s16")
    planted = {
        "duplicate": folder / f"duplicate.{other[0]}",
        "truncated": folder / "truncated.wav",
        "no_consent": folder / "no-consent.wav",
        "silence": folder / "silence.wav",
    }
    encode(planted["duplicate"], samples, twin)
    encode(planted["truncated"], samples[::-1], wav)
    whole = planted["truncated"].read_bytes()
    planted["truncated"].write_bytes(whole[: len(whole) // 3])
    # Played backwards it is another recording than any other, yet speech.
    encode(planted["no_consent"], samples[len(samples) // 4 :][::-1][: 20 * rate], wav)
    encode(planted["silence"], np.zeros(15 * rate, np.float32), wav)
    covered = [planted[fault] for fault in ("duplicate", "truncated", "silence")]
    sources = [path.relative_to(landing).as_posix() for path in covered]
    consent = _consent(landing, "studio-faults", sources, "planted faults")
    rows = [
        {"file_name": path.name, "program": "planted fault", "licence": "CC0-1.0", "consent_id": consent["consent_id"]}
        for path in covered
    ]
    _write_metadata(folder / "metadata.csv", rows)
    _append_consents(landing, [consent])
    return planted


def encode(path: Path, samples: NDArray[np.float32], written_as: Format) -> None:
    """Write mono float32 (T,) in [-1, 1] at the format's rate; the same samples give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), mode="w", format=written_as.container, options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(written_as.codec, rate=written_as.sample_rate)
        stream.layout, stream.format = "mono", written_as.samples
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"flags": "+bitexact"}
        if written_as.bit_rate:
            stream.bit_rate = written_as.bit_rate
        integers = written_as.samples.startswith("s16")
        data = to_int16(samples) if integers else np.ascontiguousarray(samples, np.float32)
        # One frame of all samples: PyAV cuts it to what the codec takes.
        frame = av.AudioFrame.from_ndarray(data[None, :], format=written_as.samples, layout="mono")
        frame.sample_rate = written_as.sample_rate
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def codec_delay(path: Path, samples: NDArray[np.float32], sample_rate: int, reach: float = 0.2) -> float:
    """Seconds by which the decoded file lags behind what was written, by cross-correlation within `reach`."""
    decoded = read(path, 0.0, None, sample_rate)
    length = min(len(samples), len(decoded), 30 * sample_rate)
    size = 1 << (2 * length - 1).bit_length()
    there = np.fft.rfft(decoded[:length].astype(np.float64), size)
    here = np.fft.rfft(samples[:length].astype(np.float64), size)
    match = np.fft.irfft(there * np.conj(here), size)
    most = int(reach * sample_rate)
    lags = np.concatenate([np.arange(most + 1), np.arange(-most, 0)])
    return float(lags[int(np.argmax(match[lags]))]) / sample_rate


def _write_truth(folder: Path, source: str, conditions: dict[str, Any], made: Scene, delay: float) -> None:
    """`<name>.json` and `<name>.rttm`, all times shifted by the codec's delay."""
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(source).stem
    turns = [replace(turn, start=turn.start + delay, end=turn.end + delay) for turn in made.turns]
    characters = [replace(one, start=one.start + delay, end=one.end + delay) for one in made.characters]
    facts = {
        "source": source,
        "recording": f"landing/{source}",
        **conditions,
        "sample_rate": made.sample_rate,
        "duration": len(made.samples) / made.sample_rate,
        "codec_delay": delay,
        "overlap": round(made.overlap, 4),
        "speakers": list(made.speakers),
        "transcript": made.transcript,
        "lines": [_rounded(asdict(replace(one, start=one.start + delay, end=one.end + delay))) for one in made.lines],
        "turns": [_rounded(asdict(turn)) for turn in turns],
        "characters": [_rounded(asdict(one)) for one in characters],
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    lines = [
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in turns
    ]
    (folder / f"{name}.rttm").write_text("".join(lines), encoding="utf-8")


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def _metadata(path: Path, dialect: str, made: Scene, consent_id: str) -> dict[str, str]:
    return {
        "file_name": path.name,
        "speaker": ";".join(made.speakers),
        "region": dialect,
        "program": "studio scene",
        "licence": "CC0-1.0",
        "consent_id": consent_id,
    }


def _write_metadata(path: Path, rows: Sequence[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _consent(landing: Path, consent_id: str, sources: Sequence[str], subject: str) -> dict[str, Any]:
    """A line of consents.jsonl, its evidence written beside it: nobody had to be asked, and the evidence says so."""
    evidence = f"consents/{consent_id}.txt"
    text = f"Synthesized speech ({subject}): made by fangyan studio, no person's voice.\n"
    (landing / evidence).parent.mkdir(parents=True, exist_ok=True)
    (landing / evidence).write_text(text, encoding="utf-8")
    return {
        "consent_id": consent_id,
        "subject": subject,
        "recordings": list(sources),
        "scopes": list(SCOPES),
        "from": FIRST_DAY,
        "until": LAST_DAY,
        "evidence": evidence,
        "evidence_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _append_consents(landing: Path, consents: Sequence[dict[str, Any]]) -> None:
    """Add lines to consents.jsonl; a consent that is there already is left as it is."""
    path = landing / "consents.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {json.loads(line)["consent_id"] for line in lines}
    lines += [json.dumps(one, ensure_ascii=False) for one in consents if one["consent_id"] not in known]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _rate(path: Path) -> int:
    with av.open(str(path)) as container:
        return int(container.streams.audio[0].rate)
