"""The list of metrics: what each says, which direction is better, and how the report prints it.

A new metric is its file, which measures it, and its entry here; the entries' order is the report's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["lower", "higher", "one", "neither"]
_ARROWS = {"higher": ("↑", "higher is better"), "lower": ("↓", "lower is better"), "one": ("→ 1", "best at 1")}
_MOST_DIGITS = 9
_DIFFERENT_TIMES = "spoken at different times, when the machine may have been more or less busy"
_SIGN = {"higher": 1, "lower": -1, "one": -1, "neither": 0}


@dataclass(frozen=True)
class Metric:
    """`direction` "one": best at 1, worse the further off; "neither": shown, not judged.

    `scale` turns a value into `unit`; `digits` are those after the point. `not_judged` is the reason why base and
    fine-tuned voice are shown but not compared as better or worse, "" where they are.
    """

    name: str
    label: str
    about: str
    direction: Better
    unit: str = ""
    scale: float = 1.0
    digits: int = 2
    not_judged: str = ""

    @property
    def better(self) -> int:
        """The sign of a difference that is good, 0 where neither is."""
        return _SIGN[self.direction]

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

    def fine_enough(self, *values: float | None) -> Metric:
        """The metric with so many digits that none of these prints as zero without being zero."""
        finer = self
        while finer.digits < _MOST_DIGITS and any(value and not float(finer._plain(value)) for value in values):
            finer = replace(finer, digits=finer.digits + 1)
        return finer

    @property
    def way(self) -> tuple[str, str] | None:
        """An arrow and its words: which way a value itself is better."""
        return _ARROWS.get(self.direction)

    @property
    def _suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def _plain(self, value: float) -> str:
        return f"{value * self.scale:.{self.digits}f}"

    def _number(self, value: float) -> str:
        text = self._plain(value)
        return text.removeprefix("-") if not float(text) else text.replace("-", "−")


_ALL = (
    Metric("cer", "Character error rate", "Character error rate of normalized text", "lower", "%", 100.0, 1),
    Metric("wer", "Word error rate", "Word error rate of normalized text", "lower", "%", 100.0, 1),
    Metric(
        "cer_raw",
        "Character error rate, raw text",
        "Character error rate of the text as written",
        "lower",
        "%",
        100.0,
        1,
    ),
    Metric("wer_raw", "Word error rate, raw text", "Word error rate of the text as written", "lower", "%", 100.0, 1),
    Metric(
        "tone_distance",
        "Tone distance",
        "Share of the tone movement that is missing or wrong; a monotone has 1",
        "lower",
        "",
        1.0,
        2,
    ),
    Metric("tone_error_st", "Tone error", "Root mean square distance to the dialect's contours", "lower", "st", 1.0, 2),
    Metric("tone_range", "Tone range", "Tone movement present, as a share of the dialect's", "one", "", 1.0, 2),
    Metric(
        "tone_accuracy",
        "Tone accuracy",
        "Syllables whose contour is nearest to their own tone's",
        "higher",
        "%",
        100.0,
        1,
    ),
    Metric(
        "dialect_accuracy",
        "Dialect accuracy",
        "Heard as its own dialect by the dialect identifier: 1, else 0",
        "higher",
        "%",
        100.0,
        1,
    ),
    Metric(
        "dialect_probability",
        "Dialect probability",
        "Probability of its own dialect, by the dialect identifier",
        "higher",
        "",
        1.0,
        2,
    ),
    Metric("mandarin_share", "Turns Mandarin", "Share of the time that is heard as Mandarin", "lower", "%", 100.0, 1),
    Metric(
        "similarity",
        "Similarity to the reference",
        "Speaker embedding, cosine to the reference clip",
        "higher",
        "",
        1.0,
        3,
    ),
    Metric(
        "centroid_similarity",
        "Similarity to the speaker",
        "Speaker embedding, cosine to the speaker's centroid",
        "higher",
        "",
        1.0,
        3,
    ),
    Metric(
        "other_similarity",
        "Similarity to another voice",
        "Speaker embedding, highest cosine to another voice",
        "lower",
        "",
        1.0,
        3,
    ),
    Metric(
        "own_voice",
        "Nearest to its own voice",
        "Nearer to its own voice than to every other one: 1, else 0",
        "higher",
        "%",
        100.0,
        1,
    ),
    Metric("listener_mos", "Opinion of listeners", "Mean opinion of listeners", "higher", "MOS", 1.0, 2),
    Metric("preference", "Preferred by listeners", "", "neither", "%", 100.0, 1),
    Metric("dnsmos", "Predicted quality", "DNSMOS P.835 overall quality, predicted", "higher", "MOS", 1.0, 2),
    Metric("dnsmos_sig", "Predicted speech quality", "DNSMOS P.835 speech quality, predicted", "higher", "MOS", 1.0, 2),
    Metric(
        "dnsmos_bak",
        "Predicted background quality",
        "DNSMOS P.835 background quality, predicted",
        "higher",
        "MOS",
        1.0,
        2,
    ),
    Metric("distillmos", "Predicted quality, second judge", "DistillMOS, predicted", "higher", "MOS", 1.0, 2),
    Metric(
        "stop_rate",
        "Stops by itself",
        "Stopped by itself near the text's expected end, half to one and a half times its length: 1, else 0",
        "higher",
        "%",
        100.0,
        1,
    ),
    Metric("repeats", "Repeats", "Places where expected characters are said again", "lower", "", 1.0, 2),
    Metric("skips", "Skips", "Places where expected characters are not said", "lower", "", 1.0, 2),
    Metric(
        "duration_ratio",
        "Length against expected",
        "Seconds spoken over seconds expected of the text",
        "one",
        "",
        1.0,
        2,
    ),
    Metric("silence_share", "Silence", "Share of the time that is silent", "lower", "%", 100.0, 1),
    Metric("longest_silence_s", "Longest silence", "Longest silence inside the utterance", "lower", "s", 1.0, 2),
    Metric("clipped_share", "Clipping", "Share of samples in runs at full scale", "lower", "%", 100.0, 2),
    Metric(
        "rtf",
        "Real-time factor",
        "Real-time factor: wall seconds for each second of audio",
        "lower",
        not_judged=_DIFFERENT_TIMES,
    ),
    Metric(
        "first_audio_s",
        "First audio",
        "Wall seconds until the first audio",
        "lower",
        "s",
        not_judged=_DIFFERENT_TIMES,
    ),
)
METRICS = {metric.name: metric for metric in _ALL}
_PLACE = {name: place for place, name in enumerate(METRICS)}

# The metrics whose difference makes the verdict, and those that every dialect is expected to have.
QUALITY = (
    *("cer", "wer", "tone_distance", "dialect_accuracy", "similarity", "centroid_similarity", "listener_mos"),
    *("preference", "dnsmos", "distillmos", "stop_rate", "repeats", "skips"),
)
ERROR_RATES = ("cer", "cer_raw", "wer", "wer_raw")
EXPECTED = ("cer", "tone_distance", "similarity", "dnsmos", "stop_rate", "rtf")


def metric(name: str) -> Metric:
    """The metric of a name; one that is not listed prints under its own name and is not judged."""
    return METRICS.get(name) or Metric(name, name.replace("_", " ").capitalize(), "", "neither", digits=3)


def better(name: str) -> Better:
    """Which direction is better; a name that nobody knows is shown, not judged."""
    return metric(name).direction


def place(name: str) -> tuple[int, str]:
    """Where a metric stands in the report; those that are not listed come last, by name."""
    return _PLACE.get(name, len(_PLACE)), name


def in_order(names: set[str]) -> list[str]:
    """Metric names as the report lists them."""
    return sorted(names, key=place)
