"""Certificates of the platform's programs: put on record, and found for the programs that run."""

from __future__ import annotations

import json
from typing import Any

from sqlmodel import col, select

from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import ValidationCertificate

KIND = "validation_certificate"
LARGEST = 4 * 1024 * 1024  # bytes

DOES_NOT_HOLD = Problem(
    code="validation.does_not_hold",
    zh="这份证书有 {failed} 项测试未通过，{absent} 个模块没有通过的测试，不能登记。",
    en="{failed} tests of this certificate failed and {absent} modules have none that passed; it is not put on record.",
    next_zh="请先修复，再运行 `./run validate`。",
    next_en="Mend that first, then run `./run validate` again.",
    http=409,
    exit=Exit.REFUSED,
)
OTHER_PROGRAMS = Problem(
    code="validation.other_programs",
    zh="这份证书所测的程序不是本平台正在运行的程序，不能登记。",
    en="The certificate is of other programs than those that run here; it is not put on record.",
    next_zh="请在本平台所用的版本上运行 `./run validate`。",
    next_en="Run `./run validate` on the version that is in use here.",
    http=409,
    exit=Exit.REFUSED,
)


def record_certificate(platform: Platform, actor: Actor, content: bytes) -> ValidationCertificate:
    """Put `./run validate`'s file on record; the same file again is the same record.

    Raises `validation.certificate_unreadable`, `validation.does_not_hold`, `validation.other_programs`.
    """
    from studies.evidence.code import program_sha256
    from studies.evidence.validation import CERTIFICATE_UNREADABLE, check_certificate, not_run

    try:
        document = check_certificate(json.loads(content[: LARGEST + 1]))
    except (ValueError, RecursionError) as error:
        raise CERTIFICATE_UNREADABLE.error() from error
    if not document["holds"]:
        raise DOES_NOT_HOLD.error(failed=document["failed"], absent=len(not_run(document)))
    if document["program_sha256"] != program_sha256():
        raise OTHER_PROGRAMS.error()
    row = ValidationCertificate(
        id=f"validation-{sha256_of(document)[:32]}",
        organisation_id=platform.settings.operator,
        program=document["program_sha256"],
        document=document,
        recorded_by=actor.id,
        recorded_at=as_text(platform.clock()),
    )
    act = Act(actor, "validation.recorded", Object(KIND, row.id, sha256_of(document)))
    platform.records.write(row, audit=act)
    return row


def validation_of(platform: Platform) -> dict[str, Any] | None:
    """The newest certificate of the programs that run; None where there is none."""
    from studies.evidence.code import program_sha256

    found = platform.records.all(
        select(ValidationCertificate)
        .where(ValidationCertificate.program == program_sha256())
        .order_by(col(ValidationCertificate.recorded_at).desc(), col(ValidationCertificate.id).desc())
        .limit(1)
    )
    return dict(found[0].document) if found else None
