"""The dataset card of an export, Hugging Face's README.md: splits, hours, licence, where the texts are from."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.sound_files import safe_name
from pipeline.text import dialects

_LICENCES = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apache-2.0", "mit")
"""Those that the hub knows by these names, of what metadata may say; another is `other`."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_DECODING = """
`datasets` decodes sound with torchcodec; without it:

```python
import io, soundfile
from datasets import Audio, load_dataset

rows = load_dataset("DIR", split="{split}").cast_column("audio", Audio(decode=False))
samples, rate = soundfile.read(io.BytesIO(rows[0]["audio"]["bytes"]))
```
"""


@dataclass
class Totals:
    """Clips, seconds, speakers and dialects of an export, by split."""

    clips: Counter[str] = field(default_factory=Counter)
    seconds: Counter[tuple[str, str]] = field(default_factory=Counter)
    speakers: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    dialects: set[str] = field(default_factory=set)

    def add(self, clip: Clip) -> None:
        """Count a clip."""
        self.clips[clip.split] += 1
        self.seconds[clip.split, clip.dialect] += clip.duration  # type: ignore[assignment]
        self.speakers[clip.split].add(clip.speaker)
        self.dialects.add(clip.dialect)


def dataset_card(totals: Totals, options: Options) -> str:
    """The card as Markdown with YAML in front."""
    facts = options.facts
    licences = facts.get("licences", {})
    count = sum(totals.clips.values())
    known = {name.lower() for name in licences}
    header: dict[str, Any] = {
        "pretty_name": options.title,
        "license": known.pop() if len(known) == 1 and known <= set(_LICENCES) else "other",
        "language": sorted({"zh" if one.startswith("cmn") else one for one in totals.dialects if one}),
        "task_categories": ["automatic-speech-recognition", "text-to-speech"],
        "size_categories": [next((name for limit, name in _SIZES if count < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": _split(name), "path": f"data/{safe_name(name)}-*.parquet"} for name in totals.clips
                ],
            }
        ],
    }
    parts = [f"---\n{yaml.safe_dump(header, allow_unicode=True, sort_keys=False)}---\n", f"# {options.title}\n"]
    parts.append(f"{count} segments of one speaker each, cut from recordings by {facts.get('tool', 'Fangyan')}.\n")
    parts += [f"**{warning}**\n" for warning in facts.get("warnings", ())]
    parts.append(_hours(totals))
    parts.append(_texts(facts))
    parts.append(_terms(facts, licences))
    parts.append(_DECODING.format(split=_split(next(iter(totals.clips), "train"))))
    return "\n".join(parts)


def _split(name: str) -> str:
    """A split as `datasets` takes it: letters, digits and _ alone."""
    return safe_name(name).replace("-", "_")


def _hours(totals: Totals) -> str:
    lines = ["| split | dialect | hours |", "|---|---|---|"]
    for (split, dialect), seconds in sorted(totals.seconds.items()):
        found = dialects.REGISTRY.get(dialect)
        name = f"{found.name} ({dialect})" if found is not None else dialect or "not known"
        lines.append(f"| {split} | {name} | {seconds / 3600:.2f} |")
    speakers = ", ".join(f"{len(own)} in {split}" for split, own in sorted(totals.speakers.items()))
    return "\n".join([*lines, "", f"Speakers, linked across recordings by their voices: {speakers}.", ""])


def _texts(facts: Any) -> str:
    texts = ", ".join(f"{count} {name}" for name, count in facts.get("texts", {}).items())
    recognisers = ", ".join(facts.get("recognisers", ())) or "none"
    words = f"Texts: {texts or 'not known'} (given: it came with the recording; recognised; mixed: in part; corrected "
    words += f"or accepted: by a person). Recognisers: {recognisers}. Script: {facts.get('script', 'as-written')}. "
    return words + "The dialect is that of the collection; a segment may hold other speech.\n"


def _terms(facts: Any, licences: Any) -> str:
    named = ", ".join(f"{name} ({count} recordings)" for name, count in licences.items())
    words = f"Licences by the recordings' metadata: {named or 'none is named'}. "
    words += f"Handed out for: {facts.get('purpose', 'not said')}"
    words += " and commercial use" if facts.get("commercial") else ""
    words += f", to: {facts['to']}" if facts.get("to") else ""
    return f"{words}. `manifest.json` has the consents, and a hash of every file.\n"
