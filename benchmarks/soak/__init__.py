"""Everything at once for hours, with processes killed at random, beside an undisturbed run of the same recordings."""
