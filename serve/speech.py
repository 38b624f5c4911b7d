"""POST /v1/audio/speech: a text in, labelled sound out, whole or as it is made."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from model.labels import labels
from model.labels.encoded import FORMATS
from model.voxcpm2.engine import Expired, Sound
from serve.errors import Refused
from serve.request import SpeechRequest
from serve.service import Service, Spoken
from serve.sound import PCM_RATE, Pieces, pcm

router = APIRouter()
_MEDIA = {"wav": "audio/wav", "pcm": f"audio/pcm;rate={PCM_RATE}"}


@router.post("/v1/audio/speech", summary="Speak a text", response_class=Response)
async def speech(asked: SpeechRequest, request: Request) -> Response:
    """Sound in `response_format`, labelled as AI-generated in header fields and in the file.

    Whole, it carries a label with a proof. With `stream` or `stream_format` it is sent as it is made, its label first.
    """
    service: Service = request.app.state.service
    spoken = await run_in_threadpool(service.begin, asked, request.state.user)
    if not asked.streamed:
        return await _whole(service, spoken, request)
    pieces = _encoded(service, spoken)
    # The first piece tells whether there will be others: a failure before it can still be an answer of its own.
    first = await anext(pieces, b"")
    if asked.stream_format == "sse":
        return StreamingResponse(_events(first, pieces), media_type="text/event-stream", headers=_headers(spoken))
    return StreamingResponse(_chain(first, pieces), media_type=_media(asked), headers=_headers(spoken))


async def _whole(service: Service, spoken: Spoken, request: Request) -> Response:
    gone = asyncio.create_task(_left(request))
    made = asyncio.create_task(_collect(service, spoken))
    try:
        await asyncio.wait({gone, made}, return_when=asyncio.FIRST_COMPLETED)
        if not made.done():
            return Response(status_code=499)
        await made
    finally:
        for task in (gone, made):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
    result = spoken.handle.result
    assert result is not None
    form = spoken.asked.response_format
    if form == "pcm":
        return Response(pcm(result.audio, result.sample_rate), media_type=_MEDIA["pcm"], headers=_headers(spoken))
    data, spoken.label = await run_in_threadpool(
        labels.labelled, result.audio, result.sample_rate, form, spoken.label, service.label_key
    )
    return Response(data, media_type=_media(spoken.asked), headers=_headers(spoken))


async def _collect(service: Service, spoken: Spoken) -> None:
    async for _ in sounds(service, spoken):
        pass


async def sounds(service: Service, spoken: Spoken) -> AsyncGenerator[Sound]:
    """The sound of a request as it is made, counted and logged at its end. Raises Refused."""
    handle, seconds, outcome = spoken.handle, 0.0, "left"
    rate = service.model.sample_rate
    try:
        async with contextlib.aclosing(service.speaking.sound(handle)) as made:
            async for sound in made:
                if not seconds:
                    service.measures.first_audio.observe(time.monotonic() - handle.added)
                seconds += len(sound) / rate
                yield sound
        outcome = "spoken"
    except Expired as error:
        outcome = "expired"
        raise Refused(504, f"the request {error}; ask for less, or later", retry_after=1.0) from None
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except Exception:
        outcome = "failed"
        raise Refused(500, "the request could not be spoken; the server's log says why") from None
    finally:
        service.finished(spoken, outcome, seconds)


async def _encoded(service: Service, spoken: Spoken) -> AsyncGenerator[bytes]:
    pieces = Pieces(spoken.asked.response_format, service.model.sample_rate, spoken.label)
    yield pieces.head()
    async with contextlib.aclosing(sounds(service, spoken)) as made:
        async for sound in made:
            if data := pieces.push(sound):
                yield data
    if data := pieces.end():
        yield data


async def _chain(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for data in rest:
        yield data


async def _events(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async for data in _chain(first, rest):
        said = {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
        yield f"data: {json.dumps(said)}\n\n".encode()
    yield b'data: {"type": "speech.audio.done"}\n\n'


def _headers(spoken: Spoken) -> dict[str, str]:
    """The label as header fields; JSON in ASCII, for that is what a header field may hold."""
    label = json.dumps(json.loads(spoken.label.to_json()))
    headers = {"X-AI-Generated": "true", "AIGC": label, "X-Produce-Id": spoken.label.produce_id}
    if spoken.warnings:
        headers["X-Warning"] = json.dumps(spoken.warnings)
    return headers | {"X-Model": spoken.model, "X-Seed": str(spoken.asked.seed)}


def _media(asked: SpeechRequest) -> str:
    form = asked.response_format
    return _MEDIA.get(form) or FORMATS[form].media_type


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
