"""A small study whose patients have notes: two hospitals, invented people, and in the notes what identifies them.

何首乌 is a patient's name and a herb. 苏木兰 is a patient at both hospitals. A third has no name on record, a fourth
has no note, and 程远志 was never operated on, so is in no lock.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from deidentify.identifiers_cn import check_digit
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.people import register_organisations
from rwd_platform.demo.resources import resources
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import DataLockRecord, QualityRun, Study
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import CLERK_B, RESEARCHER, Json, grade, ndjson, patient, sent
from tests.flows.test_study import PROTOCOL, Naming

OFFICER = Actor("officer", "privacy", "org-operator")
ALLOWED = f"{PROTOCOL}\nlock:\n  free_text: true\n"
RESIDENT_ID = "https://rwd-platform.example/sid/resident-id"
INPATIENT_NUMBER = "https://rwd-platform.example/sid/inpatient-number"


def resident_id(first_17: str) -> str:
    return first_17 + check_digit(first_17)


HE_ID, SU_ID = resident_id("46002519500203122"), resident_id("46900219500203122")
HE_NOTE = (
    f"患者何首乌，女，身份证{HE_ID}，1990年5月6日入院，住院号ZY30567971，电话138 7654 3210。"
    "其女何琼英（13911112222）陪同。主治欧阳岭南查房：每日何首乌12g水煎服，术后第3天体温36.5℃。"
)
HE_CONCLUSION = "欧阳医生阅片：左乳结节，与1990-04-30前片相仿。"
SU_NOTE = "苏木兰1991年1月20日手术，家住海南省琼海市博鳌镇朝阳路8号。"
SU_NOTE_B = "苏木兰于本院随访，2000年3月1日复查，经治林知夏。"
PLAIN_NOTE = "无特殊，继续观察。"
NAMELESS_NOTE = "患者一般情况可，无不适。"
OUTSIDER_NOTE = "程远志门诊咨询，未手术。"
# Whatever of these stands outside the identified zone has leaked. 何首乌 alone may: it is a herb.
PLANTED = (
    "患者何首乌", "何琼英", "琼英", "欧阳", "岭南", "苏木兰", "木兰", "林知夏", "程远志",
    "13876543210", "138 7654 3210", "13911112222", "ZY30567971", HE_ID, SU_ID, "朝阳路", "博鳌镇",
    "1990年5月6日", "1990-04-30", "1991年1月20日", "2000年3月1日",
)  # fmt: skip


def person(id: str, name: str, number: str = "", phone: str = "") -> Json:
    more: Json = {"name": [{"text": name}]} if name else {}
    if number:
        more["identifier"] = [{"system": RESIDENT_ID, "value": number}]
    if phone:
        more["telecom"] = [{"system": "phone", "value": phone}]
    return patient(id, **more)


def operated(number: int) -> dict[str, Json]:
    """What the demo's hospital sends of one patient, without the Patient and without its own notes; by role."""
    sent_by_demo = [
        json.loads(json.dumps(one)) for _, one in resources(demo_patients(1)[number], Naming(number))
    ]
    kept = {one["id"].split(".")[0]: one for one in sent_by_demo if one["resourceType"] != "Patient"}
    for one in kept.values():
        one.pop("note", None)
        one["subject"].pop("display", None)
    return kept


def hospital_a() -> bytes:
    he, su, nameless, quiet = (operated(number) for number in range(4))
    he["tumour-grade"] |= {
        "note": [{"text": HE_NOTE, "authorString": "欧阳岭南"}, {"text": PLAIN_NOTE}],
        "performer": [{"reference": "Practitioner/d1", "display": "欧阳岭南"}],
    }
    su["surgery"]["note"] = [{"text": SU_NOTE}]
    nameless["tumour-grade"]["note"] = [{"text": NAMELESS_NOTE}]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report.0",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24604-1"}]},
        "subject": {"reference": "Patient/patient.0"},
        "conclusion": HE_CONCLUSION,
    }
    daughter = {**person("r1", "何琼英", phone="13911112222"), "resourceType": "RelatedPerson"}
    daughter["patient"] = {"reference": "Patient/patient.0"}
    return ndjson(
        person("patient.0", "何首乌", HE_ID, "13876543210"),
        person("patient.1", "苏木兰", SU_ID),
        person("patient.2", ""),
        person("patient.3", "方静好"),
        person("outside", "程远志"),
        *(one for who in (he, su, nameless, quiet) for one in who.values()),
        report,
        daughter,
        {"resourceType": "Practitioner", "id": "d1", "name": [{"text": "欧阳岭南"}]},
        grade("g-outside", "outside", note=[{"text": OUTSIDER_NOTE}]),
        {**grade("malformed", "patient.0", note=[{"text": "这条记录不合规。"}]), "status": 7},
        grade("genetic", "patient.0", note=[{"text": "基因检测：EGFR L858R突变。"}]),
    )


def hospital_b() -> bytes:
    """苏木兰 again: the same resident id, another chart, and a doctor whom only this hospital knows."""
    return ndjson(
        person("b1", "苏木兰", SU_ID),
        grade("b-grade", "b1", effectiveDateTime="2000-03-01", note=[{"text": SU_NOTE_B}]),
        {"resourceType": "Practitioner", "id": "d9", "name": [{"text": "林知夏"}]},
    )


def deployment(template: Path, folder: Path, clock: StandingClock) -> Platform:
    home = folder / "home"
    home.mkdir()
    shutil.copyfile(template, home / "records.db")
    opened = open_platform(Settings(home=home, demo=True), clock)
    register_organisations(opened)
    return opened


def lock_study(platform: Platform, protocol: str = ALLOWED) -> tuple[Study, DataLockRecord]:
    id = pass_quality(platform, OFFICER)
    seen = platform.records.get(QualityRun, id)
    seen.report = {**seen.report, "scorecard": {"hospitals": []}, "tables": []}  # what the home page reads
    platform.records.write(seen, audit=Act(OFFICER, "quality.checked", Object("quality", id)))
    study = register_study(platform, RESEARCHER, protocol)
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    return study, lock_data(platform, RESEARCHER, study.id)


def both_hospitals(platform: Platform) -> None:
    sent(platform, {"a.ndjson": hospital_a()})
    sent(platform, {"b.ndjson": hospital_b()}, CLERK_B)


def copy_of(platform: Platform, folder: Path, clock: StandingClock) -> Platform:
    """The same deployment in another folder, to be changed at will."""
    with platform.records.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(platform.layout.home, folder / "home")
    return open_platform(Settings(home=folder / "home", demo=True), clock)
