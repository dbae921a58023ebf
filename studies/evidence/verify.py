"""Verification on the platform's side: the checks that travel in the package, with the platform's own cryptography.

The package carries `verify.py`, which stands alone. Here the same checks run with Ed25519 from the
`cryptography` library and the log's Merkle proofs, so that the two implementations hold each other
to account, and with one check that needs a data lock: whether the results can be recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.log.merkle import verify_inclusion
from rwd_platform.signing.ed25519 import verify as ed25519_verify
from studies.evidence.ard_parquet import ARD_PARQUET, read_ard_parquet
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.rerun import has_shape
from studies.evidence.templates.verify import Failure
from studies.results import ArdRow

Rerun = Callable[[dict[str, Any]], Iterable[str]]
"""Given ard.json, recompute from the lock and name each result row, series or file that differs."""

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
    hash_only: tuple[str, ...] = ()  # rendered files that no check reads: their hash is signed, no more
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
            "hash_only": list(self.hash_only),
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
    _check_parquet(path, findings)
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
        hash_only=tuple(findings.hash_only),
        rerun=rerun_found,
    )


def _check_parquet(path: Path, findings: standalone.Findings) -> None:
    """The typed table holds the rows of ard.json: the one check that the package's own program cannot make."""
    if findings.failures or ARD_PARQUET not in findings.hash_only:
        return
    members = standalone.read_package(path, standalone.Findings())
    stored = standalone.read_json(members, standalone.ARD_JSON, findings)
    try:
        rows = [_as_json(row) for row in read_ard_parquet(members[ARD_PARQUET])]
    except PlatformError:
        findings.fail(ARD_PARQUET, "结果行表格无法读取。", "The table of result rows cannot be read.")
        return
    if not isinstance(stored, dict) or rows != stored.get("rows"):
        findings.fail(ARD_PARQUET, "其中的结果行与 ard.json 不同。", "Its rows are not those of ard.json.")
        return
    findings.hash_only.remove(ARD_PARQUET)


def _as_json(row: ArdRow) -> dict[str, Any]:
    return {**asdict(row), "variables": list(row.variables), "warnings": list(row.warnings)}


def _rerun(path: Path, findings: standalone.Findings, rerun: Rerun) -> str:
    members = standalone.read_package(path, standalone.Findings())
    stored = standalone.read_json(members, standalone.ARD_JSON, findings)
    described = standalone.read_json(members, standalone.PACKAGE_JSON, findings)
    if not has_shape(stored):
        findings.fail(standalone.ARD_JSON, "其中没有可复算的结果。", "It holds no results to recompute.")
        return "differs"
    if stored["lock_id"] != described.get("lock_id"):
        findings.fail(
            standalone.ARD_JSON, "数据锁定编号与 package.json 不符。", "Its lock is not package.json's."
        )
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
