"""A clean hospital of four patients in every table, and for each rule the one defect that it must find.

Each defect lies in a hospital of its own, named after the rule, so that one check of all of them tells which
rules fail where. What is planted follows from the rule's kind; the exceptions say why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from quality.lookups import Surroundings
from quality.rules import MEASURES, Rule, Suite
from tests.quality.tables import KEY

PATIENTS = ("p0", "p1", "p2", "p3")
FIRST_UPLOAD, UPLOAD = "2023-08-01", "2024-03-28"
DAY, LAST_CONTACT, DIED = "2024-03-01", "2024-03-25", "2024-03-28"
BEFORE_ALL = "2023-06-15"  # after birth, before every other date and the first upload
LATE = "2023-09-10"  # 200 days before the upload, after the first one
BASE = "https://rwd-platform.example/CodeSystem/"

Row = dict[str, Any]
Tables = dict[str, list[Row]]


class Hospital:
    """One hospital's rows, by table; `links` are (patient_id, token) here and `elsewhere` at another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tables: Tables = {}
        self.links = [(patient, f"{name}-{patient}") for patient in PATIENTS]
        self.elsewhere: list[tuple[str, str]] = []
        for patient in PATIENTS:
            self._care(patient)
            self._products(patient)
            self._answers(patient)
        # Last in its table: an outcome that no other rule leans on, and a diagnosis since the first upload.
        self.add("condition", "Condition", "p3", code="I10", onset_date=DAY, **_CONDITION)

    def add(self, table: str, kind: str, patient: str | None, /, **values: Any) -> Row:
        rows = self.tables.setdefault(table, [])
        row = {
            **dict.fromkeys(KEY),
            "organisation_id": self.name,
            "source_system": "his",
            "resource_type": kind,
            "resource_id": f"{table}-{len(rows)}",
            "row_index": 0,
            "patient_id": patient,
            "upload_id": f"{self.name}/u2",
            **values,
        }
        rows.append(row)
        return row

    def again(self, row: Row, table: str, /, **values: Any) -> Row:
        """A copy of a row as another resource."""
        copy = {**row, **values, "resource_id": f"{table}-{len(self.tables[table])}"}
        self.tables[table].append(copy)
        return copy

    def _care(self, patient: str) -> None:
        add = self.add
        add("patient", "Patient", patient, gender="female", birth_date="1960-01-15")
        add(
            "visit",
            "Encounter",
            patient,
            class_code="IMP",
            start_date=DAY,
            end_date="2024-03-05",
            status="finished",
        )
        code = "I10" if patient == "p3" else "C50.9"
        add("condition", "Condition", patient, code=code, onset_date="2023-07-20", **_CONDITION)
        add("procedure", "Procedure", patient, code_system="http://hl7.org/fhir/sid/icd-9-cm", code="85.4",
            performed_date=DAY, status="completed", end_date=DAY if patient == "p0" else None)  # fmt: skip
        add(
            "imaging",
            "ImagingStudy",
            patient,
            started_date=DAY,
            status="available",
            modality_code="CT",
            instances=40,
        )
        add("consent", "Consent", patient, scope_code="research", provision_type="permit", given_date=DAY,
            valid_from_date=DAY, valid_to_date="2029-03-01", status="active")  # fmt: skip
        period = {"first_date": "2023-07-20", "last_date": LAST_CONTACT, "last_contact_date": LAST_CONTACT}
        add("observation_period", "", patient, **period)
        event = {"event_date": "2024-03-20", "detected_date": "2024-03-21", "recorded_date": "2024-03-22"}
        add("adverse_event", "AdverseEvent", patient, actuality="actual", seriousness_code="Serious",
            severity_code="severe", outcome_code="fatal" if patient == "p0" else "resolved",
            causality_code="possible", **event)  # fmt: skip

    def _products(self, patient: str) -> None:
        add = self.add
        given = {"event_date": "2024-03-02", "event_end_date": "2024-03-02" if patient == "p0" else None}
        drug = {
            "product_system": f"{BASE}licensed-product",
            "product_code": "LC-1",
            "lot_id": "lot-1",
            "dose": 5.0,
        }
        add(
            "drug_exposure",
            "MedicationDispense",
            patient,
            handed_over_date="2024-03-02",
            status="completed",
            **drug,
        )
        add("drug_exposure", "MedicationRequest", patient, status="active", **drug)
        add("drug_exposure", "MedicationStatement", patient, status="active", **drug)
        add("drug_exposure", "MedicationAdministration", patient, status="completed", **drug, **given)
        used = {"device_id": f"dev-{patient}", "action": "implanted", "start_date": DAY}
        taken_out = {**used, "action": "explanted", "start_date": "2024-03-20"}
        ended = DAY if patient == "p0" else None
        add("device_exposure", "DeviceUseStatement", patient, status="active", end_date=None, **used)
        add("device_exposure", "Procedure", patient, status="completed", end_date=None, **taken_out)
        add("device_exposure", "Procedure", patient, status="completed", end_date=ended, **used)
        add("device", "Device", None, device_id=f"dev-{patient}", udi_di="06901234567892", status="active",
            udi_issuer="http://hl7.org/fhir/NamingSystem/gs1-di", product_code="LC-2")  # fmt: skip
        add("medication", "Medication", None, lot_id=f"lot-{patient}", product_code="LC-1", status="active")
        if patient == "p0":
            add("medication", "Medication", None, lot_id="lot-1", product_code="LC-1", status="active")
        add("product_use", "SupplyDelivery", None, product_code="LC-1", supplied_date="2024-03-10", status="completed",
            quantity=2.0, lot_id="lot-1", device_id=f"dev-{patient}", permit_id="permit-1")  # fmt: skip
        add("special_food_exposure", "NutritionOrder", patient, product_code="SF-1", kind="enteral", quantity=200.0,
            ordered_date=DAY, status="active")  # fmt: skip
        cost = {
            "item_code": "X",
            "insurance_class": "jia",
            "service_date": DAY,
            "amount": 100.0,
            "currency": "CNY",
        }
        paid = {"fund_amount": 70.0, "own_payment_amount": 30.0, "settled_date": "2024-03-06"}
        add("cost_line", "ChargeItem", patient, status="billed", **cost)
        add("cost_line", "ExplanationOfBenefit", patient, status="active", **cost, **paid)
        add(
            "provenance",
            "Provenance",
            patient,
            recorded_date=DAY,
            activity_code="CREATE",
            agents=1,
            targets=2,
        )

    def _answers(self, patient: str) -> None:
        add = self.add
        measured: dict[str, Row] = {
            "positive-nodes": {"value": 3.0, "value_text": "3", "unit_code": "{nodes}"},
            "progesterone-receptor": {"value": 50.0, "value_text": "50", "unit_code": "fmol/L"},
            "oestrogen-receptor": {"value": 60.0, "value_text": "60", "unit_code": "fmol/L"},
            "tumour-grade": {"value": 2.0, "value_text": "2"},
            "tumour-size": {"value_code": "<=20"},
        }
        if patient in ("p0", "p1"):
            measured["menopausal-status"] = {"value_code": "postmenopausal"}
        for code, values in measured.items():
            add("measurement", "Observation", patient, code_system=f"{BASE}demo-measure", code=code,
                effective_date=DAY, status="final", **values)  # fmt: skip
        add("measurement", "Observation", patient, code_system="http://loinc.org", code="718-7", value=120.0,
            value_text="120", unit_code="g/L", effective_date=DAY, status="final")  # fmt: skip
        for kind in ("Observation", "QuestionnaireResponse"):
            status = "final" if kind == "Observation" else "completed"
            add("patient_reported", kind, patient, instrument_code="EQ-5D", item_code="mobility", answered_date=DAY,
                status=status)  # fmt: skip
        seen = {"code_system": f"{BASE}demo-outcome", "effective_date": LAST_CONTACT, "status": "final"}
        died = {
            "code_system": f"{BASE}outcome",
            "code": "death",
            "value_code": "dead",
            "effective_date": DIED,
        }
        add("outcome_event", "Patient", patient, **{**seen, **died})
        add("outcome_event", "Observation", patient, code="vital-status", value_code="alive", **seen)
        add(
            "outcome_event",
            "Observation",
            patient,
            code="recurrence-status",
            value_code="no-recurrence",
            **seen,
        )


