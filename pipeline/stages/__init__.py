"""The stages of the corpus line, one module each; see `pipeline.stage` for the contract they fulfil."""
