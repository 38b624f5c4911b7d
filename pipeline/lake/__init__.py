"""Storage: Parquet tables and their schemas, files replaced in one step, the lock, the DuckDB catalog."""
