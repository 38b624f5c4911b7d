"""Puts the server together: one router a subject, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from pipeline.access.hosts import LOOPBACK
from serve.errors import Refused
from serve.guard import Guard
from serve.service import Service

SUBJECTS = ("speech", "listings", "live", "pages")
"""Modules of this room with a `router`."""
_ABOUT = "Everything that this server says is AI-generated and is labelled so, in header fields and in the file."


def create_app(service: Service, hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The server; without keys it answers to its own machine alone, under the names in `hosts`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop()

    app = FastAPI(
        title="Fangyan speech", description=_ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan, version="1"
    )
    app.state.service = service
    for subject in SUBJECTS:
        app.include_router(import_module(f"serve.{subject}").router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Guard, users=service.users, hosts=hosts)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, Refused)
    return error.response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with each field, without what was sent."""
    del request
    assert isinstance(error, RequestValidationError)
    faults = [
        (".".join(map(str, each["loc"][1:])), each["msg"].removeprefix("Value error, ")) for each in error.errors()
    ]
    words = "; ".join(f"{field}: {message}" if field else message for field, message in faults)
    return Refused(400, words, faults[0][0] if faults else "").response()


async def _http(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    return Refused(error.status_code, str(error.detail)).response()
