"""What each hospital sends: read back from the bytes, counted against the published data."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.demo.defects import Defect
from rwd_platform.demo.exporter import DemoFiles, HospitalFiles
from rwd_platform.demo.patients import DemoPatient
from rwd_platform.demo.resources import TYPES

BASE = "https://rwd-platform.example/"
Json = dict[str, Any]


def hospital(files: DemoFiles, key: str) -> HospitalFiles:
    return next(one for one in files.hospitals if one.key == key)


def patients_of(files: DemoFiles, key: str) -> list[DemoPatient]:
    return [one for one in files.patients if one.hospital == key]


def ndjson_lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()


def planted_lines(defects: tuple[Defect, ...], file: str) -> set[int | None]:
    return {defect.line for defect in defects if defect.file == file}


@cache
def own_resources_of_a(files: DemoFiles) -> list[Json]:
    """Hospital A's resources without the planted lines."""
    sent = hospital(files, "a")
    found = []
    for resource_type in TYPES:
        name = f"{resource_type}.ndjson.gz"
        skipped = planted_lines(sent.defects, name)
        for number, line in enumerate(ndjson_lines(sent.folder / name), start=1):
            if number not in skipped:
                found.append(json.loads(line))
    return found


def bundles_of_b(files: DemoFiles) -> tuple[list[Json], Json]:
    folder = hospital(files, "b").folder
    with zipfile.ZipFile(folder / "bundles.zip") as archive:
        bundles = [json.loads(archive.read(name)) for name in archive.namelist()]
    return bundles, json.loads((folder / "batch.json").read_bytes())


@cache
def own_resources_of_b(files: DemoFiles) -> list[Json]:
    """Hospital B's resources without the planted entry."""
    bundles, batch = bundles_of_b(files)
    skipped = {defect.entry for defect in hospital(files, "b").defects}
    own = [entry for number, entry in enumerate(batch["entry"], start=1) if number not in skipped]
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]] + [
        entry["resource"] for entry in own
    ]


def table_of_c(files: DemoFiles, name: str) -> list[dict[str, str]]:
    text = (hospital(files, "c").folder / name).read_bytes().decode("gb18030")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def own_rows_of_c(files: DemoFiles, name: str) -> list[dict[str, str]]:
    skipped = {defect.row for defect in hospital(files, "c").defects if defect.file == name}
    return [row for number, row in enumerate(table_of_c(files, name), start=1) if number not in skipped]


def code_of(resource: Json) -> str:
    return str(resource["code"]["coding"][0]["code"])


@pytest.mark.parametrize(("key", "read"), [("a", own_resources_of_a), ("b", own_resources_of_b)])
def test_counts_per_hospital_are_those_of_the_published_data(demo_files: DemoFiles, key: str, read: Any):
    """One Patient, Encounter, Condition and surgery each; a dispense per treated patient; eight
    Observations.
    """
    patients = patients_of(demo_files, key)
    resources = read(demo_files)
    assert Counter(resource["resourceType"] for resource in resources) == {
        "Patient": 994,
        "Encounter": 994,
        "Condition": 994,
        "Procedure": 994 + sum(one.chemo for one in patients),
        "MedicationDispense": sum(one.hormon for one in patients),
        "Observation": 8 * 994,
    }
    values = Counter(
        resource["valueCodeableConcept"]["coding"][0]["code"]
        for resource in resources
        if "valueCodeableConcept" in resource
    )
    assert values["recurrence"] == sum(one.recur for one in patients)
    assert values["dead"] == sum(one.death for one in patients)
    assert values["postmenopausal"] == sum(one.meno for one in patients)
    assert values[">50"] == sum(one.size == ">50" for one in patients)
    nodes = [
        r["valueQuantity"]["value"] for r in resources if r.get("code") and code_of(r) == "positive-nodes"
    ]
    assert sorted(nodes) == sorted(one.nodes for one in patients)


@pytest.mark.parametrize(("key", "read"), [("a", own_resources_of_a), ("b", own_resources_of_b)])
def test_every_resource_is_valid_fhir(demo_files: DemoFiles, key: str, read: Any):
    """Judged by fhir.resources' R4B models, which we did not write: all 24 thousand of them."""
    from fhir.resources.R4B import get_fhir_model_class

    models = {resource_type: get_fhir_model_class(resource_type) for resource_type in TYPES}
    for resource in read(demo_files):
        models[resource["resourceType"]].model_validate(resource)


def test_hospital_a_sends_every_fact_of_every_patient(demo_files: DemoFiles):
    """Read back from the gzip files: each patient's dates and values are those of the data set."""
    by_patient: dict[str, dict[str, Json]] = {}
    for resource in own_resources_of_a(demo_files):
        if resource["resourceType"] == "Patient":
            by_patient.setdefault(f"Patient/{resource['id']}", {})["patient"] = resource
        else:
            kind = resource["resourceType"]
            role = code_of(resource) if "code" in resource else kind
            by_patient.setdefault(resource["subject"]["reference"], {})[role] = resource
    told = {
        (
            own["patient"]["identifier"][0]["value"],
            own["patient"]["birthDate"],
            own["85.4"]["performedDateTime"],
            own["C50.9"]["onsetDateTime"],
            own["menopausal-status"]["valueCodeableConcept"]["coding"][0]["code"],
            own["tumour-size"]["valueCodeableConcept"]["coding"][0]["code"],
            own["tumour-grade"]["valueInteger"],
            own["positive-nodes"]["valueQuantity"]["value"],
            own["progesterone-receptor"]["valueQuantity"]["value"],
            own["oestrogen-receptor"]["valueQuantity"]["value"],
            "99.25" in own,
            own.get("MedicationDispense", {}).get("whenHandedOver"),
            own["recurrence-status"]["valueCodeableConcept"]["coding"][0]["code"],
            own["recurrence-status"]["effectiveDateTime"],
            own["vital-status"]["valueCodeableConcept"]["coding"][0]["code"],
            own["vital-status"]["effectiveDateTime"],
        )
        for own in by_patient.values()
    }
    assert told == {facts(one) for one in patients_of(demo_files, "a")}


