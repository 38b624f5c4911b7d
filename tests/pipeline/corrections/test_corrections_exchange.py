"""Segments go to other tools and come back as what people made of them: nothing lost, nothing made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.corrections.correction import correction
from pipeline.corrections.spans import CorrectedSpan, corrected_spans
from pipeline.corrections.store import Corrections
from pipeline.exchange.formats import read_transcript
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.settings import GivenText

REC, OTHER = "8f0c44d1a2b3c4d5", "0011223344556677"
TEXTS = ["大蒜和洋芋我都要一斤。", '说"好"的 <b>&', "鱼香茄子好鲜哦，巴适得板！", "=1+1", "外公又瘦又热情。"]
SPANS = [(0.2701, 3.9), (4.39, 10.5164), (10.577, 16.683), (16.6, 23.0134), (23.207, 26.5823)]


def segment(recording_id: str, span: tuple[float, float], text: str, speaker: str) -> Row:
    row = {"segment_id": span_id(recording_id, *span), "recording_id": recording_id, "batch": "b1", "provenance": "p"}
    row |= {"turn_id": "t", "source": "cmn-sichuan/a/b c.flac", "dialect": "cmn-sichuan", "local_speaker": speaker}
    row |= {"start": span[0], "end": span[1], "text": text, "decision": "keep", "romanization": "da4 suan4"}
    return row


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    lake = Lake(tmp_path / "lake")
    rows = [segment(REC, span, text, f"S{n % 2}") for n, (span, text) in enumerate(zip(SPANS, TEXTS, strict=True))]
    lake.write("segments", "b1", [*rows, segment(OTHER, (1.0, 5.0), "别的", "S0")])
    shared = {"batch": "b1", "status": "ok", "provenance": "p"}
    files = [(REC, "b c.flac", 30.0), (OTHER, "d.flac", 9.0)]
    lake.write("recordings", "b1", [shared | {"source": s, "recording_id": one, "duration": d} for one, s, d in files])
    return tmp_path


def fangyan(workspace: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["corrections", *words, "--workspace", str(workspace)])
    assert result.exit_code == code, result.output
    return result.output


def standing(workspace: Path) -> list[CorrectedSpan]:
    return list(corrected_spans(Corrections(workspace).standing(REC)))


@pytest.mark.parametrize("extension", ["eaf", "TextGrid"])
def test_all_annotations_go_out_within_a_millisecond_and_come_back_as_nothing_new(
    workspace: Path, extension: str
) -> None:
    fangyan(workspace, "export", extension.lower(), "--out", str(workspace / "out"))
    file = workspace / "out" / f"{REC}.{extension}"
    lines = [one for one in read_transcript(file.read_bytes(), file.name, GivenText()).lines if one.text]
    assert [line.text for line in lines] == TEXTS
    assert [line.speaker for line in lines] == ["S0", "S1", "S0", "S1", "S0"]
    for line, span in zip(lines, SPANS, strict=True):
        assert (line.start, line.end) == pytest.approx(span, abs=1e-3)
    assert "nothing new" in fangyan(workspace, "import", str(file), "--who", "Wang", "--drop-missing")
    assert Corrections(workspace).rows() == []


def test_an_edited_eaf_comes_back_without_a_loss_and_within_a_millisecond(workspace: Path) -> None:
    fangyan(workspace, "export", "eaf", "--out", str(workspace / "out"))
    file = workspace / "out" / f"{REC}.eaf"
    tree = ElementTree.parse(file)
    root = tree.getroot()
    slots = {slot.attrib["TIME_SLOT_ID"]: slot for slot in root.iter("TIME_SLOT")}
    by_text = {one.findtext("ANNOTATION_VALUE"): one for one in root.iter("ALIGNABLE_ANNOTATION")}

    def slot(text: str, end: str) -> ElementTree.Element:
        return slots[by_text[text].attrib[f"TIME_SLOT_REF{end}"]]

    # A text, a boundary, an annotation emptied, and one split in two, as ELAN does it: the new half has no label.
    by_text[TEXTS[0]].find("ANNOTATION_VALUE").text = "大蒜和洋芋我都要两斤。"  # type: ignore[union-attr]
    slot(TEXTS[1], "1").set("TIME_VALUE", "4512")
    by_text[TEXTS[3]].find("ANNOTATION_VALUE").text = ""  # type: ignore[union-attr]
    slot(TEXTS[2], "2").set("TIME_VALUE", "13000")
    by_text[TEXTS[2]].find("ANNOTATION_VALUE").text = "鱼香茄子好鲜哦，"  # type: ignore[union-attr]
    order, tier = root.find("TIME_ORDER"), next(one for one in root.iter("TIER") if one.attrib["TIER_ID"] == "text@S0")
    assert order is not None
    for name, value in (("tsA", "13000"), ("tsB", "16683")):
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": value})
    half = ElementTree.SubElement(
        ElementTree.SubElement(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        {"ANNOTATION_ID": "a99", "TIME_SLOT_REF1": "tsA", "TIME_SLOT_REF2": "tsB"},
    )
    ElementTree.SubElement(half, "ANNOTATION_VALUE").text = "巴适得板！"
    tree.write(file, encoding="utf-8", xml_declaration=True)

    fangyan(workspace, "import", str(file), "--who", "Wang", "--why", "ELAN")
    found = standing(workspace)
    wanted = [
        (SPANS[0], "大蒜和洋芋我都要两斤。"),
        ((4.512, 10.5164), TEXTS[1]),
        ((10.577, 13.0), "鱼香茄子好鲜哦，"),
        ((13.0, 16.683), "巴适得板！"),
        (SPANS[3], None),
    ]
    assert [span.text for span in found] == [text for _, text in wanted]
    for span, ((start, end), _) in zip(found, wanted, strict=True):
        assert (span.start, span.end) == pytest.approx((start, end), abs=1e-3)
    assert found[4].unintelligible
    assert {row.who for row in Corrections(workspace).rows()} == {"Wang"}
    assert "nothing new" in fangyan(workspace, "import", str(file), "--who", "Wang")


def test_what_somebody_corrected_after_the_file_was_written_is_not_overwritten(workspace: Path) -> None:
    fangyan(workspace, "export", "textgrid", "--out", str(workspace / "out"))
    store = Corrections(workspace)
    theirs = correction("Li", REC, *SPANS[0], "text", TEXTS[0], "大蒜和洋芋我都要三斤。")
    store.add([theirs])
    file = workspace / "out" / f"{REC}.TextGrid"
    words = file.read_text(encoding="utf-8").replace(TEXTS[0], "大蒜和洋芋").replace(TEXTS[4], "外公又瘦又热心。")
    file.write_text(words, encoding="utf-8")
    output = fangyan(workspace, "import", str(file), "--who", "Wang", code=1)
    assert "Li corrected the same speech" in output
    assert [row.new for row in store.rows()] == ["大蒜和洋芋我都要三斤。", "外公又瘦又热心。"]


def test_an_annotation_that_was_deleted_drops_its_segment_only_if_asked(workspace: Path) -> None:
    fangyan(workspace, "export", "textgrid", "--out", str(workspace / "out"))
    file = workspace / "out" / f"{REC}.TextGrid"
    lines = [
        'text = ""' if TEXTS[4] in line or f"{span_id(REC, *SPANS[4])} " in line else line
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert "nothing new" in fangyan(workspace, "import", str(file), "--who", "Wang")
    fangyan(workspace, "import", str(file), "--who", "Wang", "--drop-missing")
    (span,) = standing(workspace)
    assert (span.start, span.end, span.keep) == (*SPANS[4], False)


def test_label_studio_gets_tasks_as_its_documentation_has_them_and_gives_annotations_back(workspace: Path) -> None:
    out = workspace / "tasks.json"
    fangyan(workspace, "export", "label-studio", "--out", str(out), "--audio", "https://desk.example/{source}")
    names = {one.get("name") for one in ElementTree.parse(out.with_suffix(".xml")).iter() if one.get("name")}
    tasks = json.loads(out.read_text(encoding="utf-8"))
    assert [task["data"]["recording_id"] for task in tasks] == sorted([REC, OTHER])
    (task,) = (one for one in tasks if one["data"]["recording_id"] == REC)
    assert task["data"]["audio"] == "https://desk.example/cmn-sichuan/a/b c.flac"
    results = task["predictions"][0]["result"]
    for result in results:
        assert {"id", "from_name", "to_name", "type", "value"} <= set(result)
        assert {result["from_name"], result["to_name"]} <= names
        assert result["type"] in ("labels", "textarea")
        assert isinstance(result["value"]["labels" if result["type"] == "labels" else "text"], list)
        assert 0 <= result["value"]["start"] < result["value"]["end"] <= 30.0
    # As Label Studio exports it: the tasks with what annotators made of the predictions.
    for result in results:
        at, value = result["id"], result["value"]
        if at == span_id(REC, *SPANS[0]) and result["from_name"] == "text":
            value["text"] = ["大蒜和洋芋我都要两斤。"]
        if at == span_id(REC, *SPANS[1]):
            value["start"] = 4.6
        if at == span_id(REC, *SPANS[2]) and result["type"] == "labels":
            value["labels"] = ["Drop"]
        if at == span_id(REC, *SPANS[4]) and result["from_name"] == "speaker":
            value["text"] = ["Ann"]
    moments = {"created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:05:00Z"}
    cancelled = {"id": 2, "was_cancelled": True, "result": [], "updated_at": "2026-03-02T10:00:00Z"}
    task |= {
        "id": 7,
        "project": 1,
        "annotations": [moments | {"id": 1, "was_cancelled": False, "result": results}, cancelled],
    }
    out.write_text(json.dumps(tasks), encoding="utf-8")
    fangyan(workspace, "import", str(out), "--who", "Wang")
    first, second, third, fifth = standing(workspace)
    assert (first.text, first.speaker) == ("大蒜和洋芋我都要两斤。", None)
    assert (second.start, second.end, second.text) == (4.6, SPANS[1][1], TEXTS[1])
    assert (third.keep, third.text) == (False, None)
    assert (fifth.speaker, fifth.text) == ("Ann", None)
    assert "JSON-MIN" in fangyan(workspace, "import", str(_file(workspace, "x.json", "{}")), "--who", "W", code=1)


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_a_sheet_of_corrections_comes_back_exactly_and_computes_nothing(workspace: Path, extension: str) -> None:
    store = Corrections(workspace)
    at = datetime(2026, 3, 1, 9, 30, 0, 123456, UTC)
    rows = [
        correction("Wang", REC, *span, "text", text, f"{text}\n'", why="=cmd()", at=at, sample="queue", listened_s=1.5)
        for span, text in zip(SPANS, ["+1", "'@x", 'a,"b"', "\tx", "'"], strict=True)
    ]
    store.add(rows)
    file = workspace / f"sheet.{extension}"
    fangyan(workspace, "export", extension, "--out", str(file))
    if extension == "csv":
        assert not any(cell.startswith(tuple("=+-@\t")) for cell in file.read_text("utf-8-sig").split(","))
    (workspace / "lake/corrections").rename(workspace / "away")
    fangyan(workspace, "import", str(file))
    assert sorted(Corrections(workspace).rows(), key=lambda row: row.start) == rows
    assert "nothing new" in fangyan(workspace, "import", str(file))


def test_a_sheet_written_by_hand_names_segments_and_its_errors_name_the_line(workspace: Path) -> None:
    name = span_id(REC, *SPANS[0])
    file = _file(workspace, "hand.csv", f"segment_id,field,new\n{name},speaker,Ann\n{name},keep,drop\n")
    assert "who" in fangyan(workspace, "import", str(file), code=1)
    fangyan(workspace, "import", str(file), "--who", "Wang")
    (span,) = standing(workspace)
    assert (span.speaker, span.keep) == ("Ann", False)
    shown = json.loads(fangyan(workspace, "list", "--format", "json"))
    assert [(row["field"], row["new"]) for row in shown] == [("speaker", "Ann"), ("keep", "drop")]
    wrong = _file(workspace, "wrong.csv", f"segment_id,field,new\n{name},keep,perhaps\n")
    output = fangyan(workspace, "import", str(wrong), "--who", "Wang", code=1)
    assert "line 2" in output
    assert "keep or drop" in output
    assert len(Corrections(workspace).rows()) == 2


def _file(workspace: Path, name: str, content: str) -> Path:
    (workspace / name).write_text(content, encoding="utf-8")
    return workspace / name
