"""fangyan.toml and environment to typed Settings. An unknown key or a bad value names file, key and what is allowed.

Environment variables override the file: `FANGYAN_TRANSCRIBE__BEAM_SIZE=1` sets `[transcribe] beam_size`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline import stage_list
from pipeline.objects.access import WRITTEN, Access, configure
from pipeline.objects.path import ObjectPath, object_path
from pipeline.project import INSTALLED, PROJECT
from pipeline.renamed_settings import with_current_sections, with_current_variables
from pipeline.text import dialects

CONFIGURATION = "fangyan.toml"
_ADDRESS = re.compile(r"(^|/)(s3a?|gc?s|az|abfss?|wasbs?|oss|cos|obs|hdfs|hf|s?ftp|https?|file):/", re.IGNORECASE)
_CLUSTER = re.compile(r"auto|local|(ray://)?([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")
_ENVIRONMENT_PREFIX = "FANGYAN_"
_RELATIVE = (
    *(
        (section, "checkpoint")
        for section in ("diarize", "given_text", "transcribe", "align", "dialect", "base_model", "serve")
    ),
    ("transcribe", "calibration"),
    ("validation", "systems"),
)
"""Keys that may name something beside the configuration file."""


class SettingsError(Exception):
    """The configuration is wrong; the message names file, key and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _on_this_machine(path: Path) -> Path:
    """An address would be taken for a folder of that name: `s3://bucket/lake` as `s3:/bucket/lake`."""
    if _ADDRESS.search(str(path)):
        raise ValueError(
            "object stores and other addresses are not supported here: name a folder of this machine. An object store "
            "may hold paths.landing, paths.lake and paths.releases"
        )
    return path


def _here_or_in_a_store(path: Path) -> Path:
    """A folder of this machine, or `s3://bucket/prefix` as an ObjectPath."""
    place = object_path(path)
    if place is None:
        if _ADDRESS.search(str(path)):
            raise ValueError(f"such addresses are not supported: name a folder, or one of {', '.join(WRITTEN)}")
        return path
    if not place.key:
        raise ValueError(f"name a prefix in the bucket, such as {place}/{{lake}}: a takedown walks all that is below")
    return place


_Folder = Annotated[Path, AfterValidator(_on_this_machine)]
_Place = Annotated[Path, AfterValidator(_here_or_in_a_store)]


class Paths(_Section):
    """Relative paths are relative to the workspace; landing, lake and releases may be `s3://bucket/prefix`."""

    landing: _Place = Path("landing")
    lake: _Place = Path("lake")
    releases: _Place = Path("releases")
    catalog: _Folder = Path("catalog.duckdb")


class Storage(_Section):
    """How object stores are reached; credentials come from the environment (AWS_PROFILE, AWS_ACCESS_KEY_ID)."""

    endpoint: str = Field(
        default="", pattern=r"^(https?://[^/@\s]+/?)?$", description="URL of an S3 server; empty: Amazon's"
    )
    region: str = Field(default="", description="empty: that of the environment or the profile")
    attempts: int = Field(default=5, ge=1, le=20, description="of a request that fails with 5xx, a time-out or a cut")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="without an answer to a request")
    listing_seconds: float = Field(default=30.0, ge=0, description="that a store's listing may lag behind a write")
    cache_gb: float = Field(default=20.0, gt=0, description="copies of landed recordings, in the workspace's cache")


class Engine(_Section):
    kind: Literal["local", "ray"] = Field(
        default="local", description="where stages run: in worker processes of this machine, or on a Ray cluster"
    )
    address: str = Field(
        default="auto",
        description="of the Ray cluster: auto (one that runs on this machine), host:port, ray://host:port, or local, "
        "which starts one for as long as a stage runs",
    )
    workers: int = Field(
        default=0, ge=0, description="worker processes of a stage; 0: one a core, on GPUs as many as their memory holds"
    )
    workers_of: dict[str, int] = Field(
        default={}, description="exactly so many for a stage, whatever its memory: { recognize = 4 }"
    )
    attempts: int = Field(default=2, ge=1, le=5, description="tries of a recording whose worker died")
    recording_timeout_s: float = Field(default=7200.0, gt=0, description="a recording that takes longer is quarantined")
    group_minutes: float = Field(
        default=10.0,
        ge=0,
        description="short recordings are worked on together, so much audio at a time; 0: each alone",
    )
    audio_cache_gb: float = Field(
        default=4.0, ge=0, description="decoded audio kept between stages, 0.23 GB an hour, in the workspace's cache"
    )

    @field_validator("address")
    @classmethod
    def _cluster(cls, value: str) -> str:
        if not _CLUSTER.fullmatch(value):
            raise ValueError("auto, local, host:port or ray://host:port")
        return value

    @field_validator("workers_of")
    @classmethod
    def _stages(cls, value: dict[str, int]) -> dict[str, int]:
        unknown = sorted(value.keys() - set(stage_list.names()))
        if unknown or min(value.values(), default=1) < 1:
            raise ValueError(f"one or more workers for each of {', '.join(stage_list.names())}")
        return value


