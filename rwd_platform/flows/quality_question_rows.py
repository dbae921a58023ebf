"""Where the failing rows of a question came from: file and line of the hospital's own uploads.

Only keys and provenance are read; no value of a row is kept. The hospital looks the line up in the file that it
sent; everybody else is told how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlmodel import col, func, select

from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.core import columns as core
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_questions import KIND, limits
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients, without_frozen
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import QualityQuestion, QualityQuestionRow, Upload, UploadFile
from rwd_platform.store.receipts import ReceiptLine, read_receipt

if TYPE_CHECKING:
    import pandas as pd


def find_rows(platform: Platform, actor: Actor, question_id: str) -> int:
    """Keep the places of the question's rows as the lake is now; how many rows there are in all.

    What an earlier search had found is replaced. Done twice it leaves the same rows.
    """
    question = platform.records.get(QualityQuestion, question_id)
    places = _failing_places(platform, question)
    kept = list(_named(platform, question, places.head(limits().most_rows)))
    act = Act(
        actor,
        "question.rows_found",
        Object(KIND, question_id),
        decision={"rows": len(places), "listed": len(kept)},
    )
    with platform.records.transaction(audit=act) as session:
        current = session.get_one(QualityQuestion, question_id)
        older = select(QualityQuestionRow).where(QualityQuestionRow.question_id == question_id)
        for row in session.exec(older):
            session.delete(row)
        session.flush()
        current.rows_total, current.rows_at = len(places), as_text(platform.clock())
        session.add(current)
        session.add_all(kept)
    return len(places)


def rows_of(
    platform: Platform, actor: Actor, question_id: str, page: int = 1
) -> tuple[list[tuple[QualityQuestionRow, str]], int]:
    """A page of places with the name of the file, and how many are listed: for the hospital that is asked alone."""
    get_visible(platform.records, actor, Action.QUESTION_ANSWER, QualityQuestion, question_id)
    size = limits().page_rows
    with platform.records.reading() as session:
        query = select(QualityQuestionRow).where(QualityQuestionRow.question_id == question_id)
        listed = session.exec(select(func.count()).select_from(query.subquery())).one()
        found = session.exec(
            query.order_by(col(QualityQuestionRow.place)).offset((page - 1) * size).limit(size)
        ).all()
        names = {
            (file.upload_id, file.sha256): file.name
            for file in session.exec(
                select(UploadFile).where(col(UploadFile.upload_id).in_({row.upload_id for row in found}))
            )
        }
    return [(row, names.get((row.upload_id, row.file_sha256), "")) for row in found], listed


def _failing_places(platform: Platform, question: QualityQuestion) -> pd.DataFrame:
    """One row for each failing row: resource type, file, line and digest, in the order of files and lines."""
    from ingestion.derived import derive
    from quality.failing_rows import failing_rows
    from quality.suite import load_suites
    from rwd_platform.flows.check_quality import surroundings
    from rwd_platform.store.admission_guard import steady_lake
    from rwd_platform.store.lake import LEDGER

    suites = load_suites()
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        there = lake.tables()
        tables = {name: lake.read(name) for name in there if name in suites}
        frozen = frozen_patients(platform)
        resources = lake.read(LEDGER, [*core.MERGE_KEY[:4], core.PATIENT_ID]) if frozen else None
        judged = {**tables, "observation_period": derive("observation_period", tables)}
    around = surroundings(platform)
    keys = failing_rows(judged, suites, question.rule, question.organisation_id, around)
    place = [*core.MERGE_KEY, *core.PROVENANCE]
    if question.table_name not in tables:
        return keys.reindex(columns=place)
    merge_key = list(core.MERGE_KEY)
    wanted = keys[merge_key].astype({core.ROW_INDEX: "int64"})
    # The rule has looked at everybody; nobody is led to the rows of a patient who withdrew or is held.
    shown, _ = without_frozen({question.table_name: tables[question.table_name]}, frozen, resources)
    found = shown[question.table_name][place].astype({core.ROW_INDEX: "int64"})
    joined = wanted.merge(found, on=merge_key, how="inner", validate="one_to_one")
    return joined.sort_values([core.SOURCE_FILE, core.SOURCE_LINE, *merge_key], ignore_index=True)


def _named(
    platform: Platform, question: QualityQuestion, places: pd.DataFrame
) -> Iterator[QualityQuestionRow]:
    uploads = _uploads_of(platform, question.organisation_id, set(places[core.SOURCE_FILE]))
    digests = set(places[core.LINE_DIGEST])
    lines = {one.digest: one for one in _receipt_lines(platform, set(uploads.values()), digests)}
    for number, row in enumerate(places.to_dict("records")):
        yield _row(question, number, row, uploads, lines.get(str(row[core.LINE_DIGEST])))


def _row(
    question: QualityQuestion,
    number: int,
    row: Mapping[Any, Any],
    uploads: Mapping[str, str],
    line: ReceiptLine | None,
) -> QualityQuestionRow:
    file = str(row[core.SOURCE_FILE])
    return QualityQuestionRow(
        question_id=question.id,
        place=number,
        organisation_id=question.organisation_id,
        upload_id=uploads.get(file, ""),
        resource_type=str(row[core.RESOURCE_TYPE]),
        file_sha256=file,
        line=int(row[core.SOURCE_LINE]),
        member=line.member if line else "",
        entry=line.entry if line else None,
        row=line.row if line else None,
    )


def _uploads_of(platform: Platform, organisation_id: str, files: set[str]) -> dict[str, str]:
    """file_sha256 -> the admitted upload of the hospital that first brought these bytes."""
    with platform.records.reading() as session:
        found = session.exec(
            select(UploadFile.sha256, UploadFile.upload_id)
            .join(Upload, col(Upload.id) == col(UploadFile.upload_id))
            .where(
                UploadFile.organisation_id == organisation_id,
                UploadFile.duplicate_of == "",
                Upload.state == UploadState.ADMITTED,
                col(UploadFile.sha256).in_(files),
            )
            .order_by(col(Upload.received_at).desc())
        ).all()
    return dict(found)


def _receipt_lines(platform: Platform, uploads: set[str], digests: set[str]) -> Iterator[ReceiptLine]:
    for upload_id in sorted(uploads):
        for line in read_receipt(platform.layout.receipt(upload_id)).lines():
            if line.digest in digests:
                yield line
