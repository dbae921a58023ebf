"""The scorecard: shares with their numerators and denominators, in two languages."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from quality.report import QualityReport, RuleResult
from quality.scorecard import NOT_APPLICABLE, Score, score
from quality.suite import load_suites
from rwd_platform.core.text import Bilingual

SUITES = load_suites()
CONFORMANCE, COMPLETENESS = "patient.gender_code", "patient.gender_present"


def report(*results: tuple[str, str | None, int, int]) -> QualityReport:
    """Results as (rule, hospital, asked, failing); a rule passes here only if nothing fails."""
    made = [
        RuleResult(
            *("patient", rule, hospital, asked, asked, failing),
            status="not_applicable" if not asked else "fail" if failing else "pass",
        )
        for rule, hospital, asked, failing in results
    ]
    return QualityReport(tuple(SUITES.values()), tuple(made))


def test_a_score_is_the_share_of_checks_passed_in_a_category():
    """Ten rows asked two questions are twenty checks; one wrong answer leaves nineteen."""
    card = score(
        report((CONFORMANCE, "h1", 10, 1), ("patient.once", "h1", 10, 0), (COMPLETENESS, "h1", 10, 4))
    )
    conformance, completeness, plausibility, timeliness, everything = card.of("h1").scores
    assert (conformance.passed, conformance.asked, conformance.share) == (19, 20, 0.95)
    assert (conformance.rules_kept, conformance.rules_asked) == (1, 2)
    assert completeness.text == Bilingual("60.00%", "60.00%")
    assert plausibility.share is None
    assert plausibility.text == timeliness.text == NOT_APPLICABLE
    assert (everything.passed, everything.asked) == (25, 30)


def test_all_hospitals_together_come_first_then_each_by_name():
    """The page's first row is the whole; a hospital finds itself in the alphabet."""
    card = score(report((CONFORMANCE, None, 3, 0), (CONFORMANCE, "h2", 1, 0), (CONFORMANCE, "h1", 2, 0)))
    assert [hospital.organisation_id for hospital in card.hospitals] == [None, "h1", "h2"]
    assert [hospital.scores[0].asked for hospital in card.hospitals] == [3, 2, 1]


def test_where_nothing_was_asked_the_score_says_so():
    """A denominator of 0 is "not applicable" in words, and null in JSON: never 100 %."""
    card = score(report((CONFORMANCE, "h1", 0, 0)))
    facts = json.loads(json.dumps(card.as_dict(), ensure_ascii=False))
    for cell in facts["hospitals"][1]["scores"]:
        assert (cell["numerator"], cell["denominator"], cell["share"]) == (0, 0, None)
        assert cell["text"] == {"zh": "不适用", "en": "not applicable"}
        assert cell["rules_asked"] == 0


def test_an_empty_report_gives_an_empty_card():
    """No hospital: one row for all, with nothing in it."""
    card = score(QualityReport((), ()))
    assert [hospital.organisation_id for hospital in card.hospitals] == [None]


@given(st.integers(1, 10**9).flatmap(lambda asked: st.tuples(st.integers(0, asked), st.just(asked))))
def test_the_text_is_100_percent_only_if_every_check_passed(counts: tuple[int, int]):
    """One wrong row in a million is not rounded away."""
    passed, asked = counts
    text = Score("all", Bilingual("", ""), passed, asked, 0, 0).text.en
    assert (text == "100.00%") == (passed == asked)
    assert abs(float(text[:-1]) / 100 - passed / asked) <= 1e-4
