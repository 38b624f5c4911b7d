"""Sound: decoding, clips, measures of quality, voice activity and noise. Nothing here knows of stages or tables."""
