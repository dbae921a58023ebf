"""The facts of a transfer, read strictly: a missing, unknown or impossible fact is an error, never a guess.

`_FACTS` lists every accepted key; dates are days in Asia/Shanghai.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rwd_platform.compliance.ledger import Ledger, Persons
from rwd_platform.core.errors import PlatformError, Problem

CASE_UNKNOWN_KEY = Problem(
    code="transfer.unknown_key",
    zh="出境事实中有不认识的键 {key}。",
    en="The case has a key that is not known: {key}.",
    next_zh="请删除该键，或对照事实清单改正拼写；系统从不猜测。",
    next_en="Remove it, or correct its spelling against the list of facts; nothing is ever guessed.",
)
CASE_MISSING_KEY = Problem(
    code="transfer.missing_key",
    zh="出境事实中缺少键 {key}。",
    en="The case lacks the key {key}.",
    next_zh="请补充该事实；未知的事项应按清单写明 unknown，而不是省略。",
    next_en="Supply this fact; where it is not known, say `unknown` where the list allows it.",
)
CASE_BAD_VALUE = Problem(
    code="transfer.bad_value",
    zh="出境事实 {key} 的值 {value} 不被接受；可用的是：{allowed_zh}。",
    en="The case's {key} cannot be {value}; it takes {allowed}.",
    next_zh="请改为可用的值后重试。",
    next_en="Give one of the values it takes and try again.",
)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_MOST = 10_000_000_000  # more persons than there are
_LONGEST_NAME = 200
_SHOWN = 40  # characters of a refused value that an error repeats
_LONGEST_KEY = 200

Reader = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Case:
    """One transfer. Field names say what the reference's keys say."""

    on: date
    exporter_ciio: str
    exporter_state_organ: bool
    exporter_foreign_controlled: bool
    recipient_foreign: bool
    recipient_restricted: bool
    crosses_border: bool
    transfer: Ledger
    ledger_this_year: Ledger
    anonymised_and_reviewed: bool
    important: str
    core_or_secret: bool
    overseas_origin_only: bool
    genetic_information: bool
    key_pedigree_or_special_region: bool
    exome_genome_persons: int
    genetic_material: bool
    basis: str | None
    basis_evidence: bool
    zone_pack: str | None
    zone_listed: str | None
    zone_route: str | None
    mechanism: str | None
    mechanism_valid_until: date | None
    mechanism_covers: bool
    impact_assessment: bool
    notice_and_separate_consent: bool
    guardian_consent: bool
    ethics_approval: bool
    genetic_reported: bool
    genetic_backed_up: bool
    genetic_review_passed: bool
    genetic_cooperation: bool
    genetic_exit_certificate: bool
    judicial_request: bool
    judicial_approved: bool

    @property
    def ledger_after(self) -> Ledger:
        """The year's ledger as it would be with this transfer."""
        return self.ledger_this_year.plus(self.transfer)

    @property
    def sensitive_persons(self) -> int:
        """Persons of this transfer who are sensitive: by what it carries, or by what went before it."""
        everybody = self.transfer.general_only | self.transfer.sensitive
        return (everybody & self.ledger_after.sensitive).count

    @property
    def persons(self) -> int:
        return self.transfer.everybody

    @property
    def mechanism_is_valid(self) -> bool:
        """A mechanism serves up to and on its last day; a case that gives it none says that it has no end.

        Papers on file are held to more: an assessment's result and a certificate are not recorded without their last
        day (compliance/instruments.toml, `needs_end`).
        """
        until = self.mechanism_valid_until
        return self.mechanism is not None and (until is None or self.on <= until)


