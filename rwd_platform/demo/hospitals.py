"""Three hospitals, three ways of sending the same facts.

Hospital A sends FHIR NDJSON, one gzip file per resource type. Hospital B sends one transaction Bundle per
patient in a zip, and the follow-up of every third patient in one batch Bundle. Hospital C has no FHIR: it
sends three tables in GB18030 with Chinese headers, as its record room prints them.

Each writer returns the files' bytes by name, in the order of sending, the planted faults, and the account
that admission must arrive at.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rwd_platform.core.accounting import Accounting
from rwd_platform.demo.defects import (
    DUPLICATE,
    QUALITY,
    QUARANTINED,
    REJECTED,
    Defect,
    faulty_observation_lines,
    json_line,
    plant_lines,
    plant_row,
)
from rwd_platform.demo.patients import DemoPatient
from rwd_platform.demo.resources import OUTCOME_ROLES, STAY, TYPES, Json, resources

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_BATCH_EVERY = 3

COVER_HEADERS = (
    *("病案号", "姓名", "身份证号", "性别", "出生日期", "联系电话", "现住址"),
    *("入院日期", "出院日期", "确诊日期", "主要诊断编码", "手术日期", "手术编码", "化疗"),
    *("绝经状态", "肿瘤大小", "组织学分级", "阳性淋巴结数", "孕激素受体", "雌激素受体"),
)
DRUG_HEADERS = ("病案号", "处方号", "药品代码", "药品名称", "发药日期")
FOLLOW_UP_HEADERS = ("病案号", "复发状态", "复发或末次检查日期", "生存状态", "死亡或末次联系日期")
_SIZES = {"<=20": "≤20mm", "20-50": "20-50mm", ">50": ">50mm"}


@dataclass(frozen=True)
class Sent:
    """What one hospital sends: file contents by name in sending order, faults, and the expected account."""

    files: dict[str, bytes]
    defects: tuple[Defect, ...]
    expected: Accounting


class _Numbered:
    """Hospital A: `vital-status-0007`."""

    def __init__(self, patient: DemoPatient) -> None:
        self._number = patient.number

    def id(self, role: str) -> str:
        return f"{role}-{self._number:04d}"

    def reference(self, resource_type: str, role: str) -> str:
        return f"{resource_type}/{self.id(role)}"


class _Uuids:
    """Hospital B: a UUID for everything; inside a Bundle resources point at each other by `urn:uuid:`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._ids: dict[str, str] = {}

    def id(self, role: str) -> str:
        if role not in self._ids:
            self._ids[role] = str(UUID(int=self._chance.getrandbits(128), version=4))
        return self._ids[role]

    def reference(self, resource_type: str, role: str) -> str:
        return f"urn:uuid:{self.id(role)}"


def hospital_a(patients: Sequence[DemoPatient]) -> Sent:
    """NDJSON, one gzip file per resource type."""
    lines: dict[str, list[str]] = {resource_type: [] for resource_type in TYPES}
    for patient in patients:
        for _role, resource in resources(patient, _Numbered(patient)):
            lines[resource["resourceType"]].append(json_line(resource))
    whole = sum(len(of_type) for of_type in lines.values())
    faults = faulty_observation_lines(patients, lambda patient: _Numbered(patient).id("patient"))
    lines["Observation"], defects = plant_lines(lines["Observation"], faults, "a", "Observation.ndjson.gz")
    files = {f"{resource_type}.ndjson.gz": _gzip(of_type) for resource_type, of_type in lines.items()}

    files["Patient-resent.ndjson.gz"] = _gzip([lines["Patient"][4]])
    defects.append(Defect("patient-sent-twice", "a", "Patient-resent.ndjson.gz", line=1))
    files["MedicationDispense-resent.ndjson.gz"] = files["MedicationDispense.ndjson.gz"]
    again = len(lines["MedicationDispense"])
    defects.append(Defect("file-sent-twice", "a", "MedicationDispense-resent.ndjson.gz", units=again))
    return Sent(files, tuple(defects), _expected(whole, defects))


def hospital_b(patients: Sequence[DemoPatient], seed: int) -> Sent:
    """A transaction Bundle per patient, zipped, and a batch Bundle with later follow-up."""
    chance = random.Random(f"rwd demo uuids {seed}")  # noqa: S311  # must be repeatable; no secret
    members: dict[str, bytes] = {}
    batch: list[Json] = []
    whole = 0
    for patient in patients:
        naming = _Uuids(chance)
        entries: list[Json] = []
        for role, resource in resources(patient, naming):
            whole += 1
            if role in OUTCOME_ROLES and patient.number % _BATCH_EVERY == 0:
                resource["subject"] = {"reference": f"Patient/{naming.id('patient')}"}
                batch.append(_entry(resource, "PUT"))
            else:
                entries.append(_entry(resource, "PUT" if role == "patient" else "POST"))
        members[f"patient-{patient.number:04d}.json"] = _bundle("transaction", entries)

    stranger = json.loads(json.dumps(batch[0]["resource"]))  # a copy that shares nothing
    stranger["subject"] = {"reference": f"Patient/{_Uuids(chance).id('patient')}"}
    stranger["id"] = _Uuids(chance).id("stranger")
    middle = len(batch) // 2
    batch.insert(middle, _entry(stranger, "PUT"))
    defects = (Defect("dangling-reference", "b", "batch.json", line=middle + 2, entry=middle + 1),)
    files = {"bundles.zip": _zip(members), "batch.json": _bundle("batch", batch)}
    return Sent(files, defects, _expected(whole, defects))


