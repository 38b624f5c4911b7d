"""Consents, the audit log, tombstones, and who may copy a voice."""
