"""The AudioVAE decoder's twin for speaking on a CPU: time before channels, every product laid out once for oneDNN.

Signals are (B, T, C) throughout, so that a pointwise convolution is a product, a transposed one is a product of two
frames side by side, and a depthwise one is a sum of shifted signals. The decoder itself stays as it is.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.audio_vae import AudioVAE, CausalConv, CausalUpsample, Chain, RateCondition, ResidualUnit, Snake
from model.voxcpm2.packed import PackedLinear, trace
from model.voxcpm2.vae_streaming import StreamState

# Elementwise loops run over so many values of one row at once, narrow signals having several of their frames in it.
_ROW_VALUES = 1024
# Narrow products take several frames at once until they are as wide as a vector register.
_VECTOR = 16
# sin(pi t)^2 for -1/2 <= t <= 1/2 as a sum of these times t^2, t^4, ... t^12: the minimax polynomial, 6e-9 off at most.
_SINE_SQUARED = (9.86960292, -32.4695811, 42.7253848, -30.0859532, 12.9907303, -3.27294594)
# Frames of latents decoded at once: what lies between two layers stays in the processor's cache.
PIECE_FRAMES = 16


class _Rows:
    """How a signal of `channels` at `rate` values per latent frame is cut in rows: a number of frames to each."""

    def __init__(self, rate: int, channels: int, values: int) -> None:
        self.frames = next(each for each in range(max(1, values // channels), 0, -1) if rate % each == 0)

    def cut(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T / frames, frames * C), of the same memory."""
        return x.view(x.shape[0], -1, self.frames * x.shape[2])

    def repeat(self, per_channel: Tensor) -> Tensor:
        """(..., C) to (..., frames * C)."""
        return torch.cat([per_channel] * self.frames, dim=-1)


