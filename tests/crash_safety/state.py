"""The whole state of a deployment as something to compare, and where on the disk a value stands.

A state leaves out what differs between two runs of the same step: nonces, wrapped keys, random ids, the log
(which is verified instead) and bookkeeping (jobs, sessions, progress).
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from rwd_platform.core.canonical import canonical_json, sha256_file, sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import EXEMPT
from rwd_platform.records.tables import UploadFile
from rwd_platform.store.delta_files import orphans
from rwd_platform.store.lake import Lake
from rwd_platform.store.line_owners import NOBODY
from rwd_platform.store.lock import open_lock

State = dict[str, dict[str, Any]]

_BOOKKEEPING = {table.__tablename__ for table in EXEMPT} | {"audit_entry", "audit_node", "audit_detail"}
_BOOKKEEPING |= {"audit_checkpoint", "alembic_version"}
# A certificate names its entry's place in the log, which is another after a kill.
_RANDOM = {"unit_issue": {"id"}, "erasure_request": {"certificate_sha256"}}
# Zones whose files hold no nonce and no place in the log.
_SAME_BYTES = {"locks", "notices", "packages", "results"}
# Received, being admitted, failed: the same to whoever asks what the platform holds.
_NOT_ADMITTED = {"received", "admitting", "failed"}


def state_of(platform: Platform) -> State:
    """Rows of the records, rows of the lake, locks, files as received, receipts, and whatever else lies in the home."""
    return {
        "records": dict(_records(platform)),
        "lake": dict(_lake(platform)),
        "locks": {path.name: _opens(path) for path in sorted(platform.layout.locks.iterdir())},
        "landing": dict(_landing(platform)),
        "receipts": {path.name: sha256_file(path) for path in sorted(platform.layout.receipts.iterdir())},
        "beside": dict(_beside(platform)),
    }


def _beside(platform: Platform) -> Iterator[tuple[str, str]]:
    """Every file of the home, whatever its folder; with its hash where that is the same in every run.

    Left out: the database, guards, which are empty, what lies under Delta (compared by rows, and see orphans_of),
    and tmp, of which nothing may be left.
    """
    layout = platform.layout
    for path in sorted(layout.home.rglob("*")):
        name = str(path.relative_to(layout.home))
        zone, *inside = Path(name).parts
        in_delta = zone == "lake" and len(inside) > 1 and inside[1].startswith("v")
        if in_delta or zone == "tmp" or zone.startswith("records.db") or not path.is_file():
            continue
        if path.suffix != ".guard" or path.stat().st_size:
            yield name, sha256_file(path) if zone in _SAME_BYTES else ""


def _records(platform: Platform) -> Iterator[tuple[str, list[str]]]:
    with platform.records.engine.connect() as connection:
        for name, table in sorted(SQLModel.metadata.tables.items()):
            if name in _BOOKKEEPING:
                continue
            kept = ", ".join(
                f'"{column.name}"'
                for column in table.columns
                if not isinstance(column.type, LargeBinary) and column.name not in _RANDOM.get(name, ())
            )
            found = connection.exec_driver_sql(f'SELECT {kept} FROM "{name}"')
            rows = (dict(row._mapping) for row in found)
            yield name, sorted(canonical_json(one).decode() for one in map(_settled, rows) if one is not None)


def _settled(row: dict[str, Any]) -> dict[str, Any] | None:
    if row.get("patient_id", "-") == NOBODY and "made_at" in row:
        return None  # a key that nothing is sealed under yet
    if row.get("state") in _NOT_ADMITTED and "source_system" in row:
        row["state"] = "not admitted"
    return row


def _lake(platform: Platform) -> Iterator[tuple[str, str]]:
    lake = Lake(platform.layout)
    for table in lake.tables():
        rows = lake.read(table).to_json(orient="split", date_format="iso")
        yield table, sha256_hex(rows.encode())


def _landing(platform: Platform) -> Iterator[tuple[str, str]]:
    for file in platform.records.all(_every(UploadFile)):
        try:
            pieces = platform.landing.rebuild(file.organisation_id, file.sha256, gaps=True)
            content = b"".join(one if isinstance(one, bytes) else b"<gap>" for one in pieces)
        except PlatformError as error:
            content = error.code.encode()
        kept = "by patient" if platform.landing.is_segmented(file.organisation_id, file.sha256) else "whole"
        yield file.id, f"{kept} {sha256_hex(content)}"


def _every(table: type[SQLModel]) -> Any:
    from sqlmodel import select as select_rows

    return select_rows(table)


def _opens(path: Path) -> str:
    try:
        return open_lock(path).id
    except PlatformError as error:
        return error.code  # an erasure in the middle: half of a lock that was re-issued is destroyed


def differing(one: State, other: State) -> list[str]:
    """The names of what differs between two states."""
    return [
        f"{zone}.{name}"
        for zone in one
        for name in sorted({*one[zone], *other[zone]})
        if one[zone].get(name) != other[zone].get(name)
    ]


# -- what lies on the disk -------------------------------------------------------------------------


def orphans_of(platform: Platform) -> list[str]:
    """Files of the lake that no table names, and half-made things in tmp and the landing zone."""
    home = platform.layout.home
    found = [file for table in sorted(platform.layout.lake.glob("*/v*")) for file in orphans(table)]
    found += [path for path in platform.layout.tmp.iterdir() if path.suffix != ".guard"]
    found += list(home.rglob("*.part"))
    return sorted(str(path.relative_to(home)) for path in found)


def files_with(folder: Path, values: Iterable[str]) -> dict[str, list[str]]:
    """value -> the files below `folder` that hold it: in their bytes, in gzip, or in the cells of Parquet."""
    wanted = list(values)
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and wanted:
            content = _searchable(path)
            for value in wanted:
                if value.encode() in content:
                    found.setdefault(value, []).append(str(path.relative_to(folder)))
    return found


def _searchable(path: Path) -> bytes:
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content += gzip.decompress(content)
        except (OSError, EOFError):
            return content
    if content.startswith(b"PAR1"):
        content += _cells(content)
    return content


def _cells(content: bytes) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        return b""  # cut off before its footer: only its bytes can be searched
    return "\n".join(str(column.to_pylist()) for column in table.columns).encode()
