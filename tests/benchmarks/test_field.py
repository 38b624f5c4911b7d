"""The benchmark of labelled folders, on a folder of studio speech with the embedded checkpoints."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from benchmarks.field import measures, peers, system
from benchmarks.field.__main__ import _configurations, measure
from benchmarks.field.recordings import BadFolder, LabelledRecording, SpokenTurn, chosen, code_of, read_folder
from pipeline import stage_list
from studio import espeak, scripts, synthesis
from studio.voices import voices

RATE = espeak.SAMPLE_RATE
PAUSE = np.zeros(RATE // 2, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Mandarin files, a Sichuan one of two speakers with RTTM, an English word for a region, and white noise."""
    root = tmp_path_factory.mktemp("labelled")
    draw = random.Random(4)
    rows, turns = [], []

    def say(dialect: str, place: int) -> tuple[str, np.ndarray]:
        sentence = scripts.sentence(dialect, draw)
        spoken = synthesis.speak(sentence, voices()[place], seed=place)
        return sentence.text, np.asarray(spoken.samples, np.float32)

    def write(name: str, label: str, text: str, samples: np.ndarray) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, samples, RATE)
        rows.append({"file": name, "dialect": label, "text": text, "speaker": ""})

    for number in range(2):
        text, samples = say("cmn", 3 + number)
        write(f"cmn/one{number}.wav", "cmn", text, np.concatenate([PAUSE, samples, PAUSE]))
    parts, reached = [PAUSE], 0.5
    texts = []
    for place, who in ((5, "ann"), (22, "ben")):
        text, samples = say("cmn-sichuan", place)
        turns.append(f"SPEAKER both 1 {reached:.3f} {len(samples) / RATE:.3f} <NA> <NA> {who} <NA> <NA>\n")
        reached += len(samples) / RATE + 0.5
        parts += [samples, PAUSE]
        texts.append(text)
    write("cmn-sichuan/session_both.wav", "cmn-sichuan", "".join(texts), np.concatenate(parts))
    (root / "cmn-sichuan" / "who.rttm").write_text("".join(turns))
    noise = 0.05 * np.random.default_rng(1).standard_normal(4 * RATE).astype(np.float32)
    write("x-noise/white.wav", "x-noise", "", noise)
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root


@pytest.mark.slow
@pytest.mark.long
def test_every_figure_of_a_labelled_folder_is_measured_and_a_second_run_computes_nothing(folder: Path, tmp_path: Path):
    recordings = read_folder(folder, {})
    configurations = _configurations([], "", "", "default", tmp_path)
    report = measure(recordings, configurations, ["faster-whisper"], tmp_path, Console(quiet=True))
    found = report["dialects"]
    assert set(found) == {"cmn", "cmn-sichuan", "x-noise", "all"}
    assert found["cmn"]["n"] == 2
    assert found["cmn"]["cer_low"] <= found["cmn"]["cer"] <= found["cmn"]["cer_high"]
    assert found["cmn"]["peer_cer"] >= 0
    assert found["cmn"]["difference"] == pytest.approx(found["cmn"]["cer"] - found["cmn"]["peer_cer"])
    assert 0 <= found["cmn"]["dropped_share"] <= 1
    assert 0 <= found["cmn-sichuan"]["der"] < 0.5
    assert "der" not in found["cmn"]
    assert found["x-noise"]["hallucinated_s"] == 0
    configuration = report["configurations"]["fangyan"]
    assert configuration["unbalanced"] == configuration["quarantined"] == []
    assert set(configuration["times"]) == set(stage_list.names())
    lost = found["cmn"]["lost_s"]
    whole = found["cmn"]["kept_share"] * found["cmn"]["peer_speech_s"]
    assert sum(lost.values()) + whole == pytest.approx(found["cmn"]["peer_speech_s"])
    again = measure(recordings, configurations, ["faster-whisper"], tmp_path, Console(quiet=True))
    assert json.dumps(again) == json.dumps(report | {"conditions": again["conditions"]})


def test_a_label_that_is_no_dialect_is_taken_as_the_one_it_begins_with_or_as_mandarin():
    assert code_of("en-ami", {}) == "en"
    assert code_of("cmn-sichuan", {}) == "cmn-sichuan"
    assert code_of("x-nanjing", {}) == "cmn"
    assert code_of("x-nanjing", {"x-nanjing": "wuu"}) == "wuu"


