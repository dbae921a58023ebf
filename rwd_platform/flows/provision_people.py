"""Whose data a package holds, and which legal entity provides them: exporter by exporter, as sets of keyed persons.

Who the exporter is follows from the platform's role at upload: entrusted, the hospital decides and provides; recipient,
the platform does; joint, both do, and a person counts for both. A person is one for an exporter through all projects
where the lock's sealed map says who the subjects are; whoever cannot be resolved counts as another person.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import col, select

from rwd_platform.compliance.person_sets import KEY_BYTES, PersonSet
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import PACKAGE_UNREADABLE, results_in
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, Upload

PERSON_KEY = "provision-person"
_ENTRUSTED, _JOINT = "entrusted", "joint"


@dataclass(frozen=True)
class Share:
    """What one exporter provides of a package: its persons, and the hospitals whose patients they are."""

    exporter: str
    persons: PersonSet
    sites: frozenset[str]


def shares_of(platform: Platform, package: EvidencePackage) -> list[Share]:
    """By exporter, in order of their ids; a single share of nobody where the package holds nobody.

    Everything a hospital sends about a patient is sensitive (PIPL 28), so nobody is counted as general.
    """
    run = platform.records.get(AnalysisRun, package.run_id)
    persons = person_map(platform, run.lock_id) or {}
    keys: dict[str, set[bytes]] = defaultdict(set)
    sites: dict[str, set[str]] = defaultdict(set)
    roles = _roles(platform)
    for subject in subjects_of(platform, package, run, persons):
        person = persons.get(subject)
        name = f"person|{person.ledger_id}" if person else f"subject|{package.project_id}|{subject}"
        own = {organisation for organisation, _ in person.places} if person else set()
        for site in own or {package.organisation_id}:
            for exporter in _exporters(site, roles.get(site, frozenset()), platform.settings.operator):
                keys[exporter].add(person_key(platform, exporter, name))
                sites[exporter].add(site)
    if not keys:
        return [Share(package.organisation_id, PersonSet.of(), frozenset({package.organisation_id}))]
    return [Share(one, PersonSet.of(sensitive=keys[one]), frozenset(sites[one])) for one in sorted(keys)]


def subjects_of(
    platform: Platform, package: EvidencePackage, run: AnalysisRun, persons: Collection[str]
) -> set[str]:
    """Row by row an authority's package holds the whole lock; any other the people its results are about."""
    path = platform.layout.results / run.id / "row_sets.json"
    try:
        kept = json.loads(path.read_bytes())
        named = (
            set(kept) if package.audience != "aggregate" else set(results_in(platform, package)["row_sets"])
        )
        subjects = {one for name in named for one in kept[name]}
    except (OSError, ValueError, KeyError, TypeError):
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    return subjects | set(persons) if package.audience != "aggregate" else subjects


def _roles(platform: Platform) -> dict[str, frozenset[str]]:
    """In which roles the platform holds what each hospital sent."""
    found: dict[str, set[str]] = defaultdict(set)
    sent = platform.records.all(select(Upload).where(col(Upload.state) == UploadState.ADMITTED))
    for upload in sent:
        found[upload.organisation_id].add(upload.platform_role)
    return {organisation: frozenset(roles) for organisation, roles in found.items()}


def _exporters(site: str, roles: frozenset[str], operator: str) -> frozenset[str]:
    """The legal entities that decide; a hospital with nothing on record about the roles provides its own."""
    found = set()
    if not roles or roles & {_ENTRUSTED, _JOINT}:
        found.add(site)
    if roles - {_ENTRUSTED}:
        found.add(operator)
    return frozenset(found)


def person_key(platform: Platform, exporter: str, name: str) -> bytes:
    """Keyed by exporter: the ledgers of two exporters cannot be joined."""
    key = platform.keys.derive(PERSON_KEY, exporter)
    return platform.keys.ciphers.mac(key, name.encode())[:KEY_BYTES]
