"""The report as a browser gets it from `fangyan ui`."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cli.report_server import serve_report


def test_the_report_is_served_and_no_list_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>voices", encoding="utf-8")
    (tmp_path / "cmn-tianjin").mkdir()
    with serve_report(tmp_path, "127.0.0.1", 0) as address:
        with urllib.request.urlopen(f"{address}/index.html", timeout=10) as page:
            assert page.read() == b"<!doctype html>voices"
        for missing in ("/cmn-tianjin/", "/../secret"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}{missing}", timeout=10)


def test_a_port_that_is_taken_does_not_stop_the_ui(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        serve_report(tmp_path, "127.0.0.1", taken.getsockname()[1]) as address,
    ):
        assert address is None
