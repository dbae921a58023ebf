"""A recipient's link: what it leads to, and the download. For whoever holds the link; nobody logs in here.

Looking is a GET and downloads nothing, since mail programs and browsers open links by themselves; the download is a
POST from that page. A link that is not good gets one answer, whatever is wrong with it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import FileResponse, Response

from rwd_platform.flows.release_links import download_by_link, look_at_link
from rwd_platform.records.tables import Study
from rwd_platform.server.deps import Anybody, PlatformDep, address_of
from rwd_platform.server.templating import render

router = APIRouter()

Token = Annotated[str, Path(max_length=200)]


@router.get("/r/{token}")
def get_link(_: Anybody, request: Request, platform: PlatformDep, token: Token) -> Response:
    link, package = look_at_link(platform, token, address_of(request))
    study = platform.records.find(Study, package.study_id)
    return render(request, "link.html", link=link, package=package, study=study, token=token)


@router.post("/r/{token}", response_class=FileResponse)
def post_link(_: Anybody, request: Request, platform: PlatformDep, token: Token) -> FileResponse:
    path, package = download_by_link(platform, token, address_of(request))
    return FileResponse(path, media_type="application/zip", filename=package.file_name)
