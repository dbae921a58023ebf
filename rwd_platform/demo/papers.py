"""The demo's parties and papers: who gives and receives, and what is on file before the first record comes.

Numbers of papers are the demo's own and say so. Nothing is filed for the sponsor abroad: a release to it is held, and
its page says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.compliance.instruments import kind_of
from rwd_platform.core.clock import shanghai_date
from rwd_platform.demo import people
from rwd_platform.flows.instruments import ETHICS_APPROVAL, NewPaper, record_instrument
from rwd_platform.flows.parties import Profile, record_party
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import request_release
from rwd_platform.flows.release_circles import NewCircle, register_circle
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import EvidencePackage, OutputRelease, User

EXPORTERS = ("org-hospital-a", "org-hospital-b", "org-hospital-c", "org-hospital-d", "org-hospital-e")
CHECKS: Mapping[str, str] = {
    "ciio_check": "no",
    "important_data_check": "no",
    "guardian_consent": "nobody_under_14",
}
PAPERS = ("impact_assessment", "notice_consent", "data_use_agreement")
REVIEWED_BY = "org-hospital-a"  # whose committee reviewed the study; the other hospitals recognise it
ANYTHING = ("*",)
SPONSOR = NewCircle("sponsor", "演示境外申办者", people.SPONSOR_ABROAD, "Demo Sponsor Ltd", credit_code="")
WHY_ABROAD = "演示：境外申办者的全球研发 · demo: the sponsor's global development"


def put_papers_on_file(platform: Platform, staff: Mapping[str, User]) -> None:
    """Parties checked, for each hospital the papers that a provision inside China rests on, and one ethics approval."""
    officer = people.actor_of(staff["privacy"])
    today = shanghai_date(platform.clock()).isoformat()
    for id in (people.OPERATOR, people.AUTHORITY, *EXPORTERS):
        organ = "yes" if id == people.AUTHORITY else "no"
        record_party(platform, officer, id, Profile("CN", "no", organ, "no", today, "demo@example.org"))
    for exporter in EXPORTERS:
        for kind, answer in (*CHECKS.items(), *((kind, "") for kind in PAPERS)):
            _put(platform, officer, exporter, kind, answer, today)
    _put(platform, officer, REVIEWED_BY, ETHICS_APPROVAL, "", today)


def ask_for_a_release_abroad(
    platform: Platform, requester: Actor, package: EvidencePackage, staff: Mapping[str, User]
) -> OutputRelease:
    """The sponsor abroad on record, and a release of the aggregate package to it: held, since no contract is filed."""
    officer = people.actor_of(staff["privacy"])
    circle = register_circle(platform, officer, SPONSOR)
    today = shanghai_date(platform.clock()).isoformat()
    profile = Profile("US", "yes", "no", "no", today, "dpo@sponsor.example")
    record_party(platform, officer, circle.id, profile)
    conditions = {"purpose": WHY_ABROAD, "foreign_judicial_request": "no"}
    return request_release(platform, requester, package.id, "sponsor", circle.id, conditions)


def _put(platform: Platform, officer: Actor, exporter: str, kind: str, answer: str, today: str) -> None:
    paper = NewPaper(
        exporter=exporter,
        kind=kind,
        number=f"DEMO-{kind}-{exporter}",
        effective_from=today,
        answer=answer,
        scope={dimension: list(ANYTHING) for dimension in kind_of(kind).scope},
        note="演示文件，非真实文书 · a demo's paper, not a real one",
    )
    record_instrument(platform, officer, paper)
