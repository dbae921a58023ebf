"""What a resource says about its own de-identification: FHIR security labels in `meta.security`.

Codes are those of HL7 v3 ObservationValue (security alteration integrity). They tell every later reader
that this is not what the hospital wrote.
"""

from __future__ import annotations

from typing import Any

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
PSEUDONYMISED = "PSEUDED"
REDACTED = "REDACTED"
ABSTRACTED = "ABSTRED"
MASKED = "MASKED"

DISPLAYS = {
    PSEUDONYMISED: "pseudonymized",
    REDACTED: "redacted",
    ABSTRACTED: "abstracted",
    MASKED: "masked",
}

ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def label(code: str) -> dict[str, Any]:
    return {"system": SYSTEM, "code": code, "display": DISPLAYS[code]}


def with_labels(present: list[dict[str, Any]], codes: set[str]) -> list[dict[str, Any]]:
    """The labels a resource came with (a hospital's own restriction stays), then ours, each once."""
    if not present:
        return [label(code) for code in sorted(codes)]
    have = {(one.get("system"), one.get("code")) for one in present}
    return present + [label(code) for code in sorted(codes) if (SYSTEM, code) not in have]


def masked() -> dict[str, Any]:
    """An element of which nothing could stay: a required one stays present, and says why it is empty."""
    return {"extension": [{"url": ABSENT_REASON, "valueCode": "masked"}]}
