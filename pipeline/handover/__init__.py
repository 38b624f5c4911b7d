"""Handing segments out: chosen by a condition, allowed by consents, written in a format, logged with to whom."""
