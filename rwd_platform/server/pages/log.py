"""The log, for reading: who did what, when, to what, why, before and after; its signed heads, and whether it holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from rwd_platform.audit.export import VERIFIER
from rwd_platform.audit.heads import one_head, read_heads, with_witnesses
from rwd_platform.audit.proof_file import SUFFIX, tlog_proof
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import verify_whole_log
from rwd_platform.flows.witnessed import witnesses
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.server import log_view, log_words, queries
from rwd_platform.server.api.log import Filter, Page, ReadsLog, TreeName, chosen_tree
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()

HEADS_PAGE = 20
_TEXT = "text/plain; charset=utf-8"


@router.get("/log")
def get_log(
    visitor: ReadsLog, request: Request, platform: PlatformDep, asked: Filter, page: Page = 1
) -> Response:
    """A filter that cannot be used is shown again beside what is wrong with it."""
    error, found = None, log_view.Page((), 0, 1)
    try:
        found = log_view.log_page(
            platform.records, visitor, log_view.wanted(platform.records, asked, page, log_view.PAGE_SIZE)
        )
    except PlatformError as caught:
        error = caught
    return render(
        request,
        "log.html",
        status=error.http if error else 200,
        error=error,
        lines=found.lines,
        total=found.total,
        most=log_view.MOST_EXPORTED,
        size=log_view.size(platform.records),
        wanted=asked,
        actions=log_view.actions(platform.records, visitor),
        page=found.page,
        page_size=log_view.PAGE_SIZE,
        log=log_words,
    )


@router.get("/log.csv")
def get_log_csv(visitor: ReadsLog, platform: PlatformDep, asked: Filter) -> Response:
    """What the filter finds. That it was taken away is an entry of the log."""
    content = log_view.export(platform, visitor, asked)
    headers = {"content-disposition": 'attachment; filename="log.csv"'}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/log/checkpoints")
def get_checkpoints(
    visitor: ReadsLog, request: Request, platform: PlatformDep, tree: TreeName = "", page: Page = 1
) -> Response:
    chosen = chosen_tree(platform, tree)
    found = read_heads(
        platform.records,
        platform.log_signer.public_key,
        chosen,
        first=(page - 1) * HEADS_PAGE,
        limit=HEADS_PAGE,
    )
    return render(
        request,
        "log_checkpoints.html",
        heads=found.heads,
        total=found.total,
        page=page,
        page_size=HEADS_PAGE,
        size=log_view.size(platform.records),
        tree=chosen.name,
        trees=[one.name for one in platform.records.book.trees],
        key=platform.log_signer.public_key.hex(),
        origin=chosen.origin(platform.records.log),
        log=log_words,
    )


@router.get("/log/checkpoints/{name}")
def get_checkpoint_note(visitor: ReadsLog, platform: PlatformDep, name: str, tree: TreeName = "") -> Response:
    """`152.note`: the signed note of that size, with the witnesses' lines that hold, to be kept somewhere else."""
    chosen = chosen_tree(platform, tree)
    size = name.removesuffix(".note")
    note = one_head(platform.records, chosen, int(size)) if log_view.is_number(size) else None
    if note is None:
        raise NOT_FOUND.error(kind="audit_checkpoint", id=log_view.shown_id(size))
    return _file(note, f"checkpoint-{size}{'-sm3' if chosen.suffix else ''}.note")


@router.get("/log/verify")
def get_verification(visitor: ReadsLog, request: Request, platform: PlatformDep) -> Response:
    last = verify_whole_log.last_verification(platform)
    return render(
        request,
        "log_verify.html",
        job=verify_whole_log.verification_job(platform),
        last=last,
        by=queries.person_of(platform.records, last.by) if last else None,
        may_verify=verify_whole_log.may_verify(visitor.actor),
        size=log_view.size(platform.records),
        head=log_view.newest_head(platform.records),
        witnesses=witnesses(platform),
        log=log_words,
    )


@router.post("/log/verify")
def post_verification(visitor: ReadsLog, platform: PlatformDep) -> Response:
    verify_whole_log.start_verification(platform, visitor.actor)
    return RedirectResponse("/log/verify", status_code=303)


@router.get("/log/verify/card")
def get_verification_card(
    visitor: ReadsLog,
    request: Request,
    platform: PlatformDep,
    seen: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The job's card for htmx, as `/jobs/{id}/card` is: whoever verifies the log need not see other jobs."""
    job = verify_whole_log.verification_job(platform)
    if job is None or not verify_whole_log.may_verify(visitor.actor):
        raise NOT_FOUND.error(kind="job", id="?")
    if seen == f"{job.state}-{job.stage}-{job.done}":
        return Response(status_code=204)
    response = render(request, "fragments/job.html", job=job, card="/log/verify/card")
    if job.state in ("done", "failed"):
        response.headers["hx-refresh"] = "true"
    return response


@router.get("/log/verify_log.py")
def get_verifier(visitor: ReadsLog) -> Response:
    """The offline verifier, byte for byte as an export holds it."""
    headers = {"content-disposition": f'attachment; filename="{VERIFIER.name}"'}
    return Response(VERIFIER.read_bytes(), media_type="text/x-python; charset=utf-8", headers=headers)


@router.get("/log/{number}.proof")
def get_proof(visitor: ReadsLog, platform: PlatformDep, number: str) -> Response:
    """C2SP tlog-proof: the number, the hashes up to the root, and the signed head."""
    found = log_view.proof_of(platform, log_view.entry(platform.records, visitor, number))
    tree = platform.records.book.trees[0]
    note = with_witnesses(platform.records, tree, found.size, found.note) if found.note else ""
    return _file(tlog_proof(found, note), f"entry-{found.sequence}{SUFFIX}")


@router.get("/log/{number}.json")
def get_body(visitor: ReadsLog, platform: PlatformDep, number: str) -> Response:
    """The entry's exact bytes, which the leaf is made of."""
    line = log_view.entry(platform.records, visitor, number)
    headers = {"content-disposition": f'attachment; filename="entry-{line.sequence}.json"'}
    return Response(line.body, media_type="application/json", headers=headers)


@router.get("/log/{number}")
def get_entry(visitor: ReadsLog, request: Request, platform: PlatformDep, number: str) -> Response:
    return render(
        request,
        "log_entry.html",
        one=log_view.card(platform, visitor, number),
        value_text=log_view.value_text,
        log=log_words,
    )


def _file(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8", "replace"), media_type=_TEXT, headers=headers)
