"""What a package says of single rows: the tier, and the certificate of whoever its rows are sealed to.

The tier is on record; the certificate stands in the package alone. A package of before said nothing of either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import EvidencePackage, PackageDossier
from rwd_platform.server.package_members import BROKEN, opened, read_object
from studies.evidence.profiles.choice import tier_names
from studies.evidence.recipient import last_day, recipient_told

DESCRIPTION = "data/00_index/package.json"
_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class RowsTold:
    """`recipient`: subject, issuer, serial, sha256 and the last day; None where rows are not sealed, where the package
    does not say to whom, and for whom that is not to be told.
    """

    tier: str
    name: Bilingual
    sealed: bool
    recipient: Mapping[str, str] | None = None


def rows_told(
    platform: Platform, packages: Sequence[EvidencePackage], readable: Callable[[EvidencePackage], bool]
) -> dict[str, RowsTold]:
    """By the package's id; of the readable ones also the recipient. A package that names no tier is left out."""
    query = select(PackageDossier).where(col(PackageDossier.package_id).in_([one.id for one in packages]))
    tiers = {one.package_id: one.tier for one in platform.records.all(query)}
    names, found = tier_names(), {}
    for one in packages:
        tier = tiers.get(one.id, "")
        if tier in names:
            sealed = tier == "T3"
            to = _recipient(platform, one) if sealed and readable(one) else None
            found[one.id] = RowsTold(tier, names[tier], sealed, to)
    return found


def _recipient(platform: Platform, package: EvidencePackage) -> dict[str, str] | None:
    """From the archive's own directory; nothing is unpacked, and nothing raised."""
    try:
        with opened(platform, package) as (archive, folder):
            told = recipient_told(read_object(archive, f"{folder}{DESCRIPTION}", _MOST_BYTES))
        return {**told, "last_day": last_day(told)} if told else None
    except BROKEN:
        return None
