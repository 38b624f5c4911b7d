"""Two pages that need nothing from elsewhere: one to try the voice, one that shows the interface."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

router = APIRouter(include_in_schema=False)
_STATIC = Path(__file__).parent / "static"


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(_STATIC / "try.html")


@router.get("/docs")
async def docs() -> FileResponse:
    return FileResponse(_STATIC / "docs.html")
