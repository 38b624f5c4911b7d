"""What is done to audio and text. Knows nothing of Dagster; `assets` calls it, never the other way round."""

from pipeline import telemetry, threads

telemetry.switch_off()
threads.share_cores()
