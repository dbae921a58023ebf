"""How far the charts bear the platform's values out: by variable, of each hospital and of all together.

Of the items on the sheets that came back:
    asked    = unanswered + chart not found + compared
    compared = with a chart value + not recorded in a chart that was found
A chart that was not found is counted apart and is never agreement. "Not recorded" is a difference: the platform has a
value that the chart does not have; for kappa it is a category of its own. Shares and kappa are those of the sample, in
which small hospitals and rows with events have more than their part; `weighted_share` undoes that (each row counts
1 / its probability of being drawn).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.evidence.sample.kappa import Kappa, Limits, cohen_kappa, limits_of_agreement
from studies.evidence.sample.policy import Policy
from studies.evidence.sample.problems import RETURNED_TWICE, SHEET_HAS_PROBLEMS, SHEET_OF_ANOTHER_SAMPLE
from studies.evidence.sample.read_sheet import Answered, Returned
from studies.evidence.sample.sheet import NO, NOT_RECORDED, WHY, YES, sheet_id
from studies.evidence.sample.trace import Sample, SampledRow, Value
from studies.evidence.sample.variables import Variable
from studies.statistics.counts.proportions import proportion

NOTHING_COMPARED = Bilingual("没有可比较的项。", "There is nothing to compare.")
ONE_CATEGORY = Bilingual(
    "平台与病历都只有同一个类别，κ 无定义（不是 0，也不是 1）。",
    "Platform and charts know one and the same category alone: kappa is undefined, neither 0 nor 1.",
)
_SAME = 1e-9  # two spellings of one decimal number


@dataclass(frozen=True)
class VariableAgreement:
    """
    hospital        -- "" for all that returned a sheet
    share           -- agreed / compared with its 95 % Wilson limits; None where nothing was compared
    within          -- of numbers and days: differences within the policy's tolerance, agreements among them
    kappa           -- of categories; `kappa_undefined` says why there is none
    limits          -- of numbers and days with a chart value: chart less platform
    table           -- of categories: platform's code, chart's code (or "not_recorded"), count
    says_agree, says_differ -- what the hospital finds between chart and the record that it sent
    made_differ     -- the hospital finds them alike, and still the platform's value differs from the chart: what was
                       derived on the way is to be looked at
    same_though     -- the hospital finds a difference, and the platform's value is the chart's
    reasons         -- why not, as the hospitals chose; every reason is named
    """

    variable: str
    hospital: str
    kind: str
    asked: int
    unanswered: int
    chart_not_found: int
    not_recorded: int
    compared: int
    agreed: int
    share: float | None
    lower: float | None
    upper: float | None
    weighted_share: float | None
    within: int | None
    kappa: Kappa | None
    kappa_undefined: Bilingual | None
    limits: Limits | None
    table: tuple[tuple[str, str, int], ...]
    says_agree: int
    says_differ: int
    made_differ: int
    same_though: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class SheetUsed:
    """A returned sheet: whose, which, and the SHA-256 of the bytes that came back."""

    hospital: str
    sheet: str
    sha256: str


@dataclass(frozen=True)
class Agreement:
    """`lines`: all hospitals together first, then hospital by hospital, in the order of the sheet's variables."""

    protocol_sha256: str
    lock_id: str
    sheets: tuple[SheetUsed, ...]
    outstanding: tuple[str, ...]
    rows: int
    lines: tuple[VariableAgreement, ...]

    @property
    def overall(self) -> tuple[VariableAgreement, ...]:
        return tuple(one for one in self.lines if not one.hospital)


@dataclass(frozen=True)
class _Item:
    row: SampledRow
    answer: Answered
    platform: Value

    @property
    def chart(self) -> Value:
        """What the chart says; of one that says nothing its own category."""
        return NOT_RECORDED if self.answer.value is None else self.answer.value

    @property
    def is_compared(self) -> bool:
        return self.answer.status in ("value", "not_recorded")

    @property
    def is_same(self) -> bool:
        return self.answer.status == "value" and _alike(self.platform, self.answer.value)


