"""Recomputes the results of this package from its data lock and compares them row by row (RERUN.md).

    python rerun.py --lock LOCK_FOLDER
    python rerun.py --synthetic

--synthetic takes the invented subjects of synthetic/ in place of the lock, which is not in this package, and
compares with expected/ard.json. It shows that the code gives here what it gave there; its numbers mean nothing.

Counts and words have to be the same, other numbers to 1e-9 relative or 1e-12 absolute: linear algebra differs in its
last bits from machine to machine. On the machine that built the package they are the same bit for bit.

Exit 0: everything agrees. Exit 1: what differs, or cannot be read, is listed. Exit 2: wrong use.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

HERE = Path(__file__).resolve().parent
RELATIVE = 1e-9
ABSOLUTE = 1e-12
FIELDS = ("value", "ci_low", "ci_high", "n", "events")
SYNTHETIC, EXPECTED = "07_code/synthetic", "07_code/expected/ard.json"
LISTING = "tables.json"  # of the synthetic tables: columns, kinds, hashes
# What a column of the synthetic tables holds -> its pandas type. An empty field is a missing value.
KINDS = {"text": "object", "whole": "Int64", "order": "int64", "number": "float64", "flag": "boolean"}
FLAGS = {"true": True, "false": False}


def agree(stored: Any, found: Any) -> bool:
    """Counts, words and gaps exactly; other numbers within the tolerance."""
    if isinstance(stored, int) and isinstance(found, int):
        return stored == found
    if isinstance(stored, (int, float)) and isinstance(found, (int, float)):
        return math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(stored == found)


def differences(stored: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The ids of result rows that are not the same in both."""
    old = {row["id"]: row for row in stored["rows"]}
    new = {row["id"]: row for row in found["rows"]}
    apart = set(old) ^ set(new)
    both = set(old) & set(new)
    apart |= {name for name in both if not all(agree(old[name][one], new[name][one]) for one in FIELDS)}
    return sorted(apart)


def read_lock(folder: Path) -> dict[str, Any]:
    import pandas as pd

    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


class Unreadable(Exception):
    """A file of the package or the lock is not what it should be; the first argument names it."""


