"""Speech with known truth: scripted sentences, synthesized voices, rooms and noise; trains the embedded checkpoints.

Only the demo, the benchmarks and the tests import it. Nothing here is a substitute for recorded dialect speech.
"""

from pipeline import telemetry

telemetry.switch_off()
