"""Kaldi's data folders, one a split: wav.scp, text, utt2spk, spk2utt, utt2dur, utt2lang; and CosyVoice's, which are
the same with `instruct`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.list_files import LineFiles
from pipeline.exchange.lists import one_line
from pipeline.exchange.sound_files import Sounds, safe_name

_INSTRUCTION = "You are a helpful assistant.{dialect}<|endofprompt|>"
_SPOKEN = {
    "yue": "广东话",
    "nan": "闽南话",
    "wuu": "上海话",
    "cmn-sichuan": "四川话",
    "cmn-northeastern": "东北话",
    "cmn-henan": "河南话",
    "cmn-shaanxi": "陕西话",
    "cmn-shandong": "山东话",
    "cmn-tianjin": "天津话",
}
"""What CosyVoice 3 calls the dialects that it knows: its instructions are of fixed words."""


class Kaldi:
    """Utterances are called by speaker and segment, so that both sort alike by their bytes, as Kaldi wants."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._sounds = Sounds(out, options.encoding)

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The folders' files, then the sounds."""
        sounds: list[Path] = []
        lines: dict[str, dict[str, str]] = {}
        speakers: dict[str, dict[str, list[str]]] = {}
        for clip in clips:
            file = self._sounds.put(clip)
            sounds.append(file)
            speaker = safe_name(clip.speaker)
            utterance = f"{speaker}-{safe_name(clip.segment_id)}"
            folder = safe_name(clip.split)
            for name, value in self.values(clip, file, speaker).items():
                lines.setdefault(f"{folder}/{name}", {})[utterance] = value
            speakers.setdefault(f"{folder}/spk2utt", {}).setdefault(speaker, []).append(utterance)
        for name, own in speakers.items():
            lines[name] = {speaker: " ".join(sorted(utterances)) for speaker, utterances in own.items()}
        with LineFiles(self._out) as files:
            # Names are ASCII: sorted as in the locale C.
            for name in sorted(lines):
                for key in sorted(lines[name]):
                    files.add(name, f"{key} {lines[name][key]}\n")
        return [*files.files, *sounds]

    def values(self, clip: Clip, file: Path, speaker: str) -> dict[str, str]:
        """What stands behind an utterance's name, by file."""
        return {
            "wav.scp": str(file),
            "text": one_line(clip.text),
            "utt2spk": speaker,
            "utt2dur": f"{clip.duration:.3f}",
            "utt2lang": clip.dialect,
        }


class CosyVoice(Kaldi):
    """`instruct` tells CosyVoice 3 which dialect to speak; CosyVoice 1 and 2 leave it aside."""

    def values(self, clip: Clip, file: Path, speaker: str) -> dict[str, str]:
        """Kaldi's, and what CosyVoice 3 is told."""
        named = f" 请用{_SPOKEN[clip.dialect]}表达。" if clip.dialect in _SPOKEN else ""
        return super().values(clip, file, speaker) | {"instruct": _INSTRUCTION.format(dialect=named)}
