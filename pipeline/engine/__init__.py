"""Running a stage over recordings: worker processes on this machine, and where each of them works."""
