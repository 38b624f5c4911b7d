"""Transcripts that come with recordings: one file a format, all giving the same lines."""
