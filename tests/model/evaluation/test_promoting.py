"""A voice takes the promoted voice's place only if it is not worse than that one either; every judgement is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from voice_rows import voice_row

from model.evaluation.evaluate import EvaluationRow
from model.evaluation.pairs import difference_rows
from model.evaluation.promoting import promote
from model.evaluation.verdicts import judged
from model.voices.registry import current
from pipeline.lake.lake import Lake
from pipeline.settings import Evaluation, Settings

DIALECT = "cmn-tianjin"
MODELS = {"tiny": "base", "new": "fine_tuned", "old": "promoted_before", "odd": "experiment"}
# Character error rates by utterance; the voices err by the same measure around different means.
_WAVER = (-0.03, 0.01, 0.02, -0.01, 0.0, 0.03, -0.02, 0.015, -0.015, 0.005)


def workspace(root: Path, means: Mapping[str, float], **statuses: str) -> tuple[Lake, Settings]:
    """A lake in which voices, by model_id, were judged with these character error rates."""
    lake, settings = Lake(root / "lake"), Settings(workspace=root, evaluation=Evaluation(guarded={"cer": 0.03}))
    lake.write("models", DIALECT, [voice_row(name, DIALECT, status, "tiny") for name, status in statuses.items()])
    judge(lake, means)
    return lake, settings


def judge(lake: Lake, means: Mapping[str, float]) -> None:
    found = [
        EvaluationRow(f"u{number}", name, DIALECT, "cer", mean + waver * (1 + 0.1 * place), 10.0, "")
        for place, (name, mean) in enumerate(means.items())
        for number, waver in enumerate(_WAVER)
    ]
    systems = {name: MODELS[name] for name in means}
    shared = {"dialect": DIALECT, "metric": "cer", "n": len(_WAVER), "low": 0.0, "high": 1.0}
    summary = [
        shared | {"model_id": name, "system": systems[name], "value": mean, "condition": None, "against": None}
        for name, mean in means.items()
    ]
    lake.write("evaluation_summary", DIALECT, judged([*summary, *difference_rows(DIALECT, found, systems, {})]))


def statuses(lake: Lake) -> dict[str, str]:
    return {row["model_id"]: row["status"] for row in lake.rows("models", DIALECT)}


def test_better_than_its_base_but_worse_than_the_promoted_voice_is_not_enough(tmp_path: Path) -> None:
    means = {"tiny": 0.5, "new": 0.3, "old": 0.2}
    lake, settings = workspace(tmp_path, means, old="promoted", new="candidate")
    (done,) = promote(lake, settings, DIALECT)
    assert done.status == "rejected"
    assert done.reason.startswith(
        "Character error rate is worse than that of old, which was promoted before, by +10.0 points (95 % interval"
    )
    assert done.current == "old"
    assert statuses(lake) == {"old": "promoted", "new": "rejected"}


@pytest.mark.parametrize("mean", [0.1, 0.2])
def test_a_voice_that_is_not_worse_takes_the_promoted_voices_place(tmp_path: Path, mean: float) -> None:
    lake, settings = workspace(tmp_path, {"tiny": 0.5, "new": mean, "old": 0.2}, old="promoted", new="candidate")
    (done,) = promote(lake, settings, DIALECT)
    assert done.status == "promoted"
    assert "nor worse than old, which was promoted before" in done.reason
    assert statuses(lake) == {"old": "superseded", "new": "promoted"}
    # Judged again from the same tables: the same answer, and nothing is added.
    history = lake.path("evaluation_history", DIALECT).stat().st_mtime_ns
    (again,) = promote(lake, settings, DIALECT)
    assert (again.status, again.reason, again.current) == (done.status, done.reason, "new")
    assert lake.path("evaluation_history", DIALECT).stat().st_mtime_ns == history


def test_a_voice_that_was_not_compared_with_the_promoted_one_is_refused(tmp_path: Path) -> None:
    lake, settings = workspace(tmp_path, {"tiny": 0.5, "new": 0.3}, old="promoted", new="candidate")
    (done,) = promote(lake, settings, DIALECT)
    assert done.status == "rejected"
    assert "was not measured for this voice and old, which was promoted before" in done.reason


def test_a_withdrawn_voice_is_no_rival(tmp_path: Path) -> None:
    lake, settings = workspace(tmp_path, {"tiny": 0.5, "new": 0.3, "old": 0.2}, old="tainted", new="candidate")
    (done,) = promote(lake, settings, DIALECT)
    assert (done.status, done.current) == ("promoted", "new")


def test_an_experiment_is_told_what_it_would_be_and_the_candidate_is_judged_as_before(tmp_path: Path) -> None:
    means = {"tiny": 0.5, "new": 0.3, "odd": 0.35}
    lake, settings = workspace(tmp_path, means, new="promoted", odd="experiment")
    first, second = promote(lake, settings, DIALECT)
    assert (first.model_id, first.status) == ("new", "promoted")
    assert (second.model_id, second.status) == ("odd", "experiment")
    assert "it would be rejected: Character error rate is worse than that of new" in second.reason
    voice = current(lake, settings, DIALECT)
    assert voice is not None
    assert voice.model_id == "new"


def test_the_history_says_which_voice_was_judged_when_against_what_and_how(tmp_path: Path) -> None:
    lake, settings = workspace(tmp_path, {"tiny": 0.5, "new": 0.3, "old": 0.2}, old="promoted", new="candidate")
    promote(lake, settings, DIALECT)
    judge(lake, {"tiny": 0.5, "new": 0.1, "old": 0.2})
    promote(lake, settings, DIALECT)
    rows = lake.rows("evaluation_history", DIALECT)
    said = [(row["status"], row["against"], row["against_system"], row["metric"], row["verdict"]) for row in rows]
    assert said == [
        ("rejected", "tiny", "base", "cer", "better"),
        ("rejected", "old", "promoted_before", "cer", "worse"),
        ("promoted", "tiny", "base", "cer", "better"),
        ("promoted", "old", "promoted_before", "cer", "better"),
    ]
    assert all(row["guarded"] and row["margin"] == 0.03 and row["n"] == len(_WAVER) for row in rows)
    assert rows[0]["judged_at"] == rows[1]["judged_at"] < rows[2]["judged_at"]
    assert rows[0]["judged_at"].tzinfo is not None
