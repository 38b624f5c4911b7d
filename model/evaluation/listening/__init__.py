"""The blind listening test: one static page for listeners, and their answers back as scores with intervals."""

from model.evaluation.listening.answers import Answers, AnswersError, read_answers
from model.evaluation.listening.page import Item, ListeningError, PageInfo, build_page
from model.evaluation.listening.scores import MOS, PREFERENCE, evaluation_rows, summary_rows
from model.evaluation.listening.tables import bring_in, items_of, stored_rows

__all__ = [
    "MOS",
    "PREFERENCE",
    "Answers",
    "AnswersError",
    "Item",
    "ListeningError",
    "PageInfo",
    "bring_in",
    "build_page",
    "evaluation_rows",
    "items_of",
    "read_answers",
    "stored_rows",
    "summary_rows",
]
