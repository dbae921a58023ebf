"""The same main job on PostgreSQL: the database is a detail."""

from __future__ import annotations

import pytest

from rwd_platform.demo.journey import Journey
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.verify_package import verify_package_at
from tests.journeys.test_the_main_job import assert_same_package

pytestmark = [pytest.mark.postgres, pytest.mark.long]  # a whole journey more


def test_the_whole_journey_gives_the_same_package_as_on_sqlite(
    sqlite_journey: Journey, postgres_journey: Journey
) -> None:
    assert postgres_journey.platform.records.engine.dialect.name == "postgresql"
    assert postgres_journey.accounts == sqlite_journey.accounts
    assert postgres_journey.run.results_sha256 == sqlite_journey.run.results_sha256
    assert postgres_journey.package.id == sqlite_journey.package.id
    assert_same_package(sqlite_journey, postgres_journey)


def test_the_package_and_the_log_made_on_postgresql_verify(postgres_journey: Journey) -> None:
    platform = postgres_journey.platform
    assert verify_package_at(postgres_journey.package_path, platform.package_signer.public_key, None).holds
    assert verify_records(platform.records, platform.log_signer.public_key).ok
