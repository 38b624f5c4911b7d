"""Text to token ids: the byte-fallback BPE of tokenizer.json, with Chinese words of several characters taken apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_WORD_START = "\u2581"
_CHINESE_WORD = re.compile("[\u4e00-\u9fff]{2,}")


class TokenizerError(ValueError):
    """tokenizer.json is missing or unusable."""


class Tokenizer:
    """Read by the tokenizers library itself, so that the file's own normaliser is the one that runs.

    No begin or end tokens are added, and text that spells a special token is ordinary text.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        try:
            self._tokenizer = FastTokenizer.from_str(self.files["tokenizer.json"].decode())
            unknown = json.loads(self.files["tokenizer.json"])["model"].get("unk_token") or "<unk>"
        except Exception as error:
            raise TokenizerError(f"tokenizer.json: not a tokenizers file: {error}") from None
        self._tokenizer.encode_special_tokens = True
        self._vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self._unknown = self._vocabulary.get(unknown, 0)
        self._words = {word for word in self._vocabulary if _CHINESE_WORD.fullmatch(word)}

    @classmethod
    def read(cls, folder: Path) -> Tokenizer:
        """From a checkpoint's folder; keeps the bytes of its files for saving. Raises TokenizerError."""
        files = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
        if "tokenizer.json" not in files:
            raise TokenizerError(f"{folder / 'tokenizer.json'}: no such file; copy it from the published directory")
        try:
            return cls(files)
        except TokenizerError as error:
            raise TokenizerError(f"{folder}: {error}") from None

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    def __len__(self) -> int:
        return len(self._vocabulary)

    @property
    def largest_id(self) -> int:
        return max(self._vocabulary.values())

    def tokens(self, text: str) -> list[str]:
        """Pieces of the stripped text; a Chinese word of the vocabulary becomes its characters."""
        pieces = []
        for piece in self._tokenizer.encode(text.strip(), add_special_tokens=False).tokens:
            bare = piece.replace(_WORD_START, "")
            pieces += list(bare) if bare in self._words else [piece]
        return pieces

    def ids(self, text: str) -> list[int]:
        """Ids of `tokens`; a character that the vocabulary lacks is the unknown token."""
        return [self._vocabulary.get(piece, self._unknown) for piece in self.tokens(text)]
