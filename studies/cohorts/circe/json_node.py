"""A JSON value and where it stands. Reading it in the wrong way is a refusal, never a guess.

What Circe's own reader (Jackson) takes is taken: null for absent, "18" for 18, 30.0 for 30.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from studies.cohorts.circe.refusals import Refusals

Chosen = TypeVar("Chosen")
_MOST_DAYS = 366_000  # a thousand years; further off no calendar goes
_TOO_LARGE = 10**18


class _Repeated(ValueError):
    """A key that an object has twice."""


@dataclass(frozen=True)
class Node:
    """
    value -- what JSON says; None for null
    path  -- where, as in `$.PrimaryCriteria.CriteriaList[0]`
    """

    value: Any
    path: str
    refusals: Refusals

    @property
    def element(self) -> str:
        """The name of the element that this is, or is in."""
        return re.sub(r"(\[\d+\])+$", "", self.path).rpartition(".")[2]

    def refuse(self, reason: str, element: str = "") -> None:
        self.refusals.add(self.path, element or self.element, reason)

    def fields(self, *known: str) -> dict[str, Node]:
        """The fields of an object that are not null, by name; a field that is not known is refused."""
        if not isinstance(self.value, dict):
            self.refuse("wrong_type")
            return {}
        found = {}
        for name, value in self.value.items():
            field = Node(value, f"{self.path}.{name}", self.refusals)
            if name not in known:
                field.refuse("unknown", name)
            elif value is not None:
                found[name] = field
        return found

    def items(self) -> Iterator[Node]:
        """The elements of an array."""
        if not isinstance(self.value, list):
            self.refuse("wrong_type")
            return
        for number, value in enumerate(self.value):
            yield Node(value, f"{self.path}[{number}]", self.refusals)

    def text(self) -> str:
        if isinstance(self.value, str):
            return self.value
        self.refuse("wrong_type")
        return ""

    def flag(self) -> bool:
        if isinstance(self.value, bool):
            return self.value
        self.refuse("wrong_type")
        return False

    def whole(self) -> int:
        """A whole number."""
        number = self._number()
        if number is None or number != int(number):
            self.refuse("wrong_type")
            return 0
        return int(number)

    def days(self) -> int:
        """A whole number of days, either way, of which a date can be made."""
        days = self.whole()
        if abs(days) > _MOST_DAYS:
            self.refuse("too_many_days")
            return 0
        return days

    def number(self) -> int | float:
        number = self._number()
        if number is None:
            self.refuse("wrong_type")
            return 0
        return number

    def day(self) -> str:
        """A date as YYYY-MM-DD; 2010-1-5 is one too."""
        match = (
            re.fullmatch(r"(\d{1,4})-(\d{1,2})-(\d{1,2})", self.value)
            if isinstance(self.value, str)
            else None
        )
        try:
            return date(*(int(part) for part in match.groups())).isoformat() if match else self._no_day()
        except ValueError:
            return self._no_day()

    def choice(self, known: Mapping[str, Chosen], fallback: Chosen, *, upper: bool = False) -> Chosen:
        """What a name that Circe knows stands for; with `upper` however it is cased."""
        name = self.value.upper() if upper and isinstance(self.value, str) else self.value
        if isinstance(name, str) and name in known:
            return known[name]
        self.refuse("unknown_value")
        return fallback

    def _no_day(self) -> str:
        self.refuse("not_a_date")
        return "0001-01-01"

    def _number(self) -> int | float | None:
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool):
            return self.value if abs(self.value) < _TOO_LARGE else None
        if isinstance(self.value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", self.value):
            return float(self.value) if "." in self.value else int(self.value)
        return None


def parse(text: str, refusals: Refusals) -> Node:
    """A JSON text; one with a key twice in an object, NaN or no end to its depth is refused."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except _Repeated as repeated:
        refusals.add("$", str(repeated), "duplicate_key")
        return Node(None, "$", refusals)
    except (ValueError, RecursionError):
        refusals.add("$", "JSON", "malformed")
        return Node(None, "$", refusals)
    return Node(value, "$", refusals)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1))
    return seen


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")
