"""Duplicates are found by what was heard, through encodings, noise and cuts, and repeating a sentence is none."""

from __future__ import annotations

import io
import itertools
import random

import av
import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.corpus.dedup import exact_pairs, fingerprint, keepers, samples_sha256, similarity
from studio import scripts, synthesis, voices
from studio.noise import level_for_snr, noise
from tests.helpers.corpus_arrays import Said, candidate_pairs

SAME_EVENT = 0.9


def said(number: int, again: int = 0, voice: int | None = None) -> np.ndarray:
    """Two sentences of about 5 s together, float32 (T,) at 22,050 Hz; `again` says them another time."""
    draw = random.Random(number)
    lines = [scripts.sentence(scripts.DIALECTS[number % 4], draw) for _ in range(2)]
    speaker = voices.voices()[(number * 7 if voice is None else voice) % len(voices.voices())]
    return np.concatenate([synthesis.speak(line, speaker, seed=1000 * again + number).samples for line in lines])


RATE = 22_050


def noisy(samples: np.ndarray, snr: float, kind: str, seed: int) -> np.ndarray:
    hiss = noise(kind, len(samples), RATE, np.random.default_rng(seed))  # type: ignore[arg-type]
    return (samples + hiss * level_for_snr(samples, np.abs(samples) > 1e-4, snr)).astype(np.float32)


def through_mp3(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The same sound after MP3 at 32 kbit/s, with the delay that the encoder adds."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE)
        stream.bit_rate, stream.layout = 32_000, "mono"
        frame = av.AudioFrame.from_ndarray(clips.to_int16(samples)[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        converted = av.AudioResampler(format=stream.format, layout="mono", rate=RATE, frame_size=1152)
        for piece in [*converted.resample(frame), *converted.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return clips.decode_bytes(file.getvalue())


@pytest.mark.parametrize("number", range(6))
def test_one_event_is_known_through_encoding_noise_level_and_cut(number: int) -> None:
    samples = said(number)
    first = fingerprint(noisy(samples, 20, "pink", number), RATE)
    assert similarity(first, fingerprint(*through_mp3(samples))) > SAME_EVENT
    assert similarity(first, fingerprint(noisy(samples, 10, "white", number), RATE)) > SAME_EVENT
    cut = 0.3 * samples[round(0.08 * RATE) : -round(0.05 * RATE)]
    assert similarity(first, fingerprint(noisy(cut, 15, "street", number), RATE)) > SAME_EVENT
    assert similarity(first, fingerprint(clips.resample(samples, RATE, 8000), 8000)) > SAME_EVENT


@pytest.mark.parametrize("number", range(6))
def test_the_sentence_said_again_or_by_somebody_else_is_another_event(number: int) -> None:
    first = fingerprint(said(number), RATE)
    assert similarity(first, fingerprint(said(number, again=1), RATE)) < SAME_EVENT
    assert similarity(first, fingerprint(said(number, voice=number * 7 + 3), RATE)) < SAME_EVENT
    assert similarity(first, fingerprint(said(number + 4), RATE)) < 0.6


def test_silence_and_very_short_sounds_have_a_fingerprint() -> None:
    silence = fingerprint(np.zeros(100, np.float32), 16_000)
    assert silence.shape[0] >= 1
    assert similarity(silence, silence) == 0.0


def test_exact_duplicates_have_the_same_samples_at_the_same_rate() -> None:
    samples = np.arange(100, dtype=np.int16)
    assert samples_sha256(samples, 16_000) == samples_sha256(samples.copy(), 16_000)
    assert samples_sha256(samples, 16_000) != samples_sha256(samples, 8000)
    hashes = np.array([[1, 7], [1, 7], [2, 7], [0, 0], [0, 0], [1, 7], [1, 8]], np.uint64)
    ids = list("bacdefg")
    pairs = exact_pairs(hashes, lambda rows: [ids[row] for row in rows])
    assert [(ids[one], ids[two]) for one, two in pairs] == [("a", "b"), ("a", "f")]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bound", [0.95, 0.9, 0.8])
def test_candidates_are_just_the_pairs_of_like_text_and_length(seed: int, bound: float) -> None:
    """Against all pairs compared one by one."""
    from rapidfuzz.distance import Levenshtein

    draw = random.Random(seed)
    texts = ["".join(draw.choice("天地玄黄宇宙洪荒日月盈昃") for _ in range(draw.randint(2, 60))) for _ in range(60)]
    segments = []
    for number in range(300):
        text = list(draw.choice(texts))
        for _ in range(draw.choice([0, 0, 1, 2, 4])):
            text[draw.randrange(len(text))] = draw.choice("春夏秋冬")
        seconds = draw.choice([8.0, 8.2, 8.45, 8.5, 8.6, 9.3])
        segments.append(Said(f"s{number:03d}", "".join(text), seconds))
    expected = {
        (one.segment_id, two.segment_id)
        for one, two in itertools.combinations(segments, 2)
        if abs(one.seconds - two.seconds) <= 0.5 and Levenshtein.normalized_similarity(one.text, two.text) >= bound
    }
    found = candidate_pairs(segments, bound)
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_greeting_that_everybody_says_costs_no_more_a_segment_than_a_rare_sentence() -> None:
    rare = [Said(f"s{number:04d}", "欢迎收听今天的节目", 5.0) for number in range(1000)]
    assert len(candidate_pairs(rare, 0.95)) <= 100 * len(rare)
    often = [Said(f"s{number:05d}", "欢迎收听今天的节目", 5.0 + number % 7 / 100) for number in range(20_000)]
    found = candidate_pairs(often, 0.95)
    assert len(found) <= 10 * len(often)
    # Those of the same length meet first.
    length = {one.segment_id: one.seconds for one in often}
    assert all(abs(length[one] - length[two]) < 0.011 for one, two in found)


def test_short_and_empty_texts_do_not_break_the_search() -> None:
    segments = [Said(name, text, 10.0) for name, text in (("a", ""), ("b", "好"), ("c", "好"), ("d", "不好"))]
    assert candidate_pairs(segments, 0.95) == [("b", "c")]
    assert candidate_pairs(segments[:1], 0.5) == []


def test_the_best_sounding_of_a_group_is_kept_and_at_a_tie_the_smallest_id() -> None:
    ids = "abcdefgh"
    dnsmos = np.array([3.0, 3.4, 3.4, 2.0, 2.0, 5.0, 5.0, 5.0], np.float32)
    pairs = np.array([(0, 1), (2, 1), (3, 4)])
    gone, kept = keepers(pairs, dnsmos, lambda rows: [ids[row] for row in rows])
    assert {ids[row]: ids[instead] for row, instead in zip(gone, kept, strict=True)} == {"a": "b", "c": "b", "e": "d"}
