"""What a checklist is made of, as read from its YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual


@dataclass(frozen=True)
class Action:
    """What is to be done where something is missing, and by whom."""

    who: Bilingual
    next: Bilingual


@dataclass(frozen=True)
class Place:
    """Where a package may answer: a file, a value in it, or a part of the report.

    pointer  -- JSON pointer; `*` stands for every element, all of which must be there and not empty
    where    -- of the list behind `pointer`, one element at least has one of these values in each of these fields
    holds    -- the value must be true: a flag that says no is no answer
    blocks   -- patterns of keys of the report's tables and figures; one that is there is enough
    heading  -- key of a heading in the report's texts; under it there must be something
    """

    id: str
    label: Bilingual
    action: Action
    file: str
    pointer: str = ""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    holds: bool = False
    blocks: tuple[str, ...] = ()
    heading: str = ""


@dataclass(frozen=True)
class Statement:
    """What only a person can say: funding, conflicts of interest, why a source was chosen."""

    id: str
    label: Bilingual
    action: Action


@dataclass(frozen=True)
class Item:
    """One item. Everything in `answered_by` and `needs` must be there.

    also           -- further places, shown where they are there and not missed where they are not
    otherwise      -- a statement that answers in place of `answered_by`; "" where none can
    not_applicable -- names of predicates, the first that holds makes the item not applicable
    confirm        -- number or content is to be checked against the official text
    """

    id: str
    section: Bilingual
    asks: Bilingual
    mandatory: bool = True
    confirm: bool = False
    answered_by: tuple[Place, ...] = ()
    also: tuple[Place, ...] = ()
    needs: tuple[Statement, ...] = ()
    otherwise: Statement | None = None
    not_applicable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checklist:
    """`applies`: "always" or a predicate's name. `reasons`: predicate -> why an item is then not applicable."""

    id: str
    name: Bilingual
    source: Bilingual
    applies: str
    unless: Bilingual | None
    items: tuple[Item, ...]
    reasons: Mapping[str, Bilingual]
