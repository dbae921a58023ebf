"""What a check answers: an outcome, and a finding for every rule and place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from deidentify.disclosure.fields import Field, Fields
from deidentify.disclosure.read import Curve, Results, Row
from deidentify.disclosure.recipients import Recipient
from rwd_platform.core.text import Bilingual

Outcome = Literal["pass", "fail", "review"]
_SHOWN = 160


@dataclass(frozen=True)
class Finding:
    """One rule at one place, and what would mend it. The texts never repeat a number that is small.

    where    -- the id of the row or series (a point as `id[3]`, one of its columns as `id[3].left`)
    withhold -- the places that would be withheld to mend it; what `mitigate` does
    """

    rule: str
    where: str
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    outcome: Outcome = "fail"
    withhold: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, str]:
        return {
            "rule": self.rule,
            "outcome": self.outcome,
            "where": self.where[:_SHOWN],
            "zh": self.zh,
            "en": self.en,
            "remedy_zh": self.remedy_zh,
            "remedy_en": self.remedy_en,
        }


@dataclass(frozen=True)
class Verdict:
    """pass: nothing found. fail: at least one finding says so. review: a person has to look.

    smallest_change -- what `mitigate` would do for a pass: {"rule", "action", "where"}; empty for a pass
    minimal         -- whether leaving out any one of these changes was tried and does not pass
    """

    recipient: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    smallest_change: tuple[Mapping[str, str], ...] = ()
    minimal: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {
            "recipient": self.recipient,
            "outcome": self.outcome,
            "findings": [finding.as_dict() for finding in self.findings],
            "smallest_change": [dict(change) for change in self.smallest_change],
            "minimal": self.minimal,
        }


@dataclass(frozen=True)
class Rule:
    """A rule's words. `{...}` are filled in with thresholds and names."""

    id: str
    title: Bilingual
    what: Bilingual
    remedy: Bilingual

    def finding(
        self, where: str, *, outcome: Outcome = "fail", withhold: Sequence[str] = (), **about: Any
    ) -> Finding:
        return Finding(
            self.id,
            where,
            self.what.zh.format(**about),
            self.what.en.format(**about),
            self.remedy.zh.format(**about),
            self.remedy.en.format(**about),
            outcome,
            tuple(withhold) or (where,),
        )


@dataclass(frozen=True)
class Case:
    """What every rule looks at.

    support -- the same results before anything was withheld or rounded, as the enclave holds them; None
               where there is only a file. With it, steps of a curve are counted; without it, they are
               reconstructed from the curve's own limits.
    """

    results: Results
    recipient: Recipient
    fields: Fields
    support: Results | None = None
    sets_are_known: bool = False  # the members of the row sets are compared elsewhere
    memo: dict[str, Any] = field(default_factory=dict)  # what several rules compute from the same results

    @property
    def minimum(self) -> int:
        return self.recipient.minimum_cell

    def is_small(self, count: float | int | None) -> bool:
        """1 to minimum - 1 persons or events, rounding errors of a computed count left aside."""
        return count is not None and 0.5 <= count < self.minimum - 1e-6

    def declared(self) -> Iterable[tuple[Row, Field]]:
        """The rows that any question is asked of, each with its line of the table."""
        for row in self.results.rows:
            found = self.fields.statistics.get(row.statistic)
            if found is not None and not self.fields.is_exempt(row):
                yield row, found

    def curves(self) -> Iterable[tuple[Curve, Field]]:
        for one in self.results.series:
            found = self.fields.series.get(one.kind)
            if found is not None and not set(one.columns) - set(found.columns or {}):
                yield one, found


def point(curve_id: str, place: int, column: str = "") -> str:
    """The name of a point of a series, or of one of its columns."""
    return f"{curve_id}[{place}].{column}" if column else f"{curve_id}[{place}]"
