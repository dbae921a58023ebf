"""The statements of the demo's studies as they stand in their files, for the tests that read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import rwd_platform.demo
from studies.evidence.checklists.reader import checklist, shared
from studies.evidence.profiles.profile import Statement, profiles

FOLDER = Path(rwd_platform.demo.__file__).parent / "statements"
COMMON = ("nhsa", "indication", "post_market", "commercial", "award", "pre_communication")
STUDIES = {"rotterdam": ("reg_drug", *COMMON), "valve": ("reg_device", *COMMON)}
BOTH = pytest.mark.parametrize("study", STUDIES)

# Asked by the checklist of economics, which neither study has anything to say to.
ECONOMIC = frozenset(
    id
    for id, one in shared().statements.items()
    if one.action.who == shared().statements["economic_title"].action.who
)
CHINESE = re.compile(r"[\u3400-\u9fff]")
NUMBER = re.compile(r"\d+(?:,\d{3})*")
PAPER = re.compile(r"DEMO-[A-Z0-9-]+")
PLACE = re.compile(r"(?<![\w/])\d\d_[a-z]+(?:/[A-Za-z_.-]+[a-z])?")
# A name that holds a digit is no number: standards, formats, a gene, a study's package.
NAMES = re.compile(
    r"SHA-256|FHIR R4|ICD-10|ICD-9-CM-3|E9\(R1\)|HER2|GB18030|Apache-2\.0|demo-his-\w|DEMO-[A-Z0-9-]+"
    r"|(?<![\w/])\d\d_[a-z]+"
)
Text = tuple[str, str, str, str]  # study, id, language, text


def file_of(study: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{study}.yaml").read_text(encoding="utf-8"))
    return content


def statements_of(study: str) -> dict[str, Any]:
    said: dict[str, Any] = file_of(study)["statements"]
    return said


def asked_of(study: str) -> dict[str, list[Statement]]:
    """Every id that the study's profiles ask, with what each profile asks under it."""
    found: dict[str, list[Statement]] = {}
    for profile in STUDIES[study]:
        for one in profiles()[profile].statements:
            found.setdefault(one.id, []).append(one)
    return found


def reasons_of(study: str) -> set[str]:
    """`<checklist>.<item>` of every item that the study's profiles ask: a reason why there is no answer to it."""
    known = {id for profile in STUDIES[study] for id in profiles()[profile].checklists}
    return {f"{id}.{item.id}" for id in known for item in checklist(id).items}


def choices_of(study: str) -> dict[str, Statement]:
    return {id: ones[0] for id, ones in asked_of(study).items() if ones[0].choices is not None}


def pairs_of(study: str) -> dict[str, tuple[str, str]]:
    """id -> (zh, en) of what is a text."""
    return {id: (one["zh"], one["en"]) for id, one in statements_of(study).items() if isinstance(one, dict)}


def texts_of(study: str) -> Iterator[Text]:
    for id, pair in pairs_of(study).items():
        for language, text in zip(("zh", "en"), pair, strict=True):
            yield study, id, language, text


def everything() -> list[Text]:
    return [text for study in STUDIES for text in texts_of(study)]


def containing(pattern: str, without: re.Pattern[str] | None = None) -> list[str]:
    """Where a text matches, `without` what is taken out first; a list that a failing test prints."""
    return [
        f"{study}.{id}.{language}: {found.group()}"
        for study, id, language, text in everything()
        for found in re.finditer(pattern, without.sub("", text) if without else text)
    ]
