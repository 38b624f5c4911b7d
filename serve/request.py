"""What a client asks for: the fields of OpenAI's speech request and ours beside them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Form = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class SpeechRequest(BaseModel):
    """A text to speak. `instructions` is a description of voice and manner, put before the text in parentheses."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: Annotated[str, Field(description="of /v1/models; `fangyan` takes the dialect's promoted voice")] = "fangyan"
    input: Annotated[str, Field(min_length=1, description="the text")]
    voice: Annotated[str, Field(description="of /v1/voices; default: the model's own")] = "default"
    instructions: Annotated[str, Field(max_length=500, description="how to speak")] = ""
    response_format: Annotated[Form, Field(description="pcm: 16 bits, little-endian, 24,000 Hz, mono")] = "mp3"
    speed: Annotated[float, Field(description="1.0 only: the model cannot speak faster or slower on request")] = 1.0
    stream_format: Annotated[
        Literal["audio", "sse"] | None, Field(description="send sound as it is made: bytes, or server-sent events")
    ] = None
    stream: Annotated[bool, Field(description="send sound as it is made; the label's proof is then left out")] = False
    dialect: Annotated[str, Field(description="code, such as cmn-tianjin")] = ""
    steps: Annotated[int, Field(ge=2, description="solver steps a patch")] = 10
    guidance: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False, description="how strictly text is followed")] = (
        2.0
    )
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of the noise that speech is made from")] = 0

    @field_validator("voice", mode="before")
    @classmethod
    def _by_id(cls, voice: Any) -> Any:
        """OpenAI's clients may send {"id": NAME}."""
        return voice.get("id", "") if isinstance(voice, dict) else voice

    @field_validator("speed")
    @classmethod
    def _as_it_is(cls, speed: float) -> float:
        if speed != 1.0:
            raise ValueError("speech cannot be made faster or slower without changing the voice; leave speed at 1")
        return speed

    @property
    def streamed(self) -> bool:
        return self.stream or self.stream_format is not None
