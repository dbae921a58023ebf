"""Heavy ingestion: the judging of an upload spread over a Spark cluster, with the functions of a local admission.

    files ─▶ slices of whole lines ─▶ decode, validate, scrub, flatten on the workers (mapInArrow)
          ─▶ what only the whole upload can tell, decided here from keys and hashes alone
          ─▶ the rows of the units that stay, table by table

A worker gets the lake's pseudonym key of this source and nothing else that is secret; what it gives back holds no
direct identifier. It must see the files at the same paths and have the same release of the platform installed.
The vault and the receipt are not made here: they are admission's, which reads the files once more for that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from ingestion.intake import read_units
from ingestion.views import load_views
from rwd_platform.core import json_text
from rwd_platform.core.accounting import Outcome
from rwd_platform.core.units import Flat, Issue, Place, Unit
from rwd_platform.flows.admission import FileFindings, Judged, ResourceKey, lake_rows, settle
from rwd_platform.flows.judging import LAKE_POLICY, Judge
from rwd_platform.store.engines import spark
from rwd_platform.store.receipts import line_digest

SLICE_BYTES = 16 << 20
_BATCH_UNITS = 2_000
_TASKS_PER_CORE = 2  # a table's rows are read task by task: each of a thousand would cost a job of its own
_GZIP = b"\x1f\x8b"
_UNIT = "unit"  # a table of our own in the account: which units stay

# pyspark and pyarrow come without types here: frames and batches are Any.
Frame = Any


@dataclass(frozen=True, repr=False)
class Source:
    """All that a worker must know of where files come from. `pseudonym_key` is the source's, of one version."""

    organisation_id: str
    source_system: str
    fhir_version: str
    pseudonym_key: bytes
    key_version: int
    suite: str


@dataclass(frozen=True, repr=False)
class SentFile:
    """A file of one resource a line, plain or gzip, where every worker can read it; the key of its line digests."""

    path: Path
    digest_key: bytes


@dataclass(frozen=True)
class Slice:
    """Whole lines of a file: `length` bytes from `start`; the first of them is the file's `first_line`."""

    file: int
    start: int
    length: int
    first_line: int


@dataclass(frozen=True)
class Ingested:
    """What an upload came to. `rows` reads a table's rows from the cluster, as `lake_rows` would give them.

    A float comes back as a Decimal of the same digits; the lake stores either as the same double.

    findings -- each file's units in order and its account; without the rows
    tables   -- the tables that have rows
    """

    findings: tuple[FileFindings, ...]
    tables: tuple[str, ...]
    rows: Callable[[str], Iterator[dict[str, Any]]]


class SourceJudge(Judge):
    """A judge made from what a worker knows. It sees nobody's identity: that is for the vault alone."""

    def __init__(self, source: Source) -> None:
        self.policy = load_policy(LAKE_POLICY)
        self.views = load_views()
        self.pseudonyms = Pseudonymiser(
            source.pseudonym_key, source.source_system, source.key_version, source.suite
        )
        self.see = _unseen
        self.fhir_version = source.fhir_version


def _unseen(_patient: Any, _patient_id: str) -> Any:
    return None


@contextmanager
def ingest(
    session: Any,
    source: Source,
    files: Sequence[SentFile],
    known: Mapping[ResourceKey, str],
    *,
    slice_bytes: int = SLICE_BYTES,
) -> Iterator[Ingested]:
    """Judge files on a cluster (`store.engines.spark.session`), and hold what came of it for the `with` block.

    known -- what the lake already holds from this source: (type, id) -> content hash
    """
    sha256s, slices = zip(
        *(_cut(number, file, slice_bytes) for number, file in enumerate(files)), strict=True
    )
    pieces = [one for of_file in slices for one in of_file]
    judged = _judged(session, source, files, pieces).persist()
    try:
        units = judged.drop("flat").orderBy("file", "first_line", "number").collect()
        findings = tuple(FileFindings(f"{number}", sha256) for number, sha256 in enumerate(sha256s))
        for unit in units:
            findings[unit.file].judged.append(_unit_of(unit))
        settle(findings, known)
        stay = lake_rows(findings, organisation_id=source.organisation_id, source_system=source.source_system)
        about = {row.pop(_UNIT): row for row in stay.get(_UNIT, ())}
        names = sorted({view.name for view in load_views()})

        def rows(table: str) -> Iterator[dict[str, Any]]:
            return iter(stay["resource"]) if table == "resource" else _rows(judged, table, about)

        yield Ingested(tuple(_without_mark(one) for one in findings), ("resource", *names), rows)
    finally:
        judged.unpersist()


def judged_slice(
    judge: Judge, source: Source, file: SentFile, piece: Slice, name: str
) -> Iterator[tuple[int, Judged]]:
    """The units of one slice, numbered within it: pure but for reading the file."""
    for number, unit in enumerate(read_units(name, lambda: _open(file.path, piece))):
        placed = _placed(unit, piece, file.path.name)
        yield number, judge.judge(placed, number, line_digest(file.digest_key, unit.raw))


# -- slices ------------------------------------------------------------------------------------------


