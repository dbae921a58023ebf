"""The filing calendar: contracts to be filed, extensions to be asked for, reports, and what runs out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.filings import Deadline, add_months, deadlines
from rwd_platform.compliance.instruments import Instrument, Scope, kinds
from rwd_platform.core.errors import PlatformError

ON = date(2026, 11, 23)


def paper(kind: str, since: str, until: str | None = None, **more: Any) -> Instrument:
    return Instrument(
        id=more.pop("id", f"ins-{kind}"),
        kind=kind,
        exporter="org-a",
        number=more.pop("number", "No. 17"),
        effective_from=date.fromisoformat(since),
        valid_until=date.fromisoformat(until) if until else None,
        scope=Scope(),
        **more,
    )


def due(*papers: Instrument, on: date = ON) -> list[tuple[str, str, int, bool]]:
    return [(one.what, one.due.isoformat(), one.days_left, one.provisional) for one in deadlines(papers, on)]


def only(*papers: Instrument, what: str, on: date = ON) -> Deadline:
    (found,) = [one for one in deadlines(papers, on) if one.what == what]
    return found


# -- worked examples ------------------------------------------------------------------------------------------------


def test_a_contract_is_filed_within_ten_working_days() -> None:
    """In force from 24 September 2026: Mid-Autumn and National Day lie between, and 10 October is worked."""
    contract = paper("standard_contract", "2026-09-24")
    assert due(contract, on=date(2026, 10, 12)) == [("file", "2026-10-15", 3, False)]
    assert due(contract, on=date(2026, 10, 15)) == [("file", "2026-10-15", 0, False)]
    assert due(contract, on=date(2026, 10, 16)) == [("file", "2026-10-15", -1, False)]


def test_a_contract_that_was_filed_is_off_the_list_and_its_end_stays() -> None:
    """Filing ends the one deadline; the contract still runs out."""
    filed = paper("standard_contract", "2026-09-24", "2027-09-23", filed_on=date(2026, 10, 9))
    assert due(filed) == [("expires", "2027-09-23", 304, False)]
    assert due(replace(filed, valid_until=None)) == []


def test_a_contract_not_filed_in_time_stays_overdue() -> None:
    """Years later it is still not filed, and the list still says so."""
    assert due(paper("standard_contract", "2024-03-22"))[0][0] == "file"
    assert only(paper("standard_contract", "2024-03-22"), what="file").days_left < -900


def test_an_assessments_extension_is_asked_for_sixty_working_days_before_its_end() -> None:
    """The last day on which it can be asked, and the end itself; the earlier one first."""
    found = due(paper("security_assessment", "2023-12-15", "2026-12-14"))
    assert [what for what, *_ in found] == ["renew", "expires"]
    # Backwards: 9 in December, 21 in November, 18 in October (8th to 30th), 12 in September (Sunday 20th is worked).
    assert found[0] == ("renew", "2026-09-15", -69, False)
    assert found[1] == ("expires", "2026-12-14", 21, False)


def test_the_day_of_renewal_is_the_sixtieth_working_day_before_the_end() -> None:
    """Counted by another library: 59 working days lie strictly between, and the day itself is one."""
    found = only(paper("security_assessment", "2023-12-15", "2026-12-14"), what="renew")
    days = [found.due + timedelta(days=count) for count in range(1, (date(2026, 12, 14) - found.due).days)]
    assert sum(chinese_calendar.is_workday(day) for day in days) == 59
    assert chinese_calendar.is_workday(found.due)


def test_an_extension_is_not_asked_for_what_has_run_out() -> None:
    """On the last day it is still on the list, overdue; the day after, only the end is."""
    assessment = paper("security_assessment", "2023-12-15", "2026-12-14")
    assert [one[0] for one in due(assessment, on=date(2026, 12, 14))] == ["renew", "expires"]
    assert due(assessment, on=date(2026, 12, 15)) == [("expires", "2026-12-14", -1, False)]


def test_an_assessment_that_ends_in_an_unknown_year_has_a_provisional_day_of_renewal() -> None:
    """The holidays of 2027 are not known in 2026: the date may move, and the sentence says so."""
    found = only(paper("security_assessment", "2024-04-01", "2027-03-31"), what="renew")
    assert found.provisional
    assert "暂定" in found.text.zh and "provisional" in found.text.en
    sure = only(paper("security_assessment", "2023-12-15", "2026-12-14"), what="renew")
    assert not sure.provisional and "暂定" not in sure.text.zh


@pytest.mark.parametrize("kind", ["certification", "ciio_check", "hgr_exit_certificate", "ethics_approval"])
def test_certificates_checks_and_approvals_run_out(kind: str) -> None:
    """Whatever has a last day has a deadline on it; what has none has none."""
    assert due(paper(kind, "2026-01-01", "2026-12-31")) == [("expires", "2026-12-31", 38, False)]
    assert due(paper(kind, "2026-01-01")) == []


def test_a_cooperation_is_reported_on_six_months_after_its_end() -> None:
    """The end is on the list, and so is the report: also long after the end."""
    cooperation = paper("hgr_cooperation", "2024-01-01", "2026-08-31")
    soon = date(2026, 9, 10)
    assert due(cooperation, on=soon) == [
        ("expires", "2026-08-31", -10, False),
        ("report", "2027-02-28", 171, False),
    ]
    assert due(cooperation) == [("report", "2027-02-28", 97, False), ("lapsed", "2026-08-31", -84, False)]
    assert due(cooperation, on=date(2027, 3, 1))[0] == ("report", "2027-02-28", -1, False)
    assert due(replace(cooperation, valid_until=None)) == []


@pytest.mark.parametrize("kind", ["standard_contract", "security_assessment", "hgr_cooperation"])
def test_what_was_revoked_has_no_deadlines(kind: str) -> None:
    """From its day of revocation on; a revocation that lies ahead changes nothing yet."""
    one = paper(kind, "2026-11-02", "2027-11-01")
    assert due(replace(one, revoked_on=ON)) == []
    assert due(replace(one, revoked_on=ON - timedelta(days=400))) == []
    assert due(replace(one, revoked_on=ON + timedelta(days=1))) == due(one) != []


# -- what ran out and was not renewed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "what"),
    [
        ("2026-12-31", "expires"),
        ("2027-01-30", "expires"),
        ("2027-01-31", "lapsed"),
        ("2036-01-01", "lapsed"),
    ],
)
def test_thirty_days_after_its_end_a_paper_is_no_longer_due(on: str, what: str) -> None:
    """It is not forgotten either: it stands once under what expired and was not renewed."""
    (found,) = deadlines([paper("certification", "2026-01-01", "2026-12-31")], date.fromisoformat(on))
    assert (found.what, found.due) == (what, date(2026, 12, 31))
    if what == "lapsed":
        assert "没有续办" in found.text.zh and "not renewed" in found.text.en


def test_what_lapsed_comes_after_everything_that_is_due() -> None:
    """Its day lies furthest back, and it is not what somebody has to do first."""
    old, new = (
        paper("certification", "2020-01-01", "2020-12-31"),
        paper("ethics_approval", "2026-01-01", "2027-01-31"),
    )
    assert [one.what for one in deadlines([old, new], ON)] == ["expires", "lapsed"]


def test_of_a_row_of_expired_papers_the_last_is_said_once() -> None:
    """Five years of certificates, none revoked, none renewed: one line."""
    row = [
        paper("certification", f"{year}-01-01", f"{year}-12-31", id=f"c-{year}") for year in range(2020, 2025)
    ]
    assert [(one.what, one.instrument_id) for one in deadlines(row, ON)] == [("lapsed", "c-2024")]
    assert [one.instrument_id for one in deadlines(reversed(row), ON)] == ["c-2024"]


@pytest.mark.parametrize("ended", ["2026-11-20", "2024-12-31"])
@pytest.mark.parametrize(
    ("renewal", "renews"),
    [
        ({}, True),
        ({"scope": Scope(recipients=frozenset({"a"}), persons=9)}, True),  # for more persons
        ({"effective_from": date(2027, 1, 1)}, True),  # on file, and begins later
        ({"valid_until": None}, True),
        ({"kind": "security_assessment"}, False),
        ({"exporter": "org-b"}, False),
        ({"scope": Scope(recipients=frozenset({"b"}))}, False),
        ({"revoked_on": ON}, False),
        ({"valid_until": date(2026, 1, 31)}, False),
    ],
)
def test_a_paper_that_took_its_place_takes_it_off_the_list(
    ended: str, renewal: dict[str, Any], renews: bool
) -> None:
    """Of the same exporter, kind and scope, and not over itself."""
    before = replace(
        paper("certification", "2024-01-01", ended, id="old"), scope=Scope(recipients=frozenset({"a"}))
    )
    after = replace(before, id="new", effective_from=date(2026, 1, 1), valid_until=date(2028, 1, 1))
    found = {one.instrument_id for one in deadlines([before, replace(after, **renewal)], ON)}
    over = replace(after, **renewal).valid_until == date(2026, 1, 31) and ended < "2026-01-31"
    assert ("old" in found) is (not renews and not over)


def test_the_duties_of_a_lapsed_paper_stay() -> None:
    """A contract that ran out unfiled was still to be filed; a cooperation is still to be reported on."""
    contract = paper("standard_contract", "2024-04-01", "2025-03-31")
    assert [one.what for one in deadlines([contract], ON)] == ["file", "lapsed"]


def test_the_earliest_comes_first_whatever_the_order_of_the_papers() -> None:
    """Sorted by the day, then by the paper."""
    papers = [
        paper("certification", "2026-01-01", "2026-12-31", id="b"),
        paper("ethics_approval", "2026-01-01", "2026-12-31", id="a"),
        paper("standard_contract", "2026-11-20", id="c"),
    ]
    found = deadlines(papers, ON)
    assert [one.instrument_id for one in found] == ["c", "a", "b"]
    assert deadlines(reversed(papers), ON) == found
    assert deadlines([], ON) == ()


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "zh", "en"),
    [
        ("2026-12-30", "还有 1 天", "1 day left"),
        ("2026-12-29", "还有 2 天", "2 days left"),
        ("2026-12-31", "今天是最后一天", "today is the last day"),
        ("2027-01-01", "已失效 1 天", "it ran out 1 day ago"),
        ("2027-01-30", "已失效 30 天", "it ran out 30 days ago"),
    ],
)
def test_the_sentence_says_how_long_is_left(on: str, zh: str, en: str) -> None:
    """Before, on and after the last day."""
    found = only(
        paper("certification", "2026-01-01", "2026-12-31"), what="expires", on=date.fromisoformat(on)
    )
    assert zh in found.text.zh and en in found.text.en


def test_a_sentence_names_the_paper_the_task_and_the_day_and_rests_on_an_article() -> None:
    """Chinese and English side by side; the number is left out where there is none."""
    papers = [
        paper("standard_contract", "2026-11-02"),
        paper("security_assessment", "2024-01-01", "2026-12-31"),
        paper("hgr_cooperation", "2024-01-01", "2026-12-31"),
    ]
    found = deadlines(papers, ON)
    assert {one.what for one in found} == {"file", "renew", "expires", "report"}
    for one in found:
        kind = kinds()[one.kind]
        assert one.source == kind.source
        assert one.text.zh.startswith(f"{kind.name.zh}（No. 17）") and one.text.zh.endswith("。")
        assert one.text.en.startswith(f"{kind.name.en} (No. 17)") and one.text.en.endswith(".")
        assert one.due.isoformat() in one.text.zh and one.due.isoformat() in one.text.en
        assert one.text.en.isascii()
    bare = only(paper("certification", "2026-01-01", "2026-12-31", number=""), what="expires")
    assert "（）" not in bare.text.zh and "()" not in bare.text.en
    overdue = only(paper("standard_contract", "2026-10-09"), what="file")
    assert f"已逾期 {-overdue.days_left} 天" in overdue.text.zh and "overdue by" in overdue.text.en


# -- months -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ("2026-08-31", 6, "2027-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2026-08-28", 6, "2027-02-28"),
        ("2026-12-31", 6, "2027-06-30"),
        ("2026-01-15", 12, "2027-01-15"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2026-11-23", 0, "2026-11-23"),
        ("2026-12-01", 1, "2027-01-01"),
    ],
)
def test_a_month_without_the_day_gives_its_last_one(day: str, months: int, later: str) -> None:
    """31 August and six months is the last day of February."""
    assert add_months(date.fromisoformat(day), months).isoformat() == later


@settings(max_examples=80, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(0, 600))
def test_months_never_skip_one_and_keep_the_day_where_it_exists(day: date, months: int) -> None:
    """The month is the one so many further on; the day is the same, or the month's last."""
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_months_that_leave_the_calendar_are_an_error() -> None:
    """The end of the year 9999 is a day that some systems write for "no end"."""
    assert add_months(date(9999, 6, 30), 6) == date(9999, 12, 30)
    with pytest.raises(PlatformError, match=r"transfer\.day_out_of_range"):
        add_months(date(9999, 7, 1), 6)


