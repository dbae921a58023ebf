"""Reads policy.toml: which role may exist in which kind of organisation, and which roles need a second factor."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rwd_platform.access.roles import Role
from rwd_platform.core.text import Bilingual

POLICY = Path(__file__).parent / "policy.toml"


@dataclass(frozen=True)
class Kind:
    """A kind of organisation: its name, the roles that people may have there, and whether it may sit abroad."""

    name: Bilingual
    roles: frozenset[Role]
    may_be_foreign: bool


@dataclass(frozen=True)
class AccessPolicy:
    kinds: Mapping[str, Kind]
    second_factor: frozenset[Role]
    inspection_days: int
    open_from_abroad: frozenset[str]


@cache
def access_policy(path: Path = POLICY) -> AccessPolicy:
    """Raises ValueError for a role that there is not, and KeyError for a kind without its names."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    kinds = {
        name: Kind(
            Bilingual(one["zh"], one["en"]),
            frozenset(Role(role) for role in one["roles"]),
            one.get("may_be_foreign", False),
        )
        for name, one in found["organisations"].items()
    }
    second_factor = frozenset(Role(role) for role in found["second_factor"])
    return AccessPolicy(
        kinds, second_factor, int(found["inspection_days"]), frozenset(map(str, found["open_from_abroad"]))
    )


def may_exist(role: str, kind: str) -> bool:
    """Whether an account of that role may belong to an organisation of that kind. Unknown words are no."""
    found = access_policy().kinds.get(kind)
    return found is not None and role in found.roles


def may_be_foreign(kind: str) -> bool:
    """Whether such an organisation may have its seat abroad. A kind that is not known may."""
    found = access_policy().kinds.get(kind)
    return found is None or found.may_be_foreign


def is_open_from_abroad(action: str) -> bool:
    return action in access_policy().open_from_abroad


def needs_second_factor(role: str) -> bool:
    return role in access_policy().second_factor
