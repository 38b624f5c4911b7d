"""The command line `fangyan`, one file a group of commands. It may import anything; nothing imports it."""

from pipeline import telemetry

telemetry.switch_off()
