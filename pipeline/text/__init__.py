"""Text: dialects and their scripts, romanization, normalization, sentences."""
