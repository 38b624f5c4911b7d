"""Who speaks a dialect's validation set: the base, the voice that is judged, the voice that was promoted before it, an
experiment if one was asked for, and other systems. All say the same texts in the same voices.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from model.finetune import lora
from model.validation.compared import BASE, EXPERIMENT, FINE_TUNED, PROMOTED_BEFORE
from model.validation.plan import SynthesisRequest, choose_references, plan
from model.validation.synthesis import Counts, Progress, Synthesizer, VoxCPM2Synthesizer, synthesize
from model.validation.systems.synthesizer import SystemSynthesizer, system_synthesizers
from model.validation.texts import read_texts
from model.voices.registry import Voice, rival_of, to_judge
from model.voices.status import EXPERIMENT as IS_EXPERIMENT
from model.voices.training import Base, base_of, local_folder
from model.voxcpm2 import VoxCPM2, load
from pipeline.lake.lake import Lake
from pipeline.rights import audit
from pipeline.rights.consents import refuse_tainted
from pipeline.settings import PROJECT, Settings


def validate_dialect(
    lake: Lake, settings: Settings, dialect: str, progress: Progress | None = None, model_id: str = ""
) -> Counts:
    """Bring the dialect's validation set up to date; each voice that is copied is put into the audit log.

    The fine-tuned voice is the one of `model_id`, else the candidate trained last. An experiment of that id is put
    beside it and displaces nobody's evidence. Raises UnknownVoice, PromptError, SystemsError, ModelUnavailable,
    TaintedModel, AuditBroken.
    """
    references = choose_references(lake, settings, dialect)
    requests = plan(read_texts(settings.root, dialect), references, dialect, settings.validation)
    for reference in references:
        details = {"segment_id": reference.segment_id, "recording_id": reference.recording_id, "for": "validation_set"}
        audit.append(settings.root, "voice.clone", reference.consent_id, details)
    synthesizers = _synthesizers(lake, settings, dialect, model_id)
    return synthesize(lake, dialect, requests, synthesizers, progress, _wanted_of)


def _wanted_of(synthesizer: Synthesizer, request: SynthesisRequest) -> bool:
    """Other systems speak what is compared; noisy references only if they copy voices.

    Who was promoted before, or is an experiment, is compared in quality alone.
    """
    if synthesizer.system in (PROMOTED_BEFORE, EXPERIMENT):
        return request.purpose == "quality"
    if not isinstance(synthesizer, SystemSynthesizer):
        return True
    return request.purpose == "quality" or (request.purpose == "noise" and synthesizer.config.clones)


def open_voice(base: Base, voice: Voice | None, device: str) -> VoxCPM2:
    """The base, or a voice fine-tuned from it. Raises TaintedModel."""
    where = None if device == "auto" else device
    if voice is None:
        refuse_tainted(Path(base.path))
        return load(local_folder(base), device=where)
    refuse_tainted(voice.folder)
    if voice.row["kind"] == "full":
        return load(voice.folder, device=where)
    model = load(local_folder(base), device=where)
    lora.load(model.network, voice.folder)
    return model


def _synthesizers(lake: Lake, settings: Settings, dialect: str, model_id: str) -> list[Synthesizer]:
    base = base_of(settings)
    device, batch_size = settings.base_model.device, settings.validation.batch_size
    synthesizers: list[Synthesizer] = [
        VoxCPM2Synthesizer(partial(open_voice, base, None, device), base.model_id, BASE, base.content, batch_size)
    ]
    for system, voice in _compared(lake, settings, dialect, model_id).items():
        speak = partial(open_voice, base, voice, device)
        synthesizers.append(VoxCPM2Synthesizer(speak, voice.model_id, system, voice.model_id, batch_size))
    file = (
        settings.validation.systems
        if settings.validation.systems.is_absolute()
        else PROJECT / settings.validation.systems
    )
    if file.exists():
        synthesizers += system_synthesizers(dialect, file, _texts_of(lake, dialect))
    return synthesizers


def _compared(lake: Lake, settings: Settings, dialect: str, model_id: str) -> dict[str, Voice]:
    """The dialect's own voices, by what they are in the comparison."""
    asked = to_judge(lake, settings, dialect, model_id)
    if asked is None:
        return {}
    if asked.row["status"] == IS_EXPERIMENT:
        return _compared(lake, settings, dialect, "") | {EXPERIMENT: asked}
    rival = rival_of(lake, settings, dialect, asked.model_id)
    return {FINE_TUNED: asked} | ({PROMOTED_BEFORE: rival} if rival else {})


def _texts_of(lake: Lake, dialect: str) -> dict[str, str]:
    """What is said in each segment of the dialect."""
    rows = lake.rows("segments", None, ("segment_id", "dialect", "text"))
    return {row["segment_id"]: row["text"] or "" for row in rows if row["dialect"] == dialect}
