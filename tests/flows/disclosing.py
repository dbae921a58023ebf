"""Patients of two hospitals, a lock that holds some of them, and releases about it that have really left."""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.flows.ledger_map import Person, seal_person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_votes import vote
from rwd_platform.flows.withdraw import find_patient
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import PersonLink
from tests.flows.linking import person
from tests.flows.papers import put_papers
from tests.flows.releasing import ASSEMBLER, OFFICER, OFFICER_2, people, put_package
from tests.flows.sending import ndjson, patient, sent

A, B, OPERATOR = "org-hospital-a", "org-hospital-b", "org-operator"
HER, HIM, ELSEWHERE, LINKED = "MR-2026-0001", "MR-2026-0002", "MR-B-7", "MR-2026-0003"
PRIVACY = Actor("privacy", "privacy", "org-operator")
REASON = "已核对输出检查的结论与用途，同意。"


def send_patients(platform: Platform, role: str = "entrusted", hospital: str = A, other: str = B) -> None:
    """HER and HIM at a hospital, LINKED there with a resident id, ELSEWHERE at another."""
    linked = {**person(3), "id": LINKED}
    of_hospital = ndjson(patient(HER), patient(HIM), linked)
    for whose, content in ((hospital, of_hospital), (other, ndjson(patient(ELSEWHERE)))):
        clerk = Actor(f"clerk-of-{whose}", "hospital", whose)
        sent(platform, {f"{whose}.ndjson": content}, clerk, platform_role=role)


def chart(platform: Platform, number: str, hospital: str = A) -> str:
    return find_patient(platform, hospital, number)


def token_of(platform: Platform, number: str, hospital: str = A) -> str:
    return platform.records.get(PersonLink, (hospital, chart(platform, number, hospital))).link_token


def put_lock(
    platform: Platform, numbers: Mapping[str, str], hospital: str = A, project: str = "demo"
) -> None:
    """The sealed map of 200 subjects, all of one hospital: these subjects are these patients, the rest strangers."""
    persons = {
        subject: Person(f"{hospital}|p1.intl.1.{subject}", ((hospital, f"p1.intl.1.{subject}"),))
        for subject in people(1, 200)
    }
    for subject, number in numbers.items():
        name = chart(platform, number, hospital)
        ledger_id = token_of(platform, number, hospital) if number == LINKED else f"{hospital}|{name}"
        persons[subject] = Person(ledger_id, ((hospital, name),))
    seal_person_map(platform, f"L-{project}", persons)


def left(
    platform: Platform, package: str = "EP-1", kind: str = "sponsor", circle: str = "Sponsor Ltd"
) -> str:
    """A release of the package, asked for, approved by two officers, carried out: its id."""
    stated = {"purpose": "上市后研究", "foreign_judicial_request": "no"}
    asked = request_release(platform, ASSEMBLER, package, kind, circle, stated)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, "approve", REASON)
    done = release(platform, ASSEMBLER, asked.id)
    assert done.state == "released", done.verdict
    return done.id


def put_papers_of(platform: Platform, *exporters: str) -> None:
    for exporter in exporters:
        put_papers(platform, (), exporter)


def a_release_about_her(
    platform: Platform, role: str = "entrusted", hospital: str = A, other: str = B
) -> str:
    """HER, LINKED and 198 strangers are in what went to the sponsor; HIM is not in it."""
    send_patients(platform, role, hospital, other)
    put_package(platform, {"all": people(1, 200)})
    put_lock(platform, {"s0001": HER, "s0002": LINKED}, hospital)
    put_papers_of(platform, hospital, other)
    return left(platform)