def agreement(sample: Sample, returned: Sequence[Returned]) -> Agreement:
    """Raises `verification.sheet_has_problems`, `.sheet_of_another_sample`, `.returned_twice`."""
    _check(sample, returned)
    ordered = sorted(returned, key=lambda one: one.hospital)
    rows = {(row.drawn.hospital, row.drawn.place): row for row in sample.rows}
    items: dict[str, list[tuple[str, _Item]]] = {one.name: [] for one in sample.variables}
    for sheet in ordered:
        for answer in sheet.answers:
            row = rows[sheet.hospital, answer.place]
            platform = row.values[answer.variable]
            items[answer.variable].append((sheet.hospital, _Item(row, answer, platform)))
    scopes = ["", *(one.hospital for one in ordered)]
    lines = [
        _line(variable, scope, [one for of, one in items[variable.name] if scope in ("", of)], sample.policy)
        for scope in scopes
        for variable in sample.variables
    ]
    there = {one.hospital for one in ordered}
    return Agreement(
        protocol_sha256=sample.protocol_sha256,
        lock_id=sample.lock_id,
        sheets=tuple(SheetUsed(one.hospital, one.sheet, one.sha256) for one in ordered),
        outstanding=tuple(one.hospital for one in sample.draw.hospitals if one.hospital not in there),
        rows=sum(len(sample.of(one)) for one in there),
        lines=tuple(lines),
    )


def _check(sample: Sample, returned: Sequence[Returned]) -> None:
    seen: set[str] = set()
    for one in returned:
        if one.problems:
            raise SHEET_HAS_PROBLEMS.error(hospital=one.hospital, count=len(one.problems))
        if not sample.of(one.hospital) or one.sheet != sheet_id(sample, one.hospital):
            raise SHEET_OF_ANOTHER_SAMPLE.error(hospital=one.hospital)
        if one.hospital in seen:
            raise RETURNED_TWICE.error(hospital=one.hospital)
        seen.add(one.hospital)


def _line(variable: Variable, hospital: str, items: Sequence[_Item], policy: Policy) -> VariableAgreement:
    compared = [one for one in items if one.is_compared]
    agreed = [one for one in compared if one.is_same]
    of_status = Counter(one.answer.status for one in items)
    reasons = Counter(one.answer.reason for one in items)
    share = proportion(len(agreed), len(compared), method="wilson") if compared else None
    is_category = variable.kind == "category"
    pairs = [(str(one.platform), str(one.chart)) for one in compared] if is_category else []
    kappa = cohen_kappa(pairs) if is_category else None
    return VariableAgreement(
        variable=variable.name,
        hospital=hospital,
        kind=variable.kind,
        asked=len(items),
        unanswered=of_status["unanswered"],
        chart_not_found=of_status["chart_not_found"],
        not_recorded=of_status["not_recorded"],
        compared=len(compared),
        agreed=len(agreed),
        share=share.estimate if share else None,
        lower=share.lower if share else None,
        upper=share.upper if share else None,
        weighted_share=_weighted(compared),
        within=None if is_category else sum(_is_within(one, variable, policy) for one in compared),
        kappa=kappa,
        kappa_undefined=_why_undefined(kappa),
        limits=None if is_category else limits_of_agreement(list(_numbers(compared))),
        table=tuple((*pair, count) for pair, count in sorted(Counter(pairs).items())),
        says_agree=sum(one.answer.says == YES for one in compared),
        says_differ=sum(one.answer.says == NO for one in compared),
        made_differ=sum(one.answer.says == YES and not one.is_same for one in compared),
        same_though=sum(one.answer.says == NO and one.is_same for one in compared),
        reasons=tuple((reason, reasons[reason]) for reason in WHY),
    )


def _alike(platform: Value, chart: Value | None) -> bool:
    if isinstance(platform, str) or isinstance(chart, str) or chart is None:
        return platform == chart
    return math.isclose(platform, chart, rel_tol=_SAME, abs_tol=_SAME)


def _is_within(item: _Item, variable: Variable, policy: Policy) -> bool:
    platform, chart = item.platform, item.answer.value
    if isinstance(platform, str) or isinstance(chart, str) or chart is None:
        return False
    allowed = policy.within_days if variable.kind == "days" else policy.within_relative * abs(platform)
    return abs(chart - platform) <= allowed + _SAME * max(1.0, abs(platform))


def _numbers(items: Iterable[_Item]) -> Iterable[tuple[float, float]]:
    for one in items:
        if one.answer.value is not None:
            yield float(one.platform), float(one.answer.value)


def _weighted(compared: Sequence[_Item]) -> float | None:
    if not compared:
        return None
    weights = [1.0 / one.row.drawn.probability for one in compared]
    agreed = (weight for weight, one in zip(weights, compared, strict=True) if one.is_same)
    return math.fsum(agreed) / math.fsum(weights)


def _why_undefined(kappa: Kappa | None) -> Bilingual | None:
    if kappa is None or kappa.kappa is not None:
        return None
    return ONE_CATEGORY if kappa.n else NOTHING_COMPARED
