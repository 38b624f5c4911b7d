"""A log says where the work is, also while nothing gets finished."""

from __future__ import annotations

import time

import pytest

from assets.minute_lines import minute_lines


def test_lines_come_before_anything_is_finished_and_say_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with minute_lines("b00001 transcribe", every=0.01) as show:
        said = wait_for_line(capsys)
        assert said.endswith(" b00001 transcribe: nothing finished yet, 0 min")
        show(3, 12, "cmn/x/a.wav, 0.41 of 1.20 h")
        while "3 of 12" not in said:
            said = wait_for_line(capsys)
        assert said.endswith(" b00001 transcribe: 3 of 12 (cmn/x/a.wav, 0.41 of 1.20 h), 0 min")
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def wait_for_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The last line printed since the last call."""
    while not (lines := capsys.readouterr().err.splitlines()):
        time.sleep(0.01)
    return lines[-1]
