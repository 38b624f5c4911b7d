"""The card of a release for the Hugging Face hub: README.md with metadata in YAML, the datasheet below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.lake.rows import Row
from pipeline.releases import datasheet
from pipeline.releases.rows import SEGMENTS
from pipeline.text import dialects

_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M")),
)
_LICENCES = {
    *("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
    *("cc-by-nc-nd-4.0", "odbl", "odc-by", "pddl"),
}
"""Licences that the hub knows by these names."""


def write(document: Mapping[str, Any], segments: Sequence[Row]) -> str:
    """The card; the same release gives the same bytes."""
    head = yaml.safe_dump(metadata(document), allow_unicode=True, sort_keys=True)
    return f"---\n{head}---\n\n{datasheet.write(document, segments)}"


def metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the card's head, in the hub's words."""
    figures = document["figures"]
    known = [dialects.REGISTRY.get(code) for code in figures["dialect"]]
    licence = datasheet.licence_of(document)
    rights = {"license": "unknown"}
    if licence:
        is_known = licence.lower() in _LICENCES
        rights = {"license": licence.lower()} if is_known else {"license": "other", "license_name": licence}
    return {
        "pretty_name": document["name"],
        **rights,
        "language": sorted({code.split("-")[0] if code[0] != "x" else "zh" for code in figures["dialect"] if code}),
        "language_details": sorted(filter(None, figures["dialect"])),
        "tags": ["speech", "dialect", *sorted({one.name for one in known if one})],
        "task_categories": ["automatic-speech-recognition", "text-to-speech"],
        "annotations_creators": _creators(figures),
        "size_categories": [_size(figures["segments"])],
        "source_datasets": ["original"],
        "configs": [{"config_name": "segments", "data_files": [{"split": "segments", "path": SEGMENTS}]}],
    }


def _creators(figures: Mapping[str, Any]) -> list[str]:
    """By whom the text was made, in the hub's words."""
    sources = set(figures["text_source"])
    made = {"machine-generated"} if sources - {"given", "corrected"} else set()
    return sorted(made | ({"expert-generated"} if sources & {"given", "mixed", "corrected"} else set()))


def _size(segments: int) -> str:
    return next((name for most, name in _SIZES if segments < most), "100M<n<1B")
