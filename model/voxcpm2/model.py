"""VoxCPM2 as one object: requests in, audio out, whole or as a stream. The directory it is loaded from and saved to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.voxcpm2 import checkpoint
from model.voxcpm2 import text as wording
from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.batch import Batch
from model.voxcpm2.compiled import compile_solver
from model.voxcpm2.config import VoxCPM2Config, read_config, write_config
from model.voxcpm2.job import Job, make_job
from model.voxcpm2.long_text import combined, join_audio, split_text
from model.voxcpm2.network import Network
from model.voxcpm2.packed import PackedNetwork, multiplies_bfloat16
from model.voxcpm2.packed_vae import PackedAudioVAE, PackedDecoder
from model.voxcpm2.prompt import BadRequest, Mode, Prompt, build_prompt
from model.voxcpm2.references import load_reference
from model.voxcpm2.result import Request, Result, Voice
from model.voxcpm2.stream import Continuation, decode_side_by_side
from model.voxcpm2.taught import Taught
from model.voxcpm2.tokenizer import Tokenizer
from pipeline.recognition.checkpoints import fetch, is_hub_id
from pipeline.settings import checkpoint_path
from pipeline.text import dialects


class VoxCPM2:
    """Network, AudioVAE and tokenizer of one checkpoint."""

    def __init__(self, config: VoxCPM2Config, network: Network, audio_vae: AudioVAE, tokenizer: Tokenizer) -> None:
        self.config = config
        self.network = network
        self.audio_vae = audio_vae
        self.tokenizer = tokenizer
        self.taught: Taught | None = None
        """What the checkpoint was taught, where it says so."""
        self._speaker = PackedNetwork(network)
        self._decoder = PackedAudioVAE(audio_vae)

    @property
    def sample_rate(self) -> int:
        """Of the audio that it speaks, in Hz."""
        return self.config.audio_vae_config.out_sample_rate

    def speak(self, text: str, **fields: Any) -> Result:
        """Speak a text of any length; `fields` are those of Request: dialect, reference, seed and so on.

        Beyond about 20 s the text is split at its sentences. Each piece gets the same voice: the reference or prompt,
        or else the first piece as it came out.
        """
        request = Request(text, **fields)
        first, *others = split_text(text)
        pieces = [replace(request, text=piece) for piece in (first, *others)]
        if not others:
            return self.generate(pieces)[0]
        if request.noise is not None or request.max_patches is not None:
            raise BadRequest("noise and max_patches are of one piece; split the text yourself and use generate")
        began = perf_counter()
        if request.reference is None and request.prompt is None:
            results = self.generate(pieces[:1])
            results += self.generate([replace(piece, reference=results[0].latents) for piece in pieces[1:]])
        else:
            results = self.generate(pieces)
        audio = join_audio([result.audio for result in results], self.sample_rate)
        return combined(results, text, audio, began)

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], batch_size: int = 16) -> list[Result]:
        """One result per request, in their order, at most `batch_size` at once; one that ends makes room.

        A result does not depend on what else is in the batch. `batch_size` 1 speaks one by one in the shapes of the
        published program, which on a CPU rounds a little differently.
        Raises BadRequest, UnusableReference, UnknownDialectError.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        waiting = deque(self._jobs(requests))
        results: dict[int, Result] = {}
        silent: list[Job] = []
        batch = Batch(self._speaker(), min(batch_size, len(waiting)), alone=batch_size == 1)
        while waiting or batch.speaking:
            jobs = batch.step([waiting.popleft() for _ in range(min(batch.free, len(waiting)))])
            ended = [job for job in jobs if job.ended is not None]
            for job in ended:
                if job.worth_another:
                    waiting.append(job.again())
                    ended = [other for other in ended if other is not job]
            silent += ended
            if silent and (self.network.device.type == "cpu" or len(silent) >= batch_size):
                results |= self._sound(silent)
                silent = []
        results |= self._sound(silent)
        return [results[index] for index in range(len(requests))]

    @torch.inference_mode()
    def stream(self, request: Request, batch_size: int = 16) -> Iterator[NDArray[np.float32]]:
        """The audio of a request as it is made, one patch (160 ms in the published model) a piece, first piece soonest.

        Together the pieces are what `generate` with this `batch_size` gives for one attempt; a stream has no second.
        """
        decoder = Continuation(self._decoder())
        jobs = self._jobs([request])
        decoder.prime(jobs[0].prompt.heard)
        batch = Batch(self._speaker(), 1, alone=batch_size == 1)
        while jobs:
            for job in batch.step(jobs if not batch.speaking else ()):
                yield decoder.push(job.patches[-1])
                jobs = [] if job.ended is not None else jobs

    @torch.inference_mode()
    def encode(self, voice: Voice, *, continued: bool, denoise: bool = False) -> Tensor:
        """Audio to patches (N, P, D) float32; give them as reference or prompt to encode a voice but once.

        A prompt (`continued`) is filled up with zeros before it, a reference after it. Raises UnusableReference.
        """
        if isinstance(voice, Tensor):
            shape = (self.config.patch_size, self.config.feat_dim)
            if voice.ndim != 3 or voice.shape[1:] != shape or not len(voice):
                raise BadRequest(f"latents of a voice must be (N, {shape[0]}, {shape[1]}), got {tuple(voice.shape)}")
            return voice.float()
        samples = load_reference(voice, self.config.audio_vae_config.sample_rate, denoise)
        return self.encode_samples(torch.from_numpy(samples), continued=continued)

    @torch.inference_mode()
    def encode_samples(self, samples: Tensor, *, continued: bool) -> Tensor:
        """float32 (T,) at the encoder's rate, however short or bad, to patches (N, P, D)."""
        vae = self.config.audio_vae_config
        short = -len(samples) % (self.config.patch_size * vae.encoder_hop)
        padded = torch.nn.functional.pad(samples, (short, 0) if continued else (0, short))
        latents = self.audio_vae.encode(padded.to(self.audio_vae.device)[None, None])[0]
        return latents.T.unflatten(0, (-1, self.config.patch_size)).cpu()

    def prompt(self, request: Request, encoded: dict[object, Tensor] | None = None) -> Prompt:
        """The sequence that a request becomes; voices found in `encoded` are not encoded again."""
        control = request.control
        if request.dialect:
            spoken = dialects.get(request.dialect).voxcpm_prefix
            said = control or wording.split_control(wording.clean(request.text))[0]
            if not said.startswith(spoken):
                control = "，".join(part for part in (spoken, control) if part)
        built = build_prompt(
            self.tokenizer,
            request.text,
            torch.zeros(self.config.patch_size, self.config.feat_dim, dtype=self.network.dtype),
            control=control,
            reference=self._voice(request.reference, False, request.denoise, encoded),
            prompt=self._voice(request.prompt, True, request.denoise, encoded),
            prompt_text=request.prompt_text,
        )
        if (largest := int(built.text.max())) >= self.config.lm_config.vocab_size:
            raise BadRequest(f"the tokenizer gives id {largest}, beyond the model's {self.config.lm_config.vocab_size}")
        return built

    def save(self, folder: str | Path) -> None:
        """Write the directory layout that `load` reads."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.write_network(self.network, folder / checkpoint.WEIGHTS)
        checkpoint.write_audio_vae(self.audio_vae, folder)
        self.tokenizer.write(folder)
        write_config(self.config, folder / "config.json")
        if self.taught is not None:
            self.taught.write(folder)

    def job(self, request: Request, index: int = 0, encoded: dict[object, Tensor] | None = None) -> Job:
        """A first attempt at a request, for a Batch. Raises BadRequest, UnusableReference, UnknownDialectError."""
        adapters = self.network.row_adapters
        known = adapters.names if adapters else ()
        if request.adapter and request.adapter not in known:
            raise BadRequest(f"adapter {request.adapter!r} is not resident; there are: {', '.join(known) or 'none'}")
        number = adapters.number(request.adapter) if adapters else 0
        prompt = self.prompt(request, encoded)
        return make_job(index, request, prompt, self.config.max_length, self.config.patch_seconds, number)

    def speaker(self) -> Network:
        """The network to speak with: on a CPU its twin of the present weights."""
        return self._speaker()

    def decoder(self) -> AudioVAE | PackedDecoder:
        """What makes sound of latents: on a CPU the twin of the AudioVAE's decoder."""
        return self._decoder()

    def _jobs(self, requests: Sequence[Request]) -> list[Job]:
        encoded: dict[object, Tensor] = {}
        jobs = []
        for index, request in enumerate(requests):
            try:
                jobs.append(self.job(request, index, encoded))
            except BadRequest as error:
                raise BadRequest(f"request {index} ({request.text[:20]!r}): {error}") from None
        return jobs

    def _voice(
        self, voice: Voice | None, continued: bool, denoise: bool, encoded: dict[object, Tensor] | None
    ) -> Tensor | None:
        if voice is None:
            return None
        held = {} if encoded is None else encoded
        name = (id(voice) if isinstance(voice, Tensor | tuple) else str(voice), continued, denoise)
        if name not in held:
            held[name] = self.encode(voice, continued=continued, denoise=denoise)
        return held[name]

    def _sound(self, jobs: list[Job]) -> dict[int, Result]:
        """Results by request of jobs that ended; a GPU decodes them side by side."""
        if not jobs:
            return {}
        utterances = [(job.prompt.heard, torch.stack(job.patches)) for job in jobs]
        decoder = self._decoder()
        if isinstance(decoder, PackedDecoder) or decoder.device.type == "cpu":
            audio = [Continuation(decoder).whole(*each) for each in utterances]
        else:
            audio = decode_side_by_side(decoder, utterances)
        return {job.index: self.result(job, samples) for job, samples in zip(jobs, audio, strict=True)}

    def result(self, job: Job, audio: NDArray[np.float32]) -> Result:
        """What a job that ended came to; `audio` (T,) is that of its patches."""
        assert job.ended is not None
        seconds = len(audio) / self.sample_rate
        return Result(
            audio=audio,
            sample_rate=self.sample_rate,
            text=job.request.text,
            mode=Mode(job.prompt.mode),
            patches=len(job.patches),
            seconds=seconds,
            steps=job.request.steps,
            guidance=job.request.guidance,
            seed=job.seed,
            attempts=job.attempt,
            stop_reason=job.ended,
            too_long=job.too_long,
            too_short=job.too_short,
            real_time_factor=(perf_counter() - job.started) / seconds,
            device=str(self.network.device),
            dtype=str(self.network.dtype).removeprefix("torch."),
            latents=torch.stack(job.patches).float().cpu(),
        )


