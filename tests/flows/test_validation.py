"""A certificate on record: of the programs that run here, and only where no test failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.validation import record_certificate, validation_of
from rwd_platform.records.tables import AuditEntry, ValidationCertificate
from studies.evidence.code import program_sha256
from tests.conftest import StandingClock


def document(program: str = "", failed: int = 0) -> dict[str, Any]:
    modules = [{"module": "tests.golden.a", "passed": 7, "failed": failed, "skipped": 1}]
    return {
        "format_version": 2, "suite": ["tests.golden.a"],
        "program_sha256": program or program_sha256(), "made_on": "2026-11-23", "versions": {},
        "modules": modules, "passed": 7, "failed": failed, "skipped": 1, "holds": not failed,
    }  # fmt: skip


def put(platform: Platform, **told: Any) -> ValidationCertificate:
    return record_certificate(platform, platform.operator(), json.dumps(document(**told)).encode())


def test_what_was_recorded_is_what_a_package_gets_and_the_log_has_its_hash(
    platform: Platform, clock: StandingClock
) -> None:
    assert validation_of(platform) is None
    row = put(platform)
    assert validation_of(platform) == document() and put(platform).id == row.id
    acts = platform.records.all(select(AuditEntry).where(AuditEntry.action == "validation.recorded"))
    assert len(acts) == 2 and acts[0].object_id == row.id
    assert len(platform.records.all(select(ValidationCertificate))) == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [({"failed": 2}, "validation.does_not_hold"), ({"program": "a" * 64}, "validation.other_programs")],
)
def test_a_certificate_that_proves_nothing_here_is_refused(
    platform: Platform, told: dict[str, Any], code: str
) -> None:
    with pytest.raises(PlatformError) as refused:
        put(platform, **told)
    assert refused.value.code == code and validation_of(platform) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"{}" + b" " * 5_000_000])
def test_what_is_no_certificate_is_refused(platform: Platform, content: bytes) -> None:
    with pytest.raises(PlatformError, match=r"validation\.certificate_unreadable"):
        record_certificate(platform, platform.operator(), content)


def test_the_hash_is_of_the_programs_and_not_of_what_they_leave_behind() -> None:
    """Compiled files come and go."""
    assert program_sha256() == program_sha256() and len(program_sha256()) == 64
