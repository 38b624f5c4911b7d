"""The engine in a thread of its own, and those who wait for its sound in an event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial

from model.voxcpm2.engine import Engine, Handle, Sound

_log = logging.getLogger("fangyan.serve")
_LOOK_AGAIN_SECONDS = 1.0


class Speaking:
    """Steps an engine while there is something to speak; `start` before use, `stop` after."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._work = threading.Event()
        self._stopping = False
        self._waiters: dict[int, Callable[[], object]] = {}
        self._thread = threading.Thread(target=self._run, name="fangyan speaking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the patch that is being spoken; who still waits is told that nothing more comes."""
        self._stopping = True
        self._work.set()
        self._thread.join(60)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def remove(self, handle: Handle) -> None:
        """Take a request back."""
        self.engine.remove(handle)
        self._work.set()

    async def sound(self, handle: Handle) -> AsyncGenerator[Sound]:
        """What the engine makes of a request, as it is made. Raises the handle's failure.

        Whoever stops to iterate takes the request back.
        """
        changed, loop = asyncio.Event(), asyncio.get_running_loop()
        self._waiters[id(handle)] = partial(loop.call_soon_threadsafe, changed.set)
        self._work.set()
        try:
            while True:
                ended = handle.ended
                sound = handle.take()
                if sound is not None:
                    yield sound
                if ended:
                    break
                await changed.wait()
                changed.clear()
        finally:
            self._waiters.pop(id(handle), None)
            if not handle.ended:
                self.remove(handle)
        if handle.failure is not None:
            raise handle.failure

    def _run(self) -> None:
        while not self._stopping:
            if self.engine.idle:
                # Waiting requests have deadlines, so somebody looks now and then.
                self._work.wait(_LOOK_AGAIN_SECONDS)
                self._work.clear()
                continue
            for handle in self.engine.step():
                if handle.failure is not None:
                    _log.warning("a request failed: %s: %s", type(handle.failure).__name__, handle.failure)
                self._tell(handle)

    def _tell(self, handle: Handle) -> None:
        waiter = self._waiters.get(id(handle))
        if waiter is not None:
            try:
                waiter()
            except RuntimeError:
                # Its event loop has ended.
                self._waiters.pop(id(handle), None)
