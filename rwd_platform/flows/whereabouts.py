"""Where somebody is who uses the platform: what is seen from abroad has left the country.

Access from abroad is asked about as a file is that is sent (《数据出境安全评估申报指南（第二版）》,
2024-03-22: data kept in the country that an institution, organisation or person abroad can query, retrieve, download
or export). So somebody who is abroad is shown what a release let go abroad to their organisation, and nothing else:
access from there is no way round the decision, the two reviewers and the count of persons (docs/decisions/0032).

Abroad is, whichever comes first:
    organisation   its seat is on record as being outside mainland China (HK, MO and TW are)
    unknown        it is of a kind that may be foreign, and nobody recorded where it has its seat
    address        the connection comes from none of the networks that this deployment calls domestic
"""

from __future__ import annotations

from ipaddress import ip_address

from sqlmodel import col, select

from rwd_platform.access.policy import may_be_foreign
from rwd_platform.compliance.standing import is_abroad
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.tables import LegalParty, Organisation, PersonPosting, Provision

ORGANISATION, UNKNOWN, ADDRESS = "organisation", "unknown", "address"
_LEFT = (ProvisionState.POSTED, ProvisionState.RECALLED)


def abroad(platform: Platform, organisation_id: str, address: str | None) -> str:
    """Why a person of that organisation counts as abroad; "" where they do not.

    address -- of the connection, as the server sees it; None for a terminal of the machine itself
    """
    party = platform.records.find(LegalParty, organisation_id)
    if party is not None and is_abroad(party.country):
        return ORGANISATION
    if party is None:
        organisation = platform.records.find(Organisation, organisation_id)
        if organisation is None or may_be_foreign(organisation.kind):
            return UNKNOWN
    return "" if address is None or is_domestic(platform, address) else ADDRESS


def is_domestic(platform: Platform, address: str) -> bool:
    """Whether the address is in one of the domestic networks. What is no address is not; without networks all are."""
    networks = platform.settings.networks
    if not networks:
        return True
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found  # ::ffff:10.0.0.1 is 10.0.0.1
    return any(mapped in network for network in networks)


def has_left_abroad(platform: Platform, release_id: str) -> bool:
    """Whether every part of a release was posted as provided abroad: then it may be looked at from there.

    Asked of the provision, of the facts that it was decided on and of its posting: where they differ it has not.
    """
    parts = platform.records.all(select(Provision).where(Provision.source_id == release_id))
    of_parts = col(PersonPosting.provision_id).in_([one.id for one in parts])
    postings = {one.provision_id: one for one in platform.records.all(select(PersonPosting).where(of_parts))}
    return bool(parts) and all(_left_abroad(one, postings.get(one.id)) for one in parts)


def _left_abroad(part: Provision, posting: PersonPosting | None) -> bool:
    if posting is None or not posting.posted_at or part.state not in _LEFT:
        return False
    return posting.crosses_border and part.facts.get("crosses_border") is True
