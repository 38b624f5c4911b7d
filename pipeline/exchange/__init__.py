"""Formats of others, in and out: transcripts beside recordings, lists and datasets; one file a format."""