def _cut(number: int, file: SentFile, slice_bytes: int) -> tuple[str, list[Slice]]:
    """A file's sha256, and its slices; a gzip cannot be entered in the middle and is one."""
    digest, slices = hashlib.sha256(), []
    start, length, first_line, lines = 0, 0, 1, 0
    with file.path.open("rb") as stream:
        zipped = stream.peek(2)[:2] == _GZIP
        for line in stream:
            digest.update(line)
            length, lines = length + len(line), lines + 1
            if length >= slice_bytes and not zipped:
                slices.append(Slice(number, start, length, first_line))
                start, length, first_line, lines = start + length, 0, first_line + lines, 0
    if length:
        slices.append(Slice(number, start, length, first_line))
    return digest.hexdigest(), slices


def _open(path: Path, piece: Slice) -> BinaryIO:
    if piece.start == 0 and piece.length == path.stat().st_size:
        return path.open("rb")
    with path.open("rb") as stream:
        stream.seek(piece.start)
        return BytesIO(stream.read(piece.length))


def _placed(unit: Unit, piece: Slice, name: str) -> Unit:
    """The unit with its place in the whole file."""
    line = unit.place.line + piece.first_line - 1
    return replace(unit, place=replace(unit.place, file=name, line=line))


# -- on the workers ------------------------------------------------------------------------------------


def _judged(session: Any, source: Source, files: Sequence[SentFile], pieces: Sequence[Slice]) -> Frame:
    """A frame with a row for every unit; `flat` maps a table to its rows as JSON."""
    columns = "file int, start long, length long, first_line long"
    slices = session.createDataFrame([tuple(asdict(one).values()) for one in pieces], columns)
    cores = session.sparkContext.defaultParallelism
    spread = slices.repartition(max(1, min(len(pieces), cores * _TASKS_PER_CORE)))
    return spark.map_batches(spread, _judging(source, tuple(files)), _schema())


def _judging(source: Source, files: tuple[SentFile, ...]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    def judge_batches(batches: Iterator[Any]) -> Iterator[Any]:
        judge = SourceJudge(source)
        for batch in batches:
            for one in batch.to_pylist():
                piece = Slice(**one)
                file = files[piece.file]
                name = "slice.ndjson.gz" if file.path.suffix == ".gz" else "slice.ndjson"
                yield from _batches(piece, judged_slice(judge, source, file, piece, name))

    return judge_batches


def _batches(piece: Slice, judged: Iterable[tuple[int, Judged]]) -> Iterator[Any]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for number, one in judged:
        rows.append(_row_of(piece, number, one))
        if len(rows) == _BATCH_UNITS:
            yield pa.RecordBatch.from_pylist(rows, _schema())
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, _schema())


def _schema() -> Any:
    import pyarrow as pa

    whole = ("file", "first_line", "number", "line", "entry")
    text = ("resource_type", "outcome", "digest", "resource_id", "patient_id", "content_sha256")
    return pa.schema(
        [
            *((name, pa.int64()) for name in whole),
            ("group", pa.string()),
            *((name, pa.string()) for name in text),
            ("issues", pa.string()),
            ("dropped", pa.list_(pa.string())),
            ("flat", pa.map_(pa.string(), pa.string())),
        ]
    )


def _row_of(piece: Slice, number: int, one: Judged) -> dict[str, Any]:
    return {
        "file": piece.file,
        "first_line": piece.first_line,
        "number": number,
        "line": one.place.line,
        "entry": one.place.entry,
        "group": one.group,
        "resource_type": one.resource_type,
        "outcome": one.outcome.value,
        "digest": one.digest,
        "resource_id": one.key[1] if one.key else None,
        "patient_id": one.patient_id,
        "content_sha256": one.content_sha256,
        "issues": json.dumps([asdict(issue) for issue in one.issues], ensure_ascii=False),
        "dropped": list(one.dropped),
        "flat": [(flat.table, json_text.dumps(list(map(dict, flat.rows)))) for flat in one.flat],
    }


# -- back here -------------------------------------------------------------------------------------------


def _unit_of(unit: Any) -> Judged:
    """A unit as the workers judged it; in the place of its rows stands a mark by which they are found again."""
    mark = f"{unit.file} {unit.first_line} {unit.number}"
    return Judged(
        place=Place(file="", line=unit.line, entry=unit.entry),
        group=unit.group,
        number=unit.number,
        resource_type=unit.resource_type,
        outcome=Outcome(unit.outcome),
        issues=tuple(Issue(**issue) for issue in json.loads(unit.issues)),
        digest=unit.digest,
        key=None if unit.resource_id is None else (unit.resource_type, unit.resource_id),
        patient_id=unit.patient_id,
        content_sha256=unit.content_sha256,
        flat=(Flat(_UNIT, ({_UNIT: mark},)),),
        dropped=tuple(unit.dropped),
    )


def _rows(judged: Frame, table: str, about: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A table's rows of the units that stay, with where each comes from."""
    found = judged.selectExpr("file", "first_line", "number", f"flat['{table}'] AS rows").where(
        "rows IS NOT NULL"
    )
    for unit in found.toLocalIterator():
        origin = about.get(f"{unit.file} {unit.first_line} {unit.number}")
        if origin is not None:
            for index, row in enumerate(json_text.loads(unit.rows)):
                yield {**row, **origin, "row_index": index}


def _without_mark(found: FileFindings) -> FileFindings:
    judged = [replace(one, number=number, flat=()) for number, one in enumerate(found.judged)]
    return FileFindings(found.file_id, found.sha256, judged)
