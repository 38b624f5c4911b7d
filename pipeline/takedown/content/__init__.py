"""Looks for withdrawn words and sound inside files of any kind, whoever made them."""
