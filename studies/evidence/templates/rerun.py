"""Recomputes the results of this package from its data lock and compares them row by row (RERUN.md).

    python rerun.py --lock LOCK_FOLDER

Exit 0: everything agrees. Exit 1: what differs, or cannot be read, is listed. Exit 2: wrong use.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RELATIVE = 1e-9
ABSOLUTE = 1e-12
FIELDS = ("value", "ci_low", "ci_high", "n", "events")


def agree(stored: Any, found: Any) -> bool:
    """Numbers within the tolerance; words and gaps exactly."""
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


def read_results(package: Path) -> dict[str, Any]:
    """ard.json, with the shape that a comparison relies on."""
    place = "05_results/ard.json"
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
    parser.add_argument("--lock", type=Path, required=True)
    folder = parser.parse_args().lock
    package = HERE.parent
    sys.dont_write_bytecode = True  # a package that was run must still verify
    sys.path.insert(0, str(HERE / "src"))
    from studies.dataset import build
    from studies.protocol import load_protocol
    from studies.run import run_analyses

    if not folder.is_dir():
        sys.stderr.write("找不到数据锁定 / no data lock at %s\n" % folder)
        return 2
    described = read_object(package / "00_index" / "package.json", "00_index/package.json")
    stored = read_results(package)
    check_lock(folder, described, stored)
    protocol = load_protocol((package / "01_protocol" / "protocol.yaml").read_text(encoding="utf-8"))
    results = run_analyses(build(read_lock(folder), protocol), protocol, stored["lock_id"])
    found = json.loads(json.dumps(results.as_dict()))
    withheld = withheld_in(described)
    apart = [
        name
        for name in differences(stored, found)
        if not name.startswith("attrition.") and name not in withheld
    ]
    for name in apart:
        sys.stdout.write("✗ %s\n" % name)
    total = len(stored["rows"])
    sys.stdout.write(
        "%d 行结果，%d 行不同 / %d result rows, %d differ\n" % (total, len(apart), total, len(apart))
    )
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