def load(
    path: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    full_precision: bool = False,
    compiled: bool = False,
) -> VoxCPM2:
    """Open a VoxCPM2 directory, here or in the project, or a hub name such as openbmb/VoxCPM2.

    `device` None: a GPU if there is one. `dtype` None: the config's on a GPU, float32 on a CPU, where bfloat16 is
    faster on processors that multiply it (AVX512_BF16) and moves velocities some per cent; the AudioVAE stays float32.
    `full_precision` keeps RoPE tables, time embedding and solver grid float32 in a half-precision model, which is
    closer to how it was trained but not what the published program computes. `compiled` makes the solver one CUDA
    graph on a GPU, see compiled.py; it takes minutes at first, and is refused on a CPU, where it is slower than the
    twin. Raises ConfigError, CheckpointError, TokenizerError.
    """
    folder = _folder(path)
    config = read_config(folder / "config.json")
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is None:
        dtype = "float32" if where.type == "cpu" else config.dtype
    kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    tokenizer = Tokenizer.read(folder)
    network = checkpoint.read_network(config, folder, kind, where)
    network.full_precision(full_precision)
    if compiled:
        if where.type == "cpu":
            raise ValueError("compiled=True is for GPUs: on a CPU the network's twin is faster")
        compile_solver(network.feat_decoder)
    model = VoxCPM2(config, network, checkpoint.read_audio_vae(config, folder, where), tokenizer)
    try:
        model.taught = Taught.read(folder)
    except ValueError as error:
        raise checkpoint.CheckpointError(str(error)) from None
    return model


def fastest_dtype(device: str | torch.device | None = None) -> str | None:
    """The quickest dtype for `load`: bfloat16 on processors that multiply it, None (its default) elsewhere."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return "bfloat16" if where.type == "cpu" and multiplies_bfloat16() else None


def save(model: VoxCPM2, folder: str | Path) -> None:
    """Write `model` in the directory layout that `load` reads."""
    model.save(folder)


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    if folder.is_dir():
        return folder
    if Path(located := checkpoint_path(str(path))).is_dir():
        return Path(located)
    if isinstance(path, str) and is_hub_id(path):
        try:
            return fetch(path)
        except Exception as error:
            raise checkpoint.CheckpointError(
                f"{path}: no such folder, and not to be had from the hub: {error}"
            ) from None
    raise checkpoint.CheckpointError(f"{folder}: no such folder, here or in the project")