class Batches(_Section):
    hours: float = Field(default=10.0, gt=0, description="audio in a batch")
    settle_seconds: float = Field(default=30.0, ge=0, description="a file younger than this may still be written")
    max_wait_hours: float = Field(default=24.0, gt=0, description="a batch that is not full closes after this")
    max_new_per_tick: int = Field(default=20, ge=1, description="batches a sensor tick may add")


class Ingest(_Section):
    require_consent: bool = True
    min_seconds: float = Field(default=0.5, ge=0)
    silence_dbfs: float = Field(
        default=-60.0, lt=0, description="a recording whose loudest second is under this is silence"
    )
    clipped_share: float = Field(
        default=0.05, gt=0, le=1, description="a recording with more clipped samples is quarantined"
    )
    decode_error_share: float = Field(default=0.02, ge=0, le=1, description="decoded share that may be missing")


class Diarize(_Section):
    checkpoint: str = "checkpoints/diarization-micro"
    chapter_minutes: float = Field(
        default=60.0, gt=0, description="longer recordings are cut at silences into chapters"
    )
    chapter_join_similarity: float | None = Field(
        default=None, ge=-1, le=1, description="of one speaker in two chapters; none: the checkpoint's own"
    )
    turn_separation: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="silhouette from which turns' own sound tells several speakers apart; none: the checkpoint's own, "
        "or its clustering",
    )
    min_speaker_seconds: float = Field(default=2.0, ge=0, description="who says less is taken for the nearest other")
    min_speaker_share: float = Field(default=0.03, ge=0, lt=1, description="or less than this share of the speech")
    min_turn_seconds: float = Field(default=0.2, ge=0)
    min_speech_share: float = Field(
        default=0.3, ge=0, le=1, description="turns in which voice activity detection finds less speech are noise"
    )
    trusted_modules: tuple[str, ...] = Field(
        default=(), description="modules installed here that the checkpoint's networks may be classes of"
    )
    device: str = "auto"


class Denoise(_Section):
    policy: Literal["off", "noisy", "always"] = "noisy"
    snr_bound_db: float = Field(
        default=20.0, description="turns under this estimated SNR are denoised when policy is noisy"
    )
    bak_bound: float = Field(
        default=3.0, ge=0, le=5, description="so are turns whose DNSMOS BAK is under this: music, voices, gated noise"
    )
    worse_by: float = Field(
        default=0.05, ge=0, description="DNSMOS OVRL may fall by this much before the original is kept"
    )
    sure_snr_db: float = Field(
        default=14.0, description="under this SNR a turn keeps its original only if its SNR falls; DNSMOS is not asked"
    )


class RecognizerSettings(_Section):
    """One of several recognisers."""

    name: str = Field(default="", description="in table hypotheses")
    kind: str = Field(default="faster-whisper", description="faster-whisper, sherpa-onnx or openai")
    checkpoint: str = Field(default="", description="folder or name on the hub, of one that runs here")
    address: str = Field(default="", description="URL of a server that speaks OpenAI's protocol: .../v1")
    key_env: str = Field(
        default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", description="environment variable with the server's key"
    )
    recordings_may_leave: bool = Field(default=False, description="the consents allow sending recordings to its host")
    timeout_seconds: float = Field(default=120.0, gt=0, le=3600, description="of one attempt of one clip")
    attempts: int = Field(default=4, ge=1, le=10, description="on 429, 5xx, time-outs and broken connections")
    concurrency: int = Field(default=4, ge=1, le=64, description="clips that a worker sends at the same time")
    model: str = Field(default="", description="what the server, or the folder, calls the model")
    dialects: tuple[str, ...] = Field(default=(), description="codes that it is used for; empty: all")
    device: str = "auto"
    compute_type: str = "default"
    beam_size: int = Field(default=5, ge=1)
    prompt: Literal["none", "dialect"] = Field(
        default="none",
        description="text to go on from; dialect: the registry's, where it has one",
    )
    prompts: dict[str, str] = Field(default={}, description='for a dialect in its place: { wuu = "..." }; "": none')

    def prompt_of(self, dialect: str) -> str:
        """The text that it is to go on from when this dialect is spoken; "" for none."""
        own = dialects.get(dialect).recogniser_prompt if self.prompt == "dialect" else ""
        return self.prompts.get(dialect, own)

    @property
    def label(self) -> str:
        """Its name; without one the last part of its checkpoint's."""
        return self.name or Path(self.checkpoint).name

    def key(self, field: str) -> str:
        """How the configuration names one of its fields: `[transcribe] checkpoint` where it is the only one."""
        return f"[[transcribe.recognizers]] {self.name}: {field}" if self.name else f"[transcribe] {field}"


