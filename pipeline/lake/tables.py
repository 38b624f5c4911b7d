"""Every Parquet table's schema: the contract between stages, catalog and exports.

Times are seconds in the original recording, moments UTC. Audio is `struct<bytes, path>` (Hugging Face `Audio`), FLAC.
"""

from __future__ import annotations

import json

import pyarrow as pa

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CHARACTERS = pa.list_(
    pa.struct([("char", pa.string()), ("start", pa.float64()), ("end", pa.float64()), ("score", pa.float32())])
)
WORDS = pa.list_(
    pa.struct([("word", pa.string()), ("start", pa.float64()), ("end", pa.float64()), ("probability", pa.float32())])
)
INSTANT = pa.timestamp("us", tz="UTC")
DIALECT_SPANS = pa.list_(
    pa.struct([("start", pa.float64()), ("end", pa.float64()), ("dialect", pa.string()), ("probability", pa.float32())])
)
METADATA = pa.map_(pa.string(), pa.string())
GIVEN = pa.list_(
    pa.struct(
        [("start", pa.float64()), ("end", pa.float64())]
        + [(name, pa.string()) for name in ("text", "speaker", "gloss", "ipa", "place", "remarks")]
    )
)


def _field(name: str, kind: pa.DataType, description: str, unit: str = "", nullable: bool = True) -> pa.Field:
    notes = {"description": description} | ({"unit": unit} if unit else {})
    return pa.field(name, kind, nullable=nullable, metadata=notes)


def _schema(description: str, *fields: pa.Field, audio: bool = False) -> pa.Schema:
    notes = {"description": description}
    if audio:
        notes["huggingface"] = json.dumps({"info": {"features": {"audio": {"_type": "Audio"}}}})
    return pa.schema(fields, metadata=notes)


_RECORDING_ID = _field(
    "recording_id",
    pa.string(),
    "Hash of the decoded audio (of the file where it does not decode)",
    nullable=False,
)
_BATCH = _field("batch", pa.string(), "Partition: the batch of files this recording arrived in", nullable=False)
_PROVENANCE = _field(
    "provenance",
    pa.string(),
    "Hash of input content, stage version, checkpoint and parameters",
    nullable=False,
)
_TURN_ID = _field("turn_id", pa.string(), "recording_id and the turn's span in milliseconds", nullable=False)
_START = _field("start", pa.float64(), "Start in the original recording", "s", nullable=False)
_END = _field("end", pa.float64(), "End in the original recording", "s", nullable=False)

_LANDED_AT = _field("landed_at", INSTANT, "When the file was put below the landing folder, as the file system says")

