"""What was said: of what the recognisers heard in each chunk one text, written as the dialect is, behind bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline.corrections.text_rows import corrected_transcripts
from pipeline.lake.rows import Row
from pipeline.recognition import asr_filters, calibration, recognizers
from pipeline.recognition.calibration import Calibration
from pipeline.recognition.given_rows import transcript_of
from pipeline.recognition.hypothesis import Word
from pipeline.recognition.units import units_of
from pipeline.recognition.vote import Choice, agreement, align, text_of, tokens_of, vote
from pipeline.settings import RecognizerSettings, Settings, checkpoint_path
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult
from pipeline.text.writing import punctuated, written

UNCALIBRATED = "uncalibrated"

_OF_BASE = ("language", "language_wanted", "asr_avg_logprob", "asr_no_speech_prob", "asr_compression_ratio")
_RECOGNISERS_OWN = set(RecognizerSettings.model_fields) | {"recognizers", "batch_size"}


class Transcribe(Stage):
    """One row per chunk; dropped chunks stay as rows with their reason. No model is asked here, so that a bound may be
    changed without recognising again."""

    name = "transcribe"
    version = "5"
    reads = ("turns", "hypotheses")
    about = ("given",)
    corrected = ("text", "source", "unintelligible")
    writes = "transcripts"
    resources = Resources(cpus=1.0, memory_gb=1.0)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.transcribe
        self._calibrations: dict[str, Calibration | None] = {}

    def parameters(self) -> dict[str, Any]:
        """The bounds and the calibration; what shapes the hypotheses is in their provenance."""
        file = self._calibration_file
        content = file.read_text(encoding="utf-8") if file is not None and file.is_file() else ""
        return self._settings.model_dump(exclude=_RECOGNISERS_OWN) | {"calibration": content}

    def load(self) -> None:
        """See that the calibration can be read. Raises ModelUnavailable."""
        if self._calibration_file is not None:
            calibration.read(self._calibration_file, "", [])

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per chunk and one per text that a person wrote, in order of start; what was dropped before it was
        heard keeps its reason."""
        speakers = {turn["turn_id"]: turn["local_speaker"] for turn in rows["turns"]}
        ordered = sorted(rows["hypotheses"], key=lambda row: (row["start"], row["end"]))
        chunks = [list(group) for _, group in groupby(ordered, key=lambda row: row["transcript_id"])]
        found: list[Row] = []
        unheard: list[Row] = []
        for heard, following in zip(chunks, [*chunks[1:], None], strict=False):
            one, two = (speakers.get(each[0]["turn_id"]) if each else None for each in (heard, following))
            row = self._decided(recording, heard, following[0]["start"] if following and one == two else None)
            (found if heard[0]["decision"] == "keep" else unheard).append(row)
        found = corrected_transcripts(found, recording.corrected, rows["turns"], recording.recording_id)
        passed, dropped = 0.0, dict[str, float]()
        for row in found:
            if row["decision"] == "keep":
                passed += row["covered_seconds"]
            else:
                dropped[row["drop_reason"]] = dropped.get(row["drop_reason"], 0.0) + row["covered_seconds"]
        entries = [LedgerEntry("passed", passed)]
        entries += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
        found = sorted([*found, *unheard], key=lambda row: (row["start"], row["end"]))
        return StageResult(found, [entry for entry in entries if entry.seconds > 0])

    def _decided(self, recording: Recording, heard: Sequence[Row], following: float | None) -> Row:
        """The row of a chunk from what each recogniser heard in it; `following` is when the same speaker goes on.

        Text that was given stays as it is.
        """
        given = next((one for one in heard if one.get("given_line") is not None), None)
        others = [one for one in heard if one is not given]
        row = {key: value for key, value in (given or heard[0]).items() if key not in ("batch", "provenance")}
        row |= {"covered_seconds": sum(one["covered_seconds"] for one in heard), "text_source": "recognised"}
        row |= dict.fromkeys(("recognizer", "agreement", "confidence", "character_confidence", "calibration"))
        if given is not None:
            compared = [self._voted(recording.dialect, others, following)] if others else []
            most = self._settings.max_disagreement
            return row | transcript_of(given, compared, recording.given, recording.dialect, most)
        if heard[0]["decision"] == "drop":
            return row
        row |= self._voted(recording.dialect, heard, following)
        base = {each.label: each for each in self._settings.used}.get(row.pop("base"), RecognizerSettings())
        believed = asr_filters.bounds(self._settings, base.checkpoint, recording.dialect, base.kind)
        reason = asr_filters.drop_reason(row, believed)
        return row | {"decision": "drop" if reason else "keep", "drop_reason": reason}

    def _voted(self, dialect: str, heard: Sequence[Row], following: float | None) -> Row:
        """What becomes of all hypotheses together. `base` is the recogniser whose text the rest is laid on, the first
        with any; what it says of its text is taken to be true of the outcome."""
        units = [units_of(written(one["text"], dialect)) for one in heard]
        words = [[Word(**_word(word)) for word in one["words"] or ()] for one in heard]
        tokens = [
            tokens_of(unit, said, dialect, one["asr_avg_logprob"])
            for unit, said, one in zip(units, words, heard, strict=True)
        ]
        slots = align(tokens)
        known = self._calibration(dialect)
        choices = vote(slots, known.judge if known else None)
        number = next((number for number, unit in enumerate(units) if unit), 0)
        text = text_of(choices, units[number], tokens[number])
        timed = _timed(choices)
        pause = following - timed[-1].end if timed and following is not None else None
        probabilities = [one["language_probability"] for one in heard if one["language_probability"] is not None]
        return {key: heard[number][key] for key in _OF_BASE} | {
            "base": heard[number]["recognizer"],
            "language_probability": probabilities[0] if probabilities else None,
            "text": punctuated(timed, dialect, pause, text) if text else "",
            "words": [
                {"word": one.text, "start": one.start, "end": one.end, "probability": one.probability} for one in timed
            ]
            or None,
            "recognizer": "+".join(one["recognizer"] for one in heard),
            "agreement": agreement(slots),
            "confidence": known.of_segment(choices) if known else None,
            "character_confidence": [choice.confidence for choice in choices] if known else None,
            "calibration": known.measured_on if known else UNCALIBRATED,
        }

    @property
    def _calibration_file(self) -> Path | None:
        return Path(checkpoint_path(self._settings.calibration)) if self._settings.calibration else None

    def _calibration(self, dialect: str) -> Calibration | None:
        """Of the recognisers that are used for the dialect. Raises ModelUnavailable."""
        file = self._calibration_file
        if dialect not in self._calibrations:
            identity = [
                recognizers.calibrated_identity(each) for each in recognizers.hearing(dialect, self._settings.used)
            ]
            self._calibrations[dialect] = None if file is None else calibration.read(file, dialect, identity)
        return self._calibrations[dialect]


def _word(word: Row) -> dict[str, Any]:
    return {"text": word["word"], "start": word["start"], "end": word["end"], "probability": word["probability"]}


def _timed(choices: Sequence[Choice]) -> list[Word]:
    """The chosen characters with their times; none if any has no times."""
    timed = [
        Word(token.text, token.start, token.end, token.probability)
        for token in (choice.token for choice in choices)
        if token.start is not None and token.end is not None
    ]
    return timed if len(timed) == len(choices) else []
