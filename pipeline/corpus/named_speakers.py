"""Who a reviewer means: a linked speaker, a label of the recording's own speakers, or a person by name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping


def named(said: str, recording_id: str, speaker_of: Mapping[tuple[str, str], str], known: Collection[str]) -> str:
    """The speaker_id for what a person said; a name that is no speaker's id or label is one person in all recordings.

    `speaker_of` are the linked speakers by recording and label, `known` the ids of all of them.
    """
    if said in known:
        return said
    return speaker_of.get((recording_id, said)) or id_of_name(said)


def id_of_name(name: str) -> str:
    """A speaker_id for a person known by name alone, which does not show the name."""
    return f"spk-{hashlib.sha256(f'name {name.strip().casefold()}'.encode()).hexdigest()[:12]}"
