"""Trainer of whisper-micro."""
