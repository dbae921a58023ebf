"""Where the numbers of a package stand, in words, from the report that lies in its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import EvidencePackage
from rwd_platform.server.package_members import BROKEN, opened, read_object
from studies.evidence.places import Places

REPORT = "data/06_report/report.json"
MOST_BYTES = 32 << 20


def places_of(platform: Platform, package: EvidencePackage) -> Places:
    """Without the report, or with one that cannot be read, nothing is known: places are told as registered."""
    try:
        with opened(platform, package) as (archive, folder):
            return Places.of_report(read_object(archive, f"{folder}{REPORT}", MOST_BYTES))
    except BROKEN:
        return Places(known=False)


def where(platform: Platform, package: EvidencePackage, number: Mapping[str, Any]) -> Bilingual:
    """The place of one number."""
    return said(places_of(platform, package), number)


def said(places: Places, number: Mapping[str, Any]) -> Bilingual:
    """A report that is not what it should be does not take the page with it."""
    try:
        return places.say(number)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return Bilingual(str(number["place"]), str(number["place"]))
