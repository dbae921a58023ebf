"""What a clerk sends in these tests: a few invented resources, and the way in for them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlmodel import col, select

from rwd_platform.core.accounting import Accounting
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import account_of, files_of
from rwd_platform.flows.receive_upload import UploadTerms, receive_upload
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, UnitIssue
from rwd_platform.store.lake import Lake

CLERK = Actor("clerk-a", "hospital", "org-hospital-a")
CLERK_B = Actor("clerk-b", "hospital", "org-hospital-b")
RESEARCHER = Actor("researcher", "researcher", "org-operator")
REGULATOR = Actor("regulator", "regulator", "org-authority")
TERMS = UploadTerms(
    source_system="his", agreement="A-1", platform_role="entrusted", consent_version="C-1", ethics_id="E-1"
)
MEASURE = "https://rwd-platform.example/CodeSystem/demo-measure"

Json = dict[str, Any]
Files = Mapping[str, bytes]


def patient(id: str = "p1", **elements: Any) -> Json:
    return {"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1950-02-03", **elements}


def grade(id: str = "g1", of: str = "p1", value: int = 2, **elements: Any) -> Json:
    """An Observation of the tumour's grade."""
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": MEASURE, "code": "tumour-grade"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "1990-05-06",
        "valueInteger": value,
        **elements,
    }


def ndjson(*resources: Json) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in resources)


def bundle(kind: str, *resources: Json) -> bytes:
    """A Bundle of a kind, as POST entries where the kind asks for requests."""
    asked = {"request": {"method": "POST", "url": "x"}} if kind in ("transaction", "batch") else {}
    entries = [{"resource": one, **asked} for one in resources]
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()


def received(platform: Platform, files: Files, actor: Actor = CLERK, **terms: str) -> str:
    """An upload that waits for its admission: its id."""
    streams = [(name, io.BytesIO(content)) for name, content in files.items()]
    return str(
        receive_upload(platform, actor, replace(TERMS, **terms), streams).payload["upload_id"]  # type: ignore[arg-type]
    )


def sent(platform: Platform, files: Files, actor: Actor = CLERK, **terms: str) -> str:
    """An upload that was received, admitted and sealed by patient, as the job does it: its id."""
    upload_id = received(platform, files, actor, **terms)
    admit_upload(platform, actor, upload_id)
    segment_upload(platform, actor, upload_id)
    return upload_id


def accounts(platform: Platform, upload_id: str) -> dict[str, tuple[int, int, int, int]]:
    """(accepted, rejected, quarantined, duplicate) by file name."""
    return {file.name: _numbers(account_of(file)) for file in files_of(platform, upload_id)}


def _numbers(account: Accounting) -> tuple[int, int, int, int]:
    return (account.accepted, account.rejected, account.quarantined, account.duplicate)


def issues(platform: Platform, upload_id: str) -> list[UnitIssue]:
    query = select(UnitIssue).where(UnitIssue.upload_id == upload_id)
    return list(platform.records.all(query.order_by(col(UnitIssue.file_id), col(UnitIssue.unit))))


def actions(platform: Platform) -> list[str]:
    """What the log says was done, in order."""
    return [one.action for one in platform.records.all(select(AuditEntry).order_by(col(AuditEntry.sequence)))]


def rows(platform: Platform, table: str, *columns: str) -> list[tuple[Any, ...]]:
    frame = Lake(platform.layout).read(table, columns)
    return sorted(frame.itertuples(index=False, name=None), key=str)
