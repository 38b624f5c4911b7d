"""Text that came with a recording in the rows of hypotheses, transcripts and segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import ModelUnavailable
from pipeline.exchange.given import GivenLine
from pipeline.exchange.marks import has_unwritten
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition import alignment, checkpoints
from pipeline.recognition.alignment import Aligner
from pipeline.recognition.given_text import Cutting, Placement, place
from pipeline.recognition.placed import PlacedText
from pipeline.recognition.turn_emissions import turn_emissions
from pipeline.settings import Settings
from pipeline.stage import Recording
from pipeline.stretches import seconds_inside
from pipeline.text.normalize import error_rate

_KEY = "[given_text] checkpoint"


@dataclass
class GivenTexts:
    """Places the given text of recordings; its aligner is loaded when the first text asks for it."""

    settings: Settings
    _aligner: Aligner | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        """What shapes the places of text without times."""
        return checkpoints.fingerprint(self.settings.given_text.checkpoint)

    def place(self, recording: Recording, turns: Sequence[Row]) -> Placement:
        """Where the recording's text is said; all turns are free if it has none. Raises ModelUnavailable."""
        if self.settings.transcribe.text == "recognised" or not recording.given:
            return Placement(free=list(turns))
        aligner = self._loaded()
        return place(
            recording.given,
            turns,
            aligner,
            lambda wanted: turn_emissions(recording, wanted, aligner),
            recording.dialect,
            Cutting(self.settings.transcribe.max_seconds, self.settings.transcribe.join_gap_seconds),
        )

    def _loaded(self) -> Aligner:
        if self._aligner is None:
            name = checkpoints.locate(self.settings.given_text.checkpoint, _KEY, alignment.KNOWN)
            try:
                self._aligner = alignment.load_aligner(name)
            except Exception as error:
                named = self.settings.given_text.checkpoint
                raise ModelUnavailable(f"{_KEY} = {named!r} does not load: {error}") from error
        return self._aligner


def hypothesis_of(recording: Recording, placed: PlacedText, turns: Sequence[Row]) -> Row:
    """The row of table hypotheses for a stretch with given text, which stands there as what a recogniser heard.

    It accounts for what it has of its speaker's turns; where it reaches into another's, by the transcript that one is
    silent.
    """
    speaker = next(turn["local_speaker"] for turn in turns if turn["turn_id"] == placed.turn_id)
    own = [turn for turn in turns if turn["local_speaker"] == speaker]
    return {
        "transcript_id": span_id(recording.recording_id, placed.start, placed.end),
        "turn_id": placed.turn_id,
        "recording_id": recording.recording_id,
        "start": placed.start,
        "end": placed.end,
        "covered_seconds": seconds_inside(placed.start, placed.end, own),
        "recognizer": None,
        "text": placed.text,
        "given_line": placed.number,
        "decision": "keep",
        "drop_reason": None,
    }


def transcript_of(given: Row, others: Sequence[Row], lines: Sequence[GivenLine], dialect: str, most: float) -> Row:
    """What table transcripts says of a stretch with given text; `others` are what recognisers heard there.

    Doubtful if over `most` of the characters of the first one differ, or if a syllable has no character.
    """
    line = lines[given["given_line"]]
    found: Row = {
        "text_source": "given",
        "given_text": line.text,
        "given_speaker": line.speaker,
        "gloss": line.gloss,
        "ipa": line.ipa,
        "place": line.place,
        "remarks": line.remarks,
        "text_doubt": has_unwritten(line.text),
        "decision": "keep",
        "drop_reason": None,
    }
    if not others:
        return found
    first = others[0]
    differs = error_rate(given["text"], first["text"], dialect) or 0.0
    told = ("language", "language_wanted", "language_probability")
    told += ("asr_avg_logprob", "asr_no_speech_prob", "asr_compression_ratio")
    return (
        found
        | {name: first[name] for name in told}
        | {
            "recognised_text": first["text"],
            "text_disagreement": differs,
            "text_doubt": found["text_doubt"] or differs > most,
        }
    )


def of_segment(sources: Sequence[tuple[Row, float]]) -> Row:
    """What the given text's columns are for a segment; `sources` are its transcripts with the seconds of each."""
    rows = [row for row, _ in sources]
    origins = {row.get("text_source") or "recognised" for row in rows}
    compared_rows = [
        (row["text_disagreement"], seconds) for row, seconds in sources if row.get("text_disagreement") is not None
    ]
    total = sum(seconds for _, seconds in compared_rows)
    texts = ("given_text", "given_speaker", "gloss", "ipa", "place", "remarks")
    found: Row = {name: _once_each([row.get(name) for row in rows]) for name in texts}
    return found | {
        "text_source": origins.pop() if len(origins) == 1 else "mixed" if origins else None,
        "text_disagreement": sum(value * seconds for value, seconds in compared_rows) / total if total else None,
        "text_doubt": any(row.get("text_doubt") for row in rows) if found["given_text"] else None,
    }


def _once_each(values: Sequence[str | None]) -> str | None:
    """Texts one after another, each once; a line cut in several stretches has its gloss in all of them."""
    return " ".join(dict.fromkeys(value for value in values if value)) or None
