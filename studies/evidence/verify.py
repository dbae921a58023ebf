"""Verification on the platform's side: the checks that travel in the package, with the platform's own cryptography.

The package carries `verify.py`, which stands alone. Here the same checks run with Ed25519 from the
`cryptography` library and the log's Merkle proofs, so that the two implementations hold each other
to account, and with one check that needs a data lock: whether the results can be recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.merkle import verify_inclusion
from rwd_platform.signing.ed25519 import verify as ed25519_verify
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.verify import Failure

Rerun = Callable[[dict[str, Any]], Iterable[str]]
"""Given ard.json, recompute from the lock and name each result row that differs."""

PACKAGE_MISSING = Problem(
    code="evidence.package_missing",
    zh="找不到证据包 {path}。",
    en="There is no evidence package at {path}.",
    next_zh="请给出 .zip 文件或其解压后的文件夹。",
    next_en="Name the .zip file or the folder it was unpacked to.",
    http=404,
    exit=Exit.MALFORMED,
)
KEY_REFUSED = Problem(
    code="evidence.key_refused",
    zh="给出的公钥无法读取：应为 64 位十六进制数字，或含有它的文件。",
    en="The public key given cannot be read: it must be 64 hex digits, or a file that holds them.",
    next_zh="请向签署人索取公钥。",
    next_en="Ask the signer for the public key.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class Verification:
    """The answer. Without a trusted key it speaks of integrity, not origin."""

    package_id: str
    key_was_given: bool
    public_key: str
    signer: str
    files: int
    proofs: int
    numbers: int
    failures: tuple[Failure, ...]
    rerun: str = "not asked"  # or "reproduced", "differs"

    @property
    def holds(self) -> bool:
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        return {
            "verified": self.holds,
            "package_id": self.package_id,
            "key": "given" if self.key_was_given else "inside",
            "public_key": self.public_key,
            "signer": self.signer,
            "checked": {"files": self.files, "proofs": self.proofs, "numbers": self.numbers},
            "rerun": self.rerun,
            "failures": [failure._asdict() for failure in self.failures],
        }

    def lines(self) -> list[str]:
        """The answer for a person."""
        return list(standalone.lines_of(self.as_dict()))


def verify_package(path: Path, trusted_key: bytes | None = None, rerun: Rerun | None = None) -> Verification:
    """Check a package, archive or folder. Raises only if there is nothing at `path`."""
    if not path.exists():
        raise PACKAGE_MISSING.error(path=path)
    findings = standalone.check_package(path, trusted_key, ed25519_verify, verify_inclusion)
    rerun_found = "not asked" if rerun is None else _rerun(path, findings, rerun)
    return Verification(
        package_id=findings.package_id,
        key_was_given=trusted_key is not None,
        public_key=findings.public_key,
        signer=findings.signer,
        files=findings.checked["files"],
        proofs=findings.checked["proofs"],
        numbers=findings.checked["numbers"],
        failures=tuple(findings.failures),
        rerun=rerun_found,
    )


def _rerun(path: Path, findings: standalone.Findings, rerun: Rerun) -> str:
    members = standalone.read_package(path, standalone.Findings())
    stored = standalone.read_json(members, standalone.ARD_JSON, findings)
    if not stored:
        return "differs"
    differing = list(rerun(stored))
    for ard_id in differing:
        findings.fail(ard_id, "从数据锁定复算的结果不同。", "Recomputed from the lock, this result differs.")
    return "differs" if differing else "reproduced"


def read_public_key(text: str) -> bytes:
    """32 raw bytes from 64 hex digits or a file that holds them."""
    try:
        return standalone.read_key(text)
    except (OSError, ValueError) as error:
        raise KEY_REFUSED.error() from error
