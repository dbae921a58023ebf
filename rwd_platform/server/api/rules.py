"""The shipped rule packs, every rule with its article and what is unconfirmed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from rwd_platform.compliance.shipped import as_dict
from rwd_platform.server import rules_view
from rwd_platform.server.api.models import REFUSALS
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/rules", tags=["rules"], responses=REFUSALS)

# Everybody who may read transfers may read provisions too (tests/server/test_rules.py says so).
ReadsRules = Annotated[Visitor, Depends(Door("provision.read"))]


class FamilyOut(BaseModel):
    """The packs of one family, the earliest first. `in_force` is the version that applies today."""

    family: str
    in_force: str | None
    problem: dict[str, str] | None
    packs: list[dict[str, Any]]


class UnusableOut(BaseModel):
    """A file that is not what was pinned, or cannot be read."""

    file: str
    sha256: str
    problem: dict[str, str]


class RulesOut(BaseModel):
    """`decides` is false while a shipped file is not what was pinned: nothing is decided then."""

    on: str
    decides: bool
    problem: dict[str, str] | None
    families: list[FamilyOut]
    unusable: list[UnusableOut]


@router.get("", response_model=RulesOut)
def get_rules(visitor: ReadsRules, platform: PlatformDep) -> dict[str, Any]:
    """As they stand today in China. Decision support, not legal advice."""
    return as_dict(rules_view.rules_today(platform))
