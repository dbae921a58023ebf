"""Withdrawals, holds and erasures: the list, the forms, and one request with its steps and its certificate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import select
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import erase_request, withdraw
from rwd_platform.flows.erase_certificate import count_label, readable_certificate
from rwd_platform.records.lifecycles import ErasureState
from rwd_platform.records.tables import LockNotice, Organisation, PackageNotice, Upload
from rwd_platform.server import queries
from rwd_platform.server.api.withdrawals import (
    ApprovesErasure,
    AsksErasure,
    LiftsHold,
    PlacesHold,
    ReadsCases,
    RecordsWithdrawal,
)
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

Typed = Annotated[str, Form(max_length=5000)]


@router.get("/withdrawals")
def get_cases(visitor: ReadsCases, request: Request, platform: PlatformDep) -> Response:
    return _list(request, platform, visitor)


@router.get("/withdrawals/new")
def get_new_withdrawal(visitor: RecordsWithdrawal, request: Request, platform: PlatformDep) -> Response:
    return _form(request, platform, "withdraw")


@router.get("/holds/new")
def get_new_hold(visitor: PlacesHold, request: Request, platform: PlatformDep) -> Response:
    return _form(request, platform, "hold")


@router.get("/erasures/new")
def get_new_erasure(visitor: AsksErasure, request: Request, platform: PlatformDep) -> Response:
    return _form(request, platform, "erase")


@router.post("/withdrawals")
def post_withdrawal(
    visitor: RecordsWithdrawal,
    request: Request,
    platform: PlatformDep,
    patient: Typed = "",
    reason: Typed = "",
    withdrawn_on: Typed = "",
    consent_version: Typed = "",
    organisation_id: Typed = "",
    source_system: Typed = "",
    charts_seen: Annotated[int, Form()] = 0,
) -> Response:
    """What names the patient is not shown again when something is missing."""
    try:
        withdraw.withdraw(
            platform,
            visitor.actor,
            patient,
            reason=reason,
            withdrawn_on=withdrawn_on,
            consent_version=consent_version,
            organisation_id=organisation_id,
            source_system=source_system,
            charts_seen=charts_seen,
        )
    except PlatformError as error:
        kept = {"reason": reason, "withdrawn_on": withdrawn_on, "consent_version": consent_version}
        return _form(request, platform, "withdraw", error, kept)
    return RedirectResponse("/withdrawals", status_code=303)


@router.post("/holds")
def post_hold(
    visitor: PlacesHold,
    request: Request,
    platform: PlatformDep,
    patient: Typed = "",
    organisation_id: Typed = "",
    reason: Typed = "",
    source_system: Typed = "",
) -> Response:
    try:
        withdraw.place_hold(platform, visitor.actor, organisation_id, patient, reason, source_system)
    except PlatformError as error:
        return _form(request, platform, "hold", error, {"text": reason})
    return RedirectResponse("/withdrawals", status_code=303)


@router.post("/holds/{hold_id}/lift")
def post_lift(
    visitor: LiftsHold, request: Request, platform: PlatformDep, hold_id: str, reason: Typed = ""
) -> Response:
    try:
        withdraw.lift_hold(platform, visitor.actor, hold_id, reason)
    except PlatformError as error:
        return _list(request, platform, visitor, error)
    return RedirectResponse("/withdrawals", status_code=303)


@router.post("/erasures")
async def post_erasure(visitor: AsksErasure, request: Request, platform: PlatformDep) -> Response:
    """A refusal by hold or duty is on record, so that its reason is shown on the form's page."""
    from starlette.concurrency import run_in_threadpool

    form = {name: str(value)[:200] for name, value in (await request.form()).items()}
    duties = {rule["id"]: _duty(form, rule["id"]) for rule in withdraw.retention().rules}

    def ask() -> Response:
        try:
            row = erase_request.request_erasure(
                platform,
                visitor.actor,
                form.get("patient", ""),
                reason=form.get("reason", ""),
                duties=duties,
                source_system=form.get("source_system", ""),
                charts_seen=int(seen) if (seen := form.get("charts_seen", "")).isdecimal() else 0,
            )
        except PlatformError as error:
            return _form(request, platform, "erase", error, {**form, "patient": ""})
        return RedirectResponse(f"/erasures/{row.id}", status_code=303)

    return await run_in_threadpool(ask)


