"""Dagster only, and thin: assets, checks, partitions, sensors, schedules, resources. No audio code."""

from pipeline import telemetry

telemetry.switch_off()
