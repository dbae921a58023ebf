"""A later version of a package says what changed since the one before, as that one was put on record."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.resources import resources
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import is_as_recorded
from rwd_platform.flows.study import lock_data, run_study
from rwd_platform.flows.timestamps import standing_of_package
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import EvidencePackage, Organisation, Study
from studies.evidence.changes import CHANGES_JSON
from tests.conftest import StandingClock
from tests.flows.saying import say_everything
from tests.flows.sending import RESEARCHER, actions, ndjson, sent
from tests.flows.test_study import Naming, frozen, thirty_patients
from tests.flows.unsealing import settle, unseal
from tests.signing.tsa import Authority, root, serving


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
    assert (again.id, again.version, again.sha256) == (second.id, 2, second.sha256), (
        "the log has gone on; what a release names by its hash has not moved"
    )
    for package in (first, second):
        path = platform.layout.packages / package.file_name
        assert verify_package_at(path, platform.package_signer.public_key, None).holds
    aggregate = assembled(platform, study, "aggregate")
    assert aggregate.version == 1 and said(platform, aggregate) is None, (
        "another audience has versions of its own"
    )


def test_what_no_basis_names_makes_the_next_version_and_writes_nothing_over(
    platform: Platform, two_runs: tuple[Study, EvidencePackage]
) -> None:
    """A hospital's name stands in the report, and changes with nobody's analysis."""
    study, _ = two_runs
    second = assembled(platform, study)
    with platform.records.transaction(
        audit=Act(RESEARCHER, "seed.written", Object("organisation", "x"))
    ) as session:
        hospital = session.get(Organisation, "org-hospital-a")
        assert hospital is not None
        hospital.name_zh, hospital.name_en = "更名医院", "Hospital Renamed"
    third = assembled(platform, study)
    assert (third.version, third.id == second.id) == (3, False)
    for package in (second, third):
        assert is_as_recorded(platform, package)


def test_a_package_that_is_damaged_is_made_again_in_its_place(
    platform: Platform, two_runs: tuple[Study, EvidencePackage]
) -> None:
    study, _ = two_runs
    second = assembled(platform, study)
    (platform.layout.packages / second.file_name).write_bytes(b"damaged")
    again = assembled(platform, study)
    assert (again.id, again.version) == (second.id, 2) and is_as_recorded(platform, again)
    assert len(platform.records.all(_packages())) == 2
    assert not [one for one in platform.layout.tmp.iterdir() if one.is_dir()]


def test_two_made_at_once_take_two_numbers_and_neither_overwrites_the_other(
    platform: Platform, two_runs: tuple[Study, EvidencePackage]
) -> None:
    study, first = two_runs

    def made(tier: str) -> EvidencePackage:
        return assemble_evidence(platform, RESEARCHER, study.id, "post_market", "authority", tier=tier)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(made, ["T0", "T1"]))
    assert sorted(one.version for one in both) == [2, 3]
    assert len(platform.records.all(_packages())) == 3
    for package in (first, *both):
        content = (platform.layout.packages / package.file_name).read_bytes()
        assert sha256_hex(content) == package.sha256


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


def test_a_package_made_again_with_a_time_stamp_is_the_same_package(
    platform: Platform, two_runs: tuple[Study, EvidencePackage], clock: StandingClock, tmp_path: Path
) -> None:
    """The stamp is of the manifest, lies outside, and is another each time: nothing of the package is moved by it."""
    study, _ = two_runs
    without = assembled(platform, study)
    assert standing_of_package(platform, without).state == "not_asked"
    (tmp_path / "roots.pem").write_bytes(root().pem)
    with serving(Authority(at=clock())) as authority:
        told = {"timestamp_url": authority.address, "timestamp_roots": tmp_path / "roots.pem"}
        stamping = dataclasses.replace(platform, settings=platform.settings.model_copy(update=told))
        stamped = assembled(stamping, study)
        assert (stamped.id, stamped.version, authority.requests) == (without.id, without.version, 1)
    assert standing_of_package(platform, stamped).state == "stamped"
    path = platform.layout.packages / stamped.file_name
    assert verify_package_at(path, platform.package_signer.public_key, None).holds


def _packages() -> Any:
    from sqlmodel import select

    return select(EvidencePackage)
