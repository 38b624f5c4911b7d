"""Speech models behind one call each: recogniser, aligner, diarization; where their checkpoints lie."""
