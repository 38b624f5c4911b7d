"""The voice of a dialect: its training on the corpus, its card."""
