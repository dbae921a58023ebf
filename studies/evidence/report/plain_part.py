"""One page in plain language for a patient or a member of the public, in the report's own blocks.

It says nothing that the report does not print: a count stands with the report's own number; a share becomes people in
a hundred only where the report prints that share of that result, and is then registered apart (ids `p0001`, ...), so
that every number of numbers.json is still one that the report prints. Without such a number there are words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.analyses.competing import censors_competing
from studies.claims import LEVELS, claim_rules
from studies.evidence.aggregate import cell_of
from studies.evidence.documents import SOURCES_JSON
from studies.evidence.figures import SHORT_DAYS
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import Number, NumberBook
from studies.evidence.report.blocks import Block, Paragraph, Points, Report, Text, words
from studies.evidence.report.claims_part import claim_of
from studies.evidence.report.content import facts_of
from studies.evidence.report.context import Context, inside
from studies.evidence.report.phrases import Phrases
from studies.evidence.report.summary_part import compared, tested
from studies.evidence.report.withheld_part import stands_apart, withheld_main
from studies.outcome import DAYS_A_YEAR
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, EXPOSED
from studies.results import ArdRow

TEXTS = ("plain.yaml",)
PLACE = "plain"
# A curve's end hangs on few people: it is told while a tenth of each arm is still followed (Pocock, Clayton & Altman
# 2002, Lancet 359:1686, advise 10-20 %).
_STILL_FOLLOWED = 0.1


def plain_report(
    inputs: PackageInputs, documents: Mapping[str, Any], report: Report
) -> tuple[Report, NumberBook]:
    """The page as a report without a body, and the register of the numbers that are its own.

    inputs, documents -- those that `report` was made from: coarsened already where the package is aggregate
    """
    page = _Page(inputs, documents, report)
    made = Report(
        title=page.context.text("plain.title"),
        subtitle=page.context.text("plain.subtitle"),
        summary=tuple(page.blocks()),
        body=(),
        study=report.study,
        version=report.version,
        dated=report.dated,
    )
    return made, page.book


class PlainBook(NumberBook):
    """Numbers of the page alone, with ids that no number of the report has."""

    def _keep(self, place: str, value: Any, form: str, **source: str) -> Number:
        number = super()._keep(place, value, form, **source)
        self.numbers[-1] = replace(number, id=number.id.replace("n", "p", 1))
        return self.numbers[-1]


class _Page:
    """The page in the making."""

    def __init__(self, inputs: PackageInputs, documents: Mapping[str, Any], report: Report) -> None:
        self.inputs = inputs
        self.report = report
        self.book = PlainBook(inputs.results, documents)
        facts = {**facts_of(inputs), "cell": _same(str(cell_of(inputs)))}
        self.context = Context(inputs, self.book, Phrases.load(TEXTS, self.book, facts))
        self.printed = _printed(report)

    def blocks(self) -> Iterator[Block]:
        context = self.context
        if self.inputs.demo:
            yield context.paragraph("plain.demo", "caution")
        yield context.heading("asked.title", 2)
        yield Paragraph(words(context.protocol.question))
        yield context.heading("who.title", 2)
        yield Paragraph(_joined(self._who()))
        yield context.heading("found.title", 2)
        yield from self._found()
        yield Points(tuple(self._not_shown()), context.text("not.title"), "caution")
        yield context.heading("data.title", 2)
        audience = "data.aggregate" if self.inputs.is_aggregate else "data.authority"
        keys = ("data.names", "data.log", audience, "data.ask")
        yield Paragraph(_joined(context.text(key) for key in keys))

    # -- who -------------------------------------------------------------------------------------------------------

    def _who(self) -> Iterator[Text]:
        context = self.context
        answer = self._comparison()
        single = self._single_arm()
        plan = answer[0] if answer else single
        population = context.population(plan) if plan else inside(context.protocol.estimand.population)
        ard_id = answer[1].id if answer else f"{plan.id}.proportion" if plan else ""
        people = self._count(ard_id, "n")
        if people:
            yield context.text("who.people", {"n": people}, population=population)
        else:
            yield context.text("who.people_unknown", population=population)
        hospitals = self.printed.get((f"{SOURCES_JSON}#/counts/hospitals", ""))
        if hospitals:
            yield context.text("who.hospitals", {"hospitals": hospitals[0]})
        if answer:
            yield context.text("who.groups")

    def _comparison(self) -> tuple[PlannedAnalysis, ArdRow] | None:
        """The comparison that the report answers with: adjusted before weighted."""
        found = [(plan, row) for plan, row in compared(self.context) if plan.covariates]
        return min(found, key=lambda one: one[0].weights != "none", default=None)

    def _single_arm(self) -> PlannedAnalysis | None:
        plans = self.context.planned("performance_criterion")
        return next((plan for plan in plans if self.context.row(f"{plan.id}.verdict")), None)

    # -- what was found --------------------------------------------------------------------------------------------

    def _found(self) -> Iterator[Block]:
        """Each result with its own level, which covers nothing else."""
        single, answer = self._single_arm(), self._comparison()
        closed = withheld_main(self.inputs)
        if closed:
            yield self.context.paragraph("found.withheld", "lead")
        told = [(self._level(single), tuple(self._criterion(single)))] if single else []
        if answer and (not single or self._level(answer[0]) != LEVELS[0] or not told[0][1]):
            told.append((self._level(answer[0]), tuple(self._arms(*answer))))
        told = [(level, texts) for level, texts in told if texts]
        if told and answer and stands_apart(self.inputs, answer[0]):
            yield self.context.paragraph("found.apart")
        for level, texts in told:
            named = self.context.text(f"level.{level}", level=claim_rules().levels[level])
            yield Points((*texts, named))
        if not told and not closed:
            yield self.context.paragraph("found.none")
        safety = tuple(self._safety())
        if safety:
            yield Points((_joined(safety),))

    def _level(self, plan: PlannedAnalysis) -> str:
        """The level as the report prints it; a result that is not judged counts as the lowest."""
        claim = claim_of(self.context, plan)
        return next((level for level, title in claim_rules().levels.items() if title == claim), LEVELS[0])

    def _criterion(self, plan: PlannedAnalysis) -> Iterator[Text]:
        proportion = f"{plan.id}.proportion"
        numbers = {name: self._count(proportion, name) for name in ("n", "events")}
        known = {name: number for name, number in numbers.items() if number}
        if len(known) < len(numbers) or plan.horizon is None or plan.criterion is None:
            return
        direction = plan.criterion.direction
        key = "found.success" if direction == "at_least" else "found.failure"
        facts = {
            "day": _same(str(plan.horizon.day)),
            "variable": inside(self.context.protocol.estimand.variable),
        }
        yield self.context.text(key, known, **facts)
        lost, of = (self._count(f"{plan.id}.{EXPOSED}.{name}") for name in ("lost", "subjects"))
        if lost and of:
            handling = self.context.label(f"found.lost_{plan.lost}")
            yield self.context.text("found.lost", {"lost": lost, "of": of}, handling=handling)
        yield from self._goal(plan, direction)

    def _goal(self, plan: PlannedAnalysis, direction: str) -> Iterator[Text]:
        """Whether it was met. That it was is a claim, which a descriptive result cannot make."""
        verdict = str(self.context.book.row(f"{plan.id}.verdict").value).replace(" ", "_")
        goal = self._of_100(f"{plan.id}.criterion")
        if goal and (verdict != "met" or self._level(plan) != LEVELS[0]):
            yield self.context.text(f"goal.{direction}.{verdict}", {"goal": goal})

    def _arms(self, plan: PlannedAnalysis, row: ArdRow) -> Iterator[Text]:
        """Both arms and how they compare; of a descriptive result the exposed arm alone and no comparison."""
        exposure, level = self.context.protocol.exposure, self._level(plan)
        way = "unclear"
        if row.ci_high is not None and row.ci_high < 1:
            way = "less"
        elif row.ci_low is not None and row.ci_low > 1:
            way = "more"
        arms = ARMS if level != LEVELS[0] else (EXPOSED,)
        told = self._shares(plan, arms)
        if level == LEVELS[0] and not told:
            return
        yield self.context.text("found.event", events=self._events())
        if told and len(arms) == len(ARMS) and _turned(way, told):
            yield self.context.text("compared.turned")
        else:
            for arm, (_, numbers, time) in told.items():
                key = "found.arm" if "low" in numbers else "found.arm_alone"
                yield self.context.text(key, numbers, arm=inside(exposure.arm_title(arm)), time=time)
        if level != LEVELS[0]:
            yield self.context.text(f"compared.{way}")

    def _events(self) -> Bilingual:
        """What counts as the event, in the protocol's words."""
        reasons = list(
            dict.fromkeys(rule.reason for rule in self.context.protocol.outcome.rules if rule.event)
        )
        return Bilingual("；".join(one.zh for one in reasons), "; ".join(inside(one).en for one in reasons))

    def _shares(
        self, plan: PlannedAnalysis, arms: tuple[str, ...]
    ) -> dict[str, tuple[float, dict[str, Number], Bilingual]]:
        """arm -> the share, it and its limits of 100 people, and the time: at the last planned day that can be told.

        Nothing of a curve that censors a competing event: fewer than it shows go without the event in the end.
        """
        outcome = self.context.protocol.outcome
        if outcome.competing is not None and censors_competing(outcome):
            return {}
        curves = [one for one in self.context.planned("kaplan_meier") if one.population == plan.population]
        for curve in sorted(curves, key=lambda one: one.weights == "none"):
            for day in sorted(curve.days, reverse=True):
                ids = {arm: f"{curve.id}.{arm}.survival.day_{day}" for arm in arms}
                if not all(self._can_be_told(curve, arm, day) for arm in ARMS):
                    continue
                exact = self._look_alike(ids.values())
                found = {arm: self._limits(id, exact=exact) for arm, id in ids.items()}
                if all("value" in numbers for numbers in found.values()):
                    time = self._time(day)
                    return {arm: (self._float(ids[arm]), found[arm], time) for arm in arms}
        return {}

    def _can_be_told(self, curve: PlannedAnalysis, arm: str, day: int) -> bool:
        people, left = f"{curve.id}.{arm}.median", self.context.row(f"{curve.id}.{arm}.at_risk.day_{day}")
        row = self.context.row(people)
        if left is None or row is None or row.n is None or not isinstance(left.value, int | float):
            return False
        return left.value >= max(cell_of(self.inputs), _STILL_FOLLOWED * row.n)

    def _look_alike(self, ids: Iterable[str]) -> bool:
        """Shares that differ would look the same of 100 people: they keep the report's decimal."""
        values = [self._float(id) for id in ids if self.context.row(id)]
        return len(set(values)) > len({f"{100 * one:.0f}" for one in values})

    def _float(self, ard_id: str) -> float:
        row = self.context.row(ard_id)
        return float(row.value) if row is not None and isinstance(row.value, int | float) else 0.0

    def _limits(self, ard_id: str, *, exact: bool) -> dict[str, Number]:
        fields = {"value": "value", "low": "ci_low", "high": "ci_high"}
        found = {name: self._of_100(ard_id, field, exact=exact) for name, field in fields.items()}
        known = {name: number for name, number in found.items() if number}
        return known if len(known) == len(fields) else {k: v for k, v in known.items() if k == "value"}

    def _time(self, day: int) -> Bilingual:
        if day <= SHORT_DAYS:
            return self._spoken("time.days", str(day))
        years = f"{day / DAYS_A_YEAR:.1f}".removesuffix(".0")
        return self._spoken("time.year" if years == "1" else "time.years", years)

    def _spoken(self, key: str, count: str) -> Bilingual:
        text = self.context.text(key, count=_same(count))
        return Bilingual(text.plain("zh"), text.plain("en"))

    def _safety(self) -> Iterator[Text]:
        """Of the exposed arm alone: adverse events are described, never compared."""
        for plan in self.context.planned("safety"):
            n = self._count(f"{plan.id}.{EXPOSED}.subjects")
            affected = self._count(f"{plan.id}.any.{EXPOSED}.affected")
            serious = self._count(f"{plan.id}.serious.{EXPOSED}.affected")
            silent = self._count(f"{plan.id}.{EXPOSED}.silent_subjects")
            if n and self.context.row(f"{plan.id}.any.{EXPOSED}.upper_limit"):
                yield self.context.text("safety.plain_none", {"n": n})
            elif n and affected and serious:
                yield self.context.text("safety.plain", {"n": n, "with": affected, "serious": serious})
                if silent:
                    yield self.context.text("safety.plain_silent")

    def _not_shown(self) -> Iterator[Text]:
        context = self.context
        yield from (words(one) for one in context.protocol.limits[:1])
        yield context.text("not.cause")
        answer, test = self._comparison(), tested(context)
        if answer and self._level(answer[0]) != LEVELS[0] and test and test[1] == "rejected":
            yield context.text("not.time")
        if context.protocol.overseas is not None:
            yield context.text("not.overseas")
        yield context.text("not.you")

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _count(self, ard_id: str, field: str = "value") -> Number | None:
        """A whole number that the report prints, as it prints it."""
        found = self.printed.get((ard_id, field), [])
        return next((number for number in found if number.format == "int"), None)

    def _of_100(self, ard_id: str, field: str = "value", *, exact: bool = False) -> Number | None:
        """A share that the report prints, of 100 people; with a decimal where a whole number would mislead."""
        row = self.context.row(ard_id)
        share = getattr(row, field) if row is not None else None
        if (ard_id, field) not in self.printed or not isinstance(share, int | float):
            return None
        whole = round(100 * share)
        almost = whole in (0, 100) and 100 * share != whole
        fixed = row is not None and row.statistic == "criterion" and abs(100 * share - whole) > 1e-9
        form = "points.1" if exact or almost or fixed else "points.0"
        return self.book.result(f"{PLACE}:{ard_id}", ard_id, form, field)