class Transcribe(_Section):
    checkpoint: str = "checkpoints/whisper-micro"
    recognizers: tuple[RecognizerSettings, ...] = Field(
        default=(),
        description="several in place of `checkpoint`; a dialect's first also judges voices",
    )
    device: str = "auto"
    compute_type: str = "default"
    batch_size: int = Field(default=8, ge=1)
    beam_size: int = Field(default=5, ge=1)
    prompt: Literal["none", "dialect"] = Field(
        default="none",
        description="text to go on from; dialect: the registry's, where it has one",
    )
    prompts: dict[str, str] = Field(default={}, description='for a dialect in its place: { wuu = "..." }; "": none')
    text: Literal["given", "recognised", "both"] = Field(
        default="given",
        description="given: the transcript that came with a recording, the rest recognised; both: compared, too",
    )
    max_disagreement: float = Field(
        default=0.5, ge=0, description="with both: characters that may be recognised otherwise before text_doubt"
    )
    min_seconds: float = Field(
        default=0.3, ge=0.1, description="shorter windows are dropped; 0.1 s would kill the process"
    )
    max_seconds: float = Field(default=6.0, gt=1, le=30, description="longest stretch heard at once")
    join_gap_seconds: float = Field(
        default=2.0, ge=0, description="turns of one speaker this close, nobody between, are heard in one piece"
    )
    context_seconds: float = Field(
        default=0.4,
        ge=0,
        le=2,
        description="sound before and after a piece that is heard with it, nobody speaking in it",
    )
    min_avg_logprob: float = Field(default=-1.0, description="mean log-probability of a kept text, nats a token")
    min_avg_logprob_of: dict[str, float] = Field(default={}, description="of a dialect: { wuu = -0.5 }")
    max_no_speech_prob: float = Field(default=0.6, ge=0, le=1)
    no_speech_avg_logprob: float = Field(
        default=-0.6, description="over max_no_speech_prob a text with less than this is dropped as no_speech"
    )
    min_language_probability: float = Field(
        default=0.1, ge=0, le=1, description="below it the recogniser is sure of another language"
    )
    calibration: str = Field(default="", description="file that says how sure these recognisers are, by dialect")
    max_compression_ratio: float = Field(default=2.4, gt=0)
    max_characters_per_second: float = Field(default=12.0, gt=0)
    min_characters_per_second: float = Field(default=0.5, ge=0)

    @field_validator("recognizers")
    @classmethod
    def _named(cls, value: tuple[RecognizerSettings, ...]) -> tuple[RecognizerSettings, ...]:
        names = [each.name for each in value]
        if not all(names) or len(set(names)) < len(names):
            raise ValueError("each needs a name of its own")
        return value

    def says(self, key: str) -> bool:
        """Whether the configuration has this key: what it says goes before what lies with a checkpoint."""
        return key in self.model_fields_set

    @property
    def used(self) -> tuple[RecognizerSettings, ...]:
        """The recognisers listed, else the one of `checkpoint`."""
        alone = {"checkpoint", "device", "compute_type", "beam_size", "prompt", "prompts"}
        return self.recognizers or (RecognizerSettings(**self.model_dump(include=alone)),)


