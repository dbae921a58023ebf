"""What an erasure takes with it though it names no patient: an implant, a lot, and what is told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.core.units import Place, Unit
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.erase_certificate import certificate_path
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.erase_things import NAMED, Own, Seen, Whose, find_things, named_in, names_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.withdraw import frozen_patients, withdraw, without_frozen
from rwd_platform.store.lake import Lake
from rwd_platform.store.receipts import read_receipt
from tests.flows.erasing import OFFICERS, approved, found_on_disk, settle_people
from tests.flows.sending import CLERK, Json, ndjson, patient, sent
from tests.flows.test_cohorts import diagnosis

VICTIM = "victimzz01"
TYPE = {"coding": [{"system": "http://snomed.info/sct", "code": "14106009"}]}
OPERATION = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-9-cm", "code": "13.41"}]}


def device(id: str, serial: str, of: str = "") -> Json:
    about = {"patient": {"reference": f"Patient/{of}"}} if of else {}
    return {"resourceType": "Device", "id": id, "serialNumber": serial, "type": TYPE, **about}


def implanted(id: str, of: str, *devices: str) -> Json:
    return {
        "resourceType": "Procedure", "id": id, "status": "completed", "subject": {"reference": f"Patient/{of}"},
        "performedDateTime": "2021-05-06", "code": OPERATION,
        "focalDevice": [{"manipulated": {"reference": f"Device/{one}"}} for one in devices],
    }  # fmt: skip


def given(id: str, of: str, lot: str) -> Json:
    """Kept apart by admission, which wants the product's code in it: its line is the patient's all the same."""
    return {
        "resourceType": "MedicationAdministration", "id": id, "status": "completed",
        "subject": {"reference": f"Patient/{of}"}, "effectiveDateTime": "2021-05-05",
        "medicationReference": {"reference": f"Medication/{lot}"},
    }  # fmt: skip


def lot(id: str, number: str) -> Json:
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XC03"}]}
    return {"resourceType": "Medication", "id": id, "code": code, "batch": {"lotNumber": number}}


def told(id: str, *targets: str) -> Json:
    return {
        "resourceType": "Provenance", "id": id, "target": [{"reference": one} for one in targets],
        "recorded": "2021-05-08T00:00:00Z", "agent": [{"who": {"reference": "Practitioner/x1"}}],
    }  # fmt: skip


def supplied(id: str, item: str, of: str = "") -> Json:
    about = {"patient": {"reference": f"Patient/{of}"}} if of else {}
    return {
        "resourceType": "SupplyDelivery", "id": id, "status": "completed", "occurrenceDateTime": "2021-05-05",
        "suppliedItem": {"itemReference": {"reference": item}}, **about,
    }  # fmt: skip


def everything(who: str, n: int) -> list[Json]:
    """A patient with an implant that says whose it is and one that does not, a medicine, and what is told of them."""
    return [
        patient(who), diagnosis(n, who), device(f"dev{n}", f"SNOWNED{n}", who), device(f"alone{n}", f"SNALONE{n}"),
        implanted(f"pr{n}", who, f"dev{n}", f"alone{n}", "shared"), given(f"md{n}", who, f"lot{n}"),
        lot(f"lot{n}", f"LOTALONE{n}"), told(f"pv{n}", f"Procedure/pr{n}", f"Device/alone{n}"),
        supplied(f"sd{n}", f"Device/dev{n}", who), supplied(f"sn{n}", f"Device/alone{n}"),
    ]  # fmt: skip


SHARED = [device("shared", "SNSHARED"), told("both", "Procedure/pr0", "Procedure/pr1")]


@pytest.fixture
def store(platform: Platform) -> tuple[Platform, str]:
    """Two patients and what they share; the devices come in a file of their own."""
    settle_people(platform)
    every = [*everything(VICTIM, 0), *everything("other", 1), *SHARED]
    first = [one for one in every if one["resourceType"] not in NAMED]
    sent(platform, {"people.ndjson": ndjson(*first)})
    things = sent(platform, {"things.ndjson": ndjson(*(one for one in every if one not in first))})
    return platform, things


def raw(platform: Platform, upload: str) -> bytes:
    return b"\n".join(unit.raw for unit in units_of(platform, files_of(platform, upload)[0], None))


def owners(platform: Platform, table: str) -> dict[str, Any]:
    rows = Lake(platform.layout).read(table, ["resource_id", "patient_id"])
    return dict(rows.itertuples(index=False, name=None))


def test_a_device_and_a_supply_say_whose_they_are_and_are_held_back_with_the_patient(
    store: tuple[Platform, str],
) -> None:
    """Where the resource names a patient its rows do; the others are nobody's."""
    platform, _ = store
    said = {"reason": "consent-withdrawn", "withdrawn_on": "2026-11-01", "consent_version": "v3"}
    name = withdraw(platform, CLERK, VICTIM, **said).patient_id
    assert sorted(map(str, owners(platform, "device").values())).count("None") == 3
    lake = Lake(platform.layout)
    tables = {table: lake.read(table) for table in ("device", "product_use")}
    kept, count = without_frozen(tables, frozen_patients(platform))
    assert count == 1
    assert all(name in set(tables[table]["patient_id"]) for table in tables)
    assert all(len(kept[table]) == len(tables[table]) - 1 for table in tables)

    old = {table: rows.assign(patient_id=None) for table, rows in tables.items()}
    assert without_frozen(old, frozen_patients(platform))[1] == 0, "such rows do not say whose they are"
    kept, count = without_frozen(old, frozen_patients(platform), lake.read("resource"))
    assert count == 1 and all(len(kept[table]) == len(old[table]) - 1 for table in old)


