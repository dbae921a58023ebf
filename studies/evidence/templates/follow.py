"""Follows numbers of this package home, by its files alone: Python 3.8 or newer, standard library only, no network.

    python follow.py n0012 [n0013 ...]    the way of these numbers, step by step
    python follow.py --random 500 --seed 1
    python follow.py --all

report -> numbers.json -> ard.json and ars.json -> the rows behind it -> file, line and digest of each source line.
A variable that is read from records has a line of its own for every row behind the number. Only where no record says
so (the comparator of an exposure that has none, a record that is not there) is there none. A number that rests on no
other lines than those of the index event, as a count of people does, is told as such. An aggregate package ends at the
result row, with how many people it is about. Verify the package first (verify.py): this program reads what the files
say and does not ask who signed them.

Exit 0: every number asked for was followed to its end. Exit 1: one was not, and it is named. Exit 2: wrong use.

仅凭本包文件追溯数字：报告 → numbers.json → ard.json 与 ars.json → 数字背后的行 → 每一来源行的文件、行号与摘要。
取自记录的变量，数字背后的每一行都须有该变量自己的来源行；以“没有记录”为据者（无用药记录的对照组、未见的记录）除外。
仅有起始事件来源行的数字（如人数）另行注明。
汇总版止于结果行及其人数。请先用 verify.py 核验本包；本程序只读取文件所载，不判断由谁签署。
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import sys
import zlib
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Set, Tuple

DATA = Path(__file__).resolve().parent.parent
NUMBERS, ARD, ARS = "06_report/numbers.json", "05_results/ard.json", "05_results/ars.json"
ROW_SETS, LINEAGE, INPUTS = "08_trace/row_sets.json", "08_trace/lineage.csv.gz", "08_trace/inputs.json"
PROTOCOL = "01_protocol/protocol.json"
INDEX = "index"  # the line that gave a subject's index date: every subject has one
OF_THE_OUTCOME = ("time_days", "event", "status")  # each subject's day and state come from a record
# Where a subject was treated, and reports that nobody need have: no record of each subject's own.
WITHOUT_LINES = ("site_id", "safety.adverse_event", "safety.death")
EXPOSED_SET = ".exposed"  # how the row sets of the exposed arm end
NOBODY = "行集为空 · the row set is empty"
INDEX_ALONE = "lines of the index event alone"  # in the step of a number that rests on no other line
OVERSEAS = "aggregate result stated in the protocol"
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RecursionError,
    csv.Error,
    zlib.error,
)
SHOWN = 3  # source lines told of one number

Line = Tuple[str, int, str]  # file's SHA-256, line, digest


class Lost(Exception):
    """The number does not lead on from here: the first argument says where, in both languages."""


def pointed(document: Any, pointer: str) -> Any:
    """RFC 6901."""
    for escaped in pointer.split("/")[1:]:
        part = escaped.replace("~1", "/").replace("~0", "~")
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


class Package:
    """The files that numbers lead through, each read once."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.documents: Dict[str, Any] = {}
        self.behind: Dict[Tuple[str, Tuple[str, ...]], Tuple[List[Line], bool]] = {}
        self.numbers = {one["id"]: one for one in self.read(NUMBERS)["numbers"]}
        self.rows = {row["id"]: row for row in self.read(ARD)["rows"]}
        self.row_sets = self.read(ARD)["row_sets"]
        self.has_rows = (data / ROW_SETS).exists()
        self.ordinals = self.read(ROW_SETS)["row_sets"] if self.has_rows else {}
        self.files = (
            {one["sha256"]: one["name"] for one in self.read(INPUTS)["files"]} if self.has_rows else {}
        )
        self.lines = self._lines() if self.has_rows else {}
        self.exposed = {
            row for name, rows in self.ordinals.items() if name.endswith(EXPOSED_SET) for row in rows
        }
        self.in_ars = self._in_ars() if (data / ARS).exists() else None

    def read(self, path: str) -> Any:
        if path not in self.documents:
            self.documents[path] = json.loads((self.data / path).read_text(encoding="utf-8"))
        return self.documents[path]

    def _lines(self) -> Dict[str, Dict[int, List[Line]]]:
        """variable -> row -> its source lines."""
        found: Dict[str, Dict[int, List[Line]]] = {}
        with gzip.open(self.data / LINEAGE, "rt", encoding="utf-8", newline="") as stream:
            for one in csv.DictReader(stream):
                line = (one["source_file_sha256"], int(one["source_line"]), one["line_digest"])
                found.setdefault(one["variable"], {}).setdefault(int(one["row"]), []).append(line)
        return found

    def _in_ars(self) -> Set[str]:
        """The result rows that ars.json has, by their ids."""
        return {
            group["groupValue"]
            for analysis in self.read(ARS)["analyses"]
            for result in analysis.get("results", [])
            for group in result.get("resultGroups", [])
            if group["groupingId"] == "Grp.row"
        }

    def follow(self, id: str) -> Iterator[str]:
        """The steps of one number. Raises Lost."""
        if id not in self.numbers:
            raise Lost(f"numbers.json 中没有 {id} · numbers.json has no {id}")
        number = self.numbers[id]
        yield f"{id}: {number['zh']} · {number['en']} ({number['place']})"
        if number.get("ard_id"):
            yield from self._of_a_row(number["ard_id"], number["field"])
            return
        path, pointer = number["file"], number["pointer"]
        value = pointed(self.read(path.split("/", 1)[1]), pointer)
        yield f"  {path}#{pointer} = {value!r}"
        parts = pointer.split("/")
        if path.endswith("ard.json") and parts[1] == "series":
            series = pointed(self.read(ARD), "/".join(parts[:3]))
            yield from self._people(series["row_set"], self._variables_of(series["analysis"]))

    def _variables_of(self, analysis: str) -> List[str]:
        """A series names none: those of its analysis' rows."""
        rows = (row for row in self.rows.values() if row["analysis"] == analysis)
        return list(dict.fromkeys(name for row in rows for name in row["variables"]))

    def _of_a_row(self, ard_id: str, field: str) -> Iterator[str]:
        if ard_id not in self.rows:
            raise Lost(f"ard.json 中没有 {ard_id} · ard.json has no {ard_id}")
        row = self.rows[ard_id]
        yield f"  ard.json {ard_id}.{field} = {row[field]!r}; {row['method']}"
        if self.in_ars is not None:
            if ard_id not in self.in_ars:
                raise Lost(f"ars.json 中没有 {ard_id} · ars.json has no {ard_id}")
            yield f"  ars.json Grp.row = {ard_id}"
        if row["method"].startswith(OVERSEAS):
            protocol = self.read(PROTOCOL)
            if not protocol["overseas"] and not protocol["overseas_series"]:
                raise Lost("方案中没有境外结果 · the protocol names no result from abroad")
            yield "  境外汇总结果，方案中写明 · an aggregate result from abroad, stated in 01_protocol/protocol.json"
            return
        if self.has_rows and row["row_set"]:
            self._count_is_that_of_lines(row)
        yield from self._people(row["row_set"], row["variables"])

    def _people(self, row_set: str, variables: Any) -> Iterator[str]:
        """Whom it is about, and a source line of each of them at least."""
        if not row_set:
            yield "  不涉及具体的人：来自方案 · about nobody in particular: of the protocol"
            return
        about = self.row_sets[row_set]
        yield f"  {row_set}: {about['subjects']} 人 · people; SHA-256 {about['sha256']}"
        if not self.has_rows:
            return
        lines, is_index_alone = self._behind(row_set, tuple(variables))
        if not lines:
            yield "  %s" % NOBODY
            return
        alone = "，仅为起始事件的来源行 · %s" % INDEX_ALONE if is_index_alone else ""
        yield f"  {len(lines)} 个来源行 · source lines, {len({line[0] for line in lines})} 个文件 · files{alone}"
        for file, line, digest in lines[:SHOWN]:
            yield f"    {self.files[file]} : {line}  {digest}"

    def _behind(self, row_set: str, variables: Tuple[str, ...]) -> Tuple[List[Line], bool]:
        """The source lines of these people and variables, and whether all are of the index event.

        Raises Lost where somebody has none, or not the one that a variable was read from.
        """
        key = (row_set, variables)
        if key in self.behind:
            return self.behind[key]
        rows, people = self.ordinals[row_set], self.row_sets[row_set]["subjects"]
        if len(rows) != people:
            raise Lost(f"{row_set}: {len(rows)} ≠ {people}")
        found: Dict[Line, None] = {}  # each once, in the rows' order
        own = 0
        for name in (INDEX, *variables):
            self._check_lines(name, row_set)
        for row in rows:
            mine = [line for name in variables for line in self.lines.get(name, {}).get(row, [])]
            own += len(mine)
            found.update(dict.fromkeys([*mine, *self.lines[INDEX][row]]))
        unknown = sorted({line[0] for line in found} - set(self.files))
        if unknown:
            raise Lost(f"来源文件不在 inputs.json 中 · not in inputs.json: {unknown[0]}")
        self.behind[key] = (list(found), not own)
        return self.behind[key]

    def _check_lines(self, variable: str, row_set: str) -> None:
        """Raises Lost for the first row of which the variable was read and that has no line of it."""
        there = self.lines.get(variable, {})
        for row in self._read_of(variable, self.ordinals[row_set]):
            if row not in there:
                raise Lost(
                    f"{row_set} 第 {row} 行没有变量 {variable} 的来源行 · "
                    f"row {row} of {row_set} has no source line of {variable}"
                )

    def _read_of(self, variable: str, rows: List[int]) -> Iterable[int]:
        """The rows whose value of it was read from a record; a value that says "no such record" was not."""
        protocol = self.read(PROTOCOL)
        if variable == protocol["exposure"]["name"]:
            return (
                rows if protocol["exposure"]["comparator"] else [row for row in rows if row in self.exposed]
            )
        if variable == INDEX or variable in OF_THE_OUTCOME:
            return rows
        kind = self._kind(variable)
        if not kind and variable not in WITHOUT_LINES:
            raise Lost(f"方案中没有变量 {variable} · the protocol has no variable {variable}")
        return rows if kind in ("subject", "measurement") else ()

    def _kind(self, variable: str) -> str:
        """Of a covariate; "" for what is none."""
        kinds = {one["name"]: str(one["kind"]) for one in self.read(PROTOCOL)["covariates"]}
        return kinds.get(variable, "")

    def _count_is_that_of_lines(self, row: Any) -> None:
        """Of everybody in a row set, those who have a record are those who have its line. Raises Lost."""
        rows = self.ordinals[row["row_set"]]
        if row["statistic"] != "subjects" or row["n"] != len(rows) or self._kind(row["variable"]) != "record":
            return
        there = self.lines.get(row["variable"], {})
        having = sum(one in there for one in rows)
        if having != row["value"]:
            raise Lost(
                f"{row['id']}：{having} 人有来源行，结果为 {row['value']} · "
                f"{having} have a source line, and the result says {row['value']}"
            )


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("numbers", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--random", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    if bool(asked.numbers) + asked.all + bool(asked.random) != 1 or asked.random < 0:
        parser.print_usage(sys.stderr)
        return 2
    try:
        package = Package(DATA)
    except BROKEN as error:
        print(f"✗ 无法读取本包的文件 · a file of the package cannot be read ({type(error).__name__})")
        return 1
    every = sorted(package.numbers)
    if asked.random:
        wanted = random.Random(asked.seed).sample(every, min(asked.random, len(every)))
    else:
        wanted = every if asked.all else asked.numbers
    return _report(package, wanted, shown=bool(asked.numbers))


def _report(package: Package, wanted: List[str], shown: bool) -> int:
    """Each way if few were named; otherwise those alone that do not lead home."""
    lost = alone = 0
    for id in wanted:
        steps: List[str] = []
        try:
            for step in package.follow(id):
                steps.append(step)
            alone += any(INDEX_ALONE in step for step in steps)
            if shown:
                print("\n".join(steps))
        except (Lost, *BROKEN) as error:
            lost += 1
            print(
                "\n".join([*steps, f"✗ {id}: {error if isinstance(error, Lost) else type(error).__name__}"])
            )
    print(
        f"{'✗' if lost else '✓'} {len(wanted) - lost} / {len(wanted)} 个数字追溯到来源 · numbers followed home"
        + (
            f"；其中 {alone} 个仅止于起始事件的来源行 · of them {alone} by {INDEX_ALONE}"
            if package.has_rows
            else ""
        )
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
