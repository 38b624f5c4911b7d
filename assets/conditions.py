"""When an asset is made by itself: after the content of its sources changed, never past a failed blocking check.

By content, not by time: consents are read every hour, the corpus is built by night and a batch may be run again, mostly
without any change.
"""

import dagster as dg

_Condition = dg.AutomationCondition

_CHANGED = _Condition.data_version_changed()
_IDLE = ~_Condition.any_deps_in_progress() & ~_Condition.in_progress()

FOLLOW_CONTENT = (
    _Condition.any_deps_match(_CHANGED | _Condition.will_be_requested()).since_last_handled()
    & _Condition.all_deps_blocking_checks_passed()
    & ~_Condition.any_deps_missing()
    & _IDLE
)
"""Of an asset with the same partitions as what it is made from."""

# all_deps_blocking_checks_passed() would wait for ever on one batch that is missing or has failed a blocking check.
# This starts on any batch that is sound, whatever the others do. A batch counts as unsound from its materialization
# until its checks have run, so content that changed waits for the tick in which it is sound again.
_SOUND = _Condition.all_checks_match(_Condition.check_passed() | _Condition.will_be_requested(), blocking_only=True)
_CHANGED_WHILE_UNSOUND = _CHANGED.since(_SOUND & ~_SOUND.newly_true())
FOLLOW_WHAT_IS_SOUND = (
    _Condition.any_deps_match(
        (_CHANGED & _SOUND) | (_SOUND.newly_true() & _CHANGED_WHILE_UNSOUND) | _Condition.will_be_requested()
    ).since_last_handled()
    & _IDLE
)
"""Of an asset that is made over all partitions of another."""
