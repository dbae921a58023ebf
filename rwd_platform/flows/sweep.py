"""What dead writers left behind is removed before a worker starts: parts, orphans, what nobody recorded."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, EvidencePackage, UploadFile

_SETTLED_SECONDS = 3600


def sweep_leftovers(platform: Platform) -> dict[str, int]:
    """How many leftovers went, by zone. Files that a living writer holds are left alone."""
    from rwd_platform.store import lock, receipts
    from rwd_platform.store.admission_guard import steady_lake

    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        in_lake = lake.sweep()
    removed = {
        "landing": platform.landing.sweep() + _remove_unrecorded(platform, _files_received(platform)),
        "receipts": receipts.sweep(platform.layout),
        "lake": in_lake,
        "locks": lock.sweep(platform.layout) + _remove_unrecorded(platform, _locks(platform)),
        "results": _remove_unrecorded(platform, _runs(platform)),
        "packages": _remove_unrecorded(platform, _packages(platform)),
    }
    if any(removed.values()):
        act = Act(platform.operator("sweep"), "store.swept", Object("store", "home"), decision=removed)
        platform.records.record(act)
    return removed


def _remove_unrecorded(platform: Platform, places: Iterable[Path]) -> int:
    """Remove what is older than an hour: a living writer records what it wrote within seconds."""
    now = platform.clock().timestamp()
    removed = 0
    for place in places:
        if now - place.stat().st_mtime < _SETTLED_SECONDS:
            continue
        if place.is_dir():
            place.chmod(0o700)  # locks are read-only
            shutil.rmtree(place)
        else:
            place.unlink()
        removed += 1
    return removed


def _files_received(platform: Platform) -> list[Path]:
    """Raw files that no upload names, whole or in segments."""
    known = {(one.organisation_id, one.sha256) for one in platform.records.all(select(UploadFile))}
    return [
        path
        for path in sorted(platform.layout.landing.glob("*/*/*"))
        if path.suffix in (".raw", ".seg") and (path.parent.parent.name, path.stem) not in known
    ]


def _locks(platform: Platform) -> list[Path]:
    known = {one.id for one in platform.records.all(select(DataLockRecord))}
    return [path for path in sorted(platform.layout.locks.glob("L-*")) if path.name not in known]


def _runs(platform: Platform) -> list[Path]:
    known = {one.id for one in platform.records.all(select(AnalysisRun))}
    return [path for path in sorted(platform.layout.results.glob("run-*")) if path.name not in known]


def _packages(platform: Platform) -> list[Path]:
    """Archives and their folders that no record names."""
    names = {one.file_name for one in platform.records.all(select(EvidencePackage))}
    known = names | {name.removesuffix(".zip") for name in names}
    return [path for path in sorted(platform.layout.packages.glob("EP-*")) if path.name not in known]
