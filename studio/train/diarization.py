"""Builds checkpoints/diarization-micro: trains its networks, estimates the PLDA, writes the folder and measures it.

python -m studio.train.diarization segmentation --bank BANK/train --held-out BANK/held_out --state STATE
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
from pathlib import Path

import torch

from studio.bank import Bank
from studio.train.segmentation import SegmentationPlan, train_segmentation

log = logging.getLogger(__name__)


def main() -> None:
    """Run one part of the training from the command line."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["segmentation"])
    parser.add_argument("--bank", type=Path, required=True, help="utterance bank to learn from")
    parser.add_argument("--held-out", type=Path, help="utterance bank to measure on")
    parser.add_argument("--state", type=Path, required=True, help="folder for resumable training states")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    held_out = Bank(given.held_out) if given.held_out else None
    plan = SegmentationPlan(**({"steps": given.steps} if given.steps else {}))
    train_segmentation(functools.partial(Bank, given.bank), given.state / "segmentation.pt", plan, held_out, log.info)


if __name__ == "__main__":
    main()
