"""Given text lands on the turns in which it is said: by its times, or by the sound where it has none."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.exchange.given import GivenLine
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.lake.tables import span_id
from pipeline.recognition.given_rows import hypothesis_of, of_segment
from pipeline.recognition.given_text import Placement
from pipeline.settings import Settings
from pipeline.stage import Recording
from pipeline.stages.recognize import Recognize
from pipeline.stages.transcribe import Transcribe
from pipeline.stretches import stretches
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices

RATE = 16_000
PAUSE = 0.8


def turn(start: float, end: float, speaker: str = "SPEAKER_00") -> Row:
    start, end = round(start, 3), round(end, 3)
    return {
        "turn_id": span_id("r", start, end),
        "recording_id": "r",
        "start": start,
        "end": end,
        "local_speaker": speaker,
    }


def place(lines: list[GivenLine], turns: list[Row], longest: float = 30.0) -> Placement:
    """Of lines that need no sound."""
    from pipeline.recognition import given_text

    def nothing(wanted: object) -> object:
        raise AssertionError("no sound is needed")

    cutting = given_text.Cutting(longest, join_gap=2.0)
    return given_text.place(lines, turns, None, nothing, "cmn", cutting)  # type: ignore[arg-type]


def spans(placed: Placement) -> list[tuple[float, float, str]]:
    return [(one.start, one.end, one.text) for one in placed.texts]


def test_a_line_inside_a_turn_keeps_its_times_and_the_rest_of_the_turn_is_free() -> None:
    turns = [turn(0.5, 6.0), turn(7.0, 9.0, "B")]
    placed = place([GivenLine(1.0, 2.5004, "阿=婆。")], turns)
    assert spans(placed) == [(1.0, 2.5, "阿婆。")]
    assert placed.texts[0].line.text == "阿=婆。"
    assert [(row["start"], row["end"], row["partly"]) for row in placed.free] == [
        (0.5, 1.0, True),
        (2.5, 6.0, True),
        (7.0, 9.0, False),
    ]


def test_a_line_keeps_its_times_belongs_to_who_speaks_most_of_it_and_is_left_out_where_nobody_does() -> None:
    turns = [turn(1.0, 3.0, "A"), turn(3.0, 8.0, "B")]
    placed = place([GivenLine(0.0, 2.9, "一"), GivenLine(2.9, 7.0, "二"), GivenLine(8.5, 9.0, "三")], turns)
    assert spans(placed) == [(0.0, 2.9, "一"), (2.9, 7.0, "二")]
    assert [one.turn_id for one in placed.texts] == [turns[0]["turn_id"], turns[1]["turn_id"]]


def test_turns_are_not_joined_over_given_text() -> None:
    turns = [turn(0.0, 3.0), turn(3.5, 4.5), turn(5.0, 8.0)]
    placed = place([GivenLine(3.4, 4.6, "一")], turns)
    assert [(one.start, one.end) for one in stretches(placed.free, 2.0)] == [(0.0, 3.0), (5.0, 8.0)]
    assert len(stretches(turns, 2.0)) == 1


def test_lines_that_overlap_a_little_part_at_the_turns_border_and_a_covered_one_is_left_out() -> None:
    turns = [turn(0.0, 4.2, "A"), turn(4.2, 9.0, "B")]
    lines = [GivenLine(0.0, 5.0, "一", "甲"), GivenLine(1.0, 2.0, "嗯", "乙"), GivenLine(4.0, 9.0, "二", "乙")]
    placed = place(lines, turns)
    assert spans(placed) == [(0.0, 4.2, "一"), (4.2, 9.0, "二")]
    assert [one.number for one in placed.texts] == [0, 2]


def test_without_given_text_every_turn_is_free() -> None:
    turns = [turn(0.0, 4.0)]
    assert [row["turn_id"] for row in place([GivenLine(0.0, 1.0, "  ")], turns).free] == [turns[0]["turn_id"]]


@dataclass
class Scene:
    recording: Recording
    sentences: list[str]
    truth: list[tuple[float, float]]


def scene(folder: Path, dialect: str = "cmn", count: int = 5, without: tuple[int, ...] = ()) -> Scene:
    """Held-out sentences of one held-out voice; those of `without` are said but not in the text."""
    draw = random.Random(8)
    voice = voices(held_out=True)[0]
    pieces, truth, sentences = [np.zeros(RATE // 2, np.float32)], [], []
    for number in range(count):
        sentence = scripts.sentence(dialect, draw, held_out=True)
        said = speak(sentence, voice, seed=number)
        samples = clips.resample(said.samples, said.sample_rate, RATE)
        start = sum(map(len, pieces)) / RATE
        pieces += [samples, np.zeros(round(PAUSE * RATE), np.float32)]
        if number not in without:
            truth.append((start + said.spans[0].start, start + said.spans[-1].end))
            sentences.append(sentence.text)
    samples = np.concatenate(pieces)
    path = folder / "x.flac"
    path.write_bytes(clips.encode_flac(samples, RATE))
    recording = Recording(f"{dialect}/a/x.flac", str(path), "b", dialect, "a", "r", samples.size / RATE, RATE)
    return Scene(recording, sentences, truth)


def transcribed(made: Scene, given: list[GivenLine], turns: list[Row], **settings: object) -> list[Row]:
    """The rows of table transcripts, by both stages; their ledgers add up."""
    configured = Settings.model_validate({"transcribe": settings})
    recording = replace(made.recording, given=tuple(given))
    recognize = Recognize(configured)
    recognize.load()
    heard = recognize.process(recording, {"turns": turns})
    stored = to_rows(to_table("hypotheses", [row | {"batch": "b", "provenance": "p"} for row in heard.rows]))
    result = Transcribe(configured).process(recording, {"hypotheses": stored, "turns": turns})
    to_table("transcripts", [row | {"batch": "b", "provenance": "p"} for row in result.rows])
    total = sum(row["end"] - row["start"] for row in turns)
    passed = sum(entry.seconds for entry in heard.ledger if entry.outcome == "passed")
    assert sum(entry.seconds for entry in heard.ledger) == pytest.approx(total, abs=1e-6)
    assert sum(entry.seconds for entry in result.ledger) == pytest.approx(passed, abs=1e-6)
    rows = sorted(result.rows, key=lambda row: row["start"])
    assert all(one["end"] <= two["start"] + 1e-9 for one, two in pairwise(rows))
    return rows


def given_rows(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["text_source"] == "given"]


@pytest.mark.parametrize("dialect", ["cmn", "yue"])
def test_a_text_without_times_is_found_and_what_it_lacks_is_recognised(tmp_path: Path, dialect: str) -> None:
    made = scene(tmp_path, dialect, without=(2,))
    whole = [turn(0.0, made.recording.duration)]
    text = "".join(made.sentences[:2]) + "\n" + "".join(made.sentences[2:])
    lines = [GivenLine(None, None, one, gloss=f"g{number}") for number, one in enumerate(text.split("\n"))]
    result = transcribed(made, lines, whole, max_seconds=30.0)
    rows = given_rows(result)
    assert "".join(row["text"] for row in rows) == "".join(made.sentences)
    for row, sentence, (start, end) in zip(rows, made.sentences, made.truth, strict=True):
        assert row["text"] == sentence
        assert row["start"] <= start + 0.05
        assert row["end"] >= end - 0.05
        assert row["end"] - row["start"] < end - start + 2 * 0.35
    assert [row["gloss"] for row in rows] == ["g0", "g0", "g1", "g1"]
    heard = [row for row in result if row["text_source"] == "recognised" and row["decision"] == "keep"]
    assert len(heard) == 1
    assert rows[1]["end"] <= heard[0]["start"] < heard[0]["end"] <= rows[2]["start"]


def test_a_line_over_two_turns_stays_one_and_accounts_for_what_lies_in_them(tmp_path: Path) -> None:
    made = scene(tmp_path, count=2)
    (first, second), text = made.truth, "".join(made.sentences)
    turns = [turn(first[0] - 0.1, first[1] + 0.1), turn(second[0] - 0.1, second[1] + 0.1)]
    end = made.recording.duration
    (row,) = given_rows(transcribed(made, [GivenLine(0.0, end, text, "老王", ipa="x")], turns, max_seconds=30.0))
    assert (row["start"], row["end"]) == (0.0, round(end, 3))
    assert row["covered_seconds"] == pytest.approx(sum(one["end"] - one["start"] for one in turns))
    assert (row["text"], row["given_speaker"], row["ipa"], row["given_text"]) == (text, "老王", "x", text)


def test_a_line_that_reaches_into_anothers_turn_accounts_for_its_speakers_seconds_alone() -> None:
    turns = [turn(1.0, 3.0, "A"), turn(3.0, 8.0, "B")]
    (one,) = place([GivenLine(1.0, 3.5, "一")], turns).texts
    recording = Recording("cmn/a/x.flac", "x.flac", "b", "cmn", "a", "r", 9.0, RATE)
    row = hypothesis_of(recording, one, turns)
    assert (row["turn_id"], row["start"], row["end"]) == (turns[0]["turn_id"], 1.0, 3.5)
    assert row["covered_seconds"] == pytest.approx(2.0)


def test_a_line_longer_than_the_recogniser_takes_is_cut(tmp_path: Path) -> None:
    made = scene(tmp_path, count=4)
    end = made.recording.duration
    result = transcribed(made, [GivenLine(0.0, end, "".join(made.sentences))], [turn(0.0, end)], max_seconds=6.0)
    rows = given_rows(result)
    assert "".join(row["text"] for row in rows) == "".join(made.sentences)
    assert max(row["end"] - row["start"] for row in rows) <= 6.0
    assert len(rows) > 1


def test_with_both_a_text_that_is_not_said_is_doubted_and_not_changed(tmp_path: Path) -> None:
    made = scene(tmp_path, count=3)
    texts = [made.sentences[0], "这里写的完全是另外一句话", made.sentences[2]]
    lines = [GivenLine(start - 0.1, end + 0.1, one) for one, (start, end) in zip(texts, made.truth, strict=True)]
    whole = [turn(0.0, made.recording.duration)]
    rows = given_rows(transcribed(made, lines, whole, text="both", max_disagreement=0.75))
    assert [row["text"] for row in rows] == texts
    assert [row["text_doubt"] for row in rows] == [False, True, False]
    assert rows[1]["text_disagreement"] > 0.75 > rows[0]["text_disagreement"]
    assert all(row["recognised_text"] for row in rows)


def test_with_recognised_the_given_text_is_left_alone(tmp_path: Path) -> None:
    made = scene(tmp_path, count=1)
    lines = [GivenLine(0.0, made.recording.duration, made.sentences[0])]
    result = transcribed(made, lines, [turn(0.0, made.recording.duration)], text="recognised")
    assert result
    assert given_rows(result) == []


def test_a_segment_has_what_its_transcripts_were_given_once() -> None:
    row = {
        "text_source": "given",
        "given_text": "阿=婆",
        "gloss": "奶奶",
        "text_disagreement": 0.25,
        "text_doubt": False,
    }
    found = of_segment([(row, 2.0), (row, 1.0), ({"text_source": "recognised"}, 1.0)])
    assert (found["text_source"], found["gloss"], found["given_text"]) == ("mixed", "奶奶", "阿=婆")
    assert found["text_disagreement"] == pytest.approx(0.25)
    assert found["text_doubt"] is False
    assert of_segment([({"text_source": "recognised"}, 1.0)])["text_doubt"] is None
