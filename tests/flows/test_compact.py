"""Compaction as a job: who may, what is in the log, and that a quality check of before still holds."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.compact import compact_store, queue_compaction, store_files
from rwd_platform.flows.jobs import KINDS
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry
from rwd_platform.store.lake import Lake
from tests.flows.sending import CLERK, RESEARCHER, actions, grade, ndjson, patient, rows, sent


def filled(platform: Platform) -> None:
    for number in range(3):
        sent(platform, {f"a{number}.ndjson": ndjson(patient("p1"), grade("g1", value=number + 1))})


def compacted(platform: Platform) -> list[AuditEntry]:
    return list(platform.records.all(select(AuditEntry).where(AuditEntry.action == "store.compacted")))


def test_a_job_compacts_every_table_and_says_so_in_the_log(platform: Platform) -> None:
    """The same state is queued once; rows and their versions stay; a second job has nothing to do."""
    filled(platform)
    operator = platform.operator()
    before, versions = rows(platform, "measurement", "value", "upload_id"), Lake(platform.layout).versions()
    assert any(one.older_files for one in store_files(platform, operator))
    job = queue_compaction(platform, operator)
    assert queue_compaction(platform, operator).id == job.id
    told: list[tuple[str, int, int]] = []
    KINDS[job.kind](platform, operator, job.payload, lambda *step: told.append(step))
    assert told == [*(("compact", number, 3) for number in range(4)), ("counting", 0, 0)]
    assert rows(platform, "measurement", "value", "upload_id") == before == [(3.0, before[0][1])]
    assert Lake(platform.layout).versions() == versions
    assert {(one.files, one.older_files) for one in store_files(platform, operator)} == {(1, 0)}
    said = [json.loads(entry.body) for entry in compacted(platform)]
    assert "measurement" in {one["object"]["id"] for one in said}
    assert all(one["decision"]["rows"] > 0 for one in said)
    assert not any(one.changed for one in compact_store(platform, operator))
    assert len(compacted(platform)) == len(said)


def test_only_whoever_keeps_the_store_may(platform: Platform) -> None:
    """A clerk or a researcher is refused, and that is in the log."""
    filled(platform)
    for actor in (CLERK, RESEARCHER):
        with pytest.raises(PlatformError, match=r"access\.not_allowed"):
            queue_compaction(platform, actor)
        assert actions(platform)[-1] == "access.refused"
    assert compacted(platform) == []


def test_a_table_that_is_not_there_is_said_before_a_job_is_queued(platform: Platform) -> None:
    with pytest.raises(PlatformError, match=r"lake\.table_unknown"):
        queue_compaction(platform, platform.operator(), ["measurements"])


def test_an_empty_store_is_compacted_to_an_empty_store(platform: Platform) -> None:
    assert compact_store(platform, platform.operator()) == ()
    assert store_files(platform, platform.operator()) == ()
