"""Makes a release again from the landing folder and the release alone, in a workspace of its own, and compares.

What single segments hold (text, sound, scores) is computed again by every stage; what was decided over the corpus of
that day (which segments, speakers, splits, consents) is taken from the release.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import batches, stage_list
from pipeline.corrections.correction import Correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.releases import made_by
from pipeline.releases.choose import Chosen, canonical
from pipeline.releases.create import write_release
from pipeline.releases.names import FILES, FOLDER, ReleaseError
from pipeline.releases.release import Release
from pipeline.releases.rows import CONTENT
from pipeline.run import run_stage
from pipeline.settings import Paths, Settings
from pipeline.text import dialects

_DECIDED = ("speaker_id", "split", "consent_id", "licence")
"""What the corpus and the consents of the day decided; another corpus would decide otherwise."""
_FIGURES = ("figures", "files", "content_sha256", "release_sha256")


@dataclass(frozen=True)
class Rebuilt:
    """The release that was made again, which of its files are others, and segments that could not be made again."""

    release: Release
    other_files: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def same(self) -> bool:
        """True if every file has the same bytes."""
        return not self.other_files


def rebuild(
    settings: Settings, release: Release, into: Path, say: Callable[[str], None] = lambda words: None
) -> Rebuilt:
    """Run all stages over the landing folder with the release's settings, in workspace `into`, and write it there.

    `settings` say where the landing folder is and how many workers there are. An interrupted run goes on. Raises
    ReleaseError if code or models are others than those of the release, and what stages raise.
    """
    then = settings_then(settings, release, into)
    dialects.configure({code: about.fields(code) for code, about in then.dialects.items()})
    _refuse_others(then, release)
    into.mkdir(parents=True, exist_ok=True)
    corrections = [Correction.from_row(row) for row in release.corrections]
    if corrections:
        Corrections.of(then).add(corrections)
    batches.plan(then.landing, then.root, then, 0.0, close_all=True)
    for batch in batches.names(then.root):
        for entry in _until_segments():
            say(f"batch {batch}: {entry.name}")
            run_stage(entry.build(then), batch, then)
    return _compare(release, _again(then, release, into))


def _until_segments() -> tuple[stage_list.StageEntry, ...]:
    """The stages up to the one that writes table segments: a release holds nothing of those after it."""
    names = [entry.table for entry in stage_list.STAGES]
    return stage_list.STAGES[: names.index("segments") + 1]


def settings_then(settings: Settings, release: Release, into: Path) -> Settings:
    """The settings of the release over those of now; workspace `into`, landing folder as now. Raises ReleaseError."""
    kept = {name: getattr(settings, name) for name in ("engine", "batches")}
    frozen = release.document["settings"]
    try:
        return Settings.model_validate(
            {**kept, **frozen, "workspace": into.absolute(), "paths": Paths(landing=settings.landing.absolute())}
        )
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise ReleaseError(
            f"release {release.name} has settings that this version does not know ({keys}); "
            f"it was made with Fangyan {release.document['code_version']}"
        ) from None


def _refuse_others(then: Settings, release: Release) -> None:
    wrong = []
    known = {one["for"]: one for one in release.document["models"]}
    for one in made_by.models_of(then):
        before = known.get(one["for"], {}).get("fingerprint")
        if one["fingerprint"] != before:
            wrong.append(f"the model for {one['for']} ({one['name']}) has other files than then")
    for name, stage in release.document["stages"].items():
        entry = next((each for each in stage_list.STAGES if each.name == name), None)
        version = entry.stage_class.version if entry else None
        if version != stage["version"]:
            wrong.append(f"stage {name} has version {version}, then {stage['version']}")
    if wrong:
        made = f"Fangyan {release.document['code_version']}"
        raise ReleaseError(f"release {release.name} cannot be made again here: {'; '.join(wrong)}; it needs {made}")


def _again(then: Settings, release: Release, into: Path) -> tuple[Release, list[str]]:
    """The release as it is made now, and ids of segments that are not there."""
    wanted = {row["segment_id"]: row for row in release.segments}
    found: dict[str, Row] = {}
    columns = [name for name in CONTENT if name not in ("licence",)]
    for row in Lake(then.lake).rows("segments", None, columns):
        before = wanted.get(row["segment_id"])
        if before is not None:
            found[row["segment_id"]] = canonical(row | {name: before[name] for name in _DECIDED})
    folder = into / FOLDER / release.name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    facts: Mapping[str, Any] = {key: value for key, value in release.document.items() if key not in _FIGURES}
    computed = {
        "settings": made_by.settings_of(then),
        "stages": made_by.stages_of(then),
        "models": made_by.models_of(then),
        "code_version": made_by.code_version(),
    }
    gone = [row for row in release.rows if row["taken_out_by"]]
    chosen = Chosen([*found.values(), *gone], release.left_out)
    made = write_release(folder, {**facts, **computed}, chosen, release.corrections)
    return made, sorted(wanted.keys() - found.keys())


def _compare(release: Release, again: tuple[Release, list[str]]) -> Rebuilt:
    made, missing = again
    others = [name for name in FILES if (made.folder / name).read_bytes() != (release.folder / name).read_bytes()]
    return Rebuilt(made, tuple(others), tuple(missing))
