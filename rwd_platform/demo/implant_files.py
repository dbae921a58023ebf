"""The second demo's files: two hospitals send their implants as FHIR NDJSON, with the UDI as it stands on the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rwd_platform.core.text import Bilingual
from rwd_platform.demo.defects import json_line
from rwd_platform.demo.implant_events import ImplantEvent, implant_events
from rwd_platform.demo.implant_patients import LECHENG, OUTSIDE, ImplantPatient, implant_patients
from rwd_platform.demo.resources import (
    ICD_9_CM,
    ICD_10,
    INPATIENT_NUMBER,
    MEASURE,
    OUTCOME,
    PRODUCT,
    RESIDENT_ID,
    UCUM,
    VALUE,
    Json,
    coded,
    observation,
)

HOSPITALS = {
    LECHENG: Bilingual("演示乐城医院", "Demo Lecheng Hospital"),
    OUTSIDE: Bilingual("演示医院戊（外部对照）", "Demo Hospital E (external control)"),
}
PRODUCT_CODES = {"V": "DEMO-VALVE-V", "S": "DEMO-VALVE-S"}
# GS1 device identifiers with their check digit; the prefix 0697 is one that GS1 China gives, the rest is invented.
DEVICE_IDENTIFIERS = {"V": "06970000000017", "S": "06970000000024"}
GS1 = "http://hl7.org/fhir/NamingSystem/gs1-di"
AORTIC_VALVE = "35.05"  # ICD-9-CM-3: endovascular replacement of the aortic valve
STENOSIS = "I35.0"
DIABETES = "E11.9"
_DEVICE_ACTION = "http://hl7.org/fhir/device-action"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_EVENT_KIND = "https://rwd-platform.example/CodeSystem/adverse-event-kind"


@dataclass(frozen=True)
class ImplantFiles:
    """One hospital's upload."""

    organisation_id: str
    name: Bilingual
    source_system: str
    file: Path
    resources: int


def export_implants(folder: Path, *, seed: int) -> tuple[ImplantFiles, ...]:
    """Write both hospitals' NDJSON under `folder`, replacing files of those names."""
    patients = implant_patients(seed)
    events = implant_events(patients, seed)
    return tuple(
        _write(
            folder,
            key,
            [one for one in patients if one.hospital == key],
            [one for one in events if one.patient.hospital == key],
        )
        for key in HOSPITALS
    )


def _write(
    folder: Path, key: str, patients: Sequence[ImplantPatient], events: Sequence[ImplantEvent]
) -> ImplantFiles:
    place = folder / f"hospital-{key}"
    place.mkdir(parents=True, exist_ok=True)
    lines = [json_line(resource) for patient in patients for resource in resources(patient)]
    lines += [json_line(_adverse_event(one)) for one in events]
    file = place / "implants.ndjson"
    file.write_bytes("".join(line + "\n" for line in lines).encode())
    return ImplantFiles(f"org-hospital-{key}", HOSPITALS[key], f"demo-his-{key}", file, len(lines))


def resources(patient: ImplantPatient) -> Iterator[Json]:
    """Everything the hospital holds on the patient; Patient first."""
    number = f"{patient.number:03d}"
    subject = {"reference": f"Patient/patient-{number}"}
    day_0 = patient.implant_date.isoformat()

    def of(resource_type: str, role: str, content: Json) -> Json:
        return {"resourceType": resource_type, "id": f"{role}-{number}", **content}

    yield of("Patient", "patient", _person(patient))
    yield of(
        "Condition", "stenosis", {**_condition(STENOSIS, "非风湿性主动脉瓣狭窄", day_0), "subject": subject}
    )
    if patient.diabetes:
        yield of("Condition", "diabetes", {**_condition(DIABETES, "2 型糖尿病", day_0), "subject": subject})
    yield of("Device", "valve", {**_device(patient), "patient": subject})
    yield of("Procedure", "implant", {**_implantation(patient, number), "subject": subject})
    ejection = {"valueQuantity": {"value": patient.ejection, "unit": "%", "system": UCUM, "code": "%"}}
    yield of(
        "Observation",
        "ejection",
        {**observation(MEASURE, "ejection-fraction", day_0, ejection), "subject": subject},
    )
    last = patient.last_date.isoformat()
    for role, code in (
        ("valve-status", "failed" if patient.failed else "functioning"),
        ("vital-status", "dead" if patient.died else "alive"),
    ):
        value = {"valueCodeableConcept": coded(VALUE, code)}
        yield of("Observation", role, {**observation(OUTCOME, role, last, value), "subject": subject})


