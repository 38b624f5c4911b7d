"""Every format gives the same lines: times within a millisecond, several speakers, what is empty, nothing lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pysubs2
import pytest
from praatio.utilities.constants import Interval

from pipeline.exchange.formats import FORMATS, format_of, read_transcript
from pipeline.exchange.given import GivenLine, TranscriptError
from pipeline.exchange.marks import has_unwritten, spoken
from pipeline.settings import GivenText

SETTINGS = GivenText()
SAID = [
    (0.25, 1.75, "今朝天氣蠻好個。", "A"),
    (1.75, 3.125, "是個呀,\n阿拉去白相", "B"),
    (3.5, 3.901, "", "A"),
    (3.901, 6.0, "2024", "A"),
]


def read(name: str, text: str, settings: GivenText = SETTINGS, encoding: str = "utf-8") -> tuple[GivenLine, ...]:
    return read_transcript(text.encode(encoding), name, settings).lines


def times(lines: Sequence[GivenLine]) -> list[tuple[float, float]]:
    return [(line.start or 0.0, line.end or 0.0) for line in lines]


def same_times(lines: Sequence[GivenLine], wanted: list[tuple[float, float]], within: float = 1e-3) -> None:
    np.testing.assert_allclose(times(lines), wanted, rtol=0, atol=within)


def srt(vtt: bool) -> str:
    subtitles = pysubs2.SSAFile()
    for start, end, text, _ in SAID:
        subtitles.append(pysubs2.SSAEvent(round(start * 1000), round(end * 1000), text.replace("\n", r"\N")))
    return subtitles.to_string("vtt" if vtt else "srt")


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_subtitles_keep_every_cue_to_the_millisecond_an_empty_one_and_one_of_digits(name: str) -> None:
    lines = read(name, srt(name.endswith("vtt")))
    same_times(lines, [(start, end) for start, end, _, _ in SAID])
    assert [line.text for line in lines] == ["今朝天氣蠻好個。", "是個呀,阿拉去白相", "", "2024"]


def test_a_webvtt_voice_is_the_speaker_and_comments_are_no_text() -> None:
    text = (
        "WEBVTT - title\n\nNOTE not text\n\nfirst\n00:01.000 --> 00:02.500 align:start\n"
        "<v.loud 王阿姨>侬好 &amp; 再會</v>\n\n"
        "NOTE between\n\n00:03.000 --> 00:04.000\n<i>好</i>個\n"
    )
    lines = read("a.vtt", text)
    assert [(line.speaker, line.text) for line in lines] == [("王阿姨", "侬好 & 再會"), (None, "好個")]
    assert times(lines) == [(1.0, 2.5), (3.0, 4.0)]


def test_aegisub_events_have_their_speakers_and_comments_are_left_out() -> None:
    subtitles = pysubs2.SSAFile()
    for start, end, text, name in SAID[:2]:
        subtitles.append(pysubs2.SSAEvent(round(start * 1000), round(end * 1000), text.replace("\n", r"\N"), name=name))
    subtitles.append(pysubs2.SSAEvent(0, 100, "remark", type="Comment"))
    lines = read("a.ass", subtitles.to_string("ass"))
    assert [(line.speaker, line.text) for line in lines] == [("A", "今朝天氣蠻好個。"), ("B", "是個呀,阿拉去白相")]
    # its format counts hundredths of a second
    same_times(lines, [(0.25, 1.75), (1.75, 3.125)], 0.006)


def grid(tiers: dict[str, list[tuple[float, float, str]]], form: str = "long_textgrid", seconds: float = 7.0) -> str:
    from praatio.utilities import textgrid_io

    shared = {"class": "IntervalTier", "xmin": 0, "xmax": seconds}
    listed = [
        shared | {"name": name, "entries": [Interval(*entry) for entry in entries]} for name, entries in tiers.items()
    ]
    return textgrid_io.getTextgridAsStr({"xmin": 0, "xmax": seconds, "tiers": listed}, form, False)


GRID = {
    "text@A": [(0.2504, 1.7531, '他说"好"'), (3.5, 3.901, "是 呀"), (4.0, 5.0, "")],
    "text@B": [(1.5, 3.125, "同时讲")],
    "gloss@A": [(0.2504, 1.7531, "he said"), (3.49, 3.9, "yes")],
    "备注": [(1.5, 3.125, "插话")],
    "phones": [(0.25, 0.3, "t")],
}


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_textgrid_in_either_form_and_encoding_gives_overlapping_speakers_with_gloss_and_remarks(
    form, encoding
) -> None:
    lines = read("a.TextGrid", grid(GRID, form), encoding=encoding)
    spoken_lines = [line for line in lines if line.text]
    assert [(line.speaker, line.text, line.gloss, line.remarks) for line in spoken_lines] == [
        ("A", '他说"好"', "he said", None),
        ("B", "同时讲", None, "插话"),
        ("A", "是 呀", "yes", None),
    ]
    same_times(spoken_lines, [(0.2504, 1.7531), (1.5, 3.125), (3.5, 3.901)])
    assert [line.text for line in lines].count("") >= 1


def test_tiers_of_unknown_names_are_speakers_and_the_note_says_so() -> None:
    found = read_transcript(
        grid({"张三": [(0, 1, "来")], "李四": [(1, 2, "去")]}, "short_textgrid").encode(), "a.textgrid", SETTINGS
    )
    assert [(line.speaker, line.text) for line in found.lines] == [("张三", "来"), ("李四", "去")]
    assert "张三, 李四 are read as speakers" in found.notes[0]


def test_a_tier_beside_the_text_that_is_not_read_is_named() -> None:
    found = read_transcript(
        grid({"text": [(0, 1, "来")], "breath": [(0, 1, "x")]}, "long_textgrid").encode(), "a.textgrid", SETTINGS
    )
    assert found.notes == ("the tiers breath are not read; name them in [given_text]",)


def test_words_alone_are_joined_to_lines_at_pauses() -> None:
    words = {"A - words": [(0, 0.4, "hello"), (0.4, 0.9, "there"), (2.0, 2.5, "好")], "A - phones": [(0, 0.1, "h")]}
    lines = read("a.textgrid", grid(words))
    assert [(line.start, line.end, line.text, line.speaker) for line in lines] == [
        (0.0, 0.9, "hello there", "A"),
        (2.0, 2.5, "好", "A"),
    ]


SLOTS = {"ts1": 250, "ts2": 1753, "ts3": 3000, "ts4": None, "ts5": 5000, "ts6": 1500, "ts7": 2500}


def aligned(name: str, first: str, last: str, text: str) -> str:
    times = f'TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{last}"'
    value = f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>"
    return f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" {times}>{value}</ALIGNABLE_ANNOTATION>'


def hanging(name: str, parent: str, text: str, more: str = "") -> str:
    value = f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>"
    return f'<REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{parent}" {more}>{value}</REF_ANNOTATION>'


SURVEY = {
    'TIER_ID="方言" PARTICIPANT="老陈"': [
        aligned("a1", "ts1", "ts2", "阿=婆#3[kʰei]来"),
        aligned("a2", "ts3", "ts4", "一"),
        aligned("a3", "ts4", "ts5", ""),
    ],
    'TIER_ID="text@B"': [aligned("b1", "ts6", "ts7", "哦")],
    'TIER_ID="音标" PARENT_REF="方言"': [hanging("i1", "a1", "a boʔ")],
    'TIER_ID="意译" PARENT_REF="方言"': [
        hanging("g1", "a1", "奶奶"),
        hanging("g2", "a1", "来", 'PREVIOUS_ANNOTATION="g1"'),
    ],
    'TIER_ID="备注"': [aligned("r1", "ts6", "ts7", "旁人")],
}


def eaf(origin: str = "", slots: dict[str, int | None] = SLOTS) -> str:
    order = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"' + ("" if value is None else f' TIME_VALUE="{value}"') + "/>"
        for name, value in slots.items()
    )
    tiers = "".join(
        f"<TIER {about}>" + "".join(f"<ANNOTATION>{one}</ANNOTATION>" for one in annotations) + "</TIER>\n"
        for about, annotations in SURVEY.items()
    )
    medium = f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///a.wav" {origin}/>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">'
        f'<HEADER TIME_UNITS="milliseconds">{medium}</HEADER><TIME_ORDER>{order}</TIME_ORDER>\n{tiers}'
        "</ANNOTATION_DOCUMENT>\n"
    )


def test_an_eaf_of_the_survey_gives_text_ipa_gloss_and_remarks_with_its_marks() -> None:
    lines = read("a.eaf", eaf())
    assert lines == (
        GivenLine(0.25, 1.753, "阿=婆#3[kʰei]来", "老陈", gloss="奶奶 来", ipa="a boʔ"),
        GivenLine(1.5, 2.5, "哦", "B", remarks="旁人"),
        GivenLine(3.0, 4.0, "一", "老陈"),
        GivenLine(4.0, 5.0, "", "老陈"),
    )


def test_the_offset_of_an_eafs_medium_is_added() -> None:
    assert read("a.eaf", eaf('TIME_ORIGIN="500"'))[0].start == pytest.approx(0.75)


def test_text_that_hangs_on_another_tier_divides_its_time() -> None:
    text = eaf().replace('"方言"', '"id"').replace('TIER_ID="意译"', 'TIER_ID="text"')
    lines = [line for line in read("a.eaf", text) if line.text in ("奶奶", "来")]
    assert [line.text for line in lines] == ["奶奶", "来"]
    same_times(lines, [(0.25, 1.0015), (1.0015, 1.753)])
    assert {line.speaker for line in lines} == {"老陈"}


def test_marks_are_taken_out_of_what_is_read() -> None:
    assert spoken("阿=婆 #3[kʰei]来＝") == "阿婆 □来"
    assert spoken("1+1=2") == "1+1=2"
    assert has_unwritten("佢#12[kʰei]講")
    assert not has_unwritten("佢講")


def test_plain_text_is_a_line_an_utterance_without_times() -> None:
    assert read("a.txt", "第一句。\r\n\r\n第二句\n") == (
        GivenLine(None, None, "第一句。"),
        GivenLine(None, None, "第二句"),
    )


def test_labels_of_htk_and_audacity_have_times() -> None:
    assert read("a.lab", "0 12500000 今天 好\n12500000 20005000 sil\n") == (
        GivenLine(0.0, 1.25, "今天 好"),
        GivenLine(1.25, pytest.approx(2.0005), "sil"),
    )
    assert read("a.txt", "0.5\t1.25\t来\n2\t3.001\t去\n") == (GivenLine(0.5, 1.25, "来"), GivenLine(2.0, 3.001, "去"))


SENTENCE = "今天我们一起去公园散步，天气非常好。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_an_encoding_that_is_certain_is_read(encoding: str) -> None:
    found = read_transcript(SENTENCE.encode(encoding), "a.txt", SETTINGS)
    assert found.lines[0].text == SENTENCE
    assert bool(found.notes) == (encoding == "gb18030")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("今天我們一起去公園散步".encode("big5"), "neither UTF-8 nor unmistakably GB18030|may be"),
        ("こんにちは世界".encode("shift-jis"), "neither UTF-8 nor unmistakably GB18030|may be"),
        ("abc".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("今天".encode() + b"\xff\xfe\x80", "neither UTF-8"),
        (b"\xff\xfe" + "今".encode("utf-16-le") + b"\x00", "not the utf-16 that its byte order mark says"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "no encoding that is known"),
    ],
)
def test_an_encoding_that_is_not_certain_is_refused_by_name(content: bytes, words: str) -> None:
    with pytest.raises(TranscriptError, match=words):
        read_transcript(content, "a.txt", SETTINGS)


def test_a_named_encoding_is_held_to() -> None:
    settings = GivenText(encoding="big5")
    assert read_transcript("今天我們一起去".encode("big5"), "a.txt", settings).lines[0].text == "今天我們一起去"
    with pytest.raises(TranscriptError, match="not the big5"):
        read_transcript("简体们这样".encode("gb18030") + b"\xff", "a.txt", settings)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.eaf", "<ANNOTATION_DOCUMENT><TIER>", "not whole XML"),
        ("a.eaf", "<html/>", "not ANNOTATION_DOCUMENT"),
        ("a.eaf", '<!DOCTYPE x [<!ENTITY a "b">]><ANNOTATION_DOCUMENT/>', "declares entities"),
        ("a.eaf", eaf(slots=SLOTS | {"ts5": None, "ts6": None, "ts7": None}), "has no time"),
        ("a.TextGrid", "hello", "does not begin as a TextGrid"),
        ("a.TextGrid", grid(GRID)[:400], "is not read as a TextGrid|has no"),
        ("a.srt", "1\nhello\n", "no line with times"),
        ("a.txt", "  \n", "is empty"),
        ("a.lab", "20000000 10000000 反\n", "mend its times"),
        ("a.textgrid", grid({"备注": [(0, 1, "x")]}), "has no tier of text; its tiers are 备注"),
    ],
)
def test_a_broken_transcript_is_refused_with_what_to_do(name: str, text: str, words: str) -> None:
    with pytest.raises(TranscriptError, match=words):
        read(name, text)


def test_every_format_of_the_list_can_be_imported_and_found_by_its_ending() -> None:
    for one in FORMATS:
        assert callable(one.reader)
        assert format_of(f"a.b.{one.extension.upper()}") == one
    assert format_of("a.docx") is None
