"""What a folder for sherpa-onnx holds: which family of recognisers, and the file for each of its parts. Loads no model.

The family is what `recognizer.json` says ({"family": "wenet_ctc"}), else what the files' names and the ONNX metadata
tell. sherpa-onnx ends the whole process where a file is not what it expects, so all that can be known is asked here.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ModelUnavailable

DESCRIPTION = "recognizer.json"
_BLANKS = ("<blk>", "<eps>", "<blank>")
_CTC = {"model": "model"}
_TELLING = (("joiner", "transducer"), ("conv_frontend", "qwen3_asr"), ("encoder_adaptor", "funasr_nano"))
"""Parts that one family alone has."""
_TOKENIZER = ("tokenizer.json", "vocab.json")


@dataclass(frozen=True)
class Family:
    """A family: its constructor of sherpa_onnx.OfflineRecognizer, and the parts by the constructor's argument.

    `spelled` are spellings in metadata and folder names that give the family away, without marks between the words.
    """

    constructor: str
    parts: Mapping[str, str]
    spelled: tuple[str, ...]
    blank: bool = False
    tokens: bool = True
    fixed: Mapping[str, object] = field(default_factory=dict)


FAMILIES: dict[str, Family] = {
    "sense_voice": Family("from_sense_voice", _CTC, ("sensevoice",), fixed={"use_itn": True}),
    "paraformer": Family("from_paraformer", {"paraformer": "model"}, ("paraformer",)),
    "dolphin_ctc": Family("from_dolphin_ctc", _CTC, ("dolphin",), blank=True),
    "telespeech_ctc": Family("from_telespeech_ctc", _CTC, ("telespeech",), blank=True),
    "wenet_ctc": Family("from_wenet_ctc", _CTC, ("wenet",), blank=True),
    "zipformer_ctc": Family("from_zipformer_ctc", _CTC, ("zipformer2ctc", "zipformerctc"), blank=True),
    "nemo_ctc": Family("from_nemo_ctc", _CTC, ("encdecctc", "encdechybridrnntctc", "nemoctc"), blank=True),
    "fire_red_asr_ctc": Family("from_fire_red_asr_ctc", _CTC, ("fireredasr2ctc", "fireredasrctc"), blank=True),
    "omnilingual_ctc": Family("from_omnilingual_asr_ctc", _CTC, ("omnilingual",)),
    "fire_red_asr": Family("from_fire_red_asr", {"encoder": "encoder", "decoder": "decoder"}, ("fireredasr",)),
    "whisper": Family("from_whisper", {"encoder": "encoder", "decoder": "decoder"}, ("whisper",)),
    "transducer": Family(
        "from_transducer", {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"}, ("zipformer2", "conformer")
    ),
    "nemo_transducer": Family(
        "from_transducer",
        {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"},
        ("encdecrnnt",),
        fixed={"model_type": "nemo_transducer"},
    ),
    "qwen3_asr": Family(
        "from_qwen3_asr",
        {"conv_frontend": "conv_frontend", "encoder": "encoder", "decoder": "decoder", "tokenizer": "tokenizer"},
        ("qwen3asr",),
        tokens=False,
    ),
    "funasr_nano": Family(
        "from_funasr_nano",
        {"encoder_adaptor": "encoder_adaptor", "llm": "llm", "embedding": "embedding", "tokenizer": "tokenizer"},
        ("funasrnano",),
        tokens=False,
    ),
}
"""Those with more parts or longer names come where a shorter spelling cannot take their place."""


@dataclass(frozen=True)
class Folder:
    """A family's name, the constructor's file arguments, the ONNX metadata and the tokens by their number."""

    family: str
    files: Mapping[str, str]
    metadata: Mapping[str, str]
    tokens: frozenset[str]


def examine(path: Path, model: str, whole: bool, key: str) -> Folder:
    """What `path` holds. `model` chooses files whose names begin so, `whole` those that are not int8 where both lie.

    Raises ModelUnavailable that names `key`, the file and what to do.
    """
    family = _family(path, model, key)
    found = {part: _part(path, stem, model, whole) for part, stem in FAMILIES[family].parts.items()}
    missing = [FAMILIES[family].parts[part] for part, file in found.items() if file is None]
    if missing:
        names = ", ".join("folder tokenizer" if stem == "tokenizer" else f"{stem}.onnx" for stem in missing)
        raise ModelUnavailable(f"{key}: {path} has no {names} (nor {missing[0]}.int8.onnx), which {family} needs")
    files = {part: str(file) for part, file in found.items()}
    tokens: frozenset[str] = frozenset()
    metadata = _metadata(Path(files[next(iter(files))]), key)
    if FAMILIES[family].tokens:
        file = _tokens_file(path, model)
        if file is None:
            raise ModelUnavailable(f"{key}: {path} has no tokens.txt, which {family} needs; it lies beside the model")
        tokens = _tokens(file, metadata, FAMILIES[family].blank, key)
        files["tokens"] = str(file)
    return Folder(family, files, metadata, tokens)


def metadata_of(file: Path) -> dict[str, str]:
    """The metadata of an ONNX file (field 14 of its outermost message). Raises ValueError if it is none."""
    found: dict[str, str] = {}
    with file.open("rb") as opened:
        size, known = file.stat().st_size, False
        while opened.tell() < size:
            number, content = _field(opened, size, wanted=14)
            known |= number == 7
            if number == 14:
                entry = dict(_entry(content))
                found[entry.get(1, b"").decode()] = entry.get(2, b"").decode(errors="replace")
    if not known:
        raise ValueError("there is no graph in it")
    return found


def _field(opened: BinaryIO, size: int, wanted: int) -> tuple[int, bytes]:
    """The next field's number, and its bytes if it is the wanted one; others are passed over."""
    tag = _varint(opened)
    number, kind = tag >> 3, tag & 7
    if kind == 0:
        _varint(opened)
        return number, b""
    length = _varint(opened) if kind == 2 else {1: 8, 5: 4}.get(kind, size)
    if not number or opened.tell() + length > size:
        raise ValueError("it is no ONNX file, or cut short")
    if number == wanted:
        return number, opened.read(length)
    opened.seek(length, 1)
    return number, b""


