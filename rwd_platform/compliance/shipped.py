"""The shipped rule packs as people read them: every one by family, and which is in force on a day.

Reading is tolerant where deciding is not: `series.pack_in_force` gives no pack at all while one of the shipped files
is not what its pin says. Here the sound ones are still shown, beside what is wrong with the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from rwd_platform.compliance import inbound, participation
from rwd_platform.compliance.decide import PREDICATES as NATIONAL_PREDICATES
from rwd_platform.compliance.pins import FOLDER, listed_names, shipped_bytes
from rwd_platform.compliance.rulepack import (
    GENETIC_RESOURCES,
    INBOUND,
    NATIONAL,
    PACK_MALFORMED,
    Rule,
    RulePack,
    malformed,
    read_pack,
    read_toml,
)
from rwd_platform.compliance.series import FAMILIES, NO_SUCH_FAMILY, Head, check_joined
from rwd_platform.compliance.zone_list import HAINAN, ZoneList, read_zone_list
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual

Standing = Literal["in_force", "to_come", "ended"]

# By family: the rules that the code knows, in their order. A zone's list has none.
_RULES: Mapping[str, tuple[str, ...]] = {
    NATIONAL: tuple(NATIONAL_PREDICATES),
    GENETIC_RESOURCES: (*participation.ALWAYS, *participation.FIRST_OF),
    INBOUND: tuple(inbound.PREDICATES),
}


@dataclass(frozen=True)
class Shipped:
    """One pack that is what its pin says. `standing` is of the day that was asked about (Asia/Shanghai)."""

    name: str
    family: str
    standing: Standing
    content: RulePack | ZoneList

    @property
    def file(self) -> str:
        return f"{self.name}.toml"


@dataclass(frozen=True)
class Unusable:
    """A file among the shipped ones by which nothing is decided. `sha256` is what was found; "" of one that is gone."""

    name: str
    sha256: str
    problem: PlatformError

    @property
    def file(self) -> str:
        return f"{self.name}.toml"


@dataclass(frozen=True)
class Family:
    """The packs of one family, the earliest first. `problem`: they leave a gap or overlap, and none of them is picked.

    It is None as well where one of them is unusable: what is missing from a row cannot be told from a gap in it.
    """

    id: str
    packs: tuple[Shipped, ...]
    problem: PlatformError | None = None

    @property
    def in_force(self) -> Shipped | None:
        """The one that decides on the day; None where none does."""
        found = (one for one in self.packs if one.standing == "in_force")
        return next(found, None) if self.problem is None else None


@dataclass(frozen=True)
class Shelf:
    """Everything that is shipped, as of a day. `problem`: the list of pins cannot be read, so nothing is."""

    on: date
    families: tuple[Family, ...]
    unusable: tuple[Unusable, ...] = ()
    problem: PlatformError | None = None

    @property
    def decides(self) -> bool:
        """Whether decisions are made at all: one file that is not what was pinned stops them all."""
        return self.problem is None and not self.unusable

    def pack(self, family: str, version: str) -> Shipped | None:
        return next((one for one in self._of(family) if one.content.version == version), None)

    def by_hash(self, sha256: str) -> Shipped | None:
        """The pack that a decision names, while it is still shipped."""
        packs = (one for family in self.families for one in family.packs)
        return next((one for one in packs if one.content.sha256 == sha256), None)

    def _of(self, family: str) -> tuple[Shipped, ...]:
        if family not in FAMILIES:
            raise NO_SUCH_FAMILY.error(family=family[:_SHOWN], known=", ".join(FAMILIES))
        return next(one.packs for one in self.families if one.id == family)


_SHOWN = 40  # characters of an unknown family that an error repeats


def shelf(on: date, folder: Path = FOLDER) -> Shelf:
    """The shipped packs as they stand on the day (Asia/Shanghai). A file that is wrong is named, and raises nothing."""
    try:
        names = listed_names(folder)
    except PlatformError as error:
        return Shelf(on, tuple(Family(id, ()) for id in FAMILIES), problem=error)
    packs, unusable = [], []
    for name in names:
        try:
            packs.append(_read(name, shipped_bytes(name, folder), on))
        except PlatformError as error:
            unusable.append(Unusable(name, _hash_of(folder / f"{name}.toml"), error))
    families = (
        _family(id, [one for one in packs if one.family == id], sound=not unusable) for id in FAMILIES
    )
    return Shelf(on, tuple(families), tuple(unusable))


def _family(id: str, packs: list[Shipped], *, sound: bool) -> Family:
    ordered = tuple(sorted(packs, key=lambda one: (one.content.effective_from, one.name)))
    try:
        check_joined([_head(one) for one in ordered])
    except PlatformError as error:
        return Family(id, ordered, error if sound else None)
    return Family(id, ordered)


def _head(one: Shipped) -> Head:
    return Head(one.name, one.family, one.content.effective_from, one.content.effective_until)


def _read(name: str, raw: bytes, on: date) -> Shipped:
    file = f"{name}.toml"
    with malformed(file):
        family = read_toml(raw, file)["family"]
    content = read_zone_list(raw, file) if family == HAINAN else read_pack(raw, file)
    if isinstance(content, RulePack) and tuple(rule.id for rule in content.rules) != _RULES[content.family]:
        raise PACK_MALFORMED.error(name=file, where="rules")
    return Shipped(name, family, _standing(content, on), content)


def _standing(content: RulePack | ZoneList, on: date) -> Standing:
    if on < content.effective_from:
        return "to_come"
    until = content.effective_until
    return "ended" if until is not None and until < on else "in_force"


def _hash_of(path: Path) -> str:
    try:
        return sha256_hex(path.read_bytes())
    except OSError:
        return ""


# What stands in a sentence for a number or a name that only a case has.
_NUMBER = Bilingual("〔人数〕", "[number]")
_BLANKS = {
    "basis": Bilingual("〔情形〕", "[the ground]"),
    "parties": Bilingual("〔外方名称〕", "[their names]"),
}


def worded(rule: Rule) -> Bilingual:
    """The rule's sentence by itself: its thresholds stand in it, and what a case would fill in is left open."""
    zh, en = defaultdict(lambda: _NUMBER.zh), defaultdict(lambda: _NUMBER.en)
    for name, blank in _BLANKS.items():
        zh[name], en[name] = blank
    for name, at in rule.thresholds.items():
        zh[f"{name}_threshold"] = en[f"{name}_threshold"] = f"{at:,}"
    return Bilingual(rule.sentence.zh.format_map(zh), rule.sentence.en.format_map(en))


