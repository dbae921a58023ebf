"""The `cohort:` section is read exactly, or refused with the path, the line and what was probably meant."""

from __future__ import annotations

import pytest

from rwd_platform.core.errors import PlatformError
from studies.code_lists import unknown_list as no_such_list
from studies.cohorts.definition import (
    Bound,
    Count,
    DateShift,
    ExposureExit,
    FixedExit,
    Group,
    Test,
    Window,
)
from studies.cohorts.reader import CohortReader
from tests.studies.cohorts.language_cases import HEAD, LISTS, MODEL, codes, node, read

WHOLE = f"""{HEAD}entry:
  title: {{zh: 首次诊断, en: First diagnosis}}
  pick: first
  events:
    - table: condition
      codes: {codes("A")}
      where: {{status: confirmed}}
require:
  - id: egfr
    reason: {{zh: 肾功能, en: Kidney}}
    events: {{table: measurement, codes: {codes("G")}}}
    days: [-90, 0]
    of: last
    then: {{value: {{at_least: 30, unit: mL/min}}}}
exclude:
  - id: drug
    reason: {{zh: 既往用药, en: Earlier use}}
    events: {{table: drug_exposure, codes: {{list: statins@1}}}}
    days: [-365, -1]
    count: {{at_least: 2, distinct: day}}
exit: {{days: 180, from: start}}
"""


