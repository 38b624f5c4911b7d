"""Hands a release out in a format of the exports: with its text as it was, and only what may still be published."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.handover.choice import ExportError
from pipeline.handover.export import Handover
from pipeline.handover.export import export as hand_out
from pipeline.releases.choose import SCOPE, permissions
from pipeline.releases.names import ReleaseError
from pipeline.releases.release import Release
from pipeline.releases.verify import broken
from pipeline.settings import Settings


@dataclass(frozen=True)
class Exported:
    """What was handed out, and how many segments of the release were not, by reason."""

    handover: Handover
    left_out: Counter[str]


def export(settings: Settings, release: Release, format: str, out: Path, **options: Any) -> Exported:
    """Write a release's segments below `out`; `options` are those of `pipeline.handover.export.export`.

    The consents must allow today what the release is for. Raises ReleaseError for one that somebody changed,
    ExportError, and audit.AuditBroken.
    """
    wrong = next(broken(release), None)
    if wrong:
        raise ReleaseError(f"release {release.name} is not as it was made and is not handed out: {wrong}")
    allowed = permissions(settings, release.document["scopes"])
    left_out: Counter[str] = Counter()
    frozen = {}
    for row in release.segments:
        consent_id, _, why = allowed.get(row["recording_id"], (None, "", "its recording is no longer in the lake"))
        if consent_id is None:
            left_out[why] += 1
        else:
            frozen[row["segment_id"]] = row
    if not frozen:
        raise ExportError(f"nothing of release {release.name} may be handed out: {'; '.join(sorted(left_out)[:5])}")
    made = hand_out(settings, format, out, SCOPE, release=release.name, frozen=frozen, **options)
    return Exported(made, left_out + made.choice.left_out)
