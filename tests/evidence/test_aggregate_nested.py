"""What two numbers of an aggregate package tell of a few people when one is subtracted from the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from studies.adverse_events import read_adverse_events
from studies.dataset import StudyDataset
from studies.evidence.aggregate import coarsened
from studies.evidence.aggregate_nested import inner_rows
from studies.protocol import load_protocol
from studies.results import ArdRow, ResultSet
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.studies import valve
from tests.studies.adverse_lock import reports
from tests.studies.small import EMPTY_LINEAGE

CELL = 10
WHOLE = [f"s{place:03d}" for place in range(150)]
PART = WHOLE[:70]


# -- parts of a population -----------------------------------------------------------------------------------------


def count(of: str, value: int, statistic: str = "affected", **more: Any) -> ArdRow:
    analysis = f"{of}.plan"
    variable = more.get("variable", "")
    id = ".".join(part for part in (analysis, variable, "exposed", statistic) if part)
    return ArdRow(
        id, analysis, "m", "exposed", variable, statistic, value, row_set=of, events=more.get("events")
    )


def told_apart(
    *rows: ArdRow, part: list[str] = PART, methods: tuple[str, str] = ("safety", "safety")
) -> list[str]:
    sets = {"all": WHOLE, "part": part, "all.exposed": WHOLE, "part.exposed": part}
    results = ResultSet("s", "0", "l", rows, row_sets=sets)
    return [
        row.id
        for row in inner_rows(results, dict(zip(("all.plan", "part.plan"), methods, strict=True)), CELL)
    ]


@pytest.mark.parametrize(
    ("whole", "part", "statistic", "few"),
    [
        (29, 25, "affected", True),
        (25, 25, "affected", False),
        (35, 25, "affected", False),
        (34, 25, "observed", True),
        (120, 45, "affected", True),  # 75 of the 80 others: all but five
        (120, 45, "observed", False),
        (29, 25, "person_years", False),
    ],
)
def test_a_part_that_lacks_a_few_of_the_whole_is_found(whole, part, statistic, few):
    found = told_apart(count("all", whole, statistic), count("part", part, statistic))
    assert found == ([f"part.plan.exposed.{statistic}"] if few else [])


def test_the_people_of_a_level_count_and_those_of_an_arm_do_not():
    level = [count(of, n, "subjects", variable="size.small") for of, n in (("all", 29), ("part", 25))]
    assert told_apart(*level) == ["part.plan.size.small.exposed.subjects"]
    assert told_apart(count("all", 29, "subjects"), count("part", 25, "subjects")) == []


def test_events_of_a_row_are_subtracted_too():
    rows = [count(of, 1, "hazard_ratio", events=n) for of, n in (("all", 40), ("part", 36))]
    assert told_apart(*rows) == ["part.plan.exposed.hazard_ratio"]


def test_populations_that_are_no_parts_of_one_another_are_not_compared():
    rows = count("all", 29), count("part", 25)
    assert told_apart(*rows, part=WHOLE) == []
    assert told_apart(*rows, part=[*PART, "other"]) == []


def test_analyses_of_another_method_are_not_compared():
    assert told_apart(count("all", 29), count("part", 25), methods=("safety", "log_rank")) == []


# -- whole packages ------------------------------------------------------------------------------------------------

OLDER = "  - id: older\n    title: {zh: a, en: a}\n    restrictions: [{covariate: age, more_than: 75}]\n"
PLANS = """
  - id: older.safety
    method: safety
    title: {zh: a, en: a}
    population: older
    until: 365
  - id: older.log_rank
    method: log_rank
    title: {zh: a, en: a}
    population: older