class GivenText(_Section):
    """How transcripts that come with recordings are read."""

    encoding: str = Field(default="", description="of files that do not say it and are not UTF-8, such as gb18030")
    text_tiers: tuple[str, ...] = Field(
        default=("text", "方言", "方言文字", "汉字", "transcription", "transcript", "utterance", "sentence", "default"),
        description="names of TextGrid and ELAN tiers that hold the text",
    )
    word_tiers: tuple[str, ...] = Field(
        default=("words", "word", "词", "字"), description="read as text where there is no tier of text"
    )
    gloss_tiers: tuple[str, ...] = Field(
        default=("gloss", "意译", "普通话", "translation"), description="meaning in standard Mandarin"
    )
    ipa_tiers: tuple[str, ...] = Field(default=("ipa", "音标", "国际音标"))
    place_tiers: tuple[str, ...] = Field(default=("place", "地点", "方言点"), description="the sub-dialect")
    remarks_tiers: tuple[str, ...] = Field(default=("remarks", "备注", "note", "notes", "comment"))
    ignored_tiers: tuple[str, ...] = Field(default=("phones", "phone", "音素"), description="left out without a note")
    checkpoint: str = Field(
        default="checkpoints/aligner-micro", description="CTC aligner that finds text without times in a recording"
    )

    @property
    def tiers(self) -> dict[str, tuple[str, ...]]:
        """Names of tiers by what they hold."""
        kinds = ("text", "gloss", "ipa", "place", "remarks", "ignored")
        return {kind: getattr(self, f"{kind}_tiers") for kind in kinds} | {"words": self.word_tiers}


class Align(_Section):
    kind: Literal["ctc", "whisper"] = Field(
        default="ctc", description="ctc: over romanised letters; whisper: any checkpoint of faster-whisper"
    )
    checkpoint: str = "checkpoints/aligner-micro"
    device: str = "auto"
    compute_type: str = Field(default="default", description="of CTranslate2, for whisper")
    min_score: float | None = Field(
        default=None, ge=0, le=1, description="geometric mean of the characters' scores; none: the checkpoint's own"
    )
    min_coverage: float = Field(default=0.4, ge=0, le=1)
    max_character_seconds: float = Field(default=2.0, gt=0)
    max_characters_per_second: float = Field(default=12.0, gt=0)


class Score(_Section):
    policy: Literal["emilia", "tts4"] = "emilia"
    min_seconds: float = Field(default=3.0, gt=0)
    max_seconds: float = Field(default=30.0, gt=0)
    target_seconds: float = Field(default=4.0, gt=0, description="segments are cut at the sentence end nearest to this")
    join_gap_seconds: float = Field(
        default=1.0, ge=0, description="turns of one speaker this close may share a segment"
    )
    margin_seconds: float = Field(default=0.1, ge=0, description="kept before the first and after the last character")
    max_overlap_share: float = Field(default=0.1, ge=0, le=1)


class DialectIdentifier(_Section):
    """What says which dialect is heard, in segments and in synthesized speech."""

    kind: Literal["micro", "transformers", "onnx"] = Field(
        default="micro",
        description="of checkpoint: the embedded one, an audio classifier of transformers, an ONNX graph",
    )
    checkpoint: str = Field(
        default="checkpoints/dialect-micro", description='folder or name on the hub; "": no segment is judged'
    )
    device: str = "auto"
    labels: dict[str, str] = Field(
        default={}, description='codes of its own labels that are no code or name of a dialect: { "Yue" = "yue" }'
    )
    window_seconds: float = Field(default=5.0, ge=1, le=30, description="longer speech is judged by windows of this")
    temperature: float | None = Field(
        default=None, gt=0, description="its scores are divided by it; none: the checkpoint's own (fangyan calibrate)"
    )
    min_probability: float = Field(
        default=0.7, ge=0, le=1, description="from this on another dialect is a reason to be reviewed"
    )


class Speakers(_Section):
    threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="cosine similarity from which two are one speaker; none: the diarization checkpoint's own",
    )


class Corpus(_Section):
    memory_gb: float = Field(
        default=2.0, ge=0.25, description="of what DuckDB does over the whole corpus; more goes to a temporary file"
    )


class Dedup(_Section):
    embedding_similarity: float = Field(default=0.9, ge=-1, le=1)
    text_similarity: float = Field(default=0.95, ge=0, le=1)


class Splits(_Section):
    dev_share: float = Field(default=0.05, ge=0, lt=0.5)
    test_share: float = Field(default=0.05, ge=0, lt=0.5)
    seed: int = 7
    hub_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="who is in a larger share of a dialect's recordings, such as an interviewer, is for training only",
    )


