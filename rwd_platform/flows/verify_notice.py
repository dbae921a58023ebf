"""The notice of a package: what a reader has to know of it that happened after it was made.

A package never changes, so nobody can tell from it alone whether there is a notice. It is looked for where it is
given, beside the package as `<package>.notice.json`, and where this deployment keeps its notices. It has to be
signed with the key that signed the package, and to name this package.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.withdraw_notices import NOTICES, TEXTS, signature_holds
from studies.evidence.templates.verify import Failure
from studies.evidence.verify import Verification

BESIDE = ".notice.json"
_LARGEST = 4 * 1024**2  # bytes; a notice is some hundred an event


@dataclass(frozen=True)
class NoticeRead:
    """
    file     -- which file was read; None where none was found, which does not say that there is none
    notices  -- kind, noted_at, cause, zh, en of each event, the oldest first
    failures -- why the file is no notice of this package; `notices` is empty then, and nothing is verified
    """

    file: Path | None
    notices: tuple[dict[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file.name if self.file else None, "notices": list(self.notices)}

    def lines(self) -> Iterator[str]:
        """What it tells a person: nothing where none was found. Failures are the verification's to say."""
        for one in self.notices:
            yield f"！告知 notice {one['noted_at']} ({one['cause']})\n  {one['zh']}\n  {one['en']}"


def read_notice(package: Path, verification: Verification, given: Path | None = None) -> NoticeRead:
    """The notice of a package that was verified: the one that is given, else the first that is found."""
    file = given or next((one for one in _places(package, verification.package_id) if one.is_file()), None)
    if file is None:
        return NoticeRead(None)
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError("no notice is so large")
        content = file.read_bytes()
        if not signature_holds(content, bytes.fromhex(verification.public_key)):
            return _refused(file, "签名与证据包的公钥不符，或内容已被改动。",
                            "It is not signed with the package's key, or was changed.")  # fmt: skip
        facts = json.loads(content)
        if facts["package"] != verification.package_id or not _is_of(package, facts["package_sha256"]):
            return _refused(file, "这是另一个证据包的告知。", "It is the notice of another package.")
        return NoticeRead(file, tuple(_told(one) for one in facts["notices"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return _refused(file, "不是可读的告知文件。", "It is no notice that can be read.")


def _places(package: Path, package_id: str) -> Iterator[Path]:
    """Beside the package; then in this deployment's home, which is looked at and never made."""
    from rwd_platform.settings import load_settings
    from rwd_platform.store.layout import safe_name

    yield package.with_name(package.name + BESIDE)
    try:
        name = safe_name(package_id, "package id")  # it comes out of the package, and may be anything
        home = load_settings().home
    except PlatformError:
        return
    if os.access(home, os.X_OK):
        yield home / NOTICES / f"{name}.json"


def _refused(file: Path, zh: str, en: str) -> NoticeRead:
    return NoticeRead(file, failures=(Failure(file.name, zh, en),))


def _is_of(package: Path, sha256: str) -> bool:
    """A folder has no hash of its own; its id derives from its content, and was checked."""
    return package.is_dir() or sha256 in ("", sha256_file(package))


def _told(one: dict[str, str]) -> dict[str, str]:
    """The words of this release, where it knows the kind: what stands in the file is signed all the same."""
    text = TEXTS.get(one["kind"])
    zh, en = (text.zh, text.en) if text else (one["zh"], one["en"])
    return {"kind": one["kind"], "noted_at": one["noted_at"], "cause": one["cause"], "zh": zh, "en": en}
