"""Adds what came back from other tools; what is in conflict is told, and nothing is overwritten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.corrections.correction import Correction
from pipeline.corrections.edited import Proposal
from pipeline.corrections.store import CorrectionConflict, CorrectionRefused, Corrections


@dataclass
class Imported:
    """How many rows were added by field, and why others were not, a sentence each."""

    added: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


def add_proposals(store: Corrections, proposals: Sequence[Proposal]) -> Imported:
    """Add what annotations come to. Each knows what was there when its file was written, and the others of its file;
    one that somebody was ahead of is left out, and the others are added."""
    done = Imported()
    groups: dict[str, list[Proposal]] = defaultdict(list)
    for one in proposals:
        groups[one.rows[0].recording_id].append(one)
    for recording_id, own in groups.items():
        there = store.of_recording(recording_id)
        known = {row.correction_id for one in own for row in one.rows}
        for one in own:
            seen = [each.correction_id for each in there if one.until is not None and each.at <= one.until]
            _add(store, one.rows, [*seen, *known], done)
    return done


def add_rows(store: Corrections, rows: Sequence[Correction]) -> Imported:
    """Add rows of a sheet, by recording: all of a recording or none. Who wrote the sheet saw the rows in it; those that
    stand in the table already are passed over."""
    done = Imported()
    groups: dict[str, list[Correction]] = defaultdict(list)
    for row in rows:
        groups[row.recording_id].append(row)
    for recording_id, own in groups.items():
        there = {row.correction_id for row in store.of_recording(recording_id)}
        if fresh := [row for row in own if row.correction_id not in there]:
            _add(store, fresh, [row.correction_id for row in own], done)
    return done


def _add(store: Corrections, rows: Sequence[Correction], seen: Sequence[str], done: Imported) -> None:
    first = rows[0]
    place = f"{first.recording_id}, {first.start:.3f} to {first.end:.3f} s"
    try:
        store.add(rows, seen)
    except (CorrectionConflict, CorrectionRefused) as error:
        fields = ", ".join(dict.fromkeys(row.field for row in rows))
        done.refused.append(f"{place}: {fields} not added: {error}")
    else:
        done.added.update(row.field for row in rows)
