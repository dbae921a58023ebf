"""Things that only one patient's rows name: an implant, a lot of a medicine, and what tells of them.

A Device or a Medication need not say whose it is, and may bear a serial number or a lot all the same; a Provenance
names the resources that it is about. Where the rows of the patient name such a resource and nobody else's does, it
goes with the patient. What anything else names stays: it is not this patient's alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rwd_platform.core.units import Resource, Unit

NAMED = frozenset({"Device", "Medication"})
"""Types that are a patient's by who names them."""
# Types that are a patient's by what they name: all of it. https://hl7.org/fhir/R4/provenance.html, supplydelivery.html
NAMING: Mapping[str, tuple[str, ...]] = {
    "Provenance": ("target",),
    "SupplyDelivery": ("suppliedItem", "itemReference"),
}
_MOST_LOOKS = 4  # a thing that is named by a thing that is named ... : no further
_REST = re.compile(
    r"(?:https?://[^\s?#]{1,500}/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/\S{1,64})?"
)
# An id that a `urn:` may stand for: it is nobody else's, whatever the type.
_UNIQUE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-2](?:\.\d+){2,}", re.IGNORECASE)
_URN = re.compile(r"urn:(?:uuid|oid):\S{1,200}", re.IGNORECASE)

Name = tuple[str, str]
"""A source system, and `Device/17` or the end of a `urn:` in its files."""


class Whose(Enum):
    OWN = "own"
    OTHERS = "others"
    NOBODYS = "nobody's"


@dataclass(frozen=True)
class Seen:
    """A unit in a file of the hospital. `can_go`: its lines are its own, so that it can be taken out."""

    file_id: str
    source_system: str
    unit: Unit
    whose: Whose
    can_go: bool


@dataclass
class Own:
    """What the patient's own rows are called, and what they name.

    is_whole -- every file was read to its end; otherwise nobody can say what others name
    """

    names: set[Name] = field(default_factory=set)
    named: set[Name] = field(default_factory=set)
    is_whole: bool = True

    def add(self, source_system: str, resource: Resource | None) -> None:
        if resource is not None:
            self.names.update(names_of(source_system, resource))
            self.named.update(named_in(source_system, resource))


Look = Callable[[], Iterator[Seen]]
"""Every unit of the hospital's files, once more."""


def find_things(look: Look, own: Own) -> list[Seen]:
    """The units that go with the patient though they name nobody; none where not every file can be read.

    Each look reads every file of the hospital; a second one is needed only where a thing names another.
    """
    if not own.names or not own.is_whole:
        return []
    wanted = {one for one in own.named | own.names if _may_be_thing(one[1])}
    for _ in range(_MOST_LOOKS):
        found = _look(look, own, wanted)
        further = {one for thing in found.things for one in _further(thing)} - wanted
        if not further:
            return found.alone(own)
        wanted |= further
    found.shared |= further
    return found.alone(own)


@dataclass
class _Found:
    things: list[Seen] = field(default_factory=list)  # nobody's units that are wanted, or name what is
    shared: set[Name] = field(default_factory=set)  # what somebody else's rows name

    def alone(self, own: Own) -> list[Seen]:
        """Take out what is shared, and what is named by what was taken out, until nothing changes."""
        left = list(self.things)
        while True:
            mine = own.names.union(*(_names(thing) for thing in left))
            stays = [thing for thing in left if self._is_alone(thing, mine)]
            if len(stays) == len(left):
                return stays
            for thing in left:
                if thing not in stays:
                    self.shared |= named_in(thing.source_system, thing.unit.resource or {}) | _names(thing)
            left = stays

    def _is_alone(self, thing: Seen, mine: set[Name]) -> bool:
        resource = thing.unit.resource or {}
        if not thing.can_go or _names(thing) & self.shared:
            return False
        return _type_of(resource) in NAMED or _about(thing.source_system, resource) <= mine


def _look(look: Look, own: Own, wanted: set[Name]) -> _Found:
    found = _Found()
    for seen in look():
        resource = seen.unit.resource
        if resource is None or seen.whose is Whose.OWN:
            continue
        names, named = names_of(seen.source_system, resource), named_in(seen.source_system, resource)
        if seen.whose is Whose.OTHERS:
            found.shared |= (names | named) & wanted
        elif (_type_of(resource) in NAMED and names & wanted) or (
            _about(seen.source_system, resource) & (wanted | own.names)
        ):
            found.things.append(seen)
        else:
            found.shared |= named & wanted
    return found


def _names(thing: Seen) -> set[Name]:
    return names_of(thing.source_system, thing.unit.resource or {})


def _further(thing: Seen) -> set[Name]:
    """Things that a thing names in its turn."""
    resource = thing.unit.resource or {}
    named = named_in(thing.source_system, resource) if _type_of(resource) in NAMED else set()
    return {one for one in named if _may_be_thing(one[1])}


def _may_be_thing(name: str) -> bool:
    return name.partition("/")[0] in NAMED or "/" not in name


def _type_of(resource: Resource) -> str:
    return str(resource.get("resourceType"))


def _about(source_system: str, resource: Resource) -> set[Name]:
    """What a resource of NAMING is about; nothing for another type."""
    element: Any = resource
    path = NAMING.get(_type_of(resource))
    if path is None:
        return set()
    for name in path:
        element = element.get(name) if isinstance(element, dict) else None
    return {(source_system, one) for one in _references(element)}


def names_of(source_system: str, resource: Resource) -> set[Name]:
    """As what other rows may name a resource."""
    id = resource.get("id")
    if not isinstance(id, str) or not id:
        return set()
    names = {(source_system, f"{_type_of(resource)}/{id}")}
    return names | {(source_system, id.lower())} if _UNIQUE.fullmatch(id) else names


def named_in(source_system: str, resource: Resource) -> set[Name]:
    """Every resource that a resource names, whichever element does."""
    return {(source_system, one) for one in _references(resource)}


def _references(element: Any) -> Iterable[str]:
    stack = [element]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            reference = one.get("reference")
            if isinstance(reference, str):
                match = _REST.fullmatch(reference)
                if match:
                    yield match[1]
                elif _URN.fullmatch(reference):
                    yield reference.rpartition(":")[2].lower()
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