# -- as JSON values ----------------------------------------------------------------------------------------------


def as_dict(found: Shelf) -> dict[str, Any]:
    """The shelf as JSON values: what `rwd transfer rules --json` prints and the API answers."""
    return {
        "on": found.on.isoformat(),
        "decides": found.decides,
        "problem": found.problem.as_dict() if found.problem else None,
        "families": [
            {
                "family": family.id,
                "in_force": family.in_force.content.version if family.in_force else None,
                "problem": family.problem.as_dict() if family.problem else None,
                "packs": [_pack(one) for one in family.packs],
            }
            for family in found.families
        ],
        "unusable": [
            {"file": one.file, "sha256": one.sha256, "problem": one.problem.as_dict()}
            for one in found.unusable
        ],
    }


def _pack(one: Shipped) -> dict[str, Any]:
    content, until = one.content, one.content.effective_until
    of_kind: Callable[[Any], dict[str, Any]] = _zone if isinstance(content, ZoneList) else _rules
    return {
        "id": content.id,
        "version": content.version,
        "file": one.file,
        "sha256": content.sha256,
        "pinned": True,
        "standing": one.standing,
        "effective_from": content.effective_from.isoformat(),
        "effective_until": until.isoformat() if until else None,
        "title": content.title._asdict(),
        "disclaimer": content.disclaimer._asdict(),
        **of_kind(content),
    }


def _rules(pack: RulePack) -> dict[str, Any]:
    return {
        "rules": [
            {
                "id": rule.id,
                "block": rule.block,
                "result": rule.result,
                "effective_from": rule.effective_from.isoformat(),
                "sentence": rule.sentence._asdict(),
                "source": rule.source._asdict(),
                "thresholds": dict(rule.thresholds),
                "bases": {base: since.isoformat() for base, since in rule.bases.items()},
                "confirm": _or_none(rule.confirm),
            }
            for rule in pack.rules
        ],
        "duties": [
            {
                "id": duty.id,
                "sentence": duty.sentence._asdict(),
                "source": duty.source._asdict(),
                "supplied_by": duty.supplied_by._asdict(),
            }
            for duty in pack.duties.values()
        ],
        "advisories": [
            {"id": one.id, "text": one.text._asdict(), "thresholds": dict(one.thresholds)}
            for one in pack.advisories.values()
        ],
    }


def _zone(zone: ZoneList) -> dict[str, Any]:
    return {
        "source": zone.source._asdict(),
        "edition": zone.edition,
        "announced": zone.announced.isoformat(),
        "adopted": zone.adopted,
        "domains": [one._asdict() for one in zone.domains],
        "medicine_scenarios": list(zone.medicine_scenarios),
        "instrument": zone.instrument,
        "silence": zone.silence._asdict(),
        "reads": zone.reads._asdict(),
        "confirm": [one._asdict() for one in zone.confirm],
    }


def _or_none(text: Bilingual | None) -> dict[str, str] | None:
    return text._asdict() if text is not None else None
