"""A patient no longer takes part, or somebody needs the data unchanged: both freeze their use.

    withdraw    the hospital that knows the patient records that consent was withdrawn
    place_hold  an officer or an inspector needs the data kept as they are; lift_hold ends it

From then on the patient is in no new lock and in no list of rows; a lock that holds the patient serves no new
analysis and no new package (docs/decisions). Nothing is erased here: see erase_request.py.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import is_reason
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, check_may, get_visible, visible_organisation
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.columns import MERGE_KEY, PATIENT_ID
from rwd_platform.core.ids import new_id
from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw_charts import Place as Place
from rwd_platform.flows.withdraw_charts import charts_of, every_chart
from rwd_platform.flows.withdraw_charts import find_patient as find_patient
from rwd_platform.flows.withdraw_notices import forget_places, note_cause, write_notices
from rwd_platform.jobs import queue
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ErasureState
from rwd_platform.records.tables import (
    ErasureRequest,
    LegalHold,
    LockNotice,
    Withdrawal,
)

if TYPE_CHECKING:
    import pandas as pd

_RESOURCE = MERGE_KEY[:4]  # hospital, source system, type, id
KIND, HOLD = "withdrawal", "legal_hold"
_LONGEST_VERSION = 64


@dataclass(frozen=True)
class Retention:
    """What retention.toml says."""

    version: str
    approvals: int
    reason_characters: int
    longest_reason: int
    reasons: Mapping[str, Mapping[str, str]]
    rules: tuple[Mapping[str, str], ...]


@lru_cache(maxsize=1)
def retention() -> Retention:
    found = tomllib.loads(Path(__file__).with_name("retention.toml").read_text(encoding="utf-8"))
    return Retention(**{**found, "rules": tuple(found["rules"])})


# -- withdrawal ----------------------------------------------------------------------------------------


def withdraw(
    platform: Platform,
    actor: Actor,
    named: str,
    *,
    reason: str,
    withdrawn_on: str,
    consent_version: str,
    organisation_id: str = "",
    source_system: str = "",
    charts_seen: int = 0,
) -> Withdrawal:
    """Put on record that a patient withdrew. Recorded again it is the same record.

    named       -- the patient's id at the hospital (Patient.id) or the lake's pseudonym; it is not kept as typed
    charts_seen -- of a person with several charts at the hospital: how many, to say that they were looked at

    Raises `withdrawal.patient_ambiguous` and `withdrawal.charts_unseen` with what has to be said in addition.
    """
    with refusals_recorded(platform.records, actor, Action.WITHDRAWAL_RECORD, "patient", ""):
        hospital = hospital_of(actor, Action.WITHDRAWAL_RECORD, organisation_id)
        check_reason_code(reason)
        _check_date(platform, withdrawn_on)
        if not 1 <= len(consent_version.strip()) <= _LONGEST_VERSION or identifies(consent_version):
            raise problems.CONSENT_UNFIT.error(longest=_LONGEST_VERSION)
        place = hospital, find_patient(platform, hospital, named, source_system)
        charts_of(platform, place).check_seen(charts_seen)
        return record_withdrawal(platform, actor, place, reason, withdrawn_on, consent_version.strip())


def record_withdrawal(
    platform: Platform,
    actor: Actor,
    place: Place,
    reason: str,
    withdrawn_on: str,
    consent_version: str,
    *,
    replayed: bool = False,
) -> Withdrawal:
    """The row, and the notices on locks and packages that hold the patient, in one transaction.

    replayed -- after a restore, by the operator: the person who asked did so before
    """
    existing = _withdrawal_of(platform, place)
    if existing is not None:
        return existing
    organisation_id, patient_id = place
    now = platform.clock()
    row = Withdrawal(
        id=new_id("withdrawal", now),
        organisation_id=organisation_id,
        patient_id=patient_id,
        reason=reason,
        withdrawn_on=withdrawn_on,
        consent_version=consent_version,
        received_by=actor.id,
        recorded_at=as_text(now),
    )
    told: dict[str, Any] = {}

    def act() -> Act:
        return Act(actor, "withdrawal.recorded", Object(KIND, row.id), reason=reason, decision=told)

    with platform.records.transaction(audit=act) as session:
        if not replayed:
            check_account(session, actor, platform.clock)
        session.add(row)
        told.update(note_cause(platform, session, place, row.id, "withdrawn"))
        questions = forget_places(session, organisation_id)
    write_notices(platform)
    _look_up_again(platform, actor, questions, row.id)
    return row


def _look_up_again(platform: Platform, actor: Actor, questions: list[str], cause: str) -> None:
    for id in questions:
        queue.enqueue(platform.records, actor, "question", {"question_id": id}, f"question/{id}/{cause}")


def _withdrawal_of(platform: Platform, place: Place) -> Withdrawal | None:
    rows = platform.records.all(select(Withdrawal).where(Withdrawal.organisation_id == place[0]))
    return next((row for row in rows if current_name(platform, place[0], row.patient_id) == place[1]), None)


# -- legal hold ----------------------------------------------------------------------------------------


def place_hold(
    platform: Platform, actor: Actor, organisation_id: str, named: str, reason: str, source_system: str = ""
) -> LegalHold:
    """Nothing of the patient is erased until it is lifted, and nothing is used. An open request is refused."""
    with refusals_recorded(platform.records, actor, Action.HOLD_PLACE, "patient", ""):
        hospital = hospital_of(actor, Action.HOLD_PLACE, organisation_id)
        check_text(reason)
        patient_id = find_patient(platform, hospital, named, source_system)
        now = platform.clock()
        row = LegalHold(
            id=new_id("hold", now),
            organisation_id=hospital,
            patient_id=patient_id,
            reason=reason.strip(),
            placed_by=actor.id,
            placed_at=as_text(now),
        )
        told: dict[str, Any] = {}

        def act() -> Act:
            return Act(actor, "hold.placed", Object(HOLD, row.id), decision=told)

        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            told["requests_refused"] = _refuse_requests(platform, session, (hospital, patient_id))
            session.add(row)
            told.update(note_cause(platform, session, (hospital, patient_id), row.id, "held"))
            questions = forget_places(session, hospital)
        _look_up_again(platform, actor, questions, row.id)
    return row


def lift_hold(platform: Platform, actor: Actor, hold_id: str, reason: str) -> LegalHold:
    """The end of a hold. A withdrawal beside it keeps the use frozen."""
    get_visible(platform.records, actor, Action.HOLD_LIFT, LegalHold, hold_id)
    with refusals_recorded(platform.records, actor, Action.HOLD_LIFT, HOLD, hold_id):
        check_text(reason)
        with platform.records.transaction(audit=Act(actor, "hold.lifted", Object(HOLD, hold_id))) as session:
            check_account(session, actor, platform.clock)
            row = session.get_one(LegalHold, hold_id)
            if row.lifted_at:
                raise problems.LIFTED.error(hold=hold_id, at=row.lifted_at)
            row.lift_reason, row.lifted_by = reason.strip(), actor.id
            row.lifted_at = as_text(platform.clock())
            session.add(row)
            for notice in session.exec(select(LockNotice).where(LockNotice.cause == hold_id)).all():
                notice.ended_at = row.lifted_at
                session.add(notice)
    return row


def hold_on(platform: Platform, session: Session, place: Place) -> LegalHold | None:
    """The hold that stands on a patient, under whichever of the person's charts; the oldest of several."""
    charts = {patient for _, patient in every_chart(session, [place])}
    rows = session.exec(
        select(LegalHold)
        .where(LegalHold.organisation_id == place[0], LegalHold.lifted_at == "")
        .order_by(col(LegalHold.placed_at))
    ).all()
    return next((row for row in rows if current_name(platform, place[0], row.patient_id) in charts), None)


