"""A recogniser may be given a text to go on from, by dialect; without one everything is as it was."""

from __future__ import annotations

import random

import numpy as np

from pipeline.audio import clips
from pipeline.recognition import recognizers
from pipeline.settings import RecognizerSettings
from pipeline.text import dialects
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices

MICRO = RecognizerSettings(checkpoint="checkpoints/whisper-micro", beam_size=1)


def test_the_registrys_prompt_is_given_in_the_dialects_own_characters_where_it_was_found_to_help():
    asked = RecognizerSettings(prompt="dialect", prompts={"wuu": "侬饭吃过了伐？"})
    assert all(word in asked.prompt_of("yue") for word in "係唔嘅咗喺佢哋嘢")
    assert asked.prompt_of("wuu") == "侬饭吃过了伐？"
    assert asked.prompt_of("cmn-sichuan") == dialects.get("cmn-sichuan").recogniser_prompt == ""
    assert RecognizerSettings(prompt="dialect", prompts={"yue": ""}).prompt_of("yue") == ""
    assert RecognizerSettings().prompt_of("yue") == ""


def test_hypotheses_depend_on_the_prompt_and_on_nothing_new_without_one():
    plain = recognizers.identity(MICRO)
    assert not {"prompt", "prompts"} & plain.keys()
    prompted = recognizers.identity(MICRO.model_copy(update={"prompt": "dialect"}))
    assert prompted == plain | {"prompts": {"yue": dialects.get("yue").recogniser_prompt}}


def test_whisper_goes_on_from_the_prompt():
    said = speak(scripts.sentence("cmn", random.Random(5)), voices()[3], seed=5)
    samples = clips.resample(np.asarray(said.samples, np.float32), said.sample_rate, 16_000)
    alone, prompted = (
        recognizers.open_recognizer(one).transcribe([samples], "cmn")[0]
        for one in (MICRO, MICRO.model_copy(update={"prompts": {"cmn": "我们去公园走走吧。"}}))
    )
    assert alone.avg_logprob != prompted.avg_logprob