"""
TEXT = valve.TEXT.replace(
    "    restrictions: []\n\nanalyses:", f"    restrictions: []\n{OLDER}\nanalyses:"
).replace("\ndiagnostics:", f"{PLANS}\ndiagnostics:")


def people(late: int) -> pd.DataFrame:
    """150 in each arm; 30 and 40 fail by day 340, `late` of the exposed on day 380, nobody is lost."""
    rows = []
    for arm in (1, 0):
        early = 30 if arm else 40
        for place in range(150):
            day, event = (5 + 11 * (place % 30), 1) if place < early else (400, 0)
            if arm and early <= place < early + late:
                day, event = 380, 1
            name = f"{'v' if arm else 's'}{place:03d}"
            rows.append((name, "AB"[place % 2], arm, day, event, 60.0 + place % 30, 45.0 + place % 7, 0))
    columns = ["subject_id", "site_id", "valve_v", "time_days", "event", "age", "ejection", "diabetes"]
    return pd.DataFrame(rows, columns=columns).sort_values("subject_id", ignore_index=True)


def released(frame: pd.DataFrame, events: str, *ids: str, dead: frozenset[str] = frozenset()) -> ResultSet:
    of = load_protocol(TEXT)
    of = dataclasses.replace(of, analyses=tuple(one for one in of.analyses if one.id in ids))
    status = pd.DataFrame(
        {
            "subject_id": frame.subject_id,
            "code_system": "https://rwd-platform.example/CodeSystem/demo-outcome",
            "code": "vital-status",
            "effective_day": pd.array(frame.time_days, dtype="Int64"),
            "status": "final",
            "value_code": ["dead" if one in dead else "alive" for one in frame.subject_id],
            "row_order": 0,
            "source_row": ["v" + one for one in frame.subject_id],
        }
    )
    lock = {
        "subject": frame[["subject_id", "site_id"]], "adverse_event": reports(events), "outcome_event": status,
    }  # fmt: skip
    held, _ = read_adverse_events(lock, of)
    results = run_analyses(StudyDataset(frame, (), EMPTY_LINEAGE, "valve_v", held), of, "lock-1")
    return coarsened(
        with_results(results, protocol_text=TEXT, protocol=of, audience="aggregate")
    ).inputs.results


def test_deaths_of_the_whole_lock_do_not_stand_beside_fatal_lines_up_to_a_day():
    """62 died and 60 of it up to day 365: two died after it."""
    frame = people(late=2)
    failed = frame[frame.event == 1]
    lines = [
        f"{s} | I46.9 | {d} | Serious | fatal"
        for s, d in zip(failed.subject_id, failed.time_days, strict=True)
    ]
    events = "\n".join(["subject | code | day | serious | outcome", *lines])
    results = released(frame, events, "all.safety", "all.crude", dead=frozenset(failed.subject_id))
    ids = {row.id for row in results.rows}
    assert "all.safety.fatal.exposed.affected" in ids
    assert not any(row.statistic == "deaths" for row in results.rows)


@pytest.mark.parametrize(("late", "days"), [(3, [90]), (0, [90, 365])])
def test_no_survival_is_told_after_which_a_few_of_all_events_follow(late, days):
    """The log-rank test tells all events of the arm, and nobody was lost: 33 less 30 by day 365 would be three."""
    results = released(
        people(late), "subject | code | day | serious", "all.log_rank", "all.kaplan_meier", "all.crude"
    )
    told = {
        row.id.rpartition("_")[2]: row.value
        for row in results.rows
        if row.statistic == "survival" and row.group == "exposed"
    }
    total = results.row("all.log_rank.exposed.observed").value
    assert total == 30 + late
    after = {day: round(total - 150 * (1 - survival)) for day, survival in told.items()}
    assert after and not any(0 < left < CELL for left in after.values()), after
    assert ("365" in told) == (365 in days)


def test_of_a_part_lines_and_analyses_are_withheld_that_tell_of_a_few_of_the_rest():
    """25 of the older and 4 of the others bled; 14 of the older and 4 of the others failed."""
    frame = people(late=0)
    exposed = frame.valve_v == 1
    young = frame.index[exposed & (frame.age <= 75) & (frame.event == 1)][4:]
    frame.loc[young, ["event", "time_days"]] = (0, 400)
    bled = [
        *frame[exposed & (frame.age > 75) & (frame.time_days > 5)].subject_id[:25],
        *frame[exposed & (frame.age <= 75) & (frame.time_days > 5)].subject_id[:4],
        *frame[~exposed & (frame.time_days > 5)].subject_id[:30],
    ]
    events = "\n".join(["subject | code | day | serious", *(f"{s} | T81.0 | 1 | Non-serious" for s in bled)])
    plans = ("all.safety", "older.safety", "all.log_rank", "older.log_rank", "all.crude")
    results = released(frame, events, *plans)
    told = {row.id: row.value for row in results.rows}
    assert told["all.safety.any.exposed.affected"] == 29
    assert "older.safety.any.exposed.affected" not in told
    assert "all.log_rank.exposed.observed" in told
    assert "older.log_rank" in results.not_done and not any(id.startswith("older.log_rank.") for id in told)
