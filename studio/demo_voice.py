"""The demo's second half: a Tianjin voice fine-tuned on what the pipeline made of the demo's own recordings.

The embedded voice never heard Tianjin; what it learns here is measured on sentences that nobody recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assets.launch import run_voice
from assets.report_asset import REPORT
from model.evaluation.metrics import EXPECTED
from model.evaluation.pairs import DIFFERENCE
from model.validation.compared import RECORDINGS as RECORDED
from model.validation.texts import LONG, Text, write_texts
from model.voices.registry import current
from model.voices.training import base_of
from pipeline.errors import ModelUnavailable
from pipeline.lake.lake import Lake
from pipeline.settings import Settings
from studio.prompts import held_out
from studio.record import FORMATS, record
from studio.truth import read_truths

DIALECT = "cmn-tianjin"
COLLECTION = "voice"
RECORDINGS = 12
"""Sessions of one speaker each, a minute long: enough for a voice, and for some speakers to be kept apart."""
GIVEN = ("TextGrid", "")
"""Half of the sessions come with their transcript."""
SNR_DB = 60.0
LOSSLESS = tuple(form for form in FORMATS if form.bit_rate is None)
_SHOWN = (*EXPECTED, "dialect_accuracy")
_DRAWN = 400
_LONG_CHARACTERS = 300
"""Over a minute of speech."""


def record_sessions(root: Path, first: int, seed: int) -> None:
    """Voice sessions beside the demo's other recordings, numbered from `first`: close to the microphone, lossless.

    The embedded AudioVAE learned from dry speech and cannot copy a room.
    """
    record(
        root,
        [DIALECT],
        RECORDINGS,
        minutes=1.0,
        speakers=1,
        overlap=0.0,
        snr=SNR_DB,
        seed=seed,
        formats=LOSSLESS,
        collection=COLLECTION,
        first=first,
        dry=True,
        given=GIVEN,
    )


def make_voice(settings: Settings, config: Path | None, seed: int, console: Console) -> dict[str, Any]:
    """Train, let speak and judge; blocks `voice`, `base`, `fine_tuned` and `difference` for the summary.

    Without an embedded voice it says so and trains nothing. Raises RunFailed.
    """
    console.rule("A voice")
    try:
        base_of(settings)
    except ModelUnavailable as error:
        console.print(f"No voice is trained: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return {"voice": {"missing": str(error)}}
    write_texts(settings.root, DIALECT, _texts(settings, seed))
    run_voice(settings, config, DIALECT)
    return voice_figures(settings)


def voice_figures(settings: Settings) -> dict[str, Any]:
    """What the tables hold of the dialect's voice and its base, each figure with its 95 % interval."""
    lake = Lake(settings.lake)
    voice = current(lake, settings, DIALECT)
    rows = {
        (row["system"], row["metric"]): row for row in lake.rows("evaluation_summary", DIALECT) if not row["condition"]
    }
    found: dict[str, Any] = {
        system: {name: _figure(rows.get((system, name))) for name in _SHOWN}
        for system in ("base", "fine_tuned", RECORDED)
    }
    found["difference"] = {
        name: _figure(row) | {"verdict": row["verdict"]}
        for name in _SHOWN
        if (row := rows.get((DIFFERENCE, name))) is not None
    }
    if voice is not None:
        row = voice.row
        found["voice"] = {
            **{key: row[key] for key in ("model_id", "base", "kind", "status", "status_reason", "steps")},
            "minutes": row["hours"] * 60,
            "speakers": len(row["speaker_ids"]),
            "report": str(settings.root / REPORT),
        }
    return found


def print_voice(summary: dict[str, Any], console: Console) -> None:
    """Base against fine-tuned, and what was decided."""
    voice = summary.get("voice", {})
    if "model_id" not in voice:
        return
    table = Table("Tianjin", "base", "fine-tuned", "difference", "", "recordings")
    for name in _SHOWN:
        cells = [in_words(summary[system].get(name)) for system in ("base", "fine_tuned", "difference")]
        verdict = summary["difference"].get(name, {}).get("verdict") or ""
        table.add_row(name, *cells, verdict, in_words(summary[RECORDED].get(name)))
    console.print(table)
    said = f"{voice['model_id']}: {voice['status']}: {voice['status_reason']}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    console.print(f"The report, with players: {voice['report']}", markup=False, highlight=False, soft_wrap=True)


def _texts(settings: Settings, seed: int) -> list[Text]:
    """Held-out sentences with their readings that no recording of the demo says, and long texts made of such."""
    said = ["".join(item.char for item in truth.characters) for truth in read_truths(settings.root / "truth").values()]
    drawn = held_out(DIALECT, _DRAWN, seed)
    fresh = [one for one in drawn if not any("".join(one.sentence.characters) in text for text in said)]
    policy = settings.validation
    texts = [
        Text(one.id, "everyday", one.sentence.text, " ".join(one.sentence.syllables)) for one in fresh[: policy.prompts]
    ]
    rest = [one.sentence for one in fresh[policy.prompts :]]
    for number in range(policy.long_prompts):
        several, characters = [], 0
        while characters < _LONG_CHARACTERS:
            several.append(rest.pop())
            characters += len(several[-1].characters)
        readings = " ".join(syllable for sentence in several for syllable in sentence.syllables)
        text = "".join(sentence.text for sentence in several)
        texts.append(Text(f"{DIALECT}-studio-long-{number + 1:02d}", LONG, text, readings))
    return texts


def _figure(row: dict[str, Any] | None) -> dict[str, Any]:
    return {key: row[key] if row else None for key in ("value", "low", "high", "n")}


def in_words(figure: dict[str, Any] | None) -> str:
    if not figure or figure["value"] is None:
        return "not measured"
    interval = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['value']:.3f}{interval}"
