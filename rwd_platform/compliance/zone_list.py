"""A free-trade zone's negative list, as far as we know it: which edition, whether it is adopted, what it is silent on.

The list decides nothing by itself. What a transfer's decision reads is a `zone_opinion` (instruments.toml): counsel's
signed opinion on one scenario. So the list is off until a person adopts it, and says what counsel must confirm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from rwd_platform.compliance.instruments import kinds
from rwd_platform.compliance.rulepack import (
    malformed,
    read_bilingual,
    read_day,
    read_period,
    read_text,
    read_toml,
)
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.text import Bilingual

HAINAN = "hainan"


@dataclass(frozen=True)
class ZoneList:
    """One edition of a zone's list.

    effective_from, effective_until -- days in Asia/Shanghai, inclusive; without a stated first day, the announcement's
    announced           -- the day on which the edition was announced
    adopted             -- whether decisions here may lean on it at all; False until a person says otherwise
    domains             -- the fields of business that the edition names, as known to us
    medicine_scenarios  -- ids of its scenarios of medicine; empty: it is silent on medicine
    instrument          -- the kind of instrument through which, and only through which, a decision uses the list
    silence, reads      -- sentences: what its silence means; what a decision reads instead
    confirm             -- what counsel must confirm before anybody leans on it
    """

    id: str
    version: str
    sha256: str
    effective_from: date
    effective_until: date | None
    title: Bilingual
    disclaimer: Bilingual
    source: Bilingual
    edition: str
    announced: date
    adopted: bool
    domains: tuple[Bilingual, ...]
    medicine_scenarios: tuple[str, ...]
    instrument: str
    silence: Bilingual
    reads: Bilingual
    confirm: tuple[Bilingual, ...]


def read_zone_list(raw: bytes, name: str) -> ZoneList:
    """A list from its bytes; `name` is what an error calls it. Raises PlatformError (exit 2) when it is malformed."""
    content = read_toml(raw, name)
    with malformed(name):
        since, until = read_period(content)
        if content["family"] != HAINAN:
            raise ValueError("family")
        if not isinstance(content["adopted"], bool):
            raise ValueError("adopted")
        if content["instrument"] not in kinds():
            raise ValueError("instrument")
        return ZoneList(
            id=read_text(content["id"]),
            version=read_text(content["version"]),
            sha256=sha256_hex(raw),
            effective_from=since,
            effective_until=until,
            title=read_bilingual(content["title"]),
            disclaimer=read_bilingual(content["disclaimer"]),
            source=read_bilingual(content["source"]),
            edition=read_text(content["edition"]),
            announced=read_day(content["announced"]),
            adopted=content["adopted"],
            domains=tuple(map(read_bilingual, content["domains"])),
            medicine_scenarios=tuple(map(read_text, content["medicine_scenarios"])),
            instrument=content["instrument"],
            silence=read_bilingual(content["silence"]),
            reads=read_bilingual(content["reads"]),
            confirm=tuple(map(read_bilingual, content["confirm"])),
        )
