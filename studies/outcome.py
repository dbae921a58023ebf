"""Time and event of each subject, by the protocol's decision table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition
from studies.protocol import Outcome, OutcomeRule, OutcomeSource
from studies.tables import lineage_of, lock_rows

TIME, EVENT = "time_days", "event"
DAYS_A_YEAR = 365.25  # the mean of the Julian calendar, by which person-years are counted
STATUS = "status"  # a column only where the outcome names competing events

_CONTRADICTION = Bilingual("结局记录互相矛盾", "The records of the outcome contradict each other")
_NO_RULE = Bilingual("没有可用的结局或随访记录", "No usable record of the outcome or of follow-up")
_BEFORE_INDEX = Bilingual(
    "结局或随访终点早于起始日", "The outcome or the end of follow-up is before the index date"
)


@dataclass(frozen=True)
class Outcomes:
    """`time_days` (>= 0), `event` (0 or 1) and `status` (0, 1, 2 competing) of each subject who is still in."""

    time_days: dict[str, int]
    event: dict[str, int]
    status: dict[str, int]
    lineage: pd.DataFrame


@dataclass(frozen=True)
class _States:
    """Of one source: the row that decides for each subject, and who contradicts himself."""

    rows: pd.DataFrame  # indexed by subject_id; columns state, day and provenance
    contradictory: frozenset[str]


def derive_outcome(lock: Mapping[str, pd.DataFrame], outcome: Outcome, attrition: Attrition) -> Outcomes:
    """Decide time and event; those for whom no rule holds leave `attrition` with the reason."""
    states = {source.name: _states(lock, source) for source in outcome.sources}
    contradictory = frozenset().union(*(one.contradictory for one in states.values()))
    attrition.drop(contradictory, _CONTRADICTION)
    table = _wide(states)
    decided: dict[str, tuple[int, int, OutcomeRule]] = {}
    for rule in outcome.rules:
        chosen = table[_holds(table, rule)]
        for subject, day in zip(chosen.index, chosen[f"{rule.time_of}.day"], strict=True):
            decided.setdefault(str(subject), (int(day), int(rule.event), rule))
    attrition.keep(decided, _NO_RULE)
    attrition.drop([one for one, (day, _, _) in decided.items() if day < 0], _BEFORE_INDEX)
    kept = {one: decided[one] for one in attrition.ids}
    return Outcomes(
        time_days={one: day for one, (day, _, _) in kept.items()},
        event={one: event for one, (_, event, _) in kept.items()},
        status={one: outcome.status_of(rule) for one, (*_, rule) in kept.items()},
        lineage=_lineage(states, kept, with_status=outcome.competing is not None),
    )


def _states(lock: Mapping[str, pd.DataFrame], source: OutcomeSource) -> _States:
    rows = lock_rows(lock, source.records, ("value_code",))
    events = rows[rows["value_code"].isin(list(source.event_values))]
    free = rows[rows["value_code"].isin(list(source.free_values))]
    first_event = events.drop_duplicates(SUBJECT_ID).assign(state="event").set_index(SUBJECT_ID, drop=False)
    last = free.sort_values([SUBJECT_ID, "day"], ascending=[True, False], kind="stable")
    last_free = last.drop_duplicates(SUBJECT_ID).assign(state="free").set_index(SUBJECT_ID, drop=False)
    both = last_free.index.intersection(first_event.index)
    contradictory: frozenset[str] = frozenset()
    if source.final:
        after = last_free.loc[both, "day"] > first_event.loc[both, "day"]
        contradictory = frozenset(str(one) for one in both[after.to_numpy(dtype=bool)])
    return _States(pd.concat([first_event, last_free.drop(both)]), contradictory)


def _wide(states: Mapping[str, _States]) -> pd.DataFrame:
    """One row a subject; `<source>.state` and `<source>.day`, missing where the source says nothing."""
    parts = [one.rows[["state", "day"]].add_prefix(f"{name}.") for name, one in states.items()]
    return pd.concat(parts, axis=1).sort_index()


def _holds(table: pd.DataFrame, rule: OutcomeRule) -> pd.Series[bool]:
    holds = pd.Series(True, index=table.index)
    for name, state in rule.when:
        holds &= (table[f"{name}.state"] == state).fillna(False)
    if rule.earlier is not None:
        before, after = rule.earlier
        holds &= (table[f"{before}.day"] < table[f"{after}.day"]).fillna(False)
    return holds.astype(bool)


def _lineage(
    states: Mapping[str, _States],
    decided: Mapping[str, tuple[int, int, OutcomeRule]],
    *,
    with_status: bool,
) -> pd.DataFrame:
    """The time comes from one row; the event, and its kind, from every row that the rule looked at."""
    time_subjects: dict[str, list[str]] = {name: [] for name in states}
    event_subjects: dict[str, list[str]] = {name: [] for name in states}
    for subject, (_, _, rule) in decided.items():
        time_subjects[rule.time_of].append(subject)
        for name, _ in rule.when:
            event_subjects[name].append(subject)
    parts = []
    for name, one in states.items():
        parts.append(lineage_of(one.rows.loc[time_subjects[name]], TIME))
        parts.append(lineage_of(one.rows.loc[event_subjects[name]], EVENT))
        if with_status:
            parts.append(lineage_of(one.rows.loc[event_subjects[name]], STATUS))
    return pd.concat(parts, ignore_index=True)
