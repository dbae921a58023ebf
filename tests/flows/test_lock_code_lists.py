"""A list that nobody signed gets into no study and no lock; of a signed one the lock names the very text."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.lock_facts import facts_of_rules
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, frozen_protocol, lock_data, register_study
from rwd_platform.records.tables import DataLockRecord, QualityRun, Study
from studies.code_lists import Code, CodeList
from tests.flows.sending import RESEARCHER
from tests.flows.test_lock_devices import COHORT
from tests.flows.test_study import PROTOCOL, refusal

CODES = 'codes: {system: "https://rwd-platform.example/CodeSystem/licensed-product", any_of: [LC-0200]}'
NO_RUN = QualityRun(id="q", organisation_id="o", made_at="", verdict="admit", report={"gate": {"tables": []}})


def a_list(reviewer: str, signed_date: str) -> CodeList:
    code = Code("http://hl7.org/fhir/sid/icd-9-cm", "85.4", Bilingual("切除", "Removal"))
    return CodeList(
        "operation", "1", Bilingual("手术", "Operation"), "A", reviewer, signed_date, "S", (code,)
    )


SIGNED, UNSIGNED = a_list("B", "2026-05-01"), a_list("", "")


def text_with(reference: str) -> str:
    """The demo's protocol, whose entry is an operation by the codes of a list."""
    cohort = (COHORT % "LC-0200").replace("table: device_use", "table: procedure")
    cohort = cohort.replace(CODES, f"codes: {{list: {reference}}}").replace(
        "action: implanted", "status: completed"
    )
    old = PROTOCOL[PROTOCOL.index("\ncohort:\n") + 1 : PROTOCOL.index("exposure:\n")]
    return PROTOCOL.replace(old, cohort)


@pytest.mark.parametrize("reference", ["mastectomy@1", "breast-cancer@1"])
def test_the_lists_that_come_with_the_platform_are_in_no_study(platform: Platform, reference: str) -> None:
    """No clinician signed them, on purpose: whoever uses them has them checked first."""
    error = refusal(lambda: register_study(platform, RESEARCHER, text_with(reference)))
    assert error.code == "protocol.refused" and f"{reference} has not been signed off" in error.en
    assert not platform.records.all(select(Study))


def test_the_locks_facts_name_a_signed_list_by_all_that_it_says(
    platform: Platform, shelf: dict[str, CodeList]
) -> None:
    """Codes, author, reviewer and day: the same codes unsigned, or signed by another, are another hash."""
    study = register_study(platform, RESEARCHER, text_with("operation@1"))
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    facts = facts_of_rules(platform, frozen_protocol(platform, study), {}, NO_RUN)
    assert facts["code_lists"] == {"operation@1": SIGNED.sha256}
    assert len({SIGNED.sha256, UNSIGNED.sha256, a_list("C", "2026-05-01").sha256}) == 3


def test_a_list_that_lost_its_signature_after_the_freeze_stops_the_lock(
    platform: Platform, shelf: dict[str, CodeList]
) -> None:
    """A version never changes; where somebody changed one all the same, nothing is locked by it."""
    study = register_study(platform, RESEARCHER, text_with("operation@1"))
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    shelf["operation@1"] = UNSIGNED
    error = refusal(lambda: lock_data(platform, RESEARCHER, study.id))
    assert error.code == "study.code_list_changed" and "operation@1" in error.zh
    assert not platform.records.all(select(DataLockRecord))
