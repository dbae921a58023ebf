"""Which state of the lake a linkage run is of, how a run may be shown, and what a lock says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import col, select

from rwd_platform.core.canonical import sha256_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import Place
from rwd_platform.records.tables import LinkageRun

Links = Mapping[Place, str]
"""(organisation_id, patient_id) -> linkage token"""

_RECIPIENT = "public"  # the strictest policy that there is: nothing is known of what a reader holds already
# Versions count commits of this deployment: they are no content, and a lock's id is the hash of its content.
_NO_CONTENT = frozenset({"lake_versions"})


def linkage_state(versions: Mapping[str, int], links: Links, frozen: frozenset[Place]) -> str:
    """The SHA-256 of everything that a run's counts follow from, besides who is a source of what."""
    from studies.linkage.run import FORMAT_VERSION

    tokens = [[*place, token] for place, token in sorted(links.items()) if place not in frozen]
    return sha256_of([FORMAT_VERSION, dict(versions), tokens, sorted(map(list, frozen))])


def shown_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """A run's report without small counts, by the disclosure policy for everybody."""
    from deidentify.disclosure.recipients import recipient_of
    from studies.linkage.shown import shown

    policy = recipient_of(_RECIPIENT)
    return shown(report, policy.minimum_cell, policy.rounding_base)


def linkage_facts(
    platform: Platform, versions: Mapping[str, int], links: Links, frozen: frozenset[Place]
) -> dict[str, Any]:
    """What a lock of this state says of the newest run of the same state; nothing where there was none.

    In counts as they may be shown: a lock's facts travel with evidence packages.
    """
    query = select(LinkageRun).where(LinkageRun.state == linkage_state(versions, links, frozen))
    order = (col(LinkageRun.made_at).desc(), col(LinkageRun.id).desc())
    found = platform.records.all(query.order_by(*order).limit(1))
    if not found:
        return {}
    shown = shown_report(found[0].report)
    return {"run": {name: part for name, part in shown.items() if name not in _NO_CONTENT}}
