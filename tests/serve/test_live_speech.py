"""Text comes in by WebSocket as it is written, and each sentence is spoken when it is complete."""

from __future__ import annotations

import json
from typing import Any

import pytest
from speech_served import Server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol


def address(server: Server) -> str:
    return server.address.replace("http", "ws") + "/v1/audio/speech/live"


def test_sentences_are_spoken_as_they_are_written(server: Server) -> None:
    said: list[Any] = []
    sound = 0
    with connect(address(server), additional_headers={"Authorization": f"Bearer {server.key}"}) as socket:
        for message in ({"steps": 2}, {"text": "好天"}, {"text": "气。你"}, {"text": "好。", "end": True}):
            socket.send(json.dumps(message))
        for message in socket:
            if isinstance(message, bytes):
                assert "AIGC" in said[-1], "the label comes before the sound"
                sound += len(message)
            else:
                said.append(json.loads(message))
    assert [each["spoken"] for each in said if "spoken" in each] == ["好天气。", "你好。"]
    assert said[-1] == {"done": True}
    assert sound > 1000


def test_nobody_is_let_in_without_a_key_and_faults_are_said(server: Server) -> None:
    with pytest.raises((InvalidStatus, ConnectionClosed), match=r"40[13]"), connect(address(server)) as socket:
        socket.recv(timeout=30)
    with connect(address(server), subprotocols=[Subprotocol("fangyan"), Subprotocol(f"key.{server.key}")]) as socket:
        socket.send(json.dumps({"speed": 2, "text": "好。", "end": True}))
        assert "faster or slower" in str(socket.recv(timeout=30))
