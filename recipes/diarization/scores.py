"""Measures a diarization checkpoint on recorded studio scenes: error rate, linking across recordings, speed.

python -m studio.train.diarization_scores checkpoints/diarization-micro SCENES [SCENES ...]
python -m studio.train.diarization_scores checkpoints/diarization-micro SCENES --tune
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio import Pipeline
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.cluster.hierarchy import fcluster, linkage

from pipeline.audio.clips import read

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Recorded:
    """A scene to diarize, in the form pyannote takes, and who really speaks when."""

    file: dict[str, Any]
    truth: Annotation
    seconds: float


def load_scenes(folder: Path) -> list[Recorded]:
    """Every recording under `folder`/landing with its truth, as 16 kHz mono."""
    found = []
    for facts_file in sorted((folder / "truth").glob("*.json")):
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        samples = read(folder / facts["recording"], 0.0, None, SAMPLE_RATE)
        truth = Annotation(uri=facts_file.stem)
        for number, turn in enumerate(facts["turns"]):
            truth[Segment(turn["start"], turn["end"]), number] = turn["speaker"]
        waveform = torch.from_numpy(samples)[None]
        found.append(
            Recorded(
                {"waveform": waveform, "sample_rate": SAMPLE_RATE, "uri": facts_file.stem},
                truth,
                len(samples) / SAMPLE_RATE,
            )
        )
    if not found:
        raise FileNotFoundError(f"no truth in {folder / 'truth'}: record scenes there with `fangyan studio record`")
    return found


def diarize(pipeline: SpeakerDiarization, scenes: Sequence[Recorded]) -> dict[str, Any]:
    """Error rate and its parts (shares of speech), speakers found and real, seconds spent, and what was found."""
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    outputs, counts = [], []
    began = time.perf_counter()
    for one in scenes:
        outputs.append(pipeline(one.file))
    spent = time.perf_counter() - began
    rates = []
    for one, output in zip(scenes, outputs, strict=True):
        rates.append(float(metric(one.truth, output.speaker_diarization)))  # pyright: ignore[reportArgumentType]
        counts.append((len(output.speaker_diarization.labels()), len(one.truth.labels())))
    total, missed, false_alarm, confusion = (
        float(metric[part])  # pyright: ignore[reportArgumentType]
        for part in ("total", "missed detection", "false alarm", "confusion")
    )
    return {
        "der": float(abs(metric)),
        "missed": missed / total,
        "false_alarm": false_alarm / total,
        "confusion": confusion / total,
        "der_by_scene": rates,
        "speakers_found_and_real": counts,
        "times_real_time": sum(one.seconds for one in scenes) / spent,
        "outputs": outputs,
    }


def local_speakers(outputs: Iterable[Any], scenes: Sequence[Recorded]) -> tuple[NDArray, list[str]]:
    """One embedding (N, D) per speaker found in each recording, and the voice it shares most time with."""
    vectors, names = [], []
    for output, one in zip(outputs, scenes, strict=True):
        found = output.speaker_diarization
        for vector, label in zip(output.speaker_embeddings, found.labels(), strict=True):
            own = found.subset([label])
            shared = {name: _shared_seconds(one.truth.subset([name]), own) for name in one.truth.labels()}
            vectors.append(vector)
            names.append(max(shared, key=lambda name: shared[name]))
    return np.array(vectors), names


def _shared_seconds(first: Annotation, second: Annotation) -> float:
    return sum((one & other).duration for (one, _), (other, _) in first.co_iter(second))


def linking_f1(vectors: NDArray, names: Sequence[str], threshold: float) -> float:
    """Pairwise F1 of average-linkage clusters of embeddings at a cosine distance threshold."""
    found = fcluster(linkage(vectors, method="average", metric="cosine"), threshold, criterion="distance")
    right = claimed = real = 0
    for first, second in itertools.combinations(range(len(names)), 2):
        same_found, same_real = found[first] == found[second], names[first] == names[second]
        right += same_found and same_real
        claimed += same_found
        real += same_real
    return 2 * right / max(claimed + real, 1)


def tune(folder: Path, scenes: Sequence[Recorded]) -> list[tuple[float, dict[str, Any]]]:
    """Error rates of clusterings on these scenes (of training voices), best first; the networks run once a scene."""
    tried: list[tuple[float, dict[str, Any]]] = []
    grids: dict[str, list[dict[str, Any]]] = {
        "AgglomerativeClustering": [
            {"method": method, "min_cluster_size": size, "threshold": threshold}
            for method in ("centroid", "average")
            for size in (2, 4, 8)
            for threshold in np.round(np.arange(0.4, 1.01, 0.1), 2).tolist()
        ],
        "VBxClustering": [
            {"threshold": threshold, "Fa": fa, "Fb": fb}
            for threshold in (0.6, 0.8)
            for fa, fb in itertools.product((0.07, 0.2, 0.5), (0.8, 3.0, 8.0))
        ],
    }
    for name, grid in grids.items():
        pipeline = load_pipeline(folder, name)
        # In training mode pyannote keeps segmentations and embeddings in the file's own dictionary.
        pipeline.training = True
        for parameters in grid:
            pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": parameters})
            tried.append((diarize(pipeline, scenes)["der"], {"name": name, "params": parameters}))
    return sorted(tried, key=lambda item: item[0])


def load_pipeline(folder: Path, clustering: str | None = None) -> SpeakerDiarization:
    """The pipeline in the folder, with another clustering if one is named (its parameters are then still to be set)."""
    loaded = Pipeline.from_pretrained(folder)
    if not isinstance(loaded, SpeakerDiarization):
        raise TypeError(f"{folder} does not hold a speaker diarization pipeline")
    if clustering is None:
        return loaded
    return SpeakerDiarization(
        segmentation=loaded.segmentation_model,
        segmentation_step=loaded.segmentation_step,
        segmentation_batch_size=loaded.segmentation_batch_size,
        embedding=loaded.embedding,
        embedding_exclude_overlap=loaded.embedding_exclude_overlap,
        embedding_batch_size=loaded.embedding_batch_size,
        plda=loaded.plda,
        clustering=clustering,
    )


def main() -> None:
    """Print what was measured as JSON."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--tune", action="store_true", help="try clusterings; give scenes of training voices")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    scenes = [one for folder in given.scenes for one in load_scenes(folder)]
    if given.tune:
        for rate, clustering in tune(given.checkpoint, scenes)[:15]:
            print(f"{rate:.4f} {json.dumps(clustering)}")
        return
    measured = diarize(load_pipeline(given.checkpoint), scenes)
    vectors, names = local_speakers(measured.pop("outputs"), scenes)
    measured["linking_f1_by_threshold"] = {
        f"{threshold:.2f}": round(linking_f1(vectors, names, threshold), 3) for threshold in np.arange(0.2, 1.01, 0.1)
    }
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
