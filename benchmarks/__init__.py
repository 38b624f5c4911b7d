"""Programs that measure; each prints a table with its conditions and writes JSON."""

from pipeline import telemetry

telemetry.switch_off()
