"""The names of all measures: what each says, its unit, and which direction is better."""

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
