"""The validation texts: the real files are sound, and each kind of fault is told with file, item and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from model.validation import prompts
from pipeline.text import dialects
from studio import prompts as studio_prompts
from studio import scripts

NINE = {code for code, each in dialects.REGISTRY.items() if each.voxcpm_prefix}


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., str]:
    """What is said of the Tianjin file after `edits`, pairs of a text that stands in it once and its replacement."""

    def read(*edits: tuple[str, str]) -> str:
        text = (prompts.FOLDER / "cmn-tianjin.yaml").read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "cmn-tianjin.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(prompts.PromptError) as caught:
            prompts.read(path)
        return str(caught.value)

    return read


def test_all_texts_are_sound_and_there_are_enough_of_each_kind() -> None:
    files = prompts.load_all()
    assert len(NINE) == 9
    assert set(files) == NINE | {"cmn"}
    for code, by_category in prompts.counts(files).items():
        assert sum(by_category.values()) >= 100, code
        assert set(by_category) == set(get_args(prompts.Category)), code
        assert by_category["long"] >= 2, code
        assert all(prompt.expected_seconds > 60 for prompt in files[code].of("long")), code
        assert "Anyone" in files[code].who_may_use
        assert files[code].author_note.startswith("Written for this project")


def test_every_control_tag_is_put_to_use_somewhere() -> None:
    said = "".join(prompt.text for found in prompts.load_all().values() for prompt in found.of("control_tags"))
    assert [tag for tag in prompts.voxcpm_text.TAGS if f"[{tag}]" not in said] == []


def test_a_dialect_is_loaded_by_its_code() -> None:
    found = prompts.load("zh")
    assert found.dialect == "cmn"
    assert found.of("long", "numbers")[0].category == "numbers"
    with pytest.raises(prompts.PromptError, match=r"fr\.yaml: no such file.*cmn-tianjin"):
        prompts.load("fr")
    with pytest.raises(dialects.UnknownDialectError, match="cmn-tianjin"):
        prompts.load("tianjin")


def test_spoken_text_and_length_leave_out_tags_and_punctuation() -> None:
    prompt = prompts.Prompt(id="cmn-control_tags-01", category="control_tags", text="[laughing]好，OK！走")
    assert prompt.spoken == "好ok走"
    assert prompt.expected_seconds == pytest.approx(2 / 4.5 + 0.4)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[Uhm]", "[Uhmm]", r"cmn-tianjin-control_tags-03: text: \[Uhmm\] is no control tag; did you mean \[Uhm\]"),
        ("[Uhm]", "", "cmn-tianjin-control_tags-03: text: a tag belongs into every text of control_tags"),
        ("三十分钟一趟车", "30分钟一趟车", "cmn-tianjin-numbers-03: text: '3': write numbers in characters"),
        ("介鱼怎么熬的", "介魚怎么熬的", "cmn-tianjin-everyday-16: text: '魚' is the traditional script"),
        ("介鱼怎么熬的", "介“鱼”怎么熬的", "cmn-tianjin-everyday-16: text: '“': allowed beside characters"),
        ("介鱼怎么熬的", "介fish怎么熬的", "cmn-tianjin-everyday-16: text: Latin letters belong into code_switching"),
        ("id: cmn-tianjin-numbers-04", "id: cmn-tianjin-numbers-05", "cmn-tianjin-numbers-05: id: stands 2 times"),
        ("id: cmn-tianjin-numbers-04", "id: yue-numbers-04", "yue-numbers-04: id: should begin with cmn-tianjin-numb"),
        ("version: 1", "version: 2", "cmn-tianjin.yaml: version: Input should be 1"),
        ("dialect: cmn-tianjin", "dialect: cmn-tianjing", "dialect: 'cmn-tianjing' is none of cmn, yue"),
        ("version: 1", "version: 1\nversion: 1", "key 'version' stands twice"),
        ("version: 1", "version: [", "not valid YAML"),
    ],
)
def test_a_fault_is_told_with_file_item_and_key(broken: Callable[..., str], old: str, new: str, complaint: str) -> None:
    said = broken((old, new))
    assert said.startswith("cmn-tianjin.yaml: ")
    assert re.search(complaint, said), said


def test_an_unknown_category_or_key_names_the_item_and_what_is_allowed(broken: Callable[..., str]) -> None:
    item = "id: cmn-tianjin-numbers-04\n    category: numbers"
    said = broken((item, item.replace(": numbers", ": sums") + "\n    speed: fast"))
    assert "cmn-tianjin.yaml: cmn-tianjin-numbers-04: category: " in said
    assert "allowed are everyday, numbers" in said
    assert "cmn-tianjin.yaml: cmn-tianjin-numbers-04: speed: Extra inputs are not permitted" in said


def test_a_short_long_text_and_a_long_short_text_are_refused(broken: Callable[..., str]) -> None:
    whole = prompts.load("cmn-tianjin").of("long")[0].text
    said = broken((whole, whole[:200]), ("介麻花儿刚出锅", "介麻花儿刚出锅" + "又酥又脆倍儿香" * 12))
    assert "cmn-tianjin-long-01: text: 171 characters; a long text has at least 300" in said
    assert "only a long text has more than 80" in said


def test_texts_that_come_too_near_to_each_other_are_refused(broken: Callable[..., str], tmp_path: Path) -> None:
    first, second, third = prompts.load("cmn-tianjin").of("questions")[:3]
    said = broken((second.text, first.text.replace("，", "。")), (third.text, first.text[:-3] + "？"))
    assert "cmn-tianjin-questions-02: text: equal to cmn-tianjin-questions-01" in said
    assert "alike to cmn-tianjin-questions-01 of cmn-tianjin.yaml" in said

    folder = tmp_path / "both"
    folder.mkdir()
    foreign = prompts.load("cmn").of("questions")[0]
    for code, edit in (("cmn", ("", "")), ("cmn-tianjin", (first.text, foreign.text))):
        text = (prompts.FOLDER / f"{code}.yaml").read_text(encoding="utf-8")
        (folder / f"{code}.yaml").write_text(text.replace(*edit) if edit[0] else text, encoding="utf-8")
    with pytest.raises(prompts.PromptError, match=r"equal to cmn-tianjin-questions-01|equal to cmn-questions-01"):
        prompts.load_all(folder)


def test_too_few_texts_are_counted(tmp_path: Path) -> None:
    text = (prompts.FOLDER / "yue.yaml").read_text(encoding="utf-8")
    path = tmp_path / "yue.yaml"
    path.write_text(text[: text.index("  - id: yue-questions-03")], encoding="utf-8")
    with pytest.raises(prompts.PromptError) as caught:
        prompts.read(path)
    said = str(caught.value)
    assert "items: 2 texts of questions, at least 10 are needed" in said
    assert "items: 0 texts of long, at least 2 are needed" in said
    assert "items: 68 texts, at least 100 are needed" in said


def test_studio_prompts_are_held_out_different_and_have_a_reading_for_each_character() -> None:
    drawn = studio_prompts.held_out("cmn-tianjin", 60, seed=4)
    assert len({prompt.sentence.text for prompt in drawn}) == 60
    assert all(scripts.is_held_out(prompt.sentence.text) for prompt in drawn)
    assert all(len(prompt.sentence.characters) == len(prompt.sentence.syllables) > 0 for prompt in drawn)
    assert drawn[:20] == studio_prompts.held_out("cmn-tianjin", 20, seed=4)
    assert drawn != studio_prompts.held_out("cmn-tianjin", 60, seed=5)
    with pytest.raises(ValueError, match="no scripts for dialect 'nan'"):
        studio_prompts.held_out("nan", 3)
