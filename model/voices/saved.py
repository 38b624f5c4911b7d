"""Voices that may be copied, encoded once: `<workspace>/voices/NAME.parquet`, each bound to the consent it rests on.

Asked at each use: a voice whose consent ended, was revoked or does not cover it any more is refused. A takedown takes
the rows of its recordings out of these files as out of every other.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from model.voxcpm2 import VoxCPM2
from pipeline import landing_zone
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake, write_parquet
from pipeline.rights import audit
from pipeline.rights.cloning import CloningRefused, Reference, allow_cloning, permit
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.rights.patterns import composed
from pipeline.rights.tombstones import Withdrawn, sound_sha256s
from pipeline.settings import Settings

FOLDER = "voices"
_NAME = re.compile(r"[\w-][\w.-]{0,63}")
_RESERVED = ("default",)


class VoiceRefused(Exception):
    """The voice cannot be used; `status` as in HTTP: 404 there is none, 403 it may not be, 409 it does not fit."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class SavedVoice:
    """A voice: on what ground it is copied, of which recordings, and its latents (N, P, D) of an AudioVAE."""

    name: str
    ground: str
    consent_id: str
    own_voice: str
    sources: tuple[str, ...]
    recording_ids: tuple[str, ...]
    hashes: tuple[str, ...]
    audio_vae: str
    shape: tuple[int, ...]
    latents: bytes
    created: str


