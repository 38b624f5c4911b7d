"""From the desk into the corpus: ten segments corrected by keyboard are in training set and release, and stay."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chromium import Chromium
from desk_served import served

from pipeline import batches, ledger, stage_list
from pipeline.audio.clips import read, to_int16
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.corpus.training_set import build_training_set
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.releases.create import Wish, create
from pipeline.run import run_stage
from pipeline.settings import Engine, Score, Settings
from studio import scripts, synthesis, voices

BATCH, DIALECT, SOURCE, RATE = "b00001", "cmn-sichuan", "cmn-sichuan/market/day.wav", 22_050
SENTENCES, CORRECTED = 18, 10
READY = "document.getElementById('segment')?.classList.contains('ready') === true"
BEFORE = ("ingest", "diarize", "denoise", "recognize")
AFTER = ("transcribe", "align", "score", "identify")


class Corpus:
    """A recording of eighteen sentences that a recogniser got wrong, and the stages from its text to the corpus."""

    def __init__(self, root: Path) -> None:
        score = Score(min_seconds=1.0, target_seconds=2.0, join_gap_seconds=0.3)
        self.settings = Settings(workspace=root, engine=Engine(workers=1), score=score)
        self.lake = Lake(self.settings.lake)
        draw = random.Random(5)
        (voice,) = voices.cast(1, draw)
        pieces, self.turns, self.texts, at = [np.zeros(RATE, np.float32)], [], [], 1.0
        while len(self.texts) < SENTENCES:
            said = synthesis.speak(scripts.sentence(DIALECT, draw), voice, seed=len(self.texts))
            if said.duration < 1.5 or said.sentence.text in self.texts:
                continue
            self.texts.append(said.sentence.text)
            self.turns.append((round(at, 3), round(at + said.duration, 3)))
            pieces += [said.samples, np.zeros(RATE, np.float32)]
            at = sum(map(len, pieces)) / RATE
        self._land(np.concatenate(pieces))
        self.hear([_wrong(text) for text in self.texts], "heard-1")

    def hear(self, texts: Sequence[str], provenance: str) -> None:
        """What diarization and one recogniser make of the recording."""
        shared = {"recording_id": self.recording_id, "batch": BATCH, "provenance": provenance}
        turns, denoised, hypotheses = [], [], []
        for (start, end), text in zip(self.turns, texts, strict=True):
            turn = shared | {"turn_id": span_id(self.recording_id, start, end), "start": start, "end": end}
            turns.append(turn | {"local_speaker": "S0", "overlap_share": 0.0, "embedding": [1.0, 0.0, 0.0]})
            denoised.append(turn | {"applied": False, "reason": "clean"})
            heard = {"transcript_id": turn["turn_id"], "covered_seconds": end - start, "recognizer": "whisper-micro"}
            heard |= {"text": text, "language": "zh", "asr_avg_logprob": -0.1, "asr_no_speech_prob": 0.0}
            hypotheses.append(turn | heard | {"asr_compression_ratio": 1.0, "decision": "keep"})
        for table, rows in (("turns", turns), ("denoised", denoised), ("hypotheses", hypotheses)):
            self.lake.write(table, BATCH, rows)
        spoken = sum(end - start for start, end in self.turns)
        for stage in BEFORE:
            entry = shared | {"source": SOURCE, "stage": stage, "outcome": "passed", "reason": "", "seconds": spoken}
            entries = [entry | {"seconds": self.duration}] if stage == "ingest" else [entry]
            if stage == "diarize":
                silent = {"outcome": "dropped", "reason": "non_speech", "seconds": self.duration - spoken}
                entries.append(entry | silent)
            self.lake.write("ledger", ledger.partition(BATCH, stage), entries)

    def run(self) -> None:
        """As `fangyan run` does: the stages of the batch, then the corpus and the training set."""
        for stage in AFTER:
            run_stage(stage_list.build_stage(stage, self.settings), BATCH, self.settings)
        assert ledger.leaks(self.lake, BATCH) == []
        build_speakers(self.lake, self.settings)
        build_corpus(self.lake, self.settings)
        build_training_set(self.lake, self.settings, DIALECT)

    def segments(self) -> dict[str, Row]:
        """Kept segments by id."""
        rows = self.lake.rows("segments", None, ("segment_id", "start", "end", "text", "text_source", "decision"))
        return {
            row["segment_id"]: row for row in sorted(rows, key=lambda row: row["start"]) if row["decision"] == "keep"
        }

    def said_at(self, time: float) -> str:
        """The sentence that is said at a time."""
        return next(text for (start, end), text in zip(self.turns, self.texts, strict=True) if start <= time <= end)

    def _land(self, samples: np.ndarray) -> None:
        file = self.settings.landing / SOURCE
        file.parent.mkdir(parents=True)
        soundfile.write(file, to_int16(samples), RATE)
        scopes = ["asr", "tts_training", "publication"]
        consent = {"consent_id": "c-1", "subject": "Ann", "recordings": [SOURCE], "scopes": scopes}
        (self.settings.landing / "consents.jsonl").write_text(json.dumps(consent) + "\n", encoding="utf-8")
        (batch,) = batches.plan(self.settings.landing, self.settings.root, self.settings, 0.0, close_all=True)
        assert batch == BATCH
        sound = hashlib.sha256(to_int16(read(file)).tobytes()).hexdigest()
        self.recording_id = sound[:16]
        self.duration = len(samples) / RATE
        facts = {"recording_id": self.recording_id, "batch": BATCH, "provenance": "p", "source": SOURCE}
        facts |= {"dialect": DIALECT, "collection": "market", "status": "ok", "consent_id": "c-1", "metadata": {}}
        facts |= {"file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "audio_sha256": sound}
        self.lake.write("recordings", BATCH, [facts | {"duration": self.duration, "sample_rate": RATE, "channels": 1}])


def _wrong(text: str) -> str:
    """With one character heard as another; wrong twice it is wrong otherwise."""
    return ("他" if text[0] != "他" else "我") + text[1:]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = Corpus(tmp_path_factory.mktemp("corrected"))
    made.run()
    return made


@pytest.fixture(scope="module")
def address(corpus: Corpus) -> Iterator[str]:
    with served(corpus.settings) as there:
        yield there


def go_on_to(browser: Chromium, segment_id: str) -> None:
    """Until the page of a segment is there; what was dropped before it is passed over with the key for the next."""
    browser.wait(f"location.pathname.startsWith('/segment/') && {READY}")
    while not browser.value("location.pathname").endswith(segment_id):
        page = browser.value("location.pathname")
        assert page.rpartition("/")[2] < segment_id, page
        browser.press("n")
        browser.wait(f"location.pathname !== '{page}' && {READY}")


def test_ten_segments_corrected_by_keyboard_are_in_training_set_and_release_whatever_is_heard_then(
    corpus: Corpus, address: str, browser: Chromium
) -> None:
    before = corpus.segments()
    assert {row["text_source"] for row in before.values()} == {"recognised"}
    right = {name: corpus.said_at((row["start"] + row["end"]) / 2) for name, row in before.items()}
    chosen = list(before)[:CORRECTED]
    assert len(chosen) == CORRECTED

    browser.visit(f"{address}/browse", 1280, 900)
    browser.wait(f"document.querySelector('a[href*=\"{chosen[0]}\"]') !== null")
    browser.value(f"document.querySelector('a[href*=\"{chosen[0]}\"]').click()")
    for segment_id in chosen:
        go_on_to(browser, segment_id)
        browser.press(" ")
        browser.wait("document.getElementById('segment').player.listened > 0.5")
        browser.press("t")
        browser.value("document.activeElement.select()")
        browser.call("Input.insertText", text=right[segment_id])
        browser.press("Enter", control=True)
        browser.wait(f"!location.pathname.endsWith('{segment_id}')")
    assert browser.complaints() == []

    corpus.hear([_wrong(_wrong(text)) for text in corpus.texts], "heard-2")
    corpus.run()
    after = corpus.segments()
    assert {name for name, row in after.items() if row["text_source"] == "corrected"} == set(chosen)
    assert {name: after[name]["text"] for name in chosen} == {name: right[name] for name in chosen}
    others = [name for name in after.keys() & before.keys() if name not in chosen]
    assert all(after[name]["text"] != before[name]["text"] for name in others)
    trained = {row["segment_id"]: row["text"] for row in corpus.lake.rows("training_set", DIALECT)}
    in_training = [name for name in chosen if name in trained]
    assert len(in_training) >= CORRECTED // 2
    assert all(trained[name] == right[name] for name in in_training)
    released = {row["segment_id"]: row["text"] for row in create(corpus.settings, Wish("corrected-1")).segments}
    assert {name: released[name] for name in chosen} == {name: right[name] for name in chosen}

    browser.visit(f"{address}/segment/{chosen[0]}", 1280, 900)
    browser.wait(READY)
    assert browser.value("document.forms.correction.text.value") == right[chosen[0]]
    assert "corrected, not yet run" not in browser.value("document.body.textContent")
