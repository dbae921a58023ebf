"""Dates as notes write them: all of them found, shifted by the same days, in the same way of writing."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.free_text.dates_in_text import find_dates, shifted
from deidentify.free_text.dates_left_over import beside_moved as left_over

# What stands in the text, and what stands there when it is moved by -53 days (counted with a calendar).
WRITTEN = """
    2023年11月5日入院      | 2023年11月5日   | 2023年9月13日
    2023-11-05入院         | 2023-11-05      | 2023-09-13
    2024/01/15电话         | 2024/01/15      | 2023/11/23
    2023.11.05入院         | 2023.11.05      | 2023.09.13
    2023.11.5入院          | 2023.11.5       | 2023.9.13
    20231105入院           | 20231105        | 20230913
    23年11月5日入院        | 23年11月5日     | 23年9月13日
    于23年11月确诊         | 23年11月        | 23年9月
    2023年11月确诊         | 2023年11月      | 2023年9月
    2023年11月份确诊       | 2023年11月份    | 2023年9月份
    于2023年确诊           | 2023年          | 2023年
    3月12日首诊            | 3月12日         | 1月18日
    3月12号首诊            | 3月12号         | 1月18号
    于22.08.15化疗         | 22.08.15        | 22.06.23
    11/05复查              | 11/05           | 09/13
    二〇二三年十一月五日生 | 二〇二三年十一月五日 | 二〇二三年九月十三日
    十一月二十五日手术     | 十一月二十五日  | 十月三日
    on Nov 5, 2023 he      | Nov 5, 2023     | Sep 13, 2023
    on 5 November 2023     | 5 November 2023 | 13 September 2023
    2023-02时              | 2023-02         | 2022-12
    去年3月起病            | 3月             | 1月
"""


@pytest.mark.parametrize("line", [line.strip() for line in WRITTEN.strip("\n").splitlines()])
def test_a_date_is_shifted_in_its_own_way_of_writing(line: str):
    """Order, signs, leading zeros, two digits for a year and Chinese numerals stay."""
    text, value, moved = (part.strip() for part in line.split("|"))
    (found,) = find_dates(text)
    assert text[found.start : found.end].strip() == value
    assert shifted(text, found, -53) is not None
    assert str(shifted(text, found, -53)).strip() == moved


RELATIVE = [
    "术后第3天", "3天前", "病史10年3月余", "胸闷3月", "每3周一次", "10年", "淋巴结3/12阳性", "血压120/80", "NRS 3/10分",
    "比值1.5/2.0", "2-3次", "孕39+2周", "第11/12肋", "1.2.3.4", "体温36.5", "53岁", "",
]  # fmt: skip


@pytest.mark.parametrize("text", RELATIVE)
def test_what_is_relative_stays(text: str):
    """It names no day: intervals are what a study is about."""
    assert list(find_dates(text)) == []


def test_a_range_is_shifted_at_both_ends():
    """The second day of 11月5日至8日 may fall into another month than the first."""
    text = "2023年11月5日至8日住院"
    first, second = find_dates(text)
    assert shifted(text, first, -5) == "2023年10月31日"
    assert shifted(text, second, -5) == "11月3"
    assert text[second.start : second.end] == "8"


@pytest.mark.parametrize("text", ["农历八月十五", "腊月廿三", "2024年2月30日", "2023-02-29", "除夕"])
def test_what_no_calendar_can_move_is_found_and_not_shifted(text: str):
    """A lunar day and a day that never was are replaced by a mark instead."""
    (found,) = find_dates(f"于{text}，")
    assert shifted(f"于{text}，", found, -53) is None
    assert (found.start, found.end) == (1, 1 + len(text))


@settings(deadline=None)
@given(
    st.dates(date(1950, 1, 1), date(2049, 12, 31)),
    st.dates(date(1950, 1, 1), date(2049, 12, 31)),
    st.integers(-365, -1),
)
def test_the_interval_between_two_dates_of_a_text_is_kept(first: date, second: date, days: int):
    """Whatever the two ways of writing: Python's own calendar says how far apart they are."""
    text = f"{first.year}年{first.month}月{first.day}日入院，{second.isoformat()}出院"
    one, two = find_dates(text)
    year, month, day = (
        str(shifted(text, one, days)).replace("年", "-").replace("月", "-").rstrip("日").split("-")
    )
    moved = date(int(year), int(month), int(day)), date.fromisoformat(str(shifted(text, two, days)))
    assert moved[1] - moved[0] == second - first
    assert moved[0] - first == timedelta(days=days)


