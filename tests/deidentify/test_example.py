"""The invented patient: nobody's identifiers, and a row for every element that says what became of it."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from deidentify.example import REASONS, Example, example, invented
from deidentify.identifiers_cn import MOBILE, RESIDENT_ID, is_resident_id, scan
from deidentify.policy import load_policy, parse_policy, shipped_policies
from ingestion.validate import check
from rwd_platform.core.units import Place, Unit

SECRETS = [
    "司徒虚怀", "司徒若谷", "公冶子虚", "46999919320203999", "ZY-0012345", "154 1234 5678", "15487654321",
    "xh@example.org", "xuhuai_1932", "E00000000", "琼A·00X00", "虚构路", "579999", "SN-000042", "LOT-0007",
    "虚构族", "his.example.org", "1932-02-03", "乳癌",
]  # fmt: skip


def test_the_patient_has_every_kind_of_identifier_and_nobody_has_hers():
    """A resident id with a right check digit in a county that does not exist; a mobile block not in use."""
    text = json.dumps(invented(), ensure_ascii=False)
    assert all(secret in text for secret in SECRETS)
    kinds = {found.kind for found in scan(text)}
    assert {RESIDENT_ID, MOBILE} <= kinds
    number = re.search(r"46999919320203999[0-9X]", text)
    assert number and is_resident_id(number[0])


@cache
def shown(name: str) -> Example:
    return example(load_policy(name))


@pytest.mark.parametrize("name", shipped_policies())
def test_what_comes_out_is_valid_and_names_nobody(name: str):
    """Under every policy of the house: valid FHIR, and none of her identifiers in it."""
    picture = shown(name)
    assert len(picture.before) == len(picture.after) == 6
    after = json.dumps(picture.after, ensure_ascii=False)
    secrets = [
        secret for secret in SECRETS if secret != "1932-02-03" or name not in ("lake", "limited_dataset")
    ]
    assert not [secret for secret in secrets if secret in after]
    for resource in picture.after:
        if resource is not None:
            assert check(Unit(Place("example", 1), b"", resource)) == ()


@pytest.mark.parametrize("name", shipped_policies())
def test_every_element_has_its_row_and_every_row_its_reason(name: str):
    """What a row shows as staying is in the result, and what the result holds is in a row."""
    picture = shown(name)
    assert len({row.path for row in picture.rows}) == len(picture.rows)
    for row in picture.rows:
        assert row.zh and row.en and set(row.as_dict()) == {"path", "before", "after", "action", "zh", "en"}
    paths = {row.path for row in picture.rows}
    assert {
        "Patient.birthDate",
        "Patient.wardRemark",
        "Condition.note.text",
        "Practitioner.name.text",
    } <= paths
    stays = [row for row in picture.rows if row.after is not None]
    text = json.dumps(picture.after, ensure_ascii=False)
    assert all(part in text for row in stays for part in (row.after or "").split("; "))


EXPECTED = [
    # policy, path, after (None: nothing), action
    ("lake", "Patient.birthDate", "1932-02-03", "keep"),
    ("default", "Patient.birthDate", "1932", "date:year"),
    ("hipaa_safe_harbor", "Patient.birthDate", "1936", "age-band:1"),
    ("cross_border", "Patient.birthDate", "1936", "age-band:5"),
    ("cross_border", "Condition.onsetAge.value", "90", "age-band:5"),
    ("cross_border", "Condition.onsetAge.comparator", ">=", "age-band:5"),
    ("cross_border", "Condition.code.coding.code", "C50", "generalise:icd10:category"),
    ("default", "Condition.code.coding.code", "C50.9", "keep"),
    ("limited_dataset", "Patient.address.city", "460100", "generalise:region:prefecture"),
    ("hipaa_safe_harbor", "Patient.address.state", "460000", "generalise:region:province"),
    ("hipaa_safe_harbor", "Patient.address.city", None, "unnamed"),
    ("cross_border", "Patient.address.state", None, "drop"),
    ("lake", "Patient.wardRemark", None, "unnamed"),
    ("lake", "Patient.extension.valueString", None, "extension"),
    ("lake", "Condition.note.text", None, "text"),
    ("lake", "Practitioner.name.text", None, "type"),
    ("lake", "Device.udiCarrier.deviceIdentifier", "00000000000017", "device-identifier"),
    ("cross_border", "Device.udiCarrier.deviceIdentifier", None, "drop"),
    ("lake", "Patient.meta.security", "PSEUDED; REDACTED", "label"),
]


@pytest.mark.parametrize(("name", "path", "after", "action"), EXPECTED)
def test_a_row_says_what_stays_and_by_which_action(name: str, path: str, after: str | None, action: str):
    """The action is the one written in the policy, also where it stands above the element or in [systems]."""
    (row,) = (row for row in shown(name).rows if row.path == path)
    assert (row.after, row.action) == (after, action)


def test_the_same_policy_always_gives_the_same_picture():
    """The keys are published, so a reviewer sees what another one saw."""
    assert example(load_policy("default")) == example(load_policy("default"))


def test_a_quarantined_resource_and_a_value_that_does_not_fit_are_shown_as_such():
    """A system that is not listed puts the resource aside; a value that an action cannot treat goes."""
    head = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nas_of = "2026-01-01"\nextends = "lake"\n'
    policy = parse_policy((head + '[systems]\n"http://loinc.org" = "drop"').encode(), "t.toml")
    picture = example(policy)
    rows = [row for row in picture.rows if row.path.startswith("Observation.")]
    assert rows and {row.action for row in rows} == {"quarantine"} and {row.after for row in rows} == {None}
    policy = parse_policy((head + '[Patient]\ngender = "date:year"').encode(), "t.toml")
    (row,) = (row for row in example(policy).rows if row.path == "Patient.gender")
    assert (row.after, row.action) == (None, "unfit")
    assert all(zh and en for zh, en in REASONS.values())


def test_dates_that_move_move_alike_in_the_picture():
    """The published date key gives the whole picture one offset."""
    head = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\n'
    rules = '[Condition]\nrecordedDate = "date:shift"\n[MedicationRequest]\nauthoredOn = "date:shift"'
    rows = {row.path: row for row in example(parse_policy((head + rules).encode(), "t.toml")).rows}
    from datetime import date

    moved = [
        date.fromisoformat(rows[path].after or "") - date.fromisoformat(rows[path].before)
        for path in ("Condition.recordedDate", "MedicationRequest.authoredOn")
    ]
    assert moved[0] == moved[1] and -365 <= moved[0].days <= -1
    assert "前移" in rows["Condition.recordedDate"].zh
