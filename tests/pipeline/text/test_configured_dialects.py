"""A dialect that the configuration describes is known wherever a code is taken, in worker processes too."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import batches
from pipeline.settings import Settings, SettingsError, load_settings
from pipeline.text import dialects
from pipeline.text.normalize import normalizer
from pipeline.text.romanize import romanize
from pipeline.text.writing import written

NANJING = """
[dialects.x-nanjing]
name = "Nanjing Mandarin"
name_zh = "南京话"
readings = "borrowed"

[dialects.x-hebei]
name = "Hebei Mandarin"
name_zh = "河北话"
tones = { 1 = "23", 2 = "53", 3 = "55", 4 = "31" }
tones_source = "a test's own"

[dialects.nan]
characters = "zh-Hans"
"""


@pytest.fixture(autouse=True)
def built_in_afterwards() -> Iterator[None]:
    yield
    dialects.configure({})


def configured(folder: Path, text: str = NANJING) -> Settings:
    file = folder / "fangyan.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_a_configured_dialect_is_read_written_and_compared(tmp_path: Path):
    configured(tmp_path)
    nanjing = dialects.get("x-nanjing")
    assert (nanjing.whisper_language, nanjing.prompt("你好")) == ("zh", "(南京话)你好")
    assert not nanjing.own_readings
    assert dialects.get("x-hebei").tones["3"] == "55"
    assert [token.letters for token in romanize("说话", "x-nanjing")] == ["shuo", "hua"]
    assert written("說話", "x-nanjing") == "说话"
    assert normalizer("x-hebei").name == "zh-1"


def test_the_script_of_a_built_in_dialect_can_be_another(tmp_path: Path):
    configured(tmp_path)
    assert written("阮欲轉去", "nan") == "阮欲转去"
    assert dialects.get("nan").romanization == "tailo"
    dialects.configure({})
    assert written("阮欲轉去", "nan") == "阮欲轉去"


def test_its_landing_folder_is_taken_and_an_unknown_one_says_how_to_add_it(tmp_path: Path):
    settings = configured(tmp_path)
    for folder in ("x-nanjing", "x-wuxi"):
        place = settings.landing / folder / "tv"
        place.mkdir(parents=True)
        (place / "a.wav").write_bytes(b"RIFF")
    (problem,) = batches.problems(settings.landing)
    assert (problem.source, problem.reason) == ("x-wuxi/tv/a.wav", "unknown_dialect")
    assert "[dialects.x-wuxi]" in problem.message


def test_worker_processes_know_it(tmp_path: Path):
    configured(tmp_path)
    program = "from pipeline.text import dialects; print(dialects.get('x-nanjing').name)"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Nanjing Mandarin"


def test_what_rows_depend_on_changes_with_the_description_alone(tmp_path: Path):
    before = {code: dialects.content(code) for code in ("cmn", "nan", "x-nanjing")}
    configured(tmp_path)
    after = {code: dialects.content(code) for code in before}
    assert before["cmn"] == after["cmn"] == "cmn"
    assert before["nan"] != after["nan"]
    assert before["x-nanjing"] != after["x-nanjing"]


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('[dialects.X_Y]\nname = "a"\nname_zh = "b"', "no code"),
        ('[dialects.x-a]\nname = "a"', "x-a needs name and name_zh"),
        ('[dialects.x-a]\nnam = "a"', "did you mean name"),
        ('[dialects.x-a]\nname = "a"\nname_zh = "b"\ntones = { 1 = "55" }', "tones_source"),
        ('[dialects.x-a]\nname = "a"\nname_zh = "b"\ntones = { 1 = "9" }\ntones_source = "c"', "tones.1"),
        ('[dialects.wuu]\nreadings = "borrowed"\ntones = { 1 = "53" }\ntones_source = "c"', "borrowed readings"),
    ],
)
def test_a_wrong_description_says_what_to_do(tmp_path: Path, section: str, complaint: str):
    with pytest.raises(SettingsError, match=complaint):
        configured(tmp_path, section)
