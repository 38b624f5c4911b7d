"""The micro aligner's network, its labels and its checkpoint folder (config.json, model.safetensors).

A convolutional U-net over 80 mel bands at 100 frames a second. It has no recurrence and no positions, so what it says
about a frame depends on about a second of sound around it and nothing else: a recording cut into chunks with that much
context gives the same emissions as the whole, however long it is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch  # noqa: TID253 - this module is the network; alignment.load_aligner imports it when one is wanted
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: TID253

from pipeline.lake.files import replace_bytes, replace_file

SAMPLE_RATE = 16_000
HOP = 160
FRAME_SECONDS = HOP / SAMPLE_RATE
_WINDOW = 400
_FLOOR = 1e-4
_LOUD_RMS = 0.1

BLANK = 0
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
LABELS = ("-", *(letter.upper() for letter in _ALPHABET), *_ALPHABET)
"""Blank, then each letter as the first of its syllable (upper case), then as a later one (lower case)."""
_INDEX = {label: index for index, label in enumerate(LABELS)}


def encode(letters: str) -> list[int]:
    """The labels of one syllable or word: `"nan"` -> N a n, `"baa"` -> B a, `"a"` -> A a.

    The first letter has a label of its own, a single letter is said twice (as onset and as rest) and doubled letters
    once. So no two neighbouring labels are ever equal, inside a syllable or across two (an|na, a|a): CTC never demands
    a blank where there is no pause, and every character boundary is a change of label that the network is taught.
    """
    kept = [letter for letter in letters.lower() if letter in _ALPHABET]
    kept = [letter for letter, before in zip(kept, [None, *kept], strict=False) if letter != before]
    if not kept:
        return []
    rest = kept[1:] or kept
    return [_INDEX[kept[0].upper()], *(_INDEX[letter] for letter in rest)]


@dataclass(frozen=True)
class AlignerConfig:
    """Sizes of the network. `dilations` are those of the blocks at 50 frames a second, `kernel` their width."""

    mels: int = 80
    fine: int = 96
    coarse: int = 176
    kernel: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 4, 1)
    labels: int = len(LABELS)

    @property
    def context_frames(self) -> int:
        """Frames (of 10 ms) on each side that an emission can depend on, made even; 8 is what the fine layers see."""
        coarse = sum(self.dilations) * (self.kernel - 1) // 2
        return 2 * coarse + 12


class AlignerNet(nn.Module):
    """Samples to label scores. `forward` takes log-mel features; `features` makes them from samples."""

    def __init__(self, config: AlignerConfig):
        super().__init__()
        self.config = config
        from torchaudio.functional import melscale_fbanks

        filters = melscale_fbanks(_WINDOW // 2 + 1, 20.0, 8000.0, config.mels, SAMPLE_RATE, mel_scale="slaney")
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)  # (mels, bins)
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        fine, coarse = config.fine, config.coarse
        self.stem = nn.Sequential(
            nn.Conv1d(config.mels, fine, 5, padding=2, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(inplace=True),
            nn.Conv1d(fine, fine, 5, padding=2, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(inplace=True),
        )
        self.down = nn.Conv1d(fine, coarse, 2, stride=2)
        self.blocks = nn.ModuleList(_Block(coarse, config.kernel, dilation) for dilation in config.dilations)
        self.up = nn.Sequential(nn.BatchNorm1d(coarse), nn.ReLU(inplace=True), nn.Conv1d(coarse, fine, 1))
        self.head = nn.Sequential(
            nn.BatchNorm1d(fine),
            nn.ReLU(inplace=True),
            nn.Conv1d(fine, fine, 5, padding=2, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(inplace=True),
            nn.Conv1d(fine, config.labels, 1),
        )

    def features(self, samples: Tensor) -> Tensor:
        """(B, N) samples -> (B, mels, N // 160) scaled log-mel; frame t is centred on samples 160 t to 160 t + 160."""
        margin = (_WINDOW - HOP) // 2
        spectrum = torch.stft(
            F.pad(samples, (margin, margin)),
            _WINDOW,
            HOP,
            window=self.get_buffer("window"),
            center=False,
            return_complex=True,
        )
        mel = self.get_buffer("filters") @ spectrum.abs().square()
        return (mel.clamp(min=_FLOOR).log10() + 1.0) / 2.0

    def forward(self, features: Tensor) -> Tensor:
        """(B, mels, T) -> (B, labels, T) unnormalised scores; T must be even."""
        fine = self.stem(features)
        coarse = self.down(fine)
        for block in self.blocks:
            coarse = block(coarse)
        return self.head(fine + self.up(coarse).repeat_interleave(2, dim=2))

    @torch.inference_mode()
    def emissions(self, samples: NDArray[np.float32], chunk_seconds: float = 20.0) -> Tensor:
        """(N,) samples at 16 kHz -> (N // 160, labels) natural log probabilities on the CPU.

        Works in chunks with the network's whole context on both sides, so memory beyond the result does not grow with
        the recording and the chunks leave no seams.
        """
        device = self.get_buffer("window").device
        frames = len(samples) // HOP
        gain = level_gain(samples)
        context = self.config.context_frames
        chunk = max(2, round(chunk_seconds / FRAME_SECONDS) // 2 * 2)
        result = torch.empty(frames, self.config.labels)
        for start in range(0, frames, chunk):
            stop = min(start + chunk, frames)
            first = max(0, start - context)

            features = self._chunk_features(samples, gain, first, min(stop + context, frames), device)
            scores = self(F.pad(features, (0, features.shape[2] % 2)))[0, :, start - first : stop - first]
            result[start:stop] = F.log_softmax(scores.float(), dim=0).T.cpu()
        return result

    def _chunk_features(
        self, samples: NDArray[np.float32], gain: float, first: int, last: int, device: torch.device
    ) -> Tensor:
        """Features (1, mels, last - first) of those frames, with the sound beside them in their windows."""
        before, after = min(first, 1), min(len(samples) // HOP - last, 1)
        piece = torch.from_numpy(samples[(first - before) * HOP : (last + after) * HOP] * np.float32(gain))
        features = self.features(piece.to(device)[None])
        return features[:, :, before : before + last - first]


class _Block(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int):
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.norm = nn.BatchNorm1d(channels)
        self.conv = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.relu(self.norm(x)))


def level_gain(samples: NDArray[np.float32]) -> float:
    """The factor that brings a recording's loud frames (95th percentile of 10 ms RMS) to -20 dBFS."""
    frames = len(samples) // HOP
    if not frames:
        return 1.0
    power = np.square(samples[: frames * HOP].reshape(frames, HOP)).mean(axis=1)
    loud = float(np.sqrt(np.percentile(power, 95)))
    return _LOUD_RMS / max(loud, 1e-4)


def save_checkpoint(folder: Path, net: AlignerNet) -> None:
    """Write `config.json` and `model.safetensors` (float32) into `folder`, each replaced whole."""
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    replace_file(folder / "model.safetensors", lambda temporary: save_file(weights, temporary))
    described = {"model_type": "fangyan-aligner", "sample_rate": SAMPLE_RATE, "frame_seconds": FRAME_SECONDS}
    described |= {"network": asdict(net.config), "label_names": list(LABELS)}
    replace_bytes(folder / "config.json", (json.dumps(described, indent=2) + "\n").encode())


def load_checkpoint(folder: Path, device: str = "cpu") -> AlignerNet:
    """The network of a checkpoint folder, in evaluation mode. Raises ValueError if it is not such a folder."""
    from safetensors.torch import load_file

    path = folder / "config.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"no aligner checkpoint in {folder}: {path.name} is missing") from None
    if described.get("model_type") != "fangyan-aligner" or described.get("label_names") != list(LABELS):
        raise ValueError(f"{path} does not describe a fangyan-aligner with the labels of this version")
    network = described["network"]
    net = AlignerNet(AlignerConfig(**(network | {"dilations": tuple(network["dilations"])})))
    net.load_state_dict(load_file(folder / "model.safetensors"))
    return net.eval().to(device)
