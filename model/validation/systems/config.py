"""systems.toml: which systems speak the validation texts too, and how each is reached.

A key is never in the file: `key_env` names the environment variable that holds it.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline import telemetry
from pipeline.http_post import on_this_machine
from pipeline.project import PACKAGES, PROJECT

FILE = PROJECT / "systems.toml"
PLACEHOLDERS = ("python", "text", "text_file", "reference", "reference_text", "dialect", "out")
"""What an argument of a command may name in braces; `reference_data_url` is the body field's counterpart."""
BODY_PLACEHOLDERS = ("reference_data_url", "reference_text", "dialect")
PASSED = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "PYTHONPATH",
)
"""Variables that every command gets."""
RESERVED = ("base", "fine_tuned", "promoted_before", "experiment", "difference", "reference")
_NAMED = re.compile(r"\{(\w+)\}")


class SystemsError(ValueError):
    """systems.toml is missing or wrong; the message has a line for each fault with file, system and key."""


class _System(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,39}$")
    dialects: list[str] = Field(default=[], description="codes that it is asked in; none: all")
    note: str = Field(default="", description="version, settings: whatever the report should say of it")

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        # The report shows fine_tuned as "Fine-tuned": no name may pass for one of these.
        if re.sub(r"[ _-]", "_", name.lower()) in RESERVED:
            raise ValueError(f"is what the project's own voices are called; not {', '.join(RESERVED)}")
        return name

    @field_validator("dialects")
    @classmethod
    def _known(cls, codes: list[str]) -> list[str]:
        from pipeline.text import dialects

        try:
            return [dialects.get(code).code for code in codes]
        except dialects.UnknownDialectError as error:
            raise ValueError(str(error)) from None


class Directory(_System):
    """Sound files made elsewhere: `<path>/<utterance id>.wav` (or .flac, .mp3, .ogg, .opus)."""

    kind: Literal["directory"]
    path: Path = Field(strict=False)
    cloned: bool = Field(default=False, description="the files copy the references' voices")

    @property
    def clones(self) -> bool:
        return self.cloned


class Command(_System):
    """A program that speaks one text a call. `argv` is a list of arguments, never a line for a shell.

    Of this process's environment the program gets PASSED and what `env` names, so not the keys of other systems.
    """

    kind: Literal["command"]
    argv: list[str] = Field(min_length=1)
    env: list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = Field(
        default=[], description="names of variables that the program needs beside PATH, HOME, LANG and the like"
    )
    timeout_s: float = Field(default=300.0, gt=0, le=3600)

    @field_validator("argv")
    @classmethod
    def _placeholders(cls, argv: list[str]) -> list[str]:
        named = _named(argv, PLACEHOLDERS)
        if "out" not in named:
            raise ValueError("no argument names {out}, the .wav that the program writes")
        if not named & {"text", "text_file"}:
            raise ValueError("no argument names {text} or {text_file}")
        return argv

    @property
    def clones(self) -> bool:
        return "reference" in _named(self.argv, PLACEHOLDERS)

    def environment(self) -> dict[str, str]:
        """What the program gets to see. Raises SystemsError for a variable of `env` that is not set."""
        if missing := [name for name in self.env if name not in os.environ]:
            raise SystemsError(f"{self.name}: the environment variable {missing[0]} that env names is not set")
        path = os.pathsep.join(part for part in (str(PACKAGES), os.environ.get("PYTHONPATH", "")) if part)
        given = {name: os.environ[name] for name in (*PASSED, *self.env) if name in os.environ}
        return telemetry.SWITCHES | given | {"PYTHONPATH": path}


class _Http(_System):
    base_url: str
    key_env: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    timeout_s: float = Field(default=120.0, gt=0, le=600, description="of one attempt, all of it")
    attempts: int = Field(default=4, ge=1, le=10)
    backoff_s: float = Field(default=1.0, gt=0, le=60, description="wait after the first failure; doubles each time")
    max_wait_s: float = Field(
        default=60.0, gt=0, le=600, description="longest wait, also where the server asks for more"
    )
    max_megabytes: float = Field(default=64.0, gt=0, le=1024)

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no user, password or query; name the key's variable in key_env")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _encrypted(self) -> _Http:
        if self.key_env and urlsplit(self.base_url).scheme == "http" and not self.local:
            raise ValueError("a key would be sent unencrypted: use https, or a server on this machine")
        return self

    @property
    def local(self) -> bool:
        """True if the server is this machine."""
        return on_this_machine(self.base_url)

    def key(self) -> str:
        """The key from the environment, "" where none is needed. Raises SystemsError if it is not set or no key."""
        if not self.key_env:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise SystemsError(f"{self.name}: the environment variable {self.key_env} with its key is not set")
        # The HTTP client would refuse it too, with an error that shows it.
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise SystemsError(f"{self.name}: the value of {self.key_env} is no key: it has spaces or other letters")
        return key


