"""Which papers serve a transfer: the instruments on file, held against what is to be provided, to whom, for what, when.

The answers are sections of a case (compliance.case) with, beside each, the paper that it rests on or why none serves.
Nothing here is guessed: no check on file is `unknown`, no paper is `false`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from rwd_platform.compliance.instruments import ANY, Instrument, kind_of
from rwd_platform.core.text import Bilingual

MAINLAND = "CN"  # ISO 3166-1; Hong Kong, Macao and Taiwan have codes of their own and count as abroad

MODES = ("file", "api", "remote_access", "overseas_storage", "sample_shipment")

UNKNOWN = "unknown"
AGREEMENT = "data_use_agreement"
ASSESSMENT, CONTRACT = "SECURITY_ASSESSMENT", "CONTRACT_OR_CERT"

# The case's word for a mechanism's kind. The first that covers the transfer is taken, in this order.
_MECHANISMS: Mapping[str, str] = {
    "security_assessment": "SECURITY_ASSESSMENT",
    "standard_contract": "STANDARD_CONTRACT",
    "certification": "CERTIFICATION",
}
_ZONE_ROUTES: Mapping[str, str | None] = {"outside": None, "contract": CONTRACT, "assessment": ASSESSMENT}


@dataclass(frozen=True)
class Wanted:
    """What is to be provided, as papers are held against it.

    on                   -- the day, Asia/Shanghai
    fields               -- classes of data
    sites                -- organisation ids of the hospitals whose patients they are
    persons_to_recipient -- distinct persons of this exporter to this recipient this year, this transfer included
    minors               -- whether somebody under 14 is among them; None where it is not known
    zone_scenarios       -- scenarios of the free-trade zone's list that is in force and adopted; empty where none is
    """

    on: date
    exporter: str
    recipient: str
    purpose: str
    project: str
    fields: frozenset[str]
    sites: frozenset[str]
    persons_to_recipient: int
    minors: bool | None
    zone_scenarios: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Shortfall:
    """A paper in force that does not cover the transfer, and in which dimensions."""

    instrument: str
    kind: str
    dimensions: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """What the papers say. `facts` are sections of a case; `papers` says which instrument a fact rests on."""

    facts: Mapping[str, Mapping[str, Any]]
    papers: Mapping[str, str]
    shortfalls: tuple[Shortfall, ...]


@dataclass(frozen=True)
class Agreements:
    """The hospitals' agreements on the use of their data: the one that serves by hospital, and who has none."""

    papers: Mapping[str, str]
    lacking: tuple[str, ...]
    shortfalls: tuple[Shortfall, ...]


@lru_cache(maxsize=1)
def purposes() -> Mapping[str, Bilingual]:
    """Purpose codes and what they are called."""
    content = tomllib.loads(Path(__file__).with_name("purposes.toml").read_text("utf-8"))
    return {code: Bilingual(**words) for code, words in content.items()}


def is_abroad(country: str) -> bool:
    return country != MAINLAND


def uncovered(instrument: Instrument, wanted: Wanted) -> tuple[str, ...]:
    """The dimensions of its kind's scope in which the paper does not cover what is wanted (NDR 38).

    What is not known (no class of data, no site) no list covers; only `*` does. Scenarios are the other way round: an
    opinion is about scenarios of a list, and each of them must be one of the list that is adopted.
    """
    scope = instrument.scope
    asked: Mapping[str, frozenset[str]] = {
        "purposes": frozenset({wanted.purpose}),
        "fields": wanted.fields,
        "recipients": frozenset({wanted.recipient}),
        "projects": frozenset({wanted.project}),
        "sites": wanted.sites,
    }
    lacking = []
    for dimension in kind_of(instrument.kind).scope:
        if dimension == "persons":
            if scope.persons is None or wanted.persons_to_recipient > scope.persons:
                lacking.append(dimension)
        elif dimension == "scenarios":
            if not scope.scenarios or not scope.scenarios <= wanted.zone_scenarios:
                lacking.append(dimension)
        else:
            granted: frozenset[str] = getattr(scope, dimension)
            named = asked[dimension]
            if ANY not in granted and not (named and named <= granted):
                lacking.append(dimension)
    return tuple(lacking)


