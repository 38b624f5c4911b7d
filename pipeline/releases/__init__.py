"""Releases: frozen sets of segments with their text as it was, what made them, and what became of them since."""