class TrainingSetPolicy(_Section):
    """Which clips of the corpus a dialect's voice learns from."""

    tiers: tuple[str, ...] = Field(default=("keep", "below"), description="of the policy of [score]")
    min_seconds: float = Field(default=1.0, gt=0, description="shorter clips are left out")
    max_seconds: float = Field(default=20.0, gt=0, description="longer clips are left out")
    speaker_hours: float = Field(default=2.0, gt=0, description="no speaker gives more, the best clips first")
    trailing_silence_s: float = Field(default=0.3, ge=0, description="silence kept after the last sound")
    reference_seconds: tuple[float, float] = Field(
        default=(3.0, 4.5), description="shortest and longest clip that stands for a voice, in training and validation"
    )
    reference_similarity: float = Field(
        default=0.7,
        ge=-1,
        le=1,
        description="cosine of the embeddings of two recordings' speakers from which on one clip may stand for the "
        "voice of the other; within a recording its speaker is enough",
    )
    min_logprob: float = Field(
        default=-1.0, le=0, description="mean log-probability, nats a token, that a recognised text needs at least"
    )
    min_total_seconds: float = Field(default=60.0, ge=0, description="with less, no voice is trained")


class BaseCheckpoint(_Section):
    """The voice that is fine-tuned, and where it is trained and speaks."""

    checkpoint: str = "checkpoints/voxcpm2-micro"
    device: str = "auto"


class FineTune(_Section):
    """How a voice is trained; the keys are those of model/finetune/config.py, which knows more of them."""

    kind: Literal["lora", "full"] = Field(default="lora", description="lora: adapters; full: all weights")
    steps: int = Field(default=300, ge=1, description="optimizer steps")
    learning_rate: float = Field(default=2e-3, gt=0, description="its highest value; 1e-4 for the published model")
    warmup: int = Field(default=30, ge=0, description="steps until the learning rate is reached")
    rank: int = Field(default=32, ge=1, description="of the adapters")
    alpha: float = Field(default=64, gt=0, description="the adapters' scale is alpha / rank")
    enable_proj: bool = Field(default=True, description="adapt the projections between the model's parts too")
    batch_samples: int = Field(default=8, ge=1, description="clips of a pack")
    accumulate: int = Field(default=1, ge=1, description="packs of a step")
    reference_share: float = Field(default=0.7, ge=0, le=1, description="of the clips are learned with a reference")
    eval_every: int = Field(default=100, ge=1, description="steps between evaluations by the validation loss")
    save_every: int = Field(default=100, ge=1, description="steps between checkpoints that a killed run goes on from")
    patience: int = Field(default=0, ge=0, description="evaluations without a better one until it stops; 0: never")
    export: Literal["best", "last"] = Field(
        default="last", description="weights by validation loss, or of the last step"
    )
    seed: int = Field(default=42, description="of the order of clips and of the adapters")


class Validation(_Section):
    """What base and fine-tuned voice are asked to say."""

    prompts: int = Field(default=60, ge=1, description="texts spoken for quality; 100 or more in production")
    long_prompts: int = Field(default=1, ge=0, description="texts of over a minute, for drift")
    noise_prompts: int = Field(default=2, ge=0, description="texts spoken with each noise level of the reference")
    speed_prompts: int = Field(default=1, ge=0, description="texts spoken with each number of steps and guidance")
    references: int = Field(default=3, ge=1, description="speakers of the dialect whose voices are copied")
    steps: int = Field(default=10, ge=2)
    guidance: float = Field(default=2.0, ge=0)
    batch_size: int = Field(
        default=8,
        ge=1,
        validation_alias=AliasChoices("batch_size", "rows"),
        description="utterances spoken at once; `rows` until 0.2",
    )
    seed: int = 0
    systems: Path = Field(default=Path("systems.toml"), description="other systems; relative to the project")


