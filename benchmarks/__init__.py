"""Programs that measure; each prints a table with its conditions and writes JSON."""
