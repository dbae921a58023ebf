"""Competing events in a protocol: how an outcome names them, and what the analysis table makes of them."""

from __future__ import annotations

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.analyses.competing import kinds_of
from studies.attrition import Attrition
from studies.dataset import build
from studies.outcome import Outcomes, derive_outcome
from studies.protocol import Protocol, load_protocol
from tests.studies.rotterdam_lock import (
    OUTCOMES,
    protocol_text,
    rotterdam,
    rotterdam_lock,
    rotterdam_protocol,
)
from tests.studies.small import small_text

TEXT = protocol_text()
COMPETING = TEXT[TEXT.index("  competing:\n") : TEXT.index("\n# Each baseline value")]
DEATH_COUNTS = "      time_of: death\n      event: true\n"


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def refused(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as error:
        load_protocol(text)
    assert error.value.code == "protocol.refused"
    return error.value


def cause_specific() -> Protocol:
    """The demonstration's outcome with recurrence alone as the event: death without it is censored by `event`."""
    return load_protocol(changed((DEATH_COUNTS, "      time_of: death\n      event: false\n")))


def derive(protocol: Protocol, *rows: tuple[str, str, int]) -> Outcomes:
    codes = {"recurrence": "recurrence-status", "no-recurrence": "recurrence-status"}
    table = pd.DataFrame(
        {
            "subject_id": [subject for subject, _, _ in rows],
            "code_system": OUTCOMES,
            "code": [codes.get(value, "vital-status") for _, value, _ in rows],
            "value_code": [value for _, value, _ in rows],
            "effective_day": pd.array([day for *_, day in rows], dtype="Int64"),
            "status": "final",
            "row_order": range(len(rows)),
            "source_row": [f"file:{number}:digest" for number in range(1, len(rows) + 1)],
        }
    )
    start = Bilingual("起", "Start")
    return derive_outcome(
        {"outcome_event": table},
        protocol.outcome,
        Attrition.of(sorted({subject for subject, _, _ in rows}), start),
    )


def test_the_demonstration_names_death_as_what_competes_with_recurrence():
    competing = rotterdam_protocol().outcome.competing
    assert competing is not None and competing.sources == ("death",)
    assert [(kind.name, kind.code, kind.title.zh) for kind in kinds_of(rotterdam_protocol())] == [
        ("event", 1, "复发"),
        ("competing", 2, "无复发死亡"),
    ]


SOURCES = "    sources: [death]\n"
FREE_AND_DEAD = "{recurrence: free, death: event}\n      time_of: death"
BOTH = "{recurrence: event, death: event}\n      "
PLAN = TEXT[TEXT.index("  - id: restricted.incidence") : TEXT.index("  - id: restricted.crude")]
DAYS = "    days: [365, 730, 1096, 1461, 1826, 2557, 3652]\n"
SAME = (
    "event_title: {zh: 复发, en: Recurrence}",
    "event_title: {zh: 无复发死亡, en: Death without recurrence}",
)
FIRST_CHECKED = BOTH + "earlier: [recurrence, death]\n      time_of: death"

REFUSALS = [
    (SOURCES, "    sources: [stroke]\n", "competing.sources", "no source named 'stroke'"),
    (SOURCES, "    sources: []\n", "competing.sources", "at least 1"),
    (SOURCES, "    sources: [death, death]\n", "competing.sources", "used twice"),
    (SOURCES, "    source: death\n", "competing", "source"),
    (SOURCES, "    sources: [recurrence, death]\n", "competing.sources", "nothing is left"),
    ("    event_title: {zh: 复发, en: Recurrence}\n", "", "competing", "event_title"),
    (*SAME, "competing.event_title", "same title"),
    (
        DEATH_COUNTS,
        "      time_of: recurrence\n      event: true\n",
        "competing.sources",
        "an event of 'death'",
    ),
    (FREE_AND_DEAD, BOTH + "time_of: death", "outcome.rules[2].earlier", "came first"),
    (FREE_AND_DEAD, FIRST_CHECKED, "outcome.rules[2].earlier", "came first"),
    ("  - name: age\n", "  - name: status\n", "covariates[0].name", "reserved"),
    (PLAN, PLAN.replace(DAYS, "    days: [0]\n"), ".days", "at least one day"),
    (PLAN, PLAN.replace(DAYS, "    days: [365, 365]\n"), ".days", "used twice"),
    (PLAN, PLAN + "    weights: overlap\n", "weights", "weights"),
    (PLAN, PLAN + "    strata: [age]\n", "", "is a number"),
    (PLAN, PLAN + "    strata: [size]\n    covariates: [size]\n", "", "cannot be a stratum and a covariate"),
    (COMPETING, "", ".method", "names no competing events"),
]


@pytest.mark.parametrize(("old", "new", "path", "why"), REFUSALS)
def test_what_cannot_compete_is_refused_with_its_place_and_why(old, new, path, why):
    """In both languages, and before anything is locked or analysed."""
    error = refused(changed((old, new)))
    assert path in error.details["path"] and why in error.en
    assert "（第 " in error.zh and "(line " in error.en


def test_a_covariate_may_be_called_status_where_nothing_competes():
    """A protocol of before reads as it did."""
    text = (
        small_text().replace("name: surgery", "name: status").replace("frailty, surgery]", "frailty, status]")
    )
    assert load_protocol(text).covariate("status").type == "record"


def test_a_competing_rule_may_see_both_events_if_the_competing_one_came_first():
    """Dead on day 10, and a recurrence recorded later: an error of the records that the rule decides."""
    both = "{recurrence: event, death: event}\n      earlier: [death, recurrence]\n      time_of: death"
    rule = f"    - when: {both}\n      event: true\n      reason: {{zh: 死亡在前, en: Death first}}\n"
    protocol = load_protocol(changed(("  rules:\n", f"  rules:\n{rule}")))
    assert derive(protocol, ("A", "recurrence", 300), ("A", "dead", 200)).status == {"A": 2}
    assert derive(protocol, ("A", "recurrence", 200), ("A", "dead", 200)).status == {"A": 1}
    assert derive(protocol, ("A", "recurrence", 200), ("A", "dead", 300)).status == {"A": 1}


@pytest.mark.parametrize(
    ("first", "second", "days", "event", "status"),
    [
        (("recurrence", 300), ("dead", 900), 300, 1, 1),  # death after a recurrence competes with nothing
        (("recurrence", 300), ("dead", 300), 300, 1, 1),  # on the same day: the recurrence was seen
        (("recurrence", 300), ("alive", 900), 300, 1, 1),
        (("no-recurrence", 900), ("dead", 900), 900, 1, 2),
        (("no-recurrence", 700), ("dead", 900), 700, 0, 0),  # unknown in between: censored at the check
        (("no-recurrence", 900), ("alive", 900), 900, 0, 0),
        (("no-recurrence", 700), ("alive", 900), 900, 0, 0),
        (("no-recurrence", 0), ("dead", 0), 0, 1, 2),
    ],
)
def test_each_end_is_of_one_kind(first, second, days, event, status):
    """Status by the rule that decides; what `event` counts stays as the composite has it."""
    found = derive(rotterdam_protocol(), ("A", *first), ("A", *second))
    assert (found.time_days, found.event, found.status) == ({"A": days}, {"A": event}, {"A": status})
    alone = derive(cause_specific(), ("A", *first), ("A", *second))
    assert (alone.time_days, alone.event, alone.status) == (
        {"A": days},
        {"A": int(status == 1)},
        {"A": status},
    )


def test_the_status_can_be_traced_to_every_record_that_was_looked_at():
    lineage = derive(rotterdam_protocol(), ("A", "no-recurrence", 900), ("A", "dead", 900)).lineage
    lines = lineage.groupby("variable")["source_row"].agg(sorted).to_dict()
    both = ["file:1:digest", "file:2:digest"]
    assert lines == {"time_days": ["file:2:digest"], "event": both, "status": both}


def test_the_table_has_a_status_only_where_events_compete():
    """Without `competing` the table is what it was: the same columns, the same lines."""
    text = changed((COMPETING, ""))
    start = text.index("  - id: restricted.incidence")
    plain = load_protocol(text[:start] + text[text.index("  - id: restricted.crude") :])
    before, now = build(rotterdam_lock(), plain), build(rotterdam_lock(), rotterdam_protocol())
    assert "status" not in before.frame and "status" not in set(before.lineage["variable"])
    assert now.frame.drop(columns="status").equals(before.frame)
    assert now.lineage[now.lineage["variable"] != "status"].reset_index(drop=True).equals(before.lineage)


def test_the_status_is_that_of_the_published_table_patient_by_patient():
    source, frame = rotterdam(), build(rotterdam_lock(), rotterdam_protocol()).frame
    dead_at_check = (source.recur == 0) & (source.death == 1) & (source.rtime >= source.dtime)
    expected = source.recur.where(~dead_at_check, 2)
    assert frame["status"].tolist() == expected.tolist()
    assert ((frame["status"] > 0).astype(int) == frame["event"]).all()
