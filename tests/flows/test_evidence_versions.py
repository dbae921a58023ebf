"""A later version of a package says what changed since the one before, as that one was put on record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.resources import resources
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import lock_data, run_study
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.records.tables import EvidencePackage, Study
from studies.evidence.changes import CHANGES_JSON
from tests.conftest import StandingClock
from tests.flows.saying import say_everything
from tests.flows.sending import RESEARCHER, actions, ndjson, sent
from tests.flows.test_study import Naming, frozen, thirty_patients
from tests.flows.unsealing import settle, unseal


def forty_more() -> bytes:
    chosen = demo_patients(1)[30:70]
    return ndjson(*(one for n, who in enumerate(chosen, 30) for _, one in resources(who, Naming(n))))


def analysed(platform: Platform, study: Study, clock: StandingClock) -> None:
    clock.advance(hours=1)
    check_quality(platform, RESEARCHER)
    lock_data(platform, RESEARCHER, study.id)
    run_study(platform, RESEARCHER, study.id)
    unseal(platform, study.id)


def assembled(platform: Platform, study: Study, audience: str = "authority") -> EvidencePackage:
    """For a purpose that does without the comparison with results from abroad: thirty patients are too few for one."""
    return assemble_evidence(platform, RESEARCHER, study.id, "post_market", audience)


def said(platform: Platform, package: EvidencePackage) -> dict[str, Any] | None:
    path = platform.layout.packages / package.file_name.removesuffix(".zip") / CHANGES_JSON
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@pytest.fixture
def two_runs(platform: Platform, clock: StandingClock) -> tuple[Study, EvidencePackage]:
    """A first version for the authority, then forty patients more, locked and analysed anew."""
    sent(platform, {"all.ndjson": thirty_patients()})
    study = frozen(platform)
    analysed(platform, study, clock)
    settle(platform, RESEARCHER)
    say_everything(platform, RESEARCHER, study.id)
    first = assembled(platform, study)
    sent(platform, {"more.ndjson": forty_more()})
    analysed(platform, study, clock)
    return study, first


def test_a_second_version_says_what_forty_patients_more_have_changed(
    platform: Platform, two_runs: tuple[Study, EvidencePackage]
) -> None:
    study, first = two_runs
    assert said(platform, first) is None and first.version == 1
    second = assembled(platform, study)
    found = said(platform, second)
    assert found is not None and second.version == 2
    assert found["before"]["package_id"] == first.id
    assert found["same"]["protocol_sha256"] and not found["same"]["lock_id"]
    changed = {one["id"]: one for one in found["results"]["changed"]}
    subjects = changed["cohort.subjects.analysed"]
    assert (subjects["before"]["value"], subjects["after"]["value"]) == (30, 70)
    again = assembled(platform, study)
    assert (again.id, again.version) == (second.id, 2), (
        "the log has gone on, what identifies the package has not"
    )
    for package in (first, second):
        path = platform.layout.packages / package.file_name
        assert verify_package_at(path, platform.package_signer.public_key, None).holds
    aggregate = assembled(platform, study, "aggregate")
    assert aggregate.version == 1 and said(platform, aggregate) is None, (
        "another audience has versions of its own"
    )


def test_a_version_before_that_was_touched_stops_the_next_and_nothing_is_put_on_record(
    platform: Platform, two_runs: tuple[Study, EvidencePackage]
) -> None:
    study, first = two_runs
    path = platform.layout.packages / first.file_name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(PlatformError) as refused:
        assembled(platform, study)
    assert first.id in refused.value.en and "package.assembled" not in actions(platform)[-1:]
    path.unlink()
    with pytest.raises(PlatformError) as refused:
        assembled(platform, study)
    assert first.id in refused.value.en
    assert [one.id for one in platform.records.all(_packages())] == [first.id]


def _packages() -> Any:
    from sqlmodel import select

    return select(EvidencePackage)
