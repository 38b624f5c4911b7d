"""What is worth a person's time, and what the time spent says of the corpus.

The queue of segments to be heard, the random sample in it, character error with interval, agreement of reviewers.
"""
