"""What a dialect's voices are asked to say: prompts by purpose, each with a reference voice that may be cloned.

Every voice is asked the same. References come from speakers that no training set holds (splits test and dev).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.validation.condition import ReferenceNoise
from model.validation.texts import Text
from pipeline.audio.noise import SNRS_DB, mixed, pink_noise
from pipeline.corpus.excerpts import segment_samples
from pipeline.corpus.training_set import permitted
from pipeline.lake.lake import Lake
from pipeline.lake.storage import readable
from pipeline.settings import Settings, Validation

SCOPE = "voice_cloning"
CLEAN = str(ReferenceNoise(None, denoised=False))
SPEED_STEPS = (4, 6, 10, 20)
SPEED_GUIDANCE = (1.0, 2.0, 3.0)
_SPLITS = ("test", "dev")


@dataclass(frozen=True, eq=False)
class Reference:
    """A clip whose voice is copied: float32 (T,) at `sample_rate` Hz, and how it was made worse or better."""

    segment_id: str
    recording_id: str
    speaker_id: str
    consent_id: str
    samples: NDArray[np.float32] = field(repr=False)
    sample_rate: int
    condition: str = CLEAN
    denoise: bool = False

    @property
    def content(self) -> str:
        """A hash of the sound and of what is done to it."""
        head = f"{self.sample_rate} {self.condition} ".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.samples).tobytes()).hexdigest()


@dataclass(frozen=True)
class SynthesisRequest:
    """One utterance to be spoken; `utterance_id` is the same whoever speaks it."""

    utterance_id: str
    purpose: str
    text: Text
    dialect: str
    reference: Reference | None
    steps: int
    guidance: float
    seed: int


def plan(
    prompts: Sequence[Text], references: Sequence[Reference], dialect: str, policy: Validation
) -> list[SynthesisRequest]:
    """All utterances in a fixed order: quality, long, noise, speed. Without a reference there is none of noise."""
    short = [prompt for prompt in prompts if not prompt.long]
    long = [prompt for prompt in prompts if prompt.long]
    requests = []

    def ask(prompt: Text, purpose: str, how: str, reference: Reference | None, steps: int, guidance: float) -> None:
        name = "-".join(part for part in (prompt.prompt_id, purpose, how) if part)
        requests.append(SynthesisRequest(name, purpose, prompt, dialect, reference, steps, guidance, policy.seed))

    turn = list(references) or [None]
    for number, prompt in enumerate(_spread(short, policy.prompts)):
        ask(prompt, "quality", "", turn[number % len(turn)], policy.steps, policy.guidance)
    for number, prompt in enumerate(long[: policy.long_prompts]):
        ask(prompt, "long", "", turn[number % len(turn)], policy.steps, policy.guidance)
    for number, prompt in enumerate(short[: policy.noise_prompts] if references else []):
        for how, reference in _worsened(references[number % len(references)], policy.seed):
            ask(prompt, "noise", how, reference, policy.steps, policy.guidance)
    for number, prompt in enumerate(short[: policy.speed_prompts]):
        settings = [(steps, policy.guidance) for steps in SPEED_STEPS]
        settings += [(policy.steps, guidance) for guidance in SPEED_GUIDANCE if guidance != policy.guidance]
        for steps, guidance in settings:
            how = f"steps{steps}-guidance{guidance:g}"
            ask(prompt, "speed", how, turn[number % len(turn)], steps, guidance)
    return requests


def choose_references(lake: Lake, settings: Settings, dialect: str, on: date | None = None) -> list[Reference]:
    """The best clip of each speaker of splits test and dev who lets their voice be cloned (today).

    One of the length that [training_set] reference_seconds wants, where there is one.
    """
    allowed, _ = permitted(lake, settings, dialect, SCOPE, on)
    decided = {
        row["segment_id"]: row
        for row in lake.rows("corpus")
        if row["decision"] == "keep"
        and row["split"] in _SPLITS
        and row["recording_id"] in allowed
        and row["speaker_id"]
    }
    low, high = settings.training_set.reference_seconds
    best: dict[str, tuple] = {}
    columns = ["segment_id", "duration", "dnsmos_ovrl", "overlap_share"]
    for partition in lake.partitions("segments"):
        read = pq.read_table(
            readable(lake.path("segments", partition)), columns=columns, filters=[("dialect", "=", dialect)]
        )
        for row in read.to_pylist():
            found = decided.get(row["segment_id"])
            if found is None:
                continue
            usable = low <= row["duration"] <= high
            split = -_SPLITS.index(found["split"])
            rank = (split, usable, -(row["overlap_share"] or 0.0), row["dnsmos_ovrl"] or 0.0, row["segment_id"])
            speaker = found["speaker_id"]
            if speaker not in best or rank > best[speaker][0]:
                best[speaker] = rank, found
    chosen = sorted(best.values(), key=lambda item: item[0], reverse=True)[: settings.validation.references]
    sounds = segment_samples(lake, {row["segment_id"] for _, row in chosen})
    return [
        Reference(
            row["segment_id"],
            row["recording_id"],
            row["speaker_id"],
            allowed[row["recording_id"]],
            *sounds[row["segment_id"]],
        )
        for _, row in chosen
    ]


def _worsened(reference: Reference, seed: int) -> Iterator[tuple[str, Reference]]:
    """(short name, reference) at each noise level, as it is and denoised."""
    clean = reference.samples
    noise = pink_noise(len(clean), reference.sample_rate, np.random.default_rng(seed))
    for level in SNRS_DB:
        samples = clean if level is None else mixed(clean, noise, level)
        for denoise in (False, True):
            name = CLEAN if level is None else f"snr{level:g}"
            condition = str(ReferenceNoise(level, denoise))
            made = replace(reference, samples=samples, condition=condition, denoise=denoise)
            yield (f"{name}-denoised" if denoise else name), made


def _spread(prompts: Sequence[Text], count: int) -> list[Text]:
    """So many prompts, categories taking turns, so that a few show all of them."""
    by_category: dict[str, list[Text]] = defaultdict(list)
    for prompt in prompts:
        by_category[prompt.category].append(prompt)
    taking_turns = []
    for place in range(max(map(len, by_category.values()), default=0)):
        taking_turns += [some[place] for some in by_category.values() if place < len(some)]
    return taking_turns[:count]
