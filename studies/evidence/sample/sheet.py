"""The sheet that one hospital fills in from its charts: a line for each sampled row and variable.

The platform's value is not on it: the chart is read blind. Neither is anything that would tell the value - how many
source lines there are, why the row was drawn, in which order - so for the arm, the outcome and records that are there
or not, the sheet names the line of the index event alone. There is no cell for free text, where names would end up.
CSV alone is made: what a spreadsheet program would add to a workbook of its own (authors, hidden sheets) stays away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.core.text import Bilingual
from studies.evidence.documents import csv_bytes
from studies.evidence.sample.problems import HOSPITAL_UNKNOWN
from studies.evidence.sample.trace import Line, Sample, SampledRow
from studies.evidence.sample.variables import Variable
from studies.evidence.submission.dictionary import inert

YES, NO = "yes", "no"
AGREE_WORDS = {YES: Bilingual("是", "yes"), NO: Bilingual("否", "no")}
TRANSCRIPTION, UNIT, CODING, NOT_FOUND, NOT_RECORDED, OTHER = WHY = (
    "transcription",
    "unit",
    "coding",
    "chart_not_found",
    "not_recorded",
    "other",
)
WHY_WORDS = {
    TRANSCRIPTION: Bilingual("转录错误", "transcription"),
    UNIT: Bilingual("单位", "unit"),
    CODING: Bilingual("编码", "coding"),
    NOT_FOUND: Bilingual("未找到病历", "chart not found"),
    NOT_RECORDED: Bilingual("病历未记载", "not recorded"),
    OTHER: Bilingual("其他", "other"),
}


def _allowed(title: Bilingual, words: Mapping[str, Bilingual]) -> str:
    """A column's name with the answers that it takes: the sheet explains itself wherever it is opened."""
    zh, en = "、".join(one.zh for one in words.values()), ", ".join(one.en for one in words.values())
    return f"{title.zh}（{zh}） / {title.en} ({en})"


SHEET, PLACE, FILE, SHA256, LINE, DIGEST, VARIABLE, TITLE, HOW, IN_CHART, AGREES, WHY_NOT, CHECK = COLUMNS = (
    "核查表 / sheet",
    "序号 / place",
    "来源文件 / source file",
    "来源文件 SHA-256 / source file SHA-256",
    "行号 / line",
    "行摘要 / line digest",
    "变量 / variable",
    "变量名称 / title",
    "填写方法 / how to answer",
    "病历中的值 / in chart",
    _allowed(Bilingual("是否一致", "agrees"), AGREE_WORDS),
    _allowed(Bilingual("原因", "why not"), WHY_WORDS),
    # Last, so that no line ends in empty cells: spreadsheets drop those, and a line that was cut off shows.
    "校验 / check",
)
# HOW is for reading alone: a wording that a later version changed spoils no sheet.
FIXED = (SHEET, PLACE, FILE, SHA256, LINE, DIGEST, VARIABLE, TITLE, CHECK)


@dataclass(frozen=True)
class SheetLine:
    """What stands on the sheet before anybody filled it in, by column, and which item it is."""

    row: SampledRow
    variable: Variable
    cells: dict[str, str]

    @property
    def key(self) -> tuple[int, str]:
        return self.row.drawn.place, self.variable.name


def sheet(sample: Sample, hospital: str) -> bytes:
    """CSV with a byte-order mark. Raises `verification.hospital_unknown`."""
    rows = [[line.cells[column] for column in COLUMNS] for line in sheet_lines(sample, hospital)]
    return csv_bytes([COLUMNS, *rows])


def sheets(sample: Sample) -> dict[str, bytes]:
    """The sheet of every hospital that has a row in the sample, by organisation id."""
    return {one.hospital: sheet(sample, one.hospital) for one in sample.draw.hospitals}


def sheet_id(sample: Sample, hospital: str) -> str:
    """The same for the same items of the same lock. It begins with letters: a spreadsheet takes it for no number."""
    items = [[row.drawn.place, row.drawn.row, row.index.digest] for row in sample.of(hospital)]
    names = [one.name for one in sample.variables]
    told = [sample.protocol_sha256, sample.lock_id, hospital, sample.known_until, names, items]
    return f"SV-{sha256_of(told)[:20]}"


def sheet_lines(sample: Sample, hospital: str) -> tuple[SheetLine, ...]:
    """All lines of the sheet in order. Raises `verification.hospital_unknown`."""
    rows = sample.of(hospital)
    if not rows:
        raise HOSPITAL_UNKNOWN.error(hospital=hospital)
    id = sheet_id(sample, hospital)
    return tuple(_lines(sample, rows, id))


def is_asked(row: SampledRow, variable: Variable) -> bool:
    """A value that came in another hospital's file cannot be looked up in this one's chart."""
    return not variable.own_line or bool(_own(row, variable))


def _own(row: SampledRow, variable: Variable) -> tuple[Line, ...]:
    """The variable's lines in this hospital's files."""
    return tuple(one for one in row.lines.get(variable.name, ()) if one.hospital == row.drawn.hospital)


def _lines(sample: Sample, rows: Sequence[SampledRow], id: str) -> Iterator[SheetLine]:
    for row in rows:
        for variable in sample.variables:
            if is_asked(row, variable):
                yield SheetLine(row, variable, _cells(row, variable, id))


def _cells(row: SampledRow, variable: Variable, id: str) -> dict[str, str]:
    line = _shown(row, variable)
    identity = [
        id,
        str(row.drawn.place),
        line.file,
        line.sha256,
        str(line.number),
        line.digest,
        variable.name,
    ]
    how = f"{variable.how.zh} / {variable.how.en}"
    shown = [*identity, inert(f"{variable.title.zh} / {variable.title.en}"), inert(how)]
    return dict(zip(COLUMNS, [*shown, "", "", "", _check(identity)], strict=True))


def _shown(row: SampledRow, variable: Variable) -> Line:
    return _own(row, variable)[0] if variable.own_line else row.index


def _check(identity: Sequence[str]) -> str:
    """Finds slips, not forgers: it is made of what stands on the line, and of nothing else."""
    return f"c-{sha256_hex(chr(31).join(identity).encode())[:10]}"
