"""What is done over all batches at once: linked speakers, duplicates, tiers and splits."""
