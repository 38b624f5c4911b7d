"""README.md and scores.json of dialect-micro: what it is, how it was made, how well it does and on what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipes.dialect.speech import LABELS


def write_card(out: Path, facts: dict[str, Any], card: dict[str, Any]) -> None:
    """Write both into the checkpoint folder."""
    (out / "scores.json").write_text(json.dumps(facts | card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(_text(facts, card), encoding="utf-8")


def _row(name: str, found: dict[str, float]) -> str:
    return (
        f"| {name} | {found['n']} | {found['accuracy']:.1%} | {found['low']:.1%} to {found['high']:.1%} "
        f"| {found['ece']:.3f} | {found['confidence']:.2f} |"
    )


_HEAD = "windows | accuracy | 95 % interval | calibration error | mean confidence |\n|---|---|---|---|---|---|"


def _text(facts: dict[str, Any], card: dict[str, Any]) -> str:
    lengths = "\n".join(_row(f"{seconds} s", found) for seconds, found in card["lengths"].items())
    conditions = "\n".join(_row(name, found) for name, found in card["conditions"].items())
    kinds = "\n".join(_row(name, found) for name, found in card["kinds"].items())
    flat = "\n".join(f"| {name} | {found['n']} | {found['confidence']:.2f} |" for name, found in card["flat"].items())
    confusion = "\n".join(
        f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(LABELS, card["confusion"], strict=True)
    )
    warmth = ", ".join(f"{value:g} at {seconds:g} s" for seconds, value in facts["temperatures"])
    return f"""# dialect-micro

Says which of {len(LABELS)} varieties a stretch of speech is: {", ".join(LABELS)}.
**It learned from synthesized speech (espeak-ng, tones put on by Praat) and is no good on real voices**; for those name
a model in `[dialect]`.

* Network: harmonics around the speaker's own register and 32 mel bands, convolutions, attentive pooling;
  {facts["parameters"]:,} parameters, float32. Probabilities are scores divided by a temperature, which was
  set on {facts["calibration_voices"]} held-out voices for windows of each length: {warmth}.
* Data: {facts["hours"]} h of the studio's training sentences by {facts["voices"]} training voices, in rooms and noise.
  Henan, Shaanxi and Shandong are Mandarin words with that variety's tones, and no more of the dialect than that.
  Words of one variety are also spoken with the tones of another, and tones decide: Tianjin words with Mandarin tones
  are `cmn`. Speech without tones (pitch moved at least 80 % of its way to the mean) was shown as belonging to no
  Chinese dialect more than to another.
* Left out: Northeastern (its tones are Beijing's within one of Chao's levels), Wu and Southern Min (the studio has no
  readings of theirs).
* Training: cross-entropy, {facts["steps"]} of {facts["planned_steps"]} steps of {facts["batch"]} windows, seed
  {facts["seed"]}, {facts["threads"]} thread(s), {facts["minutes"]} minutes; `python -m recipes dialect`.

## Scores on synthesized speech
Held-out sentences by {card["voices"]} held-out voices, other than those of the temperatures; each dialect as the studio
speaks it; windows follow one another without overlap. Calibration error: expected, 10 bins of equal width.

| length, clean | {_HEAD}
{lengths}

| 5 s | {_HEAD}
{conditions}

Noise of five kinds; the room has a reverberation time of 0.5 s, 3 dB direct to reverberant.

| 5 s, clean, by what is spoken | {_HEAD}
{kinds}

Confusion at 5 s, clean (rows: spoken):

| | {" | ".join(LABELS)} |
|---|{"---|" * len(LABELS)}
{confusion}

| without tones, 5 s | windows | mean confidence |
|---|---|---|
{flat}
"""
