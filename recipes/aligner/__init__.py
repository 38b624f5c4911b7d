"""Trainer of aligner-micro."""
