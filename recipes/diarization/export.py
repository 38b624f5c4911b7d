"""Builds checkpoints/diarization-micro: trains its networks, estimates the PLDA and writes the folder.

python -m studio.train.diarization segmentation|embedding --bank BANK/train --held-out BANK/held_out --state STATE
python -m studio.train.diarization export --bank BANK/train --state STATE --out checkpoints/diarization-micro
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from pyannote.audio.core.model import Model

from recipes.bank import Bank
from recipes.diarization.data import Talkers, Utterances
from recipes.diarization.embedding import (
    EmbeddingPlan,
    build_embedding,
    embed_conversations,
    fold_scale,
    masked_batch,
    train_embedding,
)
from recipes.diarization.plda import estimate_plda
from recipes.diarization.segmentation import SegmentationPlan, build_network, train_segmentation
from recipes.state import load_state

log = logging.getLogger(__name__)

# Chosen for the lowest error rate on scenes of training voices: see studio.train.diarization_scores --tune.
CLUSTERING: dict[str, Any] = {
    "name": "AgglomerativeClustering",
    "params": {"method": "centroid", "min_cluster_size": 6, "threshold": 0.65},
}
SEGMENTATION_STEP = 0.2


def export(state: Path, bank: Utterances, out: Path, conversations: int = 300) -> None:
    """Write the folder that `pyannote.audio.Pipeline.from_pretrained` loads, from the training states in `state`.

    The PLDA is estimated from embeddings of `conversations` mixed from `bank`, the bank that was trained on.
    """
    segmentation_state = load_state(state / "segmentation.pt")
    embedding_state = load_state(state / "embedding.pt")
    if segmentation_state is None or embedding_state is None:
        raise FileNotFoundError(f"{state} must hold segmentation.pt and embedding.pt: train both first")
    plan = segmentation_state["plan"]
    network = build_network(plan["hidden"], plan["stride"])
    network.load_state_dict(segmentation_state["average"])
    trained = build_embedding()
    trained.load_state_dict(embedding_state["network"])
    embedding = fold_scale(trained, embedding_state["centre"], embedding_state["spread"])
    _save_model(network, out / "segmentation" / "pytorch_model.bin")
    _save_model(embedding, out / "embedding" / "pytorch_model.bin")
    talkers = Talkers(bank, seed=7)
    batches = [masked_batch(embedding, talkers, 7, range(n, n + 8)) for n in range(0, conversations, 8)]
    features, masks, identities = (torch.cat(parts) for parts in zip(*batches, strict=True))
    estimate_plda(*embed_conversations(embedding, (features, masks, identities)), out / "plda")
    write_config(out, CLUSTERING)


def write_config(out: Path, clustering: dict[str, Any]) -> None:
    """Write config.yaml with the given clustering (its name and parameters)."""
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "segmentation": "$model/segmentation",
                "segmentation_step": SEGMENTATION_STEP,
                "segmentation_batch_size": 16,
                "embedding": "$model/embedding",
                "embedding_exclude_overlap": True,
                "embedding_batch_size": 16,
                "plda": "$model/plda",
                "clustering": clustering["name"],
            },
        },
        "params": {"clustering": clustering["params"], "segmentation": {"min_duration_off": 0.0}},
    }
    (out / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _save_model(model: Model, path: Path) -> None:
    """Write a checkpoint as Lightning would, weights in float16: half the size, and float32 again once loaded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    checkpoint = {
        "state_dict": weights,
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.4.0",
    }
    model.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)


def main() -> None:
    """Run one part of the training from the command line."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    warnings.filterwarnings("ignore", module="torchaudio|pyannote")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["segmentation", "embedding", "export"])
    parser.add_argument("--bank", type=Path, required=True, help="utterance bank to learn from")
    parser.add_argument("--held-out", type=Path, help="utterance bank to measure on")
    parser.add_argument("--state", type=Path, required=True, help="folder for resumable training states")
    parser.add_argument("--out", type=Path, help="checkpoint folder to write")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    open_bank = functools.partial(Bank, given.bank)
    held_out = Bank(given.held_out) if given.held_out else None
    steps = {"steps": given.steps} if given.steps else {}
    if given.part == "segmentation":
        state = given.state / "segmentation.pt"
        train_segmentation(open_bank, state, SegmentationPlan(**steps), held_out, log.info)
    elif given.part == "embedding":
        train_embedding(open_bank, given.state / "embedding.pt", EmbeddingPlan(**steps), held_out, log.info)
    elif given.out is None:
        parser.error("export needs --out")
    else:
        export(given.state, open_bank(), given.out)


if __name__ == "__main__":
    main()
