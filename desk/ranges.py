"""One range of bytes, as RFC 9110 section 14 has it."""

from __future__ import annotations

import re

from starlette.responses import Response

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def ranged(content: bytes, kind: str, wanted: str | None) -> Response:
    """206 with the range that a Range header asks for; 200 with everything without one, or for several at once.

    416 for a range that begins behind the end.
    """
    size = len(content)
    headers = {"Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if match is None or match.groups() == ("", ""):
        return Response(content, 200, headers, kind)
    first, last = match.groups()
    if first:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
    else:
        begin, end = max(0, size - int(last)), size - 1
    if last and first and int(last) < int(first):
        return Response(content, 200, headers, kind)
    if begin >= size or begin > end:
        return Response(b"", 416, headers | {"Content-Range": f"bytes */{size}"}, kind)
    return Response(content[begin : end + 1], 206, headers | {"Content-Range": f"bytes {begin}-{end}/{size}"}, kind)