def hospital_c(patients: Sequence[DemoPatient]) -> Sent:
    """Three tables in GB18030. A row stands for several resources; a faulty row is one unit."""
    covers = [_cover_row(patient) for patient in patients]
    drugs = [_drug_row(patient) for patient in patients if patient.hormon]
    follow_ups = [_follow_up_row(patient) for patient in patients]
    drugs, bad_date = plant_row(
        drugs,
        len(drugs) // 2,
        {"处方号": "RX9999", "发药日期": "1985-02-30"},
        Defect("row-impossible-date", "c", "用药.csv"),
    )
    follow_ups, bad_status = plant_row(
        follow_ups, len(follow_ups) // 3, {"生存状态": "不详"}, Defect("row-unknown-status", "c", "随访.csv")
    )
    files = {
        "病案首页.csv": _table(COVER_HEADERS, covers),
        "用药.csv": _table(DRUG_HEADERS, drugs),
        "随访.csv": _table(FOLLOW_UP_HEADERS, follow_ups),
    }
    whole = sum(1 for patient in patients for _ in resources(patient, _Numbered(patient)))
    defects = (bad_date, bad_status)
    return Sent(files, defects, _expected(whole, defects))


def _expected(whole: int, defects: Sequence[Defect]) -> Accounting:
    """What admission must count: the patients' own resources are accepted, each fault as it says."""
    units = dict.fromkeys((REJECTED, QUARANTINED, DUPLICATE, QUALITY), 0)
    for defect in defects:
        units[defect.expected] += defect.units
    return Accounting(
        accepted=whole + units[QUALITY],
        rejected=units[REJECTED],
        quarantined=units[QUARANTINED],
        duplicate=units[DUPLICATE],
    )


def _entry(resource: Json, method: str) -> Json:
    kind = resource["resourceType"]
    url = f"{kind}/{resource['id']}" if method == "PUT" else kind
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": method, "url": url},
    }


def _bundle(kind: str, entries: Sequence[Json]) -> bytes:
    """A Bundle with one entry a line, so that a line number finds it."""
    head = f'{{"resourceType":"Bundle","type":"{kind}","entry":['
    return "\n".join([head, ",\n".join(json_line(entry) for entry in entries), "]}", ""]).encode()


def _cover_row(patient: DemoPatient) -> dict[str, str]:
    who = patient.identity
    surgery = patient.surgery_date
    values = (
        who.inpatient_number, who.name, who.resident_id, "女", patient.birth_date.isoformat(), who.mobile,
        who.address, surgery.isoformat(), (surgery + STAY).isoformat(), patient.diagnosis_date.isoformat(),
        "C50.9", surgery.isoformat(), "85.4", "是" if patient.chemo else "否",
        "绝经后" if patient.meno else "绝经前", _SIZES[patient.size], str(patient.grade), str(patient.nodes),
        str(patient.pgr), str(patient.er),
    )  # fmt: skip
    return dict(zip(COVER_HEADERS, values, strict=True))


def _drug_row(patient: DemoPatient) -> dict[str, str]:
    who = patient.identity.inpatient_number
    values = (who, f"RX{patient.number:04d}", "DEMO-A", "演示药 A", patient.surgery_date.isoformat())
    return dict(zip(DRUG_HEADERS, values, strict=True))


def _follow_up_row(patient: DemoPatient) -> dict[str, str]:
    values = (
        patient.identity.inpatient_number,
        "复发" if patient.recur else "未复发",
        patient.last_check_date.isoformat(),
        "死亡" if patient.death else "存活",
        patient.last_contact_date.isoformat(),
    )
    return dict(zip(FOLLOW_UP_HEADERS, values, strict=True))


def _table(headers: Sequence[str], rows: Sequence[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, headers, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("gb18030")


def _gzip(lines: Sequence[str]) -> bytes:
    return gzip.compress("".join(line + "\n" for line in lines).encode(), mtime=0)


def _zip(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            place = zipfile.ZipInfo(name, _EPOCH)
            place.compress_type = zipfile.ZIP_DEFLATED
            place.external_attr = 0o644 << 16
            place.create_system = 3  # not the machine's own: the same bytes everywhere
            archive.writestr(place, member)
    return content.getvalue()
