"""The listening test: the page hides who spoke, answers are checked and un-blinded, scores have honest intervals."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from listening_items import HOSTILE, SECONDS, SYSTEMS, clip, items
from typer.testing import CliRunner

from cli import main
from model.evaluation.listening import Item, ListeningError, answers, build_page, items_of, read_answers, scores, tables
from model.evaluation.listening.answers import COLUMNS, Answers, Clip, Rating
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_table

Answer = dict[str, str]


@pytest.fixture
def made(tmp_path: Path) -> tuple[str, dict]:
    """The page as text, and its key."""
    info = build_page(items(), tmp_path / "listen.html", "Which & why?")
    assert (info.clips, info.trials, info.key.name) == (6, 12, "listen.key.json")
    return info.path.read_text(encoding="utf-8"), json.loads(info.key.read_text(encoding="utf-8"))


@pytest.fixture
def answer(tmp_path: Path, made: tuple[str, dict]) -> Callable[..., Answers]:
    """Read a CSV file with the given rows, each an answer with its columns changed as told."""

    def read(*rows: Answer, columns: tuple[str, ...] = COLUMNS, file: str = "results.csv") -> Answers:
        with (tmp_path / file).open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.DictWriter(out, columns, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows({name: row.get(name, "") for name in columns} for row in rows)
        return read_answers([tmp_path / file], tmp_path / "listen.key.json")

    return read


def clip_of(key: dict, system: str, utterance: str = "t-00") -> str:
    return next(
        name for name, told in key["clips"].items() if (told["system"], told["utterance_id"]) == (system, utterance)
    )


def mos(key: dict, system: str, score: object, listener: str = "小李", utterance: str = "t-00", **more: str) -> Answer:
    item = clip_of(key, system, utterance)
    row = {"test": key["test"], "listener": listener, "task": "mos", "item": item, "answer": str(score), "first": item}
    return row | {"heard_s": "0.4", "plays": "1", "position": "1", "answered_at": "2026-11-24T08:00:00Z"} | more


def choice(key: dict, chosen: str, other: str, listener: str = "小李", utterance: str = "t-00", **more: str) -> Answer:
    both = sorted((clip_of(key, chosen, utterance), clip_of(key, other, utterance)), reverse=True)
    pair = next(name for name, clips in key["pairs"].items() if sorted(clips) == sorted(both))
    row = {"test": key["test"], "listener": listener, "task": "ab", "item": pair, "first": both[0], "second": both[1]}
    return row | {"answer": clip_of(key, chosen, utterance), "heard_s": "0.9", "plays": "2", "position": "2"} | more


def test_the_page_tells_neither_systems_nor_utterances_and_needs_nothing_else(made: tuple[str, dict]) -> None:
    page, key = made
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "url(" not in page
    assert "default-src 'none'" in page
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # pyright: ignore[reportOptionalSubscript]
    told = json.dumps(shown["pairs"]) + "".join(f"{name} {clip['text']}" for name, clip in shown["clips"].items())
    assert not any(secret in told for secret in (*SYSTEMS, "t-00", "t-01", "r-0"))
    assert not any(secret in page for secret in ("fine_tuned", "espeak", "t-00", "base-1"))
    assert set(shown) == {"test", "clips", "pairs"}
    assert list(shown["clips"]) == sorted(key["clips"])
    assert all(set(told) == {"text", "dialect", "source"} for told in shown["clips"].values())
    sounds = {base64.b64decode(told["source"].partition(",")[2]) for told in shown["clips"].values()}
    assert sounds == {item.audio for item in items()}


def test_the_key_tells_who_spoke_each_clip(made: tuple[str, dict], tmp_path: Path) -> None:
    page, key = made
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # pyright: ignore[reportOptionalSubscript]
    by_sound = {item.audio: item for item in items()}
    for name, told in key["clips"].items():
        spoken = by_sound[base64.b64decode(shown["clips"][name]["source"].partition(",")[2])]
        assert (told["utterance_id"], told["system"]) == (spoken.utterance_id, spoken.system)
        assert told["seconds"] == pytest.approx(SECONDS, abs=0.01)
    again = json.loads(build_page(items(), tmp_path / "other.html").key.read_text(encoding="utf-8"))
    assert key["test"] != again["test"]
    assert key["clips"].keys().isdisjoint(again["clips"])


def test_hostile_text_is_only_data(made: tuple[str, dict]) -> None:
    page, _ = made
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<title>Which &amp; why?</title>" in page
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # pyright: ignore[reportOptionalSubscript]
    assert HOSTILE in {told["text"] for told in shown["clips"].values()}


def test_a_page_of_nothing_twice_the_same_or_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x.html"
    with pytest.raises(ListeningError, match="nothing to listen to"):
        build_page([], out)
    with pytest.raises(ListeningError, match="base has two clips of t-00"):
        build_page([items()[0], items()[0]], out)
    with pytest.raises(ListeningError, match="no type of audio"):
        build_page([Item("u", "x", "s", clip(200), 'audio/x" onload="')], out)
    with pytest.raises(ListeningError, match=r"u of s: .*no audio"):
        build_page([Item("u", "x", "s", b"not a sound")], out)
    monkeypatch.setattr("model.evaluation.listening.page.MOST_MEGABYTES", 0.001)
    with pytest.raises(ListeningError, match="choose fewer utterances"):
        build_page(items(), out)
    assert list(tmp_path.iterdir()) == []


def test_answers_are_unblinded(made: tuple[str, dict], answer: Callable[..., Answers]) -> None:
    _, key = made
    found = answer(mos(key, "base", 2), mos(key, "fine_tuned", 4), choice(key, "fine_tuned", "base"))
    assert [(one.clip.system, one.clip.utterance_id, one.score) for one in found.ratings] == [
        ("base", "t-00", 2),
        ("fine_tuned", "t-00", 4),
    ]
    assert [(one.chosen.system, one.other.system) for one in found.preferences] == [("fine_tuned", "base")]
    assert (found.listeners, found.faults, found.too_fast) == (1, [], [])
    assert "小李" not in repr(found)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"answer": "6"}, "the score '6' is none from 1 to 5"),
        ({"answer": "4.5"}, "the score '4.5' is none from 1 to 5"),
        ({"answer": ""}, "the score '' is none"),
        ({"item": "c000", "first": "c000"}, "'mos' of 'c000' with c000: not in the key"),
        ({"first": "c000"}, "not in the key"),
        ({"task": "rank"}, "'rank' of"),
        ({"test": "deadbeef"}, "is an answer to test 'deadbeef'; the key is of"),
        ({"heard_s": "-1"}, "heard_s is '-1'"),
        ({"heard_s": "nan"}, "heard_s is 'nan'"),
        ({"listener": "=cmd()"}, "is no listener's name"),
        ({"listener": ""}, "is no listener's name"),
    ],
)
def test_a_wrong_row_is_left_out_and_named(
    made: tuple[str, dict], answer: Callable[..., Answers], change: Answer, complaint: str
) -> None:
    _, key = made
    found = answer(mos(key, "base", 3), mos(key, "espeak-ng", 2, **change))
    assert len(found.ratings) == 1
    (fault,) = found.faults
    assert fault.startswith("results.csv, line 3: ")
    assert complaint in fault


def test_a_choice_of_a_clip_that_was_not_offered_is_left_out(
    made: tuple[str, dict], answer: Callable[..., Answers]
) -> None:
    _, key = made
    stranger = clip_of(key, "espeak-ng")
    found = answer(
        choice(key, "fine_tuned", "base", answer=stranger), choice(key, "fine_tuned", "base", first=stranger)
    )
    assert found.preferences == []
    assert "is neither of the two clips" in found.faults[0]
    assert "not in the key" in found.faults[1]


def test_the_second_answer_of_the_same_listener_is_left_out(
    made: tuple[str, dict], answer: Callable[..., Answers]
) -> None:
    _, key = made
    found = answer(mos(key, "base", 5), mos(key, "base", 1), mos(key, "base", 2, "小王"))
    assert [one.score for one in found.ratings] == [5, 2]
    assert "a second time; the first answer stands" in found.faults[0]


def test_who_did_not_listen_is_flagged_and_left_out(made: tuple[str, dict], answer: Callable[..., Answers]) -> None:
    _, key = made
    found = answer(
        mos(key, "base", 5, heard_s="0.1"), choice(key, "base", "fine_tuned", heard_s="0.5"), mos(key, "fine_tuned", 4)
    )
    assert ([one.score for one in found.ratings], found.preferences, found.faults) == ([4], [], [])
    assert len(found.too_fast) == 2
    assert "was heard for 0.1 s only" in found.too_fast[0]


def test_a_file_that_is_no_export_and_a_key_that_is_none_stop_the_import(
    tmp_path: Path, made: tuple[str, dict], answer: Callable[..., Answers]
) -> None:
    with pytest.raises(answers.AnswersError, match="its columns are not test, listener"):
        answer(columns=COLUMNS[:-1])
    (tmp_path / "broken.key.json").write_text('{"version": 1}', encoding="utf-8")
    with pytest.raises(answers.AnswersError, match="is no key of a listening page"):
        read_answers([tmp_path / "results.csv"], tmp_path / "broken.key.json")
    with pytest.raises(answers.AnswersError, match="no such file of answers"):
        read_answers([tmp_path / "none.csv"], tmp_path / "listen.key.json")


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Listeners and utterances both have their own level; an interval over answers alone would cover far less."""
    rng = np.random.default_rng(5)
    covered, tries = 0, 200
    for _ in range(tries):
        strict, hard = rng.normal(0, 0.5, 12), rng.normal(0, 0.5, 16)
        given = [(f"l{a}", f"u{b}", 3 + strict[a] + hard[b] + rng.normal(0, 0.4)) for a in range(12) for b in range(16)]
        found = scores.estimate("listener_mos", given)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 3 <= found.high
    assert 0.85 <= covered / tries <= 1.0


