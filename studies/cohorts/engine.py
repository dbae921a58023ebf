"""The definition as one Ibis expression, so that DuckDB on a laptop and Spark on a cluster run the same thing.

`plain.py` says what each part means; this file only says it to an engine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from studies.cohorts.definition import Cohort, Events, ExposureExit, FixedExit, Group, Related, Test
from studies.cohorts.expressions import (
    END,
    FIRST,
    LAST,
    NUMBER,
    OPEN,
    PATIENT,
    START,
    VISIT,
    age,
    all_of,
    coded,
    compared,
    date_of,
    day_of,
    derived,
    end_of,
    enough,
    inside,
    number_of,
)
from studies.cohorts.open_ends import last_day, until, with_open_ends
from studies.cohorts.rows import cut, dated, eras, nearest, numbered, pick, shifted
from studies.cohorts.tables import EventTable, Model

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any

_EVENT = (PATIENT, START, END, OPEN, VISIT, NUMBER)
_INDEX = (*_EVENT, FIRST, LAST)
_VALUE, _PASSES, _FOUND, _QUERY = "_value", "_passes", "_found", "_query"
PATIENT_NUMBER, PSEUDONYM = "_patient_number", "_pseudonym"
_ID, _SAME = "_id", "_same"  # what comes first of one day; the number by which an event is found again


def rule_column(number: int) -> str:
    """The column of the answer of a definition's n-th rule, from 0."""
    return f"rule_{number}"


