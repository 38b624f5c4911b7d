"""The embedded dialect identifier: its network and its checkpoint folder (config.json, model.safetensors).

It is shown where the harmonics lie around the speaker's own register, so a contour reads alike in every voice, and 32
mel bands. Both are free of level and of a fixed microphone colour.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253 - this module is the network; dialect_identifier imports it when one is wanted
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: TID253

from pipeline.errors import ModelUnavailable
from pipeline.lake.files import replace_bytes, replace_file
from pipeline.settings import DialectIdentifier

SAMPLE_RATE = 16_000
HOP = 320
_WINDOW, _N_FFT = 1024, 2048
_LOWEST_HZ, _STEPS, _STEPS_PER_SEMITONE = 55.0, 82, 2
_REACH = 20
"""Steps of half a semitone shown on each side of the register."""
_VOICED = 0.15
_HARMONICS = (1, 2, 3, 5, 7)
_HIGHEST_BIN = 512
_DYNAMIC_RANGE = 6.0
MODEL_TYPE = "fangyan-dialect"


@dataclass(frozen=True)
class DialectConfig:
    """Sizes of the network and what it was calibrated to; `labels` are dialect codes in the order of its outputs.

    `temperatures` are (seconds of a window, what its scores are divided by), the shortest first.
    """

    labels: tuple[str, ...]
    temperatures: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    bands: int = 32
    fine: int = 80
    width: int = 176
    dilations: tuple[int, ...] = (1, 2, 4, 2)

    def temperature(self, seconds: float) -> float:
        """What scores of a window of that length are divided by, between the known lengths in proportion."""
        lengths, values = [each for each, _ in self.temperatures], [each for _, each in self.temperatures]
        return float(np.interp(seconds, lengths, values))

    @property
    def inputs(self) -> int:
        """Channels of the features."""
        return 2 * _REACH + 1 + 1 + self.bands


class DialectNet(nn.Module):
    """(B, N) samples at 16 kHz -> `features` (B, inputs, N // 320) -> `forward` (B, labels) scores."""

    def __init__(self, config: DialectConfig) -> None:
        super().__init__()
        self.config = config
        from torchaudio.functional import melscale_fbanks

        filters = melscale_fbanks(_N_FFT // 2 + 1, 60.0, 7600.0, config.bands, SAMPLE_RATE, mel_scale="slaney")
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)  # (bands, bins)
        self.register_buffer("kernels", _pitch_kernels(), persistent=False)  # (steps, bins)
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        fine, width = config.fine, config.width
        self.stem = nn.Sequential(
            nn.Conv1d(config.inputs, fine, 7, padding=3, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(inplace=True),
            nn.Conv1d(fine, width, 8, stride=4, padding=2, bias=False),
        )
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in config.dilations)
        self.out = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(inplace=True))
        self.attention = nn.Conv1d(width, 4, 1)
        self.head = nn.Sequential(nn.Linear(5 * width, 96), nn.ReLU(inplace=True), nn.Linear(96, len(config.labels)))

    def features(self, samples: Tensor) -> Tensor:
        """(B, N) samples -> (B, inputs, N // 320), what `forward` takes."""
        return arranged(self.analysed(samples))

    @torch.no_grad()
    def analysed(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 82 + 1 + bands, N // 320): strength of each pitch, energy, mel bands; of each frame alone."""
        frames = samples.shape[1] // HOP
        padded = F.pad(samples, (_N_FFT // 2, _N_FFT // 2))
        window = self.get_buffer("window")
        spectrum = torch.stft(padded, _N_FFT, HOP, _WINDOW, window, center=False, return_complex=True)[..., :frames]
        magnitude = spectrum.abs()
        shape = magnitude[:, :_HIGHEST_BIN].sqrt()
        strength = self.get_buffer("kernels") @ shape / shape.norm(dim=1, keepdim=True).clamp(min=1e-6)
        power = magnitude.square()
        energy = power.mean(1, keepdim=True).clamp(min=1e-12).log10()
        return torch.cat([strength, energy, (self.get_buffer("filters") @ power).clamp(min=1e-12).log10()], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, T) -> (B, labels) unnormalised scores; T at least 8."""
        x = self.stem(features)
        for block in self.blocks:
            x = block(x)
        x = self.out(x)
        weights = self.attention(x).softmax(dim=2)  # (B, 4, T)
        pooled = torch.einsum("bht,bct->bhc", weights, x).flatten(1)
        spread = x.var(dim=2, correction=0).clamp(min=1e-6).sqrt()
        return self.head(torch.cat([pooled, spread], dim=1))


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.relu(self.norm(x)))


@torch.no_grad()
def arranged(analysed: Tensor) -> Tensor:
    """What `analysed` found in a window -> (B, 41 + 1 + bands, T): around its register, free of level and colour."""
    strength, energy, level = analysed.split([_STEPS, 1, analysed.shape[1] - _STEPS - 1], dim=1)
    strongest, step = strength.max(dim=1)  # (B, T)
    sure = (strongest - _VOICED).clamp(min=0).square() * 10 ** (energy[:, 0] / 2)
    votes = torch.zeros(len(step), _STEPS, device=step.device).scatter_add_(1, step, sure)
    total = votes.cumsum(1)
    register = (total < total[:, -1:] / 2).sum(1).clamp(max=_STEPS - 1)  # the weighted median of the steps
    around = register[:, None] + torch.arange(2 * _REACH + 1, device=step.device)  # in the padded strength
    padded = F.pad(strength, (0, 0, _REACH, _REACH))
    shown = padded.gather(1, around[:, :, None].expand(-1, -1, strength.shape[2]))
    level = torch.maximum(level, level.amax((1, 2), keepdim=True) - _DYNAMIC_RANGE)
    return torch.cat([shown.clamp(min=0) * 2, strongest[:, None], (level - level.mean(2, keepdim=True)) / 2], dim=1)


def _pitch_kernels() -> Tensor:
    """SWIPE' kernels (Camacho and Harris, JASA 2008): lobes at prime harmonics, valleys between, 1/sqrt(f)."""
    hertz = np.arange(_HIGHEST_BIN) * SAMPLE_RATE / _N_FFT
    kernels = np.zeros((_STEPS, _HIGHEST_BIN))
    for step in range(_STEPS):
        ratio = hertz / (_LOWEST_HZ * 2 ** (step / (12 * _STEPS_PER_SEMITONE)))
        for harmonic in _HARMONICS:
            away = np.abs(ratio - harmonic)
            wave = np.cos(2 * math.pi * ratio)
            kernels[step] += np.where(away < 0.25, wave, np.where(away < 0.75, wave / 2, 0.0))
        kernels[step] /= np.sqrt(np.maximum(hertz, 1.0))
        kernels[step] /= np.linalg.norm(np.maximum(kernels[step], 0.0))
    return torch.from_numpy(kernels.astype(np.float32))


class MicroIdentifier:
    """The embedded network as an identifier: windows of any lengths to calibrated probabilities."""

    def __init__(self, net: DialectNet, name: str = "dialect-micro", device: str = "cpu") -> None:
        self.net = net.eval().to(device)
        self.name = name
        self.labels = net.config.labels
        self._device = device

    @classmethod
    def load(cls, checkpoint: str, settings: DialectIdentifier) -> MicroIdentifier:
        """The identifier of a checkpoint folder. Raises ModelUnavailable."""
        folder = Path(checkpoint)
        where = settings.device.replace("auto", "cuda" if torch.cuda.is_available() else "cpu")
        try:
            return cls(load_checkpoint(folder), folder.name, where)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelUnavailable(f"[dialect] checkpoint = {checkpoint!r} does not load: {error}") from error

    @torch.inference_mode()
    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(T,) samples at 16 kHz each -> (windows, labels) probabilities."""
        found = np.zeros((len(windows), len(self.labels)), np.float32)
        for length in {len(window) for window in windows}:  # of one length together: nothing is padded
            places = [place for place, window in enumerate(windows) if len(window) == length]
            batch = torch.from_numpy(np.stack([windows[place] for place in places]).astype(np.float32))
            scores = self.net(self.net.features(batch.to(self._device)))
            scores = scores / self.net.config.temperature(length / SAMPLE_RATE)
            found[places] = scores.softmax(dim=1).float().cpu().numpy()
        return found


def save_checkpoint(folder: Path, net: DialectNet, window_seconds: float) -> None:
    """Write `config.json` and `model.safetensors` (float32) into `folder`, each replaced whole."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    replace_file(folder / "model.safetensors", lambda temporary: save_file(weights, temporary))
    described = {"model_type": MODEL_TYPE, "sample_rate": SAMPLE_RATE, "window_seconds": window_seconds}
    described |= asdict(net.config)
    replace_bytes(folder / "config.json", (json.dumps(described, indent=2) + "\n").encode())


def load_checkpoint(folder: Path) -> DialectNet:
    """The network of a checkpoint folder, in evaluation mode. Raises ValueError if it is not such a folder."""
    from safetensors.torch import load_file

    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"no dialect identifier in {folder}: config.json is missing") from None
    if described.pop("model_type", None) != MODEL_TYPE:
        raise ValueError(f"{folder / 'config.json'} does not describe a {MODEL_TYPE}")
    known = [field.name for field in fields(DialectConfig)]
    sizes: dict[str, Any] = {name: described[name] for name in known if name in described}
    sizes["labels"], sizes["dilations"] = tuple(sizes["labels"]), tuple(sizes["dilations"])
    sizes["temperatures"] = tuple((float(seconds), float(value)) for seconds, value in sizes["temperatures"])
    net = DialectNet(DialectConfig(**sizes))
    net.load_state_dict(load_file(folder / "model.safetensors"))
    return net.eval()
