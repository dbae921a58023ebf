"""A cohort of device uses, which the store derives and does not keep: found at the lock, and read again from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.core.columns import LINE_DIGEST, SOURCE_FILE, SOURCE_LINE
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import (
    dataset_of,
    freeze_protocol,
    lineage_of,
    lock_data,
    register_study,
    run_study,
)
from rwd_platform.records.tables import Study
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import RESEARCHER, ndjson, sent
from tests.flows.test_study import PROTOCOL, thirty_patients

PRODUCT = "https://rwd-platform.example/CodeSystem/licensed-product"
WITH_DEVICE = 20
COHORT = """cohort:
  language: 2
  source: {zh: 一家医院的记录, en: Records of one hospital}
  entry:
    title: {zh: 首次植入该器械, en: First implant of the device}
    pick: first
    events:
      - table: device_use
        codes: {system: "https://rwd-platform.example/CodeSystem/licensed-product", any_of: [%s]}
        where: {action: implanted}
  require:
    - id: gender
      reason: {zh: 非女性或性别未记录, en: "Not female, or gender not recorded"}
      patient: {gender: female}

"""


def operated_with_a_device() -> bytes:
    """The thirty patients; in the operation of twenty a device goes in, and comes out of the first a month later."""
    units: list[dict[str, Any]] = [json.loads(line) for line in thirty_patients().splitlines()]
    devices: list[dict[str, Any]] = []
    for one in units:
        role, _, number = str(one["id"]).partition(".")
        if role == "surgery" and int(number) < WITH_DEVICE:
            one["focalDevice"] = [_moved("implanted", number)]
            kind = {"coding": [{"system": PRODUCT, "code": "LC-0200"}]}
            devices.append(
                {"resourceType": "Device", "id": f"device.{number}", "type": kind, "patient": one["subject"]}
            )
            if number == "0":
                out = {**one, "id": "removal.0", "performedDateTime": "1991-02-20"}
                devices.append({**out, "focalDevice": [_moved("explanted", number)]})
    return ndjson(*units, *devices)


def _moved(action: str, number: str) -> dict[str, Any]:
    done = {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": action}]}
    return {"action": done, "manipulated": {"reference": f"Device/device.{number}"}}


def study_of(platform: Platform, project: str, code: str = "LC-0200") -> Study:
    old = PROTOCOL[PROTOCOL.index("\ncohort:\n") + 1 : PROTOCOL.index("exposure:\n")]
    text = PROTOCOL.replace(old, COHORT % code).replace("\nid: rotterdam-hormon\n", f"\nid: {project}\n")
    study = register_study(platform, RESEARCHER, text)
    return freeze_protocol(platform, RESEARCHER, study.id, "approved")


def test_a_cohort_of_device_uses_is_found_locked_and_analysed(platform: Platform) -> None:
    """Who has the device is in, with the day it went in; the lock holds the rows, and each leads to its line."""
    sent(platform, {"all.ndjson": operated_with_a_device()})
    pass_quality(platform, RESEARCHER)
    study = study_of(platform, "devices")
    record = lock_data(platform, RESEARCHER, study.id)
    opened = open_lock(platform.layout.lock(record.id))
    assert opened.facts["attrition"][-1]["remaining"] == WITH_DEVICE == len(opened.tables["subject"])
    rows = opened.tables["device_use"]
    assert (
        len(rows) == WITH_DEVICE
        and set(rows["product_code"]) == {"LC-0200"}
        and set(rows["start_day"]) == {0}
    )
    assert sorted(rows["explant_day"].dropna()) == [31]
    assert not {"device_id", "permit_id", "patient_id"} & set(rows.columns)
    assert rows["reason_code"].isna().all(), "no reason was recorded, and none is made up"

    dataset = dataset_of(platform, study, record)
    assert len(dataset.frame) == WITH_DEVICE
    run = run_study(platform, RESEARCHER, study.id)
    index = lineage_of(platform, run).query("variable == 'index'")
    implants = Lake(platform.layout).read("device_exposure").query("action == 'implanted'")
    lines = [SOURCE_FILE, SOURCE_LINE, LINE_DIGEST]
    assert sorted(map(tuple, index[lines].to_numpy())) == sorted(map(tuple, implants[lines].to_numpy()))

    nobody = lock_data(platform, RESEARCHER, study_of(platform, "no-such-device", "LC-9999").id)
    steps = open_lock(platform.layout.lock(nobody.id)).facts["attrition"]
    assert (steps[0]["remaining"], steps[-1]["remaining"]) == (30, 0), "zero is counted, not missing"


def test_a_broken_device_table_refuses_the_lock_of_a_study_of_device_uses(platform: Platform) -> None:
    """Derived of nothing, the cohort would be empty without a word: the table behind it is named instead."""
    sent(platform, {"all.ndjson": operated_with_a_device()})
    pass_quality(platform, RESEARCHER, "device")
    with pytest.raises(PlatformError) as refused:
        lock_data(platform, RESEARCHER, study_of(platform, "broken").id)
    assert refused.value.code == "study.quality_gate" and refused.value.en.endswith(": device.")