def facts(one: DemoPatient) -> tuple[Any, ...]:
    day_0 = one.surgery_date
    return (
        one.identity.resident_id,
        str(one.birth_date),
        str(day_0),
        str(one.diagnosis_date),
        "postmenopausal" if one.meno else "premenopausal",
        one.size,
        one.grade,
        one.nodes,
        one.pgr,
        one.er,
        bool(one.chemo),
        str(day_0) if one.hormon else None,
        "recurrence" if one.recur else "no-recurrence",
        str(day_0 + timedelta(days=one.rtime)),
        "dead" if one.death else "alive",
        str(day_0 + timedelta(days=one.dtime)),
    )


def test_hospital_b_sends_one_transaction_per_patient_and_a_batch(demo_files: DemoFiles):
    """A transaction is whole in itself: everything it points at is in it. Follow-up of every third
    comes later.
    """
    bundles, batch = bundles_of_b(demo_files)
    assert len(bundles) == 994
    known: set[str] = set()
    for bundle in bundles:
        assert bundle["type"] == "transaction"
        full_urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(set(full_urls)) == len(full_urls)
        assert all(url.startswith("urn:uuid:") for url in full_urls)
        assert [entry["request"]["method"] for entry in bundle["entry"]] == ["PUT"] + ["POST"] * (
            len(full_urls) - 1
        )
        for entry in bundle["entry"]:
            for element in ("subject", "encounter"):
                if element in entry["resource"]:
                    assert entry["resource"][element]["reference"] in full_urls
        known.add(f"Patient/{bundle['entry'][0]['resource']['id']}")
    assert batch["type"] == "batch"
    assert len(batch["entry"]) == 2 * (994 // 3) + 1
    strangers = [e for e in batch["entry"] if e["resource"]["subject"]["reference"] not in known]
    assert len(strangers) == 1  # the planted dangling reference


def test_hospital_c_sends_tables_that_say_the_same(demo_files: DemoFiles):
    """GB18030, Chinese headers and words; every recorded fact stands in a cell."""
    treated = {row["病案号"]: row["发药日期"] for row in own_rows_of_c(demo_files, "用药.csv")}
    follow_up = {row["病案号"]: row for row in own_rows_of_c(demo_files, "随访.csv")}
    told = set()
    for row in own_rows_of_c(demo_files, "病案首页.csv"):
        later = follow_up[row["病案号"]]
        told.add(
            (
                row["身份证号"],
                row["出生日期"],
                row["手术日期"],
                row["确诊日期"],
                {"绝经后": "postmenopausal", "绝经前": "premenopausal"}[row["绝经状态"]],
                {"≤20mm": "<=20", "20-50mm": "20-50", ">50mm": ">50"}[row["肿瘤大小"]],
                int(row["组织学分级"]),
                int(row["阳性淋巴结数"]),
                int(row["孕激素受体"]),
                int(row["雌激素受体"]),
                {"是": True, "否": False}[row["化疗"]],
                treated.get(row["病案号"]),
                {"复发": "recurrence", "未复发": "no-recurrence"}[later["复发状态"]],
                later["复发或末次检查日期"],
                {"死亡": "dead", "存活": "alive"}[later["生存状态"]],
                later["死亡或末次联系日期"],
            )
        )
        assert date.fromisoformat(row["出院日期"]) - date.fromisoformat(row["入院日期"]) == timedelta(days=7)
        assert (row["性别"], row["主要诊断编码"], row["手术编码"]) == ("女", "C50.9", "85.4")
    assert told == {facts(one) for one in patients_of(demo_files, "c")}


def test_hospital_cs_headers_are_those_the_mapping_relies_on(demo_files: DemoFiles):
    """The mapping `demo-hospital-c` names these columns."""
    heads = {
        path.name: path.read_bytes().decode("gb18030").splitlines()[0]
        for path in hospital(demo_files, "c").files
    }
    assert heads == {
        "病案首页.csv": "病案号,姓名,身份证号,性别,出生日期,联系电话,现住址,入院日期,出院日期,确诊日期,主要诊断编码,"
        "手术日期,手术编码,化疗,绝经状态,肿瘤大小,组织学分级,阳性淋巴结数,孕激素受体,雌激素受体",
        "用药.csv": "病案号,处方号,药品代码,药品名称,发药日期",
        "随访.csv": "病案号,复发状态,复发或末次检查日期,生存状态,死亡或末次联系日期",
    }


def test_the_identifiers_are_really_in_the_files(demo_files: DemoFiles):
    """The de-identifier has something to remove: names also in free text and in a reference's display."""
    condition, encounter, patient = (
        next(r for r in own_resources_of_a(demo_files) if r["resourceType"] == kind)
        for kind in ("Condition", "Encounter", "Patient")
    )
    who = patients_of(demo_files, "a")[0].identity
    assert who.name in condition["note"][0]["text"]
    assert encounter["subject"]["display"] == who.name
    text = json.dumps(patient, ensure_ascii=False)
    assert all(
        one in text for one in (who.name, who.resident_id, who.mobile, who.street, who.inpatient_number)
    )