def test_an_estimate_of_one_answer_has_no_interval_and_a_unanimous_one_is_not_certain() -> None:
    assert scores.estimate("listener_mos", [("l", "u", 4.0)]).low is None
    sure = scores.estimate("preference", [(f"l{n}", f"u{n}", 1.0) for n in range(10)])
    assert (sure.value, sure.high) == (1.0, pytest.approx(1.0))
    assert sure.low == pytest.approx(0.722, abs=0.002)  # Wilson's bound for 10 of 10


def answered(key: dict, listeners: int = 6) -> list[Answer]:
    """The fine-tuned voice is a point better than the base, and preferred by all but one."""
    rows = []
    for number in range(listeners):
        name = f"L{number}"
        for utterance in ("t-00", "t-01"):
            rows.append(mos(key, "base", 2 + number % 2, name, utterance))
            rows.append(mos(key, "fine_tuned", 3 + number % 2, name, utterance))
            better, worse = ("base", "fine_tuned") if number == 0 else ("fine_tuned", "base")
            rows.append(choice(key, better, worse, name, utterance))
    return rows


def test_scores_become_rows_of_the_tables(made: tuple[str, dict], answer: Callable[..., Answers]) -> None:
    _, key = made
    found = answer(*answered(key))
    rows = {(row["utterance_id"], row["system"]): row for row in scores.evaluation_rows(found)}
    assert len(rows) == 4
    one = rows["t-00", "fine_tuned"]
    assert (one["metric"], one["value"], one["numerator"], one["denominator"]) == ("listener_mos", 3.5, 21.0, 6.0)
    assert (one["model_id"], one["dialect"], one["reference_recording_id"]) == ("fine_tuned-1", "cmn-tianjin", "r-0")
    summary = {(row["system"], row["metric"], row["condition"]): row for row in scores.summary_rows(found)}
    assert set(summary) == {
        ("base", "listener_mos", None),
        ("fine_tuned", "listener_mos", None),
        ("fine_tuned", "preference", "over base"),
    }
    opinion = summary["fine_tuned", "listener_mos", None]
    assert opinion["low"] < opinion["value"] == 3.5 < opinion["high"]
    assert opinion["n"] == 2
    assert "6 listeners, 2 utterances, 12 answers" in opinion["conditions"]
    won = summary["fine_tuned", "preference", "over base"]
    assert won["value"] == pytest.approx(10 / 12)
    assert won["low"] < won["value"] < won["high"]
    assert won["verdict"] == ("better" if won["low"] > 0.5 else "undecided")
    assert scores.summary_rows(found) == scores.summary_rows(found)