class _Papers:
    """The exporter's papers in force on the day, asked kind by kind; remembers which served and which fell short."""

    def __init__(self, instruments: Iterable[Instrument], wanted: Wanted) -> None:
        self._wanted = wanted
        own = [one for one in instruments if one.exporter == wanted.exporter and _is_evidenced(one)]
        self._in_force = [one for one in own if one.is_in_force(wanted.on)]
        self._own = own
        self.served: dict[str, str] = {}
        self.shortfalls: list[Shortfall] = []

    def serving(self, kind: str, fact: str) -> Instrument | None:
        """The newest paper of the kind that covers the transfer; noted as what the fact rests on."""
        found = None
        for one in self.of_kind(kind):
            lacking = uncovered(one, self._wanted)
            if not lacking:
                found = found or one
            else:
                self.shortfalls.append(Shortfall(one.id, kind, lacking))
        if found is not None:
            self.served[fact] = found.id
        return found

    def of_kind(self, kind: str) -> Sequence[Instrument]:
        """Newest first: what took effect last says what holds now."""
        found = [one for one in self._in_force if one.kind == kind]
        return sorted(found, key=lambda one: (one.effective_from, one.id), reverse=True)

    def has(self, kind: str, fact: str) -> bool:
        return self.serving(kind, fact) is not None

    def checked(self, kind: str, fact: str) -> str:
        """The answer of the newest check; `unknown` where there is none or where it has run out.

        An older check does not speak again when the newer one's time is over: what is known is what was checked last.
        """
        found = self.serving(kind, fact)
        since = (found.effective_from, found.id) if found is not None else (date.min, "")
        for one in self._own:
            stands = one.revoked_on is None or self._wanted.on < one.revoked_on
            begun = one.kind == kind and one.effective_from <= self._wanted.on and stands
            newer = (one.effective_from, one.id) > since
            if begun and newer and not uncovered(one, self._wanted):
                self.served.pop(fact, None)
                return UNKNOWN
        return found.answer if found is not None else UNKNOWN

    def answer(self, kind: str, fact: str) -> str | None:
        found = self.serving(kind, fact)
        return found.answer if found is not None else None


def standing(instruments: Iterable[Instrument], wanted: Wanted, path: str | None = None) -> Standing:
    """The case's sections that papers answer.

    `path` is the path for personal information where it is known already: the mechanism that serves that path is
    then taken before another one (a contract does not serve where an assessment is asked for).
    """
    papers = _Papers(instruments, wanted)
    basis = papers.answer("legal_basis", "exemption_basis.kind")
    facts: dict[str, Mapping[str, Any]] = {
        "exporter": {"ciio": papers.checked("ciio_check", "exporter.ciio")},
        "data": {"important": papers.checked("important_data_check", "data.important")},
        "exemption_basis": {"kind": basis, "evidence": basis is not None},
        "free_trade_zone_pack": _zone(papers),
        "mechanism_in_force": _mechanism(papers, path),
        "duties": _duties(papers, wanted, basis),
        "human_genetic_resources": _genetic(papers),
        "foreign_judicial_request": {
            "authority_approved": papers.has(
                "judicial_approval", "foreign_judicial_request.authority_approved"
            )
        },
    }
    return Standing(facts, papers.served, tuple(papers.shortfalls))


def agreements(instruments: Iterable[Instrument], wanted: Wanted) -> Agreements:
    """Whether every hospital whose patients they are has an agreement in force that covers this provision.

    Asked of the hospitals, whoever the exporter is, and at home as abroad (PIPL 21, 23; Network Data Regulation 12).
    No rule of a pack reads it: it stands beside them.
    """
    every, found = tuple(instruments), dict[str, str]()
    shortfalls: list[Shortfall] = []
    for site in sorted(wanted.sites):
        papers = _Papers(every, replace(wanted, exporter=site))
        serving = papers.serving(AGREEMENT, AGREEMENT)
        shortfalls += papers.shortfalls
        if serving is not None:
            found[site] = serving.id
    return Agreements(found, tuple(sorted(wanted.sites - set(found))), tuple(shortfalls))


