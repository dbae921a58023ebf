"""Whose data a package holds, and who provides them: by the platform's role at upload, person by person."""

from __future__ import annotations

import pytest

from rwd_platform.compliance.person_sets import distinct
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.ledger_map import Person, seal_person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_people import Share, shares_of
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import EvidencePackage, Upload
from tests.flows.releasing import ASSEMBLER, people, put_package, results_of

A, B, OPERATOR = "org-hospital-a", "org-hospital-b", "org-operator"


def put_upload(platform: Platform, hospital: str, role: str, state: str = "admitted") -> None:
    row = Upload(
        id=f"upload-{hospital}-{role}-{state}", organisation_id=hospital, source_system="his", agreement="DUA-1",
        platform_role=role, consent_version="1", ethics_id="E-1", fhir_version="R4", state=state,
        received_at="2026-11-01T00:00:00.000000Z", received_by="clerk",
    )  # fmt: skip
    platform.records.write(row, audit=Act(ASSEMBLER, "seed.written", Object("upload", row.id)))


def put_map(
    platform: Platform, places: dict[str, tuple[str, ...]], project: str = "demo", person: str = ""
) -> None:
    """The lock's sealed map: each subject with the hospitals of their charts."""
    persons = {
        subject: Person(person or f"person-{subject}", tuple((one, f"chart-{subject}") for one in hospitals))
        for subject, hospitals in places.items()
    }
    seal_person_map(platform, f"L-{project}", persons)


def shares(platform: Platform, id: str = "EP-1") -> dict[str, Share]:
    found = shares_of(platform, platform.records.get(EvidencePackage, id))
    return {one.exporter: one for one in found}


def sizes(platform: Platform) -> dict[str, int]:
    return {exporter: share.persons.size for exporter, share in shares(platform).items()}


@pytest.mark.parametrize(
    ("role", "exporters"),
    [("entrusted", {A: 40}), ("recipient", {OPERATOR: 40}), ("joint", {A: 40, OPERATOR: 40})],
)
def test_the_platforms_role_at_upload_decides_who_the_exporter_is(
    platform: Platform, role: str, exporters: dict[str, int]
) -> None:
    put_package(platform, {"all": people(1, 40)})
    put_map(platform, dict.fromkeys(people(1, 40), (A,)))
    put_upload(platform, A, role)
    assert sizes(platform) == exporters


def test_a_hospital_that_sent_in_both_roles_makes_two_exporters(platform: Platform) -> None:
    """Which upload a row came from is not asked: the person counts for both."""
    put_package(platform, {"all": people(1, 5)})
    put_map(platform, dict.fromkeys(people(1, 5), (A,)))
    put_upload(platform, A, "entrusted")
    put_upload(platform, A, "recipient")
    assert sizes(platform) == {A: 5, OPERATOR: 5}


def test_an_upload_that_never_came_in_decides_nothing(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 5)})
    put_map(platform, dict.fromkeys(people(1, 5), (A,)))
    put_upload(platform, A, "recipient", state="failed")
    assert sizes(platform) == {A: 5}


def test_a_person_with_charts_at_two_hospitals_counts_at_both(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 30)})
    put_map(
        platform, {subject: (A, B) if number < 10 else (A,) for number, subject in enumerate(people(1, 30))}
    )
    assert sizes(platform) == {A: 30, B: 10}
    found = shares(platform)
    assert (found[A].sites, found[B].sites) == ({A}, {B})


def test_two_exporters_keys_of_one_person_cannot_be_compared(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 10)})
    put_map(platform, dict.fromkeys(people(1, 10), (A, B)))
    found = shares(platform)
    assert distinct([found[A].persons, found[B].persons]) == (0, 20)


def test_one_person_is_one_through_two_projects(platform: Platform) -> None:
    """The projects have their own names for the same patients; the exporter's ledger counts them once."""
    put_package(platform, {"all": people(1, 10)})
    other = [f"x{number:04d}" for number in range(1, 11)]
    put_package(platform, {"all": other}, id="EP-2", project="second")
    for project, subjects in (("demo", people(1, 10)), ("second", other)):
        persons = {one: Person(f"person-{one[1:]}", ((A, "chart"),)) for one in subjects}
        seal_person_map(platform, f"L-{project}", persons)
    one, two = (shares(platform, id)[A].persons for id in ("EP-1", "EP-2"))
    assert distinct([one, two]) == (0, 10)


def test_whoever_cannot_be_resolved_counts_as_another_person(platform: Platform) -> None:
    """Without the map two projects' subjects are different persons; the package's own organisation provides them."""
    put_package(platform, {"all": people(1, 10)})
    put_package(platform, {"all": people(1, 10)}, id="EP-2", project="second")
    one, two = (shares(platform, id)[OPERATOR].persons for id in ("EP-1", "EP-2"))
    assert distinct([one, two]) == (0, 20)


def test_a_subject_that_the_map_lacks_is_counted_all_the_same(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 10)})
    put_map(platform, dict.fromkeys(people(1, 8), (A,)))
    assert sizes(platform) == {A: 8, OPERATOR: 2}


def test_an_authoritys_package_holds_the_whole_lock(platform: Platform) -> None:
    """Its rows are everybody's; an aggregate's results are about those whom they name."""
    groups = {"all": people(1, 40), "unused": people(41, 60)}
    named = results_of({"all": people(1, 40)})
    put_package(platform, groups, named, audience="aggregate")
    put_package(platform, groups, named, id="EP-2", audience="authority")
    places = dict.fromkeys(people(1, 75), (A,))
    put_map(platform, places)
    assert sizes(platform) == {A: 40}
    assert shares(platform, "EP-2")[A].persons.size == 75


def test_a_package_about_nobody_is_one_provision_of_nobody(platform: Platform) -> None:
    put_package(platform, {"all": []})
    assert sizes(platform) == {OPERATOR: 0}


def test_people_that_cannot_be_read_stop_the_count(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 5)})
    (platform.layout.results / "run-EP-1" / "row_sets.json").write_text("[1]")
    with pytest.raises(PlatformError) as refused:
        shares(platform)
    assert refused.value.code == "release.package_unreadable"


def test_the_person_map_of_a_lock_is_read_and_not_believed_when_damaged(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 5)})
    put_map(platform, dict.fromkeys(people(1, 5), (A,)))
    path = next((platform.layout.home / "ledger").glob("L-demo.*"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PlatformError) as refused:
        shares(platform)
    assert refused.value.code == "ledger.map_damaged"
