"""A release described in Croissant 1.0 (JSON-LD, https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.lake.rows import Row
from pipeline.releases.datasheet import hours, licence_of, limits_of
from pipeline.releases.rows import LEFT_OUT, LEFT_OUT_SCHEMA, SEGMENTS, SEGMENTS_SCHEMA

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_OWN_TERMS = (
    *("citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
    *("replace", "separator", "source", "subField", "transform"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {term: f"cr:{term}" for term in _OWN_TERMS}
_SPDX = "https://spdx.org/licenses/"


def write(document: Mapping[str, Any], segments: Sequence[Row]) -> str:
    """The description as JSON; the same release gives the same bytes."""
    return json.dumps(describe(document), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def describe(document: Mapping[str, Any]) -> dict[str, Any]:
    """The description. A release has no page on the net: its `url` is a name that holds its hash."""
    figures = document["figures"]
    dialects = sorted(filter(None, figures["dialect"]))
    about = (
        f"{figures['segments']} segments, {hours(figures['seconds'])} h of dialect speech with text: "
        f"{', '.join(dialects)}. {document['note'] or ''}"
    )
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": document["name"],
        "description": " ".join([about.strip(), *limits_of(document)]),
        "license": _licence(document),
        "url": f"urn:sha256:{document['content_sha256']}",
        "creator": {"@type": "sc:Person", "name": document["created_by"]},
        "datePublished": document["created"][:10],
        "dateModified": max([document["created"], *(one["when"] for one in document["taken_out"])])[:10],
        # A takedown changes rows that were there: by the rules of Croissant another major version.
        "version": f"{1 + len(document['taken_out'])}.0.0",
        "keywords": ["speech", "dialect", *dialects],
        "inLanguage": dialects,
        "isLiveDataset": False,
        "rai:dataCollection": "Recordings that landed with the consent of who speaks; see DATASHEET.md",
        "rai:dataLimitation": limits_of(document),
        "distribution": [_file(document, name) for name in (SEGMENTS, LEFT_OUT)],
        "recordSet": [_records("segments", SEGMENTS, SEGMENTS_SCHEMA), _records("left_out", LEFT_OUT, LEFT_OUT_SCHEMA)],
    }


def _licence(document: Mapping[str, Any]) -> str:
    named = licence_of(document) or "not said"
    is_id = named.replace("-", "").replace(".", "").isalnum() and named.isascii()
    return f"{_SPDX}{named}.html" if is_id else named


def _file(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": "application/vnd.apache.parquet",
        "contentSize": f"{document['files'][name]['bytes']} B",
        "sha256": document["files"][name]["sha256"],
    }


def _records(name: str, file: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": (schema.metadata or {})[b"description"].decode(),
        "field": [_column(name, file, field) for field in schema],
    }


def _column(record_set: str, file: str, field: pa.Field) -> dict[str, Any]:
    notes = field.metadata or {}
    unit = notes.get(b"unit", b"").decode()
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{field.name}",
        "name": field.name,
        "description": notes[b"description"].decode() + (f" [{unit}]" if unit else ""),
        "dataType": _kind(field.type),
        "source": {"fileObject": {"@id": file}, "extract": {"column": field.name}},
    }


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Text"
