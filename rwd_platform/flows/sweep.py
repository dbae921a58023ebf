"""What dead writers left behind is removed before a worker starts: parts, orphans, what nobody recorded.

A file without a record is a living writer's only while that writer says so (store.recording). Where one does,
what is younger than an hour waits for the next sweep.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import LEDGER
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, EvidencePackage, Upload, UploadFile

_SETTLED_SECONDS = 3600


def sweep_leftovers(platform: Platform) -> dict[str, int]:
    """How many leftovers went, by zone. Files that a living writer holds are left alone."""
    from rwd_platform.flows.cohort_tables import current_state
    from rwd_platform.store import lock, receipts
    from rwd_platform.store.admission_guard import steady_lake
    from rwd_platform.store.counting import forget_prepared
    from rwd_platform.store.recording import nobody_records

    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        removed = {
            "landing": platform.landing.sweep(),
            "receipts": receipts.sweep(platform.layout) + _remove_receipts(platform),
            "lake": lake.sweep(),
            "counting": forget_prepared(platform.layout, keep=current_state(lake)),
        }
    removed |= {"locks": lock.sweep(platform.layout), "tmp": platform.layout.sweep_scratch()}
    with nobody_records(platform.layout) as nobody:
        settled = 0 if nobody else _SETTLED_SECONDS
        for zone, places in _unrecorded(platform).items():
            removed[zone] = removed.get(zone, 0) + _remove(platform, places, settled)
    removed["tmp"] += _remove(platform, _strange_in_tmp(platform), _SETTLED_SECONDS)
    if any(removed.values()):
        act = Act(platform.operator("sweep"), "store.swept", Object("store", "home"), decision=removed)
        platform.records.record(act)
    return removed


def _unrecorded(platform: Platform) -> dict[str, list[Path]]:
    """By zone, what lies there and no record names."""
    return {
        "landing": _files_received(platform),
        "locks": _locks(platform),
        "ledger": _maps(platform),
        "results": _runs(platform),
        "packages": _packages(platform),
    }


def _remove(platform: Platform, places: Iterable[Path], settled_seconds: int) -> int:
    """Remove what is older than that."""
    now = platform.clock().timestamp()
    removed = 0
    for place in places:
        if settled_seconds and now - place.stat().st_mtime < settled_seconds:
            continue
        if place.is_dir():
            place.chmod(0o700)  # locks are read-only
            shutil.rmtree(place)
        else:
            place.unlink()
        removed += 1
    return removed


def _remove_receipts(platform: Platform) -> int:
    """Receipts of uploads that are not admitted: one is written just before. Nobody admits meanwhile."""
    admitted = {
        one.id for one in platform.records.all(select(Upload).where(Upload.state == UploadState.ADMITTED))
    }
    left = [path for path in _receipts(platform) if path.name.removesuffix(".jsonl.gz") not in admitted]
    return _remove(platform, left, 0)


def _receipts(platform: Platform) -> list[Path]:
    return sorted(platform.layout.receipts.glob("*.jsonl.gz"))


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


def _maps(platform: Platform) -> list[Path]:
    """What was sealed beside a lock that is not on record, and halves of it (flows.sealed)."""
    known = {one.id for one in platform.records.all(select(DataLockRecord))}
    return [
        path
        for path in sorted((platform.layout.home / LEDGER).glob("L-*.*"))
        if path.name.partition(".")[0] not in known or path.suffix == ".part"
    ]


def _runs(platform: Platform) -> list[Path]:
    known = {one.id for one in platform.records.all(select(AnalysisRun))}
    return [path for path in sorted(platform.layout.results.glob("run-*")) if path.name not in known]


def _packages(platform: Platform) -> list[Path]:
    """Archives and their folders that no record names."""
    names = {one.file_name for one in platform.records.all(select(EvidencePackage))}
    known = names | {name.removesuffix(".zip") for name in names}
    return [path for path in sorted(platform.layout.packages.glob("EP-*")) if path.name not in known]


def _strange_in_tmp(platform: Platform) -> list[Path]:
    """What lies in tmp under no name of ours: a library's, whose process is gone or says nothing of itself."""
    ours = (".guard", ".part", ".scratch")
    held = {path.with_suffix("") for path in platform.layout.tmp.iterdir() if path.suffix in ours}
    return [
        path for path in sorted(platform.layout.tmp.iterdir()) if path.suffix not in ours and path not in held
    ]
