"""A Bundle gives one unit for each entry, and each unit has the very bytes that the hospital sent."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ingestion.bundles import INDEPENDENT, spans_of_entries
from ingestion.containers import Limits
from rwd_platform.core.json_text import loads
from tests.ingestion.sending import line, patient, read, suite

PRETTY = """\
{
  "entry": [
    {"fullUrl": "x", "resource": {
      "resourceType" : "Patient",
      "id":"p1",  "name": [{"text": "王小明 {[\\"entry\\"]}, \\u738b"}]
    }, "request": {"method": "POST", "url": "Patient"}},

    {
      "request": {"method": "PUT", "url": "Observation/o1", "resource": {"resourceType": "Nothing"}},
      "resource":{"resourceType":"Observation","id":"o1","valueDecimalKept":0.40}
    }
  ],
  "resourceType": "Bundle",
  "type": "transaction"
}
"""


def bundle(*resources: Any, kind: str | None = "collection", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Bundle",
        "entry": [{"resource": part} for part in resources],
        **more,
    }
    if kind is not None:
        found["type"] = kind
    return found


def test_the_bytes_of_an_entry_are_those_of_the_file() -> None:
    """Raw bytes are the record of truth: blanks, escapes and digits stay as they were sent."""
    content = PRETTY.encode()
    first, second = read(content, "one.json")
    assert first.raw.startswith(b'{\n      "resourceType" : "Patient"') and first.raw.endswith(b"\n    }")
    assert second.raw == b'{"resourceType":"Observation","id":"o1","valueDecimalKept":0.40}'
    for unit in (first, second):
        assert content.count(unit.raw) == 1
        assert loads(unit.raw) == unit.resource


def test_an_entry_knows_its_line_and_its_number() -> None:
    """The line is where a person's editor finds the resource; entries count from 1."""
    lines = PRETTY.splitlines()
    places = [(unit.place.line, unit.place.entry) for unit in read(PRETTY.encode(), "one.json")]
    assert places == [(3, 1), (10, 2)]
    assert '"resource": {' in lines[2] and '"resource":{' in lines[9]


def test_a_bundle_on_a_line_of_ndjson_is_taken_apart_too() -> None:
    content = line(patient(1)) + b"\n\n" + line(bundle(patient(2), patient(3))) + b"\n" + line(patient(4))
    units = read(content)
    assert [(unit.place.line, unit.place.entry) for unit in units] == [(1, None), (3, 1), (3, 2), (4, None)]
    assert [unit.resource and unit.resource["id"] for unit in units] == ["p1", "p2", "p3", "p4"]


def test_only_a_transaction_stands_or_falls_together() -> None:
    content = b"\n".join(
        line(bundle(patient(1), patient(2), kind=kind)) for kind in ("transaction", *INDEPENDENT)
    )
    groups = [unit.group for unit in read(content, "a.ndjson")]
    assert groups == ["a.ndjson#1"] * 2 + [None] * 2 * len(INDEPENDENT)


WHOLE_REFUSED = [
    ("no type", bundle(patient(), kind=None), "bundle.type"),
    ("an unknown type", bundle(patient(), kind="parcel"), "bundle.type"),
    ("an answer", bundle(patient(), kind="transaction-response"), "bundle.type"),
    ("a type that is no text", {**bundle(patient()), "type": ["batch"]}, "bundle.type"),
    ("no entry", {"resourceType": "Bundle", "type": "batch"}, "bundle.no_entries"),
    ("an empty entry", bundle(), "bundle.no_entries"),
    ("an entry that is no array", {**bundle(), "entry": {"resource": patient()}}, "bundle.entry"),
    ("an entry that is no object", {**bundle(), "entry": [{"resource": patient()}, 7]}, "bundle.entry"),
]


@pytest.mark.parametrize(("what", "sent", "rule"), WHOLE_REFUSED, ids=[case[0] for case in WHOLE_REFUSED])
def test_a_bundle_that_cannot_be_understood_is_one_rejected_unit(what: str, sent: Any, rule: str) -> None:
    """Not one for each entry: what its entries mean is not known. The lines around it are read."""
    units = read(line(patient(1)) + b"\n" + line(sent) + b"\n" + line(patient(2)))
    assert [unit.issues[0].rule if unit.issues else "" for unit in units] == ["", rule, ""]
    assert units[1].resource is None and units[1].place.entry is None


def test_of_a_large_refused_bundle_only_the_beginning_is_kept() -> None:
    units = read(line(bundle(*[patient(n) for n in range(100)], kind="parcel")), limits=Limits(kept_bytes=50))
    assert [len(unit.raw) for unit in units] == [50]


def entry(**parts: Any) -> dict[str, Any]:
    return {"request": {"method": "POST", "url": "Patient"}, **parts}


ENTRY_REFUSED = [
    ("no resource", entry(), "bundle.entry_without_resource", "Bundle.entry[1].resource"),
    ("a null", entry(resource=None), "bundle.entry_without_resource", "Bundle.entry[1].resource"),
    ("an array", entry(resource=[patient()]), "resource.not_object", "Bundle.entry[1].resource"),
    ("a Bundle", entry(resource=bundle(patient())), "bundle.nested", "Bundle.entry[1].resource"),
    ("a deletion", {"request": {"method": "DELETE"}}, "bundle.method", "Bundle.entry[1].request.method"),
    (
        "a change in part",
        entry(request={"method": "PATCH"}),
        "bundle.method",
        "Bundle.entry[1].request.method",
    ),
]


