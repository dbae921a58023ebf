"""Names of records: UUIDv7 (RFC 9562) with a type prefix, so that an id says what it names and sorts by time."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID


def new_id(prefix: str, at: datetime) -> str:
    """`upload-0190b6c4-...`: 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{prefix}-{UUID(int=value)}"
