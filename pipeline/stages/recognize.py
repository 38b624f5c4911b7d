"""What each recogniser hears: turns joined to stretches, cut to chunks by Silero VAD, recognised in batches."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import BadRecording, ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition import recognizers
from pipeline.recognition.given_rows import GivenTexts, hypothesis_of
from pipeline.recognition.given_text import Placement
from pipeline.recognition.hypothesis import Hypothesis, Recognizer, Word
from pipeline.settings import RecognizerSettings, Settings
from pipeline.stage import GroupRows, LedgerEntry, Recording, Stage, StageResult, rows_of
from pipeline.stretches import Stretch, contexts, seconds_inside, stretches
from pipeline.text import dialects
from pipeline.turn_audio import read_turns

SAMPLE_RATE = vad.SAMPLE_RATE
HOTWORDS = "hotwords"
"""The column of metadata that names words to be expected."""

_LANGUAGE_SECONDS = 5.0
_BETWEEN_HOTWORDS = re.compile(r"[,;，；、|\n]+")


@dataclass
class Chunk:
    """A piece of a stretch: `start` and `end` in seconds of the recording, float32 (T,) at 16 kHz."""

    stretch: Stretch
    start: float
    end: float
    samples: NDArray[np.float32] = field(repr=False)
    has_given: bool = False

    @property
    def beside_given(self) -> bool:
        """Whether a part of one of its turns has given text."""
        return any(turn.get("partly") for turn in self.stretch.turns)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def covered_seconds(self) -> float:
        """The part of it that lies in turns: gaps between them belong to nobody's seconds."""
        return 0.0 if self.has_given else seconds_inside(self.start, self.end, self.stretch.turns)


@dataclass(frozen=True)
class _Listener:
    """One recogniser for one recording, with the language that it is asked for."""

    settings: RecognizerSettings
    recognizer: Recognizer
    language: str
    wanted: str | None


@dataclass
class _Work:
    """A recording of a group: what it is heard by, and its rows so far."""

    recording: Recording
    turns: Sequence[Row]
    listeners: list[_Listener] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    languages: dict[tuple[str, str], tuple[float, float | None]] = field(default_factory=dict)
    error: Exception | None = None

    def note_language(self, chunk: Chunk, facts: Row) -> None:
        """Of a speaker and recogniser the first chunk that is long enough counts, else the longest."""
        key = chunk.stretch.speaker, facts["recognizer"]
        if key not in self.languages or self.languages[key][0] < min(chunk.seconds, _LANGUAGE_SECONDS):
            self.languages[key] = chunk.seconds, facts["language_probability"]

    def result(self) -> StageResult:
        """Its rows in order, each with what its speaker's language is, and its ledger."""
        speakers = {turn["turn_id"]: turn["local_speaker"] for turn in self.turns}
        for row in self.rows:
            _, row["language_probability"] = self.languages.get(
                (speakers[row["turn_id"]], row["recognizer"]), (0.0, None)
            )
        places = {listener.settings.label: number for number, listener in enumerate(self.listeners)}
        self.rows.sort(key=lambda row: (row["start"], row["end"], places.get(row["recognizer"], -1)))
        total = sum(turn["end"] - turn["start"] for turn in self.turns)
        return StageResult(self.rows, account(total, self.rows))