def _refuse_requests(platform: Platform, session: Session, place: Place) -> list[str]:
    """Requests to erase that are not begun end here; one that is begun cannot be stopped."""
    refused = []
    charts = {patient for _, patient in every_chart(session, [place])}
    for row in session.exec(select(ErasureRequest).where(ErasureRequest.organisation_id == place[0])).all():
        if current_name(platform, place[0], row.patient_id) not in charts:
            continue
        if row.state in (ErasureState.ERASING, ErasureState.ERASED):
            raise problems.BEGUN.error(request=row.id)
        if row.state != ErasureState.REFUSED:
            row.state, row.decided_at = ErasureState.REFUSED, as_text(platform.clock())
            row.duties = {**row.duties, "refused": "hold"}
            session.add(row)
            refused.append(row.id)
    return refused


# -- what is frozen ------------------------------------------------------------------------------------


def frozen_patients(platform: Platform) -> frozenset[Place]:
    """(organisation_id, lake pseudonym as of now) of everybody whose data may not be used, with all their charts."""
    with platform.records.reading() as session:
        rows: list[Withdrawal | LegalHold] = list(session.exec(select(Withdrawal)).all())
        rows += session.exec(select(LegalHold).where(LegalHold.lifted_at == "")).all()
        named = {
            (row.organisation_id, current_name(platform, row.organisation_id, row.patient_id)) for row in rows
        }
        return every_chart(session, named)


