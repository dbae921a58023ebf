"""A protocol is frozen only when its human genetic resources are known, and foreign parties have their approval."""

from __future__ import annotations

import json
import re

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, InstrumentRecord, Study
from tests.flows.papers import paper
from tests.flows.releasing import PROTOCOL

RESEARCHER = Actor("researcher", "researcher", "org-operator")
SECTION = re.compile(r"human_genetic_resources:\n(?:  .+\n)+")


def protocol(**answers: str) -> str:
    """The demonstration's protocol with other answers; without any, without the section."""
    if not answers:
        return SECTION.sub("", PROTOCOL)
    said = dict.fromkeys(("material", "information", "sequencing", "special", "samples_leave"), '"no"')
    said |= {"foreign_parties": "[]"} | answers
    lines = "".join(f"  {name}: {value}\n" for name, value in said.items())
    return SECTION.sub(f"human_genetic_resources:\n{lines}", PROTOCOL)


def frozen(platform: Platform, text: str) -> Study:
    study = register_study(platform, RESEARCHER, text)
    return freeze_protocol(platform, RESEARCHER, study.id, "方案经审定")


def held(platform: Platform, text: str) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        frozen(platform, text)
    assert refused.value.code == "study.genetic_resources_held"
    assert [one.state for one in platform.records.all(select(Study))] == ["registered"]
    return refused.value


def put(platform: Platform, row: InstrumentRecord) -> None:
    platform.records.write(row, audit=Act(RESEARCHER, "seed.written", Object("instrument", row.id)))


def test_a_protocol_that_says_nothing_is_held(platform: Platform) -> None:
    error = held(platform, protocol())
    assert "human_genetic_resources" in error.next_en and "决策支持，非法律意见" in error.zh


@pytest.mark.parametrize("question", ["material", "information", "sequencing", "special", "samples_leave"])
def test_what_is_unknown_is_held(platform: Platform, question: str) -> None:
    held(platform, protocol(**{question: "unknown"}))


def test_without_genetic_resources_foreign_parties_may_take_part(platform: Platform) -> None:
    """The log says by which rules and pack it was let through."""
    assert frozen(platform, protocol(foreign_parties="[Overseas Sponsor Ltd]")).state == "frozen"
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "study.frozen"))
    said = json.loads(entry.body)["decision"]["genetic_resources"]
    assert said["verdict"] == "ALLOW" and said["rule_pack"]["id"] and said["rules"]


@pytest.mark.parametrize("question", ["material", "information", "sequencing", "special"])
def test_a_foreign_party_in_a_study_with_samples_needs_its_approval_first(
    platform: Platform, question: str
) -> None:
    """Held until the cooperation that names the party and the project is on file; another project's does not serve."""
    text = protocol(**{question: '"yes"'}, foreign_parties="[Overseas Sponsor Ltd]")
    error = held(platform, text)
    study = platform.records.all(select(Study))[0]
    cooperation = paper("hgr_cooperation", "org-hospital-a")
    cooperation.scope = {"projects": ["another"], "recipients": ["Overseas Sponsor Ltd"]}
    put(platform, cooperation)
    with pytest.raises(PlatformError) as refused:
        freeze_protocol(platform, RESEARCHER, study.id, "方案经审定")
    assert refused.value.code == error.code
    named = paper("hgr_cooperation", "org-hospital-a", id="paper-named")
    named.scope = {"projects": [study.project_id], "recipients": ["Overseas Sponsor Ltd"]}
    put(platform, named)
    assert freeze_protocol(platform, RESEARCHER, study.id, "方案经审定").state == "frozen"


def test_samples_that_leave_need_their_certificate(platform: Platform) -> None:
    held(platform, protocol(material='"yes"', samples_leave='"yes"'))
    study = platform.records.all(select(Study))[0]
    put(platform, paper("hgr_exit_certificate", "org-hospital-a"))
    assert freeze_protocol(platform, RESEARCHER, study.id, "方案经审定").state == "frozen"


def test_a_held_freeze_is_in_the_log(platform: Platform) -> None:
    held(platform, protocol())
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))
    assert json.loads(entry.body)["reason"] == "study.genetic_resources_held"