class SavedVoices:
    """The saved voices of a workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.root / FOLDER
        self._withdrawn = Withdrawn(settings.lake)

    def add(
        self,
        name: str,
        file: Path,
        model: VoxCPM2,
        consent_id: str | None,
        own_voice: str | None,
        denoise: bool = False,
    ) -> SavedVoice:
        """Encode a clip as a voice, in place of one of this name. What allows it is logged first.

        Raises VoiceRefused, CloningRefused, UnusableReference, OSError, AuditBroken.
        """
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise VoiceRefused(400, f"{name!r} is no name for a voice: letters, digits, dots and dashes, not `default`")
        settings = self._settings
        source, metadata = landing_zone.locate(settings.landing, file)
        (ground, *_) = permit(settings, [Reference(file, source, metadata)], consent_id, own_voice)
        hashes = {file_sha256(file), *sound_sha256s(file)}
        recordings = self._recordings(hashes, source)
        latents = model.encode(file, continued=False, denoise=denoise)
        voice = SavedVoice(
            name,
            ground,
            composed(consent_id or ""),
            own_voice or "",
            tuple(sorted({row["source"] for row in recordings} | ({source} if source else set()))),
            tuple(sorted({row["recording_id"] for row in recordings})),
            tuple(sorted(hashes)),
            audio_vae_of(model),
            tuple(latents.shape),
            latents.contiguous().numpy().tobytes(),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._write(voice)
        audit.append(settings.root, "voice.save", name, {"ground": ground, "recording_ids": list(voice.recording_ids)})
        return voice

    def remove(self, name: str) -> None:
        """Delete a voice. Raises VoiceRefused if there is none."""
        if self._read(name) is None:
            raise VoiceRefused(404, self._unknown(name))
        self._file(name).unlink()
        audit.append(self._settings.root, "voice.remove", name)

    def all(self) -> list[SavedVoice]:
        """Every voice that is saved, whether it may be used or not."""
        names = sorted(file.stem for file in self.folder.glob("*.parquet")) if self.folder.is_dir() else []
        return [voice for name in names if (voice := self._read(name)) is not None]

    def usable(self) -> list[SavedVoice]:
        """Those that may be used at the moment."""
        return [voice for voice in self.all() if not self.refusal(voice)]

    def refusal(self, voice: SavedVoice) -> str:
        """Why a voice may not be used now; "" if it may."""
        if gone := self._withdrawn.why(*voice.hashes):
            return f"voice {voice.name}: its recording {gone.split(';')[0]}"
        landing = self._settings.landing
        consents, _ = read_consents(landing / CONSENTS_FILE)
        try:
            for source in voice.sources or (None,):
                metadata = landing_zone.locate(landing, landing / source)[1] if source else {}
                allow_cloning(consents, voice.consent_id or None, voice.own_voice or None, source, metadata)
        except CloningRefused as refused:
            return f"voice {voice.name} may not be used any more: {refused}"
        return ""

    def latents(self, name: str, model: VoxCPM2) -> Tensor:
        """The voice's latents (N, P, D) float32, if it may be used now. Raises VoiceRefused."""
        voice = self._read(name)
        if voice is None:
            raise VoiceRefused(404, self._unknown(name))
        if refusal := self.refusal(voice):
            raise VoiceRefused(403, refusal)
        if voice.audio_vae != audio_vae_of(model):
            raise VoiceRefused(409, f"voice {name} was encoded by another AudioVAE; add it again for this checkpoint")
        return torch.frombuffer(bytearray(voice.latents), dtype=torch.float32).reshape(voice.shape)

    def prune(self) -> list[str]:
        """Delete the voices whose recording was withdrawn or whose consent was revoked; returns their names."""
        consents, _ = read_consents(self._settings.landing / CONSENTS_FILE)
        revoked = {composed(one.consent_id) for one in consents if one.revoked is not None}
        names = [
            voice.name for voice in self.all() if voice.consent_id in revoked or self._withdrawn.why(*voice.hashes)
        ]
        for name in names:
            self.remove(name)
        return names

    def _recordings(self, hashes: set[str], source: str | None) -> list[dict[str, Any]]:
        """Recordings of the lake that the clip is a copy of."""
        columns = ("recording_id", "source", "file_sha256", "audio_sha256")
        rows = Lake(self._settings.lake).rows("recordings", None, columns)
        return [row for row in rows if row["source"] == source or hashes & {row["file_sha256"], row["audio_sha256"]}]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _unknown(self, name: str) -> str:
        return f"there is no voice {name!r}; `fangyan voice list` and /v1/voices show those that there are"

    def _write(self, voice: SavedVoice) -> None:
        import pyarrow as pa

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        row = {
            name: list(value) if isinstance(value, tuple) else value
            for name in _SCHEMA
            for value in [getattr(voice, name)]
        }
        table = pa.Table.from_pylist([row], schema=_schema())
        write_parquet(iter([table]), self._file(voice.name), 1)

    def _read(self, name: str) -> SavedVoice | None:
        """None where there is none, and where a takedown left an empty file."""
        import pyarrow.parquet as pq

        file = self._file(name)
        if not _NAME.fullmatch(name) or not file.is_file():
            return None
        with pq.ParquetFile(file) as source:
            rows: list[dict[str, Any]] = source.read().to_pylist()
        if not rows:
            return None
        values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in rows[0].items()}
        return SavedVoice(**values)


_SCHEMA = (
    *("name", "ground", "consent_id", "own_voice", "sources", "recording_ids", "hashes"),
    *("audio_vae", "shape", "latents", "created"),
)


def _schema():
    import pyarrow as pa

    lists = {"sources": pa.string(), "recording_ids": pa.string(), "hashes": pa.string(), "shape": pa.int64()}
    kinds = {name: pa.list_(lists[name]) if name in lists else pa.string() for name in _SCHEMA}
    return pa.schema({**kinds, "latents": pa.binary()})


_HASHES: WeakKeyDictionary[VoxCPM2, str] = WeakKeyDictionary()


def audio_vae_of(model: VoxCPM2) -> str:
    """A hash of the encoder's weights: latents of one AudioVAE mean nothing to another."""
    if model not in _HASHES:
        _HASHES[model] = _hash(model)
    return _HASHES[model]


def _hash(model: VoxCPM2) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.audio_vae.encoder.state_dict().items()):
        digest.update(name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