def validation_row(item: Item, **more: object) -> dict:
    return {
        "utterance_id": item.utterance_id,
        "model_id": item.model_id,
        "system": item.system,
        "dialect": item.dialect,
        "purpose": "quality",
        "text": item.text,
        "reference_recording_id": item.reference_recording_id,
        "seconds": SECONDS,
        "audio": {"bytes": item.audio, "path": "x.flac"},
    } | more


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "workspace" / "lake")
    rows = [validation_row(item) for item in items()]
    rows.append(validation_row(items()[0], utterance_id="t-02"))
    rows.append(validation_row(items()[0], utterance_id="t-03", audio=None, error="no sound came"))
    rows.append(validation_row(items()[0], utterance_id="t-04", purpose="long"))
    lake.write("validation_set", "cmn-tianjin", rows)
    return lake


def test_clips_are_drawn_from_the_table_where_all_systems_spoke(lake: Lake) -> None:
    folder = lake.root / "validation_set"
    assert items_of(folder) == sorted(items(), key=lambda item: (item.utterance_id, item.system))
    few = items_of(folder / "cmn-tianjin.parquet", 1, ("base", "espeak-ng"), seed=3)
    assert len({item.utterance_id for item in few}) == 1
    assert [item.system for item in few] == ["base", "espeak-ng"]
    assert few == items_of(folder, 1, ("base", "espeak-ng"), seed=3)
    content = lake.read("validation_set")
    before = content.rename_columns(["side" if name == "system" else name for name in content.column_names])
    lake.write("validation_set", "cmn-tianjin", iter([before]))
    assert few == items_of(folder, 1, ("base", "espeak-ng"), seed=3)
    assert len(items_of(folder, systems=["base"])) == 3
    with pytest.raises(ListeningError, match="XTTS spoke nothing; there are base, espeak-ng, fine_tuned"):
        items_of(folder, systems=["XTTS"])
    with pytest.raises(ListeningError, match="no validation set there"):
        items_of(lake.root / "none")


