"""Provisions in every state, of two hospitals to recipients abroad and at home, as the flows leave them."""

from __future__ import annotations

from collections.abc import Iterable

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import Leaving, logged, post_provisions, provisions_of
from rwd_platform.flows.release_votes import release_act
from rwd_platform.log.entry import Act
from rwd_platform.records.tables import Provision, ReleaseCircle
from tests.flows.papers import paper, party
from tests.flows.providing import RESEARCHER, decided, keys, part, put, put_everything

A, B = "hospital-a", "hospital-b"
ABROAD, HOME, UNCHECKED = "circle-abroad", "circle-home", "circle-unchecked"
CIRCLES = (
    (ABROAD, "sponsor", "境外申办者甲", "Sponsor Abroad Ltd"),
    (HOME, "insurer", "境内保险乙", "Insurer at Home"),
    (UNCHECKED, "researcher", "研究机构丙", "Institute C"),
)


def put_circles(platform: Platform) -> None:
    for id, kind, zh, en in CIRCLES:
        put(
            platform,
            ReleaseCircle(
                id=id, organisation_id="org-operator", kind=kind, name_zh=zh, name_en=en, legal_name=f"{en} legal",
                registered_by="user-privacy", registered_at="2026-11-01T00:00:00.000000Z",
            ),
        )  # fmt: skip


def asked(platform: Platform, number: int, persons: Iterable[bytes], **differs: object) -> Leaving:
    """The release is on record, so that its page can be linked to."""
    leaving = part(platform, number, persons, **{"exporter": A} | differs)  # type: ignore[arg-type]  # as `part` has them
    leaving.asked.verdict = {"outcome": "pass", "findings": []}
    put(platform, leaving.asked)
    return leaving


def posted(leaving: Leaving) -> Provision:
    """With the entry of a release: without it no door believes the row."""
    rows: list[Provision] = []

    def act() -> Act:
        said = logged(session, rows)
        return release_act(RESEARCHER, "release.released", leaving.asked, provisions=said)

    with leaving.platform.records.transaction(audit=act) as session:
        rows += post_provisions(session, leaving)
    (row,) = provisions_of(leaving.platform, leaving.asked.id)
    return row


def seed_provisions(platform: Platform) -> dict[str, str]:
    """The ids by state; hospital A with every paper and two that are due, hospital B without an impact assessment."""
    put_circles(platform)
    put_everything(platform, A)
    put_everything(platform, B, but=["impact_assessment", "standard_contract"])
    put(platform, party(HOME), party("org-authority"))
    put(
        platform,
        paper("certification", A, id="paper-due", number="CERT-7", valid_until="2026-11-20"),
        paper("standard_contract", B, id="paper-unfiled", number="SC-B-1", effective_from="2026-10-08"),
    )
    short = paper("standard_contract", A, id="paper-short", number="SC-A-0", filed_on="2026-01-05")
    short.scope = {**short.scope, "purposes": ["insurance"], "persons": 10}
    put(platform, short)
    ids = {
        "posted": posted(asked(platform, 1, keys(1, 8_913))).id,
        "reserved": decided(asked(platform, 2, keys(8_000, 9_500))).id,
        "held": decided(asked(platform, 3, keys(1, 40), exporter=B)).id,
        "unknown": decided(asked(platform, 4, keys(1, 4), recipient=UNCHECKED)).id,
        "domestic": posted(asked(platform, 5, keys(1, 30), recipient=HOME)).id,
    }
    recalled = posted(asked(platform, 6, keys(1, 12)))
    recalled.state, recalled.ended_at, recalled.ended_why = (
        "recalled",
        "2026-11-02T07:30:00.000000Z",
        "发错了人",
    )
    put(platform, recalled)
    put(platform, party(ABROAD, country="US", foreign_controlled="yes", restricted="yes"))
    ids["blocked"] = decided(asked(platform, 7, keys(1, 3))).id
    put(platform, party(ABROAD, country="US", foreign_controlled="yes"))
    return {**ids, "recalled": recalled.id}
