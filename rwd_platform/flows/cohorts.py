"""Definitions asked of the lake: how many patients, step by step, and why one patient is in or out.

Before a freeze nobody sees more of the lake than protected counts, without outcomes (`studies.cohorts.feasibility`).
One patient's path is the hospital's own to see: it sent the rows, and it alone can look into the chart. Every answer
is in the log with the definition it was given to, and every refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rwd_platform.access.permissions import Action, Scope, check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.flows.cohort_tables import counting_engine, lake_engine
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import frozen_patients
from rwd_platform.log.entry import Act, Actor, Object

if TYPE_CHECKING:
    from studies.cohorts.explain import Explanation
    from studies.cohorts.feasibility import FeasibilityCount
    from studies.cohorts.written import Written

COHORT = "cohort"
NAME = "cohort"  # of a definition that comes as a text alone
_KEY = "feasibility"


def check_cohort(platform: Platform, actor: Actor, definition: str) -> Written:
    """A definition read, judged and said in sentences. Nothing of the lake is read."""
    with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, COHORT, ""):
        check_may(actor, Action.COHORT_COUNT)
    return _read(definition)


def count_cohort(
    platform: Platform, actor: Actor, definition: str, *, characteristics: bool = False
) -> FeasibilityCount:
    """The protected counts of every step; with `characteristics` also who is lost and who remains.

    Raises `feasibility.outcomes`, `cohort.not_sound` and what reading the definition raises.
    """
    from studies.cohorts.feasibility import check_no_outcomes, feasibility

    with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, COHORT, ""):
        scope = check_may(actor, Action.COHORT_COUNT)
        written = _read(definition)
        check_no_outcomes(written.cohort, written.model)
        written.check_sound()
        organisation = None if scope is Scope.ANY else actor.organisation
        with counting_engine(platform, written.cohort, organisation) as engine:
            found = feasibility(
                engine,
                written.cohort,
                platform.keys.derive(_KEY),
                _frozen(platform, organisation),
                characteristics=characteristics,
            )
    shown: Mapping[str, Any] = {
        "definition_sha256": written.sha256,
        "remaining": [step.remaining for step in found.steps],
        "characteristics": characteristics,
    }
    _log(platform, actor, "cohort.counted", written, definition, shown)
    return found


def explain_patient(platform: Platform, actor: Actor, definition: str, patient_id: str) -> Explanation:
    """Why one patient of one's own hospital is in or out, by the lake's pseudonym.

    A patient of another hospital looks exactly like one who is not there. Outcomes are not read here either.
    """
    from studies.cohorts.explain import explain
    from studies.cohorts.feasibility import check_no_outcomes

    with refusals_recorded(platform.records, actor, Action.COHORT_EXPLAIN, COHORT, ""):
        check_may(actor, Action.COHORT_EXPLAIN)
        written = _read(definition)
        check_no_outcomes(written.cohort, written.model)
        written.check_sound()
        with lake_engine(platform, written.cohort, actor.organisation) as engine:
            found = explain(engine, written.cohort, patient_id, _frozen(platform, actor.organisation))
    said = {"definition_sha256": written.sha256, "in_store": found.in_store}
    _log(platform, actor, "cohort.explained", written, definition, said, patient_id)
    return found


def _read(definition: str) -> Written:
    from studies.cohorts.written import read_written

    return read_written(definition, NAME)


def _log(
    platform: Platform,
    actor: Actor,
    action: str,
    written: Written,
    definition: str,
    said: Mapping[str, Any],
    patient_id: str = "",
) -> None:
    """The definition, and whose path was seen, are sealed beside the entry: a definition may name a patient, too."""
    detail = {"definition": definition, **({"patient_id": patient_id[:200]} if patient_id else {})}
    acted_on = Object(COHORT, written.sha256[:16], written.sha256)
    platform.records.record(Act(actor, action, acted_on, decision=dict(said), detail=detail))


def _frozen(platform: Platform, organisation: str | None) -> frozenset[str]:
    """The pseudonyms of those whose data may not be used: of everybody, or of one hospital's patients."""
    places = frozen_patients(platform)
    return frozenset(patient for one, patient in places if organisation in (None, one))