def _bad(path: str, value: Any, allowed: str, allowed_zh: str = "") -> PlatformError:
    if isinstance(value, int) and abs(value) > _MOST:
        shown = "…"  # too many digits to be written out
    else:
        words = {None: "null", True: "true", False: "false"}
        shown = words[value] if value is None or isinstance(value, bool) else _as_typed(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return CASE_BAD_VALUE.error(key=path, value=shown, allowed=allowed, allowed_zh=allowed_zh or allowed)


# -- readers: a value and its path in, a typed fact out ----------------------------------------------------


def _as_typed(value: Any) -> str:
    """A number as the file has it, anything else as Python quotes it."""
    return str(value) if isinstance(value, Decimal) else repr(value)


def _flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _bad(path, value, "true | false")
    return value


def _count(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise _bad(path, value, f"an integer from 0 to {_MOST:,}", f"0 至 {_MOST:,} 的整数")
    return value


def _name_or_none(value: Any, path: str) -> str | None:
    if value is None or (
        isinstance(value, str) and value.strip() and len(value) <= _LONGEST_NAME and value.isprintable()
    ):
        return value
    allowed = f"a name of at most {_LONGEST_NAME} characters, or null"
    raise _bad(path, value, allowed, f"不超过 {_LONGEST_NAME} 个字符的名称，或 null")


def _one_of(*allowed: str | None) -> Reader:
    def read(value: Any, path: str) -> str | None:
        if not (value is None or isinstance(value, str)) or value not in allowed:
            raise _bad(path, value, " | ".join("null" if one is None else one for one in allowed))
        return value

    return read


def _day(value: Any, path: str) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # 2026-02-30 looks like a day and is none
    raise _bad(path, value, "a day as YYYY-MM-DD", "YYYY-MM-DD 格式的日期")


def _day_or_none(value: Any, path: str) -> date | None:
    return None if value is None else _day(value, path)


# The list of facts: the case's key -> the field it fills and how it is read.
_FACTS: Mapping[str, tuple[str, Reader]] = {
    "on": ("on", _day),
    "crosses_border": ("crosses_border", _flag),
    "exporter.ciio": ("exporter_ciio", _one_of("yes", "no", "unknown")),
    "exporter.state_organ": ("exporter_state_organ", _flag),
    "exporter.foreign_controlled": ("exporter_foreign_controlled", _flag),
    "recipient.foreign_or_foreign_controlled": ("recipient_foreign", _flag),
    "recipient.restricted_list": ("recipient_restricted", _flag),
    "data.anonymised_and_reviewed": ("anonymised_and_reviewed", _flag),
    "data.important": ("important", _one_of("yes", "no", "pending", "unknown")),
    "data.core_or_secret": ("core_or_secret", _flag),
    "data.overseas_origin_only": ("overseas_origin_only", _flag),
    "data.human_genetic_information": ("genetic_information", _flag),
    "data.key_pedigree_or_special_region": ("key_pedigree_or_special_region", _flag),
    "data.exome_genome_persons": ("exome_genome_persons", _count),
    "data.genetic_material": ("genetic_material", _flag),
    "exemption_basis.kind": ("basis", _one_of(None, "contract", "hr", "emergency", "statutory")),
    "exemption_basis.evidence": ("basis_evidence", _flag),
    "free_trade_zone_pack.id": ("zone_pack", _name_or_none),
    "free_trade_zone_pack.listed": ("zone_listed", _one_of(None, "yes", "no")),
    "free_trade_zone_pack.route_if_listed": (
        "zone_route",
        _one_of(None, "SECURITY_ASSESSMENT", "CONTRACT_OR_CERT"),
    ),
    "mechanism_in_force.kind": (
        "mechanism",
        _one_of(None, "STANDARD_CONTRACT", "CERTIFICATION", "SECURITY_ASSESSMENT"),
    ),
    "mechanism_in_force.valid_until": ("mechanism_valid_until", _day_or_none),
    "mechanism_in_force.covers_purpose_fields_recipient_scale": ("mechanism_covers", _flag),
    "duties.impact_assessment": ("impact_assessment", _flag),
    "duties.notice_and_separate_consent": ("notice_and_separate_consent", _flag),
    "duties.guardian_consent_if_minors": ("guardian_consent", _flag),
    "duties.ethics_approval": ("ethics_approval", _flag),
    "human_genetic_resources.reported": ("genetic_reported", _flag),
    "human_genetic_resources.backed_up": ("genetic_backed_up", _flag),
    "human_genetic_resources.review_passed": ("genetic_review_passed", _flag),
    "human_genetic_resources.filed_cooperation_both_may_use": ("genetic_cooperation", _flag),
    "human_genetic_resources.exit_certificate": ("genetic_exit_certificate", _flag),
    "foreign_judicial_request.is": ("judicial_request", _flag),
    "foreign_judicial_request.authority_approved": ("judicial_approved", _flag),
}
_LEDGERS: Mapping[str, str] = {"persons": "transfer", "ledger_this_year": "ledger_this_year"}
_RANGES = tuple(
    f"{ledger}.{kind}.{key}"
    for ledger in _LEDGERS
    for kind in ("general_only", "sensitive")
    for key in ("first_key", "count")
)
_KNOWN = frozenset({*_FACTS, *_RANGES})
_SECTIONS = frozenset(path[:at] for path in _KNOWN for at, char in enumerate(path) if char == ".")


def read_case(case: Mapping[str, Any]) -> Case:
    """The typed facts. Raises PlatformError (exit 2) naming a key that is unknown, missing or impossible."""
    given = dict(_leaves(case))
    missing = sorted(_KNOWN - given.keys())
    if missing:
        raise CASE_MISSING_KEY.error(key=missing[0])
    fields = {field: read(given[path], path) for path, (field, read) in _FACTS.items()}
    counts = {path: _count(given[path], path) for path in _RANGES}
    for path, field in _LEDGERS.items():
        fields[field] = Ledger(
            Persons.of(counts[f"{path}.general_only.first_key"], counts[f"{path}.general_only.count"]),
            Persons.of(counts[f"{path}.sensitive.first_key"], counts[f"{path}.sensitive.count"]),
        )
    read = Case(**fields)
    if read.zone_pack is not None and read.zone_listed == "yes" and read.zone_route is None:
        # A zone's list that names the data must also say which route they take.
        raise _bad("free_trade_zone_pack.route_if_listed", None, "SECURITY_ASSESSMENT | CONTRACT_OR_CERT")
    return read


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every fact with its dotted path. A misspelt key is found here, before anything counts as missing."""
    if not isinstance(value, Mapping):
        raise _bad(path or "case", value, "an object", "一个对象")
    for key, inner in value.items():
        inner_path = f"{path}.{key}" if path else str(key)
        if inner_path in _SECTIONS:
            yield from _leaves(inner, inner_path)
        elif inner_path in _KNOWN and isinstance(key, str) and "." not in key:
            yield inner_path, inner
        else:
            shown = inner_path.encode("utf-8", "replace").decode()  # a lone surrogate could not be printed
            raise CASE_UNKNOWN_KEY.error(key=shown[:_LONGEST_KEY])
