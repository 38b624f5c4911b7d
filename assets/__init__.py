"""Dagster only, and thin: assets, checks, partitions, sensors, schedules, resources. No audio code."""