@pytest.mark.parametrize("is_old", [False, True], ids=["rows of now", "rows that name nobody yet"])
def test_an_erasure_takes_what_only_the_patients_rows_name(store: tuple[Platform, str], is_old: bool) -> None:
    """The implant's serial number, the lot, the supply and the provenance; what somebody else names stays."""
    platform, things = store
    if is_old:
        for table in ("device", "product_use"):
            Lake(platform.layout).rewrite(table, _naming_nobody, "as before")
    before = {table: len(Lake(platform.layout).read(table)) for table in Lake(platform.layout).tables()}
    assert all(mark in raw(platform, things) for mark in (b"SNOWNED0", b"SNALONE0", b"LOTALONE0"))
    row = approved(platform, VICTIM)

    done = erase(platform, OFFICERS[1], row.id)

    content = raw(platform, things)
    assert not any(mark in content for mark in (b"SNOWNED0", b"SNALONE0", b"LOTALONE0", VICTIM.encode()))
    assert all(mark in content for mark in (b"SNOWNED1", b"SNALONE1", b"LOTALONE1", b"SNSHARED"))
    after = {table: len(Lake(platform.layout).read(table)) for table in Lake(platform.layout).tables()}
    gone = {table: before[table] - after[table] for table in before if before[table] != after[table]}
    assert gone == {
        "patient": 1, "condition": 1, "device": 2, "device_exposure": 3, "procedure": 1,
        "medication": 1, "product_use": 2, "resource": 9,
    }  # fmt: skip
    assert done.counts["lake_rows"] == sum(gone.values())
    assert (done.counts["lines"], done.counts["things"]) == (10, 4)
    assert done.counts["units_named_beside"] == 0
    digests = [line.digest for line in read_receipt(platform.layout.receipt(things)).lines()]
    assert digests.count("") == 3
    facts = json.loads(certificate_path(platform, row.id).read_bytes())
    assert facts["counts"]["things"] == 4 and "things" in {one["what"] for one in facts["remains"]}
    assert found_on_disk(platform, [VICTIM]) == {}


def _naming_nobody(rows: Any) -> Any:
    import pyarrow as pa

    at = rows.schema.get_field_index("patient_id")
    return rows.set_column(at, rows.schema.field(at), pa.nulls(len(rows), rows.schema.field(at).type))


# -- what is alone -------------------------------------------------------------------------------------


