"""Tiers of row data, T0 to T4: what of a submission's files a recipient's package has, as data (tiers.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from rwd_platform.core.text import Bilingual
from studies.evidence.documents import SEALED
from studies.evidence.submission.envelope import sealed_for
from studies.evidence.submission.facts import FOLDER
from studies.evidence.submission.problems import TIER_NEEDS_CERTIFICATE, TIER_NEVER, TIER_UNKNOWN


@dataclass(frozen=True)
class Tier:
    """`package`, `sealed` and `enclave` are patterns of paths below `data/03_data/`."""

    id: str
    name: Bilingual
    says: Bilingual
    allowed: bool
    package: tuple[str, ...]
    sealed: tuple[str, ...]
    enclave: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """
    package  -- what the package gets, the envelope among it
    enclave  -- what is kept inside the enclave for the recipient
    withheld -- paths that the tier names nowhere
    volatile -- paths of `package` whose bytes differ from build to build
    """

    package: Mapping[str, bytes]
    enclave: Mapping[str, bytes]
    withheld: tuple[str, ...]
    volatile: tuple[str, ...]


@cache
def tiers() -> Mapping[str, Tier]:
    """All of them by id, in their order."""
    read = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {
        id: Tier(
            id, Bilingual(one["zh"], one["en"]), Bilingual(one["says"]["zh"], one["says"]["en"]),
            one["allowed"], *(tuple(one[name]) for name in ("package", "sealed", "enclave")),
        )
        for id, one in read.items()
    }  # fmt: skip


def tier(id: str) -> Tier:
    """The tier of a package; one that is unknown, or that no package is made for, is refused."""
    known = tiers()
    if id not in known:
        raise TIER_UNKNOWN.error(tier=id, known=", ".join(known))
    if not known[id].allowed:
        raise TIER_NEVER.error(tier=id)
    return known[id]


def placed(id: str, files: Mapping[str, bytes], certificate_pem: bytes | None = None) -> Placed:
    """The files of a submission where this tier puts them. What has to be sealed needs the recipient's certificate."""
    chosen = tier(id)
    open_files = _matching(files, chosen.package)
    to_seal = _matching(files, chosen.sealed)
    enclave = _matching(files, chosen.enclave)
    volatile: tuple[str, ...] = ()
    if chosen.sealed:
        if certificate_pem is None:
            raise TIER_NEEDS_CERTIFICATE.error(tier=id)
        open_files = {**open_files, SEALED: sealed_for(to_seal, certificate_pem)}
        volatile = (SEALED,)
    withheld = sorted(set(files) - set(open_files) - set(to_seal) - set(enclave))
    return Placed(open_files, enclave, tuple(withheld), volatile)


def _matching(files: Mapping[str, bytes], patterns: tuple[str, ...]) -> dict[str, bytes]:
    """In the order of their paths. A `*` does not reach into another folder."""
    return {
        name: files[name]
        for name in sorted(files)
        if any(
            fnmatchcase(name.removeprefix(FOLDER), one)
            and name.removeprefix(FOLDER).count("/") == one.count("/")
            for one in patterns
        )
    }
