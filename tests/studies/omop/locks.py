"""Small locks with shifted dates, as `deidentify.project` makes them, for the tests of the OMOP export."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from studies.omop import About, NoVocabulary, OmopExport, Vocabulary, export

ABOUT = About("A study", "study", "org-operator", "shifted dates", "2026-11-22")
LOINC, ICD10, SNOMED = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10", "http://snomed.info/sct"
DAY = "2024-05-06"

# The column that a row of each table must have to be anything at all, and a value of the one that decides.
ROWS: Mapping[str, dict[str, Any]] = {
    "visit": {"class_code": "IMP", "start_date": DAY, "end_date": "2024-05-09", "status": "finished"},
    "condition": {"code_system": ICD10, "code": "C50.9", "onset_date": DAY, "verification_status": "confirmed"},
    "procedure": {
        "code_system": "http://hl7.org/fhir/sid/icd-9-cm",
        "code": "85.4",
        "performed_date": DAY,
        "status": "completed",
    },
    "measurement": {
        "code_system": LOINC,
        "code": "718-7",
        "effective_date": DAY,
        "status": "final",
        "value": 12.5,
        "value_text": "12.50",
        "unit_code": "g/dL",
    },
    "drug_exposure": {
        "product_system": "https://rwd-platform.example/CodeSystem/licensed-product",
        "product_code": "LC-0173",
        "event_date": DAY,
        "status": "completed",
        "source": "dispense",
    },
    "device_exposure": {"start_date": DAY, "status": "completed", "action": "implanted"},
    "patient_reported": {
        "item_system": LOINC,
        "item_code": "72514-3",
        "answered_date": DAY,
        "status": "final",
        "score": 3.0,
    },
    "adverse_event": {
        "code_system": "https://www.meddra.org",
        "code": "10019211",
        "event_date": DAY,
        "actuality": "actual",
    },
    "outcome_event": {
        "code_system": "https://rwd-platform.example/CodeSystem/outcome",
        "code": "death",
        "value_code": "dead",
        "effective_date": DAY,
        "status": "final",
    },
    "cost_line": {
        "item_system": "https://rwd-platform.example/CodeSystem/nhsa-drug",
        "item_code": "XB01",
        "service_date": DAY,
        "status": "active",
        "amount": 100.25,
        "fund_amount": 60.0,
        "own_payment_amount": 30.0,
        "own_expense_amount": 10.25,
        "currency": "CNY",
        "drg_code": "RC1",
    },
}  # fmt: skip


def row(table: str, subject: str = "s1", **changed: Any) -> dict[str, Any]:
    """A row that no rule leaves out, with the changes."""
    return {"subject_id": subject, "site_id": "S1", **ROWS[table], **changed}


def subjects(*names: str, **changed: Any) -> pd.DataFrame:
    common = {"site_id": "S1", "index_date": "2024-03-01", "age_years": 52, "gender": "female", **changed}
    frame = pd.DataFrame([{"subject_id": name, **common} for name in names])
    if frame.empty:
        frame = pd.DataFrame(columns=["subject_id", *common])
    return frame.astype({"age_years": "Int64"}) if "age_years" in frame else frame


def lock(rows: Mapping[str, Iterable[Mapping[str, Any]]], *people: str) -> dict[str, pd.DataFrame]:
    """Tables of a lock; the named people, or s1 and s2, are its subjects."""
    return {"subject": subjects(*(people or ("s1", "s2")))} | {
        name: pd.DataFrame(list(of)) for name, of in rows.items()
    }


def exported(tables: Mapping[str, pd.DataFrame], vocabulary: Vocabulary | None = None) -> OmopExport:
    return export(tables, ABOUT, vocabulary or NoVocabulary(), {})


def rows_of(found: OmopExport, table: str) -> list[dict[str, Any]]:
    return [dict(one) for one in found.tables[table].to_pylist()]


def drawn(seed: int, rows: int) -> dict[str, pd.DataFrame]:
    """Rows of every table with values drawn from those that decide, and some that nobody expects."""
    draw = random.Random(seed)
    odd: dict[str, list[str | None]] = {
        "status": ["final", "completed", "finished", "entered-in-error", "active", None, "?"],
        "verification_status": ["confirmed", "refuted", "unconfirmed", None],
        "source": ["request", "dispense", "statement", None],
        "actuality": ["actual", "potential"],
        "code": ["death", "C50.9", None],
        "class_code": ["IMP", "AMB", "x", None],
    }

    def lines(table: str) -> Iterator[dict[str, Any]]:
        for number in range(rows):
            changes = {name: draw.choice(odd[name]) for name in ROWS[table] if name in odd}
            day = next(name for name in ROWS[table] if name.endswith("_date"))
            changes[day] = draw.choice(["2024-01-02", "2023-12-31", "2024", None])
            subject = draw.choice(["s1", "s2", "s3", "stranger"])
            yield row(table, subject, source_row=f"r{draw.randrange(rows)}", row_order=number, **changes)

    return lock({table: lines(table) for table in ROWS}, "s1", "s2", "s3")


def athena(
    folder: Path,
    concepts: Iterable[tuple[int, str, str, str, str]],
    links: Iterable[tuple[int, int]] = (),
    version: str = "v5.0 05-MAY-26",
) -> Path:
    """A folder as Athena gives it. Concepts: id, vocabulary, code, domain, "S" or ""; links map one to a standard."""
    head = "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code"
    lines = ["\t".join([*head.split(), "valid_start_date", "valid_end_date", "invalid_reason"])]
    for number, vocabulary, code, domain, standard in concepts:
        said = (str(number), 'a "name', domain, vocabulary, "x", standard, code, "19700101", "20991231", "")
        lines.append("\t".join(said))
    (folder / "CONCEPT.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    head = "concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason"
    related = [f"{one}\t{two}\tMaps to\t19700101\t20991231\t" for one, two in links]
    (folder / "CONCEPT_RELATIONSHIP.csv").write_text("\n".join([head, *related]) + "\n", encoding="utf-8")
    head = "vocabulary_id\tvocabulary_name\tvocabulary_reference\tvocabulary_version\tvocabulary_concept_id"
    (folder / "VOCABULARY.csv").write_text(f"{head}\nNone\tOMOP\tx\t{version}\t44819096\n", encoding="utf-8")
    return folder