class Evaluation(_Section):
    guarded: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default={
            "cer": 0.02,
            "similarity": 0.02,
            "dnsmos": 0.1,
            "distillmos": 0.1,
            "tone_distance": 0.1,
            "dialect_accuracy": 0.1,
            "stop_rate": 0.06,
        },
        description="metrics in which a fine-tuned voice may not be worse than its base, each with its margin: the "
        "loss, in the metric's own unit (0.02 of an error rate are 2 points), that the 95 % interval of the difference "
        "must leave out; dialect_accuracy where [dialect] knows the dialect",
    )

    @field_validator("guarded", mode="before")
    @classmethod
    def _with_margins(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            raise ValueError("guarded is a table of metrics and their margins now, { cer = 0.02 }, not a list")
        return value


class Alerts(_Section):
    """Who is told of failed runs and failed checks; secrets come from the environment, see pipeline/alerts.py."""

    webhook: str = Field(default="", description="URL that alerts are posted to; FANGYAN_ALERTS__WEBHOOK if secret")
    format: Literal["plain", "slack", "feishu", "dingtalk"] = Field(
        default="plain", description="the JSON body that the webhook's receiver reads"
    )
    smtp_host: str = Field(default="", description="mail server")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = Field(default="", description="its password: FANGYAN_SMTP_PASSWORD in the environment")
    sender: str = Field(default="", description="mail address that alerts come from")
    recipients: tuple[str, ...] = Field(default=(), description="mail addresses that alerts go to")
    warnings: bool = Field(default=True, description="tell of failed checks that stop nothing, too")
    attempts: int = Field(default=3, ge=1, le=10, description="tries before an alert waits for the next tick")
    backoff_seconds: float = Field(default=1.0, ge=0, description="pause after the first try; doubled after each")
    timeout_seconds: float = Field(default=10.0, gt=0)


class Review(_Section):
    """What a person is asked to listen to; see docs/review.md."""

    random_share: float = Field(
        default=0.25, ge=0, le=1, description="of what a reviewer is given: from the random sample that nobody chose"
    )
    twice_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="of the random sample: a second person reviews it, blind",
    )
    sample_minutes: float = Field(
        default=60,
        gt=0,
        description="of the random sample that are never chosen otherwise, at most half the corpus",
    )


class Ui(_Section):
    """Where a browser finds what `fangyan ui` serves; for the links in alerts and in Dagster."""

    address: str = Field(default="http://127.0.0.1:3000", description="of Dagster's UI")
    report: str = Field(default="http://127.0.0.1:3001", description="of the report; the port after the UI's")


class Serve(_Section):
    """What `fangyan serve` speaks with and how much it takes on; see docs/serve.md."""

    checkpoint: str = Field(default="checkpoints/voxcpm2-micro", description="a VoxCPM2 directory or hub name")
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the processor multiplies it"
    )
    rows: int = Field(default=16, ge=1, description="requests that are spoken side by side")
    waiting: int = Field(default=64, ge=0, description="requests that may wait; more get 429 and a Retry-After")
    deadline_seconds: float = Field(default=120.0, gt=0, description="a request that takes longer is given up")
    requests_per_minute: int = Field(default=120, ge=1, description="of one key")
    max_characters: int = Field(default=4096, ge=1, description="of a request's text")
    max_steps: int = Field(default=50, ge=2, description="solver steps a patch that a request may ask for")


class Desk(_Section):
    """Where a browser finds what `fangyan desk` serves; for links, and the host that it answers to besides its own."""

    address: str = Field(default="http://127.0.0.1:3100", description="of the desk")

    @field_validator("address")
    @classmethod
    def _web(cls, address: str) -> str:
        if not re.fullmatch(r"https?://[^/\s?#@]+/?", address):
            raise ValueError("an address such as http://127.0.0.1:3100 or https://desk.example.org, without a path")
        return address.rstrip("/")


class Schedules(_Section):
    """When the regular runs start, in the time zone named; Dagster's cron syntax."""

    timezone: str = Field(default="Asia/Shanghai", description="of the hours below, a name of the IANA list")
    consents: str = Field(default="0 * * * *", description="consents are read again")
    base_voice: str = Field(default="30 2 * * *", description="the base voice's files are looked at")
    nightly: str = Field(default="0 3 * * *", description="speakers, corpus and catalog are rebuilt")
    weekly_voices: str = Field(default="0 4 * * 0", description="voices are trained and judged")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("no time zone is called so; take one such as Asia/Shanghai or UTC") from None
        return name


_Tone = Annotated[str, Field(pattern=r"^[1-5]{1,3}$")]