def test_a_table_that_names_no_file_is_an_error_with_its_line(tmp_path: Path):
    (tmp_path / "index.csv").write_text("file,dialect,text\nmissing.wav,cmn,你好\n")
    with pytest.raises(BadFolder, match=r"index.csv, line 2: .*missing.wav does not exist"):
        read_folder(tmp_path, {})
    with pytest.raises(BadFolder, match=r"holds no index.csv or metadata.csv"):
        read_folder(tmp_path / "nothing", {})


def test_a_limit_takes_so_many_of_each_label(folder: Path):
    names = [one.name for one in chosen(read_folder(folder, {}), ["cmn", "x-noise"], 1)]
    assert names == ["cmn/one0.wav", "x-noise/white.wav"]
    with pytest.raises(BadFolder, match="nothing is labelled yue"):
        chosen(read_folder(folder, {}), ["yue"], None)


def _outcome(written: str, kept: str, states: list[str], turns: tuple = ()) -> system.Outcome:
    return system.Outcome(
        seconds=len(states) / system.FRAMES_PER_SECOND,
        states=np.array(states, dtype="<U64"),
        written=written,
        kept_text=kept,
        kept_whole=written == kept,
        text_seconds=1.0 if kept else 0.0,
        aligned=1,
        refused=0,
        scores=(0.5,),
        turns=turns,
    )


def _recording(label: str = "cmn", text: str = "", turns: tuple[SpokenTurn, ...] | None = None) -> LabelledRecording:
    return LabelledRecording(Path("a.wav"), "a", label, "cmn", text, "", turns)


def test_what_the_peer_wrote_right_and_the_pipeline_dropped_is_counted_apart_from_its_errors():
    heard = {"a": peers.Heard("今天天气很好", [[0.0, 2.0]], [[0.0, 1.5]], 2.0, 1.0, 1.0)}
    states = [system.KEPT] * 100 + ["transcribe:no_speech"] * 50 + ["diarize:non_speech"] * 50
    found = measures.figures(
        [_recording(text="今天天气很好")], {"a": _outcome("今天添气很好", "今天添气", states)}, heard
    )
    assert found["cer"] == pytest.approx(1 / 6)
    assert found["peer_cer"] == 0
    assert found["right_dropped_share"] == pytest.approx(2 / 6)
    assert found["peer_speech_s"] == pytest.approx(1.5)
    assert found["dropped_share"] == pytest.approx(1 / 3)
    assert found["lost_s"] == {"transcribe:no_speech": 0.5}


def test_segments_that_a_policy_leaves_out_are_not_judged_away():
    heard = {"a": peers.Heard("好", [[0.0, 1.0]], [[0.0, 1.0]], 1.0, 1.0, 1.0)}
    found = measures.figures([_recording()], {"a": _outcome("好", "好", ["score:too_short"] * 100)}, heard)
    assert found["dropped_share"] == 0
    assert found["kept_share"] == 0


def test_text_of_a_recording_without_speech_is_made_up():
    heard = {"a": peers.Heard("词词词", [[0.0, 1.0]], [], 1.0, 1.0, 1.0)}
    found = measures.figures([_recording("x-music")], {"a": _outcome("好", "好", [system.KEPT] * 100)}, heard)
    assert found["hallucinated_s"] == 1.0
    assert found["peer_hallucinated_s"] == 1.0
    assert "dropped_share" not in found


def test_speakers_who_are_merged_are_counted_and_their_time_is_confused():
    truth = (SpokenTurn(0.0, 1.0, "ann"), SpokenTurn(1.0, 2.0, "ben"))
    one = _outcome("", "", ["diarize:non_speech"] * 200, ((0.0, 2.0, "SPEAKER_00"),))
    found = measures.figures([_recording(turns=truth)], {"a": one}, {})
    assert found["der"] == pytest.approx(0.5)
    assert found["speaker_count_error"] == 1
    assert found["speaker_count_bias"] == -1


def test_whisperx_is_run_by_another_python_and_what_keeps_it_from_running_is_said(tmp_path: Path):
    def asked(python: str) -> None:
        peers.hear("whisperx", [], "any", "default", tmp_path / "kept.json", lambda done, of: None, python)

    with pytest.raises(peers.PeerMissing, match="environment of its own and name that Python by --whisperx-python"):
        asked(sys.executable)
    with pytest.raises(peers.PeerMissing, match="--whisperx-python /nowhere/python: No such file"):
        asked("/nowhere/python")
    # An environment without it: the worker ends, and what it printed is above.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(peers.PeerMissing, match="it ended with 1; its words are above"):
        asked(str(bare))
