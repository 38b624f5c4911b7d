"""When an asset is made by itself, on a real instance: two small assets under the conditions of the real ones."""

from collections.abc import Iterator

import dagster as dg
import pytest

from assets.conditions import FOLLOW_CONTENT, FOLLOW_WHAT_IS_SOUND

BATCHES = dg.DynamicPartitionsDefinition(name="batch")
CONTENT = {"b1": "one", "b2": "one"}
SOUND = {"value": True}


@dg.asset(partitions_def=BATCHES)
def segments(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion(CONTENT[context.partition_key]))


@dg.asset_check(asset=segments, blocking=True, partitions_def=BATCHES)
def complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=SOUND["value"])


@dg.asset(partitions_def=BATCHES, deps=[segments], automation_condition=FOLLOW_CONTENT)
def scores() -> None:
    """As a stage that follows another."""


@dg.asset(deps=[segments], automation_condition=FOLLOW_WHAT_IS_SOUND)
def corpus() -> None:
    """As what is made over all batches."""


DEFINITIONS = dg.Definitions(assets=[segments, scores, corpus], asset_checks=[complete])


class Project:
    """An instance with both batches, on which segments are made and checked and the conditions are asked."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        instance.add_dynamic_partitions("batch", list(CONTENT))
        self.cursor = dg.evaluate_automation_conditions(DEFINITIONS, instance).cursor

    def make(self, batch: str, content: str, checked: bool = True, passed: bool = True) -> set[str]:
        """Names of what is asked for after the batch was made; without its check it counts as unsound."""
        CONTENT[batch], SOUND["value"] = content, passed
        chosen = dg.AssetSelection.assets(segments)
        chosen = chosen if checked else chosen.without_checks()
        given = [segments, complete]
        dg.materialize(given, instance=self.instance, selection=chosen, partition_key=batch, raise_on_error=False)
        return self.asked()

    def asked(self) -> set[str]:
        result = dg.evaluate_automation_conditions(DEFINITIONS, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {name for name in ("scores", "corpus") if result.get_num_requested(dg.AssetKey(name))}


@pytest.fixture
def project() -> Iterator[Project]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(instance)


def test_new_content_is_followed_once(project: Project) -> None:
    assert project.make("b1", "one") == {"scores", "corpus"}
    assert project.asked() == set()
    assert project.make("b1", "two") == {"scores", "corpus"}


def test_what_is_made_again_without_a_change_starts_nothing(project: Project) -> None:
    project.make("b1", "one")
    assert project.make("b1", "one") == set()
    # Between rows and checks the batch counts as unsound.
    assert project.make("b1", "one", checked=False) == set()
    assert project.make("b1", "one") == set()
    assert project.asked() == set()


def test_content_that_changed_waits_for_its_checks(project: Project) -> None:
    project.make("b1", "one")
    project.asked()
    assert project.make("b1", "two", checked=False) == set()
    assert project.make("b1", "two") == {"scores", "corpus"}
    assert project.asked() == set()


def test_a_failed_blocking_check_stops_what_follows_until_it_passes(project: Project) -> None:
    assert project.make("b1", "one", passed=False) == set()
    assert project.asked() == set()
    assert project.make("b1", "one") == {"scores", "corpus"}


def test_a_batch_that_failed_does_not_hold_up_the_others(project: Project) -> None:
    assert project.make("b1", "one", passed=False) == set()
    assert project.make("b2", "one") == {"scores", "corpus"}
