"""The two questions the demo puts to the transfer rules: the facts of each, in the rules' own words."""

from __future__ import annotations

from typing import Any


def facts_of_transfer(*, on: str, sensitive_persons: int, anonymised_and_reviewed: bool) -> dict[str, Any]:
    """A transfer to a sponsor abroad, from a hospital that is neither CIIO nor foreign-controlled.

    Impact assessment, notice and separate consent are on file; no contract is filed, no
    certificate held, no security assessment passed. Nothing was sent earlier in the year.
    """
    nobody = {"first_key": 0, "count": 0}
    return {
        "on": on,
        "exporter": {"ciio": "no", "state_organ": False, "foreign_controlled": False},
        "recipient": {"foreign_or_foreign_controlled": True, "restricted_list": False},
        "crosses_border": True,
        "persons": {"general_only": nobody, "sensitive": {"first_key": 0, "count": sensitive_persons}},
        "ledger_this_year": {"general_only": nobody, "sensitive": nobody},
        "data": {
            "anonymised_and_reviewed": anonymised_and_reviewed,
            "important": "no",
            "core_or_secret": False,
            "overseas_origin_only": False,
            "human_genetic_information": False,
            "key_pedigree_or_special_region": False,
            "exome_genome_persons": 0,
            "genetic_material": False,
        },
        "exemption_basis": {"kind": None, "evidence": False},
        "free_trade_zone_pack": {"id": None, "listed": None, "route_if_listed": None},
        "mechanism_in_force": {
            "kind": None,
            "valid_until": None,
            "covers_purpose_fields_recipient_scale": False,
        },
        "duties": {
            "impact_assessment": True,
            "notice_and_separate_consent": True,
            "guardian_consent_if_minors": True,
            "ethics_approval": True,
        },
        "human_genetic_resources": {
            "reported": False,
            "backed_up": False,
            "review_passed": False,
            "filed_cooperation_both_may_use": False,
            "exit_certificate": False,
        },
        "foreign_judicial_request": {"is": False, "authority_approved": False},
    }
