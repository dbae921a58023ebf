"""May this leave? The national rules for data abroad, applied to the facts of one transfer.

`decide` never guesses: an unknown or missing fact is an error, and a fact recorded as unknown gives
HOLD where it matters. The order is prohibitions, human genetic resources, the path for personal
information and important data, duties; inside a block the first rule that matches wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rwd_platform.compliance import texts
from rwd_platform.compliance.advisories import ADVISORIES
from rwd_platform.compliance.case import Case, read_case
from rwd_platform.compliance.rulepack import PACK_MALFORMED, Rule, RulePack
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

PACK_NOT_IN_FORCE = Problem(
    code="transfer.pack_not_in_force",
    zh="规则包 {pack}（自 {since} 起适用）不能用于 {on} 的提供：当日尚未适用或已不再适用。",
    en="The rule pack {pack}, which applies from {since}, cannot decide about {on}: it did not apply on that day.",
    next_zh="请核对事实中的日期 on，或选用当时有效的规则包。",
    next_en="Check the case's date `on`, or name the pack that was in force then.",
)

Fires = Callable[[Case, Rule], bool]

NO_PATH = "NONE"
_NEEDS_MECHANISM = {
    "SECURITY_ASSESSMENT": ("SA_NOT_IN_FORCE", frozenset({"SECURITY_ASSESSMENT"})),
    "CONTRACT_OR_CERT": (
        "SC_OR_CERT_NOT_IN_FORCE",
        # A valid assessment asks for more than a contract does, so it serves here as well.
        frozenset({"STANDARD_CONTRACT", "CERTIFICATION", "SECURITY_ASSESSMENT"}),
    ),
}


@dataclass(frozen=True)
class Decision:
    """The answer, with everything that it was made from and what is still missing.

    verdict -- ALLOW, HOLD or BLOCK
    missing -- ids of duties, sorted; empty for BLOCK and for a HOLD because a fact is unknown
    rules   -- ids of the rules that fired, in the order of evaluation
    """

    personal_information_path: str
    genetic_resources_path: str
    verdict: str
    missing: tuple[str, ...]
    rules: tuple[str, ...]
    rule_pack: Mapping[str, str]
    zh: str
    en: str
    advisories: tuple[Bilingual, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What `rwd transfer decide --json` prints."""
        return {
            "personal_information_path": self.personal_information_path,
            "genetic_resources_path": self.genetic_resources_path,
            "verdict": self.verdict,
            "missing": list(self.missing),
            "rules": list(self.rules),
            "rule_pack": dict(self.rule_pack),
            "zh": self.zh,
            "en": self.en,
        }

    def as_record(self) -> dict[str, Any]:
        """The whole decision, for the record of the transfer."""
        return {**self.as_dict(), "advisories": [one._asdict() for one in self.advisories]}


def _exempt_on_a_basis(case: Case, rule: Rule) -> bool:
    since = rule.bases.get(case.basis) if case.basis is not None else None
    return since is not None and since <= case.on and case.basis_evidence


def _listed_by_a_zone(case: Case, answer: str) -> bool:
    return case.zone_pack is not None and case.zone_listed == answer


def _needs_an_assessment(case: Case, rule: Rule) -> bool:
    ledger, at_least = case.ledger_after, rule.thresholds
    return ledger.general >= at_least["general"] or ledger.sensitive.count >= at_least["sensitive"]


def _needs_a_contract(case: Case, rule: Rule) -> bool:
    at_least = rule.thresholds
    return (
        case.sensitive_persons >= at_least["transfer_sensitive"]
        or case.ledger_after.general >= at_least["general"]
    )


def _needs_review(case: Case, rule: Rule) -> bool:
    return (
        case.key_pedigree_or_special_region
        or case.exome_genome_persons > rule.thresholds["exome_genome_persons"]
    )


def _information_for_a_foreign_party(case: Case) -> bool:
    return case.genetic_information and case.recipient_foreign


# What each rule looks at. The order here is the order that a pack must keep.
PREDICATES: Mapping[str, Fires] = {
    "P1": lambda case, rule: case.core_or_secret,
    "P2": lambda case, rule: case.recipient_restricted,
    "P3": lambda case, rule: case.judicial_request and not case.judicial_approved,
    "P4": lambda case, rule: case.genetic_information and case.exporter_foreign_controlled,
    "P5": lambda case, rule: case.genetic_material and not case.genetic_exit_certificate,
    "P5b": lambda case, rule: case.genetic_material,
    "H1": lambda case, rule: _information_for_a_foreign_party(case) and _needs_review(case, rule),
    "H2": lambda case, rule: _information_for_a_foreign_party(case) and case.genetic_cooperation,
    "H3": lambda case, rule: _information_for_a_foreign_party(case),
    "M0": lambda case, rule: not case.crosses_border,
    "M1": lambda case, rule: case.important == "yes",
    "U1": lambda case, rule: case.important in ("unknown", "pending"),
    "M2": lambda case, rule: case.anonymised_and_reviewed or case.persons == 0,
    "M3": lambda case, rule: case.exporter_state_organ,
    "M4": lambda case, rule: case.overseas_origin_only,
    "M5": _exempt_on_a_basis,
    "M6": lambda case, rule: _listed_by_a_zone(case, "no"),
    "M7": lambda case, rule: _listed_by_a_zone(case, "yes"),
    "U2": lambda case, rule: case.exporter_ciio == "unknown",
    "M8": lambda case, rule: case.exporter_ciio == "yes",
    "M9": _needs_an_assessment,
    "M10": _needs_a_contract,
    "M11": lambda case, rule: True,
}
# Consent is not the ground of these, so nobody is asked for it (PIPL 13, 39).
_WITHOUT_CONSENT = frozenset({"M4", "M5"})


