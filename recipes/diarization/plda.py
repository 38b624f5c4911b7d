"""Estimates the two files that pyannote's VBx clustering works in: a normalising transform and a PLDA model.

Two-covariance PLDA (Brümmer and de Villiers 2010, section 2): covariance between and within speakers, from labelled
embeddings, diagonalised together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

DISCRIMINANT_DIMENSION = 64


def estimate_plda(embeddings: NDArray, names: NDArray, folder: Path) -> None:
    """Write xvec_transform.npz and plda.npz from embeddings (N, D) and speaker numbers (N,) into `folder`.

    Raises ValueError when there are fewer speakers than the discriminant space needs.
    """
    speakers = len(np.unique(names))
    size = min(DISCRIMINANT_DIMENSION, embeddings.shape[1])
    if speakers <= size:
        raise ValueError(f"{speakers} speakers cannot span {size} discriminant dimensions: embed more voices")
    mean1 = embeddings.mean(0)
    scaled = _unit(embeddings - mean1) * np.sqrt(embeddings.shape[1])
    within, between = _covariances(scaled, names)
    # Directions with the most variance between speakers for the least within.
    _, directions = eigh(between, within + 1e-4 * np.trace(within) / len(within) * np.eye(len(within)))
    lda = directions[:, ::-1][:, :size]
    projected = scaled @ lda
    mean2 = projected.mean(0)
    normal = _unit(projected - mean2) * np.sqrt(size)
    within, between = _covariances(normal, names)
    between += 1e-6 * np.trace(between) / size * np.eye(size)
    psi, columns = eigh(between, within + 1e-6 * np.trace(within) / size * np.eye(size))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "xvec_transform.npz", mean1=mean1, mean2=mean2, lda=lda)
    np.savez(folder / "plda.npz", mu=normal.mean(0), tr=columns[:, ::-1].T, psi=psi[::-1])


def _covariances(vectors: NDArray, names: NDArray) -> tuple[NDArray, NDArray]:
    """Mean covariance within speakers and covariance of the speakers' means, both (D, D)."""
    _, numbers = np.unique(names, return_inverse=True)
    counts = np.bincount(numbers)
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, numbers, vectors)
    means /= counts[:, None]
    spread = vectors - means[numbers]
    within = spread.T @ spread / max(len(vectors) - len(counts), 1)
    centred = means - means.mean(0)
    # The spread of means contains within-speaker noise divided by the number of utterances: take it out.
    between = centred.T @ centred / len(counts) - within * np.mean(1.0 / counts)
    values, axes = np.linalg.eigh((between + between.T) / 2)
    between = (axes * np.maximum(values, 1e-6 * values.max())) @ axes.T
    return within, between


def _unit(vectors: NDArray) -> NDArray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
