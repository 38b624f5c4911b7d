"""Trainer of ctc-micro."""
