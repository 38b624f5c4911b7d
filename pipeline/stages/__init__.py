"""The stages that make a corpus, one module each; see `pipeline.stage` for the contract they fulfil."""
