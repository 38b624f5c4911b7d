"""Trainer of dialect-micro."""
