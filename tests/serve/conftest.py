"""One server of the embedded voice for all tests of this folder; a key is made for each role."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import speech_served
import torch
from speech_served import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with speech_served.served(tmp_path_factory.mktemp("served") / "workspace", rows=4, waiting=4) as running:
        key = running.service.users.add("tester", ["speak", "watch"])
        with httpx.Client(base_url=running.address, headers={"Authorization": f"Bearer {key}"}, timeout=120) as http:
            yield Server(running.address, running.service, key, http)
    torch.set_num_threads(threads)
