"""By which rules the rows of a lock came to be: policy, mappings, code lists, quality, each with its version and hash.

All of it is content, the same on any machine; what is stated are the rules that were in force when the lock was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import QualityRun, Upload

if TYPE_CHECKING:
    import pandas as pd

    from studies.protocol import Protocol


def facts_of_rules(
    platform: Platform, protocol: Protocol, tables: Mapping[str, pd.DataFrame], quality: QualityRun
) -> dict[str, Any]:
    """What a lock's facts say besides its rows. `tables` are the lake's, before the cohort was chosen."""
    return {
        "policy": _policy(),
        "mappings": _mappings(platform, tables.values()),
        "code_lists": code_lists_of(protocol),
        "quality": {one["table"]: one["verdict"] for one in quality.report["gate"]["tables"]},
    }


def _policy() -> dict[str, str]:
    from deidentify.policy import load_policy
    from rwd_platform.flows.judging import LAKE_POLICY

    policy = load_policy(LAKE_POLICY)
    return {"name": policy.name, "version": policy.version, "sha256": policy.sha256}


def _mappings(platform: Platform, tables: Iterable[pd.DataFrame]) -> dict[str, dict[str, str]]:
    """By name, the mappings of the uploads whose rows are in these tables."""
    from ingestion.mapping import load_mapping

    uploads = {str(upload) for table in tables for upload in table["upload_id"].unique()}
    behind = platform.records.all(select(Upload).where(col(Upload.id).in_(uploads), Upload.mapping != ""))
    found = {name: load_mapping(name) for name in sorted({upload.mapping for upload in behind})}
    return {name: {"version": one.version, "sha256": one.sha256} for name, one in found.items()}


def code_lists_of(protocol: Protocol) -> dict[str, str]:
    """`name@version` -> SHA-256, of every list that the protocol draws on, wherever it names it."""
    from studies.code_lists import load

    return {name: load(name).sha256 for name in sorted(set(_lists_in(protocol)))}


def _lists_in(part: Any) -> Iterator[str]:
    from studies.cohorts.definition import Codes

    if isinstance(part, Codes):
        if "@" in part.name:
            yield part.name
    elif is_dataclass(part):
        named: str = getattr(part, "code_list", "")
        if named:
            yield named
        for field in fields(part):
            yield from _lists_in(getattr(part, field.name))
    elif isinstance(part, list | tuple):
        for one in part:
            yield from _lists_in(one)
