"""Batches: the list, the form, and what became of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.flows import receipts, receive_upload
from rwd_platform.flows.receive_upload import FHIR_VERSIONS
from rwd_platform.records.tables import Upload
from rwd_platform.server import mappings, queries
from rwd_platform.server.api.uploads import ReadsReceipts, ReadsUploads, SendsUploads
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/uploads")
def get_uploads(
    visitor: ReadsUploads,
    request: Request,
    platform: PlatformDep,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    first = (page - 1) * queries.UPLOAD_PAGE
    return render(
        request,
        "uploads.html",
        uploads=queries.uploads(platform.records, visitor, first=first),
        total=queries.count_uploads(platform.records, visitor),
        page=page,
        page_size=queries.UPLOAD_PAGE,
    )


@router.get("/uploads/new")
def get_new_upload(
    visitor: SendsUploads,
    request: Request,
    platform: PlatformDep,
    corrects: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """The form, filled with the terms of the batch that is corrected, or of the last one that was sent."""
    last = queries.uploads(platform.records, visitor, limit=1)
    before = last[0].upload if last else None
    if corrects:
        before = queries.owned(platform.records, visitor, "upload.read", Upload, corrects)
    return render(
        request,
        "upload_new.html",
        before=before,
        corrects=corrects,
        fhir_versions=FHIR_VERSIONS,
        mappings=mappings.known(),
    )


@router.get("/uploads/{upload_id}")
def get_upload(visitor: ReadsUploads, request: Request, platform: PlatformDep, upload_id: str) -> Response:
    from rwd_platform.flows.rejects import reject_groups  # reads FHIR: not at start

    summary = queries.upload_summary(platform.records, visitor, upload_id)
    return render(
        request,
        "upload.html",
        one=summary,
        files=queries.files_of(platform.records, upload_id),
        groups=reject_groups(platform, visitor.actor, upload_id),
        sender=queries.person_of(platform.records, summary.upload.received_by),
    )


@router.post("/uploads/{upload_id}/close")
def post_close(visitor: SendsUploads, platform: PlatformDep, upload_id: str) -> Response:
    """Complete an upload whose page was left before the end."""
    receive_upload.close_upload(platform, visitor.actor, upload_id)
    return RedirectResponse(f"/uploads/{upload_id}", status_code=303)


@router.get("/uploads/{upload_id}/receipt")
def get_receipt(visitor: ReadsReceipts, request: Request, platform: PlatformDep, upload_id: str) -> Response:
    """The receipt as a page to print."""
    summary = queries.upload_summary(platform.records, visitor, upload_id, "receipt.read")
    receipt = receipts.receipt(platform, visitor.actor, upload_id)
    return render(request, "receipt.html", one=summary, receipt=receipt)