def _person(patient: ImplantPatient) -> Json:
    who = patient.identity
    return {
        "identifier": [
            {"use": "official", "system": RESIDENT_ID, "value": who.resident_id},
            {"use": "usual", "system": INPATIENT_NUMBER, "value": who.inpatient_number},
        ],
        "name": [{"use": "official", "text": who.name, "family": who.name[0], "given": [who.name[1:]]}],
        "telecom": [{"system": "phone", "value": who.mobile, "use": "mobile"}],
        "gender": patient.gender,
        "birthDate": patient.birth_date.isoformat(),
        "address": [{"use": "home", "text": who.address, "country": "CN"}],
    }


def _condition(code: str, display: str, day: str) -> Json:
    return {
        "clinicalStatus": coded(f"{_TERMINOLOGY}condition-clinical", "active"),
        "verificationStatus": coded(f"{_TERMINOLOGY}condition-ver-status", "confirmed"),
        "code": coded(ICD_10, code, display),
        "onsetDateTime": day,
    }


def _device(patient: ImplantPatient) -> Json:
    """Its production part (lot and serial number) is on the label, and stays behind at admission."""
    di = DEVICE_IDENTIFIERS[patient.valve]
    lot, serial = f"L{patient.implant_date:%y%m}", f"{patient.hospital.upper()}{patient.number:05d}"
    return {
        "status": "active",
        "type": coded(PRODUCT, PRODUCT_CODES[patient.valve], f"演示瓣膜 {patient.valve}"),
        "udiCarrier": [
            {"deviceIdentifier": di, "issuer": GS1, "carrierHRF": f"(01){di}(10){lot}(21){serial}"}
        ],
        "lotNumber": lot,
        "serialNumber": serial,
    }


def _implantation(patient: ImplantPatient, number: str) -> Json:
    return {
        "status": "completed",
        "code": coded(ICD_9_CM, AORTIC_VALVE, "经导管主动脉瓣置换术"),
        "performedDateTime": patient.implant_date.isoformat(),
        "performer": [{"actor": {"reference": f"Practitioner/operator-{patient.operator}"}}],
        "focalDevice": [
            {
                "action": coded(_DEVICE_ACTION, "implanted"),
                "manipulated": {"reference": f"Device/valve-{number}"},
            }
        ],
    }


def _adverse_event(event: ImplantEvent) -> Json:
    """A report by the hospital; the valve is the suspect."""
    number, terms = f"{event.patient.number:03d}", f"{_TERMINOLOGY}adverse-event-"
    day = (event.patient.implant_date + timedelta(days=event.day)).isoformat()
    kind = {"category": [coded(_EVENT_KIND, "device-deficiency")]} if event.kind == "deficiency" else {}
    assessment = coded(f"{terms}causality-assess", event.causality)
    return {
        "resourceType": "AdverseEvent",
        "id": f"{event.kind}-{number}",
        "actuality": event.actuality,
        **kind,
        "event": coded(ICD_10, event.code, event.display),
        "subject": {"reference": f"Patient/patient-{number}"},
        "date": day,
        "detected": day,
        "recordedDate": day,
        "seriousness": coded(f"{terms}seriousness", event.seriousness),
        "outcome": coded(f"{terms}outcome", event.outcome),
        "suspectEntity": [
            {
                "instance": {"reference": f"Device/valve-{number}"},
                "causality": [{"assessment": assessment}],
            }
        ],
    }
