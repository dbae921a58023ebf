"""Recomputes the results of this package from its data lock and compares them one by one (RERUN.md).

    python rerun.py --lock LOCK_FOLDER
    python rerun.py --synthetic

--synthetic takes the invented subjects of synthetic/ in place of the lock, which is not in this package, and
compares with expected/ard.json. It shows that the code gives here what it gave there; its numbers mean nothing.

Counts and words have to be the same, other numbers to 1e-9 relative or 1e-12 absolute: linear algebra differs in its
last bits from machine to machine. On the machine that built the package they are the same bit for bit.

Compared are result rows, the series behind figures, the reasons why something could not be estimated, the groups of
people, and the steps of the attrition. An aggregate edition holds less than the lock gives: all that stands in it is
compared (days as rounded, curves on the days they are told for), and what it does not hold is counted. Whether that was
to be left out is not told here: this package has not the code that decides it, and `rwd evidence accept` has.

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
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

HERE = Path(__file__).resolve().parent
RELATIVE = 1e-9
ABSOLUTE = 1e-12
FIELDS = ("value", "ci_low", "ci_high", "n", "events")
ENGINE = ("engine", "engine_version")  # what computed a row, which is another matter than what came out
# An aggregate edition tells the days on which single patients had their events to a month.
ROUNDED_DAYS, PATIENTS_DAYS = 30, ("median", "median_follow_up", "median_onset")
CURVES, AT_RISK = ("curve", "incidence"), "at_risk"
Account = Optional[Dict[str, Any]]
SYNTHETIC, EXPECTED = "07_code/synthetic", "07_code/expected/ard.json"
LISTING = "tables.json"  # of the synthetic tables: columns, kinds, hashes
# What a column of the synthetic tables holds -> its pandas type. An empty field is a missing value.
KINDS = {"text": "object", "whole": "Int64", "order": "int64", "number": "float64", "flag": "boolean"}
FLAGS = {"true": True, "false": False}


def agree(stored: Any, found: Any) -> bool:
    """Counts, words and gaps exactly; other numbers within the tolerance; lists and objects part by part."""
    if isinstance(stored, bool) or isinstance(found, bool):
        return stored is found
    if isinstance(stored, int) and isinstance(found, int):
        return stored == found
    if isinstance(stored, (int, float)) and isinstance(found, (int, float)):
        return abs(stored) < 2**53 and math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(stored, list) and isinstance(found, list):
        return len(stored) == len(found) and all(
            agree(one, other) for one, other in zip(stored, found, strict=True)
        )
    if isinstance(stored, dict) and isinstance(found, dict):
        return set(stored) == set(found) and all(agree(stored[one], found[one]) for one in found)
    return bool(stored == found)


class Compared(NamedTuple):
    """What differs, by name; how much was compared; and how much the package does not hold, by its own account."""

    rows: List[str]
    others: List[str]
    counts: Dict[str, int]
    left_out: Dict[str, int]


def compare(stored: dict[str, Any], found: dict[str, Any], account: Account = None) -> Compared:
    """Every part of `ard.json` against a recomputation; `stored` has the shape that `has_shape` asks for.

    account -- of an aggregate edition what package.json says it leaves out; None where nothing may be left out. What
    stands in the package is compared whatever the account says of it.
    """
    left_out = {"rows": 0, "series": 0, "row_sets": 0}
    rows = unlike(stored["rows"], found["rows"], account, "rows", left_out)
    series = unlike(stored["series"], found["series"], account, "series", left_out)
    others = ["series: %s" % one for one in series] + unlike_reasons(stored, found, account)
    old, new = stored["row_sets"], found["row_sets"]
    for name in sorted(set(old) | set(new)):
        if account is not None and name not in old:
            left_out["row_sets"] += 1
        elif not agree(old.get(name), new.get(name)):
            others.append("row_sets: %s" % name)
    others += [one for one in ("study", "protocol_sha256") if stored.get(one) != found[one]]
    counts = {part: len(stored[part]) for part in ("rows", "series", "not_done", "row_sets")}
    return Compared(rows, others, counts, left_out)


def unlike(
    stored: List[Any], found: List[Any], account: Account, part: str, left_out: Dict[str, int]
) -> List[str]:
    """The ids of rows or series that are not the same in both, are there twice, or are missing without a word."""
    old, new = ({one["id"]: one for one in all_of} for all_of in (stored, found))
    times = Counter(one["id"] for one in stored)
    apart = {name for name in old if name not in new or times[name] > 1}
    for name, one in new.items():
        if name in old:
            if not (same_row if part == "rows" else same_series)(old[name], one, account is not None):
                apart.add(name)
        elif account is not None and (part == "series" or is_withheld(name, account)):
            left_out[part] += 1
        else:
            apart.add(name)
    return sorted(apart)


def same_row(stored: dict[str, Any], found: dict[str, Any], is_coarse: bool) -> bool:
    """All that a row says, but which version of a library computed it."""
    if is_coarse and found["unit"] == "days" and found["statistic"] in PATIENTS_DAYS:
        found = {**found, **{one: in_round_days(found[one]) for one in ("value", "ci_low", "ci_high")}}
    return all(one in stored and agree(stored[one], found[one]) for one in found if one not in ENGINE)


def in_round_days(value: Any) -> Any:
    return float(round(value / ROUNDED_DAYS) * ROUNDED_DAYS) if isinstance(value, (int, float)) else None


def same_series(stored: dict[str, Any], found: dict[str, Any], is_coarse: bool) -> bool:
    if not is_coarse:
        return agree(stored, found)
    head = [one for one in found if one != "points"]
    points = stored.get("points")
    if set(stored) != set(found) or not all(agree(stored[one], found[one]) for one in head):
        return False
    kind = found["id"][len(found["analysis"]) + 1 :].split(".")[0]
    return isinstance(points, list) and all(is_told(kind, point, found["points"]) for point in points)


def is_told(kind: str, point: Any, points: List[List[Any]]) -> bool:
    """Whether a point of an aggregate edition is one of the recomputed: a curve's value on that day; of a table of
    numbers at risk all that is not left empty; else the point itself.
    """
    if kind in CURVES:
        if not isinstance(point, list) or not point or not isinstance(point[0], (int, float)):
            return False
        before = [one for one in points if one[0] <= point[0]]
        return bool(before) and agree(point[1:], before[-1][1:])
    if kind == AT_RISK and isinstance(point, list) and point:
        behind = [one for one in points if agree(point[0], one[0]) and len(one) == len(point)]
        return any(
            all(mine in (None, of) for mine, of in zip(point[1:], one[1:], strict=True)) for one in behind
        )
    return any(agree(point, one) for one in points)


def unlike_reasons(stored: dict[str, Any], found: dict[str, Any], account: Account) -> List[str]:
    """Names in `not_done` with another reason. An aggregate edition says of a closed analysis that it is withheld."""
    old, new = stored["not_done"], found["not_done"]
    withheld = withheld_words(account) if account is not None else ""
    closed = [name for name, why in old.items() if withheld and why == withheld]
    known = [*new, *(listed(account, "withheld_analyses") if account is not None else [])]
    apart = []
    for name in sorted(set(old) | set(new)):
        is_part = name not in old and any(name.startswith("%s." % one) for one in closed)
        if not is_part and not (name in closed and name in known) and old.get(name) != new.get(name):
            apart.append("not_done: %s" % name)
    return apart


def withheld_words(account: dict[str, Any]) -> str:
    from studies.reasons import WITHHELD, joined

    return joined(WITHHELD.about(cell=str(account.get("smallest_cell"))))


def listed(account: dict[str, Any], key: str) -> List[str]:
    found = account.get(key)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def is_withheld(name: str, account: dict[str, Any]) -> bool:
    """By the package's own list. Rows of terms of a few are named together, `all.safety.term`."""
    return any(name == one or name.startswith("%s." % one) for one in listed(account, "withheld_results"))


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
    if not has_shape(stored):
        raise Unreadable(place)
    return stored


