"""The time stamp of a package: an authority's word that its manifest was there at a time.

It lies outside the package, whose bytes it cannot be part of. It is looked for where it is given, beside the package
as `<package>.tsr`, and where this deployment keeps its stamps. Without roots to check it against it shows that nothing
changed since, not whose stamp it is; and that none was found does not say that there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.timestamps import REASONS, manifest_sha256, roots_in, stamp_file
from rwd_platform.settings import Settings, load_settings
from rwd_platform.signing.timestamps import MOST_BYTES, Stamp, StampRefused, checked_stamp
from studies.evidence.templates.verify import MANIFEST, Failure

BESIDE = ".tsr"


@dataclass(frozen=True)
class StampRead:
    """
    file     -- which file was read; None where none was found
    stamp    -- what it says; None where there is none, or none that holds
    anchored -- it was checked against roots
    failures -- why the file is no stamp of this package
    """

    file: Path | None
    stamp: Stamp | None = None
    anchored: bool = False
    failures: tuple[Failure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        if self.file is None or self.stamp is None:
            return {"file": self.file.name if self.file else None, "stamp": None}
        one = self.stamp
        told = {"at": as_text(one.at), "authority": one.authority, "policy": one.policy, "serial": one.serial}
        return {"file": self.file.name, "stamp": told, "roots": "given" if self.anchored else "none"}

    def lines(self) -> Iterator[str]:
        """What it tells a person: nothing where none was found. Failures are the verification's to say."""
        if self.stamp is None:
            return
        yield f"时间戳 time stamp {as_text(self.stamp.at)} · {self.stamp.authority} · {self.stamp.policy}"
        if not self.anchored:
            yield "  未给出根证书：只证明此后未改动，不证明由谁签发。 No roots given: integrity, not origin."


def read_stamp(package: Path, given: Path | None = None, roots: Path | None = None) -> StampRead:
    """The stamp of a package: the one that is given, else the first that is found, against these roots or the
    deployment's.
    """
    settings = _settings()
    sha256 = _manifest_of(package)
    file = given or next((one for one in _places(package, sha256, settings) if one.is_file()), None)
    if file is None:
        return StampRead(None)
    trusted = roots or (settings.timestamp_roots if settings else None)
    try:
        against = roots_in(trusted) if trusted is not None else None
        if not sha256:
            raise StampRefused("package_unreadable")
        with file.open("rb") as opened:
            stored = opened.read(MOST_BYTES + 1)
        stamp = checked_stamp(stored, sha256=sha256, roots=against)
    except OSError:
        return _refused(file, "malformed")
    except StampRefused as refused:
        return _refused(file, str(refused))
    return StampRead(file, stamp, anchored=against is not None)


def _refused(file: Path, reason: str) -> StampRead:
    words = REASONS[reason]
    return StampRead(
        file,
        failures=(
            Failure(file.name, f"时间戳不成立：{words.zh}。", f"The time stamp does not hold: {words.en}."),
        ),
    )


def _manifest_of(package: Path) -> str:
    if not package.is_dir():
        return manifest_sha256(package)
    try:
        return sha256_file(package / MANIFEST)
    except OSError:
        return ""


def _places(package: Path, sha256: str, settings: Settings | None) -> Iterator[Path]:
    """Beside the package; then in this deployment's home, which is looked at and never made."""
    yield package.with_name(package.name + BESIDE)
    if settings is not None and sha256 and os.access(settings.home, os.X_OK):
        yield stamp_file(settings.home, sha256)


def _settings() -> Settings | None:
    """Whoever verifies need not run a deployment, or have one that works."""
    try:
        return load_settings()
    except PlatformError:
        return None
