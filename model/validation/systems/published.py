"""Figures that others published, from benchmarks/published.csv: shown with their source, apart from measured ones.

They are a type of their own, without model or interval, so that no table of measurements can take one in by mistake.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.project import PROJECT

FILE = PROJECT / "benchmarks" / "published.csv"
SourceKind = Literal["own_team", "other_team", "second_hand"]


class PublishedError(ValueError):
    """The file of published figures is missing or wrong; the message has a line for each fault with row and column."""


class Figure(BaseModel):
    """One published figure.

    `source_kind`: own_team, the system's makers print it; other_team, somebody else's table has it, copied or measured
    there; second_hand, it was not read in the source itself. `source` has the paper's arXiv id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(min_length=2)
    benchmark: Literal["Seed-TTS-eval", "CV3-Eval", "MiniMax multilingual"]
    subset: str = Field(min_length=2)
    metric: Literal["CER", "WER", "WER or CER", "SIM"]
    value: Decimal = Field(ge=-1, le=200)
    unit: Literal["%", "cosine"]
    source: str = Field(pattern=r"arXiv:\d{4}\.\d{5}")
    source_kind: SourceKind
    retrieved: date
    note: str = ""

    @model_validator(mode="after")
    def _plausible(self) -> Figure:
        most = 1 if self.unit == "cosine" else 100 if self.metric == "SIM" else 200
        if self.value > most or (self.metric != "SIM" and (self.value < 0 or self.unit != "%")):
            raise ValueError(f"{self.value} {self.unit} cannot be a {self.metric}")
        if self.source_kind == "second_hand" and "second-hand" not in self.note:
            raise ValueError("its note must say that it is second-hand, and from where")
        return self

    def row(self) -> dict[str, Any]:
        """What the report shows of it; the value as a text, with the digits it was published with."""
        kind = {"own_team": "its makers", "other_team": "another team's table", "second_hand": "second-hand"}
        told = f"{self.source} ({kind[self.source_kind]}; read {self.retrieved.isoformat()})"
        return self.model_dump(exclude={"source", "value"}) | {"source": told, "value": str(self.value)}


def load_published(file: Path = FILE) -> list[Figure]:
    """The figures in the file's order. Raises PublishedError."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, strict=True))
    except FileNotFoundError:
        raise PublishedError(f"{file}: no such file of published figures") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise PublishedError(f"{file.name}: not valid CSV: {error}") from None
    figures, faults = [], []
    for number, row in enumerate(rows, start=2):
        try:
            figures.append(Figure.model_validate(row))
        except ValidationError as error:
            faults += [
                f"{file.name}, row {number}: {fault['loc'][0] if fault['loc'] else 'row'}: {fault['msg']}"
                for fault in error.errors()
            ]
    told = Counter((one.system, one.benchmark, one.subset, one.metric, one.source) for one in figures)
    faults += [f"{file.name}: {', '.join(which)}: stands {count} times" for which, count in told.items() if count > 1]
    if faults:
        raise PublishedError("\n".join(faults))
    return figures


def published_rows(file: Path = FILE) -> list[dict[str, Any]]:
    """The figures as rows for the report: system, benchmark, subset, metric, value, unit, source and the rest."""
    return [figure.row() for figure in load_published(file)]