def test_scores_come_into_the_tables_once_and_go_with_what_was_spoken(
    lake: Lake, made: tuple[str, dict], answer: Callable[..., Answers]
) -> None:
    _, key = made
    workspace = lake.root.parent
    measured = {"utterance_id": "t-00", "model_id": "base-1", "system": "base"}
    measured |= {"dialect": "cmn-tianjin", "metric": "cer"}
    content = to_table("evaluation", [measured | {"value": 0.1}])
    noted = content.replace_schema_metadata({**(content.schema.metadata or {}), b"made_from": b"hash"})
    lake.write("evaluation", "cmn-tianjin", iter([noted]))
    rows = answered(key)
    first = tables.bring_in(lake, workspace, answer(*rows[:18]))["cmn-tianjin"]
    assert len(first[0]) == 4
    tables.bring_in(lake, workspace, answer(*rows[18:]))
    tables.bring_in(lake, workspace, answer(*rows))
    table = lake.rows("evaluation", "cmn-tianjin")
    assert [row["value"] for row in table if row["metric"] == "cer"] == [0.1]
    assert sorted(row["denominator"] for row in table if row["metric"] == "listener_mos") == [6.0] * 4
    assert len(lake.rows("evaluation_summary", "cmn-tianjin")) == 3
    assert pq.read_schema(lake.path("evaluation", "cmn-tianjin")).metadata[b"made_from"] == b"hash"
    assert "L0" not in (workspace / "listening" / f"{key['test']}.json").read_text(encoding="utf-8")

    left = [validation_row(item) for item in items() if item.utterance_id != "t-00"]
    lake.write("validation_set", "cmn-tianjin", left)
    evaluation, summary = tables.stored_rows(lake, workspace, "cmn-tianjin")
    assert {row["utterance_id"] for row in evaluation} == {"t-01"}
    assert all(row["n"] == 1 for row in summary)


