"""VoxCPM2 in plain PyTorch: `load` a directory, `generate`, `stream` or `speak`, `save` it again."""

from model.voxcpm2.model import VoxCPM2, fastest_dtype, load, save
from model.voxcpm2.result import Request, Result

__all__ = ["Request", "Result", "VoxCPM2", "fastest_dtype", "load", "save"]
