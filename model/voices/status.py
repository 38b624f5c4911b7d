"""What a voice may be: the values of the column status of table models, besides tainted, which a takedown sets."""

CANDIDATE, PROMOTED, REJECTED = "candidate", "promoted", "rejected"
UNDECIDED = "undecided"
"""Judged, with too few utterances to see whether it is worse; it speaks for no dialect."""
SUPERSEDED = "superseded"
"""It was promoted until another voice took its place. One voice of a dialect is promoted at a time."""
EXPERIMENT = "experiment"
"""Trained in another way than the configuration says; it takes nobody's place, however well it speaks."""
