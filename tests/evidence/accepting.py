"""Whole packages of the small study with the programs of this platform, made once a process, and what a forger does."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from rwd_platform.store.layout import Layout
from rwd_platform.store.lock import DataLock, write_lock
from studies.dataset import build as build_dataset
from studies.evidence.code import result_code
from studies.evidence.documents import json_bytes
from studies.evidence.inputs import PackageInputs
from studies.evidence.package import BuiltPackage, build
from studies.evidence.templates import verify as standalone
from studies.run import run_analyses
from tests.evidence.fixtures import BEFORE, dossier_inputs, log_extract, resigned, small_lock
from tests.studies.rotterdam_lock import rotterdam_protocol


@cache
def data_lock() -> DataLock:
    """Every fifth patient, locked as a deployment does it."""
    steps = [
        {"zh": one.reason.zh, "en": one.reason.en, "left": one.left, "remaining": one.remaining}
        for one in BEFORE
    ]
    return write_lock(Layout(Path(mkdtemp(prefix="lock-"))), small_lock(), {"attrition": steps})


def whole_inputs(audience: str) -> PackageInputs:
    """A drug's registration, complete, on that lock."""
    dataset = build_dataset(small_lock(), rotterdam_protocol(), BEFORE)
    results = run_analyses(dataset, rotterdam_protocol(), data_lock().id)
    return dossier_inputs(
        "reg_drug",
        audience,
        code=result_code(),
        results=results,
        log=log_extract(results),
        attrition=dataset.attrition,
    )


@cache
def whole_package(audience: str) -> BuiltPackage:
    return build(whole_inputs(audience), Path(mkdtemp(prefix=f"{audience}-")))


def members_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """A JSON file, edited."""
    document = json.loads(content)
    change(document)
    return json_bytes(document)


def reissued(folder: Path) -> None:
    """As somebody with the signer's key would: lists, id, manifests and signature fit whatever the files are now."""
    path = folder / standalone.PACKAGE_JSON
    described = json.loads(path.read_text())
    parts = described["files"]
    there = {name for name in members_of(folder) if name.startswith("data/")} - {standalone.PACKAGE_JSON}
    named = {*parts["rendered"], *parts["volatile"]}
    parts["identifying"] = sorted(there - named)
    parts["rendered"] = sorted(there & set(parts["rendered"]))
    content = standalone.content_sha256(members_of(folder), parts["identifying"])
    described.update(content_sha256=content, package_id=f"EP-{content[:32]}")
    path.write_bytes(json_bytes(described))
    resigned(folder)