def decide(case: Mapping[str, Any], pack: RulePack) -> Decision:
    """The decision about one transfer.

    `case` has exactly the keys of docs/reference/transfer-case.md. Raises PlatformError (exit 2)
    naming a key that is unknown, missing or impossible, or a date before the pack applies.
    """
    facts = read_case(case)
    _check_pack(pack, facts.on)
    prohibited = _first(facts, pack, "prohibitions")
    if prohibited is not None:
        path = "EXIT_CERT" if prohibited.id == "P5" else NO_PATH
        return _decision(facts, pack, (prohibited,), "PROHIBITED", path, "BLOCK", ())
    genetic = _first(facts, pack, "genetic_resources")
    personal = _first(facts, pack, "personal_information")
    if personal is None:  # cannot be: the last rule of the table always matches
        raise PACK_MALFORMED.error(name=pack.id, where="personal_information")
    path = str(facts.zone_route) if personal.id == "M7" else personal.result
    genetic_path = genetic.result if genetic else NO_PATH
    fired = (genetic, personal) if genetic else (personal,)
    if path == "UNDETERMINED":
        return _decision(facts, pack, fired, path, genetic_path, "HOLD", ())
    missing = _missing(facts, path, genetic_path, personal.id)
    return _decision(facts, pack, fired, path, genetic_path, "HOLD" if missing else "ALLOW", missing)


def _check_pack(pack: RulePack, on: date) -> None:
    if tuple(rule.id for rule in pack.rules) != tuple(PREDICATES):
        raise PACK_MALFORMED.error(name=pack.id, where="rules")
    if not pack.effective_from <= on <= (pack.effective_until or date.max):
        raise PACK_NOT_IN_FORCE.error(pack=pack.id, since=pack.effective_from, on=on)


def _first(case: Case, pack: RulePack, block: str) -> Rule | None:
    in_force = (rule for rule in pack.block(block) if rule.effective_from <= case.on)
    return next((rule for rule in in_force if PREDICATES[rule.id](case, rule)), None)


def _missing(case: Case, path: str, genetic_path: str, rule_id: str) -> tuple[str, ...]:
    """The duties that are not met. All are asked, so that nobody learns of them one at a time."""
    missing = set()
    if case.persons and path != "NO_PI":
        if not case.impact_assessment:
            missing.add("PIPIA")
        if not case.notice_and_separate_consent and rule_id not in _WITHOUT_CONSENT:
            missing.add("NOTICE_SEPARATE_CONSENT")
        if not case.guardian_consent:
            missing.add("GUARDIAN_CONSENT")
    if case.genetic_information and not case.ethics_approval:
        missing.add("ETHICS")
    if not _genetic_path_is_complete(case, genetic_path):
        missing.add("HGR")
    if path in _NEEDS_MECHANISM:
        absent, serve = _NEEDS_MECHANISM[path]
        if case.mechanism not in serve or not case.mechanism_is_valid:
            missing.add(absent)
        elif not case.mechanism_covers:
            missing.add("SCOPE")
    return tuple(sorted(missing))


def _genetic_path_is_complete(case: Case, path: str) -> bool:
    filed = case.genetic_reported and case.genetic_backed_up
    complete = {
        NO_PATH: True,
        "COVERED_BY_COOP": case.genetic_cooperation,
        "REPORT+BACKUP": filed,
        "REVIEW+REPORT+BACKUP": filed and case.genetic_review_passed,
        "EXIT_CERT": case.genetic_exit_certificate,
    }
    return complete[path]


def _decision(
    case: Case,
    pack: RulePack,
    fired: tuple[Rule, ...],
    path: str,
    genetic_path: str,
    verdict: str,
    missing: tuple[str, ...],
) -> Decision:
    said = texts.explain(case, pack, fired, path, genetic_path, verdict, missing)
    rules = tuple(rule.id for rule in fired)
    return Decision(
        personal_information_path=path,
        genetic_resources_path=genetic_path,
        verdict=verdict,
        missing=missing,
        rules=rules,
        rule_pack={"id": pack.id, "version": pack.version, "sha256": pack.sha256},
        zh=said.zh,
        en=said.en,
        advisories=tuple(
            advisory.text
            for id, advisory in pack.advisories.items()
            if id in ADVISORIES and ADVISORIES[id](case, pack, rules, advisory.thresholds)
        ),
    )
