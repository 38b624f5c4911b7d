"""espeak-ng speaks syllables, the same bytes each time, and says truthfully when each is heard."""

import hashlib
import random
import subprocess
import sys

import numpy as np
import pytest

from studio import espeak, scripts
from studio.voices import voices

PHRASE = ["ni3", "hao3", "shi4", "jie4", "xiong1", "di4"]
PRINT_DIGEST = """
import hashlib
from studio import espeak
for before in {before}:
    espeak.say([before], "cmn", "f2", 60, 80, 200)
phrase = espeak.say([{phrase}], "cmn", "f3", 50, 70, 180)[0]
print(hashlib.sha256(phrase.samples.tobytes()).hexdigest())
"""


def _digest(before: list[list[str]]) -> str:
    code = PRINT_DIGEST.format(before=before, phrase=PHRASE)
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_same_text_and_voice_give_the_same_bytes_whatever_was_spoken_before():
    # f3 has flutter, echo and breath noise: everything that espeak carries over from one call to the next.
    alone = _digest([])
    assert _digest([["ba1", "ma3"], ["zhong1", "guo2"]]) == alone
    here = espeak.say([PHRASE], "cmn", "f3", 50, 70, 180)[0]
    assert hashlib.sha256(here.samples.tobytes()).hexdigest() == alone


def test_every_voice_repeats_its_bytes():
    for voice in (*voices()[::6], *voices(held_out=True)[::6]):
        settings = (voice.variant, voice.pitch, voice.pitch_range, voice.rate)
        first = espeak.say([PHRASE], "cmn", *settings)[0]
        espeak.say([["sik6", "faan6"]], "yue", "zac", 70, 50, 150)
        again = espeak.say([PHRASE], "cmn", *settings)[0]
        assert np.array_equal(first.samples, again.samples), voice
        assert first.syllables == again.syllables


@pytest.mark.parametrize("dialect", ["cmn", "yue", "cmn-sichuan", "cmn-tianjin"])
def test_every_syllable_of_the_scripts_is_spoken_and_differs_from_the_others(dialect: str):
    draw = random.Random(3)
    syllables = sorted({s for _ in range(1500) for s in scripts.sentence(dialect, draw).syllables})
    assert len(syllables) > 250
    language = "yue" if dialect == "yue" else "cmn"
    heard: dict[tuple[str, ...], str] = {}
    for start in range(0, len(syllables), 40):
        part = syllables[start : start + 40]
        for syllable, spoken in zip(part, espeak.say([[s] for s in part], language, "m3", 50, 70, 175), strict=True):
            phonemes = spoken.syllables[0].phonemes
            assert heard.setdefault(phonemes, syllable[:-1]) == syllable[:-1], phonemes


def test_what_is_no_syllable_is_refused():
    for nonsense in ("hng5", "xyz1", "ba", "ba7", "7"):
        with pytest.raises(espeak.SyllableNotSpokenError):
            espeak.say([[nonsense]], "cmn", "m3", 50, 70, 175)
    with pytest.raises(ValueError, match="no variant"):
        espeak.say([["ba1"]], "cmn", "nobody", 50, 70, 175)


def test_events_tell_when_a_syllable_is_heard():
    # A stop has silence before it and a burst at its start: the burst must lie at the event, to 6 ms.
    phrase = espeak.say([["pa4", "ta1", "ka3", "ba1", "da4", "ga2"]], "cmn", "m3", 50, 70, 160)[0]
    level = np.abs(phrase.samples.astype(np.int32))
    for syllable in phrase.syllables:
        before = level[max(0, syllable.start - 400) : max(0, syllable.start - 150)]
        inside = level[syllable.start : syllable.end]
        assert inside.max() > 1000
        assert before.size == 0 or before.max() < 40, syllable
        assert np.argmax(inside > 40) < 0.006 * espeak.SAMPLE_RATE
        assert syllable.start <= syllable.rhyme < syllable.end


def test_rhyme_starts_where_the_voice_does():
    syllable = espeak.say([["si4"]], "cmn", "m3", 50, 70, 160)[0].syllables[0]
    frication = (syllable.rhyme - syllable.start) / espeak.SAMPLE_RATE
    assert 0.05 < frication < 0.2
    glide = espeak.say([["gua1"]], "cmn", "m3", 50, 70, 160)[0].syllables[0]
    assert glide.rhyme - glide.start < 0.05 * espeak.SAMPLE_RATE  # the medial u belongs to the rhyme
