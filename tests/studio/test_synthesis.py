"""An utterance: the same bytes for the same seed, spans where the voice is, and voices that differ as people do."""

import hashlib
import itertools
import random
import subprocess
import sys

import numpy as np
import parselmouth
import pytest

from studio import synthesis, voices
from studio.speech import Sentence, Utterance, Voice

SENTENCES = {
    "cmn": ("今天天气很好我们去公园", "jin1 tian1 tian1 qi4 hen3 hao3 wo3 men5 qu4 gong1 yuan2"),
    "yue": ("今日天氣好好我哋去公園", "gam1 jat6 tin1 hei3 hou2 hou2 ngo5 dei6 heoi3 gung1 jyun2"),
    "cmn-sichuan": ("今天天气巴适我们去公园", "jin1 tian1 tian1 qi4 ba1 shi4 wo3 men5 qu4 gong1 yuan2"),
    "cmn-tianjin": ("今天天气倍好咱们去公园", "jin1 tian1 tian1 qi4 bei4 hao3 zan2 men5 qu4 gong1 yuan2"),
}


def _sentence(dialect: str) -> Sentence:
    text, syllables = SENTENCES[dialect]
    return Sentence(dialect, text, tuple(text), tuple(syllables.split()), breaks=(5,))


def _level(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


@pytest.mark.parametrize("dialect", list(SENTENCES))
def test_one_seed_gives_one_utterance_in_any_process(dialect: str):
    sentence, voice = _sentence(dialect), voices.voices()[20]
    synthesis.speak(_sentence("yue"), voices.voices()[3], seed=8)
    here = synthesis.speak(sentence, voice, seed=5)
    code = (
        "import hashlib\nfrom studio import synthesis, voices\nfrom studio.speech import Sentence\n"
        f"u = synthesis.speak({sentence!r}, voices.voices()[20], seed=5)\n"
        "print(hashlib.sha256(u.samples.tobytes()).hexdigest(), u.spans)"
    )
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert there == f"{hashlib.sha256(here.samples.tobytes()).hexdigest()} {here.spans}"
    assert not np.array_equal(here.samples[:4000], synthesis.speak(sentence, voice, seed=6).samples[:4000])


@pytest.mark.parametrize("dialect", list(SENTENCES))
def test_spans_are_ordered_inside_the_clip_and_where_the_voice_is(dialect: str):
    for voice in (*voices.voices()[::23], *voices.voices(held_out=True)[::11]):
        utterance = synthesis.speak(_sentence(dialect), voice, seed=2)
        spans = utterance.spans
        assert [span.character for span in spans] == list(utterance.sentence.characters)
        assert all(0.03 < span.end - span.start < 0.7 for span in spans)
        assert all(one.end <= two.start + 1e-9 for one, two in itertools.pairwise(spans))
        edge = synthesis.EDGE / voice.formant_shift
        assert spans[0].start == pytest.approx(edge, abs=1e-3)
        assert utterance.duration - spans[-1].end == pytest.approx(edge, abs=2e-3)
        assert utterance.samples.dtype == np.float32
        assert np.abs(utterance.samples).max() <= synthesis.RMS * 14
        assert _inside_above_outside(utterance) > 20, voice


def _inside_above_outside(utterance: Utterance) -> float:
    """Decibels by which audio inside the spans is above audio outside, 10 ms at each border left aside."""
    inside = np.zeros(len(utterance.samples), bool)
    outside = np.ones(len(utterance.samples), bool)
    for span in utterance.spans:
        first, last = (round(time * utterance.sample_rate) for time in (span.start, span.end))
        inside[first:last] = True
        outside[first - 220 : last + 220] = False
    return _level(utterance.samples[inside]) - _level(utterance.samples[outside])


def test_a_break_is_a_pause():
    utterance = synthesis.speak(_sentence("cmn"), voices.voices()[0], seed=1)
    gaps = [two.start - one.end for one, two in itertools.pairwise(utterance.spans)]
    assert np.argmax(gaps) == 5
    assert gaps[5] > 0.12
    assert max(gaps[:5] + gaps[6:]) < 0.08


def test_a_formant_shift_scales_pitch_formants_and_time_together():
    voice = voices.voice("v009")
    plain = type(voice)("plain", voice.variant, voice.pitch, voice.pitch_range, 180, 1.0)
    small = type(voice)("plain", voice.variant, voice.pitch, voice.pitch_range, 180, 1.25)
    one, two = (synthesis.speak(_sentence("yue"), v, seed=3) for v in (plain, small))
    assert one.duration / two.duration == pytest.approx(1.25, abs=0.005)
    assert one.spans[-1].end / two.spans[-1].end == pytest.approx(1.25, abs=0.001)
    pitch = [
        np.nanmedian([value for value in _pitch(utterance).selected_array["frequency"] if value > 0])
        for utterance in (one, two)
    ]
    assert pitch[1] / pitch[0] == pytest.approx(1.25, abs=0.05)


def _pitch(utterance: Utterance) -> parselmouth.Pitch:
    sound = parselmouth.Sound(utterance.samples.astype(np.float64), utterance.sample_rate)
    expected = voices.nominal_pitch(utterance.voice)
    return sound.to_pitch_ac(pitch_floor=expected * 0.45, pitch_ceiling=expected * 2.2)


@pytest.mark.parametrize(
    ("dialect", "syllables", "rises", "falls"),
    [("cmn", "ma1 ma2 ma4", 1, 2), ("yue", "maa1 maa2 maa4", 1, 2)],
)
def test_espeak_speaks_the_right_tones_itself(dialect: str, syllables: str, rises: int, falls: int):
    for variant, pitch in (("m4", 85), ("f1", 60), ("Annie", 50)):
        voice = Voice(variant, variant, pitch, 80, 120, 1.0)
        shapes: list[float] = []
        for syllable in syllables.split():
            sentence = Sentence(dialect, "妈", ("妈",), (syllable,))
            utterance = synthesis.speak(sentence, voice, seed=1)
            span, track = utterance.spans[0], _pitch(utterance)
            early, late = (
                np.nanmean([track.get_value_at_time(span.start + (span.end - span.start) * p) for p in places])
                for places in ((0.45, 0.5, 0.55), (0.8, 0.85, 0.9))
            )
            shapes.append(12 * float(np.log2(late / early)))
        assert int(np.argmax(shapes)) == rises, (voice, shapes)
        assert int(np.argmin(shapes)) == falls, (voice, shapes)


def test_there_are_enough_voices_and_no_variant_is_on_both_sides():
    training, held_out = voices.voices(), voices.voices(held_out=True)
    assert len(training) >= 80
    assert len(held_out) >= 24
    assert not {voice.variant for voice in training} & {voice.variant for voice in held_out}
    assert len({voice.voice_id for voice in training + held_out}) == len(training + held_out)
    for voices_of_one_side in (training, held_out):
        assert {voices.register(voice) for voice in voices_of_one_side} == {"male", "female", "child"}


def test_a_voice_speaks_near_its_nominal_pitch():
    for voice in voices.voices()[5::19]:
        sentence = Sentence("cmn", "妈妈", ("妈", "妈"), ("ma1", "ma1"))
        values = _pitch(synthesis.speak(sentence, voice, seed=1)).selected_array["frequency"]
        assert np.median(values[values > 0]) == pytest.approx(voices.nominal_pitch(voice), rel=0.15)


def test_a_cast_differs_in_variant_and_pitch():
    for seed in range(20):
        cast = voices.cast(3, random.Random(seed), held_out=seed % 2 == 1)
        assert len({voice.variant for voice in cast}) == 3
        pitches = sorted(voices.nominal_pitch(voice) for voice in cast)
        assert all(high / low > 1.08 for low, high in itertools.pairwise(pitches))
