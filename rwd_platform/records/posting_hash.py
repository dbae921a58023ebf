"""How an entry pins a posting and the facts of a decision: made as it is written, and again as the log is verified."""

from __future__ import annotations

from typing import Any

from rwd_platform.core.canonical import canonical_json, sha256_hex, sha256_of
from rwd_platform.records.tables import PersonPosting, Provision, TransferRecord

# Named, so that a column added later changes no hash of before.
_FIELDS = (
    "provision_id", "organisation_id", "recipient_id", "year", "crosses_border", "counted", "general", "sensitive",
    "reserved_at", "posted_at",
)  # fmt: skip


def posting_in_the_log(posting: PersonPosting) -> dict[str, Any]:
    """What an entry says of a posting.

    `sha256` is over all its fields. It tells no count of few: the numbers of persons are hashed together with the
    sealed bytes, whose random part nobody knows who reads the log alone.
    """
    plain = canonical_json({name: getattr(posting, name) for name in _FIELDS})
    return {
        "year": posting.year,
        "counted": posting.counted,
        "crosses_border": posting.crosses_border,
        "sealed_sha256": sha256_hex(posting.sealed),
        "sha256": sha256_hex(plain + b"\n" + posting.sealed),
    }


def hash_of_facts(row: Provision | TransferRecord) -> str:
    """The facts that a decision rests on, with the row's salt. Rows of before there was one have their facts alone."""
    return sha256_of([row.salt, row.facts]) if row.salt else sha256_of(row.facts)
