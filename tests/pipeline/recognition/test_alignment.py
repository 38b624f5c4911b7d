"""Characters are laid where they are heard, whatever the text does, and what cannot be trusted is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio.models import wav2vec2_model

from pipeline.recognition.aligner_model import BLANK, FRAME_SECONDS, HOP, LABELS, AlignerConfig, AlignerNet, encode
from pipeline.recognition.alignment import (
    SAMPLE_RATE,
    AlignmentError,
    CharacterSpan,
    MicroAligner,
    MmsAligner,
    align,
    align_emissions,
    load_aligner,
    speech_seconds,
)
from pipeline.recognition.alignment_gate import gate
from pipeline.text.romanize import Token, romanize

CHECKPOINT = Path(__file__).parents[3] / "checkpoints" / "aligner-micro"


class Written(MicroAligner):
    """Label sequences written out by the test: one certain label a frame."""

    def __init__(self) -> None:
        super().__init__(AlignerNet(AlignerConfig(fine=8, coarse=8, dilations=(1,))).eval())


def emissions(pieces: list[tuple[str, int]], certainty: float = 0.95) -> torch.Tensor:
    """(T, labels) log probabilities of syllables over frame counts; "" is a pause."""
    labels = []
    for syllable, frames in pieces:
        targets = encode(syllable) or [BLANK]
        labels += [targets[min(len(targets) - 1, frame * len(targets) // frames)] for frame in range(frames)]
    probabilities = torch.full((len(labels), len(LABELS)), (1 - certainty) / (len(LABELS) - 1))
    probabilities[torch.arange(len(labels)), labels] = certainty
    return probabilities.log()


def laid(pieces: list[tuple[str, int]], text: list[str]) -> list[tuple[int, int]]:
    """Spans in frames when `text` (syllables, "?" unknown) is aligned to the pieces."""
    tokens = [Token(syllable, syllable, syllable.strip("?")) for syllable in text]
    found = align_emissions(Written(), emissions(pieces), FRAME_SECONDS, tokens, 1e9)
    return [(round(span.start / FRAME_SECONDS), round(span.end / FRAME_SECONDS)) for span in found]


def test_no_two_neighbouring_labels_are_ever_equal():
    for before, after in [("an", "na"), ("a", "a"), ("nan", "nian"), ("m", "m"), ("baa", "aa"), ("e", "en")]:
        sequence = encode(before) + encode(after)
        assert all(a != b for a, b in pairwise(sequence)), (before, after)


@pytest.mark.parametrize(("before", "after"), [("an", "na"), ("a", "a"), ("nan", "nian"), ("m", "m")])
def test_a_boundary_between_like_sounds_needs_no_pause(before: str, after: str):
    assert laid([("", 5), (before, 20), (after, 17), ("", 5)], [before, after]) == [(5, 25), (25, 42)]


def test_a_pause_belongs_to_nobody():
    assert laid([("ba", 20), ("", 50), ("ma", 20)], ["ba", "ma"]) == [(0, 20), (70, 90)]


def test_an_unknown_character_takes_the_speech_between_its_neighbours():
    assert laid([("ba", 20), ("shi", 18), ("", 10), ("ma", 20)], ["ba", "?", "ma"]) == [(0, 20), (20, 38), (48, 68)]


def test_two_unknown_neighbours_need_no_pause_between_them():
    first, *unknown, last = laid([("ba", 20), ("shi", 18), ("lou", 18), ("ma", 20)], ["ba", "?", "?", "ma"])
    assert (first, last) == ((0, 20), (56, 76))
    assert unknown[0][0] == 20
    assert unknown[0][1] == unknown[1][0]
    assert unknown[1][1] == 56


def test_a_wrong_character_keeps_its_place_and_shows_in_its_score():
    pieces = [("ba", 20), ("shi", 18), ("ma", 20)]
    tokens = [Token(syllable, syllable, syllable) for syllable in ("ba", "keng", "ma")]
    spans = align_emissions(Written(), emissions(pieces), FRAME_SECONDS, tokens, 0.58)
    assert [span.start for span in spans] == pytest.approx([0, 0.2, 0.38])
    assert [span.end for span in spans] == pytest.approx([0.2, 0.38, 0.58])
    assert spans[1].score < 0.1 < 0.9 < min(spans[0].score, spans[2].score)


def test_speech_that_the_text_lacks_does_not_stretch_its_neighbours():
    assert laid([("ba", 20), ("shi", 18), ("lou", 18), ("ma", 20)], ["ba", "ma"]) == [(0, 20), (56, 76)]


def test_an_unknown_character_has_score_zero():
    spans = align_emissions(Written(), emissions([("ba", 20)]), FRAME_SECONDS, [Token("𠀀", "", "")], 0.2)
    assert spans[0].score == 0.0


def test_text_longer_than_the_audio_is_an_error_that_says_so():
    tokens = romanize("这段文字太长了", "cmn")
    with pytest.raises(AlignmentError, match=r"7 characters need at least \d+ frames but the audio has 6"):
        align(Written(), np.zeros(6 * HOP, np.float32), tokens)


def test_no_text_gives_no_spans():
    assert align(Written(), np.zeros(HOP, np.float32), []) == []


def test_chunks_leave_no_seams():
    torch.manual_seed(0)
    net = AlignerNet(AlignerConfig(fine=16, coarse=16)).eval()
    samples = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 9 + 77).astype(np.float32)
    whole = net.emissions(samples, chunk_seconds=60.0)
    torch.testing.assert_close(net.emissions(samples, chunk_seconds=1.5), whole, atol=2e-4, rtol=0)
    assert whole.shape == (len(samples) // HOP, len(LABELS))


def test_speech_seconds_counts_what_is_not_blank():
    assert speech_seconds(emissions([("ba", 20), ("", 50)], certainty=1 - 1e-6), FRAME_SECONDS) == pytest.approx(
        0.2, abs=0.01
    )


def test_a_wav2vec2_aligner_gives_one_frame_to_each_20_ms_across_chunks():
    torch.manual_seed(0)
    layers = [(16, 10, 5), (16, 3, 2), (16, 3, 2), (16, 3, 2), (16, 3, 2), (16, 2, 2), (16, 2, 2)]
    labels = {label: index for index, label in enumerate("-abcdefghijklmnopqrstuvwxyz'")}
    model = wav2vec2_model("layer_norm", layers, True, 16, 0.0, 3, 1, 1, 2, 0.0, 32, 0.0, 0.0, True, 0.0, len(labels))
    aligner = MmsAligner(model, labels, name="random")
    samples = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 35).astype(np.float32) * 0.1
    log_probs, seconds = aligner.emissions(samples)
    assert (log_probs.shape, seconds) == ((35 * 50, len(labels)), 0.02)
    spans = align(aligner, samples, romanize("今日天气好", "yue"))
    assert all(0 <= span.start < span.end <= 35 for span in spans)
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(spans))


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        load_aligner(str(tmp_path))


def even(count: int, length: float = 0.2, score: float = 0.9) -> list[CharacterSpan]:
    return [CharacterSpan("字", index * length, (index + 1) * length, score) for index in range(count)]


def test_a_good_alignment_passes_the_gate():
    assert gate(even(10), 2.5) is None


@pytest.mark.parametrize(
    ("spans", "duration", "reason"),
    [
        ([], 1.0, "align_no_text"),
        ([*even(3), CharacterSpan("空", 0.6, 0.6, 0.9)], 1.0, "align_empty_span"),
        ([CharacterSpan("反", 0.5, 0.4, 0.9)], 1.0, "align_empty_span"),
        (even(6), 1.0, "align_outside_clip"),
        ([*even(3), CharacterSpan("回", 0.1, 0.3, 0.9)], 1.0, "align_order"),
        ([*even(3), CharacterSpan("长", 0.6, 3.0, 0.9)], 3.2, "align_long_character"),
        (even(3, length=1.6), 5.0, "align_rate"),
        (even(20, length=0.05), 1.2, "align_rate"),
        (even(10, score=0.1), 2.5, "align_score"),
        (even(10), 9.0, "align_coverage"),
    ],
)
def test_the_gate_says_why_it_refuses(spans: list[CharacterSpan], duration: float, reason: str):
    assert gate(spans, duration) == reason


def test_a_long_pause_is_not_lost_coverage_when_the_speech_is_known():
    assert gate(even(10), 9.0, speech=2.2) is None


def test_speech_without_text_is_lost_coverage():
    assert gate(even(10), 5.0, speech=4.5) == "align_coverage"
