"""Canonical JSON (RFC 8785) and the hashes made from it: the same facts always give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import rfc8785

_CHUNK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes. Integers beyond 2**53 and NaN are refused by the standard; send them as text."""
    return rfc8785.dumps(value)


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_of(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON."""
    return sha256_hex(canonical_json(value))


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def rows_sha256(rows: Iterable[Mapping[str, Any]]) -> str:
    """The hash of a table: its rows as canonical JSON, sorted, one a line.

    Independent of row order, column order and file format, so that two stores that hold
    the same facts have the same hash. Values must be JSON values (dates and decimals as text).
    """
    digest = hashlib.sha256()
    for line in sorted(canonical_json(dict(row)) for row in rows):
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()
