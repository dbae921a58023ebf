"""Studies: the list, a new protocol, and one study from protocol to evidence package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import study as study_flow
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import readable_locks, readable_runs
from rwd_platform.flows.unseal_results import KNOWLEDGE, Knowledge, decide_unsealing, request_unsealing
from rwd_platform.records.tables import AnalysisRun, Study
from rwd_platform.server import (
    cohort_charts,
    conclusions,
    doubt_results,
    free_texts,
    protocols,
    queries,
    results,
    steps,
    texts,
    unsealings,
)
from rwd_platform.server.api.studies import (
    FreezesStudies,
    LocksData,
    ReadsStudies,
    RegistersStudies,
    RunsStudies,
)
from rwd_platform.server.api.unsealings import AsksForUnsealing, DecidesOnUnsealing
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

_Text = Annotated[str, Form(max_length=2000)]


@router.get("/studies")
def get_studies(visitor: ReadsStudies, request: Request, platform: PlatformDep) -> Response:
    return render(request, "studies.html", studies=queries.studies(platform.records, visitor))


@router.get("/studies/new")
def get_new_study(
    _: RegistersStudies, request: Request, example: Annotated[str, Query(max_length=80)] = ""
) -> Response:
    return render(
        request,
        "study_new.html",
        text=protocols.example(example),
        examples=protocols.example_names(),
        error=None,
    )


@router.post("/studies")
def post_study(
    visitor: RegistersStudies,
    request: Request,
    platform: PlatformDep,
    protocol: Annotated[str, Form(max_length=500_000)] = "",
) -> Response:
    """A protocol with a mistake comes back with the mistake named and the text kept."""
    try:
        study = study_flow.register_study(platform, visitor.actor, protocol.replace("\r\n", "\n"))
    except PlatformError as error:
        return render(
            request,
            "study_new.html",
            status=error.http,
            text=protocol,
            examples=protocols.example_names(),
            error=error,
        )
    return RedirectResponse(f"/studies/{study.id}", status_code=303)


@router.get("/studies/{study_id}")
def get_study(visitor: ReadsStudies, request: Request, platform: PlatformDep, study_id: str) -> Response:
    return _page(request, platform, visitor, study_id, NO_WORDS)


@dataclass(frozen=True)
class SealWords:
    """What somebody wrote about the seal, and what was wrong with it: nothing typed is lost."""

    knowledge: str = ""
    seen: str = ""
    reason: str = ""
    error: PlatformError | None = None


NO_WORDS = SealWords()


def _page(
    request: Request, platform: Platform, visitor: Visitor, study_id: str, words: SealWords
) -> Response:
    records = platform.records
    study = queries.owned(records, visitor, "study.read", Study, study_id)
    locks, runs = queries.locks(records, study_id), _runs(visitor, platform, study_id)
    readable = readable_locks(platform, visitor.actor, locks)
    jobs = queries.jobs_with_key(records, f"study/{study_id}/")
    outline = protocols.outline(study.protocol)
    return render(
        request,
        "study.html",
        status=words.error.http if words.error else 200,
        study=study,
        seal=unsealings.seal_of(platform, visitor, study),
        seal_words=words,
        seal_error=words.error,
        knowledge=KNOWLEDGE,
        protocol=outline,
        designs=protocols.designs(study.protocol) if study.state == "registered" else (),
        unplanned=protocols.unplanned(study.protocol) if study.state == "registered" else (),
        frozen_by=queries.person_of(records, study.frozen_by),
        lock=locks[0] if locks else None,
        frozen_lock=queries.frozen_locks(records, [locks[0].id]).get(locks[0].id, "") if locks else "",
        attrition=results.attrition(locks[0].manifest) if locks and locks[0].id in readable else (),
        run=runs[0] if runs else None,
        shown=results.read(runs[0].results, largest_smd=outline.largest_smd) if runs else None,
        doubts=doubt_results.doubts_of(runs[0].results, outline) if runs else None,
        concluded=_concluded(platform, runs[0], outline) if runs else (),
        packages=queries.packages(records, visitor, study_id) if visitor.may("package.read") else [],
        free_texts=free_texts.of_study(platform, visitor, study, locks[0]) if locks else None,
        job=next((job for job in jobs[:1] if job.state != "done"), None),
        purposes=texts.PURPOSES,
        audiences=texts.AUDIENCES,
        drawings=cohort_charts,
    )


@router.get("/studies/{study_id}/protocol.yaml")
def get_protocol(visitor: ReadsStudies, platform: PlatformDep, study_id: str) -> Response:
    """The protocol's text as registered: its SHA-256 is the one that is frozen."""
    study = queries.owned(platform.records, visitor, "study.read", Study, study_id)
    return Response(
        study.protocol,
        media_type="application/yaml; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{study_id}-protocol.yaml"'},
    )


@router.post("/studies/{study_id}/freeze")
def post_freeze(
    visitor: FreezesStudies,
    platform: PlatformDep,
    study_id: str,
    reason: Annotated[str, Form(min_length=1, max_length=2000)],
) -> Response:
    queries.owned(platform.records, visitor, "study.read", Study, study_id)
    study_flow.freeze_protocol(platform, visitor.actor, study_id, reason)
    return _back(study_id)


@router.post("/studies/{study_id}/lock")
def post_lock(visitor: LocksData, platform: PlatformDep, study_id: str) -> Response:
    steps.start_lock(
        platform, visitor, queries.owned(platform.records, visitor, "study.lock", Study, study_id)
    )
    return _back(study_id)


@router.post("/studies/{study_id}/run")
def post_run(visitor: RunsStudies, platform: PlatformDep, study_id: str) -> Response:
    steps.start_run(platform, visitor, queries.owned(platform.records, visitor, "study.run", Study, study_id))
    return _back(study_id)


@router.post("/studies/{study_id}/unseal")
def post_unseal(
    visitor: AsksForUnsealing,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    reason: _Text = "",
    knowledge: Annotated[str, Form(max_length=40)] = "",
    seen: _Text = "",
) -> Response:
    """What was written stays written when something is missing."""
    try:
        request_unsealing(platform, visitor.actor, study_id, reason, Knowledge(knowledge, seen))
    except PlatformError as error:
        if error.http == 404:
            raise
        return _page(request, platform, visitor, study_id, SealWords(knowledge, seen, reason, error))
    return _back(study_id)


@router.post("/unsealings/{request_id}/vote")
def post_unsealing_vote(
    visitor: DecidesOnUnsealing,
    request: Request,
    platform: PlatformDep,
    request_id: str,
    agree: Annotated[bool, Form()],
    reason: _Text = "",
) -> Response:
    study_id = unsealings.one(platform, visitor, request_id).study_id
    try:
        decide_unsealing(platform, visitor.actor, request_id, agree, reason)
    except PlatformError as error:
        return _page(request, platform, visitor, study_id, SealWords(reason=reason, error=error))
    return _back(study_id)


def _concluded(
    platform: Platform, run: AnalysisRun, outline: protocols.Outline
) -> tuple[conclusions.Conclusion, ...]:
    seen = conclusions.outcomes_seen(platform, run)
    return conclusions.conclusions(run.results, seen=seen, criteria=outline.criteria)


def _back(study_id: str) -> Response:
    return RedirectResponse(f"/studies/{study_id}", status_code=303)


def _runs(visitor: Visitor, platform: Platform, study_id: str) -> Sequence[AnalysisRun]:
    """Runs for those who may read results; the operator sees that a study is analysed, not what it found."""
    if not visitor.may("results.read"):
        return ()
    return readable_runs(platform, visitor.actor, queries.runs(platform.records, study_id))
