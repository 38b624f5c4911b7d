"""Systems under test beside the project's own voices: what they are, how they are asked, what others published."""
