"""The formats of export: one list, one file a writer. A writer gets clips and lays down files; nothing here knows of
the lake, of consents or of how sound is encoded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Encoding = Literal["flac", "wav"]


@dataclass(frozen=True)
class Clip:
    """One segment as it is handed over: text in the script asked for, sound encoded as asked for.

    `start` and `end` are seconds of the original recording; `duration` is theirs, in seconds. `sound` makes the bytes
    of the FLAC or WAV file, which `audio` asks for: a writer that finds its file there already does not. `extra` may
    hold `source`, `gloss`, `ipa`, `place`, `characters`, `romanization`, scores, `reference` (segment_id of another
    clip of the speaker) and `reference_duration`, `anchor` (segment_id of one clip for all of the speaker).
    """

    segment_id: str
    recording_id: str
    start: float
    end: float
    text: str
    dialect: str
    speaker: str
    split: str
    tier: str | None
    sample_rate: int
    duration: float
    sound: Callable[[], bytes] = field(repr=False, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def audio(self) -> bytes:
        """The bytes of its sound file."""
        return self.sound()


@dataclass(frozen=True)
class Options:
    """What a writer must know besides its clips. `facts` are what a description says of the whole, by name."""

    encoding: Encoding = "flac"
    title: str = "Fangyan export"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Writer(Protocol):
    """Lays clips down below a folder; called again after it was killed, it leaves what is there whole as it is."""

    def __init__(self, out: Path, options: Options) -> None: ...

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The files that hold the export, all of them, in the same order each time."""
        ...


@dataclass(frozen=True)
class ExportFormat:
    """`code` is the module and the class of its writer, imported when asked for; `form` is given to the class first.

    `encoding` is how its readers like sound; None: it holds no sound. `columns` are further columns of the view
    segments that it needs in `extra`.
    """

    code: str
    about: str
    encoding: Encoding | None = "flac"
    columns: tuple[str, ...] = ()
    form: str = ""

    def writer(self, out: Path, options: Options) -> Writer:
        """Its writer for a folder."""
        module, _, name = self.code.partition(":")
        made = getattr(importlib.import_module(module), name)
        return made(self.form, out, options) if self.form else made(out, options)


def _list(form: str, about: str, encoding: Encoding = "flac") -> ExportFormat:
    return ExportFormat("pipeline.exchange.lists:ListWriter", about, encoding, form=form)


_ROOM = "pipeline.exchange"
EXPORTS: dict[str, ExportFormat] = {
    "voxcpm": _list("voxcpm", "VoxCPM's JSON Lines, with reference clips"),
    "qwen3-tts": _list("qwen3-tts", "Qwen3-TTS' JSON Lines, one reference clip a speaker", "wav"),
    "dots-tts": _list("dots-tts", "dots.tts' JSON Lines"),
    "moss-tts": _list("moss-tts", "MOSS-TTS' JSON Lines"),
    "omnivoice": _list("omnivoice", "OmniVoice's JSON Lines"),
    "qwen3-asr": _list("qwen3-asr", "Qwen3-ASR's JSON Lines", "wav"),
    "funasr": _list("funasr", "FunASR's JSON Lines (Paraformer, SenseVoice, Fun-ASR)", "wav"),
    "nemo": _list("nemo", "NeMo's manifest, also of Curator and SDP", "wav"),
    "gpt-sovits": _list("gpt-sovits", "GPT-SoVITS' list", "wav"),
    "f5-tts": _list("f5-tts", "F5-TTS' CSV", "wav"),
    "kaldi": ExportFormat(f"{_ROOM}.kaldi:Kaldi", "Kaldi data folders: WeNet, ESPnet, icefall, 3D-Speaker", "wav"),
    "cosyvoice": ExportFormat(f"{_ROOM}.kaldi:CosyVoice", "CosyVoice's folders: Kaldi's and `instruct`", "wav"),
    "huggingface": ExportFormat(f"{_ROOM}.huggingface:HuggingFace", "Parquet and dataset card for `datasets`"),
    "webdataset": ExportFormat(f"{_ROOM}.webdataset:WebDataset", "tar shards of sound, text and JSON"),
    "lhotse": ExportFormat(f"{_ROOM}.lhotse_cuts:LhotseCuts", "Lhotse cuts with sound files"),
    "lhotse-shar": ExportFormat(f"{_ROOM}.lhotse_cuts:LhotseShar", "Lhotse Shar: shards of cuts and of sound"),
    "elan": ExportFormat(f"{_ROOM}.elan_files:Elan", "ELAN's .eaf of each recording; no sound", None),
    "textgrid": ExportFormat(f"{_ROOM}.textgrid_files:TextGrid", "Praat's TextGrid of each recording; no sound", None),
    "rttm": ExportFormat(f"{_ROOM}.rttm:Rttm", "who speaks when in each recording; no sound", None),
    "ctm": ExportFormat(f"{_ROOM}.ctm:Ctm", "each character's time in each recording; no sound", None, ("characters",)),
    "srt": ExportFormat(f"{_ROOM}.subtitle_files:Srt", "SubRip subtitles of each recording; no sound", None),
    "vtt": ExportFormat(f"{_ROOM}.subtitle_files:Vtt", "WebVTT subtitles of each recording; no sound", None),
}
"""By name, as `fangyan export` takes it."""
