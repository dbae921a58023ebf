"""The faults planted in the demo's files, and what must become of each. All of them are additions.

No fault touches one of the 2,982 patients' own resources, and none lies inside a transaction, so the
study's numbers stay exact while every way of failing is seen once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.demo.patients import DemoPatient
from rwd_platform.demo.resources import MEASURE, Json, observation, quantity

REJECTED = "rejected"
QUARANTINED = "quarantined"
DUPLICATE = "duplicate"
QUALITY = "quality"  # accepted at admission; the quality gate must put it into quarantine

IMPLAUSIBLE_NODES = 999

KINDS: dict[str, tuple[str, Bilingual]] = {
    "broken-json": (REJECTED, Bilingual("一行 JSON 中途断开", "a line of JSON that breaks off")),
    "duplicate-key": (REJECTED, Bilingual("同一对象中 status 出现两次", "`status` twice in one object")),
    "unknown-element": (REJECTED, Bilingual("FHIR R4 没有的元素", "an element that FHIR R4 does not have")),
    "bad-date": (REJECTED, Bilingual("不存在的日期（2 月 30 日）", "a date that does not exist")),
    "missing-element": (REJECTED, Bilingual("缺少必需元素 status", "the required `status` is missing")),
    "unmappable-code": (QUARANTINED, Bilingual("代码表中没有的指标代码", "a measure's code in no code list")),
    "dangling-reference": (QUARANTINED, Bilingual("引用了从未上传的患者", "a patient who was never sent")),
    "implausible-value": (QUALITY, Bilingual("阳性淋巴结数为 999", "999 positive lymph nodes")),
    "patient-sent-twice": (
        DUPLICATE,
        Bilingual("同一患者的同一行出现在另一文件", "a patient's line again in another file"),
    ),
    "file-sent-twice": (DUPLICATE, Bilingual("同一文件换名再次上传", "the same file under another name")),
    "row-impossible-date": (
        REJECTED,
        Bilingual("表格行中不存在的日期（2 月 30 日）", "a table row with a date that does not exist"),
    ),
    "row-unknown-status": (
        REJECTED,
        Bilingual("表格行中未约定的状态词", "a table row with a status word nobody agreed on"),
    ),
}


@dataclass(frozen=True)
class Defect:
    """One planted fault. Lines, rows and entries count from 1; a table's row 1 is its line 2.

    `units` is how many units the fault concerns: all of a file that was sent twice, else one.
    """

    kind: str
    hospital: str
    file: str
    line: int | None = None
    row: int | None = None
    entry: int | None = None
    units: int = 1

    @property
    def expected(self) -> str:
        return KINDS[self.kind][0]

    def as_dict(self) -> dict[str, Any]:
        text = KINDS[self.kind][1]
        return {
            "kind": self.kind,
            "expected": self.expected,
            "hospital": self.hospital,
            "file": self.file,
            "line": self.line,
            "row": self.row,
            "entry": self.entry,
            "units": self.units,
            "zh": text.zh,
            "en": text.en,
        }


def faulty_observation_lines(
    patients: Sequence[DemoPatient], patient_id: Callable[[DemoPatient], str]
) -> list[tuple[str, str]]:
    """(kind, line) of extra Observations about existing patients, one fault each."""
    chosen = iter(patients[10:])

    def extra(number: int) -> tuple[Json, DemoPatient]:
        patient = next(chosen)
        body: Json = {"resourceType": "Observation", "id": f"obs-extra-{number:02d}"}
        content = observation(
            MEASURE, "positive-nodes", patient.surgery_date.isoformat(), quantity(patient.nodes, "{nodes}")
        )
        return {**body, **content, "subject": {"reference": f"Patient/{patient_id(patient)}"}}, patient

    whole = json.dumps(extra(1)[0], ensure_ascii=False)
    twice = json_line(extra(2)[0]).replace('"status":"final"', '"status":"final","status":"amended"', 1)
    missing = extra(5)[0]
    del missing["status"]
    unmappable = extra(6)[0]
    unmappable["code"]["coding"][0]["code"] = "ward-mood-index"
    implausible = {**extra(7)[0], **quantity(IMPLAUSIBLE_NODES, "{nodes}")}
    return [
        ("broken-json", whole[: len(whole) * 3 // 5]),
        ("duplicate-key", twice),
        ("unknown-element", json_line({**extra(3)[0], "wardRemark": "see chart"})),
        ("bad-date", json_line({**extra(4)[0], "effectiveDateTime": "1985-02-30"})),
        ("missing-element", json_line(missing)),
        ("unmappable-code", json_line(unmappable)),
        ("implausible-value", json_line(implausible)),
    ]


def plant_lines(
    lines: list[str], faults: Sequence[tuple[str, str]], hospital: str, file: str
) -> tuple[list[str], list[Defect]]:
    """The lines with the faulty ones spread evenly between them, and where each now stands."""
    spacing = len(lines) // (len(faults) + 1)
    planted: list[str] = []
    defects: list[Defect] = []
    for index, (kind, line) in enumerate(faults):
        planted += lines[index * spacing : (index + 1) * spacing]
        planted.append(line)
        defects.append(Defect(kind, hospital, file, line=len(planted)))
    return planted + lines[len(faults) * spacing :], defects


def plant_row(
    rows: list[dict[str, str]], after: int, changes: dict[str, str], defect: Defect
) -> tuple[list[dict[str, str]], Defect]:
    """The rows with a changed copy of one of them right after it."""
    faulty = {**rows[after], **changes}
    row = after + 2
    return [*rows[: after + 1], faulty, *rows[after + 1 :]], replace(defect, row=row, line=row + 1)


def json_line(resource: Json) -> str:
    """Compact JSON, as hospitals' exporters write it."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":"))
