"""The counts behind every step as Ibis expressions: what comes back is counts, whatever the size of the store.

`tally_plain.py` says what is counted.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from studies.cohorts.characteristics import (
    AGE,
    AGE_BANDS,
    BEFORE,
    FOLLOW_UP,
    FOLLOW_UP_BANDS,
    MISSING,
    OF_PATIENT,
    YEAR,
    bands,
)
from studies.cohorts.definition import Cohort
from studies.cohorts.engine import PATIENT_NUMBER, Engine, rule_column
from studies.cohorts.expressions import END, PATIENT, START, age, date_of, day_of
from studies.cohorts.patient_keys import CHARACTER_COLUMNS, PatientWeights, characters_of
from studies.cohorts.rows import cut, eras, pick
from studies.cohorts.tally import Stage, Tally, known_characteristics, stages

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any

_STAGE, _REACHED, _INDEX = "_stage", "_reached", "_index"
# A patient's furthest stage and the first day there are one number, so that one pass finds both: the stage times
# _SPAN, and what is left of _SPAN the smaller the later the day; 0 where no day is known.
_SPAN, _LATEST = 2**24, 2**23


def patients_of(engine: Engine) -> Expr:
    """_patient of the patients in the store: of the patient table and of observation periods.

    Once each where the tables tell patients by numbers, else once or more often.
    """
    import ibis

    if engine.names is not None:
        return engine.names.select(**{PATIENT: engine.names[PATIENT_NUMBER]})
    lookup = engine.model.lookups["patient"]
    source, column, *_ = engine.model.observation
    there = engine.tables[lookup.source]
    periods = engine.tables[source]
    both = ibis.union(
        there.select(**{PATIENT: there[lookup.key]}),
        periods.select(**{PATIENT: periods[column]}),
    )
    return both.filter(both[PATIENT].notnull())


def tally(
    engine: Engine, cohort: Cohort, weights: PatientWeights | None = None, *, counts_only: bool = False
) -> Tally:
    """How far each patient gets. See `tally.Tally`."""
    import ibis

    past, intervals = _left_past(engine, cohort)
    there = patients_of(engine)
    if counts_only:
        stopped, keys = _counted(engine, there, ibis.union(*past) if len(past) > 1 else past[0], weights)
        return Tally(stopped, {}, {}, None, keys)
    there = there.mutate(**{START: ibis.null("int64"), _STAGE: ibis.literal(0, "int64")})
    items = ibis.union(there, *past)
    items = engine.keep(items)
    reached = engine.keep(_weighed(engine, _reached(items), weights))
    stopped, keys = _stopped(reached)
    who, cells = _who(engine, reached)
    return Tally(
        stopped=stopped,
        left=_left(cohort, _counts(items, _STAGE)),
        who=who,
        rows=_rows(intervals),
        keys=keys,
        cells=cells,
    )


def _counted(
    engine: Engine, there: Expr, past: Expr, weights: PatientWeights | None
) -> tuple[dict[int, int], dict[int, int]]:
    """How many stop at each stage, and the sum of their numbers; most of the store has no row in `past`."""
    known = past.semi_join(there, [past[PATIENT] == there[PATIENT]])
    furthest = known.group_by(PATIENT).aggregate(**{_REACHED: known[_STAGE].max().cast("int64")})
    stopped, keys = _stopped(_weighed(engine, furthest, weights))
    number = there.count() if engine.names is not None else there[PATIENT].nunique()
    rest = int(number.to_pyarrow().as_py()) - sum(stopped.values())
    return ({0: rest, **stopped} if rest else stopped), keys


def _left_past(engine: Engine, cohort: Cohort) -> tuple[list[Expr], Expr]:
    """What is left past each stage after the first (_patient, _start, _stage), and the intervals at the end.

    The rules are one table: a row stands there once, with the last rule that it passes.
    """
    import ibis

    coded = [engine.coded_rows(wanted) for wanted in cohort.entry.events]
    recorded = ibis.union(*coded) if len(coded) > 1 else coded[0]
    events = [engine.events(wanted, ordered=False).select(PATIENT, START) for wanted in cohort.entry.events]
    rows = recorded
    past = []
    for number, stage in enumerate(stages(cohort)):
        at = ibis.literal(number, "int64")
        if stage.kind == "store" or stage.number > 0:
            continue
        if stage.kind == "recorded":
            found = recorded
        elif stage.kind == "dated":
            found = recorded.filter(recorded[START].notnull())
        elif stage.kind == "entry":
            found = ibis.union(*events) if len(events) > 1 else events[0]
        elif stage.kind == "rule":
            judged = engine.keep(engine.judge(cohort, rows))
            passed = _passed_in_a_row(judged, len(cohort.rules))
            found, at = judged.filter(passed > 0), number - 1 + passed
            rows = judged.filter(passed == len(cohort.rules))
        else:
            found = rows = _past(engine, cohort, stage, rows)
        past.append(found.select(PATIENT, START, **{_STAGE: at}))
    return past, rows


def _passed_in_a_row(judged: Expr, rules: int) -> Expr:
    """How many rules an event passes before the first that it does not."""
    held = judged[rule_column(0)]
    number = held.cast("int64")
    for rule in range(1, rules):
        held = held & judged[rule_column(rule)]
        number = number + held.cast("int64")
    return number


def _past(engine: Engine, cohort: Cohort, stage: Stage, rows: Expr) -> Expr:
    """What is left past one more stage."""
    if stage.kind == "observed":
        return engine.keep(engine.watched(cohort))
    if stage.kind == "qualify":
        return engine.qualifying(cohort, rows)
    if stage.kind == "exit":
        return engine.exits(cohort, rows)
    if stage.kind == "era":
        return eras(rows, cohort.era_gap_days)
    if stage.kind == "window":
        return cut(rows, cohort.window)
    limit = {
        "entry_limit": cohort.entry.limit,
        "qualify_limit": cohort.qualify_limit,
        "limit": cohort.limit,
    }[stage.kind]
    return pick(rows, limit)


def _reached(items: Expr) -> Expr:
    """_patient of everybody in the store, the furthest stage and the first day there."""
    import ibis

    day = ibis.coalesce(_LATEST - items[START], 0)
    furthest = items.group_by(PATIENT).aggregate(
        _key=(items[_STAGE].cast("int64") * _SPAN + day).max(), _least=items[_STAGE].min()
    )
    known = furthest.filter(furthest["_least"] == 0)
    day = (known["_key"] % _SPAN).nullif(0)
    return known.select(
        PATIENT, **{_REACHED: (known["_key"] / _SPAN).floor().cast("int64"), _INDEX: _LATEST - day}
    )


def _weighed(engine: Engine, reached: Expr, weights: PatientWeights | None) -> Expr:
    """The patients with the numbers of those past the first stage."""
    import ibis

    if weights is None:
        return reached.mutate(_weight=ibis.literal(0, "int64"))
    columns = reached.columns
    if engine.names is None:
        characters = characters_of(reached[PATIENT])
    else:
        said = engine.names
        same = [reached[PATIENT] == said[PATIENT_NUMBER], reached[_REACHED] > 0]
        reached = reached.left_join(said, same)
        characters = [reached[name].cast("int64") for name in CHARACTER_COLUMNS]
    weight = ibis.ifelse(reached[_REACHED] > 0, weights.of_characters(characters), 0)
    weighed = reached.mutate(_weight=weight)
    return weighed.select(*columns, "_weight")


def _stopped(reached: Expr) -> tuple[dict[int, int], dict[int, int]]:
    """How many stop at each stage, and the sum of their numbers."""
    found = reached.group_by(_REACHED).aggregate(_n=reached.count(), _key=reached["_weight"].sum())
    found = found.to_pyarrow().to_pylist()
    return (
        {int(row[_REACHED]): int(row["_n"]) for row in found},
        {int(row[_REACHED]): int(row["_key"]) for row in found},
    )


def _counts(rows: Expr, column: str) -> dict[int, int]:
    found = rows.group_by(column).aggregate(_n=rows.count()).to_pyarrow().to_pylist()
    return {int(row[column]): int(row["_n"]) for row in found}


def _left(cohort: Cohort, counted: dict[int, int]) -> dict[int, int]:
    """How many are left past each stage: who passes a rule has passed the rules before it."""
    left = {number: counted.get(number, 0) for number in range(1, len(stages(cohort)))}
    rules = [number for number, stage in enumerate(stages(cohort)) if stage.kind == "rule"]
    for number in reversed(rules[:-1]):
        left[number] += left[number + 1]
    return left


def _who(
    engine: Engine, reached: Expr
) -> tuple[dict[tuple[int, str, str], int], dict[tuple[int, str, str], int]]:
    """The characteristics of those who stop at each stage, and the sums of their numbers."""
    import ibis

    rows = engine.keep(_with_facts(engine, reached))
    values = [
        rows.select(_REACHED, "_weight", _name=ibis.literal(name), _value=_value(rows, name))
        for name in known_characteristics(engine.model)
    ]
    every = ibis.union(*values)
    cells = every.group_by([_REACHED, "_name", "_value"])
    counted = cells.aggregate(_n=every.count(), _key=every["_weight"].sum()).to_pyarrow().to_pylist()
    found = {(int(row[_REACHED]), row["_name"], row["_value"]): row for row in counted}
    return (
        {cell: int(row["_n"]) for cell, row in found.items()},
        {cell: int(row["_key"]) for cell, row in found.items()},
    )


def _with_facts(engine: Engine, reached: Expr) -> Expr:
    """Each patient with sex, hospital, birth and last day observed; of several rows the smallest value."""
    lookup = engine.model.lookups["patient"]
    there = engine.tables[lookup.source]
    said = {
        f"_is_{name}": there[lookup.columns[column]].min()
        for name, column in OF_PATIENT.items()
        if column in lookup.columns
    }
    born = {f"_birth{number}": there[name].min() for number, name in enumerate(engine.model.birth)}
    facts = there.group_by(_key=there[lookup.key]).aggregate(**said, **born)
    source, patient, _, last = engine.model.observation
    periods = engine.tables[source]
    watched = periods.group_by(_key=periods[patient]).aggregate(_last=day_of(periods[last]).max())
    rows = reached.left_join(facts, [reached[PATIENT] == facts["_key"]]).drop("_key")
    return rows.left_join(watched, [rows[PATIENT] == watched["_key"]]).drop("_key")


def _value(rows: Expr, name: str) -> Expr:
    if name == AGE:
        return _band(age(rows, rows[_INDEX], completed=True), AGE_BANDS)
    if name == FOLLOW_UP:
        return _band(rows["_last"] - rows[_INDEX], FOLLOW_UP_BANDS)
    said = date_of(rows[_INDEX]).year() if name == YEAR else rows[f"_is_{name}"]
    return said.cast("string").nullif("").fill_null(MISSING)


def _band(value: Expr, edges: tuple[int, ...]) -> Expr:
    import ibis

    known = bands(edges)
    below = [(value < after[0], one) for (_, one), after in pairwise(known)]
    return ibis.cases((value.isnull(), MISSING), (value < known[0][0], BEFORE), *below, else_=known[-1][1])


def _rows(intervals: Expr) -> tuple[tuple[Any, str, str], ...]:
    days = intervals.select(PATIENT, _from=date_of(intervals[START]), _to=date_of(intervals[END]))
    found = days.order_by(PATIENT, "_from").to_pyarrow().to_pylist()
    return tuple((row[PATIENT], row["_from"].isoformat(), row["_to"].isoformat()) for row in found)