def has_shape(stored: Any) -> bool:
    """What a comparison relies on: rows and series with ids, numbers that compare, and the two lists by name."""
    if not isinstance(stored, dict) or not isinstance(stored.get("lock_id"), str):
        return False
    ids = all(
        isinstance(stored.get(part), list)
        and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in stored[part])
        for part in ("rows", "series")
    )
    named = all(isinstance(stored.get(part), dict) for part in ("not_done", "row_sets"))
    return (
        ids and named and all(is_comparable(row.get(field, ())) for row in stored["rows"] for field in FIELDS)
    )


def is_comparable(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and abs(value) < 2**53
    return is_number or value is None or isinstance(value, str)


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


def check_lock(folder: Path, described: dict[str, Any], stored: dict[str, Any]) -> List[Any]:
    """The lock given, the package and the results must name the same lock. The steps that came before the lock."""
    wanted = described.get("lock_id")
    if not wanted or stored["lock_id"] != wanted:
        raise Unreadable("05_results/ard.json")
    manifest = read_object(folder / "manifest.json", "manifest.json")
    if manifest.get("id") != wanted:
        raise Unreadable("manifest.json")
    try:
        steps = manifest["content"]["facts"]["attrition"] if "content" in manifest else []
        return [(str(one["zh"]), str(one["en"]), int(one["left"]), int(one["remaining"])) for one in steps]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("manifest.json") from error


def account_in(described: dict[str, Any]) -> Account:
    """What an aggregate edition says that it leaves out. Any other edition has everything."""
    if described.get("audience") != "aggregate":
        return None
    account = described.get("coarsening")
    return account if isinstance(account, dict) else {}


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
    before = check_lock(folder, described, stored)
    found = analysed(package, read_lock(folder), stored["lock_id"], before)
    return told(compare(stored, found, account_in(described)))


def from_twin(package: Path) -> int:
    """With the synthetic tables: the rows expected have to come out, and what cannot be done, for the same reasons."""
    stored = read_results(package, EXPECTED)
    try:
        text = (package / "01_protocol" / "protocol.yaml").read_bytes()
    except OSError as error:
        raise Unreadable("01_protocol/protocol.yaml") from error
    protocol_sha256 = hashlib.sha256(text).hexdigest()
    if stored.get("protocol_sha256") != protocol_sha256:
        raise Unreadable(EXPECTED)
    tables = read_twin(package / SYNTHETIC, protocol_sha256)
    found = analysed(package, tables, stored["lock_id"])
    same = {row["id"]: json.dumps(row) for row in found["rows"]}
    exact = sum(same.get(row["id"]) == json.dumps(row) for row in stored["rows"])
    sys.stdout.write("%d 行逐位相同 / %d rows the same bit for bit\n" % (exact, exact))
    return told(compare(stored, found))


def analysed(
    package: Path, tables: dict[str, Any], lock_id: str, before: Sequence[Tuple[str, str, int, int]] = ()
) -> dict[str, Any]:
    """The results of all planned analyses as ard.json holds them, by the code of this package.

    before -- the steps from the store to the lock: reason in zh and en, how many left, how many remained
    """
    from rwd_platform.core.text import Bilingual
    from studies.attrition import AttritionStep
    from studies.dataset import build
    from studies.protocol import load_protocol
    from studies.run import run_analyses

    protocol = load_protocol((package / "01_protocol" / "protocol.yaml").read_text(encoding="utf-8"))
    steps = [AttritionStep(Bilingual(zh, en), left, remaining) for zh, en, left, remaining in before]
    results = run_analyses(build(tables, protocol, steps), protocol, lock_id)
    found: dict[str, Any] = json.loads(json.dumps(results.as_dict()))
    return found


def told(compared: Compared) -> int:
    for name in (*compared.rows, *compared.others):
        sys.stdout.write("✗ %s\n" % name)
    total, differ = compared.counts["rows"], len(compared.rows)
    sys.stdout.write("%d 行结果，%d 行不同 / %d result rows, %d differ\n" % (2 * (total, differ)))
    counts = compared.counts
    others = (counts["series"], counts["not_done"], counts["row_sets"], len(compared.others))
    sys.stdout.write(
        "另有图表数据 %d 组、不能估计的原因 %d 条、人群 %d 组，%d 处不同 / "
        "and %d series, %d reasons why not, %d groups of people, %d differ\n" % (2 * others)
    )
    left_out = tuple(compared.left_out[one] for one in ("rows", "series", "row_sets"))
    if any(left_out):
        sys.stdout.write(
            "未比较：本包（汇总版）不含的结果 %d 行、图表数据 %d 组、人群 %d 组，以及图表中未给出的点；"
            "是否确应隐去，由 rwd evidence accept 判定 / "
            "not compared, since this aggregate edition does not hold them: %d result rows, %d series, %d groups of "
            "people, and points that its series leave out; whether they had to go is told by rwd evidence accept\n"
            % (2 * left_out)
        )
    return 1 if compared.rows or compared.others else 0


if __name__ == "__main__":
    sys.exit(main())
