"""Dialect tones: which tone is spoken, and that its Chao value is what Praat then measures."""

import numpy as np
import parselmouth
import pytest

from pipeline.text.tone_sandhi import surface_tones
from studio import synthesis, tones, voices
from studio.speech import CharacterSpan, Sentence, Utterance, Voice

# Unhurried and not deep, so that Praat's own measurement can follow a contour within one syllable.
VOICES = (
    Voice("slow man", "m4", 85, 70, 110, 1.0),
    Voice("slow woman", "f1", 60, 70, 110, 1.0),
    Voice("slow child", "Annie", 60, 70, 110, 1.15),
)


def _sentence(dialect: str, text: str, syllables: str) -> Sentence:
    return Sentence(dialect, text, tuple(text), tuple(syllables.split()))


def _track(utterance: Utterance) -> parselmouth.Pitch:
    expected = voices.nominal_pitch(utterance.voice)
    sound = parselmouth.Sound(utterance.samples.astype(np.float64), utterance.sample_rate)
    return sound.to_pitch_ac(pitch_floor=expected * 0.45, pitch_ceiling=expected * 2.2)


def _semitones(utterance: Utterance, span: CharacterSpan, places: tuple[float, ...]) -> list[float]:
    """Pitch at shares of a span, in semitones above 1 Hz; NaN where Praat finds no voice."""
    track = _track(utterance)
    at = [track.get_value_at_time(span.start + (span.end - span.start) * place) for place in places]
    return [12 * float(np.log2(value)) for value in at]


def test_tianjin_sandhi_changes_the_first_of_two():
    spoken = lambda *categories: surface_tones(  # noqa: E731
        "cmn-tianjin", [f"ma{category}" for category in categories], "嘛" * len(categories), ()
    )
    assert spoken(1, 1) == ["3", "1"]
    assert spoken(3, 3) == ["2", "3"]
    assert spoken(4, 4) == ["1", "4"]
    assert spoken(4, 1) == ["2", "1"]
    assert spoken(1, 2, 4, 3) == ["1", "2", "4", "3"]


def test_no_sandhi_across_a_pause():
    assert surface_tones("cmn-tianjin", ["ma1", "ma1"], "妈妈", (0,)) == ["1", "1"]


def test_beijing_third_tone_before_a_third_is_second():
    assert surface_tones("cmn", ["ni3", "hao3"], "你好", ()) == ["2", "3"]


def test_entering_tone_words_have_the_second_tone_in_sichuan():
    assert surface_tones("cmn-sichuan", ["ba1", "liu4", "ge4", "fan4"], "八六个饭", ()) == ["2", "2", "4", "4"]


def test_chao_values_become_hertz_around_the_register():
    assert tones.contour("33", 100.0) == pytest.approx([100.0] * 6)
    rising = tones.contour("15", 100.0)
    octaves = 4 * tones.SEMITONES_PER_LEVEL / 12
    assert rising[-1] / rising[0] == pytest.approx(2**octaves)
    dipping = tones.contour("213", 100.0, 5)
    assert np.argmin(dipping) == 2


@pytest.mark.parametrize(
    ("dialect", "text", "syllables"),
    [
        ("cmn-sichuan", "妈麻马骂我们都要来耍", "ma1 ma2 ma3 ma4 wo3 men5 dou1 yao4 lai2 shua3"),
        ("cmn-tianjin", "妈来买梨大伙儿都要来", "ma1 lai2 mai3 li2 da4 huo3 er2 dou1 yao4 lai2"),
    ],
)
def test_measured_pitch_follows_the_chao_values(dialect: str, text: str, syllables: str):
    sentence = _sentence(dialect, text, syllables)
    values = tones.chao_values(dialect, surface_tones(dialect, sentence.syllables, text, ()))
    places = (0.6, 0.75, 0.9)  # inside every rhyme
    for voice in VOICES:
        utterance = synthesis.speak(sentence, voice, seed=4)
        asked: list[float] = []
        found: list[float] = []
        for span, value in zip(utterance.spans, values, strict=True):
            levels = [int(digit) for digit in value]
            # A rhyme starts about a quarter into its syllable.
            inside = [(place - 0.25) / 0.75 for place in places]
            asked += list(np.interp(inside, np.linspace(0, 1, len(levels)), levels))
            found += _semitones(utterance, span, places)
        voiced = np.isfinite(found)
        assert voiced.mean() > 0.8
        measured, expected = np.array(found)[voiced], np.array(asked)[voiced]
        assert np.corrcoef(measured, expected)[0, 1] > 0.93, voice
        assert np.polyfit(expected, measured, 1)[0] == pytest.approx(tones.SEMITONES_PER_LEVEL, rel=0.25)


def test_the_first_tone_is_low_in_tianjin_and_high_in_chengdu():
    for voice in VOICES:
        pitch: dict[str, float] = {}
        for dialect in ("cmn-tianjin", "cmn-sichuan"):
            utterance = synthesis.speak(_sentence(dialect, "妈", "ma1"), voice, seed=1)
            pitch[dialect] = float(np.nanmean(_semitones(utterance, utterance.spans[0], (0.6, 0.75, 0.9))))
        assert pitch["cmn-sichuan"] - pitch["cmn-tianjin"] > 6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_flattening_moves_the_contours_by_its_share(share: float):
    sentence = _sentence("cmn-sichuan", "妈麻马骂我们来耍", "ma1 ma2 ma3 ma4 wo3 men5 lai2 shua3")
    utterance = synthesis.speak(sentence, VOICES[1], seed=2)
    flattened = tones.flatten(utterance, share)
    assert flattened.samples.shape == utterance.samples.shape
    assert flattened.spans == utterance.spans
    before = np.concatenate([_semitones(utterance, span, (0.6, 0.75, 0.9)) for span in utterance.spans])
    after = np.concatenate([_semitones(flattened, span, (0.6, 0.75, 0.9)) for span in utterance.spans])
    both = np.isfinite(before) & np.isfinite(after)
    assert np.std(after[both]) == pytest.approx((1 - share) * np.std(before[both]), abs=0.35)