def without_frozen(
    tables: Mapping[str, pd.DataFrame], frozen: frozenset[Place], resources: pd.DataFrame | None = None
) -> tuple[dict[str, pd.DataFrame], int]:
    """Lake tables without the rows of frozen patients, and how many patients that were.

    resources -- the lake's table of that name: it knows whose a device or a supply is also where an older row of
                 theirs does not say so

    Every table with `organisation_id` and `patient_id` is looked at; another has no patient's row.
    """
    if not frozen:
        return dict(tables), 0
    owners = {} if resources is None else _owners(resources, frozen)
    seen: set[Place] = set()
    kept = {}
    for name, table in tables.items():
        if not {"organisation_id", "patient_id"} <= set(table.columns):
            kept[name] = table
            continue
        places = list(zip(table["organisation_id"], table["patient_id"], strict=True))
        if owners:
            keys = zip(*(table[column] for column in _RESOURCE), strict=True)
            places = [owners.get(key, place) for key, place in zip(keys, places, strict=True)]
        seen.update(place for place in places if place in frozen)
        kept[name] = table[[place not in frozen for place in places]]
    return kept, len(seen)


def _owners(resources: pd.DataFrame, frozen: frozenset[Place]) -> dict[tuple[str, ...], Place]:
    """Resource -> whose it is, of frozen patients."""
    columns = (resources[name] for name in (*_RESOURCE, PATIENT_ID))
    rows = zip(*columns, strict=True)
    return {tuple(key): (key[0], patient) for *key, patient in rows if (key[0], patient) in frozen}


# -- who is meant --------------------------------------------------------------------------------------


def hospital_of(actor: Actor, action: Action, organisation_id: str) -> str:
    """Whose patient may be meant: one's own hospital's, or for an officer the one that is named."""
    own = visible_organisation(actor, action)
    return own if own is not None else organisation_id or actor.organisation


# -- checks --------------------------------------------------------------------------------------------


def check_reason_code(reason: str) -> None:
    if reason not in retention().reasons:
        raise problems.REASON_UNKNOWN.error(allowed=", ".join(retention().reasons))


def check_text(text: str) -> None:
    """A reason that other people read: a sentence, and nobody's number."""
    rules = retention()
    fits = len(text) <= rules.longest_reason and is_reason(text.strip(), rules.reason_characters)
    if not fits or identifies(text):
        raise problems.TEXT_UNFIT.error(shortest=rules.reason_characters, longest=rules.longest_reason)


def _check_date(platform: Platform, text: str) -> None:
    try:
        fits = len(text) == len("2026-01-01") and date.fromisoformat(text) <= shanghai_date(platform.clock())
    except ValueError:
        fits = False
    if not fits:
        raise problems.DATE_UNFIT.error()


def check_may_read(actor: Actor) -> str | None:
    """The hospital that lists are limited to; None for no limit."""
    check_may(actor, Action.WITHDRAWAL_READ)
    return visible_organisation(actor, Action.WITHDRAWAL_READ)
