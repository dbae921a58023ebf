"""The sampled rows with all that is known of them: source lines of each variable, and the platform's values.

Rows are ordinals. Subject ids are used to look values up and go no further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import LINE_DIGEST, SOURCE_FILE, SOURCE_LINE, SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.dataset import INDEX, StudyDataset
from studies.evidence.documents import ordered_lineage, ordinals
from studies.evidence.inputs import Source, Traceable
from studies.evidence.labels import file_labels
from studies.evidence.sample.draw import Candidate, Draw, Drawn, draw, rank_of, seed_of
from studies.evidence.sample.policy import Policy, policy
from studies.evidence.sample.problems import DATASET_DIFFERS
from studies.evidence.sample.variables import Variable, variables_of
from studies.outcome import EVENT
from studies.run import EVERYBODY

Value = str | int | float


@dataclass(frozen=True)
class Line:
    """A line of a source file: the file's label and hash, the line's number from 1, and its digest in the receipt."""

    file: str
    sha256: str
    number: int
    digest: str
    hospital: str


@dataclass(frozen=True)
class SampledRow:
    """
    index  -- the line of the index event: by it the hospital finds the patient
    lines  -- variable -> its source lines, in order; a variable without a line is not there
    values -- variable -> the platform's value: a code of the variable's answers, days, or a number
    """

    drawn: Drawn
    index: Line
    lines: Mapping[str, tuple[Line, ...]]
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Sample:
    """
    rows       -- by hospital and place
    candidates -- ordinal, hospital, event and rank of every row that could be drawn, by ordinal
    unplaced   -- analysed rows whose index line is in no file, or in a file that two hospitals sent: not drawn
    """

    study: str
    protocol_sha256: str
    lock_id: str
    known_until: str
    policy: Policy
    names: Mapping[str, Bilingual]
    variables: tuple[Variable, ...]
    draw: Draw
    rows: tuple[SampledRow, ...]
    candidates: tuple[tuple[Candidate, str], ...]
    unplaced: int

    def of(self, hospital: str) -> tuple[SampledRow, ...]:
        return tuple(row for row in self.rows if row.drawn.hospital == hospital)

    def variable(self, name: str) -> Variable:
        return next(one for one in self.variables if one.name == name)


def sample_of(
    inputs: Traceable, dataset: StudyDataset, *, chosen: Policy | None = None, known_until: str = ""
) -> Sample:
    """The sample of a package, from its inputs before any coarsening and the table that was analysed; or of a run.

    known_until -- YYYY-MM-DD up to which charts are to be read, as the sheets tell the hospitals
    Raises `verification.dataset_differs` where the table is not of these results.
    """
    chosen = chosen or policy()
    places = ordinals(inputs)
    frame = dataset.frame.assign(row=dataset.frame[SUBJECT_ID].astype(str).map(places))
    if set(inputs.results.row_sets.get(EVERYBODY, ())) != set(dataset.frame[SUBJECT_ID].astype(str)):
        raise DATASET_DIFFERS.error()
    lineage = ordered_lineage(inputs)
    files = _files(inputs.sources)
    index = _index_lines(lineage, files)
    events = dict(zip(frame["row"].astype(int), frame[EVENT] == 1, strict=True))
    candidates = [
        Candidate(row, index[row].hospital, bool(event))
        for row, event in sorted(events.items())
        if row in index
    ]
    seed = seed_of(inputs.results.protocol_sha256, inputs.results.lock_id)
    drawn = draw(candidates, seed, chosen)
    variables = variables_of(inputs.protocol, known_until)
    return Sample(
        study=inputs.results.study,
        protocol_sha256=inputs.results.protocol_sha256,
        lock_id=inputs.results.lock_id,
        known_until=known_until,
        policy=chosen,
        names={one.organisation_id: one.name for one in inputs.sources},
        variables=variables,
        draw=drawn,
        rows=_rows(drawn, lineage, files, index, _values(frame, variables, drawn)),
        candidates=tuple((one, rank_of(seed, one.row)) for one in candidates),
        unplaced=len(events) - len(candidates),
    )


def _files(sources: Sequence[Source]) -> dict[str, tuple[str, str]]:
    """SHA-256 -> label and hospital. A file that two hospitals sent is nobody's in particular and is left out."""
    found: dict[str, tuple[str, str]] = {}
    owners: Counter[str] = Counter()
    for source, labels in zip(sources, file_labels(sources), strict=True):
        for file, label in zip(source.files, labels, strict=True):
            known = found.setdefault(file.sha256, (label, source.organisation_id))
            owners[file.sha256] += known[1] != source.organisation_id
    return {sha256: known for sha256, known in found.items() if not owners[sha256]}


def _line(part: tuple[str, int, str], files: Mapping[str, tuple[str, str]]) -> Line:
    label, hospital = files.get(part[0], (part[0][:12], ""))
    return Line(label, part[0], int(part[1]), part[2], hospital)


def _index_lines(lineage: pd.DataFrame, files: Mapping[str, tuple[str, str]]) -> dict[int, Line]:
    """Row -> the first line of its index event, of rows whose file one hospital sent."""
    mine = lineage[(lineage["variable"] == INDEX) & lineage[SOURCE_FILE].isin(list(files))]
    first = mine.drop_duplicates("row")  # ordered_lineage sorts by row, file and line within a variable
    columns = (first["row"], first[SOURCE_FILE], first[SOURCE_LINE], first[LINE_DIGEST])
    return {
        int(row): _line((file, line, digest), files) for row, file, line, digest in zip(*columns, strict=True)
    }


def _values(frame: pd.DataFrame, variables: tuple[Variable, ...], drawn: Draw) -> dict[int, dict[str, Value]]:
    mine = frame[frame["row"].isin([one.row for one in drawn.rows])]
    found: dict[int, dict[str, Value]] = {int(row): {} for row in mine["row"]}
    for variable in variables:
        for row, value in zip(mine["row"], mine[variable.name].tolist(), strict=True):
            found[int(row)][variable.name] = _value(variable, value)
    return found


def _value(variable: Variable, value: object) -> Value:
    if variable.kind == "category":
        return str(value)
    return int(str(value)) if variable.kind == "days" else float(str(value))


def _rows(
    drawn: Draw,
    lineage: pd.DataFrame,
    files: Mapping[str, tuple[str, str]],
    index: Mapping[int, Line],
    values: Mapping[int, Mapping[str, Value]],
) -> tuple[SampledRow, ...]:
    mine = lineage[lineage["row"].isin([one.row for one in drawn.rows])]
    lines: dict[int, dict[str, list[Line]]] = {one.row: {} for one in drawn.rows}
    columns = (mine["row"], mine["variable"], mine[SOURCE_FILE], mine[SOURCE_LINE], mine[LINE_DIGEST])
    for row, variable, file, number, digest in zip(*columns, strict=True):
        lines[int(row)].setdefault(str(variable), []).append(_line((file, number, digest), files))
    return tuple(
        SampledRow(
            one,
            index[one.row],
            {name: tuple(found) for name, found in sorted(lines[one.row].items())},
            values[one.row],
        )
        for one in drawn.rows
    )