class OpenAI(_Http):
    """Any server that speaks OpenAI's `POST <base_url>/audio/speech`; `body` holds further fields of the request."""

    kind: Literal["openai"]
    model: str
    voice: str = ""
    response_format: Literal["wav", "flac", "mp3", "opus", "aac"] = "wav"
    body: dict[str, Any] = {}
    reference_may_leave: bool = Field(default=False, description="the consents allow sending references to this host")

    @model_validator(mode="after")
    def _fields(self) -> OpenAI:
        if taken := set(self.body) & {"model", "input", "voice", "response_format"}:
            raise ValueError(f"body must not hold {', '.join(sorted(taken))}: they have keys of their own")
        _named(strings(self.body), BODY_PLACEHOLDERS)
        if self.clones and not self.local and not self.reference_may_leave:
            raise ValueError("body sends people's voices to another host: allow it with reference_may_leave = true")
        return self

    @property
    def clones(self) -> bool:
        return "reference_data_url" in _named(strings(self.body), BODY_PLACEHOLDERS)


class ElevenLabs(_Http):
    """ElevenLabs' `POST <base_url>/v1/text-to-speech/<voice_id>`; it speaks with that voice, not with a reference's."""

    kind: Literal["elevenlabs"]
    base_url: str = "https://api.elevenlabs.io"
    key_env: str = Field(default="ELEVENLABS_API_KEY", min_length=1)
    voice_id: str = Field(pattern=r"^[A-Za-z0-9]+$")
    model_id: str = "eleven_multilingual_v2"
    output_format: str = Field(default="mp3_44100_128", pattern=r"^(mp3|opus|wav)_\d+(_\d+)?$")
    voice_settings: dict[str, Any] = {}

    @property
    def clones(self) -> bool:
        return False


System = Annotated[Directory | Command | OpenAI | ElevenLabs, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    system: list[System] = []


def load_systems(file: Path = FILE) -> list[Directory | Command | OpenAI | ElevenLabs]:
    """The systems of a file in its order. Raises SystemsError. Nothing is started and nothing is connected to."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemsError(f"{file}: no such file of systems") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SystemsError(f"{file.name}: not valid TOML: {error}") from None
    try:
        systems = _File.model_validate(values).system
    except ValidationError as error:
        raise SystemsError("\n".join(_explain(file, values, fault) for fault in error.errors())) from None
    names = [system.name for system in systems]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemsError(f"{file.name}: name: {', '.join(sorted(twice))} stands more than once")
    return systems


def strings(value: Any) -> list[str]:
    """Every string in a value of tables and lists."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in strings(item)]


def fill(template: str, values: dict[str, str]) -> str:
    """`template` with each {name} of `values` in its place; other braces stay."""
    return _NAMED.sub(lambda found: values.get(found[1], found[0]), template)


def _named(templates: list[str], allowed: tuple[str, ...]) -> set[str]:
    named = {name for template in templates for name in _NAMED.findall(template)}
    if unknown := named - set(allowed):
        known = ", ".join(f"{{{name}}}" for name in allowed)
        raise ValueError(f"nothing is known as {{{sorted(unknown)[0]}}}; there are {known}")
    return named


def _explain(file: Path, values: Any, fault: Any) -> str:
    place = list(fault["loc"])
    if len(place) > 1 and place[0] == "system" and isinstance(place[1], int):
        number = place[1]
        entry = values["system"][number]
        name = entry.get("name") if isinstance(entry, dict) else None
        # After the number stands the kind, which no reader looks for.
        place[:3] = [str(name or f"system {number + 1}")]
    return f"{file.name}: {': '.join(map(str, place)) or 'the file'}: {fault['msg'].removeprefix('Value error, ')}"