def read_object(path: Path, place: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(place) from error
    if not isinstance(found, dict):
        raise Unreadable(place)
    return found


def read_results(package: Path, place: str = "05_results/ard.json") -> dict[str, Any]:
    """ard.json, with the shape that a comparison relies on."""
    stored = read_object(package / place, place)
    rows = stored.get("rows")
    if not isinstance(stored.get("lock_id"), str) or not isinstance(rows, list):
        raise Unreadable(place)
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise Unreadable(place)
        for field in FIELDS:
            value = row.get(field, ())
            is_number = isinstance(value, (int, float)) and abs(value) < 2**53
            if not (is_number or value is None or isinstance(value, str)):
                raise Unreadable(place)
    return stored


def read_twin(folder: Path, protocol_sha256: str = "") -> dict[str, Any]:
    """The synthetic tables as they were made. A file that is missing, edited or not listed is named.

    protocol_sha256 -- of the protocol that the tables have to be of; "" for any
    """
    listing = read_object(folder / LISTING, "%s/%s" % (SYNTHETIC, LISTING))
    tables = listing.get("tables")
    if not isinstance(tables, dict) or protocol_sha256 not in ("", listing.get("protocol_sha256")):
        raise Unreadable("%s/%s" % (SYNTHETIC, LISTING))
    found = {path.name for path in folder.glob("*.csv")}
    for name in sorted(found - {"%s.csv" % one for one in tables}):
        raise Unreadable("%s/%s" % (SYNTHETIC, name))
    return {name: read_table(folder, name, table) for name, table in sorted(tables.items())}


def read_table(folder: Path, name: str, listed: Any) -> Any:
    """One table: the bytes that were listed, and of them the columns with their types."""
    place = "%s/%s.csv" % (SYNTHETIC, name)
    try:
        content = (folder / ("%s.csv" % name)).read_bytes()
        if hashlib.sha256(content).hexdigest() != listed["sha256"]:
            raise Unreadable(place)
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
        kinds = listed["columns"]
        if not rows or rows[0] != list(kinds) or any(len(row) != len(kinds) for row in rows):
            raise Unreadable(place)
        return typed_table(rows, kinds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, csv.Error) as error:
        raise Unreadable(place) from error


def typed_table(rows: List[List[str]], kinds: Dict[str, str]) -> Any:
    import pandas as pd

    columns = {
        name: pd.Series([typed(row[at], kind) for row in rows[1:]], dtype=KINDS[kind])
        for at, (name, kind) in enumerate(kinds.items())
    }
    return pd.DataFrame(columns)


def typed(text: str, kind: str) -> Optional[Any]:
    if text == "":
        return None
    if kind in ("whole", "order"):
        return int(text)
    if kind == "number":
        return float(text)
    return FLAGS[text] if kind == "flag" else text


def check_lock(folder: Path, described: dict[str, Any], stored: dict[str, Any]) -> None:
    """The lock given, the package and the results must name the same lock."""
    wanted = described.get("lock_id")
    if not wanted or stored["lock_id"] != wanted:
        raise Unreadable("05_results/ard.json")
    if read_object(folder / "manifest.json", "manifest.json").get("id") != wanted:
        raise Unreadable("manifest.json")


def withheld_in(described: dict[str, Any]) -> list[Any]:
    """Results that an aggregate package says it does not hold."""
    coarsening = described.get("coarsening")
    listed = coarsening.get("withheld_results") if isinstance(coarsening, dict) else None
    return listed if isinstance(listed, list) else []


def main() -> int:
    try:
        return recompute()
    except Unreadable as error:
        sys.stdout.write("✗ %s：内容或数据锁定编号不符 / not readable, or of another lock\n" % error)
        return 1


def recompute() -> int:
    parser = argparse.ArgumentParser(description="复算证据包的结果 / recompute a package's results")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--lock", type=Path, help="数据锁定所在的目录 / folder of the data lock")
    given.add_argument("--synthetic", action="store_true", help="用合成数据 / with the synthetic data")
    asked = parser.parse_args()
    if asked.lock is not None and not asked.lock.is_dir():
        sys.stderr.write("找不到数据锁定 / no data lock at %s\n" % asked.lock)
        return 2
    sys.dont_write_bytecode = True  # a package that was run must still verify
    sys.path.insert(0, str(HERE / "src"))
    return from_twin(HERE.parent) if asked.synthetic else from_lock(HERE.parent, asked.lock)


def from_lock(package: Path, folder: Path) -> int:
    described = read_object(package / "00_index" / "package.json", "00_index/package.json")
    stored = read_results(package)
    check_lock(folder, described, stored)
    found = analysed(package, read_lock(folder), stored["lock_id"])
    withheld = withheld_in(described)
    return told(
        stored,
        [
            name
            for name in differences(stored, found)
            if not name.startswith("attrition.") and name not in withheld
        ],
    )


def from_twin(package: Path) -> int:
    """With the synthetic tables: the rows expected have to come out, and what cannot be done, for the same reasons."""
    stored = read_results(package, EXPECTED)
    try:
        text = (package / "01_protocol" / "protocol.yaml").read_bytes()
    except OSError as error:
        raise Unreadable("01_protocol/protocol.yaml") from error
    protocol_sha256 = hashlib.sha256(text).hexdigest()
    parts = [stored.get("not_done"), stored.get("row_sets")]
    if stored.get("protocol_sha256") != protocol_sha256 or not all(isinstance(one, dict) for one in parts):
        raise Unreadable(EXPECTED)
    tables = read_twin(package / SYNTHETIC, protocol_sha256)
    found = analysed(package, tables, stored["lock_id"])
    apart = set(differences(stored, found))
    for part in ("not_done", "row_sets"):
        for name in set(stored[part]) | set(found[part]):
            if stored[part].get(name) != found[part].get(name):
                apart.add("%s: %s" % (part, name))
    same = {row["id"]: json.dumps(row) for row in found["rows"]}
    exact = sum(same.get(row["id"]) == json.dumps(row) for row in stored["rows"])
    sys.stdout.write("%d 行逐位相同 / %d rows the same bit for bit\n" % (exact, exact))
    return told(stored, sorted(apart))


def analysed(package: Path, tables: dict[str, Any], lock_id: str) -> dict[str, Any]:
    """The results of all planned analyses as ard.json holds them, by the code of this package."""
    from studies.dataset import build
    from studies.protocol import load_protocol
    from studies.run import run_analyses

    protocol = load_protocol((package / "01_protocol" / "protocol.yaml").read_text(encoding="utf-8"))
    results = run_analyses(build(tables, protocol), protocol, lock_id)
    found: dict[str, Any] = json.loads(json.dumps(results.as_dict()))
    return found


def told(stored: dict[str, Any], apart: List[str]) -> int:
    for name in apart:
        sys.stdout.write("✗ %s\n" % name)
    total = len(stored["rows"])
    sys.stdout.write(
        "%d 行结果，%d 行不同 / %d result rows, %d differ\n" % (total, len(apart), total, len(apart))
    )
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
