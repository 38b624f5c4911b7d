"""How good synthesized speech is: one metric a file, intervals, a run over many utterances. No files, no Dagster."""
