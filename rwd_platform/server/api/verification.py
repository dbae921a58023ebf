"""Source verification: the study's team draws rows, hospitals download their sheets and return them filled in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from rwd_platform.flows import chart_sheets
from rwd_platform.flows import source_verification as flow
from rwd_platform.flows.verification_rounds import RoundSeen, SheetSeen, rounds_of, sheets_of
from rwd_platform.records.tables import Study
from rwd_platform.server import queries, steps, verification_view
from rwd_platform.server.api.models import REFUSALS, JobOut, Out, ProblemOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1", tags=["source verification"], responses=REFUSALS)

ReadsRounds = Annotated[Visitor, Depends(Door("study.read"))]
ReadsAgreement = Annotated[Visitor, Depends(Door("results.read"))]
DrawsRows = Annotated[Visitor, Depends(Door("verification.draw"))]
FillsSheets = Annotated[Visitor, Depends(Door("verification.fill"))]
# Larger than any sheet that is read, so that the flow says what is wrong with it.
MOST_BYTES = 8 << 20
_CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class DrawIn(BaseModel):
    """`known_until`: YYYY-MM-DD up to which the hospitals read their charts."""

    known_until: str = Field(max_length=40)


class ReasonIn(BaseModel):
    reason: str = Field(max_length=200_000)


class SheetStateOut(Out):
    """What the study's team sees of a sheet: neither its items, which would tell of outcomes, nor its lines."""

    id: str
    organisation_id: str
    state: str
    returned_at: str
    refused: int


class RoundOut(Out):
    id: str
    lock_id: str
    known_until: str
    policy_version: str
    policy_sha256: str
    state: str
    drawn_at: str
    closed_at: str
    closed_because: str
    sheets: list[SheetStateOut]


class SheetOut(Out):
    """`can_return`: its round is open, so that it may be downloaded and returned."""

    id: str
    study: dict[str, str]
    known_until: str
    items: int
    issued_sha256: str
    state: str
    returned_sha256: str
    returned_at: str
    answered: int
    refused: int
    can_return: bool


class HintOut(Out):
    """A value that can hardly be: where it stands, and what is credible. The value is not repeated."""

    place: int
    variable: str
    low: float
    high: float
    unit: str


class ReturnOut(Out):
    """`problems`: the first of them, by line; `problem_count`: how many there are. `hints`: of an accepted sheet."""

    accepted: bool
    sheet: SheetOut
    problem_count: int
    problems: list[ProblemOut]
    hints: list[HintOut]


class RoundAgreementOut(Out):
    """A closed round. `lines`: by variable, of all hospitals together and then of each; none where not `computed`."""

    number: int
    known_until: str
    closed_because: str
    computed: bool
    lines: list[dict[str, Any]]


class AgreementOut(Out):
    """`state`: none | sealed | open | told. `rounds`: the closed ones, the newest first. `waits`: sheets came back of
    the open one, which are told once it is closed."""

    state: str
    rounds: list[RoundAgreementOut]
    waits: bool


def round_out(one: RoundSeen) -> RoundOut:
    return RoundOut(
        **{name: getattr(one.round, name) for name in RoundOut.model_fields if name != "sheets"},
        sheets=[SheetStateOut.model_validate(sheet) for sheet in one.sheets],
    )


def sheet_out(platform: PlatformDep, one: SheetSeen) -> SheetOut:
    columns = (
        "id",
        "items",
        "issued_sha256",
        "state",
        "returned_sha256",
        "returned_at",
        "answered",
        "refused",
    )
    return SheetOut(
        **{name: getattr(one.sheet, name) for name in columns},
        study=verification_view.title_of(platform, one)._asdict(),
        known_until=one.round.known_until,
        can_return=one.can_return,
    )


@router.get("/studies/{study_id}/source-verification", response_model=list[RoundOut])
def get_rounds(visitor: ReadsRounds, platform: PlatformDep, study_id: str) -> list[RoundOut]:
    """The rounds of a study, the newest first."""
    queries.owned(platform.records, visitor, "study.read", Study, study_id)
    return [round_out(one) for one in rounds_of(platform, study_id)]


