"""Makes the page: every clip inside it under an id that says nothing, and a key file that says who spoke what.

The page asks no network for anything and works from a file:// address. The key stays with whoever runs the test.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import itertools
import json
import re
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.audio.decoding import AudioStream
from pipeline.errors import BadRecording
from pipeline.lake.files import replace_bytes

VERSION = 1
MOST_MEGABYTES = 60.0
_HERE = Path(__file__).parent
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_MIME = re.compile(r"audio/[a-z0-9.+-]+")


class ListeningError(ValueError):
    """No test can be made of these items; the message says why and what to do."""


@dataclass(frozen=True)
class Item:
    """One synthesized utterance: `audio` are the bytes of a file of type `mime`, `system` who spoke it.

    The rest is what its row in the tables of measurements will say.
    """

    utterance_id: str
    text: str
    system: str
    audio: bytes
    mime: str = "audio/flac"
    model_id: str = ""
    dialect: str = ""
    reference_recording_id: str | None = None


@dataclass(frozen=True)
class PageInfo:
    """What was written: `trials` is how many answers a listener gives."""

    path: Path
    key: Path
    clips: int
    trials: int
    size_bytes: int


def build_page(items: Sequence[Item], out: Path, title: str = "") -> PageInfo:
    """Write the page to `out` and its key beside it, as `<name>.key.json`.

    Every item is rated from 1 to 5; every two systems with the same utterance are compared. Raises ListeningError.
    """
    _check(items)
    test = secrets.token_hex(4)
    ids = {id(item): f"c{secrets.token_hex(5)}" for item in items}
    clips = {ids[id(item)]: item for item in items}
    pairs = {f"p{secrets.token_hex(5)}": pair for pair in _pairs(items, ids)}
    # In the order of their random ids neither clips nor pairs tell who spoke.
    shown = {
        "test": test,
        "clips": {
            clip: {"text": clips[clip].text, "dialect": clips[clip].dialect, "source": _data_uri(clips[clip])}
            for clip in sorted(clips)
        },
        "pairs": {pair: sorted(pairs[pair]) for pair in sorted(pairs)},
    }
    key = {
        "version": VERSION,
        "test": test,
        "title": title,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "clips": {
            clip: {name: value for name, value in asdict(item).items() if name not in ("audio", "mime")}
            | {"seconds": round(_seconds(item), 3)}
            for clip, item in sorted(clips.items())
        },
        "pairs": {pair: sorted(both) for pair, both in sorted(pairs.items())},
    }
    data = _page(title or "听音测试 Listening test", shown).encode()
    key_file = out.with_suffix(".key.json")
    # The key first: a page without its key is of no use to anybody.
    replace_bytes(key_file, (json.dumps(key, ensure_ascii=False, indent=1) + "\n").encode())
    replace_bytes(out, data)
    return PageInfo(out, key_file, len(clips), len(clips) + len(pairs), len(data))


def _check(items: Sequence[Item]) -> None:
    if not items:
        raise ListeningError("there is nothing to listen to: give at least one synthesized utterance")
    seen: set[tuple[str, str]] = set()
    for item in items:
        if (item.utterance_id, item.system) in seen:
            raise ListeningError(f"{item.system} has two clips of {item.utterance_id}; give one")
        seen.add((item.utterance_id, item.system))
        if not _MIME.fullmatch(item.mime):
            raise ListeningError(f"{item.utterance_id} of {item.system}: {item.mime!r} is no type of audio")
    megabytes = sum(len(item.audio) for item in items) * 4 / 3 / 1e6
    if megabytes > MOST_MEGABYTES:
        raise ListeningError(
            f"the page would be {megabytes:.0f} MB, more than {MOST_MEGABYTES:g}; choose fewer utterances"
        )


def _pairs(items: Sequence[Item], ids: dict[int, str]) -> list[tuple[str, str]]:
    by_utterance: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_utterance[item.utterance_id].append(item)
    return [
        (ids[id(one)], ids[id(two)])
        for spoken in by_utterance.values()
        for one, two in itertools.combinations(spoken, 2)
    ]


def _seconds(item: Item) -> float:
    try:
        with AudioStream(io.BytesIO(item.audio)) as stream:
            samples = sum(len(chunk) for chunk in stream)
            return samples / stream.info.sample_rate
    except BadRecording as error:
        raise ListeningError(f"{item.utterance_id} of {item.system}: {error}") from None


def _data_uri(item: Item) -> str:
    return f"data:{item.mime};base64,{base64.b64encode(item.audio).decode()}"


def _page(title: str, shown: dict[str, Any]) -> str:
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    # No "</script>" may stand in the data; as an escape it means the same to JSON.
    data = json.dumps(shown, ensure_ascii=False).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; media-src data:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    values = {"title": html.escape(title), "style": style, "script": script, "data": data, "policy": policy}
    return _SLOT.sub(lambda slot: values[slot[1]], (_HERE / "page.html").read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
