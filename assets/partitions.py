"""Partition definitions. A batch is some hours of audio that landed together; a dialect is a code of the registry."""

import warnings

import dagster as dg

from pipeline.text import dialects

# Checks on single partitions work but are still called a preview, backfill policies and code references a beta.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

batch_partitions = dg.DynamicPartitionsDefinition(name="batch")
dialect_partitions = dg.StaticPartitionsDefinition(
    [dialect.code for dialect in dialects.REGISTRY.values() if dialect.script == "hanzi"]
)
