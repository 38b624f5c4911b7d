"""Partition definitions. A batch is some hours of audio that landed together; its manifest lies in the workspace."""

import dagster as dg

batch_partitions = dg.DynamicPartitionsDefinition(name="batch")
