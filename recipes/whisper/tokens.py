"""whisper-micro's tokens: a token for each character, Whisper's special tokens in Whisper's order, time stamps.

The order is fixed by CTranslate2 and faster-whisper: text first, then the specials, then 1501 steps of 20 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The empty string makes CTranslate2 treat the model as multilingual; "<unk>" stands for what was never learned.
EMPTY, UNKNOWN = "", "<unk>"
PUNCTUATION = "，。？！"
LANGUAGES = ("en", "zh", "yue")
LANGUAGE_OF_DIALECT = {"cmn": "zh", "cmn-sichuan": "zh", "cmn-tianjin": "zh", "yue": "yue"}
TIMESTAMPS = 1501
TIMESTAMP_SECONDS = 0.02

_WRITTEN_AS = {"、": "，", "；": "，", "：": "，", "…": "。"}


class Tokens:
    """The vocabulary over `characters`; ids as attributes."""

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = tuple(characters)
        self.specials = (
            "<|endoftext|>",
            "<|startoftranscript|>",
            *(f"<|{language}|>" for language in LANGUAGES),
            "<|translate|>",
            "<|transcribe|>",
            "<|startoflm|>",
            "<|startofprev|>",
            "<|nospeech|>",
            "<|notimestamps|>",
        )
        self.text = (EMPTY, UNKNOWN, *PUNCTUATION, *self.characters)
        self.ids = {token: index for index, token in enumerate((*self.text, *self.specials))}
        self.unknown = self.ids[UNKNOWN]
        self.end = self.ids["<|endoftext|>"]
        self.start = self.ids["<|startoftranscript|>"]
        self.transcribe = self.ids["<|transcribe|>"]
        self.no_speech = self.ids["<|nospeech|>"]
        self.no_timestamps = self.ids["<|notimestamps|>"]
        self.first_timestamp = self.no_timestamps + 1

    def __len__(self) -> int:
        """Vocabulary size with the time stamps."""
        return self.first_timestamp + TIMESTAMPS

    @property
    def first_character(self) -> int:
        """Id of the first of `characters`."""
        return 2 + len(PUNCTUATION)

    def language(self, dialect: str) -> int:
        """The language token that a dialect is written under."""
        return self.ids[f"<|{LANGUAGE_OF_DIALECT[dialect]}|>"]

    def prompt(self, dialect: str) -> list[int]:
        """What precedes the text when no time stamps are asked for."""
        return [self.start, self.language(dialect), self.transcribe, self.no_timestamps]

    def timestamp(self, seconds: float) -> int:
        """The token of a time, at a tenth of a second: fewer classes, each heard often enough to be learned."""
        step = round(round(seconds, 1) / TIMESTAMP_SECONDS)
        return self.first_timestamp + min(max(step, 0), TIMESTAMPS - 1)

    def encode(self, row: Mapping[str, Any]) -> list[tuple[int, int]]:
        """An utterance as (token, index of its character or -1 for punctuation)."""
        spoken: list[str] = row["characters"]
        encoded: list[tuple[int, int]] = []
        index = 0
        for sign in row["text"]:
            sign = _WRITTEN_AS.get(sign) or sign
            if sign in PUNCTUATION:
                encoded.append((self.ids[sign], -1))
            elif index < len(spoken) and sign == spoken[index]:
                encoded.append((self.ids.get(sign, self.unknown), index))
                index += 1
        if index != len(spoken):
            raise ValueError(f"text {row['text']!r} does not spell the characters {''.join(spoken)!r}")
        return encoded

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the text tokens among `ids`."""
        return "".join(self.text[index] for index in ids if index < self.end)
