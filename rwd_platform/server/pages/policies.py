"""De-identification policies: what each is for, whether it is sound, and what its last runs left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from rwd_platform.records.records import NOT_FOUND
from rwd_platform.server import policies
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.policies import LastRun
from rwd_platform.server.templating import render

if TYPE_CHECKING:
    from deidentify.lint import Finding
    from deidentify.policy import Policy

router = APIRouter()

ReadsPolicy = Annotated[Visitor, Depends(Door("policy.read"))]


@dataclass(frozen=True)
class Overview:
    """A policy in the list, with the linter's findings and its last runs."""

    policy: Policy
    findings: tuple[Finding, ...]
    runs: tuple[LastRun, ...]

    @property
    def worst(self) -> str:
        return policies.worst(self.findings)

    @property
    def at(self) -> str:
        return max((run.at for run in self.runs), default="")

    @property
    def paths(self) -> int:
        return len({path for run in self.runs for path in run.dropped})


@router.get("/policies")
def get_policies(visitor: ReadsPolicy, request: Request, platform: PlatformDep) -> Response:
    runs = policies.last_runs(platform.records, visitor)
    dropped = policies.by_path(runs)
    return render(
        request,
        "policies.html",
        severities=policies.SEVERITIES,
        policies=[
            Overview(
                policy := policies.read(name),
                policies.findings_of(policy),
                tuple(run for run in runs if run.policy == name),
            )
            for name in policies.names()
        ],
        runs=runs,
        dropped=dropped[: policies.PATHS_SHOWN],
        rest=max(0, len(dropped) - policies.PATHS_SHOWN),
    )


@router.get("/policies/{name}")
def get_policy(visitor: ReadsPolicy, request: Request, platform: PlatformDep, name: str) -> Response:
    """Only the house's own policies by name: the address of a page opens no file."""
    if name not in policies.names():
        raise NOT_FOUND.error(kind="policy", id=name if len(name) <= 80 and name.isprintable() else "?")
    policy = policies.read(name)
    runs = policies.last_runs(platform.records, visitor, name)
    return render(
        request,
        "policy.html",
        policy=policy,
        findings=policies.findings_of(policy),
        severities=policies.SEVERITIES,
        example=policies.example_of(policy),
        runs=runs,
        dropped=policies.by_path(runs),
        in_words=policies.in_words,
    )