def _duty(form: dict[str, str], rule: str) -> str:
    """`no`, or the date beside `until`."""
    said = form.get(f"duty-{rule}", "")
    return form.get(f"until-{rule}", "") if said == "until" else said


@router.get("/erasures/{request_id}")
def get_erasure(visitor: ReadsCases, request: Request, platform: PlatformDep, request_id: str) -> Response:
    return _one(request, platform, visitor, request_id)


@router.post("/erasures/{request_id}/votes")
def post_vote(
    visitor: ApprovesErasure,
    request: Request,
    platform: PlatformDep,
    request_id: str,
    approved: Annotated[bool, Form()],
    reason: Typed = "",
) -> Response:
    try:
        erase_request.vote(platform, visitor.actor, request_id, approved, reason)
    except PlatformError as error:
        return _one(request, platform, visitor, request_id, error, reason)
    return RedirectResponse(f"/erasures/{request_id}", status_code=303)


@router.get("/erasures/{request_id}/certificate.txt")
def get_certificate(visitor: ReadsCases, platform: PlatformDep, request_id: str) -> Response:
    _, text = readable_certificate(platform, visitor.actor, request_id)
    return PlainTextResponse(text)


def _list(
    request: Request, platform: PlatformDep, visitor: Visitor, error: PlatformError | None = None
) -> Response:
    cases = erase_request.cases_seen(platform, visitor.actor)
    return render(
        request,
        "withdrawals.html",
        status=error.http if error else 200,
        error=error,
        cases=cases[:200],
        more=max(0, len(cases) - 200),
        hospitals=_hospitals(platform),
        reasons=withdraw.retention().reasons,
    )


def _form(
    request: Request,
    platform: PlatformDep,
    kind: str,
    error: PlatformError | None = None,
    kept: dict[str, str] | None = None,
) -> Response:
    rules = withdraw.retention()
    return render(
        request,
        "withdrawal_new.html",
        status=error.http if error else 200,
        error=error,
        kind=kind,
        kept=kept or {},
        retention=rules,
        hospitals={id: one for id, one in _hospitals(platform).items() if one.kind == "hospital"},
        systems=_systems(request, platform),
    )


def _one(
    request: Request,
    platform: PlatformDep,
    visitor: Visitor,
    request_id: str,
    error: PlatformError | None = None,
    typed: str = "",
) -> Response:
    seen = erase_request.request_seen(platform, visitor.actor, request_id)
    row, records = seen.row, platform.records
    people = {row.requested_by, *(vote.approver_id for vote in seen.votes)}
    is_mine = visitor.user.id in {row.requested_by, *(vote.approver_id for vote in seen.votes)}
    has_certificate = bool(row.certificate_sha256)
    return render(
        request,
        "withdrawal_one.html",
        status=error.http if error else 200,
        error=error,
        typed=typed,
        seen=seen,
        one=row,
        names={id: queries.person_of(records, id) for id in people},
        hospital=records.find(Organisation, row.organisation_id),
        retention=withdraw.retention(),
        counts=[(count_label(name), count) for name, count in sorted(row.counts.items())],
        locks=records.all(select(LockNotice).where(LockNotice.cause == row.id)),
        packages=records.all(select(PackageNotice).where(PackageNotice.cause == row.id)),
        certificate=readable_certificate(platform, visitor.actor, row.id)[0] if has_certificate else None,
        may_vote=row.state == ErasureState.REQUESTED and visitor.may("erasure.approve") and not is_mine,
    )


def _systems(request: Request, platform: PlatformDep) -> list[str]:
    """The source systems of the visitor's own hospital; other hospitals' are not the visitor's to choose from."""
    own: str = request.state.visitor.actor.organisation
    with platform.records.reading() as session:
        found = session.exec(select(Upload.source_system).where(Upload.organisation_id == own).distinct())
        return sorted(found.all())


def _hospitals(platform: PlatformDep) -> dict[str, Organisation]:
    return {one.id: one for one in platform.records.all(select(Organisation))}
