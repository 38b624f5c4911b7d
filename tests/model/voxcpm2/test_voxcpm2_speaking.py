"""Requests to audio: the recorded audio, batches of anything, streams, limits, retries and refusals."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
import torch
from tiny_checkpoint import CHECKPOINT, FIXTURE, relative

from model import voxcpm2
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.prompt import BadRequest, Mode
from model.voxcpm2.references import UnusableReference, WeakReference, load_reference
from model.voxcpm2.result import StopReason
from model.voxcpm2.stream import Continuation
from pipeline.audio.clips import read
from pipeline.text.dialects import UnknownDialectError

Recorded = dict[str, torch.Tensor]
MODES = ("plain", "design", "reference", "continuation", "combined")


@pytest.fixture(scope="module")
def model() -> VoxCPM2:
    return voxcpm2.load(CHECKPOINT)


@pytest.fixture(scope="module")
def voices(model: VoxCPM2) -> dict[str, torch.Tensor]:
    """The recorded clips as patches; the prompt clip is shorter than a voice from outside may be."""
    clips = {name: torch.from_numpy(read(FIXTURE / f"{name}.wav")) for name in ("ref", "prompt")}
    return {name: model.encode_samples(clip, continued=name == "prompt") for name, clip in clips.items()}


def test_clips_give_the_recorded_patches(voices: dict[str, torch.Tensor], recorded: Recorded) -> None:
    assert relative(voices["ref"], recorded["vae/ref_feat_right"]) <= 1e-5
    assert relative(voices["prompt"], recorded["vae/prompt_feat_left"]) <= 1e-5


def spoken_ids(model: VoxCPM2, ids: list[int]) -> str:
    """Characters that tokenise to `ids`, from the recorded sequence itself."""
    names = {number: piece for piece, number in model.tokenizer._vocabulary.items()}
    return "".join(names[each] for each in ids).replace("\u2581", " ").strip()


@pytest.mark.parametrize("mode", MODES)
def test_free_running_speech_of_every_mode_is_the_recorded(
    model: VoxCPM2, recorded: Recorded, voices: dict[str, torch.Tensor], mode: str
) -> None:
    """Latents fed back five times; and the audio of the recorded latents, to which the decoder adds nothing.

    The audio of our own latents is not compared: the random decoder of the fixture makes a thousand times as much of a
    difference in the last bit, which no two kinds of processor share.
    """
    request = request_of(model, mode, recorded, voices)
    prompt = model.prompt(request)
    assert prompt.mode is Mode(mode)
    assert prompt.text.tolist() == recorded[f"{mode}/in_text"][0].tolist()
    assert prompt.on_audio.int().tolist() == recorded[f"{mode}/in_feat_mask"][0].tolist()
    assert relative(prompt.patches[None], recorded[f"{mode}/in_feat"]) <= 1e-5
    (result,) = model.generate([request])
    assert relative(result.latents, recorded[f"{mode}/gen_feat"]) <= 1e-4
    heard = recorded[f"{mode}/in_feat"][0, -4:] if len(prompt.heard) else prompt.heard
    whole = Continuation(model.audio_vae).whole(heard, recorded[f"{mode}/gen_feat"])
    assert relative(torch.from_numpy(whole)[None], recorded[f"{mode}/wav"]) <= 1e-4
    assert (result.patches, result.seconds, result.stop_reason) == (5, 0.8, StopReason.MAX_PATCHES)


def request_of(model: VoxCPM2, mode: str, recorded: Recorded, voices: dict[str, torch.Tensor]) -> Request:
    """A request whose sequence is the recorded one: its text is read back from the recorded ids."""
    ids = [each for each in recorded[f"{mode}/in_text"][0].tolist() if each not in (0, 101, 103, 104)]
    continued = mode in ("continuation", "combined")
    # Where the prompt's transcript ends does not show in the sequence: any cut gives the same one.
    return Request(
        spoken_ids(model, ids[-1:] if continued else ids),
        reference=voices["ref"] if mode in ("reference", "combined") else None,
        prompt=voices["prompt"] if continued else None,
        prompt_text=spoken_ids(model, ids[:-1]) if continued else "",
        min_patches=10,
        max_patches=5,
        attempts=1,
        noise=torch.cat([recorded[f"{mode}/noise/{patch:03}"] for patch in range(5)]),
    )


@pytest.mark.parametrize("mode", ["plain", "combined"])
def test_stream_is_the_whole(model: VoxCPM2, recorded: Recorded, voices: dict[str, torch.Tensor], mode: str) -> None:
    request = request_of(model, mode, recorded, voices)
    pieces = list(model.stream(request))
    assert [len(piece) for piece in pieces] == [7680] * 5
    whole = model.generate([request])[0].audio
    assert np.abs(np.concatenate(pieces) - whole).max() <= 1e-4


def mixture(voices: dict[str, torch.Tensor]) -> list[Request]:
    """Eight requests of every mode, with their own seeds, steps, guidance and limits."""
    return [
        Request("hello", seed=1, max_patches=3, attempts=1),
        Request("(四川话)今天天气很好。", seed=2, max_patches=6, steps=6, attempts=1),
        Request("hello 你好", reference=voices["ref"], seed=3, max_patches=2, guidance=1.5, attempts=1),
        Request("世界", prompt=voices["prompt"], prompt_text="你好", seed=4, max_patches=5, attempts=1),
        Request(
            "好", reference=voices["ref"], prompt=voices["prompt"], prompt_text="你", seed=5, max_patches=4, attempts=1
        ),
        Request("你好世界你好世界你好世界", seed=6, max_patches=1, steps=4, attempts=1),
        Request("hello hello", seed=7, max_patches=7, min_patches=9, attempts=1),
        Request("天气", seed=8, max_patches=3, temperature=0.7, attempts=1),
    ]


@pytest.mark.parametrize("rows", [8, 3])
def test_a_result_does_not_depend_on_its_batch(model: VoxCPM2, voices: dict[str, torch.Tensor], rows: int) -> None:
    requests = mixture(voices)
    together = model.generate(requests, batch_size=rows)
    for request, result in zip(requests, together, strict=True):
        alone = model.generate([request])[0]
        assert (result.patches, result.seed, result.stop_reason) == (alone.patches, request.seed, alone.stop_reason)
        assert np.abs(result.audio - alone.audio).max() <= 1e-4, request
        assert (result.steps, result.guidance, result.text) == (request.steps, request.guidance, request.text)


def test_seeds_decide_and_nothing_else_does(model: VoxCPM2) -> None:
    first = Request("hello", seed=3, max_patches=2, attempts=1)
    torch.manual_seed(0)
    one = model.generate([first])[0].audio
    torch.manual_seed(1)
    assert np.array_equal(one, model.generate([first])[0].audio)
    assert not np.allclose(one, model.generate([replace(first, seed=4)])[0].audio)


def test_what_is_too_long_for_its_text_is_tried_again_with_the_next_seed(model: VoxCPM2) -> None:
    request = Request("hello", seed=10, min_patches=100, steps=2, attempts=3)
    result = model.generate([request])[0]
    assert result.too_long
    assert (result.attempts, result.seed, result.patches) == (3, 12, 16)
    assert result.stop_reason is StopReason.MAX_PATCHES
    once = model.generate([replace(request, seed=12, attempts=1)])[0]
    assert np.allclose(once.audio, result.audio, atol=1e-4)


def test_speech_never_outgrows_the_context(model: VoxCPM2) -> None:
    long = Request("好" * 250, max_patches=50, min_patches=99, steps=2, attempts=1)
    result = model.generate([long])[0]
    assert result.stop_reason is StopReason.CONTEXT
    assert result.patches == 256 - 252
    with pytest.raises(BadRequest, match="positions of 256"):
        model.generate([Request("好" * 256)])


def stopping_at_once() -> VoxCPM2:
    always = voxcpm2.load(CHECKPOINT)
    weight = always.network.stop_head.weight
    with torch.no_grad():
        weight[0] = 0.0
        weight[1] = 1.0
        always.network.stop_proj.weight.zero_()
        always.network.stop_proj.bias.fill_(5.0)
    return always


def test_what_stops_before_its_text_can_have_been_said_is_tried_again_and_called_too_short() -> None:
    always = stopping_at_once()
    patch = always.config.patch_seconds
    text = "好" * (int(4 * patch / 0.125) + 2)  # more than four patches of eight syllables a second
    result = always.generate([Request(text, steps=2, attempts=3)])[0]
    assert (result.stop_reason, result.patches) == (StopReason.STOPPED, 4)
    assert (result.too_short, result.too_long, result.attempts) == (True, False, 3)
    long_enough = always.generate([Request(text, steps=2, min_patches=6, attempts=3)])[0]
    assert (long_enough.too_short, long_enough.attempts) == (False, 1)
    cut_on_purpose = always.generate([Request(text, steps=2, max_patches=2, attempts=3)])[0]
    assert (cut_on_purpose.too_short, cut_on_purpose.attempts) == (False, 1)


def test_stopping_is_heeded_once_long_enough(model: VoxCPM2) -> None:
    always = stopping_at_once()
    result = always.generate([Request("你好世界", steps=2)])[0]
    assert (result.patches, result.stop_reason, result.attempts) == (4, StopReason.STOPPED, 1)


def test_control_text_with_a_transcript_is_refused(model: VoxCPM2, voices: dict[str, torch.Tensor]) -> None:
    fields = {"prompt": voices["prompt"], "prompt_text": "你好"}
    for request in (
        Request("(四川话)世界", **fields),
        Request("（四川话）世界", **fields),
        Request("世界", control="whisper", **fields),
        Request("世界", dialect="cmn-tianjin", **fields),
    ):
        with pytest.raises(BadRequest, match="read aloud"):
            model.prompt(request)
    with pytest.raises(BadRequest, match="go together"):
        model.prompt(Request("世界", prompt=voices["prompt"]))
    with pytest.raises(BadRequest, match="nothing to speak"):
        model.prompt(Request("（四川话） "))


def test_dialects_by_name_set_the_prefix(model: VoxCPM2) -> None:
    by_name = model.prompt(Request("今天天气很好。", dialect="cmn-sichuan"))
    assert by_name.mode is Mode.DESIGN
    for spelled in ("(四川话)今天天气很好。", "（四川话）今天天气很好。\n"):
        assert torch.equal(by_name.text, model.prompt(Request(spelled)).text)
        assert torch.equal(by_name.text, model.prompt(Request(spelled, dialect="cmn-sichuan")).text)
    with pytest.raises(UnknownDialectError, match="cmn-tianjin"):
        model.prompt(Request("你好", dialect="tianjin"))


def test_long_text_keeps_one_voice_and_joins_without_clicks(model: VoxCPM2, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    generate = VoxCPM2.generate

    def listen(self: VoxCPM2, requests: list[Request], rows: int = 16) -> list[voxcpm2.Result]:
        asked.extend(requests)
        return generate(self, requests, rows)

    monkeypatch.setattr(VoxCPM2, "generate", listen)
    long = "(四川话)" + "今天天气很好。" * 12
    result = model.speak(long, steps=2, attempts=1)
    assert len(asked) == 2
    assert all(request.text.startswith("(四川话)") for request in asked)
    assert asked[0].reference is None
    assert isinstance(asked[1].reference, torch.Tensor)
    assert result.patches == len(result.latents)
    assert result.seconds == pytest.approx(result.patches * 0.16 + 0.2)


def test_pieces_spoken_side_by_side_took_no_longer_than_the_clock_says(model: VoxCPM2) -> None:
    voice = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))
    began = perf_counter()
    result = model.speak("今天天气很好。" * 12, reference=voice, steps=2, attempts=1)
    assert 0 < result.real_time_factor * result.seconds <= perf_counter() - began


def test_clips_that_cannot_stand_for_a_voice_are_refused() -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(48000)).astype(np.float32)
    with pytest.raises(UnusableReference, match=r"0\.50 s"):
        load_reference((noise[:24000], 48000), 16000)
    with pytest.raises(UnusableReference, match="silent"):
        load_reference((noise * 1e-5, 16000), 16000)
    with pytest.warns(WeakReference, match="5 s or more"):
        loaded = load_reference((np.stack([noise, noise], axis=1), 32000), 16000)
    assert loaded.shape == (24000,)
    with pytest.warns(WeakReference, match="clipped"):
        load_reference((np.sign(np.tile(noise, 4)), 16000), 16000)


def test_a_noisy_reference_can_be_denoised() -> None:
    rng = np.random.default_rng(0)
    hiss = (0.05 * rng.standard_normal(6 * 16000)).astype(np.float32)
    plain, cleaned = (load_reference((hiss, 16000), 16000, denoise=denoise) for denoise in (False, True))
    assert len(plain) == len(cleaned)
    assert np.square(cleaned[16000:]).mean() < 0.1 * np.square(plain[16000:]).mean()