@dataclass(frozen=True)
class Engine:
    """Definitions over the tables of one connection: {table as stored: Ibis table}.

    keep  -- what to do with an intermediate result that several parts of a query read: nothing, or see keeping.py
    names -- where the tables tell patients by numbers (`counting.py`), whose number each is: _patient_number,
             _pseudonym
    """

    model: Model
    tables: Mapping[str, Expr]
    keep: Callable[[Expr], Expr] = field(default=lambda rows: rows, compare=False)
    names: Expr | None = field(default=None, compare=False)

    def cohort(self, cohort: Cohort) -> Expr:
        """patient_id, start_date, end_date: the patients' intervals."""
        rows = self.exits(cohort, self.included(cohort))
        rows = cut(eras(rows, cohort.era_gap_days), cohort.window)
        return rows.select(
            patient_id=rows[PATIENT], start_date=date_of(rows[START]), end_date=date_of(rows[END])
        )

    def included(self, cohort: Cohort) -> Expr:
        """The entry events that pass every rule."""
        return pick(self.held(cohort, self.judged(cohort)), cohort.limit)

    def held(self, cohort: Cohort, judged: Expr) -> Expr:
        """Of the judged events those that pass every rule, before the limit."""
        held = [judged[rule_column(number)] for number in range(len(cohort.rules))]
        return (judged.filter(held) if held else judged).select(*_INDEX)

    def judged(self, cohort: Cohort) -> Expr:
        """The entry events that the inclusion rules are asked about, and a column for each rule's answer."""
        return self.judge(cohort, self.qualified(cohort))

    def judge(self, cohort: Cohort, qualified: Expr) -> Expr:
        return self._judged(qualified, [rule.group for rule in cohort.rules])

    def qualified(self, cohort: Cohort) -> Expr:
        """The entry events that meet the qualifying conditions."""
        return pick(self.qualifying(cohort, self.entries(cohort)), cohort.qualify_limit)

    def qualifying(self, cohort: Cohort, entries: Expr) -> Expr:
        """Of the entry events those that meet the qualifying conditions, before the limit."""
        return self._holding(entries, cohort.qualify)

    def entries(self, cohort: Cohort) -> Expr:
        """The events that may let a patient in."""
        return pick(self.watched(cohort), cohort.entry.limit)

    def watched(self, cohort: Cohort) -> Expr:
        """The entry events with enough observation around them, before the limit.

        `_number` tells those of one patient apart.
        """
        import ibis

        entry = cohort.entry
        found = []
        for number, wanted in enumerate(entry.events):
            events = self._with_observation(self.events(wanted))
            watched = (events[FIRST] + entry.days_before <= events[START]) & (
                events[START] + entry.days_after <= events[LAST]
            )
            found.append(events.filter(watched).select(*_INDEX, _ID, **{_QUERY: ibis.literal(number)}))
        every = ibis.union(*found) if len(found) > 1 else found[0]
        return numbered(every, [START, _ID, _QUERY, NUMBER, FIRST]).select(*_INDEX)

    # -- events ------------------------------------------------------------------------------------

    def events(
        self,
        wanted: Events,
        distinct: str = "",
        then: Sequence[Test] = (),
        *,
        ordered: bool = True,
        of: Expr | None = None,
    ) -> Expr:
        """The events that a query selects: what each has in the column `distinct` is `_value`, `then` is `_passes`.

        ordered -- whether `_number` must tell those of one patient apart; to number all of a large table takes long
        of      -- rows with the only patients (`_patient`) of interest
        """
        import ibis

        table = self.model.table(wanted.table)
        within = wanted.within if wanted.within and not wanted.within.empty else None
        ordered = ordered or wanted.pick != "all" or within is not None
        asked = [distinct, *(test.column for test in (*wanted.tests, *then))]
        rows = self._dated_rows(wanted, table, asked, of)
        rows = rows.filter(rows[START].notnull())
        visit = rows[table.visit].cast("string") if table.visit else ibis.null("string")
        rows = rows.mutate(**{END: end_of(rows, table, rows[START]), VISIT: visit})
        rows = with_open_ends(rows, table, self.tables, self.model)
        moved = bool(wanted.shift) or any(wanted.dates)
        if wanted.first or (ordered and not moved):
            rows = numbered(rows, [START, *table.id])
        rows = rows.filter(rows[NUMBER] == 0) if wanted.first else rows
        rows = shifted(rows, wanted.shift)
        rows = rows.filter(rows[START].notnull()) if wanted.shift and table.open_end else rows
        rows = self._looked_up(rows, table, asked)
        passed = [self._passes(rows, table, test) for test in wanted.tests]
        rows = dated(rows.filter(all_of(passed)) if passed else rows, wanted.dates)
        if ordered and moved:
            rows = numbered(rows, [START, *table.id])
        by_id = self.model.ties == "id"
        tie = rows[table.id[0]].cast("int64") if by_id else ibis.null("int64")
        value = {_VALUE: self._column(rows, table, distinct)} if distinct else {}
        if then:
            value[_PASSES] = all_of([self._passes(rows, table, test) for test in then])
        rows = rows.select(*(_EVENT if ordered else _EVENT[:-1]), **{_ID: tie}, **value)
        return pick(self._held_within(rows, within) if within else rows, wanted.pick)

    def _held_within(self, rows: Expr, within: Group) -> Expr:
        """The events for which a query's further conditions hold, each its own index."""
        watched = self._with_observation(rows.mutate(**{_SAME: rows[NUMBER]}))
        held = self._holding(watched, within, _SAME)
        return rows.semi_join(held, [rows[PATIENT] == held[PATIENT], rows[NUMBER] == held[_SAME]])

    def coded_rows(self, wanted: Events) -> Expr:
        """_patient and _start (null where it is not known to the day) of the rows that a query's codes select."""
        return self._dated_rows(wanted, self.model.table(wanted.table), ()).select(PATIENT, START)

    def _dated_rows(
        self, wanted: Events, table: EventTable, asked: Sequence[str], of: Expr | None = None
    ) -> Expr:
        """The rows that a query's codes select, with the columns that its tests ask for."""
        rows = self.tables[table.source]
        rows = rows.filter([coded(rows, table, one) for one in wanted.codes]) if wanted.codes else rows
        stored = {column for name in asked for column in table.stored(name)}
        columns = sorted(stored.union(table.always_read()))
        if of is not None:
            rows = rows.semi_join(of, [rows[table.patient] == of[PATIENT]]).select(*columns)
            # Kept: an engine would read the dates of all rows first, and find their patients then.
            rows = rows if rows[table.start].type().is_integer() else self.keep(rows)
        return rows.select(*columns, **{PATIENT: rows[table.patient], START: day_of(rows[table.start])})

    def _with_observation(self, events: Expr) -> Expr:
        """The events with the observation period that each lies in; those in none are gone."""
        source, patient, first, last = self.model.observation
        periods = self.tables[source]
        periods = periods.select(
            _observed=periods[patient], _first_said=periods[first], _last_said=periods[last]
        )
        joined = events.inner_join(periods, [events[PATIENT] == periods["_observed"]])
        # Kept: an engine would read the dates of every period there is, to join by them.
        joined = joined if periods["_first_said"].type().is_integer() else self.keep(joined)
        joined = joined.mutate(**{FIRST: day_of(joined["_first_said"]), LAST: day_of(joined["_last_said"])})
        watched = joined.filter((joined[FIRST] <= joined[START]) & (joined[START] <= joined[LAST]))
        return watched.drop("_observed", "_first_said", "_last_said")

    # -- conditions --------------------------------------------------------------------------------

    def _holding(self, index: Expr, group: Group, *beside: str) -> Expr:
        """The index events for which a group of conditions holds, with what is asked for beside them."""
        if group.empty:
            return index
        rows = self._judged(index, [group])
        return rows.filter(rows[rule_column(0)]).select(*_INDEX, *beside)

    def _judged(self, index: Expr, groups: Sequence[Group]) -> Expr:
        """The index events with a column for each group: whether it holds."""
        import ibis

        rows = numbered(index, [START, NUMBER, FIRST])
        related = dict.fromkeys(one for group in groups for one in group.all_related())
        names = {one: f"_found{number}" for number, one in enumerate(related)}
        rows = self._with_counts(rows, names) if names else rows
        asked = {test.column for group in groups for test in group.all_tests()}
        rows = self._looked_up(rows, None, sorted(asked))
        answers = {
            rule_column(number): ibis.literal(True) if group.empty else self._answer(rows, group, names)
            for number, group in enumerate(groups)
        }
        return rows.mutate(**answers)

    def _answer(self, rows: Expr, group: Group, names: Mapping[Related, str]) -> Expr:
        """Whether a group holds; what it needs is beside the index events already."""
        import ibis

        answers = [enough(one.count, rows[names[one]]) for one in group.related]
        answers += [
            all_of([self._passes(rows, None, test) for test in tests]) for tests in group.about_patient
        ]
        answers += [self._answer(rows, one, names) for one in group.groups if not one.empty]
        empty = sum(one.empty for one in group.groups)  # an empty group holds
        held = reduce(operator.add, (answer.cast("int64") for answer in answers), ibis.literal(empty))
        wanted = {"all": len(answers) + empty, "any": 1}.get(group.operator, group.number)
        return held <= wanted if group.operator == "at_most" else held >= wanted

    def _with_counts(self, index: Expr, names: Mapping[Related, str]) -> Expr:
        """How many related events there are, a column for each.

        They are counted one beside the other and joined once: joined one after the other, the text of the query
        would double with each.
        """
        import ibis

        index = self.keep(index)
        counted = [
            self.keep(self._counted(index, related)).mutate(**{_QUERY: ibis.literal(name)})
            for related, name in names.items()
        ]
        every = ibis.union(*counted) if len(counted) > 1 else counted[0]
        found = every.group_by(["_of_patient", "_of_number"]).aggregate(
            **{name: every[_FOUND].max(where=every[_QUERY] == name) for name in names.values()}
        )
        same = [index[PATIENT] == found["_of_patient"], index[NUMBER] == found["_of_number"]]
        rows = index.left_join(found, same).drop("_of_patient", "_of_number")
        return rows.mutate(**{name: rows[name].fill_null(0) for name in names.values()})

    def _counted(self, index: Expr, related: Related) -> Expr:
        """_of_patient, _of_number and _found of the index events that have related events at all."""
        key = index.select(*_INDEX)
        ordered = related.of != "all"
        events = self.events(related.events, related.count.distinct, related.then, ordered=ordered, of=key)
        events = events.rename({f"_of{column}": column for column in events.columns})
        pairs = key.inner_join(events, [key[PATIENT] == events[f"_of{PATIENT}"]])
        event = {"start": pairs[f"_of{START}"], "end": pairs[f"_of{END}"]}
        near = [one for window in related.windows for one in inside(window, pairs, event, related.observed)]
        if related.observed:
            near += [pairs[FIRST] <= event["start"], event["start"] <= pairs[LAST]]
        if related.same_visit:
            near.append(pairs[f"_of{VISIT}"] == pairs[VISIT])
        near_pairs = pairs.filter(near) if near else pairs
        near_pairs = nearest(near_pairs, related.of)
        near_pairs = near_pairs.filter(near_pairs[f"_of{_PASSES}"]) if related.then else near_pairs
        value = near_pairs[f"_of{_VALUE}"].nunique() if related.count.distinct else near_pairs.count()
        keys = {"_of_patient": near_pairs[PATIENT], "_of_number": near_pairs[NUMBER]}
        return near_pairs.group_by(**keys).aggregate(**{_FOUND: value})

    def _passes(self, rows: Expr, table: EventTable | None, test: Test) -> Expr:
        if test.column in ("start_date", "end_date"):
            values = tuple(number_of(str(value)) for value in test.values)
            test = replace(test, values=values)
        return compared(self._column(rows, table, test.column), test)

    def _column(self, rows: Expr, table: EventTable | None, column: str) -> Expr:
        """What a test's column says of a row; lookups are beside it already."""
        plain = {"start_date": START, "end_date": END}
        if column in plain:
            return rows[plain[column]]
        if column == "days":
            return until(rows) - rows[START]
        if column in _AGES:
            completed, side = _AGES[column]
            return age(rows, rows[side], completed=completed)
        if "." in column:
            return rows[column.replace(".", "_of_")]
        assert table is not None  # noqa: S101 - a test on the patient names no column of a table
        if column == "visit":
            return rows[VISIT]
        if column in table.codes:
            return rows[table.codes[column][1]]
        if column in table.derived:
            return derived(rows, table.derived[column])
        stored = rows[table.columns[column]]
        return stored.fill_null(table.fills[column]) if column in table.fills else stored

    def _looked_up(self, rows: Expr, table: EventTable | None, columns: Sequence[str]) -> Expr:
        """The rows with what their patient, visit or provider says, where a column asks for it."""
        wanted: dict[str, dict[str, str]] = {}
        for column in columns:
            scope, _, name = column.rpartition(".")
            if scope:
                wanted.setdefault(scope, {})[f"{scope}_of_{name}"] = self.model.lookups[scope].columns[name]
            elif column in _AGES:
                wanted.setdefault("patient", {}).update(
                    {f"_birth{number}": name for number, name in enumerate(self.model.birth)}
                )
        for scope, names in sorted(wanted.items()):
            rows = self._joined(rows, table, scope, names)
        return rows

    def _joined(self, rows: Expr, table: EventTable | None, scope: str, names: Mapping[str, str]) -> Expr:
        lookup = self.model.lookups[scope]
        there = self.tables[lookup.source]
        owner = {"_owner": there[lookup.patient]} if lookup.patient else {}
        there = there.select(
            _key=there[lookup.key], **owner, **{new: there[old] for new, old in names.items()}
        )
        if scope == "patient":
            same = [rows[PATIENT] == there["_key"]]
        elif scope == "visit":
            same = [rows[VISIT] == there["_key"].cast("string")]
        else:
            assert table is not None  # noqa: S101 - only a row of a table names a provider or a site
            same = [rows[table.link(scope)] == there["_key"]]
        same += [rows[PATIENT] == there["_owner"]] if owner else []
        return rows.left_join(there, same).drop("_key", *owner)

    # -- exit --------------------------------------------------------------------------------------

    def exits(self, cohort: Cohort, included: Expr) -> Expr:
        """patient, start and end of each included event: the earliest exit that is not before its start."""
        import ibis

        included = numbered(included, [START, NUMBER, FIRST])
        ends = []
        if isinstance(cohort.exit, FixedExit):
            base = included[START] if cohort.exit.side == "start" else last_day(included)
            end = ibis.least(base + cohort.exit.days, included[LAST])
            ends.append(included.select(PATIENT, NUMBER, START, _end_day=end))
        else:
            ends.append(included.select(PATIENT, NUMBER, START, _end_day=included[LAST]))
        if isinstance(cohort.exit, ExposureExit):
            ends.append(self._exposure_ends(cohort.exit, included))
        ends += [self._censored(one, included) for one in cohort.censors]
        every = ibis.union(*ends) if len(ends) > 1 else ends[0]
        every = every.filter(every["_end_day"] >= every[START])
        left = every.group_by([PATIENT, NUMBER, START]).aggregate(**{END: every["_end_day"].min()})
        return left.select(PATIENT, START, END)

    def _exposure_ends(self, exit: ExposureExit, included: Expr) -> Expr:
        import ibis

        found = []
        for wanted in exit.exposure:
            rows = self.events(wanted, ordered=False, of=included)
            end = last_day(rows) if exit.supply_days is None else rows[START] + exit.supply_days
            found.append(rows.select(PATIENT, START, **{END: end + exit.extra_days}))
        every = ibis.union(*found) if len(found) > 1 else found[0]
        exposed = eras(every, exit.gap_days).rename({f"_of{name}": name for name in (PATIENT, START, END)})
        pairs = included.inner_join(exposed, [included[PATIENT] == exposed[f"_of{PATIENT}"]])
        pairs = pairs.filter((pairs[f"_of{START}"] <= pairs[START]) & (pairs[START] <= pairs[f"_of{END}"]))
        return pairs.select(PATIENT, NUMBER, START, _end_day=pairs[f"_of{END}"])

    def _censored(self, censor: Events, included: Expr) -> Expr:
        events = self.events(censor, ordered=False, of=included)
        events = events.select(_of_patient=events[PATIENT], _end_day=events[START])
        pairs = included.inner_join(events, [included[PATIENT] == events["_of_patient"]])
        pairs = pairs.filter((pairs["_end_day"] >= pairs[START]) & (pairs["_end_day"] <= pairs[LAST]))
        return pairs.select(PATIENT, NUMBER, START, "_end_day")


_AGES = {
    "age": (True, START),
    "age_at_end": (True, END),
    "calendar_age": (False, START),
    "calendar_age_at_end": (False, END),
}