# -- hostile and huge -----------------------------------------------------------------------------------------------


def test_a_kind_that_is_not_listed_is_named() -> None:
    """A paper whose deadlines nobody knows must not vanish from the calendar."""
    with pytest.raises(PlatformError) as caught:
        deadlines([paper("handshake", "2026-01-01", id="ins-7")], ON)
    assert caught.value.code == "transfer.unknown_instrument_kind"
    assert "ins-7" in caught.value.en and "handshake" in caught.value.zh


@pytest.mark.parametrize(
    "one",
    [
        paper("hgr_cooperation", "2024-01-01", "9999-12-31"),
        paper("standard_contract", "9999-12-30"),
        paper("security_assessment", "0001-01-01", "0001-01-31"),
    ],
    ids=["report", "file", "renew"],
)
def test_a_deadline_outside_the_calendar_is_an_error_and_no_traceback(one: Instrument) -> None:
    """A date that was typed wrongly is said, with what to check."""
    with pytest.raises(PlatformError) as caught:
        deadlines([one], date(1, 1, 15))
    assert caught.value.code == "transfer.day_out_of_range"


def test_a_thousand_papers_are_listed_in_order() -> None:
    """Every paper keeps its own deadlines."""
    papers = [
        paper("security_assessment", "2023-01-01", (ON + timedelta(days=count)).isoformat(), id=f"{count:04}")
        for count in range(1000)
    ]
    found = deadlines(papers, ON)
    assert len(found) == 2000
    assert [one.due for one in found] == sorted(one.due for one in found)
