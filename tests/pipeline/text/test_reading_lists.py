"""200 clauses of each dialect are read as two witnesses agree; readings/README.md says which."""

from pathlib import Path

import pytest

from pipeline.text.romanize import romanize

LISTS = sorted((Path(__file__).parent / "readings").glob("*.tsv"))
UNKNOWN = "-"


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_a_dialect_is_read_as_its_checked_list_has_it(file: Path):
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 200
    known = 0
    for clause, agreed in lines:
        tokens = romanize(clause, file.stem)
        assert len(tokens) == len(agreed.split())
        for token, reading in zip(tokens, agreed.split(), strict=True):
            assert reading in (UNKNOWN, token.reading), (clause, token)
            known += reading != UNKNOWN
    assert known >= 800


def test_every_dialect_with_readings_of_its_own_has_a_list():
    assert {file.stem for file in LISTS} >= {"cmn", "yue", "nan", "cmn-sichuan", "cmn-tianjin", "cmn-northeastern"}
