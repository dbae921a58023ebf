"""One id may be two people, and one person may have two charts: who is frozen, and who is erased."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.erase_certificate import certificate_path
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.erase_request import cases_seen, request_erasure
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import frozen_patients, lift_hold, place_hold, withdraw
from rwd_platform.flows.withdraw_charts import charts_of, find_patient
from rwd_platform.records.tables import ErasureRequest, PatientKey, Withdrawal
from rwd_platform.store.lake import Lake
from tests.flows.erasing import INSPECTOR, NO_DUTY, OFFICERS, approved, found_on_disk, settle_people
from tests.flows.linking import person
from tests.flows.sending import CLERK, CLERK_B, ndjson, sent
from tests.flows.test_cohorts import diagnosis

HOSPITAL = CLERK.organisation
SAID = {"reason": "consent-withdrawn", "withdrawn_on": "2026-11-01", "consent_version": "v3"}
HELD = "琼药监函〔2026〕7号要求保全该患者的全部记录"


@pytest.fixture
def store(platform: Platform) -> Platform:
    """`p1` is a man in `his` and a woman in `lis`; the man has the chart `q9` in `lis` too, and one elsewhere."""
    settle_people(platform)
    man, woman = person(1), {**person(2), "id": "p1"}
    sent(platform, {"a.ndjson": ndjson(man, diagnosis(1, "p1"))})
    second = {**man, "id": "q9"}
    lis = ndjson(woman, diagnosis(2, "p1"), second, diagnosis(3, "q9"))
    sent(platform, {"b.ndjson": lis}, source_system="lis")
    sent(platform, {"c.ndjson": ndjson(man, diagnosis(4, "p1"))}, CLERK_B)
    return platform


def refused(act: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        act()
    return caught.value


def name(platform: Platform, id: str, system: str) -> str:
    return find_patient(platform, HOSPITAL, id, system)


def patients(platform: Platform) -> set[tuple[str, str]]:
    rows = Lake(platform.layout).read("patient", ["organisation_id", "patient_id"])
    return set(rows.itertuples(index=False, name=None))


def test_an_id_that_two_systems_have_is_asked_back_and_nothing_is_done(store: Platform) -> None:
    """The first of two people by the alphabet is nobody's choice: the source system has to be named."""
    for act in (
        lambda: withdraw(store, CLERK, "p1", **SAID),
        lambda: place_hold(store, INSPECTOR, HOSPITAL, "p1", HELD),
        lambda: request_erasure(store, CLERK, "p1", reason="consent-withdrawn", duties=NO_DUTY),
    ):
        error = refused(act)
        assert (
            error.code == "withdrawal.patient_ambiguous" and "his, lis" in error.en and "his, lis" in error.zh
        )
        assert "--source" in error.next_en and "p1" not in error.en
    assert not frozen_patients(store) and not store.records.all(select(ErasureRequest))
    assert refused(lambda: name(store, "p1", "pacs")).code == "withdrawal.patient_unknown"

    woman = withdraw(store, CLERK, "p1", source_system="lis", **SAID)
    assert frozen_patients(store) == {(HOSPITAL, woman.patient_id)} == {(HOSPITAL, name(store, "p1", "lis"))}


def test_who_withdrew_is_frozen_under_every_chart_of_the_hospital(store: Platform) -> None:
    """The clerk sees the charts first; another hospital's chart is told by number and stays as it is."""
    his, lis = name(store, "p1", "his"), name(store, "q9", "lis")
    error = refused(lambda: withdraw(store, CLERK, "q9", **SAID))
    assert error.code == "withdrawal.charts_unseen" and "--charts 2" in error.next_en
    assert f"his {his}" in error.en and f"lis {lis}" in error.en and "person: 1;" in error.en
    assert refused(lambda: withdraw(store, CLERK, "q9", charts_seen=3, **SAID)).code == error.code
    assert not store.records.all(select(Withdrawal))

    withdraw(store, CLERK, "q9", charts_seen=2, **SAID)
    assert frozen_patients(store) == {(HOSPITAL, his), (HOSPITAL, lis)}
    case = cases_seen(store, CLERK)[0]
    assert (case.patient_id, case.charts, case.other_hospitals) == (lis, 2, 1)

    sent(store, {"d.ndjson": ndjson({**person(1), "id": "z"})}, source_system="pacs")
    assert (HOSPITAL, name(store, "z", "pacs")) in frozen_patients(store), "a chart that comes later too"


def test_a_person_with_one_chart_needs_no_second_look(store: Platform) -> None:
    woman = charts_of(store, (HOSPITAL, name(store, "p1", "lis")))
    assert [chart.systems for chart in woman.charts] == [("lis",)] and woman.other_hospitals == 0
    withdraw(store, CLERK, "p1", source_system="lis", **SAID)


def test_an_erasure_is_of_all_charts_that_were_seen_and_of_nobody_else(store: Platform) -> None:
    his, lis, woman = name(store, "p1", "his"), name(store, "q9", "lis"), name(store, "p1", "lis")
    unseen = refused(lambda: approved(store, "q9"))
    assert unseen.code == "withdrawal.charts_unseen" and not store.records.all(select(ErasureRequest))
    row = approved(store, "q9", charts_seen=2)
    assert (
        refused(lambda: approved(store, "p1", source_system="his", charts_seen=2)).code
        == "erasure.open_already"
    )
    sent(store, {"d.ndjson": ndjson({**person(1), "id": "z"})}, source_system="pacs")
    later = name(store, "z", "pacs")

    done = erase(store, OFFICERS[1], row.id)

    assert done.state == "erased" and done.counts["lines"] == 4
    assert {patient for hospital, patient in patients(store) if hospital == HOSPITAL} == {woman, later}
    assert sum(hospital != HOSPITAL for hospital, _ in patients(store)) == 1, "another hospital's chart stays"
    assert all(store.records.get(PatientKey, (HOSPITAL, one)).wrapped == b"" for one in (his, lis))
    assert store.records.get(PatientKey, (HOSPITAL, woman)).wrapped
    assert (HOSPITAL, later) in frozen_patients(store), "nobody looked at it, so it stays, and frozen"
    text = certificate_path(store, row.id, ".txt").read_text("utf-8")
    assert f"{lis}, {his}" in text, "both charts by name"
    left = found_on_disk(store, [his, lis])
    assert all(path.startswith(("records.db", "erasures/")) for paths in left.values() for path in paths), (
        left
    )


def test_a_hold_on_one_chart_stands_against_the_erasure_of_the_other(store: Platform) -> None:
    row = approved(store, "q9", charts_seen=2)
    hold = place_hold(store, INSPECTOR, HOSPITAL, "p1", HELD, "his")
    assert store.records.get(ErasureRequest, row.id).state == "refused"
    assert refused(lambda: approved(store, "q9", charts_seen=2)).code == "erasure.held"
    lift_hold(store, INSPECTOR, hold.id, "案件已结，不再需要保全该患者的记录")
    assert len(frozen_patients(store)) == 2, "the request's withdrawal stays"