class ConfiguredDialect(_Section):
    """A dialect added to the registry, or what is said otherwise of one in it (then every key may be left out)."""

    name: str = Field(default="", description="in English")
    name_zh: str = Field(default="", description="in Chinese")
    characters: Literal["zh-Hans", "zh-Hant", "zh-Hant-HK", "zh-Hant-TW"] | None = Field(
        default=None, description="the script that its texts are written in; default: zh-Hans"
    )
    readings: Literal["pinyin", "jyutping", "tailo", "borrowed"] | None = Field(
        default=None, description="the dictionary it is read by; borrowed: Mandarin's, which tells nothing of its tones"
    )
    whisper_language: str | None = Field(default=None, description="the recogniser's code for it; default: zh")
    prompt: str | None = Field(default=None, description="what VoxCPM2 is told before a text; default: name_zh")
    recogniser_prompt: str | None = Field(default=None, description="what a recogniser goes on from, in its characters")
    sample: str | None = Field(default=None, description="a sentence in it")
    tones: dict[str, _Tone] | None = Field(
        default=None, description="Chao value of each tone of its readings; none: tones are not measured"
    )
    tones_source: str | None = Field(default=None, description="where these values are from")

    @model_validator(mode="after")
    def _sourced(self) -> ConfiguredDialect:
        if self.tones and not self.tones_source:
            raise ValueError("tones need tones_source: who described them")
        if self.tones and self.readings == "borrowed":
            raise ValueError("borrowed readings tell no tones: leave tones out, or name the readings")
        return self

    def fields(self, code: str) -> dict[str, Any]:
        """What the registry is told of it (`pipeline.text.dialects.Dialect`)."""
        told = {
            "name": self.name or None,
            "name_zh": self.name_zh or None,
            "characters": self.characters,
            "whisper_language": self.whisper_language,
            "voxcpm_prefix": self.prompt,
            "recogniser_prompt": self.recogniser_prompt,
            "sample": self.sample,
            "tones": self.tones,
            "tones_source": self.tones_source,
        }
        if self.readings:
            told |= {
                "romanization": "pinyin" if self.readings == "borrowed" else self.readings,
                "own_readings": self.readings != "borrowed",
            }
        told = {key: value for key, value in told.items() if value is not None}
        if code in dialects.BUILT_IN:
            return told
        new = {"whisper_language": "zh", "romanization": "pinyin", "script": "hanzi", "sample": self.name_zh}
        return new | {"voxcpm_prefix": self.name_zh} | told


class Settings(_Section):
    """The whole configuration. `workspace` holds landing, lake, catalog and Dagster's storage unless paths differ."""

    workspace: _Folder = Path("workspace")
    paths: Paths = Paths()
    storage: Storage = Storage()
    engine: Engine = Engine()
    batches: Batches = Batches()
    ingest: Ingest = Ingest()
    diarize: Diarize = Diarize()
    denoise: Denoise = Denoise()
    given_text: GivenText = GivenText()
    transcribe: Transcribe = Transcribe()
    align: Align = Align()
    score: Score = Score()
    dialect: DialectIdentifier = DialectIdentifier()
    speakers: Speakers = Speakers()
    corpus: Corpus = Corpus()
    dedup: Dedup = Dedup()
    splits: Splits = Splits()
    training_set: TrainingSetPolicy = TrainingSetPolicy()
    base_model: BaseCheckpoint = BaseCheckpoint()
    fine_tune: FineTune = FineTune()
    validation: Validation = Validation()
    evaluation: Evaluation = Evaluation()
    schedules: Schedules = Schedules()
    alerts: Alerts = Alerts()
    review: Review = Review()
    ui: Ui = Ui()
    serve: Serve = Serve()
    desk: Desk = Desk()
    dialects: dict[str, ConfiguredDialect] = {}

    @field_validator("dialects")
    @classmethod
    def _named(cls, value: dict[str, ConfiguredDialect]) -> dict[str, ConfiguredDialect]:
        for code, about in value.items():
            if not re.fullmatch(dialects.CODE, code):
                raise ValueError(f"{code!r} is no code: small letters and digits with hyphens, such as x-nanjing")
            if code not in dialects.BUILT_IN and not (about.name and about.name_zh):
                raise ValueError(f"{code} needs name and name_zh")
        return value

    @property
    def root(self) -> Path:
        """The workspace folder, absolute; load_settings has made it so, and a bare Settings takes it from here."""
        return self.workspace.absolute() if INSTALLED else PROJECT / self.workspace

    @property
    def landing(self) -> Path:
        return self._placed(self.paths.landing)

    @property
    def lake(self) -> Path:
        return self._placed(self.paths.lake)

    @property
    def releases(self) -> Path:
        return self._placed(self.paths.releases)

    @property
    def in_stores(self) -> tuple[ObjectPath, ...]:
        """Of landing, lake and releases those that lie in an object store."""
        return tuple(one for one in (self.landing, self.lake, self.releases) if isinstance(one, ObjectPath))

    def _placed(self, path: Path) -> Path:
        return path if isinstance(path, ObjectPath) else self.root / path

    @property
    def catalog(self) -> Path:
        return self.root / self.paths.catalog

    def access(self) -> Access:
        """How this workspace reaches object stores."""
        how = self.storage
        return Access(
            endpoint=how.endpoint,
            region=how.region,
            attempts=how.attempts,
            timeout_seconds=how.timeout_seconds,
            listing_seconds=how.listing_seconds,
            cache=str(self.root / "cache" / "originals"),
            cache_bytes=round(how.cache_gb * 1e9),
            workspace=str(self.root),
        )

    @property
    def workers(self) -> int:
        return self.engine.workers or os.cpu_count() or 1