def _turned(way: str, told: Mapping[str, tuple[float, dict[str, Number], Bilingual]]) -> bool:
    """Simple shares say the opposite of the comparison that controls for differences."""
    exposed, other = (told[arm][0] for arm in ARMS)
    return (way == "less" and exposed < other) or (way == "more" and exposed > other)


def _printed(report: Report) -> dict[tuple[str, str], list[Number]]:
    """(result row, field) or (file#pointer, "") -> the report's numbers of it."""
    found: dict[tuple[str, str], list[Number]] = {}
    for text in _texts(report.blocks):
        for span in text.zh:
            if isinstance(span, Number):
                source = span.ard_id or f"{span.file}#{span.pointer}"
                found.setdefault((source, span.field), []).append(span)
    return found


def _texts(value: Any) -> Iterator[Text]:
    """Every text in blocks, however deep."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif not isinstance(value, str | int) and value is not None:
        yield from _texts(tuple(vars(value).values()))


def _joined(texts: Iterable[Text]) -> Text:
    """Sentences one after another: Chinese ones bring their own room."""
    listed = list(texts)
    zh = tuple(span for text in listed for span in text.zh)
    en = tuple(span for place, text in enumerate(listed) for span in ((" ", *text.en) if place else text.en))
    return Text(zh, en)


def _same(text: str) -> Bilingual:
    return Bilingual(text, text)
