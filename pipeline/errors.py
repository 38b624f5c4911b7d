"""Errors that the engine catches by class: a bad recording, a missing model or cluster."""

from __future__ import annotations


class BadRecording(Exception):
    """This recording cannot be worked on; the engine quarantines it and goes on.

    `reason` is a short snake_case code that the ledger counts, the message is for the person who can fix the file.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadRecording], tuple[str, str]]:
        return BadRecording, (self.reason, str(self))


class ModelUnavailable(Exception):
    """A model that the configuration names is missing or cannot load; the whole stage stops with this message."""


class ClusterUnavailable(Exception):
    """The machines that are to run a stage cannot be reached or cannot do it: the stage stops, no file is to blame."""
