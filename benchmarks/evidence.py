"""What a package costs: to make, to verify, to accept; a report of two hundred tables; and how often a byte is read.

    ./run bench evidence
    RWD_BENCH_LARGE=64e6 ./run bench evidence     the large package with 64 MB in place of 256

The package is the demo's registration on the published 2,982 patients, whole with twin and checklists, without the
hospitals' files in between. Building and verifying are of one run: their ratio does not hang on the machine. The
twin is made before, as the packages of a study share it. `verify.py` is run as its reader runs it, `python -I`.

Bytes are those that the process asked the system for (`rchar` of /proc/self/io; Linux alone), over the bytes of the
archive: 1.00 is each byte once, whatever the clock says.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.evidence.inputs import PackageInputs
    from studies.evidence.package import BuiltPackage

RUNS = 2
TABLES = 200
LARGE = 256_000_000  # bytes added to the large package
_IO = Path("/proc/self/io")


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = _whole(Path(folder))
        found |= _two_hundred_tables(Path(folder))
        found |= _read_once(Path(folder), int(float(os.environ.get("RWD_BENCH_LARGE", LARGE))))
    print(
        f"evidence: built in {found['build_s']:.1f} s, verified in {found['verify_s']:.2f} s"
        f" (1 : {found['build_s'] / found['verify_s']:.1f}), accepted in {found['accept_s']:.1f} s;"
        f" {found['tables']} tables instead of {found['tables_before']}: {found['tables_times']:.1f} times the time;"
        f" bytes read over bytes: {found.get('read_demo', 'not told here')} and {found.get('read_large', '')}"
    )
    print(json.dumps({"evidence": found}))


def _best(work: Callable[[], Any]) -> float:
    """Seconds, the least of a few runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


# -- make, verify, accept -----------------------------------------------------------------------------------


def _demo_inputs() -> PackageInputs:
    """All 2,982 patients, with everything that a registration expects."""
    from studies.dataset import build as build_dataset
    from studies.evidence.code import result_code
    from studies.evidence.inputs import Rows
    from studies.missingness import missingness
    from studies.tables import in_days
    from tests.evidence.fixtures import BEFORE, dossier_inputs, rotterdam_inputs
    from tests.studies.rotterdam_lock import rotterdam_lock, rotterdam_protocol

    small, whole = dossier_inputs("reg_drug"), rotterdam_inputs()
    lock, protocol = rotterdam_lock(), rotterdam_protocol()
    days = in_days(lock)
    rows = Rows(build_dataset(lock, protocol, BEFORE), days.get("device_use"), days["subject"])
    assert small.dossier is not None
    dossier = dataclasses.replace(small.dossier, rows=rows, missing=missingness(lock, protocol))
    return dataclasses.replace(whole, dossier=dossier, freeze=small.freeze, code=result_code())


def _whole(folder: Path) -> dict[str, Any]:
    from rwd_platform.flows.accept_package import accept_package
    from studies.evidence.package import build
    from studies.evidence.templates import verify as standalone

    inputs, made = _demo_inputs(), list[Any]()
    build(inputs, folder)  # the twin, the fonts and the libraries
    build_s = _best(lambda: made.append(build(inputs, folder)))
    archive = made[-1].path
    command = [sys.executable, "-I", standalone.__file__, str(archive)]
    verify_s = _best(lambda: subprocess.run(command, check=True, capture_output=True))
    found: dict[str, Any] = {
        "bytes": archive.stat().st_size,
        "files": len(made[-1].file_names),
        "build_s": build_s,
        "verify_s": verify_s,
        "accept_s": _best(lambda: made.append(accept_package(archive))),
        "accepted": made[-1].accepted,
    }
    return found | _bytes_read("read_demo", archive)


# -- many tables --------------------------------------------------------------------------------------------


def _two_hundred_tables(folder: Path) -> dict[str, Any]:
    """The small study's report with Table 1 planned again and again; without a dossier, so that the report counts."""
    from tests.evidence.fixtures import small_inputs

    few, many = small_inputs(), _with_tables()
    before, after = (_tables(_built(one, folder)) for one in (few, many))
    few_s, many_s = (_best(lambda one=one: _built(one, folder)) for one in (few, many))  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
    return {
        "tables_before": before,
        "tables": after,
        "tables_before_s": few_s,
        "tables_s": many_s,
        "tables_times": many_s / few_s,
    }


def _with_tables() -> PackageInputs:
    import yaml

    from studies.dataset import build as build_dataset
    from studies.protocol import load_protocol
    from studies.run import run_analyses
    from tests.evidence.fixtures import PROTOCOL, log_extract, small_inputs, small_lock

    plan = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))
    first = next(one for one in plan["analyses"] if one["id"] == "all.balance")
    plan["analyses"] += [
        {**first, "id": f"all.balance_{number}", "title": _numbered(first["title"], number)}
        for number in range(TABLES)
    ]
    text = json.dumps(plan, ensure_ascii=False, indent=1, default=str)  # JSON is YAML without aliases
    protocol = load_protocol(text)
    results = run_analyses(build_dataset(small_lock(), protocol), protocol, "lock-small")
    return dataclasses.replace(
        small_inputs(),
        protocol_text=text,
        protocol=protocol,
        results=results,
        log=log_extract(results),
        freeze={**small_inputs().freeze, "protocol_sha256": protocol.sha256},
    )


def _numbered(title: dict[str, str], number: int) -> dict[str, str]:
    return {language: f"{text} {number}" for language, text in title.items()}


def _built(inputs: PackageInputs, folder: Path) -> BuiltPackage:
    from studies.evidence.package import build

    return build(inputs, folder)


def _tables(built: BuiltPackage) -> int:
    report = json.loads((built.folder / "data/06_report/report.json").read_bytes())
    return sum(block["kind"] == "table" for block in report["summary"] + report["body"])


# -- bytes read over bytes ----------------------------------------------------------------------------------


def _read_once(folder: Path, more: int) -> dict[str, Any]:
    """A package with one large file more, listed and signed as the others are."""
    from studies.evidence.bag import write_archive
    from studies.evidence.documents import json_bytes
    from studies.evidence.templates import verify as standalone
    from tests.evidence.fixtures import resigned, small_inputs

    built = _built(small_inputs(), folder)
    large = "data/04_quality/large.bin"
    (built.folder / large).write_bytes(bytes(more))
    path = built.folder / standalone.PACKAGE_JSON
    described = json.loads(path.read_bytes())
    described["files"]["volatile"].append(large)
    path.write_bytes(json_bytes(described))
    resigned(built.folder)
    members = {
        one.relative_to(built.folder).as_posix(): one.read_bytes()
        for one in built.folder.rglob("*")
        if one.is_file()
    }
    write_archive(members, built.path)
    size = built.path.stat().st_size
    verify_s = _best(lambda: standalone.check_package(built.path))
    return {"large_bytes": size, "large_verify_s": verify_s} | _bytes_read("read_large", built.path)


def _bytes_read(name: str, archive: Path) -> dict[str, float]:
    """The share of the archive's bytes that one verification asks for; nothing where the system does not tell."""
    from studies.evidence.templates import verify as standalone

    if not _IO.exists():
        return {}
    standalone.check_package(archive)  # what is imported on the way
    before = _asked_for()
    findings = standalone.check_package(archive)
    asked = _asked_for() - before
    assert not findings.failures
    return {name: round(asked / archive.stat().st_size, 4)}


def _asked_for() -> int:
    return int(_IO.read_text().split()[1])
