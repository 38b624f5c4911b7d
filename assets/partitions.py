"""Partition definitions. A batch is some hours of audio that landed together; a dialect is a code of the registry."""

import warnings

import dagster as dg

from pipeline.settings import load_settings
from pipeline.text import dialects

# Checks on single partitions work but are still called a preview, backfill policies and code references a beta.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# The code location is loaded before anything has asked for the settings, and they may describe dialects.
if not dialects.are_configured():
    load_settings()

DIALECTS = tuple(dialects.REGISTRY)
"""Codes of all dialects and languages, those of the configuration among them."""
batch_partitions = dg.DynamicPartitionsDefinition(name="batch")
dialect_partitions = dg.StaticPartitionsDefinition(
    [code for code in DIALECTS if dialects.REGISTRY[code].script == "hanzi"]
)
