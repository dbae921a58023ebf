"""Uploads: open one under named terms, stream files into it, close it, and see what became of every unit."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from rwd_platform.flows import receipts, receive_upload
from rwd_platform.flows.receive_upload import UploadTerms
from rwd_platform.server import queries
from rwd_platform.server.api.models import (
    REFUSALS,
    FileOut,
    JobOut,
    RejectGroupOut,
    TermsIn,
    UploadDetailOut,
    UploadOpenedOut,
    UploadOut,
)
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.security import MAX_FILE_BYTES, file_label
from rwd_platform.store.landing import Incoming

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], responses=REFUSALS)

ReadsUploads = Annotated[Visitor, Depends(Door("upload.read", machines=True))]
SendsUploads = Annotated[Visitor, Depends(Door("upload.create", machines=True))]
ReadsReceipts = Annotated[Visitor, Depends(Door("receipt.read", machines=True))]
DownloadsRejects = Annotated[Visitor, Depends(Door("reject.download"))]

_LOG = logging.getLogger("rwd.server")
_PIECE = 1 << 20


@router.get("", response_model=list[UploadOut])
def get_uploads(
    visitor: ReadsUploads, platform: PlatformDep, page: Annotated[int, Query(ge=1, le=10_000)] = 1
) -> list[UploadOut]:
    """The uploads you may see, newest first, 20 a page."""
    first = (page - 1) * queries.UPLOAD_PAGE
    return [UploadOut.of(one) for one in queries.uploads(platform.records, visitor, first=first)]


@router.post("", response_model=UploadOpenedOut, status_code=201)
def post_upload(visitor: SendsUploads, platform: PlatformDep, terms: TermsIn) -> UploadOpenedOut:
    """Open an upload. It names agreement, platform role, consent version and ethics id, or is refused."""
    upload = receive_upload.open_upload(platform, visitor.actor, UploadTerms(**terms.model_dump()))
    return UploadOpenedOut(id=upload.id, state=upload.state)


@router.get("/{upload_id}", response_model=UploadDetailOut)
def get_upload(visitor: ReadsUploads, platform: PlatformDep, upload_id: str) -> UploadDetailOut:
    """One upload with the account of each file."""
    summary = queries.upload_summary(platform.records, visitor, upload_id)
    files = queries.files_of(platform.records, upload_id)
    return UploadDetailOut(upload=UploadOut.of(summary), files=[FileOut.of(file) for file in files])


@router.put(
    "/{upload_id}/files",
    response_model=FileOut,
    status_code=201,
    max_body_size=MAX_FILE_BYTES,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put_file(
    visitor: SendsUploads,
    platform: PlatformDep,
    request: Request,
    upload_id: str,
    name: Annotated[str, Query(max_length=1000)],
) -> Response | FileOut:
    """Stream one file's bytes as the request's body. The same bytes again are recognised.

    When the client goes away in the middle, nothing of the file is kept.
    """
    actor, label = visitor.actor, file_label(name)
    incoming = await run_in_threadpool(receive_upload.begin_file, platform, actor, upload_id, label)
    try:
        received = await _receive(request, incoming)
        file = await run_in_threadpool(
            receive_upload.finish_file, platform, actor, upload_id, label, incoming
        )
    except ClientDisconnect:
        await run_in_threadpool(incoming.abandon)
        _LOG.info(
            "upload %s: the client went away in the middle of a file; nothing of it was kept", upload_id
        )
        return Response(status_code=400)  # nobody is there to read it
    except BaseException:
        await run_in_threadpool(incoming.abandon)
        raise
    _LOG.info("upload %s: %d bytes received", upload_id, received)
    return FileOut.of(file)


async def _receive(request: Request, incoming: Incoming) -> int:
    """Writes the body in pieces of about 1 MiB, off the event loop. Returns the bytes received."""
    received = 0
    async for piece in _pieces(request):
        await run_in_threadpool(incoming.write, piece)
        received += len(piece)
    return received


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


@router.post("/{upload_id}/close", response_model=JobOut, status_code=202)
def post_close(visitor: SendsUploads, platform: PlatformDep, upload_id: str) -> JobOut:
    """All files are there: queue the admission. The answer is its job."""
    return JobOut.of(receive_upload.close_upload(platform, visitor.actor, upload_id))


@router.get("/{upload_id}/receipt")
def get_receipt(visitor: ReadsReceipts, platform: PlatformDep, upload_id: str) -> dict[str, Any]:
    """The signed receipt: what came, under which terms, and what became of it."""
    queries.upload_summary(
        platform.records, visitor, upload_id, "receipt.read"
    )  # hidden and absent look alike
    return receipts.receipt(platform, visitor.actor, upload_id)


@router.get("/{upload_id}/rejects", response_model=list[RejectGroupOut])
def get_rejects(visitor: ReadsUploads, platform: PlatformDep, upload_id: str) -> list[RejectGroupOut]:
    """Why units were kept out, grouped by reason, with example places."""
    from rwd_platform.flows.rejects import reject_groups  # reads FHIR: not at start

    queries.upload_summary(platform.records, visitor, upload_id)
    groups = reject_groups(platform, visitor.actor, upload_id)
    return [RejectGroupOut.model_validate(group) for group in groups]


@router.get("/{upload_id}/rejects/file")
def get_reject_file(visitor: DownloadsRejects, platform: PlatformDep, upload_id: str) -> Response:
    """What was kept out, as it was sent, to correct and send again. Patient-level: the read is in the log."""
    from rwd_platform.flows.rejects import reject_file  # reads FHIR: not at start

    queries.upload_summary(platform.records, visitor, upload_id)
    content = reject_file(platform, visitor.actor, upload_id)
    return Response(
        content,
        media_type="application/zip",
        headers={"content-disposition": f'attachment; filename="{upload_id}-to-correct.zip"'},
    )
