"""Views that answer the questions of a week, one file a subject; `questions.py` lists them."""