class _Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, the square of the sine as a polynomial: cheaper than a sine, and as exact.

    The argument is counted in half turns, of which the square has as many periods.
    """

    def __init__(self, original: Snake, rate: int) -> None:
        super().__init__()
        alpha = original.alpha.detach().flatten()
        self._rows = _Rows(rate, len(alpha), _ROW_VALUES)
        self._half_turns = self._rows.repeat(alpha / math.pi)
        weight = self._rows.repeat((alpha + 1e-9).reciprocal())
        self._coefficients = [weight * each for each in _SINE_SQUARED]

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        del state
        flat = self._rows.cut(x)
        turn = flat * self._half_turns
        wave = turn.round()
        turn.sub_(wave).mul_(turn)
        *lower, last, highest = self._coefficients
        torch.addcmul(last, turn, highest, out=wave)
        for coefficient in reversed(lower):
            torch.addcmul(coefficient, turn, wave, out=wave)
        return torch.addcmul(flat, turn, wave, out=wave).view(x.shape)


class _Depthwise(nn.Module):
    """A depthwise dilated convolution: one multiplication and addition for each of its taps."""

    def __init__(self, original: CausalConv, rate: int) -> None:
        super().__init__()
        weight = original.weight().detach()[:, 0].T
        self._rows = _Rows(rate, weight.shape[1], _ROW_VALUES)
        self._taps = self._rows.repeat(weight)
        self._bias = self._rows.repeat(original.bias.detach())
        self._dilation, self._memory = original.dilation, original.memory

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        frames = x.shape[1]
        seen = state.extend(self, x, self._memory, dim=1)
        total = self._bias
        for index, tap in enumerate(self._taps):
            shifted = self._rows.cut(seen[:, index * self._dilation :][:, :frames])
            total = total.addcmul_(shifted, tap) if index else torch.addcmul(total, shifted, tap)
        return total.view(x.shape)


class _Pointwise(nn.Module):
    """A convolution with kernel 1 as a product."""

    def __init__(self, original: CausalConv, rate: int) -> None:
        super().__init__()
        weight = original.weight().detach()[..., 0]
        self._rows = _Rows(rate, weight.shape[1], _VECTOR)
        self._product = PackedLinear(
            torch.block_diag(*[weight] * self._rows.frames), bias=self._rows.repeat(original.bias.detach())
        )

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        del state
        return self._product(self._rows.cut(x)).view(*x.shape[:2], -1)


class _Upsample(nn.Module):
    """A transposed convolution with kernel 2 * stride: each output frame is a product of the last two input frames."""

    def __init__(self, original: CausalUpsample) -> None:
        super().__init__()
        # (in, out, 2 * stride): the first half of the kernel meets this frame, the second half the one before.
        now, before = original.weight().detach().split(original.stride, dim=2)
        weight = torch.cat([before, now]).permute(2, 1, 0).flatten(0, 1)
        self._product = PackedLinear(weight, bias=original.bias.detach().repeat(original.stride))
        self._stride = original.stride

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        frames = x.shape[1]
        seen = state.extend(self, x, 1, dim=1)
        pairs = torch.cat([seen[:, :-1], seen[:, 1:]], dim=2)
        # Sums over so many inputs are taken in another order when there are few rows; a stream's are filled up.
        pairs = F.pad(pairs, (0, 0, 0, max(0, PIECE_FRAMES - frames)))
        return self._product(pairs)[:, :frames].reshape(len(x), frames * self._stride, -1)


class _Last(nn.Module):
    """The convolution to one channel: a product that gives what each frame adds to the next ones, added up."""

    def __init__(self, original: CausalConv, rate: int) -> None:
        super().__init__()
        weight = original.weight().detach()[0].T
        self._taps = len(weight)
        self._rows = _Rows(rate, weight.shape[1], _VECTOR)
        self._product = PackedLinear(torch.block_diag(*[weight] * self._rows.frames))
        self._bias = original.bias.detach()
        self._memory = original.memory

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        frames = x.shape[1]
        parts = self._product(self._rows.cut(x)).view(len(x), frames, self._taps)
        parts = state.extend(self, parts, self._memory, dim=1)
        total = self._bias
        for tap in range(self._taps):
            total = total + parts[:, tap:, tap][:, :frames]
        return total[..., None]


class _Residual(nn.Module):
    """What the layers of a residual unit make of a signal, added to it."""

    def __init__(self, original: ResidualUnit, rate: int) -> None:
        super().__init__()
        self._branch = nn.ModuleList(_twin(layer, rate) for layer in original.block)

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        y = x
        for layer in self._branch:
            y = layer(y, state)
        return y.add_(x)


class _Condition(nn.Module):
    """The scale and shift of one class of sample rate."""

    def __init__(self, original: RateCondition, rate_class: Tensor, rate: int) -> None:
        super().__init__()
        scale, shift = original.scale_embed(rate_class).detach()[0], original.bias_embed(rate_class).detach()[0]
        self._rows = _Rows(rate, len(scale), _ROW_VALUES)
        self._scale, self._shift = self._rows.repeat(scale), self._rows.repeat(shift)

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        del state
        return torch.addcmul(self._shift, self._rows.cut(x), self._scale).view(x.shape)


class PackedDecoder(nn.Module):
    """Decodes as the AudioVAE does that it was made from, at its full rate."""

    def __init__(self, vae: AudioVAE) -> None:
        super().__init__()
        self.config = vae.config
        self.device = vae.device
        decoder, rate = vae.decoder, 1
        rate_class = torch.bucketize(torch.tensor([vae.config.out_sample_rate]), decoder.sr_bin_boundaries)
        layers: list[nn.Module] = []
        for index, layer in enumerate(decoder.model):
            if str(index) in decoder.sr_cond_model:
                condition = decoder.sr_cond_model[str(index)]
                assert isinstance(condition, RateCondition)
                layers.append(_Condition(condition, rate_class, rate))
            for part in layer.block if type(layer) is Chain else [layer]:
                layers.append(_twin(part, rate))
                rate *= part.stride if isinstance(part, CausalUpsample) else 1
        self._layers = nn.ModuleList(layers)

    def decode(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """Latents (B, D, T) to (B, 1, hop * T), continuing those decoded with the same `state` before."""
        state = state or StreamState()
        pieces = latents.transpose(1, 2).contiguous().split(PIECE_FRAMES, dim=1)
        return torch.cat([self._piece(piece.contiguous(), state) for piece in pieces], dim=2)

    def _piece(self, x: Tensor, state: StreamState) -> Tensor:
        for layer in self._layers:
            x = layer(x, state)
        return torch.tanh(x).transpose(1, 2)


class PackedAudioVAE:
    """Holds the decoder's twin and makes it anew when the weights are no longer those it was made from."""

    def __init__(self, vae: AudioVAE) -> None:
        self._vae = vae
        self._state: object = None
        self._twin: PackedDecoder | None = None

    def __call__(self) -> AudioVAE | PackedDecoder:
        """What to decode with: the twin, or the AudioVAE itself where there is nothing to gain."""
        if self._vae.device.type != "cpu" or not torch.backends.mkldnn.is_available():
            return self._vae
        decoder = self._vae.decoder
        weights = [*decoder.parameters(), *(each for each in decoder.buffers() if each.is_floating_point())]
        state = [trace(each) for each in weights]
        if self._twin is None or state != self._state:
            with torch.no_grad():
                self._twin, self._state = PackedDecoder(self._vae), state
        return self._twin

    def __deepcopy__(self, memo: dict[int, object]) -> PackedAudioVAE:
        return PackedAudioVAE(copy.deepcopy(self._vae, memo))

    def __getstate__(self) -> dict[str, object]:
        return {"_vae": self._vae, "_state": None, "_twin": None}


def _twin(layer: nn.Module, rate: int) -> nn.Module:
    match layer:
        case Snake():
            return _Snake(layer, rate)
        case ResidualUnit():
            return _Residual(layer, rate)
        case CausalUpsample():
            return _Upsample(layer)
        case CausalConv() if layer.bias.numel() == 1:
            return _Last(layer, rate)
        case CausalConv() if layer.groups > 1:
            return _Depthwise(layer, rate)
        case CausalConv():
            return _Pointwise(layer, rate)
        case _:
            raise TypeError(f"no twin for {type(layer).__name__}")
