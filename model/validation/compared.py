"""What a voice is in the comparison: the column system of tables validation_set and evaluation. Names alone."""

BASE, FINE_TUNED = "base", "fine_tuned"
PROMOTED_BEFORE = "promoted_before"
"""The voice whose place the judged one would take, or took."""
RECORDINGS = "recordings"
"""No voice: segments of the dialect's own recordings, judged alike. What they score is the most a voice can reach."""
EXPERIMENT = "experiment"
"""A voice that was asked for by its id though it is no candidate."""
