"""A definition as somebody wrote it: what the text calls its outcome is read nowhere before a freeze."""

from __future__ import annotations

import pytest

from rwd_platform.core.errors import PlatformError
from studies.cohorts.feasibility import check_no_outcomes
from studies.cohorts.written import read_written

COHORT = """cohort:
  language: 2
  source: {zh: 甲院, en: One hospital}
  entry:
    title: {zh: 诊断, en: Diagnosis}
    events: [{table: condition, codes: {system: s, any_of: [A]}}]
  require:
    - {id: ae, reason: {zh: 无, en: None}, events: {table: adverse_event}, days: [-30, 0]}
    - {id: men, reason: {zh: 无, en: None}, patient: {gender: male}}
"""


@pytest.mark.parametrize(
    ("outcome", "names", "lines"),
    [
        ("outcome:\n  event: {table: adverse_event}\n", "adverse_event", "8"),
        ("outcome:\n  sources:\n    - {name: x, records: {table: condition}}\n", "condition", "6"),
        ("outcome:\n  sources:\n    - {name: x, records: {column: gender}}\n", "patient.gender", "9"),
        ("outcome:\n  sources: [{any: [{table: visit}, {table: adverse_event}]}]\n", "adverse_event", "8"),
    ],
)
def test_what_a_text_takes_its_outcome_from_is_refused_in_its_cohort(outcome, names, lines):
    """As when the protocol is registered; the lines are those of the document."""
    written = read_written(COHORT + outcome, "x")
    assert [str(one.line) for one in written.findings if one.code == "outcome_before_freeze"] == [lines]
    with pytest.raises(PlatformError) as refused:
        check_no_outcomes(written.cohort, written.model)
    assert refused.value.code == "feasibility.outcomes"
    assert refused.value.details == {"names": names, "lines": lines}


@pytest.mark.parametrize(
    "outcome", ["", "outcome: []\n", "outcome: visit\n", "outcome:\n  event: {table: visit}\n"]
)
def test_adverse_events_are_history_where_a_text_does_not_count_them(outcome):
    written = read_written(COHORT + outcome, "x")
    assert [one for one in written.findings if one.level == "error"] == []
    check_no_outcomes(written.cohort, written.model)
