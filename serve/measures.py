"""What Prometheus is told: requests, sound, waiting, first audio."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from model.voxcpm2.engine import Engine

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Measures:
    """One server's measures, in a registry of its own."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        held = self.registry
        self.requests = Counter(
            "fangyan_requests", "Requests for speech, by how they ended", ["outcome"], registry=held
        )
        self.seconds = Counter("fangyan_audio_seconds", "Seconds of speech sent", registry=held)
        self.characters = Counter("fangyan_characters", "Characters of text spoken", registry=held)
        self.first_audio = Histogram(
            "fangyan_first_audio_seconds", "From the request to its first sound", buckets=_SECONDS, registry=held
        )
        self.took = Histogram(
            "fangyan_request_seconds", "From the request to its last sound", buckets=_SECONDS, registry=held
        )
        self._took = (0, 0.0)
        Gauge("fangyan_waiting", "Requests that wait for a row", registry=held).set_function(lambda: engine.waiting)
        Gauge("fangyan_speaking", "Requests that are being spoken", registry=held).set_function(lambda: engine.speaking)
        Gauge("fangyan_rows", "Requests that may be spoken side by side", registry=held).set(engine.rows)

    def finished(self, seconds: float) -> None:
        """A request took so many seconds from its first word to its last."""
        self.took.observe(seconds)
        self._took = self._took[0] + 1, self._took[1] + seconds

    @property
    def mean_seconds(self) -> float:
        """That requests took so far; a second before there was one."""
        count, total = self._took
        return total / count if count else 1.0
