"""A run's results unsealed the short way, for tests that read them: two people with accounts, one reason."""

from __future__ import annotations

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import newest_run
from rwd_platform.flows.unseal_results import Knowledge, decide_unsealing, request_unsealing
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AnalysisRun, Study, User

FIRST = Actor("unsealer-han", "researcher", "org-operator")
SECOND = Actor("unsealer-wei", "researcher", "org-operator")
REASON = "已核对组间平衡与重叠诊断，同意按方案揭盲"


def settle(platform: Platform, *actors: Actor) -> None:
    """An account for each; nobody can log in to it."""
    for actor in actors:
        if platform.records.find(User, actor.id) is None:
            row = User(
                id=actor.id, organisation_id=actor.organisation, login=actor.id, role=actor.role, name=actor.id,
                password_hash="", created_at="",
            )  # fmt: skip
            platform.records.write(row, audit=Act(actor, "user.registered", Object("user", actor.id)))


def unseal(platform: Platform, study_id: str) -> AnalysisRun:
    """The newest run, whole."""
    settle(platform, FIRST, SECOND)
    asked = request_unsealing(platform, FIRST, study_id, REASON, Knowledge("registered"))
    decide_unsealing(platform, SECOND, asked.id, True, REASON)
    return newest_run(platform, platform.records.get(Study, study_id))
