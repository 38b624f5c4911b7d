"""One file decoded from end to end in flat memory: how to decode it, what it measures, and the hash of its samples."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.audio import quality
from pipeline.audio.clips import to_int16
from pipeline.audio.decoding import AudioInfo, AudioStream
from pipeline.audio.decoding_options import PLAIN, DecodingOptions
from pipeline.audio.survey import Survey
from pipeline.errors import BadRecording

# A second as loud as this may be speech.
_AUDIBLE_DBFS = -50.0


@dataclass(frozen=True)
class Measured:
    """What decoding a whole file with `options` tells.

    `missing` seconds that the container promises did not decode, `damaged` packets did not, a share of `damage`.
    `notes` say what the options do to the file.
    """

    info: AudioInfo
    audio_sha256: str
    duration: float
    missing: float
    damaged: int
    damage: float
    peak_dbfs: float
    loudest: float
    audible_seconds: int
    clipped_share: float
    loudness_lufs: float | None
    bandwidth_hz: float
    options: DecodingOptions = PLAIN
    notes: list[str] = field(default_factory=list)


def measure(path: str | os.PathLike[str]) -> Measured:
    """Decode the whole file with the options that lose least, holding about a second of it. Raises BadRecording.

    Files without any fault are decoded once, others once for each audio track and once more.
    """
    first = _surveyed(path, None)
    best = first
    for track in range(first.info.tracks):
        if track == first.info.track:
            continue
        try:
            other = _surveyed(path, track)
        except BadRecording:
            continue
        # Another track than FFmpeg's choice must be worth it.
        if other.audible_seconds > max(best.audible_seconds, 2 * first.audible_seconds):
            best = other
    return _chosen(path, best)


def audio_sha256(path: str | os.PathLike[str], options: DecodingOptions = PLAIN) -> str:
    """The hash of a file's decoded samples, mono 16-bit at its own rate. Raises BadRecording."""
    digest = hashlib.sha256()
    with AudioStream(path, options) as stream:
        for chunk in stream:
            digest.update(to_int16(chunk).astype("<i2").tobytes())
    return digest.hexdigest()


def _surveyed(path: str | os.PathLike[str], track: int | None) -> Measured:
    survey = Survey(track)
    return _decoded(path, DecodingOptions(track, complete=True), survey)


def _chosen(path: str | os.PathLike[str], surveyed: Measured) -> Measured:
    """The measures with the options that a survey found: as they are where it found nothing to mix or scale."""
    options = surveyed.options
    if options.channels is None and options.gain == 1.0:
        return surveyed
    again = _decoded(path, replace(options, complete=True), None)
    return replace(again, options=options, notes=surveyed.notes)


def _decoded(path: str | os.PathLike[str], options: DecodingOptions, survey: Survey | None) -> Measured:
    with AudioStream(path, options, survey.add if survey else None) as stream:
        rate = stream.info.sample_rate
        digest = hashlib.sha256()
        loudness, bandwidth = quality.LoudnessMeter(rate), quality.BandwidthMeter(rate)
        clipping = quality.ClippingMeter()
        peak, loudest, audible = 0.0, -np.inf, 0
        for chunk in stream:
            digest.update(to_int16(chunk).astype("<i2").tobytes())
            loudness.add(chunk)
            bandwidth.add(chunk)
            clipping.add(chunk)
            peak = max(peak, float(np.max(np.abs(chunk))))
            # Less its mean: a constant offset makes no sound.
            level = quality.rms_dbfs(chunk - chunk.mean())
            loudest = max(loudest, level)
            audible += level > _AUDIBLE_DBFS
        found, notes = survey.result(stream) if survey else (options, [])
        return Measured(
            info=stream.info,
            audio_sha256=digest.hexdigest(),
            duration=stream.samples / rate,
            missing=_missing(stream),
            damaged=stream.damaged,
            damage=stream.damaged / max(1, stream.packets),
            peak_dbfs=quality.peak_dbfs(np.array([peak])),
            loudest=loudest,
            audible_seconds=audible,
            clipped_share=clipping.share(),
            loudness_lufs=loudness.lufs(),
            bandwidth_hz=bandwidth.hertz(),
            options=found,
            notes=notes,
        )


def _missing(stream: AudioStream) -> float:
    """Seconds that the container promises and that did not decode; silence in the place of damage is none."""
    holes = stream.holes
    sound = stream.samples / stream.info.sample_rate - holes.lead - holes.lost + holes.skipped
    return stream.info.duration - sound if stream.info.duration_exact else 0.0