_CONDITION = {
    "code_system": "http://hl7.org/fhir/sid/icd-10",
    "clinical_status": "active",
    "verification_status": "confirmed",
    "abatement_date": None,
}

# A defect that cannot be without another: the rule -> the other rules that must then fail too, and why.
IMPLIED: dict[str, tuple[set[str], str]] = {
    "outcome_event.not_before_birth": (
        {"outcome_event.not_before_diagnosis"},
        "a diagnosis comes after birth, so an outcome before birth comes before the diagnosis",
    ),
}


def plant(rule: Rule, hospital: Hospital) -> None:
    """The defect of one rule, in as many of its rows as its threshold needs to fail."""
    special = _SPECIAL.get(rule.id)
    if special:
        special(hospital)
        return
    if rule.kind == "not_after_if_any":
        _after_death(rule, hospital)
        return
    rows = [
        row
        for row in hospital.tables[rule.table]
        if all(row.get(name) == value for name, value in rule.where)
    ]
    spoken = [
        row for row in rows if rule.kind == "not_null" or not rule.column or row.get(rule.column) is not None
    ]
    count = math.floor((1 - rule.mostly) * len(spoken) + 1e-9) + 1
    if rule.kind == "unique" or rule.column == "patient_id" or rule.id.endswith(".identified"):
        # Added, not changed: a patient who loses a row here would break the rules that miss it.
        for row in spoken[-count:]:
            hospital.again(row, rule.table, **({} if rule.kind == "unique" else {rule.column: _wrong(rule)}))
        return
    for row in spoken[-count:] if spoken else rows[-count:]:
        row[rule.column] = _wrong(rule)


