"""A difference between two releases as text for a terminal and as one page for a browser."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.releases.datasheet import hours
from pipeline.releases.diff import KINDS, Change, Difference

_MOST_LINES, _MOST_ROWS, _MOST_REASONS = 20, 1_000, 30
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; }
tr { border-top: 1px solid #ddd; } .hash { font: 12px ui-monospace, monospace; word-break: break-all; }
.wide { overflow-x: auto; } del { background: #fdd; } ins { background: #dfd; text-decoration: none; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } tr { border-color: #444; }
del { background: #622; } ins { background: #262; } }
"""


def as_lines(difference: Difference) -> Iterator[str]:
    """The difference in lines: counts, reasons, and the first of each kind of change."""
    one, two = difference.one, difference.two
    yield f"from {one.name} ({one.document['created'][:10]}) to {two.name} ({two.document['created'][:10]})"
    yield f"{difference.same} segments are the same"
    yield from (f"made otherwise: {each.words}" for each in difference.made)
    for kind in KINDS:
        found = difference.of(kind)
        yield f"{kind}: {len(found)} segments, {hours(difference.seconds(kind))} h"
        if kind == "changed":
            yield from (f"  in {name}: {count}" for name, count in difference.fields.most_common())
        yield from (f"  {count}: {words}" for words, count in difference.reasons(kind).most_common(_MOST_REASONS))
        for change in found[:_MOST_LINES]:
            yield f"    {change.row['segment_id']} {_what(change)}"
        if len(found) > _MOST_LINES:
            yield f"    and {len(found) - _MOST_LINES} more; --format json lists all"


def as_page(difference: Difference) -> str:
    """The difference as one HTML page that needs nothing else; what people wrote is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    sections = [
        {
            "kind": kind,
            "count": len(found := difference.of(kind)),
            "seconds": difference.seconds(kind),
            "reasons": difference.reasons(kind).most_common(_MOST_REASONS),
            "changes": found[:_MOST_ROWS],
        }
        for kind in KINDS
    ]
    releases = (difference.one, difference.two)
    return environment.get_template("page.html").render(
        one=difference.one,
        two=difference.two,
        difference=difference,
        sections=sections,
        taken=[sum(each["segments"] for each in release.document["taken_out"]) for release in releases],
        hours=hours,
        style=Markup(_STYLE),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def _what(change: Change) -> str:
    if not change.fields:
        return change.row["text"] or ""
    return "; ".join(f"{name}: {one} -> {two}" for name, (one, two) in change.fields.items())
