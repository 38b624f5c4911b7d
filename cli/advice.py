"""What a person can do about seconds that a stage dropped or quarantined, by the reason that the ledger gives."""

from __future__ import annotations

from pipeline.settings import Settings

_RECOGNISER = "listen to some of them; if they are clear, name a [transcribe] checkpoint that knows the dialect"
_ALIGNER = "text and sound disagree: a better [transcribe] checkpoint first, then another for [align]"
_COPY = "copy the files again, then `fangyan run --retry-quarantined`"
_NOTHING = "nothing to do"
_ADVICE = {
    "no_consent": "`fangyan consent add` for the recordings that somebody agreed to, then run again",
    "withdrawn": f"{_NOTHING}: these were taken down",
    "duplicate": f"{_NOTHING}: the same sound is in the corpus already",
    "truncated": _COPY,
    "decode_error": _COPY,
    "empty_file": _COPY,
    "changed_on_disk": _COPY,
    "missing": "put the files back, or ignore this if they were removed on purpose",
    "unreadable": "give this user the right to read the files, then `fangyan run --retry-quarantined`",
    "no_audio_stream": "remove the files, or land the track that has the sound",
    "outside_landing": "copy what the links point to into the landing folder",
    "not_audio": "remove the files, or convert them to a format that FFmpeg reads",
    "unknown_dialect": "rename the first folder below landing/ to a dialect's code",
    "silence": "check that the right file or track landed; [ingest] silence_dbfs is the bound",
    "clipped": "record again at a lower level, or raise [ingest] clipped_share",
    "non_speech": f"{_NOTHING} about pauses, music and noise; if it is speech, name another [diarize] checkpoint",
    "turn_too_short": "lower [diarize] min_turn_seconds to keep shorter turns",
    "pause": f"{_NOTHING}: silence inside turns",
    "no_speech_found": _RECOGNISER,
    "no_speech": f"{_RECOGNISER}; [transcribe] max_no_speech_prob is the bound",
    "empty_transcript": _RECOGNISER,
    "loop": _RECOGNISER,
    "low_confidence": f"{_RECOGNISER}; [transcribe] min_avg_logprob is the bound",
    "implausible_rate": _RECOGNISER,
    "align_score": f"{_ALIGNER}; [align] min_score is the bound",
    "too_short": "lower [score] min_seconds, or raise [score] join_gap_seconds so that more turns share a segment",
    "too_long": "raise [score] max_seconds",
    "too_few_characters": f"{_NOTHING}: too little was said",
    "overlap": "two people speak at once: raise [score] max_overlap_share if that is good enough",
    "rate_outlier": "listen to some of them: too fast or too slow for their dialect means a wrong text",
    "margin": f"{_NOTHING}: silence around the segments",
    "timeout": "cut the recordings into shorter files, or raise [engine] recording_timeout_s",
    "worker_died": "look at the message in `quarantine`; less [engine] workers need less memory",
}
_EMBEDDED = "checkpoints/"
_REAL_VOICES = (
    "the embedded checkpoint learned from synthesized speech: for real voices, `fangyan init --production` names others"
)


def advise(stage: str, reason: str, settings: Settings) -> str:
    """What to do about seconds that `stage` lost for `reason`."""
    known = _ADVICE.get(reason) or (_ALIGNER if reason.startswith("align_") else "")
    if not known:
        return f"see them: fangyan sql \"SELECT * FROM ledger WHERE reason = '{reason}'\""
    if _checkpoint(stage, settings).startswith(_EMBEDDED):
        return f"{known}; {_REAL_VOICES}"
    return known


def _checkpoint(stage: str, settings: Settings) -> str:
    """The first one whose work a stage's losses go back to; "" for a stage without one."""
    if stage in ("recognize", "transcribe"):
        return settings.transcribe.used[0].checkpoint
    return settings.align.checkpoint if stage == "align" else ""
