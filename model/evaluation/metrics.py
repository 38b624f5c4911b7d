"""How the report prints each measure: short name, unit, digits. What a measure is stands in evaluation.measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "one", "neither"]


@dataclass(frozen=True)
class Measure:
    """`better` "one": best at 1, worse the further off; "neither": told, not judged."""

    name: str
    better: Better
    unit: str
    title: str


_ALL = (
    Measure("cer_raw", "lower", "", "Character error rate of the text as written"),
    Measure("cer", "lower", "", "Character error rate of normalized text"),
    Measure("wer_raw", "lower", "", "Word error rate of the text as written"),
    Measure("wer", "lower", "", "Word error rate of normalized text"),
    Measure("similarity", "higher", "", "Speaker embedding, cosine to the reference clip"),
    Measure("centroid_similarity", "higher", "", "Speaker embedding, cosine to the speaker's centroid"),
    Measure("other_similarity", "lower", "", "Speaker embedding, highest cosine to another voice"),
    Measure("own_voice", "higher", "", "Nearer to its own voice than to every other one: 1, else 0"),
    Measure("dnsmos", "higher", "MOS", "DNSMOS P.835 overall quality, predicted"),
    Measure("dnsmos_sig", "higher", "MOS", "DNSMOS P.835 speech quality, predicted"),
    Measure("dnsmos_bak", "higher", "MOS", "DNSMOS P.835 background quality, predicted"),
    Measure("tone_distance", "lower", "", "Share of the tone movement that is missing or wrong; a monotone has 1"),
    Measure("tone_error_st", "lower", "semitones", "Root mean square distance to the dialect's contours"),
    Measure("tone_range", "one", "", "Tone movement present, as a share of the dialect's"),
    Measure("tone_accuracy", "higher", "", "Syllables whose contour is nearest to their own tone's"),
    Measure("stop_rate", "higher", "", "Stopped by itself, not too long after the text's expected end: 1, else 0"),
    Measure("duration_ratio", "one", "", "Seconds spoken over seconds expected of the text"),
    Measure("repeats", "lower", "", "Places where expected characters are said again"),
    Measure("skips", "lower", "", "Places where expected characters are not said"),
    Measure("silence_share", "lower", "", "Share of the time that is silent"),
    Measure("longest_silence_s", "lower", "s", "Longest silence inside the utterance"),
    Measure("clipped_share", "lower", "", "Share of samples in runs at full scale"),
    Measure("rtf", "lower", "", "Real-time factor: wall seconds for each second of audio"),
    Measure("first_audio_s", "lower", "s", "Wall seconds until the first audio"),
    Measure("listener_mos", "higher", "MOS", "Mean opinion of listeners"),
)
MEASURES = {measure.name: measure for measure in _ALL}


def better(name: str) -> Better:
    """Which direction is better; a name that nobody knows is told, not judged."""
    return MEASURES[name].better if name in MEASURES else "neither"


@dataclass(frozen=True)
class Metric:
    """`scale` turns a value into `unit`; `better` is the sign of a difference that is good, 0 where neither is."""

    name: str
    label: str
    about: str
    better: int
    unit: str = ""
    scale: float = 1.0
    digits: int = 2

    def text(self, value: float) -> str:
        """A value as it is printed, with its unit: `12.3 %`."""
        return f"{self._number(value)}{self._suffix}"

    def change(self, value: float) -> str:
        """A difference with its sign: `−11.8 points`."""
        unit = " points" if self.unit == "%" else self._suffix
        number = self._number(value)
        return f"{number if number.startswith('−') or not value else f'+{number}'}{unit}"

    def span(self, low: float, high: float) -> str:
        """An interval in the unit of `text`: `10.1 to 14.2`."""
        return f"{self._number(low)} to {self._number(high)}"

    @property
    def way(self) -> tuple[str, str] | None:
        """An arrow and its words: which way a value itself is better."""
        ways = {"higher": ("↑", "higher is better"), "lower": ("↓", "lower is better"), "one": ("→ 1", "best at 1")}
        return ways.get(better(self.name))

    @property
    def _suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def _number(self, value: float) -> str:
        text = f"{value * self.scale:.{self.digits}f}"
        return text.removeprefix("-") if not float(text) else text.replace("-", "−")


# Name, label, unit, scale, digits; in the order of the report.
_PRINTED = (
    ("cer", "Character error rate", "%", 100.0, 1),
    ("wer", "Word error rate", "%", 100.0, 1),
    ("cer_raw", "Character error rate, raw text", "%", 100.0, 1),
    ("wer_raw", "Word error rate, raw text", "%", 100.0, 1),
    ("tone_distance", "Tone distance", "", 1.0, 2),
    ("tone_error_st", "Tone error", "st", 1.0, 2),
    ("tone_range", "Tone range", "", 1.0, 2),
    ("tone_accuracy", "Tone accuracy", "%", 100.0, 1),
    ("similarity", "Similarity to the reference", "", 1.0, 3),
    ("centroid_similarity", "Similarity to the speaker", "", 1.0, 3),
    ("other_similarity", "Similarity to another voice", "", 1.0, 3),
    ("own_voice", "Nearest to its own voice", "%", 100.0, 1),
    ("listener_mos", "Opinion of listeners", "MOS", 1.0, 2),
    ("preference", "Preferred by listeners", "%", 100.0, 1),
    ("dnsmos", "Predicted quality", "MOS", 1.0, 2),
    ("dnsmos_sig", "Predicted speech quality", "MOS", 1.0, 2),
    ("dnsmos_bak", "Predicted background quality", "MOS", 1.0, 2),
    ("stop_rate", "Stops by itself", "%", 100.0, 1),
    ("repeats", "Repeats", "", 1.0, 2),
    ("skips", "Skips", "", 1.0, 2),
    ("duration_ratio", "Length against expected", "", 1.0, 2),
    ("silence_share", "Silence", "%", 100.0, 1),
    ("longest_silence_s", "Longest silence", "s", 1.0, 2),
    ("clipped_share", "Clipping", "%", 100.0, 2),
    ("rtf", "Real-time factor", "", 1.0, 2),
    ("first_audio_s", "First audio", "s", 1.0, 2),
)
_SIGN = {"higher": 1, "lower": -1, "one": -1, "neither": 0}
_ORDER = {name: place for place, (name, *_) in enumerate(_PRINTED)}

# The measures whose difference makes the verdict, and those that every dialect is expected to have.
QUALITY = (
    *("cer", "wer", "tone_distance", "similarity", "centroid_similarity", "listener_mos", "preference"),
    *("dnsmos", "stop_rate", "repeats", "skips"),
)
EXPECTED = ("cer", "tone_distance", "similarity", "dnsmos", "stop_rate", "rtf")


def metric(name: str) -> Metric:
    """The metric of a name; one that is not listed prints under its own name."""
    label, unit, scale, digits = next(
        (printed[1:] for printed in _PRINTED if printed[0] == name),
        (name.replace("_", " ").capitalize(), "", 1.0, 3),
    )
    about = MEASURES[name].title if name in MEASURES else ""
    return Metric(name, label, about, _SIGN[better(name)], unit, scale, digits)


def place(name: str) -> tuple[int, str]:
    """Where a metric stands in the report; those that are not listed come last, by name."""
    return _ORDER.get(name, len(_ORDER)), name


def in_order(names: set[str]) -> list[str]:
    """Metric names as the report lists them."""
    return sorted(names, key=place)
