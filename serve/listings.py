"""What there is to choose from, how the server is, and what it measured."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from pipeline.text import dialects
from serve.guard import require
from serve.service import OWN_VOICE, Service

router = APIRouter()


@router.get("/v1/models", summary="Models that a request may name")
async def models(request: Request) -> dict[str, Any]:
    """In the form of OpenAI's list of models."""
    service: Service = request.app.state.service
    require(request.state.user, "list")
    rows = [
        {"id": name, "object": "model", "created": service.created, "owned_by": "fangyan"} for name in service.models()
    ]
    return {"object": "list", "data": rows}


@router.get("/v1/voices", summary="Voices and dialects that a request may name")
async def voices(request: Request) -> dict[str, Any]:
    """`default` is the model's own; the others were saved with their owners' consent and may be used now."""
    service: Service = request.app.state.service
    require(request.state.user, "list")
    saved = await run_in_threadpool(service.voices.usable)
    data = [{"id": OWN_VOICE, "ground": "the model's own"}]
    data += [{"id": voice.name, "ground": voice.ground} for voice in saved]
    known = [{"code": each.code, "name": each.name, "name_zh": each.name_zh} for each in dialects.REGISTRY.values()]
    return {"object": "list", "data": data, "dialects": known}


@router.get("/healthz", summary="Whether the server can speak")
async def healthz(request: Request) -> JSONResponse:
    """For a load balancer: 200 while the engine runs."""
    service: Service = request.app.state.service
    alive = service.speaking.alive
    return JSONResponse({"status": "ok" if alive else "the engine has ended"}, 200 if alive else 503)


@router.get("/metrics", summary="Measures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Needs a key with the role `watch`."""
    service: Service = request.app.state.service
    require(request.state.user, "watch")
    return Response(generate_latest(service.measures.registry), media_type=CONTENT_TYPE_LATEST)
