"""Verify an extract with nothing but a public key: no database, no network, no trust in who sent it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.audit.extract import FORMAT, FORMAT_VERSION
from rwd_platform.audit.findings import Finding, Findings
from rwd_platform.audit.notes import check_note, read_checkpoint
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Problem
from rwd_platform.log.checkpoint import Checkpoint
from rwd_platform.log.entry import Entry
from rwd_platform.log.merkle import verify_inclusion

EXTRACT_MALFORMED = Problem(
    code="audit.extract_malformed",
    zh="日志摘录无法读取：{where} 处格式不正确。",
    en="The log extract cannot be read: {where} is malformed.",
    next_zh="请重新导出摘录；文件在传输中可能被截断或改动。",
    next_en="Export the extract again; the file may have been cut or changed on its way.",
)
EXTRACT_NOT_FOUND = Problem(
    code="audit.extract_not_found",
    zh="找不到日志摘录文件 {path}。",
    en="There is no log extract at {path}.",
    next_zh="请核对路径。",
    next_en="Check the path.",
)


@dataclass(frozen=True)
class ExtractVerification:
    """The answer. `size` is of the tree that the checkpoint signs; `entries` is how many were looked at."""

    ok: bool
    findings: tuple[Finding, ...]
    entries: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "size": self.size,
            "entries": self.entries,
            "findings": [
                {"rule": one.rule, "sequence": one.sequence, "zh": one.zh, "en": one.en}
                for one in self.findings
            ],
        }


def verify_extract(
    file: Path | bytes, *, public_key: bytes, checkpoint_note: str | None = None
) -> ExtractVerification:
    """Every entry of the extract is in the log that the key signed.

    Says nothing about entries that were left out: for that, verify the whole log. Raises PlatformError
    (exit 2) for a file or a given checkpoint that cannot be read.
    """
    document = _read(file)
    findings = Findings()
    checkpoint = read_checkpoint(document["checkpoint"])
    given = read_checkpoint(checkpoint_note) if checkpoint_note is not None else None
    check_note(checkpoint, document["checkpoint"], None, public_key, findings)
    if given is not None:
        check_note(given, checkpoint_note or "", checkpoint.origin, public_key, findings)
        if given.size != checkpoint.size:
            findings.add("not_comparable", size=checkpoint.size, given=given.size)
        elif given.root != checkpoint.root:
            findings.add("checkpoint_root", sequence=0, size=given.size, last=given.size - 1)
    _check_entries(document, checkpoint, findings)
    return ExtractVerification(
        not findings.count, tuple(findings.kept), len(document["entries"]), checkpoint.size
    )


def _check_entries(document: Mapping[str, Any], checkpoint: Checkpoint, findings: Findings) -> None:
    before = -1
    for place, (line, proof) in enumerate(zip(document["entries"], document["proofs"], strict=True), start=1):
        body = line.encode()
        try:
            fields = json.loads(body)
            canonical = isinstance(fields, dict) and canonical_json(fields) == body
        except (ValueError, RecursionError):
            canonical = False
        sequence = proof["sequence"]
        if not canonical:
            findings.add("body", sequence=sequence, where="canonical JSON")
            continue
        entry = Entry(sequence, body)
        if fields.get("seq") != sequence or sequence <= before or proof["leaf_hash"] != entry.leaf_hash.hex():
            findings.add("order", sequence=sequence, place=place)
        if fields.get("log") != checkpoint.origin:
            findings.add("body", sequence=sequence, where="log")
        path = [bytes.fromhex(step) for step in proof["path"]]
        if not verify_inclusion(entry.leaf_hash, sequence, checkpoint.size, path, checkpoint.root):
            findings.add("proof", sequence=sequence)
        before = sequence


def _read(file: Path | bytes) -> dict[str, Any]:
    """The document, with every field of the type that the rest relies on."""
    if isinstance(file, Path):
        try:
            file = file.read_bytes()
        except OSError as error:
            raise EXTRACT_NOT_FOUND.error(path=file) from error
    try:
        document = json.loads(file)
    except (ValueError, RecursionError) as error:
        raise EXTRACT_MALFORMED.error(where="JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EXTRACT_MALFORMED.error(where="format")
    if document.get("format_version") != FORMAT_VERSION:
        raise EXTRACT_MALFORMED.error(where="format_version")
    entries, proofs = document.get("entries"), document.get("proofs")
    if not isinstance(document.get("checkpoint"), str):
        raise EXTRACT_MALFORMED.error(where="checkpoint")
    if not isinstance(entries, list) or not all(_is_text(line) for line in entries):
        raise EXTRACT_MALFORMED.error(where="entries")
    if not isinstance(proofs, list) or len(proofs) != len(entries) or not all(map(_is_proof, proofs)):
        raise EXTRACT_MALFORMED.error(where="proofs")
    return document


def _is_text(line: Any) -> bool:
    if not isinstance(line, str):
        return False
    try:
        line.encode()
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        return False
    return True


def _is_proof(proof: Any) -> bool:
    if not isinstance(proof, dict) or proof.keys() != {"sequence", "leaf_hash", "path"}:
        return False
    sequence, path = proof["sequence"], proof["path"]
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not isinstance(path, list):
        return False
    return all(_is_hash(step) for step in [proof["leaf_hash"], *path])


def _is_hash(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")
