"""What a fine-tuned voice is called."""

from __future__ import annotations

from model.finetune.config import FineTuneConfig
from model.voices.training import Base, model_id_of

BASE = Base("micro", "checkpoints/micro", "checkpoints/micro", "abc")


def test_the_same_training_has_the_same_name_and_any_other_another() -> None:
    config = FineTuneConfig()
    name = model_id_of("yue", BASE, "content", config)
    assert name == model_id_of("yue", BASE, "content", FineTuneConfig())
    others = [
        model_id_of("yue", BASE, "other", config),
        model_id_of("yue", BASE, "content", FineTuneConfig(rank=8)),
        model_id_of("yue", Base("micro", "x", "x", "abd"), "content", config),
    ]
    assert len({name, *others}) == 4


def test_a_tainted_voice_is_trained_again_under_another_name() -> None:
    first = model_id_of("yue", BASE, "content", FineTuneConfig())
    second = model_id_of("yue", BASE, "content", FineTuneConfig(), {first})
    third = model_id_of("yue", BASE, "content", FineTuneConfig(), {first, second})
    assert len({first, second, third}) == 3
