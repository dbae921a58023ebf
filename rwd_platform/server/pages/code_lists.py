"""Code lists: which there are, who wrote and signed them, what changed between versions, and where they are used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from sqlmodel import select
from starlette.responses import Response

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import SavedCohort
from rwd_platform.server import queries
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.pages.policies import ReadsPolicy
from rwd_platform.server.templating import render

if TYPE_CHECKING:
    from studies.code_lists import CodeList

router = APIRouter()

CODES_ON_A_PAGE = 200
CHANGES_SHOWN = 500  # of each kind; how many there are is said
Reference = Annotated[str, Query(max_length=130)]


@dataclass(frozen=True)
class Use:
    """A study or a saved definition whose text names a list."""

    href: str
    name: Bilingual
    is_study: bool


@router.get("/code-lists")
def get_code_lists(_: ReadsPolicy, request: Request) -> Response:
    return render(request, "code_lists.html", lists=_every_list())


@router.get("/code-lists/{reference}")
def get_code_list(
    visitor: ReadsPolicy,
    request: Request,
    platform: PlatformDep,
    reference: str,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    found = _load(reference)
    first = (page - 1) * CODES_ON_A_PAGE
    return render(
        request,
        "code_list.html",
        one=found,
        codes=found.entries[first : first + CODES_ON_A_PAGE],
        page=page,
        page_size=CODES_ON_A_PAGE,
        versions=[one for one in _every_list() if one.name == found.name and one.version != found.version],
        uses=_uses(platform, visitor, reference),
    )


@router.get("/code-lists/{reference}/difference")
def get_difference(_: ReadsPolicy, request: Request, reference: str, before: Reference = "") -> Response:
    """From another version, or another list, to this one."""
    from studies.code_lists import diff

    new, old = _load(reference), _load(before)
    return render(
        request, "code_list_difference.html", new=new, old=old, found=diff(old, new), most=CHANGES_SHOWN
    )


@cache
def _load(reference: str) -> CodeList:
    """A version never changes, so that it is read once. An error is not kept."""
    from studies.code_lists import load

    return load(reference)


def _every_list() -> list[CodeList]:
    from studies.code_lists import HERE

    return [_load(path.stem) for path in sorted(HERE.glob("*.csv"))]


def _uses(platform: Platform, visitor: Visitor, reference: str) -> list[Use]:
    """Of the studies that the visitor may see, and the definitions of their own organisation."""
    named = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(reference)}(?![A-Za-z0-9.-])")
    found = []
    if visitor.may("study.read"):
        found += [
            Use(f"/studies/{one.id}", Bilingual(one.title_zh, one.title_en), True)
            for one in queries.studies(platform.records, visitor)
            if named.search(one.protocol)
        ]
    if visitor.may("cohort.count"):
        own = select(SavedCohort).where(SavedCohort.organisation_id == visitor.actor.organisation)
        found += [
            Use(f"/cohorts/{one.id}", Bilingual(one.name, one.name), False)
            for one in platform.records.all(own)
            if named.search(one.definition)
        ]
    return found
