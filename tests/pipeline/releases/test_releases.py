"""What goes into a release, what it says of itself, and that nobody changes it without being noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import small_workspace as small
import yaml

from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.releases.create import Wish, create
from pipeline.releases.names import ReleaseError, existing
from pipeline.releases.release import Release, open_release
from pipeline.releases.verify import verify
from pipeline.review import samples
from pipeline.rights import audit
from pipeline.settings import Settings

PUBLIC = ["asr", "tts_training", "publication"]


@pytest.fixture
def settings(published: Settings, copied: Callable[..., Settings], tmp_path: Path) -> Settings:
    return copied(published, tmp_path)


def made(settings: Settings, name: str = "first", **wish: object) -> Release:
    create(settings, Wish(name, **wish))  # type: ignore[arg-type]
    return open_release(settings, name)


def ids(release: Release) -> set[str]:
    return {row["segment_id"] for row in release.segments}


def recordings(release: Release) -> set[str]:
    return {row["recording_id"] for row in release.segments}


def test_a_release_holds_what_the_corpus_keeps_with_text_split_and_hash_of_the_sound(settings: Settings) -> None:
    release = made(settings)
    kept = {row["segment_id"]: row for row in Lake(settings.lake).rows("corpus") if row["decision"] == "keep"}
    sounds = {row["segment_id"]: row for row in Lake(settings.lake).rows("segments")}
    assert ids(release) == kept.keys()
    for row in release.segments:
        name = row["segment_id"]
        assert (row["split"], row["speaker_id"]) == (kept[name]["split"], kept[name]["speaker_id"])
        assert (row["text"], row["audio_sha256"]) == (sounds[name]["text"], sounds[name]["audio_sha256"])
    assert release.document["figures"]["segments"] == len(kept)
    assert verify(settings, release).differs == {}
    assert verify(settings, release).sound


def test_two_releases_of_one_corpus_are_the_same_bytes(settings: Settings) -> None:
    one, two = made(settings, "one"), made(settings, "two")
    for name in ("segments.parquet", "left_out.parquet"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    assert one.document["content_sha256"] == two.document["content_sha256"]


def test_what_may_not_be_published_is_left_out_and_listed_with_the_reason(
    settings: Settings, agree: Callable[..., None]
) -> None:
    agree(settings, duo=PUBLIC, solo=["asr"], other=PUBLIC)
    release = made(settings)
    solo = small.recording_id(settings, "solo")
    assert solo not in recordings(release)
    (left_out,) = release.left_out
    assert (left_out["recording_id"], left_out["reason"]) == (solo, "no_consent")
    assert left_out["detail"] == "publication: consent c-solo is for asr, not for publication"
    assert release.document["left_out"]["no_consent"]["segments"] == 1


def test_each_use_beside_publication_needs_a_consent_too(settings: Settings, agree: Callable[..., None]) -> None:
    agree(settings, duo=PUBLIC, solo=[*PUBLIC, "commercial"], other=PUBLIC)
    release = made(settings, uses=("commercial",))
    assert recordings(release) == {small.recording_id(settings, "solo")}
    assert release.document["scopes"] == ["publication", "commercial"]


def test_nothing_to_publish_makes_no_release_and_says_why(settings: Settings, agree: Callable[..., None]) -> None:
    agree(settings, duo=["asr"], solo=["asr"], other=["asr"])
    with pytest.raises(ReleaseError, match="nothing would be in release first: no_consent: 7 segments; for example"):
        made(settings)
    assert existing(settings) == []


def test_a_condition_chooses_and_cannot_do_more(settings: Settings) -> None:
    solo = small.recording_id(settings, "solo")
    release = made(settings, where=f"recording_id = '{solo}' -- and no more")
    assert recordings(release) == {solo}
    assert {row["reason"] for row in release.left_out} == {"condition"}
    for bad in ("1 = 1); DROP VIEW segments; SELECT (1", "segment_id IN (SELECT * FROM '/etc/passwd')"):
        with pytest.raises(ReleaseError, match="--where"):
            made(settings, "bad", where=bad)
    assert existing(settings) == ["first"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "../x", "a/b", "/x", "a\\b", "x.", "a b", "x\n", "-x", "a" * 65, "a\0b"]
)
def test_a_name_that_is_no_name_of_a_folder_is_refused(settings: Settings, name: str) -> None:
    before = sorted(settings.root.parent.rglob("*"))
    with pytest.raises(ReleaseError, match="cannot be the name of a release"):
        made(settings, name)
    assert sorted(settings.root.parent.rglob("*")) == before


def test_a_name_may_be_chinese_and_is_taken_once(settings: Settings) -> None:
    made(settings, "四川-1.0")
    made(settings, "Tianjin")
    for name in ("四川-1.0", "tianjin"):
        with pytest.raises(ReleaseError, match="exists"):
            made(settings, name)
    with pytest.raises(ReleaseError, match="did you mean Tianjin"):
        open_release(settings, "Tianjn")


def test_a_release_that_is_killed_half_way_is_not_there(settings: Settings) -> None:
    helper = Path(small.__file__).with_name("killed_release.py")
    done = subprocess.run(
        [sys.executable, str(helper), str(settings.root)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed_at"] == [2, 8]
    assert told["visible_after_a_kill"] == []
    assert existing(settings) == ["first"]
    assert verify(settings, open_release(settings, "first")).sound
    assert [file.name for file in (settings.root / "releases").iterdir() if "unfinished" in file.name] == []


def test_a_release_that_somebody_changed_is_found_out(settings: Settings) -> None:
    release = made(settings)
    file = release.folder / "segments.parquet"
    table = pq.read_table(file)
    texts = ["改过的话", *table["text"].to_pylist()[1:]]
    changed = table.set_column(table.schema.names.index("text"), table.schema.field("text"), [texts])
    pq.write_table(changed, file)
    (release.folder / "README.md").write_text("free of charge")
    broken = verify(settings, open_release(settings, "first")).broken
    assert [words.split(" ")[0] for words in broken] == ["segments.parquet", "rows", "README.md"]
    document = json.loads((release.folder / "release.json").read_text())
    (release.folder / "release.json").write_text(json.dumps(document | {"licence": "CC0-1.0"}))
    assert "release.json was changed" in verify(settings, open_release(settings, "first")).broken[0]


def test_verify_says_what_the_lake_and_the_consents_hold_otherwise(
    settings: Settings, agree: Callable[..., None]
) -> None:
    release = made(settings)
    lake = Lake(settings.lake)
    (batch,) = lake.partitions("segments")
    rows = lake.rows("segments", batch)
    rows[0] |= {"text": "别的话"}
    lake.write("segments", batch, rows[:-1])
    agree(settings, duo=PUBLIC, solo=PUBLIC)
    verdict = verify(settings, release)
    assert verdict.sound
    assert verdict.differs == {
        "other text": 1,
        "no longer in the lake under this span": 1,
        "consent to publication no longer holds": 1,
    }


def test_making_a_release_is_in_the_audit_log(settings: Settings) -> None:
    release = made(settings)
    (entry,) = [one for one in audit.read(settings.root) if one["action"] == "release.create"]
    assert (entry["subject"], entry["details"]["release_sha256"]) == ("first", release.sha256)
    assert entry["details"]["consents"] == ["c-duo", "c-other", "c-solo"]


def test_croissant_has_what_its_format_requires_and_its_hashes_are_those_of_the_files(settings: Settings) -> None:
    release = made(settings, licence="CC-BY-4.0", note="<script>alert(1)</script>")
    described = json.loads((release.folder / "croissant.json").read_text())
    required = {"@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished"}
    assert required | {"distribution"} <= described.keys()
    assert (described["@type"], described["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.0")
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    files = {one["@id"]: one for one in described["distribution"]}
    for name, one in files.items():
        assert {"@type", "name", "contentUrl", "encodingFormat", "sha256"} <= one.keys()
        assert one["sha256"] == release.document["files"][name]["sha256"]
    for records in described["recordSet"]:
        columns = set()
        for field in records["field"]:
            assert field["@id"].startswith(records["@id"] + "/")
            source = field["source"]
            columns.add(source["extract"]["column"])
            file = source["fileObject"]["@id"]
        assert columns == set(pq.read_schema(release.folder / file).names)


def test_the_card_has_metadata_for_the_hub_and_the_datasheet_escapes_what_people_wrote(settings: Settings) -> None:
    release = made(settings, licence="CC-BY-4.0", note="<script>|`x`</script>")
    _, head, sheet = (release.folder / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(head)
    assert (card["license"], card["size_categories"]) == ("cc-by-4.0", ["n<1K"])
    assert card["language_details"] == [small.DIALECT]
    assert "<script>" not in sheet
    assert "&#60;script&#62;&#124;&#96;x&#96;" in sheet
    assert "Estimated error of the text: not measured." in sheet
    assert "learned from synthesized speech" in sheet
    assert (release.folder / "DATASHEET.md").read_text() == sheet.lstrip("\n")


def test_the_datasheet_has_the_error_that_people_found_in_the_random_sample(settings: Settings) -> None:
    lake = Lake(settings.lake)
    samples.draw(lake, "random-1")
    units = list(samples.units(lake, "random-1"))
    solo = small.recording_id(settings, "solo")
    rows = []
    for unit in units[:5]:
        wrong = unit.text + "呀呀" if unit.recording_id == solo else unit.text
        field = "text" if wrong != unit.text else "accepted"
        span = (unit.recording_id, unit.start, unit.end)
        rows.append(correction("Mei", *span, field, unit.text, wrong, sample="random-1"))
    store = Corrections.of(settings)
    store.add(rows, seen=[one.correction_id for one in store.rows()])
    error = made(settings).document["text_error"]
    (whole,) = [one for one in error["estimates"] if one["of"] == "all"]
    assert (whole["heard"], whole["segments"]) == (5, len(units))
    assert whole["low"] <= whole["value"] <= whole["high"]
    sheet = (open_release(settings, "first").folder / "DATASHEET.md").read_text()
    assert f"| all | {whole['value']:.2%} |" in sheet
    assert "heard in a random order by 1 person" in sheet
    # Of a part in which nobody found an error, the estimate is 0 and its interval more than a point.
    part = made(settings, "part", where=f"recording_id <> '{solo}'").document["text_error"]["estimates"][0]
    assert part["value"] == 0.0 < part["high"]