def _wrong(rule: Rule) -> Any:
    column = rule.column
    if rule.kind == "not_null":
        return None
    if rule.kind == "date":
        if column == "birth_date":
            return "1960-02-30"
        return "2024-03-32" if column in _ENDS else "2024-02-30"
    if rule.kind == "range":
        return rule.max + 1
    if rule.kind == "not_before":
        return "1950-01-01" if rule.other and rule.other.column == "birth_date" else BEFORE_ALL
    wrong = {"not_after": "2024-03-27", "timely": LATE, "reference": "nowhere", "in_set": "zz", "regex": "zz"}
    return wrong[rule.kind]


_ENDS = {
    "end_date",
    "detected_date",
    "recorded_date",
    "settled_date",
    "abatement_date",
    "event_end_date",
    "valid_to_date",
}


def _last(hospital: Hospital, table: str, **where: Any) -> Row:
    return [row for row in hospital.tables[table] if where.items() <= row.items()][-1]


def _set(table: str, where: Row, **values: Any) -> Callable[[Hospital], None]:
    return lambda hospital: _last(hospital, table, **where).update(values)


def _without(table: str, **where: Any) -> Callable[[Hospital], None]:
    def remove(hospital: Hospital) -> None:
        rows = hospital.tables[table]
        hospital.tables[table] = [
            row for row in rows if not ({"patient_id": "p2"} | where).items() <= row.items()
        ]

    return remove


def _age_in_a_chart_of_1890(hospital: Hospital) -> None:
    """p3 has no breast cancer, whose rule asks for an age too."""
    _last(hospital, "patient", patient_id="p3").update(birth_date="1890-01-15")


def _late_diagnosis(hospital: Hospital) -> None:
    """As a second diagnosis: the first one still comes before the outcomes."""
    hospital.again(hospital.tables["condition"][0], "condition", onset_date="2024-03-27")


def _late_outcomes(hospital: Hospital) -> None:
    """Follow-ups of recurrence: a late one of vital status would leave later events after the last contact."""
    for row in [row for row in hospital.tables["outcome_event"] if row["code"] == "recurrence-status"][-2:]:
        row["effective_date"] = LATE


def _after_death(rule: Rule, hospital: Hospital) -> None:
    """One more patient, of whom only the death is known: nobody followed up, so no last contact is overstepped."""
    hospital.add("patient", "Patient", "p4", gender="female", birth_date="1960-01-15")
    hospital.add("condition", "Condition", "p4", code="I10", onset_date="2023-07-20", **_CONDITION)
    died = {
        "code_system": f"{BASE}outcome",
        "code": "death",
        "value_code": "dead",
        "effective_date": "2024-03-10",
    }
    hospital.add("outcome_event", "Patient", "p4", status="final", **died)
    period = {"first_date": "2023-07-20", "last_date": "2024-03-10", "last_contact_date": "2024-03-10"}
    hospital.add("observation_period", "", "p4", **period)
    recurred = {
        "code_system": f"{BASE}demo-outcome",
        "code": "recurrence-status",
        "value_code": "no-recurrence",
    }
    hospital.add(
        "outcome_event", "Observation", "p4", effective_date="2024-03-10", status="final", **recurred
    )
    row = _last(hospital, rule.table, **dict(rule.where))
    ends = {name: None for name in ("end_date", "event_end_date") if name in row}
    hospital.again(row, rule.table, **{"patient_id": "p4", **ends, rule.column: "2024-03-20"})