@router.post("/studies/{study_id}/source-verification", response_model=JobOut | RoundOut, status_code=202)
def post_draw(visitor: DrawsRows, platform: PlatformDep, study_id: str, asked: DrawIn) -> JobOut | RoundOut:
    """Draw the rows: a job. Where there is this round already, it is the answer."""
    study = queries.owned(platform.records, visitor, "verification.draw", Study, study_id)
    started = steps.start_draw(platform, visitor, study, asked.known_until)
    return round_out(started) if isinstance(started, RoundSeen) else JobOut.of(started)


@router.post("/studies/{study_id}/source-verification/close", response_model=list[RoundOut])
def post_close(visitor: DrawsRows, platform: PlatformDep, study_id: str, why: ReasonIn) -> list[RoundOut]:
    """Take no more sheets. What came back stays and counts."""
    flow.close_round(platform, visitor.actor, study_id, why.reason)
    return get_rounds(visitor, platform, study_id)


@router.get("/studies/{study_id}/source-verification/agreement", response_model=AgreementOut)
def get_agreement(visitor: ReadsAgreement, platform: PlatformDep, study_id: str) -> AgreementOut:
    """How far the charts bear the platform's values out, round by round; sealed as long as the results are."""
    study = queries.owned(platform.records, visitor, "results.read", Study, study_id)
    found = verification_view.agreement(platform, visitor, study)
    rounds = [
        RoundAgreementOut(
            number=one.number,
            known_until=one.known_until,
            closed_because=one.closed_because,
            computed=one.computed,
            lines=[{"title": line.title._asdict(), **verification_view.as_facts(line)} for line in one.lines],
        )
        for one in found.rounds
    ]
    return AgreementOut(state=found.state, rounds=rounds, waits=found.waits)


@router.get("/verification-sheets", response_model=list[SheetOut])
def get_sheets(visitor: FillsSheets, platform: PlatformDep) -> list[SheetOut]:
    """The sheets of one's own hospital: those that wait first."""
    return [sheet_out(platform, one) for one in sheets_of(platform, visitor.actor)]


@router.get("/verification-sheets/{sheet_id}", response_model=SheetOut)
def get_sheet(visitor: FillsSheets, platform: PlatformDep, sheet_id: str) -> SheetOut:
    return sheet_out(platform, chart_sheets.sheet_seen(platform, visitor.actor, sheet_id))


@router.get("/verification-sheets/{sheet_id}/sheet.csv")
def get_sheet_file(visitor: FillsSheets, platform: PlatformDep, sheet_id: str) -> Response:
    """The sheet as it was issued. Patient-level: the read is in the log."""
    return csv_answer(chart_sheets.sheet_for(platform, visitor.actor, sheet_id), sheet_id)


@router.post(
    "/verification-sheets/{sheet_id}/returns",
    response_model=ReturnOut,
    max_body_size=MOST_BYTES,
    openapi_extra=_CSV_BODY,
)
async def post_return(
    visitor: FillsSheets, platform: PlatformDep, request: Request, sheet_id: str
) -> ReturnOut | Response:
    """The filled sheet as the request's body, CSV. Every problem comes back with its line; then nothing was kept."""
    content = await request.body()
    outcome = await run_in_threadpool(chart_sheets.return_sheet, platform, visitor.actor, sheet_id, content)
    answer = await run_in_threadpool(_return_out, platform, visitor, outcome)
    return answer if outcome.accepted else JSONResponse(answer.model_dump(), status_code=422)


def _return_out(platform: PlatformDep, visitor: Visitor, outcome: chart_sheets.Outcome) -> ReturnOut:
    told = outcome.problems[: flow.limits().problems_told]
    return ReturnOut(
        accepted=outcome.accepted,
        sheet=get_sheet(visitor, platform, outcome.sheet.id),
        problem_count=len(outcome.problems),
        problems=[ProblemOut(**one.as_dict()) for one in told],
        hints=[
            HintOut(**{name: getattr(one, name) for name in HintOut.model_fields}) for one in outcome.hints
        ],
    )


def csv_answer(content: bytes, sheet_id: str) -> Response:
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{sheet_id}.csv"'},
    )
