"""Verify the log of a deployment, of any database, or an extract in a file."""

from __future__ import annotations

from pathlib import Path

from rwd_platform.audit.verify import LogVerification, verify_log
from rwd_platform.audit.verify_extract import ExtractVerification, verify_extract
from rwd_platform.core.clock import system_clock
from rwd_platform.core.errors import Problem
from rwd_platform.records.database import open_database
from rwd_platform.records.records import Records
from rwd_platform.settings import load_settings
from rwd_platform.signing.ed25519 import signer

KEY_NEEDED = Problem(
    code="audit.key_needed",
    zh="核验另一个数据库或摘录时，需要日志的公钥。",
    en="To verify another database or an extract, the log's public key is needed.",
    next_zh="请用 --key 给出公钥（向平台运营方另行索取，不要取自待核验的文件）。",
    next_en="Give it with --key; get it from the operator, not from what is being verified.",
)


def verify_records(
    records: Records, public_key: bytes, checkpoint_note: str | None = None
) -> LogVerification:
    return verify_log(records, public_key=public_key, checkpoint_note=checkpoint_note)


def verify_log_of(
    database: str | None, extract: Path | None, note: str | None, key: bytes | None
) -> LogVerification | ExtractVerification:
    """This deployment's log with its own key, unless another database, an extract or another key is named."""
    if extract is not None:
        if key is None:
            raise KEY_NEEDED.error()
        return verify_extract(extract, public_key=key, checkpoint_note=note)
    settings = load_settings()
    if database is not None and key is None:
        raise KEY_NEEDED.error()
    keys = settings.key_ring() if key is None else None
    public_key = key or signer(settings.key_ring(), "log", settings.log_origin).public_key
    engine = open_database(database or settings.database)
    # Reading needs no key ring: nothing is appended and no detail is opened.
    from rwd_platform.signing.keys import demo_key_ring

    records = Records(engine, log=settings.log_origin, keys=keys or demo_key_ring(), clock=system_clock)
    return verify_records(records, public_key, note)
