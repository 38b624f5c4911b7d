"""Any span of a landed file, as FLAC. The file is only used if it is the one that was ingested."""

from __future__ import annotations

from desk.allowed import Stamp, stamp_of
from desk.latest import Latest
from pipeline.audio import clips
from pipeline.audio.decoding_options import PLAIN, DecodingOptions, from_json
from pipeline.errors import BadRecording
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.settings import Settings

MOST_SECONDS = 120.0
_SAMPLE_RATE = 24_000
_MOST_BYTES = 32_000_000
_MOST_FILES = 10_000
_SLACK_SECONDS = 0.01


class Originals:
    """Spans of landed files; safe for many threads. Holds the last spans and which files were found unchanged."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake)
        self._checked: Latest[str, Stamp] = Latest(_MOST_FILES)
        self._held: Latest[tuple[Stamp, float, float], bytes] = Latest(_MOST_BYTES, len)

    def span(self, recording: Row, start: float, end: float, turns_only: bool = False) -> bytes:
        """FLAC, mono, of `start` to `end` seconds; `turns_only`: nothing but what table turns still has.

        Raises BadRecording where the file is gone or another, and for a span that is too long or holds nothing.
        """
        source = recording["source"]
        if end - start > MOST_SECONDS:
            raise BadRecording("too_long", f"{source}: at most {MOST_SECONDS:.0f} s are played at once; ask for less")
        if turns_only and not self._is_spoken(recording, start, end):
            raise BadRecording("withdrawn", f"{source}: some of its speakers were withdrawn; only turns are played")
        file = self._settings.landing / source
        if not file.resolve().is_relative_to(self._settings.landing.resolve()):
            raise BadRecording("outside_landing", f"{source}: is a link out of the landing folder")
        stamp = stamp_of(file)
        key = stamp, start, end
        held = self._held.get(key)
        if held is not None:
            return held
        self._check(recording, stamp)
        sound = _decode(str(file), start, end, from_json(recording["decoding"]), source)
        self._held.put(key, sound)
        return sound

    def _check(self, recording: Row, stamp: Stamp) -> None:
        """Hash the file once; it is hashed again when it changes."""
        source = recording["source"]
        if self._checked.get(source) == stamp:
            return
        try:
            same = file_sha256(stamp[0]) == recording["file_sha256"]
        except OSError as error:
            words = f"{source}: cannot be read from the landing folder: {error.strerror}"
            raise BadRecording("missing", words) from None
        if not same:
            words = "is another file than the one that was ingested; restore that one, or run the pipeline again"
            raise BadRecording("changed_on_disk", f"{source}: {words}")
        self._checked.put(source, stamp)

    def _is_spoken(self, recording: Row, start: float, end: float) -> bool:
        """True if turns that are still there cover the span."""
        turns = self._lake.of_recording("turns", recording["batch"], recording["recording_id"])
        reached = start
        for since, until in sorted(zip(turns["start"].to_pylist(), turns["end"].to_pylist(), strict=True)):
            if since > reached + _SLACK_SECONDS:
                break
            reached = max(reached, until)
        return reached >= end - _SLACK_SECONDS


def _decode(file: str, start: float, end: float, options: DecodingOptions, source: str) -> bytes:
    if options == PLAIN:
        samples = clips.read(file, start, end, _SAMPLE_RATE)
    else:
        (samples,) = clips.read_spans(file, [(start, end)], _SAMPLE_RATE, options)
    if not len(samples):
        raise BadRecording("behind_the_end", f"{source}: it ends before {start:.1f} s")
    return clips.encode_flac(samples, _SAMPLE_RATE)