def refusal(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        read(text)
    assert refused.value.code == "protocol.refused"
    return refused.value


REFUSALS = [
    # old, new, path, line, what the message must say
    ("exit:", "exits:", "exits", 23, "did you mean exit"),
    ("  pick: first\n", "  pik: first\n", "entry.pik", 5, "did you mean pick"),
    ("pick: first", "pick: frist", "entry.pick", 5, "did you mean first"),
    ("table: condition", "table: conditions", "entry.events[0].table", 7, "did you mean condition"),
    ("where: {status: confirmed}", "where: {statsu: confirmed}", "where.statsu", 9, "did you mean status"),
    ("where: {status: confirmed}", "wher: {status: confirmed}", "entry.events[0].wher", 9, "did you mean where"),
    ("where: {status: confirmed}", "where: {status: 3}", "entry.events[0].where.status", 9, "text is expected"),
    ("where: {status: confirmed}", "where: {status: {at_least: a}}", "where.status.at_least", 9, "has no order"),
    ("where: {status: confirmed}", "where: {}", "entry.events[0].where", 9, "at least one test"),
    ("where: {status: confirmed}", "where: {status: {}}", "entry.events[0].where.status", 9, "at least one comparison"),
    ("where: {status: confirmed}", "where: {status: {is: a, unit: b}}", "where.status.unit", 9, "no unit"),
    ("where: {status: confirmed}", "where: {start_date: 2020-01-01}", "where.start_date", 9, "text is expected"),
    ("where: {status: confirmed}", 'where: {start_date: "2020-02-30"}', "where.start_date", 9, "a date in quotes"),
    ("value: {at_least: 30", "value: {at_least: thirty", "require[0].then.value.at_least", 16, "number is expected"),
    ("value: {at_least: 30", "value: {at_lest: 30", "require[0].then.value.at_lest", 16, "did you mean at_least"),
    ("value: {at_least: 30", "value: {between: [3]", "then.value.between", 16, "two values"),
    ("value: {at_least: 30", "value: {contains: '3'", "then.value.contains", 16, "comparison is one of text"),
    ("days: [-90, 0]", "days: [-90]", "require[0].days", 14, "two values"),
    ("days: [-90, 0]", "days: [-90, 0.5]", "require[0].days[1]", 14, "an integer is expected"),
    ("days: [-90, 0]", "days: [-90, true]", "require[0].days[1]", 14, "an integer is expected"),
    ("days: [-90, 0]", "days: [-90000, 0]", "require[0].days[0]", 14, "more than 36525 days"),
    ("    days: [-90, 0]\n", "", "require[0].days", 11, "required key is missing"),
    ("    of: last\n", "    of: most\n", "require[0].of", 15, "one of: all, first, last"),
    ("id: egfr", "id: EGFR", "require[0].id", 11, "lower-case"),
    ("id: drug", "id: egfr", "exclude[0].id", 18, "stands twice"),
    ("    reason: {zh: 肾功能, en: Kidney}\n", "", "require[0].reason", 11, "required key is missing"),
    ("{zh: 肾功能, en: Kidney}", "{zh: 肾功能}", "require[0].reason.en", 12, "required key is missing"),
    ("count: {at_least: 2", "count: {at_least: 2, at_most: 3", "exclude[0].count", 22, "one of at_least"),
    ("count: {at_least: 2", "count: {at_least: -2", "exclude[0].count.at_least", 22, "negative"),
    ("distinct: day", "distinct: days", "exclude[0].count.distinct", 22, "did you mean day"),
    ("list: statins@1", "list: statins", "exclude[0].events.codes.list", 20, "name@version"),
    ("list: statins@1", "list: statins@2", "exclude[0].events.codes.list", 20, "no code list statins@2"),
    ("list: statins@1", "list: statins@1, any_of: [x]", "exclude[0].events.codes", 20, "not both"),
    ("list: statins@1", "any_of: [x]", "exclude[0].events.codes", 20, "need a system"),
    ("list: statins@1", "list: statins@1, column: cod", "exclude[0].events.codes.column", 20, "did you mean code"),
    ("any_of: [G]", "any_of: []", "require[0].events.codes.any_of", 13, "at least 1"),
    ("any_of: [G]", "any_of: [10]", "require[0].events.codes.any_of[0]", 13, "in quotes"),
    ("from: start", "from: begin", "exit.from", 23, "one of: start, end"),
    ("exit: {days: 180, from: start}", "exit: {days: 180}", "exit.from", 23, "required key is missing"),
    ("exit: {days: 180, from: start}", "exit: {at: death}", "exit.at", 23, "end_of_observation"),
    ("exit: {days: 180, from: start}", "window: {}", "window", 23, "from or to"),
    ("language: 2", "language: 3", "language", 1, "only language 2"),
    ("language: 2", 'language: "2"', "language", 1, "an integer"),
    ("  pick: first\n", "  landmark_days: 0\n", "entry.landmark_days", 5, "more than 0"),
    ("  pick: first\n", "  new_user: {}\n", "entry.new_user.washout_days", 5, "required key is missing"),
    ("    events: {table: drug_exposure", "    washout: {table: drug_exposure", "exclude[0].count", 22, "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "path", "line", "says"), REFUSALS, ids=[one[1][:40] for one in REFUSALS]
)
def test_what_is_not_in_the_language_is_refused_with_its_place(old, new, path, line, says):
    """The path of the YAML, the line as an editor counts, and the nearest word that is known."""
    assert WHOLE.count(old) == 1
    error = refusal(WHOLE.replace(old, new))
    assert error.details["path"].endswith(path) and "[0]" not in error.en + error.zh
    assert f"(line {line})" in error.en and f"（第 {line} 行）" in error.zh
    assert says in error.en


def unknown_list(reference: str):
    if reference not in LISTS:
        raise no_such_list(reference, sorted(LISTS))
    return LISTS[reference]


@pytest.fixture(autouse=True)
def lists_that_refuse(monkeypatch):
    monkeypatch.setattr(
        "tests.studies.cohorts.language_cases.reader", lambda: CohortReader(MODEL, unknown_list)
    )


def test_two_conditions_or_none_are_refused():
    """A mapping with two conditions would leave open how they are joined."""
    both = WHOLE.replace("    of: last\n", "    patient: {age: {at_least: 18}}\n    of: last\n")
    none = WHOLE.replace("    events: {table: measurement, codes: " + codes("G") + "}\n", "")
    for text in (both, none):
        error = refusal(text)
        assert "require[egfr]" in error.en and "exactly one of patient, events" in error.en


@pytest.mark.parametrize(
    "condition",
    [
        "patient: {gender: female}",
        "events: {table: drug_exposure}, days: [-9, 0]",
        "washout: {table: drug_exposure}, days: 9",
        "any: [{patient: {gender: female}}]",
    ],
)
def test_all_entry_events_that_qualify_are_kept_unless_a_definition_picks(condition):
    """`pick` beside the condition has a default; id and reason of a rule have none."""
    plain, picked = (read(f"{WHOLE}qualify: {{{condition}{pick}}}\n") for pick in ("", ", pick: last"))
    assert (plain.qualify_limit, picked.qualify_limit) == ("all", "last")
    assert plain.qualify == picked.qualify and not plain.qualify.empty
    assert (
        "require[x].reason"
        in refusal(f"{WHOLE[: WHOLE.index('require:')]}require:\n  - {{id: x, {condition}}}\n").en
    )


def test_a_washout_is_required_never_excluded():
    """Excluding who has had a washout would keep exactly the wrong people."""
    text = WHOLE.replace("    events: {table: drug_exposure", "    washout: {table: drug_exposure")
    text = text.replace("days: [-365, -1]\n    count: {at_least: 2, distinct: day}", "days: 365")
    assert "put it under require" in refusal(text).en


def test_what_is_written_is_what_is_run():
    """The parts of a definition, as the engine gets them."""
    cohort = read(WHOLE)
    assert cohort.entry.limit == "first" and cohort.entry.events[0].tests == (
        Test("status", "eq", ("confirmed",)),
    )
    egfr, drug = cohort.rules
    (last,) = egfr.group.related
    assert last.windows == (Window(Bound(-90, -1), Bound(0, 1)),) and last.of == "last"
    assert last.then == (Test("value", "ge", (30,)), Test("unit", "eq", ("mL/min",)))
    assert drug.group.operator == "at_most" and drug.group.number == 0
    (group,) = drug.group.groups
    assert group == Group(related=group.related) and group.related[0].count == Count(
        "at_least", 2, "start_date"
    )
    assert group.related[0].events.codes[0].codes == LISTS["statins@1"]
    assert cohort.exit == FixedExit("start", 180)
    assert [rule.line for rule in cohort.rules] == [11, 18]


def test_first_class_words_stand_for_what_they_say():
    """A washout, new use and a landmark are conditions and dates like any other."""
    text = WHOLE.replace("  pick: first\n", "  landmark_days: 30\n  new_user: {washout_days: 365}\n")
    (entry,) = read(text).entry.events
    assert entry.shift == DateShift("start", 30, "start", 30) and read(text).entry.days_before == 30
    assert entry.within is not None
    (none,) = entry.within.related
    assert none.windows == (Window(Bound(-395, -1), Bound(-31, 1)),) and none.count == Count("at_most", 0)
    assert not none.observed and none.events.shift is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("exit: {at: end_of_observation}", None),
        ("exit: {days: 0, from: end}", FixedExit("end", 0)),
    ],
)
def test_exits_that_are_read(written, expected):
    assert read(WHOLE.replace("exit: {days: 180, from: start}", written)).exit == expected


