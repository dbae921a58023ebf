"""Any number of a package, all the way home: result, variables, rows, and the lines hospitals sent."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import col, select

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.errors import Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import check_reader
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.study import lineage_of, results_of
from rwd_platform.flows.withdraw_uses import check_traceable, frozen_subjects
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, Organisation, Upload, UploadFile
from rwd_platform.store.receipts import read_receipt

Files = dict[tuple[str, str], tuple[UploadFile, Organisation]]
"""(organisation, sha256) -> the file and who sent it. Two hospitals may send the same bytes."""

_FILE = ["organisation_id", "source_file_sha256"]
NUMBERS = "data/06_report/numbers.json"

NUMBER_UNKNOWN = Problem(
    code="trace.number_unknown",
    zh="证据包 {package} 中没有编号为 {number} 的数字。",
    en="Package {package} has no number {number}.",
    next_zh="请从证据包页面点击数字进入。",
    next_en="Come from the package's page, by clicking a number.",
    http=404,
)


@dataclass(frozen=True)
class SourceLine:
    """One line of a hospital's file that a number rests on. The digest is keyed: the receipt has the key."""

    variable: str
    organisation_id: str
    organisation_zh: str
    organisation_en: str
    upload_id: str
    file: str  # `archive.zip!member.json` for a member of an archive
    file_sha256: str
    line: int
    digest: str


@dataclass(frozen=True)
class FileLines:
    """How many lines of one file stand behind a number."""

    organisation_zh: str
    organisation_en: str
    file: str
    lines: int


@dataclass(frozen=True)
class Trace:
    """The chain of one number.

    A count of the dossier itself (files received, rules asked) is no statistic: its `number` names the
    package's document and the place in it, `result` is None and no subject stands behind it.
    """

    number: dict[str, Any]
    result: dict[str, Any] | None
    variables: tuple[str, ...]
    subjects: int
    lines: int  # distinct source lines behind it
    by_file: tuple[FileLines, ...]
    sample: tuple[SourceLine, ...]  # the first ones, in the order of the files


def numbers_of(platform: Platform, actor: Actor, package_id: str) -> list[dict[str, Any]]:
    """Every number of the package's report: id, place, text in both languages, result id. Asks the release gate."""
    package = get_visible(platform.records, actor, "package.read", EvidencePackage, package_id)
    check_reader(platform, actor, package)
    with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
        root = package.file_name.removesuffix(".zip")
        numbers: list[dict[str, Any]] = json.loads(archive.read(f"{root}/{NUMBERS}"))["numbers"]
    return numbers


def trace_number(
    platform: Platform, actor: Actor, package_id: str, number_id: str, *, sample: int = 20
) -> Trace:
    """Follow one number to its source lines. It is a read of patient-level provenance, and is logged.

    Of somebody who withdrew or is held the lines are counted and not named. Raises `withdrawal.trace_ended`, and
    `study.results_sealed` where the run behind the number is sealed.
    """
    package = get_visible(platform.records, actor, "trace.read", EvidencePackage, package_id)
    number = next((n for n in numbers_of(platform, actor, package_id) if n["id"] == number_id), None)
    if number is None:
        raise NUMBER_UNKNOWN.error(package=package_id, number=number_id)
    platform.records.record(
        Act(actor, "trace.read", Object("package", package_id), purpose=f"number {number_id}")
    )
    if "ard_id" not in number:
        return Trace(number, None, (), 0, 0, (), ())
    with refusals_recorded(platform.records, actor, "trace.read", "evidence_package", package_id):
        check_traceable(platform, package)
        run = platform.records.get(AnalysisRun, package.run_id)
        check_unsealed(run)
    results = results_of(platform, run)
    row = results.row(number["ard_id"])
    subjects = set(results.row_sets.get(row.row_set, ()))
    lineage = lineage_of(platform, run)
    behind = lineage[lineage["subject_id"].isin(subjects) & lineage["variable"].isin(row.variables)]
    files = _files(platform)
    lines = behind.drop_duplicates([*_FILE, "source_line", "line_digest"])
    per_file = lines.groupby(_FILE).size().reset_index(name="lines")
    named = behind[~behind["subject_id"].isin(frozen_subjects(platform, run.lock_id))]
    first = named.sort_values([*_FILE, "source_line", "variable"]).head(sample).to_dict("records")
    return Trace(
        number=number,
        result=next(r for r in run.results["rows"] if r["id"] == row.id),
        variables=row.variables,
        subjects=len(subjects),
        lines=len(lines),
        by_file=tuple(
            _lines_of(*files[one["organisation_id"], one["source_file_sha256"]], int(one["lines"]))
            for one in per_file.to_dict("records")
        ),
        sample=tuple(_named(platform, first, files)),
    )


def _lines_of(file: UploadFile, organisation: Organisation, lines: int) -> FileLines:
    return FileLines(organisation.name_zh, organisation.name_en, file.name, lines)


def _files(platform: Platform) -> Files:
    """The admitted file that first brought each content of each hospital, and the hospital."""
    with platform.records.reading() as session:
        found = session.exec(
            select(UploadFile, Organisation)
            .join(Upload, col(Upload.id) == col(UploadFile.upload_id))
            .join(Organisation, col(Organisation.id) == col(UploadFile.organisation_id))
            .where(UploadFile.duplicate_of == "", Upload.state == UploadState.ADMITTED)
            .order_by(col(Upload.received_at).desc())
        ).all()
    return {(organisation.id, file.sha256): (file, organisation) for file, organisation in found}


def _place(row: dict[Any, Any]) -> tuple[str, str]:
    return str(row["organisation_id"]), str(row["source_file_sha256"])


def _named(platform: Platform, rows: list[dict[Any, Any]], files: Files) -> Iterator[SourceLine]:
    """The lines with their files' names; inside an archive the receipt knows which member it was."""
    behind = {files[_place(row)][0].upload_id for row in rows}
    members = {
        line.digest: line.member
        for upload_id in sorted(behind)
        for line in read_receipt(platform.layout.receipt(upload_id)).lines()
        if line.member
    }
    for row in rows:
        line = _source_line(row, *files[_place(row)])
        member = members.get(line.digest)
        yield replace(line, file=f"{line.file}!{member}") if member else line


def _source_line(row: dict[Any, Any], file: UploadFile, organisation: Organisation) -> SourceLine:
    return SourceLine(
        variable=str(row["variable"]),
        organisation_id=organisation.id,
        organisation_zh=organisation.name_zh,
        organisation_en=organisation.name_en,
        upload_id=file.upload_id,
        file=file.name,
        file_sha256=file.sha256,
        line=int(row["source_line"]),
        digest=str(row["line_digest"]),
    )
