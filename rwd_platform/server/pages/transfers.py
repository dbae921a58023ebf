"""Transfers abroad and data that come in: the list, the two questions, and the decision card."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.transfer import IMPORT, close_answer, closed_answers, decide_import, decide_transfer
from rwd_platform.records.tables import EvidencePackage, TransferRecord
from rwd_platform.server import queries, rules_view, transfer_form, transfer_view
from rwd_platform.server.already_counted import already_counted
from rwd_platform.server.api.transfers import DecidesTransfers, ReadsTransfers
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render
from rwd_platform.server.transfer_view import LedgerNow

router = APIRouter()


@router.get("/transfers")
def get_transfers(visitor: ReadsTransfers, request: Request, platform: PlatformDep) -> Response:
    return render(
        request, "transfers.html", transfers=queries.transfers(platform.records, visitor, direction="")
    )


@router.get("/transfers/new")
def get_new_transfer(
    visitor: DecidesTransfers,
    request: Request,
    platform: PlatformDep,
    package: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    if package:
        queries.owned(platform.records, visitor, "package.read", EvidencePackage, package)
    ledger = transfer_view.ledger_now(platform, visitor)
    answers = transfer_form.blank(package, platform.clock(), ledger.answers if ledger else None)
    return _form(request, answers, None, ledger)


@router.post("/transfers")
async def post_transfer(visitor: DecidesTransfers, request: Request, platform: PlatformDep) -> Response:
    """What was filled in stays filled in when something is missing."""
    answers = transfer_form.Answers.of(await request.form())
    try:
        transfer_form.check_day(answers, platform.clock())
        record = await run_in_threadpool(
            decide_transfer,
            platform,
            visitor.actor,
            title=Bilingual(answers.title_zh, answers.title_en),
            recipient=answers.recipient,
            facts=transfer_form.facts(answers),
            package_id=answers.package_id,
        )
    except PlatformError as error:
        return _form(request, answers, error)
    return RedirectResponse(f"/transfers/{record.id}", status_code=303)


@router.get("/transfers/inbound")
def get_new_import(visitor: DecidesTransfers, request: Request) -> Response:
    return _import_form(request, transfer_form.Answers(), None)


@router.post("/transfers/inbound")
async def post_import(visitor: DecidesTransfers, request: Request, platform: PlatformDep) -> Response:
    """What was filled in stays filled in when something is missing."""
    answers = transfer_form.Answers.of(await request.form(), transfer_form.INBOUND_QUESTIONS)
    try:
        transfer_form.check_day(answers, platform.clock())
        record = await run_in_threadpool(
            decide_import,
            platform,
            visitor.actor,
            title=Bilingual(answers.title_zh, answers.title_en),
            sender=answers.recipient,
            facts=transfer_form.facts(answers, transfer_form.INBOUND_QUESTIONS),
        )
    except PlatformError as error:
        return _import_form(request, answers, error)
    return RedirectResponse(f"/transfers/{record.id}", status_code=303)


@router.get("/transfers/{transfer_id}")
def get_transfer(
    visitor: ReadsTransfers, request: Request, platform: PlatformDep, transfer_id: str
) -> Response:
    record = queries.owned(platform.records, visitor, "transfer.read", TransferRecord, transfer_id)
    return render(
        request,
        "transfer.html",
        one=record,
        asked_by=queries.person_of(platform.records, record.asked_by),
        groups=transfer_form.INBOUND_GROUPS if record.direction == IMPORT else transfer_form.GROUPS,
        facts={**transfer_form.flat(record.facts), **already_counted(record.facts)},
        waits=transfer_view.waits_for(visitor, record) and not closed_answers(platform, [record.id]),
        once_known=transfer_view.once_known(record),
        answer_of=transfer_form.answer_of,
        rules_at=rules_view.address_of(platform, record.decision["rule_pack"]),
    )


@router.post("/transfers/{transfer_id}/seen")
def post_seen(visitor: DecidesTransfers, platform: PlatformDep, transfer_id: str) -> Response:
    """The answer is no task of the home any more; it stays on record."""
    close_answer(platform, visitor.actor, transfer_id)
    return RedirectResponse("/", status_code=303)


def _form(
    request: Request,
    answers: transfer_form.Answers,
    error: PlatformError | None,
    ledger: LedgerNow | None = None,
) -> Response:
    return render(
        request,
        "transfer_new.html",
        status=error.http if error else 200,
        answers=answers,
        groups=transfer_form.GROUPS,
        error=error,
        ledger=ledger,
    )


def _import_form(request: Request, answers: transfer_form.Answers, error: PlatformError | None) -> Response:
    return render(
        request,
        "transfer_inbound.html",
        status=error.http if error else 200,
        answers=answers,
        groups=transfer_form.INBOUND_GROUPS,
        error=error,
    )