def _is_evidenced(instrument: Instrument) -> bool:
    """What must have been put on record with its checksum serves nothing without one."""
    return bool(instrument.evidence_sha256) or not kind_of(instrument.kind).needs_evidence


def _zone(papers: _Papers) -> Mapping[str, Any]:
    found = papers.serving("zone_opinion", "free_trade_zone_pack.id")
    if found is None:
        return {"id": None, "listed": None, "route_if_listed": None}
    route = _ZONE_ROUTES[found.answer]
    return {"id": found.number, "listed": "no" if route is None else "yes", "route_if_listed": route}


def _mechanism(papers: _Papers, path: str | None) -> Mapping[str, Any]:
    """The mechanism that covers the transfer and serves its path; else one that does not, and says so."""
    kinds = tuple(_MECHANISMS) if path != ASSESSMENT else ("security_assessment",)
    fact = "mechanism_in_force.kind"
    for kind in kinds:
        found = papers.serving(kind, fact)
        if found is not None:
            return _in_force(found, covers=True)
    for kind in (*kinds, *(one for one in _MECHANISMS if one not in kinds)):
        for found in papers.of_kind(kind):
            papers.served[fact] = found.id
            return _in_force(found, covers=False)
    return {"kind": None, "valid_until": None, "covers_purpose_fields_recipient_scale": False}


def _in_force(found: Instrument, *, covers: bool) -> Mapping[str, Any]:
    until = found.valid_until.isoformat() if found.valid_until else None
    return {
        "kind": _MECHANISMS[found.kind],
        "valid_until": until,
        "covers_purpose_fields_recipient_scale": covers,
    }


def _duties(papers: _Papers, wanted: Wanted, basis: str | None) -> Mapping[str, Any]:
    """Separate consent is asked where consent is the ground (PIPL 13, 39): evidence of another ground stands for it."""
    consent = papers.has("notice_consent", "duties.notice_and_separate_consent")
    if not consent and basis is not None:
        papers.served["duties.notice_and_separate_consent"] = papers.served["exemption_basis.kind"]
    guardian = papers.answer("guardian_consent", "duties.guardian_consent_if_minors")
    if wanted.minors and guardian == "nobody_under_14":
        guardian = None  # the data say that somebody is
    return {
        "impact_assessment": papers.has("impact_assessment", "duties.impact_assessment"),
        "notice_and_separate_consent": consent or basis is not None,
        "guardian_consent_if_minors": wanted.minors is False or guardian is not None,
        "ethics_approval": _ethics(papers, wanted),
    }


def _ethics(papers: _Papers, wanted: Wanted) -> bool:
    """Every site has an approval of the project: its own, or another site's that names it (mutual recognition)."""
    found = [(one, _approved_by(one, wanted)) for one in papers.of_kind("ethics_approval")]
    approved = {site for _, sites in found for site in sites}
    covered = bool(wanted.sites) and wanted.sites <= approved
    for one, sites in found:
        lacking = uncovered(one, wanted)
        if covered and sites:
            papers.served.setdefault("duties.ethics_approval", one.id)
        elif lacking:
            papers.shortfalls.append(Shortfall(one.id, one.kind, lacking))
    return covered


def _approved_by(approval: Instrument, wanted: Wanted) -> frozenset[str]:
    """The sites of the transfer that the approval names, if it is one of the project."""
    scope = approval.scope
    if scope.projects.isdisjoint({ANY, wanted.project}):
        return frozenset()
    return wanted.sites if ANY in scope.sites else scope.sites & wanted.sites


def _genetic(papers: _Papers) -> Mapping[str, Any]:
    section = "human_genetic_resources"
    cooperation = papers.answer("hgr_cooperation", f"{section}.filed_cooperation_both_may_use")
    return {
        "reported": papers.has("hgr_report", f"{section}.reported"),
        "backed_up": papers.has("hgr_backup", f"{section}.backed_up"),
        "review_passed": papers.has("hgr_review", f"{section}.review_passed"),
        "filed_cooperation_both_may_use": cooperation == "both_may_use",
        "exit_certificate": papers.has("hgr_exit_certificate", f"{section}.exit_certificate"),
    }
