"""One demo patient as FHIR R4 resources, in the shapes that docs and lake tables rely on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Protocol

from rwd_platform.demo.patients import DemoPatient

BASE = "https://rwd-platform.example/"
RESIDENT_ID = f"{BASE}sid/resident-id"
INPATIENT_NUMBER = f"{BASE}sid/inpatient-number"
PRODUCT = f"{BASE}CodeSystem/licensed-product"
MEASURE = f"{BASE}CodeSystem/demo-measure"
OUTCOME = f"{BASE}CodeSystem/demo-outcome"
VALUE = f"{BASE}CodeSystem/demo-value"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_9_CM = "http://hl7.org/fhir/sid/icd-9-cm"
UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
STAY = timedelta(days=7)

Json = dict[str, Any]

TYPES = ("Patient", "Encounter", "Condition", "Procedure", "MedicationDispense", "Observation")
OUTCOME_ROLES = ("recurrence-status", "vital-status")


class Naming(Protocol):
    """How a hospital names one patient's resources. A role is unique in a patient: `vital-status`."""

    def id(self, role: str) -> str: ...

    def reference(self, resource_type: str, role: str) -> str: ...


def coded(system: str, code: str, display: str = "") -> Json:
    coding = {"system": system, "code": code}
    return {"coding": [{**coding, "display": display} if display else coding]}


def resources(patient: DemoPatient, naming: Naming) -> Iterator[tuple[str, Json]]:
    """(role, resource) of everything the hospital holds on the patient; Patient first, outcomes last."""
    for role, resource_type, content in _contents(patient):
        body: Json = {"resourceType": resource_type, "id": naming.id(role)}
        if resource_type != "Patient":
            subject: Json = {"reference": naming.reference("Patient", "patient")}
            if resource_type == "Encounter":
                subject["display"] = patient.identity.name
            content["subject"] = subject
        if resource_type in ("Condition", "Procedure", "Observation") and role not in OUTCOME_ROLES:
            content["encounter"] = {"reference": naming.reference("Encounter", "encounter")}
        yield role, {**body, **content}


def _contents(patient: DemoPatient) -> Iterator[tuple[str, str, Json]]:
    day_0 = patient.surgery_date.isoformat()
    yield "patient", "Patient", _person(patient)
    yield "encounter", "Encounter", _stay(patient)
    yield "condition", "Condition", _diagnosis(patient)
    yield "surgery", "Procedure", _procedure("85.4", "乳房切除术", day_0)
    if patient.chemo:
        yield "chemotherapy", "Procedure", _procedure("99.25", "化学治疗", day_0)
    if patient.hormon:
        yield (
            "dispense",
            "MedicationDispense",
            {
                "status": "completed",
                "medicationCodeableConcept": coded(PRODUCT, "DEMO-A", "演示药 A"),
                "whenHandedOver": day_0,
            },
        )
    for role, value in _measures(patient):
        yield role, "Observation", observation(MEASURE, role, day_0, value)
    for role, day, code in (
        ("recurrence-status", patient.last_check_date, "recurrence" if patient.recur else "no-recurrence"),
        ("vital-status", patient.last_contact_date, "dead" if patient.death else "alive"),
    ):
        value = {"valueCodeableConcept": coded(VALUE, code)}
        yield role, "Observation", observation(OUTCOME, role, day.isoformat(), value)


def _person(patient: DemoPatient) -> Json:
    who = patient.identity
    return {
        "identifier": [
            {"use": "official", "system": RESIDENT_ID, "value": who.resident_id},
            {"use": "usual", "system": INPATIENT_NUMBER, "value": who.inpatient_number},
        ],
        "name": [{"use": "official", "text": who.name, "family": who.name[0], "given": [who.name[1:]]}],
        "telecom": [{"system": "phone", "value": who.mobile, "use": "mobile"}],
        "gender": "female",
        "birthDate": patient.birth_date.isoformat(),
        "address": [
            {
                "use": "home",
                "text": who.address,
                "line": [f"{who.town}{who.street}{who.room}"],
                "city": "演示市",
                "state": "海南省",
                "country": "CN",
            }
        ],
    }


def _stay(patient: DemoPatient) -> Json:
    return {
        "status": "finished",
        "class": {"system": f"{_TERMINOLOGY}v3-ActCode", "code": "IMP", "display": "inpatient encounter"},
        "period": {
            "start": patient.surgery_date.isoformat(),
            "end": (patient.surgery_date + STAY).isoformat(),
        },
    }


def _diagnosis(patient: DemoPatient) -> Json:
    """The note is what a doctor might type: free text with a name and a number in it."""
    who = patient.identity
    return {
        "clinicalStatus": coded(f"{_TERMINOLOGY}condition-clinical", "active"),
        "verificationStatus": coded(f"{_TERMINOLOGY}condition-ver-status", "confirmed"),
        "code": coded(ICD_10, "C50.9", "乳腺恶性肿瘤"),
        "onsetDateTime": patient.diagnosis_date.isoformat(),
        "note": [{"text": f"患者{who.name}，住院号{who.inpatient_number}，电话{who.mobile}，拟行手术治疗。"}],
    }


def _procedure(code: str, display: str, day: str) -> Json:
    return {"status": "completed", "code": coded(ICD_9_CM, code, display), "performedDateTime": day}


def observation(system: str, code: str, day: str, value: Json) -> Json:
    return {"status": "final", "code": coded(system, code), "effectiveDateTime": day, **value}


def quantity(value: int, unit: str) -> Json:
    return {"valueQuantity": {"value": value, "unit": unit.strip("{}"), "system": UCUM, "code": unit}}


def _measures(patient: DemoPatient) -> Iterator[tuple[str, Json]]:
    menopause = "postmenopausal" if patient.meno else "premenopausal"
    yield "menopausal-status", {"valueCodeableConcept": coded(VALUE, menopause)}
    yield "tumour-size", {"valueCodeableConcept": coded(VALUE, patient.size)}
    yield "tumour-grade", {"valueInteger": patient.grade}
    yield "positive-nodes", quantity(patient.nodes, "{nodes}")
    yield "progesterone-receptor", quantity(patient.pgr, "fmol/L")
    yield "oestrogen-receptor", quantity(patient.er, "fmol/L")