@settings(deadline=None)
@given(st.text(alphabet="0123456789年月日-/.初十一二〇Nov ,农历", max_size=60))
def test_no_row_of_digits_and_signs_breaks_the_reading(text: str):
    """Found dates lie in the text, in order, apart from one another; shifting them answers or declines."""
    found = list(find_dates(text))
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    for one in found:
        moved = shifted(text, one, -100)
        assert moved is None or moved


# Each was once left true beside a shifted date. All dates of the text, and the same moved by -53 days.
GIVEN_AWAY = """
    2024.5.1-5.3化疗            | 2024.5.1 5.3       | 2024.3.9 3.11
    2023.11行ESD,2024.1复查     | 2023.11 2024.1     | 2023.09 2023.11
    20240229103000              | 20240229103000     | 20240107103000
    202402291030                | 202402291030       | 202401071030
    2024.2行手术                | 2024.2             | 2023.12
    2022.3月                    | 2022.3月           | 2022.1月
    2024-2                      | 2024-2             | 2023-12
    29/02/2024                  | 29/02/2024         | 07/01/2024
    02/29/2024                  | 02/29/2024         | 01/07/2024
    02.03.2024                  | 02.03.2024         | None
    2024.5-6化疗                | 2024.5 6           | 2024.3 4
    2024.5.1-3住院              | 2024.5.1 3         | 2024.3.9 3.11
    2024年5-6月                 | 2024年5 6月        | 2024年3 4月
    2024.02-2024.05             | 2024.02 2024.05    | 2023.12 2024.03
    2024年5月1日、3日、7日      | 2024年5月1日 3 7   | 2024年3月9日 3月11 3月15
    2024年3、4、5月复查         | 2024年3 4 5月      | 2024年1 2 3月
    2024.5.1化疗,5.3出院        | 2024.5.1 5.3       | 2024.3.9 3.11
    2023 May 5                  | 2023 May 5         | None
"""


@pytest.mark.parametrize("line", [line.strip() for line in GIVEN_AWAY.strip("\n").splitlines()])
def test_no_date_is_left_true_beside_a_shifted_one(line: str):
    """One pair of a true and a shifted date is the offset: stamps, single months, other orders, ends of ranges."""
    text, values, moved = (part.strip() for part in line.split("|"))
    dates = list(find_dates(text))
    pieces = [text[one.start : one.end] for one in dates]
    if text != "2023 May 5":
        assert " ".join(pieces) == values
        assert " ".join(str(shifted(text, one, -53, 2024)) for one in dates) == moved
    for one in reversed(dates):
        text = text[: one.start] + "\n" + text[one.end :]
    assert left_over(text) == 0


@pytest.mark.parametrize("text", ["尿量2000ml", "2000.5ml", "WBC 5.3", "伦审2024-015", "1999例"])
def test_a_measure_or_a_number_is_no_date(text: str):
    assert list(find_dates(text)) == [] and left_over(text) == 0


@pytest.mark.parametrize("text", ["2023~5", "2024年3、x月", "20231", "2023.5 mg", "31/31/2024"])
def test_what_is_left_is_told_by_its_year_alone(text: str):
    """`left_over` knows fewer forms and trusts none of them: only a measure's unit makes it doubt."""
    assert left_over(text) == (0 if "mg" in text or text == "20231" else 1)