class _Unusable(Exception):
    """A recording cannot be worked on, and `why`; the others of its group can."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


class Recognize(Stage):
    """One row for each chunk and recogniser, as it was heard; what nobody is asked for stays as one row with a reason.

    Turns of one speaker are joined over short gaps: a recogniser that is given crumbs errs in each of them. Each chunk
    is heard with a moment before and after, for diarization cuts into first and last syllables. It hears
    the original, never the denoised turn: it learned from noisy speech, and what RNNoise takes off the consonants costs
    it more than noise does (whisper-micro at 15 dB: 7 % of characters wrong, denoised 38 %).
    """

    name = "recognize"
    version = "5"
    reads = ("turns",)
    about = ("given",)
    writes = "hypotheses"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.transcribe
        self._given = GivenTexts(settings)
        self._opened: list[tuple[RecognizerSettings, Recognizer]] = []
        self.resources = recognizers.resources_of(self._settings.used, memory_gb=2.0)

    def parameters(self) -> dict[str, Any]:
        """What shapes the hypotheses: the recognisers, and how speech is cut for them."""
        cutting = {"batch_size", "join_gap_seconds", "context_seconds", "min_seconds", "max_seconds", "text"}
        return self._settings.model_dump(include=cutting) | {
            "recognizers": [recognizers.identity(each) for each in self._settings.used],
            "given_text": self._given.identity,
        }

    def load(self) -> None:
        """Bring the recognisers up on their devices. Raises ModelUnavailable."""
        self._opened = [(each, recognizers.open_recognizer(each)) for each in self._settings.used]

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """Rows in order of start, the recognisers in order of the configuration; pauses are in the ledger."""
        (found,) = self.process_group([recording], {"turns": {recording.recording_id: rows["turns"]}})
        if isinstance(found, Exception):
            raise found
        return found

    def process_group(self, recordings: Sequence[Recording], rows: GroupRows) -> Sequence[StageResult | Exception]:
        """Batches are filled across recordings of a dialect that expect the same words; rows are as of each alone."""
        works = [_Work(recording, rows_of(recording, rows)["turns"]) for recording in recordings]
        waiting: dict[tuple[str, str], list[tuple[_Work, Chunk]]] = defaultdict(list)
        for work in works:
            batch = waiting[work.recording.dialect, work.recording.metadata.get(HOTWORDS, "")]
            try:
                for chunk in self._prepared(work):
                    batch.append((work, chunk))
                    if len(batch) == self._settings.batch_size:
                        self._hear(batch)
                        batch.clear()
            except _Unusable as error:
                work.error = error.why
                batch[:] = [pair for pair in batch if pair[0] is not work]
        for batch in waiting.values():
            if batch:
                self._hear(batch)
        return [work.error or work.result() for work in works]

    def _prepared(self, work: _Work) -> Iterator[Chunk]:
        """The chunks of a recording to be heard; what is not becomes rows. Raises _Unusable with what is wrong."""
        try:
            work.listeners = self._listeners(work.recording)
            placed = self._given.place(work.recording, work.turns)
            work.rows += [hypothesis_of(work.recording, one, work.turns) for one in placed.texts]
            for chunk, reason in chain(
                self._chunks(work.recording, placed.free), self._given_chunks(work.recording, placed, work.turns)
            ):
                if reason is None:
                    yield chunk
                elif not chunk.beside_given:
                    # Beside given text it is a pause.
                    dropped = {"decision": "drop", "drop_reason": reason, "covered_seconds": chunk.covered_seconds}
                    work.rows.append(_row(work.recording, chunk) | dropped)
        except Exception as error:
            raise _Unusable(error) from error

    def _given_chunks(
        self, recording: Recording, placed: Placement, turns_of_recording: Sequence[Row]
    ) -> Iterator[tuple[Chunk, None]]:
        """The stretches with given text where recognisers are to be compared with it; they account for no seconds."""
        if self._settings.text == "both":
            turns = {turn["turn_id"]: turn for turn in turns_of_recording}
            spans = [{"turn_id": one.turn_id, "start": one.start, "end": one.end} for one in placed.texts]
            for span, samples in read_turns(recording, spans, (), SAMPLE_RATE):
                turn = turns[span["turn_id"]]
                yield Chunk(Stretch((turn,)), span["start"], span["end"], samples, has_given=True), None

    def _chunks(self, recording: Recording, turns: Sequence[Row]) -> Iterator[tuple[Chunk, str | None]]:
        """Chunks with the reason why they are not worth hearing, or None."""
        joined = stretches(turns, self._settings.join_gap_seconds)
        reaches = contexts(joined, self._settings.context_seconds, recording.duration)
        spans = [
            {"turn_id": stretch.turns[0]["turn_id"], "start": start, "end": end}
            for stretch, (start, end) in zip(joined, reaches, strict=True)
        ]
        for stretch, (span, around) in zip(joined, read_turns(recording, spans, (), SAMPLE_RATE), strict=True):
            lead = round(stretch.start * SAMPLE_RATE) - round(span["start"] * SAMPLE_RATE)
            size = round(stretch.end * SAMPLE_RATE) - round(stretch.start * SAMPLE_RATE)
            samples = around[lead : lead + size]
            whole = Chunk(stretch, stretch.start, stretch.end, samples)
            if whole.seconds < self._settings.min_seconds:
                yield whole, "too_short"
                continue
            speech = _speech(stretch, samples, self._settings.max_seconds)
            if not speech:
                yield whole, "no_speech_found"
            pieces = vad.joined(speech, self._settings.max_seconds, self._settings.join_gap_seconds)
            for (first, last), (begin, until) in zip(pieces, self._widened(pieces, lead, around.size), strict=True):
                start = min(max(round(span["start"] + begin / SAMPLE_RATE, 3), span["start"]), span["end"])
                end = min(round(span["start"] + until / SAMPLE_RATE, 3), span["end"])
                chunk = Chunk(stretch, start, end, around[begin:until])
                # What lies between turns alone is nobody's.
                if end > start and chunk.covered_seconds > 0.0:
                    short = last - first < self._settings.min_seconds * SAMPLE_RATE
                    yield chunk, "too_short" if short else None

    def _widened(self, pieces: Sequence[vad.Span], lead: int, size: int) -> list[vad.Span]:
        """Pieces in samples of a stretch -> in samples of what was read, `lead` before it and `size` in all, each with
        its context: up to half of the pause to the next piece, and no longer than a recogniser takes."""
        wanted, longest = (
            round(seconds * SAMPLE_RATE) for seconds in (self._settings.context_seconds, self._settings.max_seconds)
        )
        if not pieces:
            return []
        edges = [0, *((one[1] + two[0]) // 2 + lead for one, two in pairwise(pieces)), size]
        widened = []
        for (first, last), low, high in zip(pieces, edges[:-1], edges[1:], strict=True):
            more = min(wanted, max(0, longest - (last - first)) // 2)
            widened.append((max(low, first + lead - more), min(high, last + lead + more)))
        return widened

    @staticmethod
    def _hear(batch: Sequence[tuple[_Work, Chunk]]) -> None:
        """One batch through every recogniser; the first one's rows account for the seconds."""
        first = batch[0][0]
        words = [word.strip() for word in _BETWEEN_HOTWORDS.split(first.recording.metadata.get(HOTWORDS, ""))]
        clips = [chunk.samples for _, chunk in batch]
        for number, listener in enumerate(first.listeners):
            heard = listener.recognizer.transcribe(clips, first.recording.dialect, [word for word in words if word])
            for (work, chunk), hypothesis in zip(batch, heard, strict=True):
                facts = _facts(hypothesis, chunk, listener)
                facts["covered_seconds"] = 0.0 if number else chunk.covered_seconds
                work.rows.append(_row(work.recording, chunk) | facts)
                work.note_language(chunk, facts)

    def _listeners(self, recording: Recording) -> list[_Listener]:
        """The recognisers for this recording's dialect, in order. Raises BadRecording."""
        used = recognizers.hearing(recording.dialect, [settings for settings, _ in self._opened])
        try:
            dialect = dialects.get(recording.dialect)
            found = [
                _Listener(settings, recognizer, language, None if language == wanted else wanted)
                for settings, recognizer in self._opened
                if settings in used
                for wanted, language in ((dialect.whisper_language, recognizer.language(recording.dialect)),)
            ]
        except dialects.UnknownDialectError as error:
            raise BadRecording("unknown_dialect", f"{recording.source}: {error}") from None
        except ModelUnavailable as error:
            raise BadRecording("no_recognizer", f"{recording.source}: {error}") from None
        if not found:
            words = f"no recogniser of [[transcribe.recognizers]] is used for {recording.dialect}; name one"
            raise BadRecording("no_recognizer", f"{recording.source}: {words}")
        return found


