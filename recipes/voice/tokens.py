"""The tokenizer.json of voxcpm2-micro: one token a character, bytes for everything else, ids 101 to 104 for audio.

All four of the studio's dialects have their characters, so that a fine-tuning on the fourth has ids to learn.
"""

from __future__ import annotations

import json
import string

from model.voxcpm2.tokenizer import Tokenizer
from pipeline.text import dialects
from studio.scripts import characters

_SPECIAL = {
    0: "<unk>",
    1: "<s>",
    2: "</s>",
    101: "<|audio_start|>",
    102: "<|audio_end|>",
    103: "<|audio_prompt_start|>",
    104: "<|audio_prompt_end|>",
}
_WORD_START = "\u2581"
_PUNCTUATION = "，。？！、；：“”‘’《》…—·"


def build_tokenizer() -> Tokenizer:
    """The same file every time: special and spare ids, 256 bytes, then characters in order."""
    pieces = [_SPECIAL.get(number, f"<extra_{number}>") for number in range(105)]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += [_WORD_START, *alphabet()]
    added = [
        {
            "id": number,
            "content": content,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, content in _SPECIAL.items()
    ]
    fields = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": _WORD_START},
                {"type": "Replace", "pattern": {"String": " "}, "content": _WORD_START},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _WORD_START}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": [],
        },
    }
    config = {
        "tokenizer_class": "LlamaTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "legacy": True,
        "clean_up_tokenization_spaces": False,
    }
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return Tokenizer(
        {
            "tokenizer.json": _json(fields),
            "tokenizer_config.json": _json(config),
            "special_tokens_map.json": _json(special),
        }
    )


def alphabet() -> list[str]:
    """Printable ASCII, punctuation, and every character of the scripts, the registry's prefixes and its samples."""
    registry = "".join(
        each.voxcpm_prefix + each.sample for each in dialects.REGISTRY.values() if each.script == "hanzi"
    )
    rare = [sign for sign in registry if not sign.isascii()]
    return list(string.printable[:95].replace(" ", "")) + sorted({*characters(), *rare, *_PUNCTUATION})


def _json(fields: object) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=1) + "\n").encode()
