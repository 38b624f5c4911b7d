"""Trainers of diarization-micro: segmentation, embedding, PLDA."""
