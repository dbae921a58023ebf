"""Duties to retain: every rule of retention.toml is answered by a person, and the answers decide.

The platform supports a decision and makes none: it asks, shows what it can see itself, and keeps the answers
with the rules' sources and the version of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlmodel import col, select

from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import retention
from rwd_platform.flows.withdraw_notices import locks_with, names_of_person
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, EvidencePackage

NO = "no"
_REGISTRATION = "registration"


def read_answers(answers: Mapping[str, str], today: date) -> dict[str, Any]:
    """Rule -> {answer, holds}; `no`, or the last day on which the duty holds.

    Raises `erasure.duties_unanswered`, naming the rules without an answer that can be read.
    """
    rules = [rule["id"] for rule in retention().rules]
    found = {rule: _answer(answers.get(rule, "").strip(), today) for rule in rules}
    unknown = sorted({*(rule for rule, answer in found.items() if answer is None), *answers.keys() - rules})
    if unknown:
        raise problems.DUTIES_UNANSWERED.error(rules=", ".join(unknown))
    return {"version": retention().version, "answers": found}


def _answer(text: str, today: date) -> dict[str, Any] | None:
    if text == NO:
        return {"answer": NO, "holds": False}
    try:
        until = date.fromisoformat(text) if len(text) == len("2026-01-01") else None
    except ValueError:
        until = None
    return None if until is None else {"answer": text, "holds": until >= today}


def still_hold(duties: Mapping[str, Any], today: date) -> list[str]:
    """The rules that hold on that day: an approval may come long after the answers."""
    return [
        rule
        for rule, found in duties["answers"].items()
        if found["answer"] != NO and date.fromisoformat(found["answer"]) >= today
    ]


def named(duties: Mapping[str, Any], rules: list[str]) -> str:
    """`medical-record (2041-03-01)`, for an error."""
    return ", ".join(f"{rule} ({duties['answers'][rule]['answer']})" for rule in rules)


def platform_sees(platform: Platform, organisation_id: str, patient_id: str) -> dict[str, Any]:
    """What the platform itself knows that bears on a rule: shown beside the answers, never in their place."""
    locks = platform.records.all(select(DataLockRecord))
    holding = locks_with(
        platform, organisation_id, names_of_person(platform, organisation_id, patient_id), locks
    )
    packages = platform.records.all(
        select(EvidencePackage)
        .join(AnalysisRun, col(AnalysisRun.id) == col(EvidencePackage.run_id))
        .where(col(AnalysisRun.lock_id).in_(sorted(holding)), col(EvidencePackage.purpose) == _REGISTRATION)
    )
    return {
        "locks": len(holding),
        "registration_package": sorted(package.id for package in packages),
    }
