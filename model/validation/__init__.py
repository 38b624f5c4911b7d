"""Validation sets: texts, the plan of what is spoken, and its synthesis by every system."""
