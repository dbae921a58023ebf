"""Provisions without the studies behind them: releases whose content a test names person by person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rwd_platform.compliance.person_sets import KEY_BYTES, PersonSet
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import Content, Leaving, decide_provisions
from rwd_platform.flows.provision_facts import Genetics
from rwd_platform.flows.provision_people import Share
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage, InstrumentRecord, OutputRelease, Provision
from tests.flows.papers import paper, party

HOSPITAL = "org-hospital-a"
ABROAD = "circle-abroad"
RESEARCHER = Actor("researcher", "researcher", "org-operator")
DUTIES = ("impact_assessment", "notice_consent", "guardian_consent", "ethics_approval", "data_use_agreement")
HEALTH = frozenset({"health_status"})
NO_GENETICS = Genetics()


def keys(first: int, last: int) -> list[bytes]:
    """Persons first to last, both included, as keys."""
    return [number.to_bytes(KEY_BYTES, "big") for number in range(first, last + 1)]


def put(platform: Platform, *rows: object) -> None:
    for row in rows:
        kind = str(row.__tablename__)  # type: ignore[attr-defined]  # every row has one
        platform.records.write(row, audit=Act(RESEARCHER, "seed.written", Object(kind, row.id)))  # type: ignore[arg-type,attr-defined]  # any table's row


def put_everything(platform: Platform, exporter: str = HOSPITAL, *, but: Iterable[str] = ()) -> None:
    """The parties checked, and every paper that a standard-contract transfer abroad asks for, without some."""
    put(platform, party(exporter), party(ABROAD, country="US", foreign_controlled="yes"))
    rows = [
        paper("ciio_check", exporter, answer="no"),
        paper("important_data_check", exporter, answer="no"),
        paper("standard_contract", exporter, filed_on="2026-01-05"),
        *(paper(kind, exporter) for kind in DUTIES),
    ]
    put(platform, *(row for row in rows if row.kind not in but))


def part(
    platform: Platform,
    number: int,
    sensitive: Iterable[bytes] = (),
    general: Iterable[bytes] = (),
    *,
    exporter: str = HOSPITAL,
    recipient: str = ABROAD,
    genetics: Genetics | None = NO_GENETICS,
    anonymised: bool = False,
    minors: bool | None = False,
    persons: PersonSet | None = None,
    judicial: str = "no",
) -> Leaving:
    """The release of that number, of these persons of one exporter. Only what the rules look at is there."""
    release_id = f"release-{number}"
    asked = OutputRelease(
        id=release_id, organisation_id="org-operator", project_id="demo", package_id="EP-1", product="p",
        recipient_kind="sponsor", circle=recipient, content_sha256="0" * 64, verdict={},
        conditions={"foreign_judicial_request": judicial} if judicial else {},
        state="approved", requested_by="researcher", requested_at="2026-11-01T00:00:00.000000Z",
    )  # fmt: skip
    package = EvidencePackage(
        id="EP-1", organisation_id="org-operator", project_id="demo", study_id="study", run_id="run",
        purpose="registration", version=1, audience="aggregate", file_name="EP-1.zip", sha256="0" * 64, bytes=1,
        state="assembled", made_at="2026-11-01T00:00:00.000000Z",
    )  # fmt: skip
    who = persons or PersonSet.of(list(general), list(sensitive))
    share = Share(exporter, who, frozenset({exporter}))
    content = Content([share], HEALTH, core=False, minors=minors, anonymised=anonymised, genetics=genetics)
    return Leaving(platform, RESEARCHER, asked, package, content, load_pack())


def decided(leaving: Leaving) -> Provision:
    (row,) = decide_provisions(leaving)
    return row


def with_shares(leaving: Leaving, *shares: Share) -> Leaving:
    return replace(leaving, content=replace(leaving.content, shares=list(shares)))


def revoke(platform: Platform, kind: str, exporter: str = HOSPITAL, on: str = "2026-11-02") -> None:
    row = platform.records.get(InstrumentRecord, f"paper-{exporter}-{kind}")
    row.revoked_on = on
    put(platform, row)
