"""Samples and filled sheets to test with: the invented stent study at three hospitals, 200 subjects."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import pandas as pd

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.text import Bilingual
from studies.dataset import StudyDataset
from studies.evidence.inputs import PackageInputs, Source, SourceFile
from studies.evidence.sample.agreement import Agreement
from studies.evidence.sample.policy import Policy, policy
from studies.evidence.sample.read_sheet import Returned, read_sheet
from studies.evidence.sample.rounds import ClosedRound, OpenRound, Verified
from studies.evidence.sample.sheet import AGREES, COLUMNS, IN_CHART, WHY_NOT, SheetLine, sheet, sheet_lines
from studies.evidence.sample.trace import Sample, sample_of
from studies.protocol import Protocol
from studies.results import ResultSet
from tests.evidence.fixtures import rotterdam_inputs_without_results, with_changes
from tests.studies.small import dataset, small_protocol

LOCK = "lock-stent"
# Organisation -> subjects: one below the minimum of 20, one in the middle, one large.
SIZES = {"org-a": 12, "org-b": 60, "org-c": 128}
Fill = tuple[str, str, str]
FilledBy = Callable[[SheetLine], Fill]


def digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


@cache
def stent_table(seed: int = 4) -> StudyDataset:
    table = dataset(200, seed=seed)
    return dataclasses.replace(table, frame=table.frame.assign(site_id=hospitals_of(200)))


def hospitals_of(subjects: int) -> list[str]:
    """Subjects of the three hospitals, mixed."""
    blocks = [name for name, count in SIZES.items() for _ in range(count)]
    return [blocks[(place * 77) % 200] for place in range(subjects)]


def file_of(hospital: str, part: str) -> str:
    return digest(hospital, part)


def stent_lineage(table: StudyDataset) -> pd.DataFrame:
    """As studies.dataset.build would have it: no line where there is no record, two behind the event."""
    rows = []
    for number, one in enumerate(table.frame.to_dict("records")):
        at = one["site_id"]
        variables = ["index", "stent", "time_days", "event", "age", "weight_kg", "frailty"]
        variables += ["event"] if one["event"] else []
        variables += ["surgery"] if one["surgery"] else []
        for place, variable in enumerate(variables):
            part = "charts" if variable in ("index", "age") else "events"
            line = number * 10 + place + 1
            rows.append((one["subject_id"], variable, file_of(at, part), line, digest(at, line)))
    columns = ["subject_id", "variable", "source_file_sha256", "source_line", "line_digest"]
    return pd.DataFrame(rows, columns=columns)


def stent_sources() -> tuple[Source, ...]:
    return tuple(
        Source(
            name,
            Bilingual(f"医院{place}（虚构）", f"Hospital {place} (invented)"),
            tuple(
                SourceFile(f"zhang san {part}.ndjson", file_of(name, part), Accounting(accepted=9))
                for part in ("charts", "events")
            ),
        )
        for place, name in enumerate(SIZES, start=1)
    )


def stent_results(table: StudyDataset, protocol: Protocol, lock: str = LOCK) -> ResultSet:
    ids = sorted(table.frame["subject_id"])
    return ResultSet(protocol.id, protocol.sha256, lock, (), row_sets={"analysed": ids})


def stent_inputs(**changes: Any) -> PackageInputs:
    table, protocol = stent_table(), small_protocol()
    usual = {
        "protocol": protocol,
        "results": stent_results(table, protocol),
        "lineage": stent_lineage(table),
        "sources": stent_sources(),
    }
    return with_changes(rotterdam_inputs_without_results(), **{**usual, **changes})


@cache
def stent_sample() -> Sample:
    return sample_of(stent_inputs(), stent_table(), known_until="2025-12-31")


def policy_with(**changes: Any) -> Policy:
    return dataclasses.replace(policy(), **changes)


# --- filling sheets in --------------------------------------------------------------------------------------


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def written(rows: Iterable[Sequence[str]], encoding: str = "utf-8-sig") -> bytes:
    """As a spreadsheet on Windows saves it."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\r\n").writerows(rows)
    return made.getvalue().encode(encoding)


def platform_value(line: SheetLine) -> str:
    value = line.row.values[line.variable.name]
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_platform(line: SheetLine) -> Fill:
    """A chart that says what the platform has."""
    return platform_value(line), "是", ""


def filled(sample: Sample, hospital: str, by: FilledBy = as_platform, encoding: str = "utf-8-sig") -> bytes:
    rows = rows_of(sheet(sample, hospital))
    places = [COLUMNS.index(column) for column in (IN_CHART, AGREES, WHY_NOT)]
    for row, line in zip(rows[1:], sheet_lines(sample, hospital), strict=True):
        for place, text in zip(places, by(line), strict=True):
            row[place] = text
    return written(rows, encoding)


def returned(sample: Sample, hospital: str, by: FilledBy = as_platform) -> Returned:
    return read_sheet(filled(sample, hospital, by), sample, hospital)


def changed(content: bytes, line: int, /, **cells: str) -> bytes:
    """The sheet with cells of one line (from 1, the column names) changed, by the names in `PLACES`."""
    rows = rows_of(content)
    for name, text in cells.items():
        rows[line - 1][PLACES[name]] = text
    return written(rows)


PLACES = {
    name: place
    for place, name in enumerate(
        (
            "sheet", "place", "file", "sha256", "line", "digest", "variable", "title", "how", "in_chart", "agrees",
            "why_not", "check",
        )
    )
}  # fmt: skip


def line_of(sample: Sample, hospital: str, variable: str, nth: int = 0) -> int:
    """The sheet's line (from 1) of the nth item of a variable."""
    found = [
        number
        for number, line in enumerate(sheet_lines(sample, hospital), start=2)
        if line.variable.name == variable
    ]
    return found[nth]


# --- rounds -------------------------------------------------------------------------------------------------


def closed(found: Agreement, number: int = 1, because: str = "医院已全部核对完毕") -> ClosedRound:
    return ClosedRound(number, "2025-12-31", policy(), because, found.sheets, found.outstanding, found)


def in_rounds(*found: Agreement, open_round: OpenRound | None = None) -> Verified:
    """Closed rounds with these agreements, the newest first."""
    newest = len(found)
    return Verified(
        tuple(closed(one, newest - place) for place, one in enumerate(found)), open_round=open_round
    )
