"""The desk: one page for the corpus, to browse, listen and correct. Knows nothing of Dagster."""