def _entry(content: bytes) -> Iterator[tuple[int, bytes]]:
    opened = io.BytesIO(content)
    while opened.tell() < len(content):
        tag = _varint(opened)
        yield tag >> 3, opened.read(_varint(opened))


def _varint(opened: BinaryIO) -> int:
    value = shift = 0
    while byte := opened.read(1):
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
    raise ValueError("it is no ONNX file, or cut short")


def _metadata(file: Path, key: str) -> dict[str, str]:
    try:
        return metadata_of(file)
    except ValueError as error:
        raise ModelUnavailable(f"{key}: {file} is not to be read as ONNX: {error}; download it again") from None


def _family(path: Path, model: str, key: str) -> str:
    """The family that the folder says or shows."""
    description = path / DESCRIPTION
    if description.is_file():
        try:
            said = json.loads(description.read_text(encoding="utf-8")).get("family")
        except (ValueError, AttributeError) as error:
            raise ModelUnavailable(f'{key}: {description} should be {{"family": "..."}}: {error}') from None
        if said not in FAMILIES:
            raise ModelUnavailable(f"{key}: {description} names the family {said!r}; there are {', '.join(FAMILIES)}")
        return said
    for part, family in _TELLING:
        file = _part(path, part, model, False)
        if file is not None:
            nemo = part == "joiner" and "rnnt" in _plain(str(_metadata(file, key)))
            return "nemo_transducer" if nemo else family
    file = _part(path, "encoder", model, False) or _part(path, "model", model, False)
    if file is None:
        raise ModelUnavailable(f"{key}: {path} has no model.onnx (nor model.int8.onnx, nor encoder and decoder)")
    wanted = "encoder" if "encoder" in file.name else "model"
    metadata = _metadata(file, key)
    for text in (metadata.get("model_type", ""), metadata.get("comment", ""), path.name):
        for name, family in FAMILIES.items():
            if wanted in family.parts.values() and any(spelling in _plain(text) for spelling in family.spelled):
                return name
    raise ModelUnavailable(
        f"{key}: neither the metadata of {file} nor the folder's name tells the family; write {DESCRIPTION} into it: "
        f'{{"family": "..."}}, one of {", ".join(FAMILIES)}'
    )


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _part(path: Path, stem: str, model: str, whole: bool) -> Path | None:
    """The file of a part: `encoder.onnx`, `tiny-encoder.int8.onnx`, `encoder-epoch-99-avg-1.onnx`."""
    if stem == "tokenizer":
        holders = (each.parent for name in _TOKENIZER for each in sorted(path.glob(f"*/{name}")))
        return next(holders, None)
    named = re.compile(rf"{re.escape(model)}.*\.onnx" if model else r".*\.onnx")
    part = re.compile(rf"(^|[-_.]){stem}([-_.]|$)")
    files = [each for each in sorted(path.glob("*.onnx")) if named.fullmatch(each.name) and part.search(each.name)]
    return min(files, key=lambda each: (("int8" in each.name) == whole, len(each.name), each.name), default=None)


def _tokens_file(path: Path, model: str) -> Path | None:
    files = [path / "tokens.txt", *sorted(path.glob(f"{model}*tokens.txt")), *sorted(path.glob("*tokens.txt"))]
    return next((each for each in files if each.is_file()), None)


def _tokens(file: Path, metadata: Mapping[str, str], blank: bool, key: str) -> frozenset[str]:
    """Every token, after a look at what would make sherpa-onnx end the process."""
    numbers: dict[str, int] = {}
    for place, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        token, _, number = line.rpartition(" ") if " " in line.strip() else ("", "", line.strip())
        if not number.strip().isdigit():
            raise ModelUnavailable(f"{key}: {file}, line {place}: {line!r} is no token and its number")
        numbers[token.strip() or " "] = int(number)
    if blank and not any(each in numbers for each in _BLANKS):
        raise ModelUnavailable(f"{key}: {file} has no blank ({', '.join(_BLANKS)}): it is not this CTC model's")
    size = metadata.get("vocab_size", "")
    if size.isdigit() and max(numbers.values(), default=-1) + 1 < int(size):
        raise ModelUnavailable(
            f"{key}: {file} has {len(numbers)} tokens, the model has {size}: they do not belong together"
        )
    return frozenset(numbers)
