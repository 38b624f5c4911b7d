"""A WebSocket: text comes in as it is written, sound goes out as it is spoken."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from model.voxcpm2.long_text import complete_sentences
from serve.errors import Refused
from serve.request import SpeechRequest
from serve.service import Service
from serve.sound import Pieces
from serve.speech import sounds

router = APIRouter()
_MOST_WAITING = 20_000


@router.websocket("/v1/audio/speech/live")
async def live(socket: WebSocket) -> None:
    """First message: a JSON object with the fields of a speech request but `input`. Then `{"text": ...}` as it is
    written, and `{"end": true}`. Each sentence is spoken when it is complete: a JSON message with its label, then the
    sound in binary messages, then `{"done": ...}`. Formats: pcm (default) and those of the speech request.
    """
    service: Service = socket.app.state.service
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol="fangyan" if "fangyan" in offered else None)
    try:
        fields = await _object(socket)
        fields.setdefault("response_format", "pcm")
        text, ended = str(fields.pop("text", "")), bool(fields.pop("end", False))
        while True:
            ready, text = complete_sentences(text, ended)
            if ready.strip():
                await _speak(service, socket, SpeechRequest.model_validate({**fields, "input": ready, "stream": True}))
            if ended:
                await socket.send_text(json.dumps({"done": True}))
                await socket.close()
                return
            message = await _object(socket)
            text, ended = text + str(message.get("text", "")), bool(message.get("end", False))
            if len(text) > _MOST_WAITING:
                raise Refused(413, "too much text without the end of a sentence")
    except WebSocketDisconnect:
        return
    except (Refused, ValidationError, ValueError) as error:
        said = error.message if isinstance(error, Refused) else _words(error)
        with contextlib.suppress(RuntimeError):
            await socket.send_text(json.dumps({"error": {"message": said}}))
            await socket.close(1008)


async def _speak(service: Service, socket: WebSocket, asked: SpeechRequest) -> None:
    spoken = await run_in_threadpool(service.begin, asked, socket.state.user)
    label = json.loads(spoken.label.to_json())
    await socket.send_text(
        json.dumps({"AIGC": label, "sample_rate": service.model.sample_rate, "warnings": spoken.warnings})
    )
    pieces = Pieces(asked.response_format, service.model.sample_rate, spoken.label)
    if head := pieces.head():
        await socket.send_bytes(head)
    async with contextlib.aclosing(sounds(service, spoken)) as made:
        async for sound in made:
            if data := pieces.push(sound):
                await socket.send_bytes(data)
    if data := pieces.end():
        await socket.send_bytes(data)
    await socket.send_text(json.dumps({"spoken": asked.input}))


async def _object(socket: WebSocket) -> dict[str, Any]:
    message = json.loads(await socket.receive_text())
    if not isinstance(message, dict):
        raise Refused(400, "a message is a JSON object")
    return message


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return "a message is a JSON object"
