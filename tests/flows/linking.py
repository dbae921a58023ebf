"""Three sources that know some of the same people: two hospitals and an insurance fund."""

from __future__ import annotations

from typing import Any

from deidentify.identifiers_cn import check_digit
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation
from tests.flows.sending import CLERK, CLERK_B, MEASURE, ndjson, patient, sent

PRIVACY = Actor("privacy", "privacy", "org-operator")
PAYER = "org-payer"
CLERK_PAYER = Actor("clerk-payer", "hospital", PAYER)
PEOPLE = 60

Json = dict[str, Any]


def born(person: int) -> str:
    return f"19{50 + person % 40}-{1 + person % 12:02}-{1 + person % 28:02}"


def resident_id(person: int) -> str:
    first_17 = f"110101{born(person).replace('-', '')}{100 + person:03}"
    return first_17 + check_digit(first_17)


def person(number: int, *, with_id: bool = True, id_of: int | None = None, **elements: Any) -> Json:
    """A Patient whose number is his or her own, somebody else's, or not recorded."""
    whose = number if id_of is None else id_of
    identifiers = {"identifier": [{"system": "urn:oid:2.16.156.1", "value": resident_id(whose)}]}
    gender = ("female", "male")[number % 2]
    known = identifiers if with_id else {}
    return patient(f"p{number}", **{"birthDate": born(number), "gender": gender, **known, **elements})


def visit(number: int) -> Json:
    return {
        "resourceType": "Encounter",
        "id": f"v{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/p{number}"},
        "period": {"start": "2024-03-01", "end": "2024-03-05"},
    }


def charge(number: int) -> Json:
    return {
        "resourceType": "ChargeItem",
        "id": f"c{number}",
        "status": "billed",
        "code": {"coding": [{"system": MEASURE, "code": "tumour-grade"}]},
        "subject": {"reference": f"Patient/p{number}"},
        "occurrenceDateTime": "2024-03-02",
    }


def three_sources(platform: Platform) -> None:
    """Hospital A has PEOPLE, every fifth without a number; hospital B ten of them. The fund knows the first forty, one
    of them by another's number.
    """
    organisation = Organisation(
        id=PAYER, kind="authority", name_zh="演示医保局", name_en="Demo Insurance Fund"
    )
    platform.records.write(
        organisation, audit=Act(PRIVACY, "organisation.registered", Object("organisation", PAYER))
    )
    at_a = [person(number, with_id=number % 5 != 0) for number in range(PEOPLE)]
    sent(platform, {"a.ndjson": ndjson(*at_a, *map(visit, range(PEOPLE)))}, CLERK)
    at_b = [person(number) for number in range(10)]
    sent(platform, {"b.ndjson": ndjson(*at_b, *map(visit, range(10)))}, CLERK_B)
    paid = [person(number, id_of=58 if number == 7 else None) for number in range(40)]
    sent(platform, {"c.ndjson": ndjson(*paid, *map(charge, range(40)))}, CLERK_PAYER, source_system="fund")