def alone(*units: tuple[Whose, Json]) -> list[str]:
    own = Own()
    for whose, one in units:
        if whose is Whose.OWN:
            own.names |= names_of("his", one)
            own.named |= named_in("his", one)
    seen = [
        Seen("f", "his", Unit(Place("f", line), b"", one), whose, one.get("_row") is None)
        for line, (whose, one) in enumerate(units, start=1)
    ]
    return sorted(
        str(one.unit.resource["id"]) for one in find_things(lambda: iter(seen), own) if one.unit.resource
    )


OWN, OTHERS, NOBODYS = Whose.OWN, Whose.OTHERS, Whose.NOBODYS
MINE = (OWN, implanted("pr", "v", "d"))


@pytest.mark.parametrize(
    ("units", "goes"),
    [
        ([MINE, (NOBODYS, device("d", "S"))], ["d"]),
        ([(NOBODYS, device("d", "S")), MINE], ["d"]),
        ([MINE, (NOBODYS, device("other", "S"))], []),
        ([MINE, (NOBODYS, device("d", "S")), (OTHERS, implanted("pr2", "w", "d"))], []),
        ([MINE, (NOBODYS, device("d", "S")), (OTHERS, device("d", "S", "w"))], []),
        # Anything of nobody's that names it keeps it, a list for one; a supply of it goes with it.
        ([MINE, (NOBODYS, device("d", "S")), (NOBODYS, {**told("l", "Device/d"), "resourceType": "List"})], []),
        ([MINE, (NOBODYS, device("d", "S")), (NOBODYS, supplied("s", "Device/d"))], ["d", "s"]),
        ([MINE, (NOBODYS, {**device("d", "S"), "_row": 1})], []),
        ([MINE, (NOBODYS, device("d", "S")), (NOBODYS, {**supplied("s", "Device/d"), "_row": 1})], []),
        # A record of provenance goes where all that it is about goes; one that stays keeps what it is about.
        ([MINE, (NOBODYS, told("p", "Procedure/pr"))], ["p"]),
        ([MINE, (NOBODYS, told("p", "Procedure/pr", "Procedure/of-another"))], []),
        ([MINE, (NOBODYS, device("d", "S")), (NOBODYS, told("p", "Device/d", "Device/x"))], []),
        # What a thing of the patient's names in its turn, as far as that is alone too.
        ([MINE, (NOBODYS, {**device("d", "S"), "parent": {"reference": "Device/e"}}), (NOBODYS, device("e", "S"))],
         ["d", "e"]),
        ([MINE, (NOBODYS, {**device("d", "S"), "parent": {"reference": "Device/e"}}), (NOBODYS, device("e", "S")),
          (OTHERS, implanted("pr2", "w", "d"))], []),
        ([(OWN, {**implanted("pr", "v"), "note": {"reference": "https://his.example/fhir/Device/d/_history/2"}}),
          (NOBODYS, device("d", "S"))], ["d"]),
        ([(OWN, {**implanted("d", "v")}), (NOBODYS, device("d", "S"))], []),  # one id, another type
        ([(OWN, {**implanted("pr", "v"), "x": {"reference": "urn:uuid:0C3151BD-1111-2222-3333-444455556666"}}),
          (NOBODYS, device("0c3151bd-1111-2222-3333-444455556666", "S"))],
         ["0c3151bd-1111-2222-3333-444455556666"]),
        ([(NOBODYS, device("d", "S"))], []),
    ],
)  # fmt: skip
def test_what_is_only_the_patients(units: list[tuple[Whose, Json]], goes: list[str]) -> None:
    assert alone(*units) == goes


def test_where_a_file_cannot_be_read_nothing_is_taken_that_others_may_name() -> None:
    own = Own(names={("his", "Procedure/pr")}, named={("his", "Device/d")}, is_whole=False)
    unit = Unit(Place("f", 1), b"", device("d", "S"))
    assert find_things(lambda: iter([Seen("f", "his", unit, NOBODYS, True)]), own) == []


def test_two_systems_do_not_share_their_ids() -> None:
    own = Own(names={("his", "Procedure/pr")}, named={("his", "Device/d")})
    unit = Unit(Place("f", 1), b"", device("d", "S"))
    assert find_things(lambda: iter([Seen("f", "lis", unit, NOBODYS, True)]), own) == []