@pytest.mark.parametrize(
    "change", [{"text": "另一句。"}, {"reference_recording_id": "r-9"}, {"seconds": SECONDS + 0.16}, {"audio": None}]
)
def test_answers_about_what_was_spoken_anew_count_no_more(
    lake: Lake, made: tuple[str, dict], answer: Callable[..., Answers], change: dict
) -> None:
    _, key = made
    tables.bring_in(lake, lake.root.parent, answer(*answered(key)))
    if "audio" in change:
        change |= {"seconds": None, "error": "no sound came"}
    rows = [validation_row(item, **change if item.utterance_id == "t-00" else {}) for item in items()]
    lake.write("validation_set", "cmn-tianjin", rows)
    evaluation, _ = tables.stored_rows(lake, lake.root.parent, "cmn-tianjin")
    assert {row["utterance_id"] for row in evaluation} == {"t-01"}


def test_a_key_cannot_name_another_folder(tmp_path: Path, made: tuple[str, dict]) -> None:
    _, key = made
    (tmp_path / "other.key.json").write_text(json.dumps(key | {"test": "../../models/x"}), encoding="utf-8")
    with pytest.raises(answers.AnswersError, match="is no key of a listening page"):
        read_answers([], tmp_path / "other.key.json")


def test_the_commands_make_a_page_and_bring_its_answers_in(lake: Lake, tmp_path: Path) -> None:
    runner, page = CliRunner(), tmp_path / "page.html"
    folder = str(lake.root / "validation_set")
    said = runner.invoke(main.app, ["listen", "page", "--validation", folder, "--out", str(page), "--system", "base"])
    assert said.exit_code == 0, said.output
    assert "3 clips, 3 answers a listener" in said.output
    said = runner.invoke(main.app, ["listen", "page", "--validation", folder, "--out", str(page)])
    assert "6 clips, 12 answers a listener" in said.output
    key = json.loads((tmp_path / "page.key.json").read_text(encoding="utf-8"))
    with (tmp_path / "r.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        rows = [*answered(key), mos(key, "base", 9, "Late")]
        writer.writerows({name: row.get(name, "") for name in COLUMNS} for row in rows)
    told = ["listen", "import", str(tmp_path / "r.csv"), "--key", str(tmp_path / "page.key.json")]
    said = runner.invoke(main.app, [*told, "--out", str(tmp_path / "rows.json")])
    assert said.exit_code == 0, said.output
    assert "the score '9' is none from 1 to 5" in said.output
    assert len(json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["evaluation_summary"]) == 3
    assert lake.rows("evaluation", "cmn-tianjin") == []
    said = runner.invoke(main.app, [*told, "--workspace", str(tmp_path / "workspace")])
    assert said.exit_code == 0, said.output
    assert "6 listeners, 24 opinions, 12 choices" in said.output
    assert len(lake.rows("evaluation", "cmn-tianjin")) == 4
    said = runner.invoke(main.app, [*told, "--workspace", str(tmp_path / "elsewhere")])
    assert said.exit_code == 1
    assert "hold none of these clips" in said.output


def test_no_answers_give_no_rows() -> None:
    told = Clip(utterance_id="u", text="x", system="s", model_id="m", dialect="yue", seconds=1.0)
    found = Answers("t", [Rating("l", told, 4)])
    assert len(scores.summary_rows(found)) == 1
    assert scores.summary_rows(Answers("t")) == scores.evaluation_rows(Answers("t")) == []
