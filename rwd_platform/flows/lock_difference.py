"""Two locks of one study compared: for its team in exact counts, for whoever may not see its rows with small
counts withheld by the disclosure policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rwd_platform.access.permissions import can, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw_uses import check_lock_stands
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import DataLockRecord, Study

if TYPE_CHECKING:
    from rwd_platform.store.lock_difference import LockDifference

# The strictest policy that there is: nothing is known of what this reader holds already.
_RECIPIENT = "public"


def lock_difference(
    platform: Platform, actor: Actor, study_id: str, before_id: str, after_id: str
) -> LockDifference:
    """What became of the study's data from one lock to another. Both locks are checked hash by hash."""
    from deidentify.disclosure.recipients import recipient_of
    from rwd_platform.store.lock import open_lock
    from rwd_platform.store.lock_difference import difference, without_small_counts

    study = get_visible(platform.records, actor, "study.read", Study, study_id)
    for lock_id in (before_id, after_id):
        _check_of_study(platform, actor, study, lock_id)
    exact = can(actor, "results.read", study.organisation_id)
    # Patients' rows are read from here on: on record first, whatever comes of it.
    act = Act(actor, "study.locks_compared", Object("lock", after_id), purpose=before_id)
    platform.records.record(act)
    opened = [open_lock(platform.layout.lock(lock_id)) for lock_id in (before_id, after_id)]
    found = difference(*opened)
    if exact:
        return found
    policy = recipient_of(_RECIPIENT)
    return without_small_counts(found, policy.minimum_cell, policy.rounding_base)


def _check_of_study(platform: Platform, actor: Actor, study: Study, lock_id: str) -> None:
    """A lock of another study looks like one that does not exist."""
    with refusals_recorded(platform.records, actor, "study.read", "data_lock", lock_id):
        record = platform.records.find(DataLockRecord, lock_id)
        if record is None or record.study_id != study.id:
            raise NOT_FOUND.error(kind="data_lock", id=lock_id[:80])
        check_lock_stands(platform, lock_id)
