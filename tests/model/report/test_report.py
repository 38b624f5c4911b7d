"""The report: its numbers are the tables', hostile text is text, what is missing is said, no request leaves it."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, date, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_lake
from report_lake import FIGURES, HOSTILE, TIANJIN, TUNED_ID, YUE

from model.labels import labels
from model.report import build
from pipeline.lake.lake import Lake
from pipeline.text import dialects

DAY = date(2026, 11, 24)
CER = ("cer", None)


class Parts(HTMLParser):
    """The tags of a page with their attributes, and its text without that of styles and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> report_lake.Made:
    return report_lake.make(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def html(made: report_lake.Made) -> str:
    info = build(made.lake, made.report / "index.html", published=report_lake.PUBLISHED, on=DAY)
    assert info.dialects == [TIANJIN, YUE]
    assert info.verdicts == {TIANJIN: "better", YUE: "none"}
    assert info.bytes == info.path.stat().st_size
    return info.path.read_text(encoding="utf-8")


def section(html: str, name: str) -> Parts:
    """One section of the page, by its id."""
    return Parts("<section" + html.partition(f'<section id="{name}"')[2].partition("</section>")[0])


def test_the_numbers_are_those_of_the_tables(html: str) -> None:
    text = section(html, TIANJIN).text
    # Base, interval, fine-tuned, interval, difference, interval, verdict: 24.13 % and 12.37 %, each 2.1 points wide.
    row = r"24\.1 % 22\.0 to 26\.2 12\.4 % 10\.3 to 14\.5 −11\.8 points −13\.4 to −10\.1 better 40"
    assert re.search(row, text)
    assert re.search(r"0\.713 0\.682 to 0\.744 0\.729 0\.698 to 0\.760 \+0\.016 −0\.009 to 0\.040 undecided 40", text)
    for base, tuned, _, _ in FIGURES.values():
        assert any(f"{base * scale:.{digits}f}" in text for scale, digits in ((100, 1), (1, 2), (1, 3)))
        assert any(f"{tuned * scale:.{digits}f}" in text for scale, digits in ((100, 1), (1, 2), (1, 3)))


def test_the_summary_comes_first_and_says_by_how_much_and_how_surely(html: str) -> None:
    assert html.index('id="summary"') < html.index(f'id="{TIANJIN}"')
    text = section(html, "summary").text
    assert re.search(r"Better in \d+ of \d+ metrics, worse in none", text)
    assert "Character error rate −11.8 points (95 % interval −13.4 to −10.1): better." in text
    assert "Promoted : not worse on any guarded metric" in text
    assert "No fine-tuned voice yet" in text


def test_a_loss_beside_a_gain_is_told_first_and_a_refusal_with_its_reason(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    rows = made.lake.rows("evaluation_summary", TIANJIN)
    for row in rows:
        if row["system"] == "difference" and row["metric"] == "dnsmos":
            row.update(value=-0.4, low=-0.5, high=-0.3, verdict="worse")
    made.lake.write("evaluation_summary", TIANJIN, rows)
    models = made.lake.rows("models", TIANJIN)
    for row in models:
        if row["model_id"] == TUNED_ID:
            row.update(status="rejected", status_reason="worse than its base in dnsmos")
    made.lake.write("models", TIANJIN, models)
    info = build(made.lake, made.report / "index.html", on=DAY)
    assert info.verdicts[TIANJIN] == "mixed"
    text = section(info.path.read_text(encoding="utf-8"), "summary").text
    said = (
        "Predicted quality −0.40 MOS (95 % interval −0.50 to −0.30): worse.",
        "Character error rate −11.8 points (95 %",
    )
    assert text.index(said[0]) < text.index(said[1])
    assert "Rejected : worse than its base in dnsmos" in text


def test_what_listeners_preferred_blind_counts(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    rows = made.lake.rows("evaluation_summary", TIANJIN)
    told = {"dialect": TIANJIN, "model_id": TUNED_ID, "system": "fine_tuned", "metric": "preference", "n": 60}
    rows.append(told | {"condition": "over base", "value": 0.7, "low": 0.58, "high": 0.81, "verdict": "better"})
    made.lake.write("evaluation_summary", TIANJIN, rows)
    html = build(made.lake, made.report / "index.html", on=DAY).path.read_text(encoding="utf-8")
    row = "Preferred by listeners 30.0 % 19.0 to 42.0 70.0 % 58.0 to 81.0 +40.0 points 16.0 to 62.0 better 60"
    assert row in section(html, TIANJIN).text
    assert "Of 7 compared quality metrics 3 better, 0 worse, 4 undecided." in section(html, "summary").text


def test_the_voice_promoted_before_and_what_was_decided_are_shown(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    summary = made.lake.rows("evaluation_summary", TIANJIN)
    (tuned,) = (row for row in summary if row["system"] == "fine_tuned" and (row["metric"], row["condition"]) == CER)
    old = tuned | {"system": "promoted_before", "model_id": "old", "value": 0.2, "low": 0.19, "high": 0.21}
    over = {"system": "difference", "condition": "over promoted_before", "against": "old"}
    over |= {"value": tuned["value"] - 0.2, "low": tuned["value"] - 0.21, "high": tuned["value"] - 0.19}
    made.lake.write("evaluation_summary", TIANJIN, [*summary, old, tuned | over])
    said = {"dialect": TIANJIN, "model_id": TUNED_ID, "metric": "cer", "guarded": True, "n": 40, "verdict": "better"}
    rows = [
        said
        | {"judgement_id": str(day), "judged_at": datetime(2026, 11, day, 9, 30, tzinfo=UTC), "status": status}
        | {"status_reason": f"{status} <b>for</b> once", "against": against, "against_system": system}
        for day, status, against, system in (
            (1, "rejected", "voxcpm2-micro", "base"),
            (2, "promoted", "voxcpm2-micro", "base"),
            (2, "promoted", "old", "promoted_before"),
        )
    ]
    made.lake.write("evaluation_history", TIANJIN, rows)
    text = section(build(made.lake, made.report / "index.html", on=DAY).path.read_text(encoding="utf-8"), TIANJIN).text
    part = text[text.index("Against the voice promoted before") : text.index("Beside other systems")]
    assert "20.0 % 19.0 to 21.0" in part
    assert "better 40" in part
    listed = text[text.index("Judgements") :]
    latest = "2026-11-02 09:30 cmn-tianjin-0123456789ab voxcpm2-micro better: Character error rate; 40 utterances old"
    assert latest in listed
    assert "promoted promoted <b>for</b> once" in listed
    assert listed.index("2026-11-02 09:30") < listed.index("2026-11-01 09:30")


def test_hostile_text_is_text(html: str) -> None:
    page = Parts(html)
    assert HOSTILE in page.text
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"]
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "embed", "link", "base", "form")]
    assert not [name for _, given in page.tags for name in given if name.startswith("on") or name == "style"]


def test_nothing_points_out_of_the_page(html: str) -> None:
    for _, given in Parts(html).tags:
        for name in ("src", "href", "action", "srcset", "poster", "data", "xlink:href"):
            assert (given.get(name) or "#").startswith(("#", "data:audio/"))
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_this_style_and_script_alone(html: str) -> None:
    policy = next(given["content"] or "" for tag, given in Parts(html).tags if tag == "meta" and "http-equiv" in given)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        content = html.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_what_is_missing_is_said_with_its_reason(html: str) -> None:
    yue = section(html, YUE).text
    assert "not measured: no syllable of these texts is voiced long enough" in yue
    for reason in ("No other system spoke", "Not measured: no noisy reference", "No players: nothing has been synth"):
        assert reason in yue
    tianjin = section(html, TIANJIN).text
    assert "1 of 6 exit status 1" in tianjin
    assert "No audio: exit status 1" in tianjin


def test_an_empty_lake_gives_a_page_that_says_so(tmp_path: Path) -> None:
    info = build(Lake(tmp_path / "lake"), tmp_path / "report" / "index.html", on=DAY)
    assert info.dialects == []
    assert "Nothing has been measured" in Parts(info.path.read_text(encoding="utf-8")).text


def test_the_same_tables_give_the_same_page(made: report_lake.Made, html: str) -> None:
    again = build(made.lake, made.report / "again.html", published=report_lake.PUBLISHED, on=DAY)
    assert again.path.read_text(encoding="utf-8") == html


def test_the_sound_inside_is_that_of_the_lake_with_its_label(made: report_lake.Made, html: str) -> None:
    given = re.findall(r'src="data:audio/flac;base64,([^"]+)"', html)
    inside = {base64.b64decode(unescape(text)) for text in given}
    spoken = {row["audio"]["bytes"] for row in made.lake.rows("validation_set", TIANJIN) if row["audio"]}
    references = {row["audio"]["bytes"] for row in made.lake.rows("training_set", TIANJIN)}
    assert inside == spoken | references
    # Six utterances share two references, which are inside once each.
    assert len(given) == len(spoken) + len(references)
    assert all(labels.inspect(data).standing is labels.Standing.INTACT for data in spoken)
    assert "17 of 17 synthesized files on this page carry an intact AI-content label" in section(html, "rights").text


def test_the_budget_of_sound_holds_and_what_is_left_out_is_counted(made: report_lake.Made) -> None:
    info = build(made.lake, made.report / "small.html", audio_budget_mb=0.3, on=DAY)
    html = info.path.read_text(encoding="utf-8")
    inside = sum(map(len, re.findall(r'src="data:audio/flac;base64,([^"]+)"', html)))
    # Two dialects share it.
    assert 0 < inside <= 150_000
    assert 0 < info.left_out < 6
    assert info.players + info.left_out == 6
    assert f"{info.left_out} left out to keep the page small" in section(html, TIANJIN).text
    assert f"lake/validation_set/{TIANJIN}.parquet" in html


def test_rights_name_consents_and_numbers_and_forbid_publication_where_one_does(html: str) -> None:
    text = section(html, "rights").text
    assert "2 voices in 2 recordings, 3.0 min in the training set" in text
    assert "Do not publish this page: consent c-002 does not allow publication of these voices." in text
    assert "Tainted: cmn-tianjin-ffffffffffff : recording rec-c was taken down" in text


def test_what_a_speaking_model_learned_from_counts_for_publication_after_it_left_the_training_set(
    tmp_path: Path,
) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    consents = made.lake.rows("consents")
    consents[1]["scopes"] = ["tts_training", "voice_cloning", "publication"]
    made.lake.write("consents", "all", [*consents, {"consent_id": "c-003", "scopes": ["tts_training"]}])

    def said(page: str) -> str:
        path = build(made.lake, made.report / page, on=DAY).path
        return section(path.read_text(encoding="utf-8"), "rights").text

    assert "All voices in it are covered by consents that allow publication." in said("open.html")
    models = made.lake.rows("models", TIANJIN)
    for row in models:
        row["consent_ids"] = ["c-001", "c-003"] if row["model_id"] == TUNED_ID else ["c-004"]
    made.lake.write("models", TIANJIN, models[1:])
    assert "consent c-003 does not allow publication of these voices." in said("learned.html")


def test_a_reference_of_which_no_consent_is_known_forbids_publication(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    made.lake.path("recordings", "b1").unlink()
    html = build(made.lake, made.report / "index.html", on=DAY).path.read_text(encoding="utf-8")
    assert "consent (none), c-002 does not allow publication" in section(html, "rights").text


def test_the_conditions_are_named_with_hardware_decoding_and_seeds(html: str) -> None:
    text = section(html, "conditions").text
    assert report_lake.CONDITIONS in text
    assert "10 steps, guidance 2; CPU, float32, batch 8, 2 threads; seeds 7" in text


def test_published_figures_stand_apart_from_measured_ones(html: str) -> None:
    assert "VoxCPM2" in section(html, "published").text
    assert "0.97" in section(html, "published").text
    assert "Seed-TTS-eval" not in section(html, TIANJIN).text


def test_the_embedded_checkpoints_are_said_to_be_no_good_on_real_voices(made: report_lake.Made, html: str) -> None:
    assert re.search(r"Not for real voices\. .*whisper-micro.* no good on real voices", Parts(html).text)
    real = Lake(made.lake.root.parent / "real")
    rows = made.lake.rows("evaluation_summary", YUE)
    for row in rows:
        row.update(model_id="openbmb/VoxCPM2", conditions="recogniser large-v3, batch 8")
    real.write("evaluation_summary", YUE, rows)
    page = build(real, made.report / "real.html", on=DAY).path.read_text(encoding="utf-8")
    assert "Not for real voices" not in Parts(page).text


def test_plots_show_every_tone_and_flag_a_drift(html: str) -> None:
    page = section(html, TIANJIN)
    charts = [given["aria-label"] or "" for tag, given in page.tags if tag == "svg" and given.get("class") == "chart"]
    for title in ("Tone 1 (21), semitones", "Tone 4 (53), semitones", "Character error rate, %", "Real-time factor"):
        assert any(label.startswith(f"{title}.") for label in charts)
    drift = next(label for label in charts if label.startswith("Character error rate, %"))
    assert "Base: 22 at 5, 23.2 at 15" in drift
    assert "Character error rate Base +7.0 points 4.0 to 10.0 drifts" in page.text
    assert "Character error rate Fine-tuned +0.1 points −2.9 to 3.1 none shown" in page.text


def test_captions_stand_outside_the_boxes_that_scroll(html: str) -> None:
    boxes = re.findall(r'<div class="scroll".*?</div>', html, re.S)
    assert len(boxes) >= 4
    assert not any("<caption" in box for box in boxes)
    caption = '<p class="caption">Measured here on the same texts'
    assert html.index(caption) < html.index('<table class="systems">')


def test_conditions_of_stored_rows_are_words(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    rows = made.lake.rows("evaluation_summary", YUE)
    for row in rows:
        row["conditions"] = "tone reference {'yue': 'corpus, 128 segments'}; bounds [75, 600]"
    made.lake.write("evaluation_summary", YUE, rows)
    html = build(made.lake, made.report / "index.html", on=DAY).path.read_text(encoding="utf-8")
    assert "tone reference yue: corpus, 128 segments; bounds 75, 600" in section(html, "conditions").text


def test_texts_declare_the_script_that_they_are_written_in() -> None:
    tags = {code: dialects.get(code).language_tag for code in ("cmn", "cmn-tianjin", "wuu", "yue", "nan", "en")}
    simplified = dict.fromkeys(("cmn", "cmn-tianjin", "wuu"), "zh-Hans")
    assert tags == simplified | {"yue": "zh-Hant-HK", "nan": "zh-Hant-TW", "en": "en"}


def test_a_drift_is_not_printed_as_one_that_may_be_zero(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    rows = made.lake.rows("evaluation_summary", TIANJIN)
    for row in rows:
        if row["condition"] == "slope per minute" and row["verdict"] == "worse":
            row.update(value=0.0005, low=0.0002, high=0.0008)
    made.lake.write("evaluation_summary", TIANJIN, rows)
    html = build(made.lake, made.report / "index.html", on=DAY).path.read_text(encoding="utf-8")
    assert "Character error rate Base +0.05 points 0.02 to 0.08 drifts" in section(html, TIANJIN).text


def test_speed_is_shown_without_a_verdict_and_says_why(html: str) -> None:
    text = section(html, TIANJIN).text
    assert re.search(r"Real-time factor .* 0\.41 .* not judged spoken at different times", text)


def test_an_interval_beyond_zero_by_chance_alone_makes_no_headline(tmp_path: Path) -> None:
    made = report_lake.make(tmp_path, hostile=False)
    rows = made.lake.rows("evaluation_summary", TIANJIN)
    for row in rows:
        if row["system"] == "difference" and row["metric"] == "similarity":
            row.update(value=-0.021, low=-0.041, high=-0.001, verdict="worse")
    made.lake.write("evaluation_summary", TIANJIN, rows)
    info = build(made.lake, made.report / "index.html", on=DAY)
    assert info.verdicts[TIANJIN] == "better"
    html = info.path.read_text(encoding="utf-8")
    assert "−0.041 to −0.001 undecided beyond zero alone, not among so many metrics" in section(html, TIANJIN).text
    assert "the verdicts are corrected for 6 comparisons (Holm)" in section(html, "summary").text