def _speech(stretch: Stretch, samples: NDArray[np.float32], longest_seconds: float) -> list[vad.Span]:
    """Spans of speech in samples of the stretch, none over the longest; where a turn ends is a place to cut, too."""
    ends = [
        round(((one["end"] + two["start"]) / 2 - stretch.start) * SAMPLE_RATE) for one, two in pairwise(stretch.turns)
    ]
    spans: list[vad.Span] = []
    for begin, end in vad.speech_spans(samples):
        edges = [begin, *(edge for edge in ends if begin < edge < end), end]
        for first, last in pairwise(edges):
            if last - first <= longest_seconds * SAMPLE_RATE:
                spans.append((first, last))
            else:
                cut = vad.speech_spans(samples[first:last], longest_seconds)
                spans += [(first + one, first + two) for one, two in cut]
    return spans


def account(total: float, rows: Sequence[Row]) -> list[LedgerEntry]:
    """Where the `total` seconds that came in went, by what the rows account for; the rest are pauses."""
    dropped: dict[str, float] = {}
    passed = 0.0
    for row in rows:
        if row["decision"] == "keep":
            passed += row["covered_seconds"]
        else:
            dropped[row["drop_reason"]] = dropped.get(row["drop_reason"], 0.0) + row["covered_seconds"]
    dropped["pause"] = max(0.0, total - passed - sum(dropped.values()))
    entries = [LedgerEntry("passed", passed)]
    entries += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
    return [entry for entry in entries if entry.seconds > 0]


def _facts(heard: Hypothesis, chunk: Chunk, listener: _Listener) -> Row:
    return {
        "recognizer": listener.settings.label,
        "text": heard.text,
        "words": _words(heard.words, chunk),
        "language": listener.language,
        "language_wanted": listener.wanted,
        "language_probability": heard.language_probability,
        "asr_avg_logprob": heard.avg_logprob,
        "asr_no_speech_prob": heard.no_speech_prob,
        "asr_compression_ratio": heard.compression_ratio,
        "decision": "keep",
    }


def _words(words: Sequence[Word], chunk: Chunk) -> list[dict[str, Any]]:
    """Word times in seconds of the recording, in order and inside the chunk (the recogniser's may lie outside)."""
    placed: list[dict[str, Any]] = []
    reached = chunk.start
    for word in words:
        start = min(max(reached, chunk.start + word.start), chunk.end)
        end = min(max(start, chunk.start + word.end), chunk.end)
        placed.append({"word": word.text, "start": start, "end": end, "probability": word.probability})
        reached = start
    return placed


def _row(recording: Recording, chunk: Chunk) -> Row:
    """A row of a chunk that nobody has heard yet."""
    return {
        "transcript_id": span_id(recording.recording_id, chunk.start, chunk.end),
        "turn_id": chunk.stretch.turn_at(chunk.start)["turn_id"],
        "recording_id": recording.recording_id,
        "start": chunk.start,
        "end": chunk.end,
        "covered_seconds": 0.0,
        "recognizer": None,
        "text": "",
        "words": None,
        "language": None,
        "language_wanted": None,
        "language_probability": None,
        "asr_avg_logprob": None,
        "asr_no_speech_prob": None,
        "asr_compression_ratio": None,
        "decision": "drop",
        "drop_reason": None,
    }
