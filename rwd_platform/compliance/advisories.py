"""What a careful colleague would add to a decision. An advisory never changes the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from rwd_platform.compliance.case import Case
from rwd_platform.compliance.rulepack import RulePack

Says = Callable[[Case, RulePack, tuple[str, ...], Mapping[str, int]], bool]


def _near_assessment(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    """The year's count is close to the threshold, and was counted at all."""
    at_least, ledger, share = pack.rule("M9").thresholds, case.ledger_after, thresholds["share_percent"]
    close = (
        ledger.general * 100 >= at_least["general"] * share
        or ledger.sensitive.count * 100 >= at_least["sensitive"] * share
        # Sensitive persons leave the general set, which must not hide how many persons there are.
        or ledger.everybody * 100 >= at_least["general"] * share
    )
    return close and bool({"M10", "M11"}.intersection(rules))


def _contract_outgrown(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    return (
        "M9" in rules and case.mechanism in ("STANDARD_CONTRACT", "CERTIFICATION") and case.mechanism_is_valid
    )


def _mechanism_ends_soon(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    until = case.mechanism_valid_until
    return (
        case.mechanism_is_valid
        and until is not None
        and until - case.on <= timedelta(days=thresholds["days"])
        and case.crosses_border
    )


def _material_with_information(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    return "P5b" in rules and case.genetic_information and case.recipient_foreign


def _earlier_sensitive(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    return "M11" in rules and case.ledger_this_year.sensitive.count > 0


def _zone_pack_unused(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    mentioned = case.zone_pack is not None or case.zone_listed is not None
    counted = bool({"U2", "M8", "M9", "M10", "M11"}.intersection(rules))
    return mentioned and counted


def _domestic_prohibition(
    case: Case, pack: RulePack, rules: tuple[str, ...], thresholds: Mapping[str, int]
) -> bool:
    return not case.crosses_border and bool({"P1", "P2", "P3", "P4", "P5"}.intersection(rules))


ADVISORIES: Mapping[str, Says] = {
    "NEAR_ASSESSMENT": _near_assessment,
    "CONTRACT_OUTGROWN": _contract_outgrown,
    "MECHANISM_ENDS_SOON": _mechanism_ends_soon,
    "MATERIAL_WITH_INFORMATION": _material_with_information,
    "EARLIER_SENSITIVE": _earlier_sensitive,
    "ZONE_PACK_UNUSED": _zone_pack_unused,
    "DOMESTIC_PROHIBITION": _domestic_prohibition,
}
