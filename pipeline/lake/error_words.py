"""Which characters recognisers get wrong most: what each of them wrote, held against the text as it stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from pipeline.lake.lake import Lake
from pipeline.lake.query import each_row
from pipeline.lake.query_result import Result
from pipeline.lake.summaries.summary import Summary
from pipeline.text import dialects
from pipeline.text.normalize import normalizer

ERROR_WORDS = Summary(
    "error_words",
    "Which characters or words recognisers get wrong most, per dialect, and what they write instead",
    "",
    {
        "recognizer": "Who wrote it; `before correction`: the text that a person corrected",
        "text_source": "What it is held against: given, corrected, or recognised (a vote, in which it took part)",
        "said": "As it stands in the text, folded as for error rates (script, numbers); empty: nothing",
        "heard": "As the recogniser has it; empty: it left it out",
        "times": "How often",
        "of": "How often it is said",
    },
)
_COLUMNS = tuple(ERROR_WORDS.columns)
_HEARD = """
    SELECT r.dialect, h.recognizer, coalesce(t.text_source, 'recognised') AS text_source, t.text AS said,
        h.text AS heard
    FROM hypotheses AS h JOIN transcripts AS t USING (transcript_id, recording_id, batch)
    JOIN (SELECT recording_id, min(dialect) AS dialect FROM recordings WHERE status = 'ok' GROUP BY recording_id) AS r
        USING (recording_id)
    WHERE h.decision = 'keep' AND t.decision = 'keep' AND h.recognizer IS NOT NULL
"""
_CORRECTED = """
    SELECT r.dialect, 'before correction', 'corrected', c."new", c."old"
    FROM standing_corrections AS c
    JOIN (SELECT recording_id, min(dialect) AS dialect FROM recordings WHERE status = 'ok' GROUP BY recording_id) AS r
        USING (recording_id)
    WHERE c.field = 'text' AND c."old" IS NOT NULL
"""


def error_words(lake: Lake, dialect: str | None = None, limit: int | None = None) -> Result:
    """Substitutions, words left out and words put in, the most frequent first of each dialect, recogniser and source.

    Texts are folded by the dialect's normaliser and aligned by Levenshtein distance. Raises CatalogError.
    """
    errors: dict[tuple[str, str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    said: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for row in each_row(lake, f"{_HEARD} UNION ALL {_CORRECTED}"):
        code = row["dialect"]
        if code not in dialects.REGISTRY or (dialect is not None and code != dialect):
            continue
        fold = normalizer(code)
        key = code, row["recognizer"], row["text_source"]
        tokens = fold.tokens(row["said"])
        said[key].update(tokens)
        errors[key].update(_pairs(tokens, fold.tokens(row["heard"])))
    rows = [
        (*key, one, other, times, said[key][one] if one else None)
        for key in sorted(errors)
        for (one, other), times in sorted(errors[key].items(), key=lambda found: (-found[1], found[0]))[:limit]
    ]
    types = ("VARCHAR",) * 5 + ("BIGINT",) * 2
    return Result(("dialect", *_COLUMNS), types, rows)


def _pairs(said: list[str], heard: list[str]) -> Iterator[tuple[str, str]]:
    from rapidfuzz.distance import Levenshtein

    for operation in Levenshtein.editops(said, heard):
        one = said[operation.src_pos] if operation.tag != "insert" else ""
        other = heard[operation.dest_pos] if operation.tag != "delete" else ""
        yield one, other
