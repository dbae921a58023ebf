"""The receipt of an upload: one digest for every unit it held, so that a number can be traced to a line.

A digest is an HMAC under a key of its own for each file. The receipt holds that key, so the hospital can
recompute every digest from the file it sent; whoever sees a digest alone, in a lock or a package, cannot
find the line by trying likely contents.

Gzip of JSON lines, the same bytes for the same facts. First line: format_version, files
[{file_sha256, digest_key}]; then one line a unit: file_sha256, line, entry, row, digest, outcome.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.layout import Layout, durable_folder, open_part, remove_if_left, sync_folder

FORMAT_VERSION = 1

DAMAGED = Problem(
    code="receipt.damaged",
    zh="回执文件 {name} 已损坏，第 {line} 行起不可读。",
    en="The receipt file {name} is damaged and cannot be read from line {line} on.",
    next_zh="请从备份恢复该回执；重新接收同一上传会写出相同的回执。",
    next_en="Restore it from a backup; admitting the same upload again writes the same receipt.",
    http=500,
    exit=Exit.NO,
)


@dataclass(frozen=True)
class ReceiptLine:
    """One unit: where it stood, the digest of its bytes, what became of it (accounting.Outcome).

    `member` is the file inside an archive, and `line` then a line of that member.
    """

    file_sha256: str
    line: int
    entry: int | None
    row: int | None
    digest: str
    outcome: str
    member: str = ""


@dataclass(frozen=True)
class Receipt:
    """A receipt on disk. `digest_keys`: file_sha256 -> key. `lines` reads from the file each time."""

    path: Path
    digest_keys: Mapping[str, bytes]

    def lines(self) -> Iterator[ReceiptLine]:
        for number, facts in _read_lines(self.path):
            if number > 1:
                try:
                    yield ReceiptLine(**facts)
                except TypeError:
                    raise DAMAGED.error(name=self.path.name, line=number) from None


def line_digest(key: bytes, raw: bytes) -> str:
    """HMAC-SHA256 of a unit's exact bytes, as hex."""
    return hmac.new(key, raw, hashlib.sha256).hexdigest()


def write_receipt(path: Path, digest_keys: Mapping[str, bytes], lines: Iterable[ReceiptLine]) -> None:
    """Write a receipt whole or not at all; writing again replaces it."""
    durable_folder(path.parent)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    files = [{"file_sha256": file, "digest_key": digest_keys[file].hex()} for file in sorted(digest_keys)]
    try:
        with open_part(part) as sink:
            # No name and no time in the gzip header: the same receipt is the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0) as packed:
                packed.write(canonical_json({"format_version": FORMAT_VERSION, "files": files}) + b"\n")
                for line in lines:
                    packed.write(canonical_json(asdict(line)) + b"\n")
            sink.flush()
            os.fsync(sink.fileno())
            part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def read_receipt(path: Path) -> Receipt:
    for _, header in _read_lines(path):
        try:
            if header["format_version"] != FORMAT_VERSION:
                raise ValueError
            keys = {file["file_sha256"]: bytes.fromhex(file["digest_key"]) for file in header["files"]}
        except (KeyError, TypeError, ValueError):
            break
        return Receipt(path, keys)
    raise DAMAGED.error(name=path.name, line=1)


def sweep(layout: Layout) -> int:
    """Remove the parts that dead writers left; returns how many."""
    return sum(remove_if_left(part) for part in sorted(layout.receipts.glob("*.part")))


def _read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    number = 0
    try:
        with gzip.open(path, "rb") as packed:
            for number, line in enumerate(packed, start=1):
                yield number, json.loads(line)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error, ValueError):
        raise DAMAGED.error(name=path.name, line=number + 1) from None
