"""The listening test beside the lake: clips out of `validation_set`, answers kept in the workspace, scores into tables.

Answers lie in `<workspace>/listening/<test>.json`, un-blinded and without names, so that an evaluation that is made
anew can put the scores back with `stored_rows`.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.evaluation.listening.answers import Answers, AnswersError, Clip, Preference, Rating
from model.evaluation.listening.page import Item, ListeningError
from model.evaluation.listening.scores import MOS, PREFERENCE, evaluation_rows, summary_rows
from model.evaluation.verdicts import judged
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_table
from pipeline.lake.storage import readable
from pipeline.lake.stored import stored_names, with_current_names

FOLDER = "listening"
VERSION = 1
_SAME_LENGTH_S = 0.002
"""A key has lengths in whole milliseconds."""
_COLUMNS = (
    *("utterance_id", "text", "system", "model_id", "dialect", "reference_recording_id", "purpose", "audio", "error"),
)


def items_of(validation: Path, utterances: int = 24, systems: Collection[str] = (), seed: int = 0) -> list[Item]:
    """Clips for a page from a Parquet file of table validation_set, or a folder with such files.

    Draws, by `seed`, so many utterances that all `systems` spoke (none named: all in the table), short ones of purpose
    quality. Raises ListeningError.
    """
    rows = [row for row in _rows(validation) if row["purpose"] == "quality" and row["error"] is None and row["audio"]]
    wanted = set(systems) or {row["system"] for row in rows}
    if unknown := wanted - {row["system"] for row in rows}:
        there = ", ".join(sorted({row["system"] for row in rows})) or "nobody"
        raise ListeningError(f"{validation}: {', '.join(sorted(unknown))} spoke nothing; there are {there}")
    spoken: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["system"] in wanted:
            spoken[row["dialect"], row["utterance_id"]][row["system"]] = row
    complete = sorted(key for key, systems in spoken.items() if systems.keys() == wanted)
    if not complete:
        raise ListeningError(f"{validation}: no utterance was spoken by all of {', '.join(sorted(wanted)) or 'nobody'}")
    chosen = random.Random(f"listening {seed}").sample(complete, min(utterances, len(complete)))
    return [_item(spoken[key][system]) for key in sorted(chosen) for system in sorted(wanted)]


def bring_in(lake: Lake, workspace: Path, answers: Answers) -> dict[str, tuple[list[Row], list[Row]]]:
    """Keep `answers` in the workspace and put the scores of all answers so far into the tables, by dialect.

    Bringing the same answers in again changes nothing. Returns the rows that were written, for evaluation and for
    evaluation_summary. Raises AnswersError if what is kept cannot be read.
    """
    file = workspace / FOLDER / f"{answers.test}.json"
    kept = _load(file) if file.exists() else Answers(answers.test)
    content = {
        "version": VERSION,
        "test": answers.test,
        "ratings": _distinct(
            ((one.listener, one.clip.utterance_id, one.clip.system), {"score": one.score, "clip": _facts(one.clip)})
            for one in (*kept.ratings, *answers.ratings)
        ),
        "preferences": _distinct(
            (
                (one.listener, one.chosen.utterance_id, *sorted((one.chosen.system, one.other.system))),
                {"chosen": _facts(one.chosen), "other": _facts(one.other)},
            )
            for one in (*kept.preferences, *answers.preferences)
        ),
    }
    replace_bytes(file, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
    clips = [one.clip for one in answers.ratings] + [one.chosen for one in answers.preferences]
    written = {}
    for dialect in sorted({clip.dialect for clip in clips}):
        written[dialect] = stored_rows(lake, workspace, dialect)
        for table, rows in zip(("evaluation", "evaluation_summary"), written[dialect], strict=True):
            others = [row for row in lake.rows(table, dialect) if row["metric"] not in (MOS, PREFERENCE)]
            if others or rows:
                together = [*others, *rows]
                _write(lake, table, dialect, judged(together) if table == "evaluation_summary" else together)
    return written


def stored_rows(lake: Lake, workspace: Path, dialect: str) -> tuple[list[Row], list[Row]]:
    """Rows of evaluation and of evaluation_summary from all answers that the workspace keeps for a dialect.

    Answers about utterances that validation_set no longer holds count no more: taken down, or spoken anew with another
    text, reference or length.
    """
    columns = ("utterance_id", "model_id", "text", "reference_recording_id", "seconds")
    there = {(row["utterance_id"], row["model_id"]): row for row in lake.rows("validation_set", dialect, columns)}

    def counts(clip: Clip) -> bool:
        row = there.get((clip.utterance_id, clip.model_id))
        return (
            row is not None
            and clip.dialect == dialect
            and (clip.text, clip.reference_recording_id) == (row["text"], row["reference_recording_id"])
            and abs(clip.seconds - (row["seconds"] or 0.0)) < _SAME_LENGTH_S
        )

    together = Answers("")
    tests = []
    for file in sorted((workspace / FOLDER).glob("*.json")):
        kept = _load(file)
        ratings = [one for one in kept.ratings if counts(one.clip)]
        preferences = [one for one in kept.preferences if counts(one.chosen) and counts(one.other)]
        together.ratings += ratings
        together.preferences += preferences
        tests += [kept.test] if ratings or preferences else []
    together.test = ", ".join(tests)
    return evaluation_rows(together), summary_rows(together)


def _rows(validation: Path) -> Iterable[Row]:
    files = sorted(validation.glob("*.parquet")) if validation.is_dir() else [validation]
    if not files or not files[0].exists():
        raise ListeningError(f"{validation}: no validation set there; name a .parquet or a folder that holds some")
    for file in files:
        source = pq.ParquetFile(readable(file))
        known = with_current_names(source.schema_arrow.empty_table(), "validation_set").column_names
        if missing := set(_COLUMNS) - set(known):
            raise ListeningError(f"{file}: is no validation set, it lacks {', '.join(sorted(missing))}")
        for batch in source.iter_batches(64, columns=stored_names("validation_set", _COLUMNS)):
            yield from with_current_names(pa.Table.from_batches([batch]), "validation_set").to_pylist()


def _write(lake: Lake, table: str, dialect: str, rows: list[Row]) -> None:
    """The partition anew, with the notes that its file carries: what it was measured from has not changed."""
    file, content = lake.path(table, dialect), to_table(table, rows)
    if file.exists():
        content = content.replace_schema_metadata(pq.read_schema(readable(file)).metadata)
    lake.write(table, dialect, iter([content]))


def _item(row: Row) -> Item:
    return Item(
        row["utterance_id"],
        row["text"],
        row["system"],
        row["audio"]["bytes"],
        "audio/flac",
        row["model_id"],
        row["dialect"],
        row["reference_recording_id"],
    )


def _facts(clip: Clip) -> dict[str, Any]:
    return clip.model_dump(mode="json")


def _distinct(answers: Iterable[tuple[tuple[str, ...], dict[str, Any]]]) -> list[dict[str, Any]]:
    """One answer for each (listener, what was asked), the first, in a fixed order."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for which, facts in answers:
        found.setdefault(which, {"listener": which[0]} | facts)
    return [found[which] for which in sorted(found)]


def _load(file: Path) -> Answers:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        clip = Clip.model_validate
        return Answers(
            content["test"],
            [Rating(one["listener"], clip(one["clip"]), one["score"]) for one in content["ratings"]],
            [Preference(one["listener"], clip(one["chosen"]), clip(one["other"])) for one in content["preferences"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AnswersError(f"{file}: are no answers of a listening test: {error}; mend or remove the file") from None
