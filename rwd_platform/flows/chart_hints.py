"""Values of a returned sheet that can hardly be: a hint to the hospital that wrote them, never a reason to refuse.

Limits are those that quality holds measurements to, by LOINC code and unit (quality/ranges), and a human age. Hints
name the place on the sheet and the variable; they never repeat the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from studies.evidence.sample.read_sheet import Returned
    from studies.protocol import Covariate, Protocol

_LOINC = "http://loinc.org"
_YEARS = "years"


@dataclass(frozen=True)
class Hint:
    """`place`: the row's number on the sheet; `low`, `high`: what is credible, in `unit`."""

    place: int
    variable: str
    title: Bilingual
    low: float
    high: float
    unit: str

    @property
    def words(self) -> Bilingual:
        limits = f"{self.low:g} – {self.high:g} {self.unit}"
        return Bilingual(
            f"序号 {self.place}，{self.title.zh}：不在可信范围（{limits}）内",
            f"place {self.place}, {self.title.en}: outside what is credible ({limits})",
        )


def hints_of(protocol: Protocol, read: Returned, oldest_years: int) -> tuple[Hint, ...]:
    """Of every number that the charts gave, in the sheet's order."""
    known = {one.name: one for one in protocol.covariates}
    limits = {name: held for name, one in known.items() if (held := _limits(one, oldest_years))}
    found = []
    for one in read.answers:
        if one.variable not in limits or not isinstance(one.value, int | float):
            continue
        low, high = limits[one.variable]
        if not low <= one.value <= high:
            asked = known[one.variable]
            found.append(Hint(one.place, one.variable, asked.title, low, high, asked.unit))
    return tuple(found)


def _limits(one: Covariate, oldest_years: int) -> tuple[float, float] | None:
    """Of a measurement the widest of its codes' limits in its unit; None where nobody knows any."""
    from quality.lookups import load_ranges

    if one.type != "number":
        return None
    if one.kind == "subject":
        return (0.0, float(oldest_years)) if one.unit == _YEARS else None
    if one.records is None or one.records.code_system != _LOINC:
        return None
    same = [each for each in load_ranges() if each.loinc in one.records.codes and each.unit == one.unit]
    # A code that has no limits in this unit may be anything.
    if {each.loinc for each in same} != set(one.records.codes):
        return None
    return min(each.low for each in same), max(each.high for each in same)
