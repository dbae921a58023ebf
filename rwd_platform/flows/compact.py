"""Compact: the lake's many small files become few, table by table, and rows that were replaced since are forgotten.

The rows stay the same, so a quality check of before still holds. Data locks are copies of their own and are not
touched. Done again after it was cut off, it goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rwd_platform.access.permissions import check_can
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Job
from rwd_platform.store.lake import TABLE_UNKNOWN, Lake

if TYPE_CHECKING:
    from rwd_platform.store.compaction import Compacted, TableFiles

Progress = Callable[[str, int, int], None]  # stage, done, total
MAINTAIN = "store.maintain"


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


def compact_store(
    platform: Platform, actor: Actor, tables: Sequence[str] = (), progress: Progress = _silent
) -> tuple[Compacted, ...]:
    """Compact these tables, or all. Admission and whoever reads several tables wait for one table at a time."""
    from rwd_platform.store.admission_guard import quiet_lake
    from rwd_platform.store.compaction import compact

    wanted = _wanted(platform, actor, tables)
    done = []
    for number, table in enumerate(wanted):
        progress("compact", number, len(wanted))
        with quiet_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
            one = compact(platform.layout, lake, table, platform.settings.lake_file_mb << 20)
        if one.changed:
            platform.records.record(
                Act(actor, "store.compacted", Object("table", table), decision=one.as_dict())
            )
        done.append(one)
    progress("compact", len(wanted), len(wanted))
    return tuple(done)


def queue_compaction(platform: Platform, actor: Actor, tables: Sequence[str] = ()) -> Job:
    """Queue it as a job. The same state of the lake is compacted once."""
    from rwd_platform.flows.jobs import enqueue

    wanted = _wanted(platform, actor, tables)
    state = {"tables": list(wanted), "versions": Lake(platform.layout).delta_versions()}
    key = f"compact/{sha256_of(state)[:32]}"
    return enqueue(platform, actor, "compact", {"tables": list(wanted)}, key=key)


def store_files(platform: Platform, actor: Actor) -> tuple[TableFiles, ...]:
    """Each table's files, and how many are small or belong to older versions alone."""
    from rwd_platform.store.admission_guard import steady_lake
    from rwd_platform.store.compaction import files_of_table

    _check(platform, actor)
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        size = platform.settings.lake_file_mb << 20
        return tuple(files_of_table(lake, table, size) for table in lake.tables())


def _wanted(platform: Platform, actor: Actor, tables: Sequence[str]) -> tuple[str, ...]:
    _check(platform, actor)
    there = Lake(platform.layout).tables()
    for table in tables:
        if table not in there:
            raise TABLE_UNKNOWN.error(table=table)
    return tuple(dict.fromkeys(tables)) or there


def _check(platform: Platform, actor: Actor) -> None:
    with refusals_recorded(platform.records, actor, MAINTAIN, "store", "home"):
        check_can(actor, MAINTAIN, platform.settings.operator, kind="store", id="home")
