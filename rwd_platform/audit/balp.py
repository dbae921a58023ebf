"""One patient's disclosures as FHIR R4 AuditEvents after IHE BALP, Privacy Disclosure at Source.

https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source; read from the profile's
source, input/fsh/Disclose.fsh of IHE/ITI.BasicAudit. One event is about one patient, so it is made when somebody asks,
from one entry of the log: the entry's place and leaf hash stand in the event, and check it against the log.

What nobody knows is said to be absent by FHIR's own extension and never filled in. Plain objects in, canonical JSON
out; fhir.resources reads them back in the tests and is not needed here.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.text import Bilingual

PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_URI = "5"  # of http://hl7.org/fhir/network-type

Absent = Literal["unknown", "masked"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Party:
    """A legal entity, by its id on the platform and its name."""

    id: str
    name: str


@dataclass(frozen=True)
class PatientNamed:
    """How the patient is named in the file: by a keyed reference, or by the hospital's own number in its own file.

    number -- "" where the file is not for the hospital that gave the number
    """

    reference: str
    hospital: Party
    number: str = ""


@dataclass(frozen=True)
class DisclosureEvent:
    """What an event says.

    log           -- the log's name; the platform's own names are of its namespace
    address       -- where others reach the platform; "" where that is not set
    recorded      -- instant, UTC, RFC 3339
    purpose       -- a code of compliance/purposes.toml, and its words
    custodian     -- the exporter that released the patient's data; None where there are several
    by_consent    -- the paper by which the patient consented; "" where it rests on something else
    recipient_at  -- why the recipient's address is not told
    details       -- further facts about the package, by name
    """

    log: str
    address: str
    recorded: str
    source: Party
    recipient: Party
    recipient_at: Absent
    custodian: Party | None
    patient: PatientNamed
    by_consent: str
    purpose: str
    purpose_words: str
    package: str
    package_sha256: str
    sequence: int
    leaf_hash: str
    details: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Remark:
    """What the events cannot say: that there is none, or how many releases could not be told about."""

    code: Literal["informational", "incomplete"]
    text: Bilingual


@lru_cache(maxsize=1)
def purpose_codes() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(Path(__file__).with_name("balp_purposes.toml").read_text(encoding="utf-8"))


def bundle(events: Sequence[DisclosureEvent], remarks: Sequence[Remark]) -> Json:
    """A collection: the events in the order given, and the remarks in one OperationOutcome where there are some."""
    made = [audit_event(one) for one in events]
    if remarks:
        made.append(_outcome(remarks))
    entries = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in made]
    return {"resourceType": "Bundle", "type": "collection", **({"entry": entries} if entries else {})}


def as_bytes(resource: Json) -> bytes:
    """Canonical JSON (RFC 8785): the same answer is the same file."""
    return canonical_json(resource)


def audit_event(told: DisclosureEvent) -> Json:
    """The event of one release and one patient."""
    source = _organisation(told, told.source)
    return {
        "resourceType": "AuditEvent",
        "id": _id("event", told.log, told.leaf_hash, told.patient.reference),
        "meta": {"profile": [PROFILE]},
        "type": _coding(DICOM, "110106", "Export"),
        "subtype": [_coding(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")],
        "action": "R",
        "recorded": told.recorded,
        "outcome": "0",
        "outcomeDesc": "released and recorded in the log",
        "purposeOfEvent": [_purpose(told)],
        "agent": _agents(told, source),
        "source": {
            "site": told.log,
            "observer": source,
            "type": [_coding(SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": [_patient(told), _package(told)],
    }


# -- who ---------------------------------------------------------------------------------------------------------


def _agents(told: DisclosureEvent, source: Json) -> list[Json]:
    """Source and recipient once each; custodian and authorizer where they are known."""
    agents = [
        {
            "type": _concept(DICOM, "110153", "Source Role ID"),
            "who": source,
            "requestor": True,  # it is released from here: by those whom the entry of the log names
            "network": {"address": told.address, "type": _URI} if told.address else _absent("unknown"),
        },
        {
            "type": _concept(DICOM, "110152", "Destination Role ID"),
            "who": _organisation(told, told.recipient),
            "requestor": False,
            "network": _absent(told.recipient_at),
        },
    ]
    if told.custodian is not None:
        agents.append(
            {
                "type": _concept(SNOMED, "159541003", "Record keeping/library clerk"),
                "who": _organisation(told, told.custodian),
                "requestor": False,
            }
        )
    if told.by_consent:
        agents.append(
            {
                "type": _concept(SNOMED, "429577009", "Patient Advocate"),
                "who": _patient_reference(told),
                "requestor": False,
                "policy": [f"{_namespace(told, 'paper')}/{told.by_consent}"],
            }
        )
    return agents


def _organisation(told: DisclosureEvent, party: Party) -> Json:
    identifier = {"system": _namespace(told, "organisation"), "value": party.id}
    return {"type": "Organization", "identifier": identifier, "display": party.name}


def _absent(reason: Absent) -> Json:
    """A network that there was, and whose address is not told."""
    return {"_address": {"extension": [{"url": ABSENT, "valueCode": reason}]}}


# -- what --------------------------------------------------------------------------------------------------------


def _purpose(told: DisclosureEvent) -> Json:
    known = purpose_codes().get(told.purpose)
    coded = {"coding": [_coding(REASON, known["code"], known["display"])]} if known else {}
    return {**coded, "text": told.purpose_words}


def _patient(told: DisclosureEvent) -> Json:
    return {
        "what": _patient_reference(told),
        "type": _coding(ENTITY_TYPE, "1", "Person"),
        "role": _coding(OBJECT_ROLE, "1", "Patient"),
    }


def _patient_reference(told: DisclosureEvent) -> Json:
    """A reference by identifier: there is no Patient to follow it to."""
    named = told.patient
    if named.number:
        identifier: Json = {
            "type": _concept(IDENTIFIER_TYPE, "MR", "Medical record number"),
            "value": named.number,
            "assigner": _organisation(told, named.hospital),
        }
    else:
        identifier = {"system": _namespace(told, "patient-reference"), "value": named.reference}
    return {"type": "Patient", "identifier": identifier}


def _package(told: DisclosureEvent) -> Json:
    facts = [
        ("sha256", told.package_sha256),
        ("log", told.log),
        ("log-sequence", str(told.sequence)),
        ("log-leaf-hash", told.leaf_hash),
        *told.details,
    ]
    return {
        "what": {"identifier": {"system": _namespace(told, "package"), "value": told.package}},
        "type": _coding(ENTITY_TYPE, "2", "System Object"),
        "role": _coding(OBJECT_ROLE, "3", "Report"),
        "detail": [{"type": name, "valueString": value} for name, value in facts],
    }


def _outcome(remarks: Sequence[Remark]) -> Json:
    issues = [
        {
            "severity": "warning" if one.code == "incomplete" else "information",
            "code": one.code,
            "details": {"text": f"{one.text.zh}\n{one.text.en}"},
        }
        for one in remarks
    ]
    said = [text for one in remarks for text in one.text]
    return {"resourceType": "OperationOutcome", "id": _id("remarks", *said), "issue": issues}


# -- small parts -------------------------------------------------------------------------------------------------


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [_coding(system, code, display)]}


def _namespace(told: DisclosureEvent, what: str) -> str:
    """The platform's own names are of its log's namespace."""
    return f"https://{told.log}/{what}"


def _id(*parts: str) -> str:
    """The same for the same event: a UUID of version 8 (RFC 9562, 5.8) out of a hash."""
    value = int.from_bytes(hashlib.sha256(canonical_json(list(parts))).digest()[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))
