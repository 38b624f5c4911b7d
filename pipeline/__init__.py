"""What is done to audio and text. Knows nothing of Dagster; `assets` calls it, never the other way round."""

from pipeline import telemetry

telemetry.switch_off()
