"""What every pseudonym of a hospital becomes under the next version of its key: found in the files as received.

A pseudonym cannot be turned back, so the identifiers are read once more from the identified zone. Nothing of
them is kept: what leaves here are pairs of pseudonyms, and pairs of content hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from deidentify.policy import Policy, load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub
from ingestion.mapping import load_mapping
from rwd_platform.core import json_text
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Resource
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.judging import LAKE_POLICY, owner_of
from rwd_platform.flows.key_versions import PSEUDONYM
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.uploads import admitted_uploads
from rwd_platform.records.tables import Upload
from rwd_platform.store.retokenise import NewNames


class _Both:
    """Stands where a pseudonymiser does: gives the old token, and notes what it becomes."""

    def __init__(self, old: Pseudonymiser, new: Pseudonymiser, found: dict[str, str]) -> None:
        self._old, self._new, self._found = old, new, found

    def token(self, kind: str, value: str) -> str:
        token: str = self._old.token(kind, value)
        self._found[token] = self._new.token(kind, value)
        return token


def new_names(platform: Platform, organisation_id: str, now: int, then: int) -> NewNames:
    """Old -> new for every pseudonym that the hospital's admitted uploads gave rise to.

    Held in memory: some 200 bytes for each resource of the hospital. Raises what opening a file raises
    (`landing.not_found`, `raw.damaged`): with a file missing no complete list can be made.
    """
    policy = load_policy(LAKE_POLICY)
    tokens: dict[str, str] = {}
    contents: dict[str, str] = {}
    for upload in admitted_uploads(platform, organisation_id):
        old, new = (_pseudonyms(platform, upload, version) for version in (now, then))
        both = cast(Pseudonymiser, _Both(old, new, tokens))
        for resource in _resources(platform, upload):
            owner_of(resource, both)
            before = _content(resource, policy, both)
            if before is not None:
                contents[before] = str(_content(resource, policy, new))
    return NewNames(tokens, contents)


def _pseudonyms(platform: Platform, upload: Upload, version: int) -> Pseudonymiser:
    key = platform.keys.derive(PSEUDONYM, upload.organisation_id, version=version)
    return Pseudonymiser(key, upload.source_system, version, platform.keys.suite)


def _resources(platform: Platform, upload: Upload) -> Iterator[Resource]:
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    for file in files_of(platform, upload.id):
        # A file that could not be read at admission gave no resource, and another's content gives none anew.
        if file.problem is None and not file.duplicate_of:
            for unit in units_of(platform, file, mapping):
                if unit.resource is not None:
                    yield unit.resource


def _content(resource: Resource, policy: Policy, pseudonyms: Pseudonymiser) -> str | None:
    """The hash that tells the same content sent again, as admission computes it; None for what is not stored."""
    try:
        scrubbed = scrub(resource, policy, pseudonyms).resource
    except (Quarantine, PlatformError):
        return None
    return None if scrubbed is None else sha256_hex(json_text.dumps(scrubbed).encode())
