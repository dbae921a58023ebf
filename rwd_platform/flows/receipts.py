"""The receipt: what was received, under what, and what became of every line. For the hospital to keep."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from rwd_platform.access.permissions import get_visible
from rwd_platform.core.accounting import Accounting
from rwd_platform.core.canonical import sha256_of
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import DroppedElement, Upload, UploadFile
from rwd_platform.signing.ed25519 import signer

FORMAT_VERSION = 1


def account_of(file: UploadFile) -> Accounting:
    return Accounting(file.accepted, file.rejected, file.quarantined, file.duplicate)


def files_of(platform: Platform, upload_id: str) -> list[UploadFile]:
    return list(
        platform.records.all(
            select(UploadFile).where(UploadFile.upload_id == upload_id).order_by(col(UploadFile.position))
        )
    )


def receipt(platform: Platform, actor: Actor, upload_id: str) -> dict[str, Any]:
    """The receipt as JSON, signed. `lines_sha256` is of the line receipt, which `rwd upload receipt --lines` writes."""
    upload = get_visible(platform.records, actor, "receipt.read", Upload, upload_id)
    files = files_of(platform, upload_id)
    dropped = platform.records.all(
        select(DroppedElement).where(DroppedElement.upload_id == upload_id).order_by(col(DroppedElement.path))
    )
    facts = {
        "format_version": FORMAT_VERSION,
        "upload": upload.id,
        "organisation": upload.organisation_id,
        "received_at": upload.received_at,
        "state": upload.state,
        "terms": {
            "source_system": upload.source_system,
            "agreement": upload.agreement,
            "platform_role": upload.platform_role,
            "consent_version": upload.consent_version,
            "ethics_id": upload.ethics_id,
            "fhir_version": upload.fhir_version,
            "mapping": upload.mapping,
        },
        "files": [
            {
                "name": file.name,
                "sha256": file.sha256,
                "bytes": file.bytes,
                "account": account_of(file).as_dict(),
                "problem": file.problem,
            }
            for file in files
        ],
        "account": Accounting.total(account_of(file) for file in files).as_dict(),
        "dropped": {row.path: row.times for row in dropped},
        "lines_sha256": upload.receipt_sha256,
    }
    key = signer(platform.keys, "receipt", f"{platform.settings.operator}/receipt")
    digest = sha256_of(facts)
    return {
        **facts,
        "signed": {
            "sha256": digest,
            "key_name": key.name,
            "public_key": key.public_key.hex(),
            "signature": key.sign(digest.encode()).hex(),
        },
    }
