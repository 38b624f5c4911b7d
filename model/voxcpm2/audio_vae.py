"""AudioVAE V2: 16 kHz audio to 25 Hz latents and latents to 48 kHz audio, causal convolutions throughout (like DAC)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.config import AudioVaeConfig
from model.voxcpm2.vae_streaming import StreamState

_DILATIONS = (1, 3, 9)
# Below about ten frames oneDNN sums in another order. Short pieces are filled up to this, so that a stream gives the
# bits of the whole: what is rounded differently in the first layer grows through fifty layers of sines.
_STEADY_FRAMES = 16


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, alpha learned per channel (Ziyin et al. 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        del state
        # Multiplied by the reciprocal, not divided: deep stacks of sines blow the last bit's difference up.
        weight = (self.alpha + 1e-9).reciprocal()
        if torch.is_grad_enabled():
            return x + weight * torch.sin(self.alpha * x).pow(2)
        wave = (self.alpha * x).sin_()
        return wave.mul_(wave).mul_(weight).add_(x)


class _NormalisedWeight(nn.Module):
    """A weight held as length `weight_g` and direction `weight_v` along its first axis, with a bias."""

    folded: Tensor | None

    def __init__(self, shape: tuple[int, int, int], biases: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(biases))
        self.weight_g = nn.Parameter(torch.ones(shape[0], 1, 1))
        self.weight_v = nn.Parameter(torch.empty(shape).normal_(std=0.02))
        self.register_buffer("folded", None, persistent=False)

    def weight(self) -> Tensor:
        if self.folded is not None:
            return self.folded
        return torch._weight_norm(self.weight_v, self.weight_g, 0)  # pyright: ignore[reportPrivateImportUsage]


class CausalConv(_NormalisedWeight):
    """Convolution that sees no later input than its last: padded on the left alone."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__((outputs, inputs // groups, kernel), outputs)
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.memory = (kernel - 1) * dilation if stride == 1 else stride

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        frames = x.shape[-1] // self.stride
        x = _filled(state.extend(self, x, self.memory))
        y = F.conv1d(x, self.weight(), self.bias, self.stride, dilation=self.dilation, groups=self.groups)
        return y[..., :frames]


class CausalUpsample(_NormalisedWeight):
    """Transposed convolution with kernel 2 * stride: each output sees its own input frame and the one before."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__((inputs, outputs, 2 * stride), outputs)
        self.stride = stride

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        samples = x.shape[-1] * self.stride
        x = _filled(state.extend(self, x, 1))
        y = F.conv_transpose1d(x, self.weight(), self.bias, self.stride)
        return y[..., self.stride : self.stride + samples]


def _filled(x: Tensor) -> Tensor:
    """Zeros after `x` (B, C, T) up to a steady number of frames; causal layers never see them."""
    return x if x.shape[-1] >= _STEADY_FRAMES else F.pad(x, (0, _STEADY_FRAMES - x.shape[-1]))


class Chain(nn.Module):
    """Layers in a row under the name `block`, each given the stream's state."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.ModuleList(layers)

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        for layer in self.block:
            x = layer(x, state)
        return x


class ResidualUnit(Chain):
    """A depthwise dilated and a pointwise convolution beside the signal itself."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__(
            Snake(channels),
            CausalConv(channels, channels, 7, dilation=dilation, groups=channels),
            Snake(channels),
            CausalConv(channels, channels, 1),
        )

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        return x + super().forward(x, state)


class Encoder(Chain):
    """(B, 1, T) audio to (B, width, T / hop); `fc_mu` makes latents of it."""

    def __init__(self, config: AudioVaeConfig) -> None:
        channels = config.encoder_dim
        layers: list[nn.Module] = [CausalConv(1, channels, 7)]
        for stride in config.encoder_rates:
            units = [ResidualUnit(channels, dilation) for dilation in _DILATIONS]
            down = CausalConv(channels, 2 * channels, 2 * stride, stride)
            layers.append(Chain(*units, Snake(channels), down))
            channels *= 2
        super().__init__(*layers)
        self.fc_mu = CausalConv(channels, config.latent_dim, 3)
        self.fc_logvar = CausalConv(channels, config.latent_dim, 3)


class RateCondition(nn.Module):
    """A scale and a shift per channel for each class of sample rate."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.scale_embed = nn.Embedding(classes, channels)
        self.bias_embed = nn.Embedding(classes, channels)

    def forward(self, x: Tensor, rate_class: Tensor) -> Tensor:
        return x * self.scale_embed(rate_class)[:, :, None] + self.bias_embed(rate_class)[:, :, None]


class Decoder(nn.Module):
    """(B, D, T) latents to (B, 1, hop * T) audio in (-1, 1)."""

    sr_bin_boundaries: Tensor

    def __init__(self, config: AudioVaeConfig) -> None:
        super().__init__()
        latent, channels = config.latent_dim, config.decoder_dim
        layers: list[nn.Module] = [CausalConv(latent, latent, 7, groups=latent), CausalConv(latent, channels, 1)]
        conditions = {}
        for stride in config.decoder_rates:
            conditions[str(len(layers))] = RateCondition(len(config.sr_bin_boundaries) + 1, channels)
            units = [ResidualUnit(channels // 2, dilation) for dilation in _DILATIONS]
            layers.append(Chain(Snake(channels), CausalUpsample(channels, channels // 2, stride), *units))
            channels //= 2
        layers += [Snake(channels), CausalConv(channels, 1, 7)]
        self.model = nn.ModuleList(layers)
        self.sr_cond_model = nn.ModuleDict(conditions)
        self.register_buffer("sr_bin_boundaries", torch.tensor(config.sr_bin_boundaries, dtype=torch.int32))

    def forward(self, latents: Tensor, rate: Tensor, state: StreamState) -> Tensor:
        """`rate` (B,) in Hz chooses the character of the sound; the number of samples does not depend on it."""
        rate_class = torch.bucketize(rate, self.sr_bin_boundaries)
        x = latents
        for index, layer in enumerate(self.model):
            if str(index) in self.sr_cond_model:
                x = self.sr_cond_model[str(index)](x, rate_class)
            x = layer(x, state)
        return torch.tanh(x)


class AudioVAE(nn.Module):
    """Encoder and decoder, frozen and float32 always."""

    def __init__(self, config: AudioVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @property
    def device(self) -> torch.device:
        return self.encoder.fc_mu.bias.device

    def fold(self) -> AudioVAE:
        """Multiply lengths into directions once, for inference; the parameters stay as they are."""
        for module in self.modules():
            if isinstance(module, _NormalisedWeight):
                module.folded = None
                module.folded = module.weight().detach()
        return self

    def hidden(self, audio: Tensor) -> Tensor:
        """(B, 1, T) at `sample_rate` Hz, zero-padded on the right to whole frames, to the encoder's (B, width, T')."""
        short = -audio.shape[-1] % self.config.encoder_hop
        return self.encoder(F.pad(audio, (0, short)), StreamState())

    def encode(self, audio: Tensor) -> Tensor:
        """(B, 1, T) audio to latents (B, D, T'): the mean, not sampled and not scaled."""
        return self.encoder.fc_mu(self.hidden(audio), StreamState())

    def decode(self, latents: Tensor, rate: int | None = None, state: StreamState | None = None) -> Tensor:
        """Latents (B, D, T) to (B, 1, hop * T) at `out_sample_rate`; `rate` in Hz sets the bandwidth it imitates.

        With a `state` the latents continue those decoded with it before.
        """
        rates = torch.full((len(latents),), rate or self.config.out_sample_rate, device=latents.device)
        return self.decoder(latents, rates, state or StreamState())
