"""A data lock made straight from the published Rotterdam table: no hospitals, files or de-identification.

So that the statistics are tested on their own: what is here is what the rest of the platform
must arrive at by the long way.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from rwd_platform.core.canonical import sha256_hex
from studies.protocol import Protocol, load_protocol

BASE = "https://rwd-platform.example/CodeSystem"
MEASURES, OUTCOMES, PRODUCTS = f"{BASE}/demo-measure", f"{BASE}/demo-outcome", f"{BASE}/licensed-product"
PROCEDURES, DIAGNOSES = "http://hl7.org/fhir/sid/icd-9-cm", "http://hl7.org/fhir/sid/icd-10"
FILE = sha256_hex(b"rotterdam")

Lock = dict[str, pd.DataFrame]


def protocol_text() -> str:
    return (Path(__file__).parents[2] / "studies/protocols/rotterdam.yaml").read_text("utf-8")


def rotterdam_protocol() -> Protocol:
    return load_protocol(protocol_text())


@cache
def rotterdam() -> pd.DataFrame:
    """The published table: 2,982 rows."""
    from survival.datasets import load_rotterdam

    return pd.DataFrame(load_rotterdam())


def rotterdam_lock() -> Lock:
    """The lock's tables; subject S00001 is the table's first row. Line numbers count rows as written."""
    source = rotterdam()
    subjects = [f"S{number:05d}" for number in source["pid"]]
    days = lambda column: [int(day) for day in source[column]]  # noqa: E731
    zero = [0] * len(source)
    measures = [
        _measure(
            subjects, "menopausal-status", codes=_words(source["meno"], "premenopausal", "postmenopausal")
        ),
        _measure(subjects, "tumour-size", codes=list(source["size"])),
        _measure(subjects, "tumour-grade", values=list(source["grade"])),
        _measure(subjects, "positive-nodes", values=list(source["nodes"]), unit="{nodes}"),
        _measure(subjects, "progesterone-receptor", values=list(source["pgr"]), unit="fmol/L"),
        _measure(subjects, "oestrogen-receptor", values=list(source["er"]), unit="fmol/L"),
    ]
    outcomes = [
        _outcome(
            subjects,
            "recurrence-status",
            _words(source["recur"], "no-recurrence", "recurrence"),
            days("rtime"),
        ),
        _outcome(subjects, "vital-status", _words(source["death"], "alive", "dead"), days("dtime")),
    ]
    dispensed = [one for one, hormon in zip(subjects, source["hormon"], strict=True) if hormon]
    chemo = [one for one, given in zip(subjects, source["chemo"], strict=True) if given]
    return {
        "subject": _lines(
            pd.DataFrame(
                {
                    "subject_id": subjects,
                    "site_id": [f"site-{number % 3 + 1}" for number in source["pid"]],
                    "index_quarter": [f"{year}-Q1" for year in source["year"]],
                    "age_years": list(source["age"]),
                    "gender": "female",
                }
            )
        ),
        "condition": _lines(
            pd.DataFrame(
                {
                    "subject_id": subjects,
                    "code_system": DIAGNOSES,
                    "code": "C50.9",
                    "onset_day": zero,
                    "clinical_status": "active",
                    "verification_status": "confirmed",
                }
            )
        ),
        "procedure": _lines(
            pd.DataFrame(
                {
                    "subject_id": [*subjects, *chemo],
                    "code_system": PROCEDURES,
                    "code": ["85.4"] * len(subjects) + ["99.25"] * len(chemo),
                    "performed_day": pd.array([0] * (len(subjects) + len(chemo)), dtype="Int64"),
                    "status": "completed",
                }
            )
        ),
        "drug_exposure": _lines(
            pd.DataFrame(
                {
                    "subject_id": dispensed,
                    "product_system": PRODUCTS,
                    "product_code": "DEMO-A",
                    "handed_over_day": pd.array([0] * len(dispensed), dtype="Int64"),
                    "status": "completed",
                }
            )
        ),
        "measurement": _lines(pd.concat(measures, ignore_index=True)),
        "outcome_event": _lines(pd.concat(outcomes, ignore_index=True)),
    }


def _words(flags: pd.Series, no: str, yes: str) -> list[str]:
    return [yes if flag else no for flag in flags]


def _measure(
    subjects: list[str],
    code: str,
    *,
    values: list | None = None,
    codes: list | None = None,
    unit: str | None = None,
) -> pd.DataFrame:
    nothing = [None] * len(subjects)
    return pd.DataFrame(
        {
            "subject_id": subjects,
            "code_system": MEASURES,
            "code": code,
            "value_text": pd.Series([str(value) for value in values] if values else nothing, dtype="object"),
            "value": pd.Series(values or nothing, dtype="float64"),
            "unit_code": pd.Series([unit] * len(subjects), dtype="object"),
            "value_code": pd.Series(codes or nothing, dtype="object"),
            "effective_day": pd.array([0] * len(subjects), dtype="Int64"),
            "status": "final",
        }
    )


def _outcome(subjects: list[str], code: str, values: list[str], days: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject_id": subjects,
            "code_system": OUTCOMES,
            "code": code,
            "value_code": values,
            "effective_day": pd.array(days, dtype="Int64"),
            "status": "final",
        }
    )


def _lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every row a source line of its own."""
    return frame.assign(
        source_file_sha256=FILE,
        source_line=range(1, len(frame) + 1),
        line_digest=[sha256_hex(f"{FILE}:{line}".encode()) for line in range(1, len(frame) + 1)],
    )
