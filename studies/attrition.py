"""Nobody leaves a study without a reason on record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rwd_platform.core.text import Bilingual


@dataclass(frozen=True)
class AttritionStep:
    """`left` people left for `reason`; `remaining` stayed. The first step says who was there."""

    reason: Bilingual
    left: int
    remaining: int


@dataclass
class Attrition:
    """The people who are still in, and the steps so far. Ids keep their first order."""

    ids: list[str]
    steps: list[AttritionStep] = field(default_factory=list)

    @classmethod
    def of(cls, ids: Iterable[str], start: Bilingual) -> Attrition:
        first = list(dict.fromkeys(ids))
        return cls(first, [AttritionStep(start, 0, len(first))])

    def keep(self, stay: Iterable[str], reason: Bilingual) -> None:
        """Only those in `stay` go on; the others leave for `reason` - also on record when nobody leaves."""
        allowed = set(stay)
        kept = [one for one in self.ids if one in allowed]
        self.steps.append(AttritionStep(reason, len(self.ids) - len(kept), len(kept)))
        self.ids = kept

    def drop(self, leave: Iterable[str], reason: Bilingual) -> None:
        leaving = set(leave)
        self.keep([one for one in self.ids if one not in leaving], reason)

    @property
    def done(self) -> tuple[AttritionStep, ...]:
        return tuple(self.steps)


def adds_up(steps: Sequence[AttritionStep]) -> bool:
    """Each step starts with whom the one before left over."""
    return all(before.remaining - now.left == now.remaining for before, now in pairwise(steps))
