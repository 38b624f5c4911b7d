"""Scenes: speakers in turn, with pauses and a set share of overlap, in a room, under noise, with their truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from studio.noise import level_for_snr, noise, rms
from studio.rooms import impulse_response, random_room, reverberate
from studio.scripts import sentence
from studio.speech import Utterance, Voice
from studio.synthesis import speak
from studio.voices import voices

TURN_GAP = 0.25  # seconds: a longer silence of one speaker ends a turn
_LONGEST_OVERLAP = 2.5
_OVERLAP_TOLERANCE = 0.003
_BABBLE_UTTERANCES = 6


@dataclass(frozen=True)
class SpokenCharacter:
    """One character as heard in the scene; times in seconds."""

    char: str
    syllable: str
    speaker: str
    start: float
    end: float


@dataclass(frozen=True)
class SpokenTurn:
    """One speaker without a silence of more than `TURN_GAP`; `overlapped` is how many of its seconds others share."""

    speaker: str
    start: float
    end: float
    text: str
    overlapped: float


@dataclass(frozen=True)
class SpokenLine:
    """A sentence with its punctuation, from its first to its last character; times in seconds."""

    speaker: str
    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Scene:
    """The mixed recording, float32 (T,) at `sample_rate` Hz, and its truth.

    `overlap` is the time with two speakers over the time with any, `lines` are the sentences in order of their start.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    turns: tuple[SpokenTurn, ...]
    characters: tuple[SpokenCharacter, ...]
    lines: tuple[SpokenLine, ...]
    overlap: float

    @property
    def transcript(self) -> str:
        """All sentences, one after another."""
        return "".join(line.text for line in self.lines)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Voice ids of those who speak, sorted."""
        return tuple(sorted({turn.speaker for turn in self.turns}))


@dataclass(frozen=True)
class _Said:
    """What one speaker says in one go: utterances with the pause, in seconds, after each."""

    utterances: tuple[Utterance, ...]
    pauses: tuple[float, ...]

    @property
    def voice_id(self) -> str:
        return self.utterances[0].voice.voice_id

    @property
    def duration(self) -> float:
        return sum(one.duration for one in self.utterances) + sum(self.pauses[:-1])

    def starts(self) -> list[float]:
        """When each utterance starts, in seconds from the first."""
        steps = [one.duration + pause for one, pause in zip(self.utterances, self.pauses, strict=True)]
        return [sum(steps[:number]) for number in range(len(steps))]


def scene(
    dialect: str,
    cast: Sequence[Voice],
    seconds: float,
    overlap: float,
    snr: float,
    noise_kind: str,
    sample_rate: int,
    seed: int,
    held_out: bool = True,
    dry: bool = False,
) -> Scene:
    """A conversation of the cast in one dialect, exactly `seconds` long.

    Each speaker says 1 to 4 sentences at a time. `overlap` is the share of speech time in which two speak at once, 0 to
    0.3, reached by starting before the other has ended; three never do. `snr` is in dB, over the time with speech.
    `dry` leaves the room out, as a microphone close to the mouth does.
    """
    if not 0.0 <= overlap <= 0.3:
        raise ValueError(f"overlap is the share of speech with two speakers, 0 to 0.3, not {overlap}")
    draw = random.Random(f"scene {seed}")
    said = _conversation(dialect, cast, seconds, overlap, draw, held_out)
    starts = _timeline(said, seconds, overlap, draw)
    characters = _characters(said, starts)
    turns = turns_of(characters)
    speech = _mix(said, starts, seconds, sample_rate, seed, dry)
    talkers = []
    if noise_kind == "babble":
        others = [voice for voice in voices(held_out) if voice not in cast]
        for _ in range(_BABBLE_UTTERANCES):
            talker = speak(sentence(dialect, draw, held_out), draw.choice(others), draw.randrange(2**31))
            talkers.append(soxr.resample(talker.samples, talker.sample_rate, sample_rate))
    rng = np.random.default_rng([seed, 2])
    background = noise(noise_kind, len(speech), sample_rate, rng, talkers)
    active = np.zeros(len(speech), bool)
    for turn in turns:
        active[int(turn.start * sample_rate) : int(turn.end * sample_rate)] = True
    mixed = speech + np.float32(level_for_snr(speech, active, snr)) * background
    # Music-free speech between -30 and -20 dB below full scale, but never clipped.
    gain = min(
        10.0 ** (draw.uniform(-30, -20) / 20) / max(rms(mixed), 1e-9), 0.9 / max(float(np.abs(mixed).max()), 1e-9)
    )
    lines = tuple(
        SpokenLine(one.voice.voice_id, start + one.spans[0].start, start + one.spans[-1].end, one.sentence.text)
        for start, one in sorted(_placed(said, starts), key=lambda item: item[0])
    )
    return Scene(
        (mixed * np.float32(gain)).astype(np.float32), sample_rate, turns, characters, lines, overlap_share(turns)
    )


def turns_of(characters: Sequence[SpokenCharacter]) -> tuple[SpokenTurn, ...]:
    """Characters gathered into turns, in order of their start, with how much of each is overlapped."""
    turns: list[SpokenTurn] = []
    for speaker in sorted({character.speaker for character in characters}):
        own = sorted((c for c in characters if c.speaker == speaker), key=lambda c: c.start)
        for character in own:
            last = turns[-1] if turns and turns[-1].speaker == speaker else None
            if last is not None and character.start - last.end <= TURN_GAP:
                turns[-1] = replace(last, end=max(last.end, character.end), text=last.text + character.char)
            else:
                turns.append(SpokenTurn(speaker, character.start, character.end, character.char, 0.0))
    turns.sort(key=lambda turn: (turn.start, turn.speaker))
    return tuple(replace(turn, overlapped=_shared(turn, turns)) for turn in turns)


def overlap_share(turns: Sequence[SpokenTurn]) -> float:
    """Seconds in which two speak at once over seconds in which anybody speaks; 0.0 without speech."""
    edges = sorted([(turn.start, 1) for turn in turns] + [(turn.end, -1) for turn in turns])
    any_time = both_time = 0.0
    speaking, previous = 0, 0.0
    for time, change in edges:
        any_time += (time - previous) * (speaking >= 1)
        both_time += (time - previous) * (speaking >= 2)
        speaking, previous = speaking + change, time
    return both_time / any_time if any_time else 0.0


def _shared(turn: SpokenTurn, turns: Sequence[SpokenTurn]) -> float:
    """Seconds of the turn in which others speak; at most two speak at once, so the parts add up."""
    others = (other for other in turns if other.speaker != turn.speaker)
    return sum(max(0.0, min(turn.end, other.end) - max(turn.start, other.start)) for other in others)


def _conversation(
    dialect: str, cast: Sequence[Voice], seconds: float, overlap: float, draw: random.Random, held_out: bool
) -> list[_Said]:
    """Who says what, a little more than fits: whoever has spoken least goes on, mostly."""
    spoken = {voice: 0.0 for voice in cast}
    said: list[_Said] = []
    previous: Voice | None = None
    while sum(spoken.values()) * (1 - overlap) < seconds * 1.05 + 2:
        candidates = [voice for voice in cast if voice != previous] or list(cast)
        quiet = min(candidates, key=lambda voice: spoken[voice])
        voice = quiet if draw.random() < 0.7 else draw.choice(candidates)
        # Short scenes still need everybody: long monologues only where there is time for them.
        most = 4 if seconds > 15 * len(cast) else 1
        utterances = tuple(
            speak(sentence(dialect, draw, held_out), voice, draw.randrange(2**31)) for _ in range(draw.randint(1, most))
        )
        pauses = tuple(draw.uniform(0.05, 0.7) for _ in utterances)
        said.append(_Said(utterances, pauses))
        spoken[voice] += said[-1].duration
        previous = voice
    return said


def _timeline(said: list[_Said], seconds: float, overlap: float, draw: random.Random) -> list[float]:
    """Start of each `_Said` in seconds, those that do not fit cut off, so that the overlap share is reached.

    How deep neighbours overlap is searched for by bisection, for pauses inside turns take some of it away again; when
    a conversation that has to fit cannot reach it, it is drawn anew.
    """
    best: tuple[float, list[float]] = (float("inf"), [])
    for _ in range(8):
        wishes = [draw.uniform(0.3, 1.0) if draw.random() < 0.6 else 0.0 for _ in said]
        gaps = [0.15 + min(draw.expovariate(2.0), 2.0) for _ in said]
        lead = draw.uniform(0.3, 1.2)
        # Without overlap nothing is searched for: one speaker alone could cut into their own words unnoticed.
        low, high = 0.0, 3.0 if overlap else 0.0
        for _ in range(16):
            depth = (low + high) / 2
            starts = _laid_out(said, [depth * wish for wish in wishes], gaps, lead, seconds)
            share = overlap_share(turns_of(_characters(said, starts)))
            best = min(best, (abs(share - overlap), starts), key=lambda item: item[0])
            low, high = (depth, high) if share < overlap else (low, depth)
        if best[0] < _OVERLAP_TOLERANCE:
            break
    return best[1]


def _laid_out(
    said: list[_Said], depths: Sequence[float], gaps: Sequence[float], lead: float, seconds: float
) -> list[float]:
    """Starts such that each begins `depths` seconds before the previous one ends, or a gap after it where that is 0."""
    starts: list[float] = []
    before_last = last = lead
    for one, depth, gap in zip(said, depths, gaps, strict=True):
        if not starts:
            start = lead
        elif depth < 0.02:
            start = last + gap
        else:
            first = one.utterances[0]
            reach = min(_LONGEST_OVERLAP, 0.8 * one.duration, first.duration)
            start = max(last + _tail(said[len(starts) - 1]) - min(depth, reach), before_last + 0.05)
        if start + one.duration > seconds - 0.2:
            break
        starts.append(start)
        ends = sorted([last, start + one.duration])
        before_last, last = ends
    return starts


def _tail(one: _Said) -> float:
    """Silence between the last character and the end of what is said, as a negative number of seconds."""
    final = one.utterances[-1]
    return final.spans[-1].end - final.duration


def _placed(said: list[_Said], starts: Sequence[float]) -> list[tuple[float, Utterance]]:
    return [
        (start + offset, utterance)
        for one, start in zip(said, starts, strict=False)
        for offset, utterance in zip(one.starts(), one.utterances, strict=True)
    ]


def _characters(said: list[_Said], starts: Sequence[float]) -> tuple[SpokenCharacter, ...]:
    return tuple(
        sorted(
            (
                SpokenCharacter(
                    span.character, span.syllable, utterance.voice.voice_id, start + span.start, start + span.end
                )
                for start, utterance in _placed(said, starts)
                for span in utterance.spans
            ),
            key=lambda character: (character.start, character.speaker),
        )
    )


def _mix(
    said: list[_Said], starts: Sequence[float], seconds: float, sample_rate: int, seed: int, dry: bool
) -> NDArray[np.float32]:
    """All speech in one room (in none if `dry`), each speaker at a place and level of their own: float32 (T,)."""
    rng = np.random.default_rng([seed, 1])
    room = random_room(rng)
    length = round(seconds * sample_rate)
    tracks: dict[str, NDArray[np.float32]] = {}
    for start, utterance in _placed(said, starts):
        track = tracks.setdefault(utterance.voice.voice_id, np.zeros(length, np.float32))
        samples = soxr.resample(utterance.samples, utterance.sample_rate, sample_rate)
        at = round(start * sample_rate)
        track[at : at + len(samples)] += samples[: length - at]
    mixed = np.zeros(length, np.float32)
    for voice_id in sorted(tracks):
        track = tracks[voice_id]
        level = 10.0 ** (rng.normal(0.0, 2.0) / 20.0) / max(rms(track[track != 0]), 1e-9)
        heard = track if dry else reverberate(track, impulse_response(room, sample_rate, rng))
        mixed += np.float32(level) * heard
    return mixed
