"""The speech model: VoxCPM2 in plain PyTorch, its reference audio, and the labels of what it speaks."""

from pipeline import telemetry

telemetry.switch_off()
