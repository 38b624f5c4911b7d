"""What people say of the corpus: kept row by row, read by the stages, exchanged with other tools."""
