"""A person's word through the stages: it stands where recognisers change, and the rest of the recording stays."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline import ledger
from pipeline.corrections.correction import correction, taking_back
from pipeline.corrections.spans import CorrectedSpan, corrected_spans
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import span_id
from pipeline.settings import Score as ScoreSettings
from pipeline.settings import Settings
from pipeline.stage import Recording, Stage, StageResult
from pipeline.stages.align import Align
from pipeline.stages.score import Score
from pipeline.stages.transcribe import Transcribe
from pipeline.tasks import tasks_of
from studio import scripts, synthesis, voices

RATE = 22_050
CHUNKS = [[0, 1, 2], [3]]
_OWN = ("scored_at", "provenance", "batch")


class Line:
    """The stages from text to segments over one recording of four sentences of one voice, in this process."""

    def __init__(self, folder: Path, encode) -> None:
        draw = random.Random(5)
        (voice,) = voices.cast(1, draw)
        pieces, self.texts, self.turns, at = [np.zeros(RATE // 2, np.float32)], [], [], 0.5
        for number in range(4):
            said = synthesis.speak(scripts.sentence("yue", draw), voice, seed=number)
            end = at + said.duration
            self.texts.append(said.sentence.text)
            turn = {"turn_id": span_id("rec", at, end), "recording_id": "rec", "start": at, "end": end}
            self.turns.append(turn | {"local_speaker": "S0", "overlap_share": 0.0})
            pieces += [said.samples, np.zeros(RATE * 7 // 10, np.float32)]
            at = sum(map(len, pieces)) / RATE
        samples = np.concatenate(pieces)
        path = encode(folder / "four.wav", samples, RATE)
        self.recording = Recording("yue/four.wav", str(path), "b1", "yue", "radio", "rec", len(samples) / RATE, RATE)
        self._align, self._scores = Align(Settings()), {}
        self._align.load()

    def heard(self, chunks: list[list[int]], texts: list[str]) -> list[Row]:
        """Hypotheses of one recogniser that was given these sentences in one chunk each."""
        rows = []
        for chunk in chunks:
            first, last = self.turns[chunk[0]], self.turns[chunk[-1]]
            row = {"transcript_id": span_id("rec", first["start"], last["end"]), "turn_id": first["turn_id"]}
            row |= {
                "recording_id": "rec",
                "start": first["start"],
                "end": last["end"],
                "words": None,
                "decision": "keep",
            }
            row |= {"covered_seconds": sum(self.turns[one]["end"] - self.turns[one]["start"] for one in chunk)}
            row |= {"text": "".join(texts[one] for one in chunk), "recognizer": "whisper-micro", "given_line": None}
            row |= dict.fromkeys(("language", "language_wanted", "language_probability", "drop_reason"))
            rows.append(row | {"asr_avg_logprob": -0.1, "asr_no_speech_prob": 0.0, "asr_compression_ratio": 1.0})
        return rows

    def run(
        self, hypotheses: list[Row], corrected: tuple[CorrectedSpan, ...] = (), **score: float
    ) -> dict[str, list[Row]]:
        """Tables transcripts, alignments and segments; every stage accounts for what came in."""
        recording = replace(self.recording, corrected=corrected)
        rows: dict[str, list[Row]] = {"turns": self.turns, "denoised": [], "hypotheses": hypotheses}
        rows["recordings"] = [{"recording_id": "rec", "consent_id": "c1", "metadata": {}}]
        seconds = sum(row["covered_seconds"] for row in hypotheses)
        key = tuple(sorted(score.items()))
        if key not in self._scores:
            self._scores[key] = Score(Settings(score=ScoreSettings.model_validate(score)))
            self._scores[key].load()
        stages: list[Stage] = [Transcribe(Settings()), self._align, self._scores[key]]
        for stage in stages:
            result: StageResult = stage.process(recording, rows)
            assert ledger.imbalance(result.ledger, seconds) <= ledger.TOLERANCE_SECONDS, stage.name
            to_table(stage.writes, [row | {"batch": "b1", "provenance": "p"} for row in result.rows])
            rows[stage.writes] = result.rows
            seconds = sum(entry.seconds for entry in result.ledger if entry.outcome == "passed")
        return rows


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, encode) -> Line:
    return Line(tmp_path_factory.mktemp("line"), encode)


@pytest.fixture(scope="module")
def before(line: Line) -> list[Row]:
    return line.run(line.heard(CHUNKS, line.texts), target_seconds=4.0)["segments"]


def as_heard(segments: list[Row]) -> dict[str, Row]:
    return {row["segment_id"]: {key: value for key, value in row.items() if key not in _OWN} for row in segments}


def spans_of(segment: Row, **said: str) -> tuple[CorrectedSpan, ...]:
    place = segment["recording_id"], segment["start"], segment["end"]
    return corrected_spans([correction("Wang", *place, field, None, new) for field, new in said.items()])


def test_a_corrected_text_replaces_the_recognisers_in_its_segment_and_nowhere_else(
    line: Line, before: list[Row]
) -> None:
    wrong = before[1]
    text = wrong["text"][1:]
    after = line.run(line.heard(CHUNKS, line.texts), spans_of(wrong, text=text), target_seconds=4.0)
    made = as_heard(after["segments"])
    segment = made.pop(wrong["segment_id"])
    assert (segment["text"], segment["text_source"], segment["decision"]) == (text, "corrected", "keep")
    assert "".join(one["char"] for one in segment["characters"]) in wrong["text_normalized"]
    assert [segment[name] for name in ("confidence", "agreement", "asr_avg_logprob", "text_disagreement")] == [None] * 4
    assert segment["audio_sha256"] == wrong["audio_sha256"]
    rest = as_heard(before)
    del rest[wrong["segment_id"]]
    assert list(made) == list(rest)
    for name, row in made.items():
        assert (row["text"], row["audio_sha256"], row["characters"]) == tuple(
            rest[name][key] for key in ("text", "audio_sha256", "characters")
        )


def test_it_stands_when_segments_are_cut_anew(line: Line, before: list[Row]) -> None:
    wrong = before[1]
    spans = spans_of(wrong, text="今日天氣好好", speaker="spk-1")
    rows = line.run(line.heard(CHUNKS, line.texts), spans, target_seconds=20.0)["segments"]
    found = next(row for row in rows if row["segment_id"] == wrong["segment_id"])
    assert (found["text"], found["speaker_id"]) == ("今日天氣好好", "spk-1")
    others = "".join(row["text"] for row in rows if row is not found)
    assert others == "".join(row["text"] for row in before if row is not wrong)


def test_it_stands_when_another_recogniser_hears_and_cuts_otherwise(line: Line, before: list[Row]) -> None:
    right = before[1]
    spans = spans_of(right, text=right["text"])
    other = [f"{text[1:-1]}。" for text in line.texts]
    rows = line.run(line.heard([[0], [1, 2], [3]], other), spans, target_seconds=4.0)
    found = next(row for row in rows["segments"] if row["segment_id"] == right["segment_id"])
    assert (found["text"], found["text_source"]) == (right["text"], "corrected")
    assert not any(
        row["start"] < found["end"] - 1e-6 and row["end"] > found["start"] + 1e-6
        for row in rows["segments"]
        if row is not found
    )


def test_accepted_text_is_kept_and_is_no_recognisers_either(line: Line, before: list[Row]) -> None:
    other = [f"{text[1:-1]}。" for text in line.texts]
    spans = spans_of(before[1], accepted=before[1]["text"])
    rows = line.run(line.heard(CHUNKS, other), spans, target_seconds=4.0)["segments"]
    found = next(row for row in rows if row["segment_id"] == before[1]["segment_id"])
    assert (found["text"], found["text_source"], found["confidence"]) == (before[1]["text"], "accepted", None)


def test_a_person_sets_boundaries_drops_and_keeps(line: Line, before: list[Row]) -> None:
    first, second, third = before[:3]
    moved = (first["characters"][-2]["start"] + first["characters"][-2]["end"]) / 2
    spans = (
        *spans_of(first, end=str(moved)),
        *spans_of(second, keep="drop"),
        *spans_of(third, unintelligible="true"),
    )
    rows = line.run(line.heard(CHUNKS, line.texts), spans, target_seconds=4.0)["segments"]
    found = {round(row["start"], 6): row for row in rows}
    assert found[round(first["start"], 6)]["end"] == moved
    assert found[round(second["start"], 6)]["drop_reason"] == "dropped_by_reviewer"
    assert found[round(third["start"], 6)]["drop_reason"] == "unintelligible"
    short = line.run(line.heard(CHUNKS, line.texts), target_seconds=4.0, min_seconds=25.0)["segments"]
    assert {row["drop_reason"] for row in short} == {"too_short"}
    kept = line.run(
        line.heard(CHUNKS, line.texts),
        spans_of(second, keep="keep"),
        target_seconds=4.0,
        min_seconds=25.0,
    )["segments"]
    assert [row["segment_id"] for row in kept if row["decision"] == "keep"] == [second["segment_id"]]


def test_text_that_recognisers_were_not_believed_in_comes_back_by_a_person(line: Line) -> None:
    doubted = line.heard(CHUNKS, line.texts)
    doubted[0] |= {"asr_compression_ratio": 9.0}
    assert line.run(doubted)["transcripts"][0]["decision"] == "drop"
    span = CorrectedSpan(line.turns[1]["start"], line.turns[1]["end"], text=line.texts[1], source="corrected")
    rows = line.run(doubted, (span,), target_seconds=4.0)
    found = next(row for row in rows["segments"] if row["start"] == span.start)
    assert found["text"] == line.texts[1]
    assert found["covered_seconds"] == pytest.approx(span.end - span.start)


def test_a_correction_recomputes_its_recording_alone_and_taken_back_leaves_what_was(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "b1.jsonl").touch()
    lake, stages = Lake(settings.lake), [Transcribe(settings), Align(settings), Score(settings)]
    shared = {"batch": "b1", "dialect": "yue", "collection": "radio", "status": "ok", "duration": 9.0}
    shared |= {"sample_rate": RATE, "provenance": "p"}
    lake.write("recordings", "b1", [shared | {"source": f"yue/{one}.wav", "recording_id": one} for one in ("r1", "r2")])
    entry = {"batch": "b1", "outcome": "passed", "reason": "", "seconds": 9.0, "provenance": "p"}
    for stage in ("ingest", "diarize", "denoise", "recognize", "transcribe", "align"):
        passed = [entry | {"source": f"yue/{one}.wav", "recording_id": one, "stage": stage} for one in ("r1", "r2")]
        lake.write("ledger", ledger.partition("b1", stage), passed)

    def provenances() -> dict[str, list[str]]:
        tasks = [tasks_of(stage, "b1", settings, lake) for stage in stages]
        return {source: [one[source].provenance for one in tasks] for source in tasks[0]}

    bare = provenances()
    store = Corrections.of(settings)
    made = correction("Wang", "r1", 1.0, 5.0, "text", "旧", "新")
    store.add([made, correction("Wang", "r2", 1.0, 5.0, "note", None, "noisy")])
    corrected = provenances()
    assert corrected["yue/r2.wav"] == bare["yue/r2.wav"]
    assert not set(corrected["yue/r1.wav"]) & set(bare["yue/r1.wav"])
    tasks = tasks_of(stages[0], "b1", settings, lake)
    assert tasks["yue/r1.wav"].recording.corrected == (CorrectedSpan(1.0, 5.0, text="新", source="corrected"),)
    back = replace(taking_back(made, "Li"), at=datetime.now(UTC))
    store.add([back], seen=[made.correction_id])
    assert provenances() == bare
    store.add([correction("Li", "r1", 1.0, 5.0, "speaker", None, "Ann")], seen=[made.correction_id, back.correction_id])
    transcribe, align, score = provenances()["yue/r1.wav"]
    assert [transcribe, align] == bare["yue/r1.wav"][:2]
    assert score != bare["yue/r1.wav"][2]
