"""Speech for many callers at once: requests join and leave the running batch, each with a stream of its own.

`add`, `remove` and `idle` may be called from any thread; one thread calls `step`, again and again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from model.voxcpm2.batch import Batch
from model.voxcpm2.job import Job
from model.voxcpm2.long_text import combined, faded, join_audio, pause, split_text
from model.voxcpm2.model import VoxCPM2
from model.voxcpm2.prompt import BadRequest
from model.voxcpm2.result import Request, Result, StopReason
from model.voxcpm2.stream import Continuation

# So many prompts are read at a step at the most: those who are being spoken to wait for them.
_ENTER_AT_ONCE = 4
# A stream that is this far ahead of its listener is decoded in larger pieces, which costs less.
_AHEAD_SECONDS = 0.5
_PIECE_PATCHES = 4

Sound = NDArray[np.float32]


class Full(Exception):
    """As many requests wait as may wait; come again later."""


class Expired(Exception):
    """The request was not spoken by its deadline."""


@dataclass(eq=False)
class Handle:
    """A request on its way. `take` gives the sound made since it was last asked; `result` and `failure` end it.

    `began` and `first_audio` are readings of `time.monotonic`, None until it enters and until it has sound.
    """

    request: Request
    owner: str
    deadline: float | None
    streamed: bool
    added: float = field(default_factory=monotonic)
    began: float | None = None
    first_audio: float | None = None
    result: Result | None = None
    failure: Exception | None = None
    removed: bool = False
    _sound: deque[Sound] = field(default_factory=deque)
    _texts: deque[str] = field(default_factory=deque)
    _spoken: list[Result] = field(default_factory=list)
    _audio: list[Sound] = field(default_factory=list)
    _job: Job | None = None
    _decoder: Continuation | None = None
    _decoded: int = 0
    _given_seconds: float = 0.0
    _clock: float = field(default_factory=perf_counter)

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.removed or self.result is not None or self.failure is not None

    def take(self) -> Sound | None:
        """Samples (T,) made since the last call; None if there are none."""
        pieces = []
        while self._sound:
            pieces.append(self._sound.popleft())
        return np.concatenate(pieces) if pieces else None


class Engine:
    """At most `rows` requests are spoken side by side and `waiting` more wait, one of each owner in turn."""

    def __init__(self, model: VoxCPM2, rows: int = 16, waiting: int = 64) -> None:
        self.model, self.rows, self.most_waiting = model, rows, waiting
        self._batch = Batch(model.speaker(), rows)
        self._decoder = model.decoder()
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[Handle]] = OrderedDict()
        self._speaking: list[Handle] = []

    @property
    def waiting(self) -> int:
        """How many requests wait for a row."""
        return sum(map(len, list(self._waiting.values())))

    @property
    def speaking(self) -> int:
        """How many requests are being spoken."""
        return sum(not handle.ended for handle in list(self._speaking))

    @property
    def idle(self) -> bool:
        return not self.waiting and not self._speaking

    def add(self, request: Request, *, owner: str = "", deadline: float | None = None, streamed: bool = True) -> Handle:
        """Queue a request; a voice given as audio is encoded here, in the caller's thread.

        A long text is spoken in pieces one after the other, as `VoxCPM2.speak` does. `deadline` is a reading of
        `time.monotonic`. What is `streamed` is spoken once; the rest may have further attempts.
        Raises Full, BadRequest, UnusableReference, UnknownDialectError.
        """
        if self.waiting >= self.most_waiting:
            raise Full(f"{self.most_waiting} requests wait already")
        texts = split_text(request.text)
        if len(texts) > 1 and (request.noise is not None or request.max_patches is not None):
            raise BadRequest("noise and max_patches are of one piece; split the text yourself")
        encoded = {
            name: None
            if voice is None
            else self.model.encode(voice, continued=name == "prompt", denoise=request.denoise)
            for name, voice in (("reference", request.reference), ("prompt", request.prompt))
        }
        request = replace(request, denoise=False, **encoded)
        handle = Handle(request, owner, deadline, streamed, _texts=deque(texts))
        self._next_piece(handle)
        with self._lock:
            if self.waiting >= self.most_waiting:
                raise Full(f"{self.most_waiting} requests wait already")
            self._waiting.setdefault(owner, deque()).append(handle)
        return handle

    def remove(self, handle: Handle) -> None:
        """Take a request back; its row is free at the next step, and it gets no further sound."""
        with self._lock:
            handle.removed = True
            self._forget(handle)
        if handle._job is not None and handle._job.ended is None:
            handle._job.ended = StopReason.REMOVED

    @torch.inference_mode()
    def step(self) -> list[Handle]:
        """Speak one more patch of each request that has a row; returns those that have new sound or ended."""
        changed = self._expire()
        fresh = self._enter()
        if not self._speaking:
            return changed
        try:
            jobs = {id(job) for job in self._batch.step(fresh)}
        except Exception as error:
            for handle in self._speaking:
                handle.failure = error
            self._batch = Batch(self.model.speaker(), self.rows)
            changed += self._speaking
            self._speaking = []
            return changed
        for handle in self._speaking:
            if id(handle._job) in jobs and not handle.ended and self._hear(handle):
                changed.append(handle)
        self._speaking = [handle for handle in self._speaking if not handle.ended]
        return changed

    def _enter(self) -> list[Job]:
        """Further pieces and attempts of those that speak, then those that wait while rows are free."""
        fresh = [h._job for h in self._speaking if h._job and not h._job.patches and not h.ended]
        self._speaking = [handle for handle in self._speaking if not handle.ended]
        free = min(self.rows - len(self._speaking), _ENTER_AT_ONCE)
        with self._lock:
            for _ in range(min(free, self.waiting)):
                owner, queue = next(iter(self._waiting.items()))
                handle = queue.popleft()
                self._waiting.pop(owner)
                if queue:
                    self._waiting[owner] = queue
                handle.began = monotonic()
                self._speaking.append(handle)
                assert handle._job is not None
                fresh.append(handle._job)
        return fresh

    def _expire(self) -> list[Handle]:
        now = monotonic()
        with self._lock:
            every = [*self._speaking, *(handle for queue in self._waiting.values() for handle in queue)]
            late = [handle for handle in every if not handle.ended and handle.deadline and handle.deadline < now]
            for handle in late:
                handle.failure = Expired("was not spoken by its deadline")
                self._forget(handle)
        for handle in late:
            if handle._job is not None:
                handle._job.ended = StopReason.REMOVED
        return late

    def _forget(self, handle: Handle) -> None:
        queue = self._waiting.get(handle.owner)
        if queue and handle in queue:
            queue.remove(handle)
            if not queue:
                del self._waiting[handle.owner]

    def _hear(self, handle: Handle) -> bool:
        """Make sound of what a request got; True if its caller has something to take."""
        job = handle._job
        assert job is not None
        if job.ended is not None and not handle.streamed and job.worth_another:
            handle._job, handle._decoder = job.again(), None
            return False
        if job.ended is None and not (handle.streamed and self._due(handle, len(job.patches))):
            return False
        self._decode(handle, job)
        if job.ended is not None:
            handle._spoken.append(self.model.result(job, np.concatenate(handle._audio)))
            if handle._texts:
                self._next_piece(handle)
            else:
                self._finish(handle)
        return True

    def _due(self, handle: Handle, patches: int) -> bool:
        if handle.first_audio is None:
            return True
        ahead = handle._given_seconds - (monotonic() - handle.first_audio)
        return ahead < _AHEAD_SECONDS or patches - handle._decoded >= _PIECE_PATCHES

    def _decode(self, handle: Handle, job: Job) -> None:
        if handle._decoder is None:
            handle._decoder = Continuation(self._decoder)
            handle._decoder.prime(job.prompt.heard)
            handle._decoded, handle._audio = 0, []
        rate = self.model.sample_rate
        sound = handle._decoder.more(torch.stack(job.patches[handle._decoded :]))
        first = not handle._decoded
        handle._decoded = len(job.patches)
        handle._audio.append(sound)
        if first and handle._spoken:
            sound = faded(sound, rate, start=True)
        if job.ended is not None and handle._texts:
            sound = np.concatenate([faded(sound, rate, start=False), pause(rate)])
        handle._sound.append(sound)
        handle.first_audio = handle.first_audio or monotonic()
        handle._given_seconds += len(sound) / rate

    def _next_piece(self, handle: Handle) -> None:
        request = replace(handle.request, text=handle._texts.popleft())
        if handle._spoken and request.reference is None and request.prompt is None:
            request = replace(request, reference=handle._spoken[0].latents)
        handle._job, handle._decoder = self.model.job(request), None

    def _finish(self, handle: Handle) -> None:
        audio = join_audio([result.audio for result in handle._spoken], self.model.sample_rate)
        handle.result = combined(handle._spoken, handle.request.text, audio, handle._clock)
