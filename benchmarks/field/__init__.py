"""The pipeline on recordings of people, beside plain recognisers: `python -m benchmarks.field`."""