@pytest.mark.parametrize(
    ("what", "sent", "rule", "where"), ENTRY_REFUSED, ids=[case[0] for case in ENTRY_REFUSED]
)
def test_an_entry_that_cannot_be_received_is_rejected_by_itself(
    what: str, sent: Any, rule: str, where: str
) -> None:
    whole = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [entry(resource=patient(1)), sent, entry(resource=patient(2))],
    }
    units = read(line(whole))
    assert [len(unit.issues) for unit in units] == [0, 1, 0], what
    assert (units[1].issues[0].rule, units[1].issues[0].expression) == (rule, where)
    assert units[1].raw in line(whole)


URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def transaction(first: dict[str, Any], url: str = URN, reference: str = URN) -> bytes:
    second = {
        "resourceType": "Observation",
        "subject": {"reference": reference},
        "contained": [{"x": {"reference": reference}}],
    }
    entries = [entry(fullUrl=url, resource=first), entry(fullUrl="urn:uuid:" + "1" * 32, resource=second)]
    return line({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def test_references_inside_a_transaction_are_resolved_in_the_parsed_resource_only() -> None:
    """The raw bytes keep the urn; the resource that goes on names its patient as other files do."""
    units = read(transaction(patient(7)))
    assert units[1].resource is not None
    assert units[1].resource["subject"] == {"reference": "Patient/p7"}
    assert units[1].resource["contained"][0]["x"] == {"reference": "Patient/p7"}
    assert URN.encode() in units[1].raw and b"p7" not in units[1].raw


def test_a_resource_that_leaves_its_id_to_the_receiver_gets_that_of_its_full_url() -> None:
    units = read(transaction({"resourceType": "Patient"}))
    assert units[0].resource == {"resourceType": "Patient", "id": URN.removeprefix("urn:uuid:")}
    assert units[1].resource is not None
    assert units[1].resource["subject"] == {"reference": f"Patient/{URN.removeprefix('urn:uuid:')}"}


def test_references_elsewhere_stay_as_they_are() -> None:
    for reference in (
        "urn:uuid:another",
        "Patient/p1",
        "#c",
        "http://x.example/Patient/1",
        "Patient?identifier=7",
    ):
        units = read(transaction(patient(7), reference=reference))
        assert units[1].resource is not None
        assert units[1].resource["subject"] == {"reference": reference}


def test_two_resources_under_one_full_url_are_rejected() -> None:
    """Which of two patients an observation belongs to must never be a guess."""
    entries = [entry(fullUrl=URN, resource=patient(1)), entry(fullUrl=URN, resource=patient(2))]
    units = read(line({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    assert [unit.issues[0].rule for unit in units] == ["bundle.same_full_url"] * 2
    versions = [entry(fullUrl=URN, resource=patient(1)), entry(fullUrl=URN, resource=patient(1, active=True))]
    units = read(line({"resourceType": "Bundle", "type": "history", "entry": versions}))
    assert [unit.issues for unit in units] == [(), ()]


def messy(value: Any, chance: random.Random) -> str:
    """JSON with blanks wherever the grammar allows them."""

    def blank() -> str:
        return chance.choice(["", "", " ", "\n", "\r\n\t"])

    if isinstance(value, dict):
        pairs = [
            f"{blank()}{json.dumps(k)}{blank()}:{blank()}{messy(v, chance)}{blank()}"
            for k, v in value.items()
        ]
        return "{" + (",".join(pairs) or blank()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(blank() + messy(part, chance) + blank() for part in value) or blank()) + "]"
    return json.dumps(value, ensure_ascii=chance.random() < 0.5)


@pytest.mark.parametrize("seed", range(40))
def test_wherever_blanks_stand_the_spans_are_found(seed: int) -> None:
    """Each span, read by itself with the standard library, is the resource that the Bundle holds."""
    chance = random.Random(seed)
    resources = [
        patient(
            n,
            name=[{"text": chance.choice(['王"{', "}]\\", "😀", ""])}],
            entry=[{"resource": {}}],
            n=[[], {}, None, 1.50],
        )
        for n in range(chance.randint(1, 5))
    ]
    whole = bundle(
        *resources,
        entry=[{"link": [{}], "resource": part, "search": {"mode": "match"}} for part in resources],
    )
    keys = list(whole)
    chance.shuffle(keys)
    raw = (" \n" * (seed % 2) + messy({key: whole[key] for key in keys}, chance) + "\n").encode()
    spans = list(spans_of_entries(raw))
    assert [json.loads(span.raw) for span in spans] == resources
    for span in spans:
        assert raw[: raw.find(span.raw)].count(b"\n") == span.line


def test_the_spans_of_official_bundles_are_their_resources() -> None:
    """Every Bundle among HL7's own examples of R4."""
    checked = 0
    for raw in suite("fhir", "hl7-r4-examples", "examples.ndjson").read_bytes().splitlines():
        value = json.loads(raw)
        if value["resourceType"] != "Bundle" or not value.get("entry"):
            continue
        expected = [part.get("resource", part) for part in value["entry"]]
        assert [json.loads(span.raw) for span in spans_of_entries(raw)] == expected
        checked += len(expected)
    assert checked > 100