RECORDINGS = _schema(
    "One row per file that landed, with what the container and the decoded audio say",
    _field("source", pa.string(), "Path below the landing folder", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _field("dialect", pa.string(), "Dialect code of the registry (first folder below landing)"),
    _field("collection", pa.string(), "Second folder below landing"),
    _field("status", pa.string(), "ok, duplicate, no_consent, withdrawn or quarantined", nullable=False),
    _field("status_detail", pa.string(), "Why, in words"),
    _field("duplicate_of", pa.string(), "source of the first file with the same decoded audio"),
    _field("file_sha256", pa.string(), "SHA-256 of the file's bytes"),
    _field("audio_sha256", pa.string(), "SHA-256 of the decoded audio, mono 16-bit at its own rate"),
    _field("bytes", pa.int64(), "File size", "B"),
    _field("container", pa.string(), "Container format as FFmpeg names it"),
    _field("codec", pa.string(), "Audio codec as FFmpeg names it"),
    _field("sample_rate", pa.int32(), "Sample rate of the audio stream", "Hz"),
    _field("channels", pa.int32(), "Channels of the audio stream"),
    _field(
        "decoding", pa.string(), "Options of decoding as JSON; null: plainly (see pipeline/audio/decoding_options.py)"
    ),
    _field("duration", pa.float64(), "Length of the decoded audio", "s"),
    _field("peak_dbfs", pa.float32(), "Highest absolute sample", "dBFS"),
    _field("clipped_share", pa.float32(), "Share of samples in runs at full scale"),
    _field("loudness_lufs", pa.float32(), "Integrated loudness, ITU-R BS.1770-4", "LUFS"),
    _field("bandwidth_hz", pa.float32(), "Highest frequency with energy above the noise floor", "Hz"),
    _field("consent_id", pa.string(), "The consent that covers this recording"),
    _field("metadata", METADATA, "Free columns that came with the file"),
    _field("given", GIVEN, "Lines of the transcript that came with it, marks included; times in s, null without"),
    _field("given_from", pa.string(), "The file below landing that they are from, or metadata"),
    _field("given_problem", pa.string(), "Why a transcript beside it cannot be read, and what to do"),
    _field("given_notes", pa.string(), "What to know of how its transcript was read"),
    _LANDED_AT,
    _field("ingested_at", INSTANT, "When this row was made"),
    _PROVENANCE,
)

_OTHERS = pa.list_(
    pa.struct([("start", pa.float64()), ("end", pa.float64()), ("local_speaker", pa.string())]),
)
TURNS = _schema(
    "Speaker turns that do not overlap: who speaks when",
    _TURN_ID,
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _field("local_speaker", pa.string(), "Speaker label, valid inside this recording only", nullable=False),
    _field("overlap_share", pa.float32(), "Share of the turn in which somebody else speaks too"),
    _field("others", _OTHERS, "Who else speaks inside the turn, and when; times in s of the recording"),
    _field("embedding", pa.list_(pa.float32()), "Speaker embedding of the local speaker"),
    _PROVENANCE,
)

DENOISED = _schema(
    "What denoising did to each turn; audio is null where the original is kept",
    _TURN_ID,
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _field("applied", pa.bool_(), "True if the denoised audio is used from here on", nullable=False),
    _field(
        "reason",
        pa.string(),
        "Why it was applied or not: clean, got_worse, policy_off, noisy, background, policy_always",
    ),
    _field("snr_before_db", pa.float32(), "Estimated signal-to-noise ratio of the original", "dB"),
    _field("snr_after_db", pa.float32(), "Estimated signal-to-noise ratio after denoising", "dB"),
    _field("bak_before", pa.float32(), "DNSMOS P.835 BAK, 1 to 5: of the original, if not noisy with its neighbours"),
    _field(
        "dnsmos_before",
        pa.float32(),
        "DNSMOS P.835 OVRL of the original, one window of whole frames, 1 to 5; null if not asked",
    ),
    _field("dnsmos_after", pa.float32(), "The same after denoising"),
    _field("audio", AUDIO, "Denoised turn, mono FLAC"),
    _field("sample_rate", pa.int32(), "Sample rate of `audio`", "Hz"),
    _PROVENANCE,
    audio=True,
)

_COVERED = _field("covered_seconds", pa.float64(), "Input that this row accounts for in the ledger", "s")
_LANGUAGE_WANTED = _field(
    "language_wanted",
    pa.string(),
    "The dialect's language, where the recogniser does not know it and was asked for `language` instead; else null",
)

_GIVEN_TEXT = (
    _field(
        "text_source",
        pa.string(),
        "given: it came with the recording; corrected or accepted by a person; recognised; of segments also mixed",
    ),
    _field("given_text", pa.string(), "The line as it was given, marks included"),
    _field("given_speaker", pa.string(), "Who says it by the transcript that came with the recording"),
    _field("gloss", pa.string(), "Meaning in standard Mandarin, as given"),
    _field("ipa", pa.string(), "Sound in IPA, as given"),
    _field("place", pa.string(), "Sub-dialect, as given"),
    _field("remarks", pa.string(), "Remarks of whoever transcribed it"),
    _field("text_disagreement", pa.float32(), "Error rate of a recogniser's text against the given one"),
    _field(
        "text_doubt", pa.bool_(), "True where it is over the bound, or a syllable of the given text has no character"
    ),
)
_GIVEN_LINE = _field("given_line", pa.int32(), "Number of the line in `given` of the recording, from 0")

_RECOGNISERS_OWN = (
    _field("language", pa.string(), "Language that the recogniser was asked for"),
    _LANGUAGE_WANTED,
    _field("language_probability", pa.float32(), "How probable the recogniser finds this language"),
    _field("asr_avg_logprob", pa.float32(), "Mean log-probability of the tokens", "nat"),
    _field("asr_no_speech_prob", pa.float32(), "Probability that there is no speech"),
    _field("asr_compression_ratio", pa.float32(), "zlib compression ratio of the text"),
)
"""What a recogniser says of its own text."""

HYPOTHESES = _schema(
    "What each recogniser heard in each stretch of one speaker, as it wrote it; one row without a recogniser for a "
    "stretch that none was asked about",
    _field("transcript_id", pa.string(), "recording_id and the span in milliseconds", nullable=False),
    _field("turn_id", pa.string(), "The turn in which it begins", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _COVERED,
    _field("recognizer", pa.string(), "Name of the recogniser in the configuration"),
    _field("text", pa.string(), "Text as the recogniser wrote it, or as it was given", nullable=False),
    _GIVEN_LINE,
    _field("words", WORDS, "Word times of the recogniser"),
    *_RECOGNISERS_OWN,
    _field("decision", pa.string(), "keep (heard) or drop", nullable=False),
    _field("drop_reason", pa.string(), "Why no recogniser was asked"),
    _PROVENANCE,
)

TRANSCRIPTS = _schema(
    "What was said in each stretch of one speaker, at most 30 s each, as recognised",
    _field("transcript_id", pa.string(), "recording_id and the span in milliseconds", nullable=False),
    _field("turn_id", pa.string(), "The turn in which it begins", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _COVERED,
    _field(
        "text",
        pa.string(),
        "Recognised text as the dialect is written, or given text, with punctuation",
        nullable=False,
    ),
    *_GIVEN_TEXT,
    _GIVEN_LINE,
    _field("recognised_text", pa.string(), "What the recognisers make of a stretch with given text"),
    _field("words", WORDS, "Character times of the recognisers"),
    _field("recognizer", pa.string(), "Names of the recognisers that were asked, joined by +"),
    _field("agreement", pa.float32(), "Share of places where all recognisers hear one syllable, tone aside; null: one"),
    _field("confidence", pa.float32(), "Calibrated share of the text that is right; null: uncalibrated"),
    _field(
        "character_confidence",
        pa.list_(pa.float32()),
        "Calibrated probability that each spoken character of the text is right; null: uncalibrated",
    ),
    _field("calibration", pa.string(), "What the confidence was learned from, or uncalibrated"),
    *_RECOGNISERS_OWN,
    _field("decision", pa.string(), "keep or drop", nullable=False),
    _field("drop_reason", pa.string(), "Why it was dropped"),
    _PROVENANCE,
)

ALIGNMENTS = _schema(
    "When each character of a transcript is heard",
    _field("transcript_id", pa.string(), "The transcript that was aligned", nullable=False),
    _TURN_ID,
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _COVERED,
    _field("text", pa.string(), "Text with punctuation", nullable=False),
    _field("romanization", pa.string(), "Readings, one per character, separated by spaces"),
    _field("characters", CHARACTERS, "Spoken characters with their times in the original recording"),
    _field("align_score", pa.float32(), "Mean probability of the aligned characters, 0 to 1"),
    _field("decision", pa.string(), "keep or drop", nullable=False),
    _field("drop_reason", pa.string(), "Why the alignment was refused"),
    _PROVENANCE,
)

SEGMENTS = _schema(
    "The corpus: 3 to 30 s of one speaker with text, times, scores and audio. speaker_id, split, decision and "
    "drop_reason are completed from table corpus by the catalog view of the same name",
    _field("segment_id", pa.string(), "recording_id and the span in milliseconds", nullable=False),
    _RECORDING_ID,
    _field("source", pa.string(), "The recording's path below the landing folder"),
    _TURN_ID,
    _BATCH,
    _field("dialect", pa.string(), "Dialect code of the registry: the folder's, or a reviewer's"),
    _field("collection", pa.string(), "Collection of the recording"),
    _field("local_speaker", pa.string(), "Speaker label inside the recording"),
    _field("speaker_id", pa.string(), "Speaker linked across recordings; in the file what a reviewer said, or null"),
    _START,
    _END,
    _field("duration", pa.float64(), "end - start", "s"),
    _COVERED,
    _field("text", pa.string(), "Text with punctuation"),
    _field("text_normalized", pa.string(), "Spoken characters only, NFKC, no punctuation, lower case"),
    *_GIVEN_TEXT,
    _field("romanization", pa.string(), "Readings, one per character, separated by spaces"),
    _field("romanization_ipa", pa.string(), "The same in IPA, ? for none; null where the dictionary has no IPA"),
    _field("characters", CHARACTERS, "Spoken characters with their times in the original recording"),
    _field("language_probability", pa.float32(), "Probability of the recognised language"),
    _field("confidence", pa.float32(), "Calibrated share of the recognised text that is right; null: uncalibrated"),
    _field("agreement", pa.float32(), "Share of places where all recognisers hear one syllable, tone aside; null: one"),
    _field("asr_avg_logprob", pa.float32(), "Mean log-probability of the tokens", "nat"),
    _field("asr_no_speech_prob", pa.float32(), "Probability that there is no speech"),
    _field("asr_compression_ratio", pa.float32(), "zlib compression ratio of the text"),
    _field("align_score", pa.float32(), "Mean probability of the aligned characters, 0 to 1"),
    _field("speaking_rate", pa.float32(), "Spoken characters per second", "1/s"),
    _field("dnsmos_ovrl", pa.float32(), "DNSMOS P.835 overall quality, 1 to 5"),
    _field("dnsmos_sig", pa.float32(), "DNSMOS P.835 speech quality, 1 to 5"),
    _field("dnsmos_bak", pa.float32(), "DNSMOS P.835 background quality, 1 to 5"),
    _field("dnsmos_p808", pa.float32(), "DNSMOS P.808 quality, 1 to 5; policy tts4 grades by it"),
    _field("snr_db", pa.float32(), "Estimated signal-to-noise ratio", "dB"),
    _field("bandwidth_hz", pa.float32(), "Highest frequency with energy above the noise floor", "Hz"),
    _field("loudness_lufs", pa.float32(), "Integrated loudness, ITU-R BS.1770-4", "LUFS"),
    _field("overlap_share", pa.float32(), "Share in which somebody else speaks too"),
    _field("denoised", pa.bool_(), "True if the audio was denoised"),
    _field("tier", pa.string(), "Grade by the named policy"),
    _field("split", pa.string(), "train, dev or test"),
    _field("decision", pa.string(), "keep or drop", nullable=False),
    _field("drop_reason", pa.string(), "Why it was dropped"),
    _field("consent_id", pa.string(), "The consent that covers the recording"),
    _field("metadata", METADATA, "Free columns that came with the file"),
    _field("audio", AUDIO, "Mono FLAC; null for dropped segments"),
    _field("sample_rate", pa.int32(), "Sample rate of `audio`", "Hz"),
    _field("audio_sha256", pa.string(), "SHA-256 of the samples of `audio` and their rate"),
    _LANDED_AT,
    _field("scored_at", INSTANT, "When this row was made"),
    _PROVENANCE,
    audio=True,
)

SEGMENT_DIALECTS = _schema(
    "Which dialect is heard in each kept segment. It never changes the segment's dialect: folder's or reviewer's",
    _field("segment_id", pa.string(), "The segment", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _START,
    _END,
    _field("covered_seconds", pa.float64(), "Input that this segment accounts for in the ledger", "s"),
    _field("dialect", pa.string(), "Dialect code of the segment"),
    _field("dialect_heard", pa.string(), "Dialect code that is heard; null: not judged"),
    _field("dialect_probability", pa.float32(), "Probability of dialect_heard, 0 to 1"),
    _field("expected_probability", pa.float32(), "Probability of the recording's own dialect, 0 to 1"),
    _field("dialect_spans", DIALECT_SPANS, "What is heard from where to where, in the original recording"),
    _field("not_judged", pa.string(), "Why nothing was judged: dialect not known, too short, no identifier"),
    _field("review_reason", pa.string(), "dialect_mismatch, dialect_changes (in a part of it), or null"),
    _PROVENANCE,
)

SPEAKERS = _schema(
    "Local speakers linked across recordings",
    _field("speaker_id", pa.string(), "Stable id of the linked speaker", nullable=False),
    _RECORDING_ID,
    _field("local_speaker", pa.string(), "Speaker label inside the recording", nullable=False),
    _field("dialect", pa.string(), "Dialect code of the recording"),
    _field("seconds", pa.float64(), "Speech of this local speaker", "s"),
    _field("similarity", pa.float32(), "Cosine similarity to the linked speaker's centroid"),
    _field("embedding", pa.list_(pa.float32()), "Speaker embedding of the local speaker"),
)

CORPUS = _schema(
    "What the whole corpus decides about a segment: linked speaker, duplicates, split",
    _field("segment_id", pa.string(), "The segment", nullable=False),
    _RECORDING_ID,
    _field("speaker_id", pa.string(), "Speaker linked across recordings"),
    _field("split", pa.string(), "train, dev or test; null for dropped segments"),
    _field("decision", pa.string(), "keep or drop", nullable=False),
    _field("drop_reason", pa.string(), "Why it was dropped"),
    _field("duplicate_of", pa.string(), "segment_id of the segment it repeats"),
    _field("hub", pa.bool_(), "True if the speaker is in so many recordings of a dialect that training alone has them"),
)

LEDGER = _schema(
    "Where each second of input went, per file and stage",
    _field("source", pa.string(), "Path below the landing folder", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _field("stage", pa.string(), "Stage that decided", nullable=False),
    _field("outcome", pa.string(), "passed (to the next stage), dropped or quarantined", nullable=False),
    _field("reason", pa.string(), "Why it was dropped or quarantined"),
    _field("seconds", pa.float64(), "So much of the stage's input", "s", nullable=False),
    _PROVENANCE,
)

QUARANTINE = _schema(
    "Files that could not be worked on, with the reason and the traceback",
    _field("source", pa.string(), "Path below the landing folder", nullable=False),
    _RECORDING_ID,
    _BATCH,
    _field("stage", pa.string(), "Stage that gave up", nullable=False),
    _field("reason", pa.string(), "Short code of what was wrong", nullable=False),
    _field("message", pa.string(), "What was wrong and what to do"),
    _field("traceback", pa.string(), "Python traceback"),
    _field("attempts", pa.int32(), "How often it was tried"),
    _PROVENANCE,
)

CORRECTIONS = _schema(
    "What people say of stretches of recordings; rows are added and none is changed, a later row takes one back",
    _field("correction_id", pa.string(), "Id of the correction", nullable=False),
    _field("at", INSTANT, "When it was made", nullable=False),
    _field("who", pa.string(), "Who says so", nullable=False),
    _RECORDING_ID,
    _field("start", pa.float64(), "Start of the segment as it was when it was heard", "s", nullable=False),
    _field("end", pa.float64(), "End of the segment as it was when it was heard", "s", nullable=False),
    _field(
        "field",
        pa.string(),
        "text, speaker, dialect, start, end, keep, unintelligible, note; accepted: everything was found right",
        nullable=False,
    ),
    _field("old", pa.string(), "What stood there"),
    _field("new", pa.string(), "What is right; of accepted the text that was"),
    _field("why", pa.string(), "Why, in words"),
    _field("takes_back", pa.string(), "correction_id of the row that this one takes back"),
    _field("sample", pa.string(), "The sample that offered the segment: random-..., queue; null: found by browsing"),
    _field("listened_s", pa.float64(), "How long the reviewer listened", "s"),
)

CONSENTS = _schema(
    "Who agreed to which use of which recordings",
    _field("consent_id", pa.string(), "Id of the consent", nullable=False),
    _field("subject", pa.string(), "Who agreed, or the name under which they are known"),
    _field("recordings", pa.list_(pa.string()), "Patterns of sources below landing that it covers"),
    _field("speaker", pa.string(), "The speaker it covers, by the name in the metadata column speaker"),
    _field("scopes", pa.list_(pa.string()), "asr, tts_training, voice_cloning, commercial, publication"),
    _field("valid_from", pa.date32(), "First day"),
    _field("valid_until", pa.date32(), "Last day; null for no end"),
    _field("evidence", pa.string(), "File that proves it"),
    _field("evidence_sha256", pa.string(), "Its SHA-256"),
    _field("revoked", pa.date32(), "Day of withdrawal; null while it stands"),
)

TOMBSTONES = _schema(
    "What was taken down: one row for each file of a recording, by which the same file or audio is refused again",
    _field("takedown_id", pa.string(), "Id of the takedown; its partition", nullable=False),
    _field("kind", pa.string(), "What was asked for: recording, speaker or consent", nullable=False),
    _field("subject_id", pa.string(), "Its id; of a name only the hash", nullable=False),
    _RECORDING_ID,
    _field("extent", pa.string(), "whole, or spans where only some of its speakers went", nullable=False),
    _field("audio_sha256", pa.string(), "SHA-256 of the decoded audio, mono 16-bit at its own rate"),
    _field("file_sha256", pa.string(), "SHA-256 of the file's bytes"),
    _field("seconds", pa.float64(), "Audio that was withdrawn", "s", nullable=False),
    _field("rows", pa.int64(), "Rows that were removed from the lake", nullable=False),
    _field("withdrawn", pa.string(), "When, UTC, ISO 8601", nullable=False),
    _field("reason", pa.string(), "Why"),
)

MODELS = _schema(
    "One row per model of a dialect: what it learned from and whether it may be used",
    _field("model_id", pa.string(), "Id of the model, from its content", nullable=False),
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("base", pa.string(), "model_id of the model it was fine-tuned from; null for a base"),
    _field("kind", pa.string(), "lora or full"),
    _field("path", pa.string(), "Its folder below the workspace"),
    _field(
        "status",
        pa.string(),
        "candidate, experiment, promoted, superseded, undecided, rejected or tainted",
        nullable=False,
    ),
    _field("status_reason", pa.string(), "Why it has this status"),
    _field("recording_ids", pa.list_(pa.string()), "All recordings it learned from"),
    _field("consent_ids", pa.list_(pa.string()), "The consents that allowed it"),
    _field("speaker_ids", pa.list_(pa.string()), "All linked speakers it learned from"),
    _field("hours", pa.float64(), "Speech it learned from", "h"),
    _field("steps", pa.int64(), "Training steps"),
    _field("created", pa.string(), "When its training ended, UTC, ISO 8601"),
    _field("promoted_at", INSTANT, "When it was promoted last; null if it never was"),
    _field("code_version", pa.string(), "Version of the code that trained it"),
    _field("card", pa.string(), "Its card.json"),
)

TRAINING_SET = _schema(
    "What a dialect's model learns from: segments that policy and consent allow, and a reference clip for each",
    _field("segment_id", pa.string(), "The segment", nullable=False),
    _RECORDING_ID,
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("speaker_id", pa.string(), "Speaker linked across recordings"),
    _field("consent_id", pa.string(), "The consent that allows tts_training"),
    _field("split", pa.string(), "train or dev", nullable=False),
    _field("text", pa.string(), "Text with punctuation", nullable=False),
    _field("seconds", pa.float64(), "Length of the clip, trailing silence trimmed", "s", nullable=False),
    _field("reference_segment_id", pa.string(), "Another segment of the same speaker, as voice reference"),
    _field("reference_recording_id", pa.string(), "Recording of the reference"),
    _field("audio_sha256", pa.string(), "SHA-256 of the clip's samples and their rate"),
    _field("audio", AUDIO, "Mono FLAC, trailing silence trimmed"),
    _field("sample_rate", pa.int32(), "Sample rate of `audio`", "Hz"),
    audio=True,
)

_SYSTEM = (
    "base, fine_tuned (who is judged), promoted_before (whose place it would take), experiment, or another's name; "
    "recordings: no voice but segments of the corpus, judged alike"
)

VALIDATION_SET = _schema(
    "Synthesized utterances that show what a model learned. AI-generated, every one labelled so",
    _field("utterance_id", pa.string(), "Prompt and purpose; the same for every model that speaks it", nullable=False),
    _field("model_id", pa.string(), "Who spoke it", nullable=False),
    _field("system", pa.string(), _SYSTEM, nullable=False),
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("prompt_id", pa.string(), "Id of the prompt"),
    _field("category", pa.string(), "Category of the prompt"),
    _field("purpose", pa.string(), "quality, long, noise or speed: which metrics it is for", nullable=False),
    _field("text", pa.string(), "What was to be said", nullable=False),
    _field("readings", pa.string(), "Readings, one per character, separated by spaces; null where unknown"),
    _field("reference_segment_id", pa.string(), "Segment whose voice was copied"),
    _field("reference_recording_id", pa.string(), "Recording of that segment"),
    _field("reference_speaker_id", pa.string(), "Its speaker, linked across recordings"),
    _field("reference_condition", pa.string(), "clean, or noise level and denoising of the reference"),
    _field("seed", pa.int64(), "Seed of the attempt that was kept"),
    _field("attempts", pa.int32(), "Attempts it took"),
    _field("steps", pa.int32(), "Solver steps"),
    _field("guidance", pa.float32(), "Classifier-free guidance"),
    _field("stop_reason", pa.string(), "stopped, max_patches or context; failed where nothing came"),
    _field("error", pa.string(), "Why nothing came"),
    _field("seconds", pa.float64(), "Length of the audio", "s"),
    _field("real_time_factor", pa.float64(), "Wall seconds per second of audio, of the whole batch it was spoken in"),
    _field("first_audio_s", pa.float64(), "Wall seconds until the first piece of audio, where it was streamed", "s"),
    _field("conditions", pa.string(), "Device, precision, batch and threads"),
    _field("label", pa.string(), "The AIGC label of GB 45438-2025 as written into the audio"),
    _field("audio", AUDIO, "Mono FLAC with the label inside"),
    _field("sample_rate", pa.int32(), "Sample rate of `audio`", "Hz"),
    _field("provenance", pa.string(), "Hash of model, text, reference and how it was to be spoken"),
    audio=True,
)

EVALUATION = _schema(
    "One measurement of one utterance",
    _field("utterance_id", pa.string(), "The utterance", nullable=False),
    _field("model_id", pa.string(), "Who spoke it", nullable=False),
    _field("system", pa.string(), _SYSTEM, nullable=False),
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("reference_recording_id", pa.string(), "Recording whose voice was copied"),
    _field("metric", pa.string(), "Name of the metric", nullable=False),
    _field("value", pa.float64(), "Its value; null where it could not be measured"),
    _field("numerator", pa.float64(), "For rates: errors"),
    _field("denominator", pa.float64(), "For rates: what they are divided by"),
    _field("condition", pa.string(), "Window, noise level or step count where the metric has one"),
    _field("detail", pa.string(), "What was heard, or why it was not measured"),
)

EVALUATION_SUMMARY = _schema(
    "A metric over all utterances of a model, with a 95 % bootstrap interval",
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("model_id", pa.string(), "Who spoke", nullable=False),
    _field("system", pa.string(), f"{_SYSTEM}; difference: of two voices, paired by utterance"),
    _field("metric", pa.string(), "Name of the metric", nullable=False),
    _field(
        "condition",
        pa.string(),
        "Window, noise level or step count where the metric has one; of a difference from another voice than the base "
        "its place in the comparison: over promoted_before",
    ),
    _field("against", pa.string(), "Of a difference: model_id of the voice that was subtracted; null for the base"),
    _field("value", pa.float64(), "Estimate"),
    _field("low", pa.float64(), "Lower end of the 95 % interval"),
    _field("high", pa.float64(), "Upper end of the 95 % interval"),
    _field("n", pa.int64(), "Utterances"),
    _field(
        "verdict",
        pa.string(),
        "For a difference, corrected for the number of metrics: better, worse, undecided or not judged",
    ),
    _field("conditions", pa.string(), "Recogniser, embedding, normalisation, hardware and decoding settings"),
)

EVALUATION_HISTORY = _schema(
    "Every judgement of a voice: when, against which voice, in which metric, and what became of it; rows stay",
    _field("judgement_id", pa.string(), "Hash of all that the judgement says", nullable=False),
    _field("judged_at", INSTANT, "When", nullable=False),
    _field("dialect", pa.string(), "Dialect code of the registry", nullable=False),
    _field("model_id", pa.string(), "The voice that was judged", nullable=False),
    _field(
        "status", pa.string(), "What it was from then on: promoted, undecided, rejected or experiment", nullable=False
    ),
    _field("status_reason", pa.string(), "Why"),
    _field("against", pa.string(), "model_id of the voice that it was compared with", nullable=False),
    _field("against_system", pa.string(), "base or promoted_before: what that voice was then", nullable=False),
    _field("metric", pa.string(), "Name of the metric", nullable=False),
    _field("guarded", pa.bool_(), "Whether a worse value refuses the voice", nullable=False),
    _field("margin", pa.float64(), "The loss that the interval had to leave out; null where not guarded"),
    _field("value", pa.float64(), "The voice less the other, paired by utterance; null where it was not measured"),
    _field("low", pa.float64(), "Lower end of the 95 % interval"),
    _field("high", pa.float64(), "Upper end of the 95 % interval"),
    _field("n", pa.int64(), "Utterances"),
    _field("verdict", pa.string(), "Corrected for the number of metrics: better, worse, undecided or not judged"),
)

REVIEW_SAMPLES = _schema(
    "A uniform random order of the segments that were kept on the day it was drawn, frozen; a partition for each",
    _field("sample", pa.string(), "Name of the sample, from which its order follows; its partition", nullable=False),
    _field("place", pa.int64(), "Order in which segments are offered, from 1", nullable=False),
    _field("segment_id", pa.string(), "The segment as it was then", nullable=False),
    _RECORDING_ID,
    _START,
    _END,
    _field("dialect", pa.string(), "Dialect code of the recording"),
    _field("tier", pa.string(), "Grade of the segment"),
    _field("split", pa.string(), "train, dev or test"),
    _field("speaker_id", pa.string(), "Linked speaker"),
    _field("text", pa.string(), "The text that is judged: as it was when the sample was drawn"),
    _field("characters", pa.int64(), "Spoken characters of the text", nullable=False),
    _field("seconds", pa.float64(), "Length of the segment", "s", nullable=False),
    _field("rank", pa.int64(), "Random order in its stratum (dialect, tier, split), from 1", nullable=False),
    _field("inclusion", pa.float64(), "Share of its stratum that has this rank or a lower one", nullable=False),
    _field("twice", pa.bool_(), "Whether a second reviewer is asked too", nullable=False),
    _field("drawn_at", INSTANT, "When the sample was drawn"),
)

TABLES: dict[str, pa.Schema] = {
    "recordings": RECORDINGS,
    "turns": TURNS,
    "denoised": DENOISED,
    "hypotheses": HYPOTHESES,
    "transcripts": TRANSCRIPTS,
    "alignments": ALIGNMENTS,
    "segments": SEGMENTS,
    "segment_dialects": SEGMENT_DIALECTS,
    "speakers": SPEAKERS,
    "corpus": CORPUS,
    "ledger": LEDGER,
    "quarantine": QUARANTINE,
    "corrections": CORRECTIONS,
    "consents": CONSENTS,
    "tombstones": TOMBSTONES,
    "models": MODELS,
    "training_set": TRAINING_SET,
    "validation_set": VALIDATION_SET,
    "evaluation": EVALUATION,
    "evaluation_summary": EVALUATION_SUMMARY,
    "evaluation_history": EVALUATION_HISTORY,
    "review_samples": REVIEW_SAMPLES,
}


def times_of(table: str) -> set[str]:
    """Columns that say when a row came about. They are no content: a row that is the same but later has not changed."""
    return {field.name for field in TABLES[table] if pa.types.is_timestamp(field.type)}


def span_id(recording_id: str, start: float, end: float) -> str:
    """Id of a stretch of a recording, `start` and `end` in seconds: `<recording_id>-<start ms>-<end ms>`."""
    return f"{recording_id}-{round(start * 1000):09d}-{round(end * 1000):09d}"


RENAMED: dict[str, dict[str, str]] = {
    table: {"side": "system"} for table in ("validation_set", "evaluation", "evaluation_summary")
}
"""By table, what a column was called and is called since 0.2: old files are read, and views show both until 0.3."""