def checkpoint_path(name: str) -> str:
    """A checkpoint folder as an absolute path when it exists in the project, else the name as it is (a hub id)."""
    local = PROJECT / Path(name).expanduser()
    return str(local) if name and local.exists() else name


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read `file` (default: configuration_file), then environment, then overrides.

    Relative paths and checkpoints in the file are taken from the file's folder where they exist there. The
    dialects that it describes are known from then on.
    Raises SettingsError that names the file or variable, the key and what is allowed.
    """
    environment = with_current_variables(os.environ if environment is None else environment)
    file = file or configuration_file(environment, overrides.get("workspace"))
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{file}: no such configuration file; give --config or set FANGYAN_CONFIG") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from None
    values = with_current_sections(values, str(file))
    _validate(values, str(file))
    _settle(values, file.resolve().parent)
    for name, value in environment.items():
        _apply_environment(values, name, value)
    values |= {key: value for key, value in overrides.items() if value is not None}
    settings = _validate(values, "environment or command line")
    dialects.configure({code: about.fields(code) for code, about in settings.dialects.items()})
    if settings.in_stores:
        configure(settings.access())
    return settings


def configuration_file(environment: Mapping[str, str], workspace: Path | str | None = None) -> Path:
    """`$FANGYAN_CONFIG`, else the first fangyan.toml of: the workspace given by argument or environment, the current
    folder, the files that come with Fangyan."""
    if environment.get("FANGYAN_CONFIG"):
        return Path(environment["FANGYAN_CONFIG"])
    named = workspace or environment.get("FANGYAN_WORKSPACE")
    folders = [Path(named)] if named else []
    found = (folder / CONFIGURATION for folder in (*folders, Path.cwd()) if (folder / CONFIGURATION).is_file())
    return next(found, PROJECT / CONFIGURATION)


def _settle(values: dict[str, Any], folder: Path) -> None:
    """Make what the file in `folder` names relative to itself absolute; what lies with Fangyan stays as it is."""
    if folder == PROJECT:
        return
    values["workspace"] = folder / values.get("workspace", "workspace")
    places = [(values.get(section, {}), key) for section, key in _RELATIVE]
    places += [(each, "checkpoint") for each in values.get("transcribe", {}).get("recognizers", ())]
    for section, key in places:
        named = section.get(key)
        # A calibration that is not there yet is written beside the file.
        to_come = key == "calibration" and not (PROJECT / (named or "")).exists()
        if named and (to_come or (folder / named).exists()):
            section[key] = str(folder / named)


def _apply_environment(values: dict[str, Any], name: str, value: str) -> None:
    if name == f"{_ENVIRONMENT_PREFIX}WORKSPACE":
        values["workspace"] = Path(value).absolute()
        return
    section, separator, key = name.removeprefix(_ENVIRONMENT_PREFIX).lower().partition("__")
    if not name.startswith(_ENVIRONMENT_PREFIX) or not separator:
        return
    present = values.get(section)
    candidate = {section: (present if isinstance(present, dict) else {}) | {key: value}}
    _validate(candidate, f"environment variable {name}")
    values[section] = candidate[section]


def _validate(values: dict[str, Any], where: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(where, problem) for problem in error.errors())) from None


def _explain(where: str, problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{where}: {key} = {problem['input']!r}: {problem['msg']}"
    model: Any = Settings
    for part in problem["loc"][:-1]:
        # In a list the part is a number, in a table a name, and the annotation tells what it holds.
        inside = [kind for kind in getattr(model, "__args__", ()) if kind not in (str, ...)]
        model = inside[0] if inside else model.model_fields[part].annotation
    allowed = sorted(model.model_fields)
    near = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{where}: unknown key {key}{hint} Allowed here: {', '.join(allowed)}"
