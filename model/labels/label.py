"""The fields of an AI-content label, and what may become of one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

FIELD = "AIGC"
KEY_VARIABLE = "FANGYAN_LABEL_KEY"
"""Names the environment variable with the key that proofs are made with."""
STREAMED = "streamed"
"""In place of a proof, in the label that goes before sound which is still being made."""


class LabelError(ValueError):
    """The file cannot carry a label: its format has no place for one, or its structure is broken."""


class Standing(StrEnum):
    """What became of a label since it was written.

    partial: one of its two carriers was stripped, or they differ. unproved: it went before a stream, whose sound it
    cannot vouch for.
    """

    INTACT = "intact"
    UNPROVED = "unproved"
    PARTIAL = "partial"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True)
class Label:
    """The fields of GB 45438-2025, annex E, in its order.

    label: "1" generated, "2" possibly, "3" suspected. producer and produce_id: who generated it, and their number for
    it. reserved_1: the producer's proof of integrity; propagator, propagate_id, reserved_2: for who passes it on.
    """

    label: str = "1"
    producer: str = "Fangyan"
    produce_id: str = ""
    reserved_1: str = ""
    propagator: str = ""
    propagate_id: str = ""
    reserved_2: str = ""

    def to_json(self) -> str:
        """The value of the AIGC field."""
        return json.dumps(dict(zip(_NAMES, asdict(self).values(), strict=True)), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Label:
        """Half a surrogate pair, which only a forged label holds, becomes "?". Raises ValueError for no such object."""
        fields = json.loads(text)
        if not isinstance(fields, dict) or "Label" not in fields:
            raise ValueError("no object with a Label")
        return cls(*(str(fields.get(name, "")).encode(errors="replace").decode() for name in _NAMES))


_NAMES = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)


@dataclass(frozen=True)
class Report:
    """What `inspect` found: the label if one can be read, its standing, and why in a sentence."""

    standing: Standing
    label: Label | None
    reason: str
