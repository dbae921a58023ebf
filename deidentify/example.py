"""A policy shown on an invented patient: what she looked like before and after, element by element.

Nobody has these identifiers: the region of the resident id is not assigned, the mobile number's block is
not in use, and names, streets and numbers are made up. The key is published, so the same policy always
gives the same picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deidentify.actions import Rule
from deidentify.identifiers_cn import check_digit
from deidentify.policy import Policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.quarantine import Quarantine
from deidentify.scrub import scrub
from deidentify.shifting import Shifts
from rwd_platform.core.units import Resource

PSEUDONYM_KEY = b"published example key of a token"
DATE_KEY = b"published example key of a shift."
SCOPE = "example"

_FIRST_17 = "46999919320203999"  # 469999 is no county; 999 was reserved for centenarians
_ICD, _UCUM = "http://hl7.org/fhir/sid/icd-10", "http://unitsofmeasure.org"
_ABOUT_HER = {"reference": "Patient/ZY-0012345", "display": "司徒虚怀"}

# action -> why, zh and en
REASONS: Mapping[str, tuple[str, str]] = {
    "keep": ("策略允许原样保留", "the policy lets it stay"),
    "pseudonym": (
        "编号换成假名，只有密钥持有者能够生成",
        "the id became a token that only the key's holder can make",
    ),
    "reference": ("指向的编号换成同一假名", "the id pointed at became the same token"),
    "date": ("日期已截短", "the date was cut"),
    "date:shift": (
        "该患者的全部日期前移同样天数，间隔不变",
        "the patient's dates all moved back alike: intervals stay",
    ),
    "age-band": ("按年龄段保留，90 岁及以上合并", "only the age band stays; 90 and above are one"),
    "generalise": ("按层级泛化为较粗的值", "made coarser along a hierarchy"),
    "device-identifier": ("只保留器械的产品标识", "only the product's part of the identifier stays"),
    "mask": (
        "FHIR 要求此元素，值已去除并注明 masked",
        "FHIR requires the element: its value is gone, a mark stays",
    ),
    "drop": ("策略要求去除", "the policy leaves it behind"),
    "text": ("人工书写的文字，一律不保留", "words typed by people never stay"),
    "type": ("该类资源整体不保留", "resources of this type are left behind whole"),
    "extension": ("扩展不在策略清单中", "the extension is not in the policy's list"),
    "unnamed": (
        "策略未列出该元素，不保留并计数",
        "the policy does not name the element: left behind and counted",
    ),
    "unfit": ("值不符合策略要求，不保留", "the value is not what the policy asks for: left behind"),
    "label": ("安全标签，说明对资源做了什么", "security labels say what was done to the resource"),
    "quarantine": ("整个资源被隔离，等待人工审阅", "the whole resource waits for a person to look"),
}

_MAY_FAIL = frozenset(
    {"keep", "pseudonym", "reference", "date", "age-band", "generalise", "device-identifier"}
)


@dataclass(frozen=True)
class Row:
    """One element: `Patient.birthDate`, its text before, its text after (None: nothing stays), and why."""

    path: str
    before: str
    after: str | None
    action: str
    zh: str
    en: str

    def as_dict(self) -> dict[str, str | None]:
        return {
            "path": self.path,
            "before": self.before,
            "after": self.after,
            "action": self.action,
            "zh": self.zh,
            "en": self.en,
        }


@dataclass(frozen=True)
class Example:
    """The invented resources before and after (None: nothing of it is written), and their elements in rows."""

    before: tuple[Resource, ...]
    after: tuple[Resource | None, ...]
    rows: tuple[Row, ...]


def example(policy: Policy) -> Example:
    """The invented patient under a policy."""
    pseudonyms = Pseudonymiser(PSEUDONYM_KEY, SCOPE)
    shifts = Shifts(DATE_KEY, SCOPE)
    after: list[Resource | None] = []
    rows: list[Row] = []
    for resource in invented():
        refused = ""
        try:
            kept = scrub(resource, policy, pseudonyms, shifts).resource
        except Quarantine:
            kept, refused = None, "quarantine"
        after.append(kept)
        rows.extend(_rows(resource, kept, policy, refused))
    return Example(invented(), tuple(after), tuple(rows))


def invented() -> tuple[Resource, ...]:
    """A patient with every kind of identifier, made anew at each call."""
    return (_patient(), _condition(), _observation(), _request(), _device(), _practitioner())


def _patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "ZY-0012345",
        "meta": {"source": "http://his.example.org/10001"},
        "extension": [{"url": "http://his.example.org/ethnicity", "valueString": "虚构族"}],
        "identifier": [
            {"system": "http://his.example.org/resident-id", "value": _FIRST_17 + check_digit(_FIRST_17)},
            {"system": "http://his.example.org/record-number", "value": "ZY-0012345"},
        ],
        "active": True,
        "name": [{"text": "司徒虚怀"}],
        "telecom": [
            {"system": "phone", "value": "154 1234 5678"},
            {"system": "email", "value": "xh@example.org"},
        ],
        "gender": "female",
        "birthDate": "1932-02-03",
        "address": [
            {
                "use": "home",
                "line": ["虚构路 10001 号"],
                "district": "虚构区",
                "city": "海口市",
                "state": "海南省",
                "postalCode": "579999",
            }
        ],
        "contact": [{"name": {"text": "司徒若谷"}, "telecom": [{"system": "phone", "value": "15487654321"}]}],
        "wardRemark": "虚构品牌轿车，车牌琼A·00X00",
    }


def _condition() -> Resource:
    return {
        "resourceType": "Condition",
        "id": "dx-1",
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {
            "coding": [{"system": _ICD, "code": "C50.9", "display": "乳房恶性肿瘤"}],
            "text": "司徒女士左乳癌",
        },
        "subject": dict(_ABOUT_HER),
        "onsetAge": {"value": 93, "unit": "岁", "system": _UCUM, "code": "a"},
        "recordedDate": "2025-03-14",
        "note": [{"text": "家属微信 xuhuai_1932，护照 E00000000，来电 154 1234 5678"}],
    }


def _observation() -> Resource:
    return {
        "resourceType": "Observation",
        "id": "lab-1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "血红蛋白"}]},
        "subject": dict(_ABOUT_HER),
        "effectiveDateTime": "2025-03-20T08:30:00+08:00",
        "valueQuantity": {"value": 112, "unit": "克/升", "system": _UCUM, "code": "g/L"},
    }


def _request() -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": "rx-1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XC03"}]},
        "subject": dict(_ABOUT_HER),
        "authoredOn": "2025-04-02",
    }


def _device() -> Resource:
    return {
        "resourceType": "Device",
        "id": "dev-1",
        "udiCarrier": [
            {"deviceIdentifier": "00000000000017", "carrierHRF": "(01)00000000000017(21)SN-000042"}
        ],
        "status": "active",
        "serialNumber": "SN-000042",
        "lotNumber": "LOT-0007",
        "patient": dict(_ABOUT_HER),
    }


def _practitioner() -> Resource:
    return {"resourceType": "Practitioner", "id": "dr-1", "name": [{"text": "公冶子虚"}]}


# -- rows --------------------------------------------------------------------------------------------


def _rows(before: Resource, after: Resource | None, policy: Policy, refused: str) -> Iterator[Row]:
    resource_type = before["resourceType"]
    left = _texts(after or {})
    came = _texts(before)
    for path, texts in {**came, **dict.fromkeys(_added(left, came), ())}.items():
        stays = _joined(left.get(path))
        action, exact = _action(resource_type, path, policy, before)
        if stays is None and exact and action.partition(":")[0] in _MAY_FAIL:
            action = "unfit"
        yield _row(f"{resource_type}.{path}", "; ".join(texts), stays, refused or action)
    labels = _joined(left.get("meta.security.code"))
    if labels:
        yield _row(f"{resource_type}.meta.security", "", labels, "label")


def _added(left: Mapping[str, list[str]], came: Mapping[str, list[str]]) -> Iterator[str]:
    """Elements that an action brought: the comparator of an age of 90 and more. Marks are told by their row."""
    return (path for path in left if path not in came and "extension" not in path and "security" not in path)


def _row(path: str, before: str, after: str | None, action: str) -> Row:
    return Row(path, before, after, action, *(REASONS.get(action) or REASONS[action.partition(":")[0]]))


def _action(resource_type: str, path: str, policy: Policy, resource: Resource) -> tuple[str, bool]:
    """What the policy does at a path, as it is written there, and whether it says so of this very path."""
    if resource_type in policy.dropped_types:
        return "type", False
    steps = path.split(".")
    if "extension" in steps:
        return "extension", False
    rules = policy.rules.get(resource_type, {})
    for depth in range(len(steps), 0, -1):
        rule = rules.get(".".join(steps[:depth]))
        if rule is not None:
            action = _by_system(resource, steps, policy) if rule == Rule("keep") else str(rule)
            return action, depth == len(steps)
    return "unnamed", False


def _by_system(resource: Resource, steps: list[str], policy: Policy) -> str:
    """`keep`, unless the policy makes the codes of this code's system coarser."""
    owner: Any = resource
    for name in steps[:-1]:
        owner = owner.get(name) if isinstance(owner, dict) else None
        owner = owner[0] if isinstance(owner, list) and owner else owner
    system = owner.get("system") if isinstance(owner, dict) and steps[-1] == "code" else None
    action = policy.systems.get(system, "keep") if isinstance(system, str) else "keep"
    return action if action.startswith("generalise:") else "keep"


def _texts(value: Any, path: str = "") -> dict[str, list[str]]:
    """Every primitive value as text, by its path without indices."""
    found: dict[str, list[str]] = {}
    if isinstance(value, dict):
        for name, below in value.items():
            if name == "resourceType":
                continue
            for deeper, texts in _texts(below, f"{path}.{name}" if path else name).items():
                found.setdefault(deeper, []).extend(texts)
    elif isinstance(value, list):
        for one in value:
            for deeper, texts in _texts(one, path).items():
                found.setdefault(deeper, []).extend(texts)
    else:
        found[path] = [value if isinstance(value, str) else json.dumps(value)]
    return found


def _joined(texts: list[str] | None) -> str | None:
    return "; ".join(texts) if texts else None