def _lost(hospital: Hospital) -> None:
    """Two who were last seen long ago, and are not known to have died: the dead were followed to the end."""
    for row in hospital.tables["observation_period"][2:]:
        row["last_contact_date"] = "2023-07-30"
    hospital.tables["outcome_event"] = [
        row
        for row in hospital.tables["outcome_event"]
        if row["value_code"] != "dead" or row["patient_id"] in PATIENTS[:2]
    ]


_LOINC = {"code": "718-7"}
_SPECIAL: dict[str, Callable[[Hospital], None]] = {
    "patient.birth_date_full": _set("patient", {}, birth_date="1960"),
    "patient.has_diagnosis": _without("condition"),
    "patient.has_vital_status": _without("observation_period"),
    "patient.has_recurrence_status": _without("outcome_event", code="recurrence-status"),
    "patient.one_name_here": lambda hospital: hospital.links.append(("p0-again", hospital.links[0][1])),
    "patient.one_hospital": lambda hospital: hospital.elsewhere.extend(hospital.links[:3]),
    "device_exposure.not_after_last_contact": _set(
        "device_exposure", {"action": "explanted"}, start_date="2024-03-27"
    ),
    "device_exposure.explant_not_before_implant": _set(
        "device_exposure", {"action": "explanted"}, start_date="2024-02-20"
    ),
    "visit.age": _age_in_a_chart_of_1890,
    "visit.not_after_last_contact": _set("visit", {}, start_date="2024-03-27", end_date="2024-03-27"),
    "condition.breast_cancer_age": _set("condition", {"code": "C50.9"}, onset_date="1965-03-01"),
    "condition.not_after_last_contact": _late_diagnosis,
    "condition.abatement_valid": _set("condition", {}, abatement_date="2024-03-32"),
    "condition.abatement_not_before_onset": _set("condition", {}, abatement_date=BEFORE_ALL),
    "measurement.nodes_whole": _set("measurement", {"code": "positive-nodes"}, value_text="3.5"),
    "measurement.grade_whole": _set("measurement", {"code": "tumour-grade"}, value_text="2.5"),
    "measurement.menopause_sex": _set("patient", {"patient_id": "p1"}, gender="male"),
    "measurement.loinc_unit": _set("measurement", _LOINC, unit_code="furlong"),
    "measurement.loinc_low": _set("measurement", _LOINC, value=9.0),
    "measurement.loinc_high": _set("measurement", _LOINC, value=261.0),
    "cost_line.fund_within_amount": _set("cost_line", {}, fund_amount=101.0),
    "cost_line.own_payment_within_amount": _set("cost_line", {}, own_payment_amount=101.0),
    "adverse_event.fatal_timely": _set("adverse_event", {"outcome_code": "fatal"}, event_date="2024-03-08"),
    "outcome_event.timely": _late_outcomes,
    "observation_period.follow_up": _lost,
}


def frames_of(hospitals: list[Hospital], suites: dict[str, Suite]) -> dict[str, pd.DataFrame]:
    """The hospitals' rows together, with every column of the suites."""
    tables = {}
    for name, suite in suites.items():
        rows = [row for hospital in hospitals for row in hospital.tables.get(name, [])]
        columns = list(dict.fromkeys([*KEY, "upload_id", *suite.columns]))
        frame = pd.DataFrame(rows, columns=columns)
        kinds = {"decimal": "float64", "integer": "Int64", "boolean": "boolean"}
        frame = frame.astype({column: kinds.get(kind, "object") for column, kind in suite.columns.items()})
        tables[name] = frame.astype({"row_index": "Int64"})
    return tables


def surroundings_of(hospitals: list[Hospital]) -> Surroundings:
    uploads = [
        (hospital.name, f"{hospital.name}/{upload}", day)
        for hospital in hospitals
        for upload, day in (("u1", FIRST_UPLOAD), ("u2", UPLOAD))
    ]
    links = [(hospital.name, *link) for hospital in hospitals for link in hospital.links]
    links += [("elsewhere", *link) for hospital in hospitals for link in hospital.elsewhere]
    return Surroundings(
        pd.DataFrame(uploads, columns=["organisation_id", "upload_id", "received_date"]),
        pd.DataFrame(links, columns=["organisation_id", "patient_id", "link_token"]),
    )


def plantable(suites: dict[str, Suite]) -> list[Rule]:
    """Every rule that one hospital's rows can break. Drift needs hundreds of rows, and has its own test."""
    drift = MEASURES - {"follow_up"}
    return [rule for suite in suites.values() for rule in suite.rules if rule.kind not in drift]
