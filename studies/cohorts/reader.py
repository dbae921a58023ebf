"""A protocol's `cohort:` section into a `Cohort`: every refusal names the path and the line.

The form is docs/reference/cohort.md's. Structure is read here; what contradicts itself is `lint.py`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, cast

from rwd_platform.core.errors import PlatformError
from studies.cohorts.definition import (
    Bound,
    Codes,
    CodeTest,
    Cohort,
    Count,
    DateShift,
    Entry,
    Events,
    ExposureExit,
    FixedExit,
    Group,
    Pick,
    Related,
    Rule,
    Test,
    Window,
)
from studies.cohorts.reader_values import (
    bounds,
    calendar,
    count_of,
    day_number,
    not_negative,
    pick_of,
    positive,
    shift_of,
    side,
    sides,
    tests_of,
)
from studies.cohorts.tables import EventTable, Model
from studies.yaml_reader import Node

CodeLists = Callable[[str], Codes]
"""`name@version` -> the code list; raises for one that is not known."""

LANGUAGE = 2
_CONDITION = ("patient", "events", "no_events", "washout", "all", "any", "none", "at_least", "at_most")
_AROUND = ("dates", "of", "then", "same_visit", "observed_only")


class CohortReader:
    """Reads definitions that speak of one data model and draw codes from one collection of code lists."""

    def __init__(self, model: Model, code_lists: CodeLists) -> None:
        self.model = model
        self.code_lists = code_lists

    def cohort(self, node: Node, name: str) -> Cohort:
        """The definition. Raises `protocol.refused` for what is not in the language."""
        node.keys(
            ("language", "source", "entry"),
            ("require", "exclude", "qualify", "limit", "exit", "censor", "era_gap_days", "window"),
        )
        if node.at("language").integer() != LANGUAGE:
            raise node.at("language").wrong(f"只支持语言版本 {LANGUAGE}", f"only language {LANGUAGE} is read")
        node.at("source").bilingual()
        qualify, qualify_limit = self._qualify(node)
        return Cohort(
            name=name,
            entry=self._entry(node.at("entry")),
            qualify=qualify,
            qualify_limit=qualify_limit,
            rules=self._rules(node),
            limit=pick_of(node, "limit", "all"),
            exit=self._exit(node.at("exit")) if node.has("exit") else None,
            censors=self._all_events(node.at("censor")) if node.has("censor") else (),
            era_gap_days=not_negative(node.at("era_gap_days")) if node.has("era_gap_days") else 0,
            window=calendar(node.at("window")) if node.has("window") else ("", ""),
        )

    # -- entry and rules ---------------------------------------------------------------------------

    def _entry(self, node: Node) -> Entry:
        node.keys(("title", "events"), ("pick", "observed", "between", "new_user", "landmark_days"))
        node.at("title").bilingual()
        before = after = 0
        if node.has("observed"):
            observed = node.at("observed").keys((), ("before", "after"))
            before = not_negative(observed.at("before")) if observed.has("before") else 0
            after = not_negative(observed.at("after")) if observed.has("after") else 0
        events = self._all_events(node.at("events"))
        landmark = positive(node.at("landmark_days")) if node.has("landmark_days") else 0
        if node.has("new_user"):
            washout = positive(node.at("new_user").keys(("washout_days",)).at("washout_days"))
            events = _new_users(events, washout, landmark, node.at("new_user").line)
        if landmark:
            events = _moved(events, landmark, node.at("landmark_days"))
        if node.has("between"):
            first, last = calendar(node.at("between"))
            tests = [Test("start_date", "ge", (first,))] if first else []
            tests += [Test("start_date", "le", (last,))] if last else []
            events = tuple(replace(one, tests=(*one.tests, *tests)) for one in events)
        # Observed before the event that is meant; the index date lies `landmark` days after it.
        return Entry(events, before + landmark, after, pick_of(node, "pick", "first"))

    def _qualify(self, node: Node) -> tuple[Group, Pick]:
        if not node.has("qualify"):
            return Group(), "all"
        qualify = node.at("qualify")
        return self._condition(qualify, also=("pick",)), pick_of(qualify, "pick", "all")

    def _rules(self, node: Node) -> tuple[Rule, ...]:
        """Requirements in their order, then exclusions in theirs."""
        rules: dict[str, Rule] = {}
        for key in ("require", "exclude"):
            for one in node.at(key).items(least=1) if node.has(key) else ():
                group = self._condition(one, also=("id", "reason"))
                if key == "exclude":
                    if one.has("washout"):
                        raise one.at("washout").wrong(
                            "洗脱期应写在 require 下（洗脱期内没有用药者才留下）",
                            "a washout is required, not excluded: put it under require",
                        )
                    group = Group("at_most", 0, groups=(group,))
                one.keys(("id", "reason"), list(one.value))
                id = one.at("id").word()
                if id in rules:
                    raise one.at("id").wrong(f"规则编号 {id} 出现两次", f"the rule id {id} stands twice")
                rules[id] = Rule(id, one.at("reason").bilingual(), group, one.line)
        return tuple(rules.values())

    # -- conditions --------------------------------------------------------------------------------

    def _condition(self, node: Node, also: tuple[str, ...] = ()) -> Group:
        """The one condition of a mapping: of the patient, of events, or a group; `also` may stand beside it."""
        known = (*_CONDITION, *also, "days", "count", *_AROUND)
        node.keys((), known)
        named = [key for key in _CONDITION if node.has(key)]
        if len(named) != 1:
            raise node.wrong(
                f"须恰有一个条件：{'、'.join(_CONDITION)}",
                f"exactly one of {', '.join(_CONDITION)} is needed",
            )
        kind = named[0]
        if kind in ("events", "no_events", "washout"):
            return self._about_events(node, kind, also)
        node.keys((kind,), also)
        if kind == "patient":
            return Group(about_patient=(tests_of(node.at("patient"), self.model, None),))
        if kind in ("at_least", "at_most"):
            body = node.at(kind).keys(("number", "of"))
            operator = cast(Literal["at_least", "at_most"], kind)
            return Group(operator, not_negative(body.at("number")), groups=self._conditions(body.at("of")))
        if kind == "none":
            return Group("at_most", 0, groups=self._conditions(node.at(kind)))
        return Group("all" if kind == "all" else "any", groups=self._conditions(node.at(kind)))

    def _conditions(self, node: Node) -> tuple[Group, ...]:
        return tuple(self._condition(one) for one in node.items(least=1))

    def _about_events(self, node: Node, kind: str, also: tuple[str, ...]) -> Group:
        """Events that must be there (`events`), must not (`no_events`), or not in so many days (`washout`)."""
        if kind == "washout":
            node.keys((kind, "days"), also)
            days = positive(node.at("days"))
            return Group(related=(_none_before(self.events(node.at(kind)), days, 0, node.line),))
        counted = ("count",) if kind == "events" else ()
        node.keys((kind, "days"), (*also, *_AROUND, *counted))
        event, index = sides(node)
        events = self.events(node.at(kind))
        table = self.model.table(events.table)
        counts = count_of(node.at("count")) if node.has("count") else Count("at_least", 1)
        related = Related(
            events=events,
            windows=(Window(*bounds(node.at("days")), event=event, index=index),),
            count=Count("at_most", 0) if kind == "no_events" else counts,
            observed=node.at("observed_only").truth() if node.has("observed_only") else True,
            same_visit=node.at("same_visit").truth() if node.has("same_visit") else False,
            of=pick_of(node, "of", "all"),
            then=tests_of(node.at("then"), self.model, table) if node.has("then") else (),
            line=node.line,
        )
        return Group(related=(related,))

    # -- events ------------------------------------------------------------------------------------

    def _all_events(self, node: Node) -> tuple[Events, ...]:
        return tuple(self.events(one) for one in node.items(least=1))

    def events(self, node: Node) -> Events:
        """Rows of one table that stand for something that happened."""
        node.keys(("table",), ("codes", "where", "first", "pick", "shift", "within"))
        table = self.model.table(node.at("table").choice(*sorted(self.model.events)))
        return Events(
            table=table.name,
            codes=self._codes(node.at("codes"), table) if node.has("codes") else (),
            first=node.at("first").truth() if node.has("first") else False,
            shift=shift_of(node.at("shift")) if node.has("shift") else None,
            tests=tests_of(node.at("where"), self.model, table) if node.has("where") else (),
            pick=pick_of(node, "pick", "all"),
            within=self._condition(node.at("within")) if node.has("within") else None,
            line=node.line,
        )

    def _codes(self, node: Node, table: EventTable) -> tuple[CodeTest, ...]:
        """One list or several that must all hold: `list: name@version`, or `system` and `any_of`."""
        each = node.items(least=1) if isinstance(node.value, list) else (node,)
        return tuple(self._code_test(one, table) for one in each)

    def _code_test(self, node: Node, table: EventTable) -> CodeTest:
        node.keys((), ("list", "title", "system", "any_of", "column", "except"))
        if not table.codes:
            raise node.wrong("该表没有代码列", "this table has no code")
        column = node.at("column").choice(*sorted(table.codes)) if node.has("column") else "code"
        excluded = node.at("except").truth() if node.has("except") else False
        if node.has("list") == node.has("any_of"):
            raise node.wrong("须恰有 list 或 any_of 之一", "either list or any_of is needed, not both")
        if node.has("list"):
            node.keys(("list",), ("column", "except"))
            return CodeTest(self._listed(node.at("list")), column, excluded)
        system = node.at("system").text() if node.has("system") else ""
        if bool(table.codes[column][0]) != bool(system):
            raise node.wrong(
                "该列的代码需要（或不得带）system",
                "the codes of this column need a system, or may not have one",
            )
        title = " · ".join(node.at("title").bilingual()) if node.has("title") else ""
        pairs = frozenset((system, code) for code in node.at("any_of").texts(least=1))
        return CodeTest(Codes(title, pairs), column, excluded)

    def _listed(self, node: Node) -> Codes:
        reference = node.text()
        name, at, version = reference.partition("@")
        if not (name and at and version):
            raise node.wrong("代码表须写作“名称@版本”", "a code list is written name@version")
        try:
            return self.code_lists(reference)
        except PlatformError as error:
            raise node.wrong(error.zh.rstrip("。"), error.en.rstrip(".")) from error

    # -- exit --------------------------------------------------------------------------------------

    def _exit(self, node: Node) -> FixedExit | ExposureExit | None:
        node.keys((), ("at", "days", "from", "exposure", "gap_days", "extra_days", "supply_days"))
        if node.has("exposure"):
            node.keys(("exposure",), ("gap_days", "extra_days", "supply_days"))
            gap, extra = (
                not_negative(node.at(key)) if node.has(key) else 0 for key in ("gap_days", "extra_days")
            )
            supply = not_negative(node.at("supply_days")) if node.has("supply_days") else None
            return ExposureExit(self._all_events(node.at("exposure")), gap, extra, supply)
        if node.has("days"):
            node.keys(("days", "from"))
            return FixedExit(side(node.at("from")), day_number(node.at("days")))
        node.keys(("at",)).at("at").choice("end_of_observation")
        return None


def _none_before(events: Events, washout: int, landmark: int, line: int) -> Related:
    """No such event in the days before an index that lies `landmark` days after what is meant.

    Also what is recorded outside the observation period counts: it is known to have happened.
    """
    window = Window(Bound(-washout - landmark, -1), Bound(-1 - landmark, 1))
    # "Any such event": were it the first alone, a later one would be new use again.
    any_such = replace(events, first=False, pick="all")
    return Related(any_such, (window,), Count("at_most", 0), observed=False, line=line)


def _new_users(events: tuple[Events, ...], washout: int, landmark: int, line: int) -> tuple[Events, ...]:
    """Entry events with none of them in the days before."""
    none = Group(related=tuple(_none_before(one, washout, landmark, line) for one in events))
    return tuple(
        replace(one, within=none if one.within is None else Group(groups=(one.within, none)))
        for one in events
    )


def _moved(events: tuple[Events, ...], landmark: int, node: Node) -> tuple[Events, ...]:
    """Entry events on the day so many days later: what happens until then may decide who is in."""
    if any(one.shift for one in events):
        raise node.wrong("landmark_days 与 shift 不能并用", "landmark_days and shift exclude each other")
    shift = DateShift("start", landmark, "start", landmark)
    return tuple(replace(one, shift=shift) for one in events)
