"""What left in a year, with everybody whose data it held: also what added nobody to the counts, and why it did not.

The two counts of the law are of persons whose data went abroad and are not exempt. What stays in China, is anonymised
or is exempt was provided all the same, and a report that says nothing of it would contradict its own list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import col, select

from rwd_platform.compliance.person_sets import PersonSet, distinct
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_counts import Part, day_of, opened_parts
from rwd_platform.records.tables import PersonPosting, Provision

DOMESTIC, ANONYMISED, EXEMPT, NOBODY, ALREADY = "domestic", "anonymised", "exempt", "nobody", "already"
WHY_NOT_ADDED: Mapping[str, Bilingual] = {
    DOMESTIC: Bilingual("境内", "within China"),
    ANONYMISED: Bilingual("已匿名化", "anonymised"),
    EXEMPT: Bilingual("豁免", "exempt"),
    NOBODY: Bilingual("不含个人信息", "nobody's data"),
    ALREADY: Bilingual("本年已计入", "counted already this year"),
}


@dataclass(frozen=True)
class Departure:
    """One provision that left.

    on            -- the day in Asia/Shanghai on which it left
    persons       -- everybody whose data it held, counted or not
    added         -- by how much it changed the year's two counts: (general, sensitive); general may be negative
    why_not_added -- a key of WHY_NOT_ADDED where it changed neither, otherwise ""
    """

    row: Provision
    posting: PersonPosting | None
    on: date
    persons: PersonSet
    added: tuple[int, int]
    why_not_added: str


def departures(
    platform: Platform, left: Sequence[Provision], parts: Sequence[Part], changes: Sequence[tuple[int, int]]
) -> list[Departure]:
    """One for each of `left`, in its order; `parts` with their changes are what the year counts.

    Raises `provision.posting_damaged` where persons on record cannot be opened.
    """
    kept = select(PersonPosting).where(
        col(PersonPosting.organisation_id).in_({row.organisation_id for row in left})
    )
    ids = {row.id for row in left}
    postings = {one.provision_id: one for one in platform.records.all(kept) if one.provision_id in ids}
    opened = {one.provision.id: one.persons for one in parts}
    others = [one for id, one in postings.items() if id not in opened]
    opened |= {one.provision.id: one.persons for one in opened_parts(platform, others)}
    added = {one.provision.id: change for one, change in zip(parts, changes, strict=True)}
    found = []
    for row in left:
        posting, change = postings.get(row.id), added.get(row.id, (0, 0))
        at = (posting.posted_at if posting else "") or row.decided_at  # decided once more when it left
        persons = opened.get(row.id, PersonSet.of())
        why = "" if change != (0, 0) else _why_not_added(row, posting)
        found.append(Departure(row, posting, day_of(at), persons, change, why))
    return found


def involved(found: Sequence[Departure]) -> dict[str, Any]:
    """How many provisions, distinct persons in them whether counted or not, and what added nobody, by reason."""
    general, sensitive = distinct([one.persons for one in found])
    return {
        "provisions": len(found),
        "involved_general": general,
        "involved_sensitive": sensitive,
        "not_added": dict(sorted(Counter(one.why_not_added for one in found if one.why_not_added).items())),
    }


def _why_not_added(row: Provision, posting: PersonPosting | None) -> str:
    if row.facts.get("crosses_border") is not True:
        return DOMESTIC
    if row.facts.get("data", {}).get("anonymised_and_reviewed") is True:
        return ANONYMISED
    if posting is None or not posting.general + posting.sensitive:
        return NOBODY
    return ALREADY if posting.counted else EXEMPT