def test_an_exit_by_exposure_has_defaults():
    """No gap is bridged and nothing added unless a definition says so."""
    text = WHOLE.replace("exit: {days: 180, from: start}", "exit: {exposure: [{table: drug_exposure}]}")
    exit = read(text).exit
    assert isinstance(exit, ExposureExit) and (exit.gap_days, exit.extra_days, exit.supply_days) == (
        0,
        0,
        None,
    )


def test_flags_are_true_or_false_and_nothing_else():
    """A word in place of true would silently match no row."""
    flag = WHOLE.replace(
        "{table: drug_exposure, codes: {list: statins@1}}", "{table: drug_use, where: {returned: X}}"
    )
    assert read(flag.replace("X", "false")).rules[1].group.groups[0].related[0].events.tests == (
        Test("returned", "eq", (False,)),
    )
    assert "true or false is expected" in refusal(flag.replace("X", "no one")).en
    assert "nothing else is asked" in refusal(flag.replace("X", "{is_not: true}")).en


def test_a_section_inside_a_document_keeps_the_documents_lines():
    """A protocol's cohort begins somewhere in the middle."""
    text = "id: x\ncohort:\n" + "".join(
        f"  {line}\n" for line in WHOLE.replace("days: [-90, 0]", "days: 90").splitlines()
    )
    with pytest.raises(PlatformError) as refused:
        CohortReader(MODEL, unknown_list).cohort(node(text).at("cohort"), "x")
    assert "cohort.require[egfr].days (line 16)" in refused.value.en
