"""What a server holds while it runs: model, engine, voices, keys, limits; and what a request becomes of them."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from model import voxcpm2
from model.finetune import lora
from model.finetune.row_lora import load_rows
from model.labels.label import KEY_VARIABLE, Label
from model.voices import registry
from model.voices.saved import SavedVoices, VoiceRefused
from model.voxcpm2 import Request
from model.voxcpm2.engine import Engine, Full, Handle
from model.voxcpm2.taught import Taught
from pipeline.access.limits import RateLimit
from pipeline.access.users import User
from pipeline.lake.lake import Lake
from pipeline.rights.consents import TaintedModel, refuse_tainted
from pipeline.settings import Settings, checkpoint_path
from pipeline.text import dialects
from serve.errors import Refused
from serve.guard import require, serve_users
from serve.measures import Measures
from serve.request import SpeechRequest
from serve.request_log import RequestLog
from serve.speaking import Speaking

ANY_MODEL = ("fangyan", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Names under which the base or the dialect's promoted voice speaks: ours, and those that OpenAI's clients send."""
OWN_VOICE = "default"


@dataclass
class Spoken:
    """A request on its way: who asked, its handle, the label of its sound, and what to warn of."""

    user: User
    asked: SpeechRequest
    handle: Handle
    label: Label
    model: str
    warnings: list[str]


class Service:
    """One workspace's server of speech. `start` before use, `stop` after."""

    def __init__(self, settings: Settings) -> None:
        serve = settings.serve
        self.settings = settings
        self.folder = Path(checkpoint_path(serve.checkpoint))
        device = None if serve.device == "auto" else serve.device
        dtype = voxcpm2.fastest_dtype(device) if serve.dtype == "auto" else serve.dtype
        self.model = voxcpm2.load(self.folder if self.folder.is_dir() else serve.checkpoint, device=device, dtype=dtype)
        self.base = self.folder.name
        self.adapters = self._resident()
        self.created = int(time.time())
        self.engine = Engine(self.model, serve.rows, serve.waiting)
        self.speaking = Speaking(self.engine)
        self.voices = SavedVoices(settings)
        self.users = serve_users(settings.root)
        self.limit = RateLimit(serve.requests_per_minute)
        self.measures = Measures(self.engine)
        self.log = RequestLog(settings.root)
        self.label_key = os.environ.get(KEY_VARIABLE, "").encode()

    def start(self) -> None:
        self.speaking.start()

    def stop(self) -> None:
        self.speaking.stop()

    def models(self) -> list[str]:
        """Names that a request may call a model by."""
        return [ANY_MODEL[0], self.base, *self.adapters]

    def _resident(self) -> dict[str, Path]:
        """Folders of the dialects' voices that are adapters of this base, by model id; they are spoken in one batch."""
        lake = Lake(self.settings.lake)
        current = [registry.current(lake, self.settings, dialect) for dialect in lake.partitions("models")]
        found = [voice for voice in current if voice and voice.row["kind"] == "lora"]
        mine = {v.model_id: v for v in found if Path(v.row["base"]).name == self.base}
        self.dialect_of = {name: voice.row["dialect"] for name, voice in mine.items()}
        folders = {name: voice.folder for name, voice in mine.items() if (voice.folder / lora.WEIGHTS).is_file()}
        if folders:
            load_rows(self.model.network, folders)
        return folders

    def begin(self, asked: SpeechRequest, user: User | None) -> Spoken:
        """Queue a request for whoever asks, or say why not. Raises Refused."""
        caller = require(user, "speak")
        if wait := self.limit.wait(caller.name):
            raise Refused(429, "too many requests with this key in a minute", retry_after=wait)
        model = self._model(asked)
        request = replace(self._request(asked), adapter=model if model in self.adapters else "")
        deadline = time.monotonic() + self.settings.serve.deadline_seconds
        try:
            handle = self.engine.add(request, owner=caller.name, deadline=deadline, streamed=asked.streamed)
        except Full as full:
            self.measures.requests.labels("full").inc()
            raise Refused(429, f"{full}; try again", retry_after=self._patience()) from None
        except (ValueError, KeyError) as error:
            raise Refused(400, str(error), "input") from None
        label = Label(produce_id=uuid.uuid4().hex, reserved_1="streamed" if asked.streamed else "")
        return Spoken(caller, asked, handle, label, model, self._warnings(asked, model))

    def _warnings(self, asked: SpeechRequest, model: str) -> list[str]:
        """What is asked for that the model was never taught."""
        taught = self.model.taught
        if taught is None:
            return []
        if model in self.adapters:
            taught = taught | Taught.read(self.adapters[model])
        return taught.complaints(asked.input, asked.dialect)

    def finished(self, spoken: Spoken, outcome: str, seconds: float) -> None:
        """Count a request that ended and log it, without its text."""
        asked, handle = spoken.asked, spoken.handle
        self.measures.requests.labels(outcome).inc()
        self.measures.seconds.inc(seconds)
        if outcome == "spoken":
            self.measures.characters.inc(len(asked.input))
            self.measures.finished(time.monotonic() - handle.added)
        self.log.add(
            key=spoken.user.name,
            model=spoken.model,
            voice=asked.voice,
            dialect=asked.dialect,
            characters=len(asked.input),
            seconds=round(seconds, 3),
            format=asked.response_format,
            outcome=outcome,
            produce_id=spoken.label.produce_id,
        )

    def _model(self, asked: SpeechRequest) -> str:
        if asked.model not in (*ANY_MODEL, *self.models()):
            raise Refused(404, f"there is no model {asked.model!r}; there are {', '.join(self.models())}", "model")
        name = self.base
        if asked.model in self.adapters:
            name = asked.model
        elif asked.model in ANY_MODEL and asked.dialect:
            name = next((each for each in self.adapters if self.dialect_of[each] == asked.dialect), self.base)
        try:
            refuse_tainted(self.adapters.get(name, self.folder))
        except TaintedModel as tainted:
            raise Refused(403, str(tainted), "model") from None
        return name

    def _request(self, asked: SpeechRequest) -> Request:
        serve = self.settings.serve
        if len(asked.input) > serve.max_characters:
            raise Refused(400, f"input: {len(asked.input)} characters; {serve.max_characters} are taken", "input")
        if asked.steps > serve.max_steps:
            raise Refused(400, f"steps: {asked.steps}; at most {serve.max_steps} are taken", "steps")
        if asked.dialect:
            try:
                dialects.get(asked.dialect)
            except dialects.UnknownDialectError as error:
                raise Refused(400, str(error.args[0]), "dialect") from None
        reference = None
        if asked.voice not in ("", OWN_VOICE):
            try:
                reference = self.voices.latents(asked.voice, self.model)
            except VoiceRefused as refused:
                raise Refused(refused.status, str(refused), "voice") from None
        return Request(
            asked.input,
            control=asked.instructions,
            dialect=asked.dialect,
            reference=reference,
            steps=asked.steps,
            guidance=asked.guidance,
            seed=asked.seed,
        )

    def _patience(self) -> float:
        """Seconds until a place may be free: as long as requests have taken, one after the other in each row."""
        return max(1.0, self.measures.mean_seconds * self.engine.waiting / self.engine.rows / 2)
