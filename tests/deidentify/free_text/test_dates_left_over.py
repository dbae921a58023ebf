"""No true date beside a moved one: it is moved as well, or the whole text is kept back."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.free_text.clean import clean
from deidentify.free_text.dates_left_over import beside_moved, days_told
from deidentify.free_text.detector import TextContext
from rwd_platform.core.errors import PlatformError

CONTEXT = TextContext("p1.intl.1.aaaa", "R-017", b"a key of thirty-two bytes, or so", -53)

# By hand with a calendar: -53 days.
MOVED = """
    2023年11月5日入院 11-6 出院       | 2023年9月13日入院 9-14 出院
    2023年11月5日入院,11/6手术        | 2023年9月13日入院,9/14手术
    2023 11 06 admitted               | 2023 09 14 admitted
    05-Nov-23 admitted                | 13-Sep-23 admitted
    05NOV2023 seen                    | 13Sep2023 seen
    5/Nov/2023                        | 13/Sep/2023
    2023-11-05, on 12 Dec discharged  | 2023-09-13, on 20 Oct discharged
    231105入院                        | 230913入院
    于231105 CT                       | 于230913 CT
    2023年11月5日入院 8日手术         | 2023年9月13日入院 9月16日手术
    2023年11月5日入院，8日、10日复查  | 2023年9月13日入院，9月16日、9月18日复查
    八〇年三月四日出生                | 八〇年一月十一日出生
    二三年十一月五日入院              | 二三年九月十三日入院
    民国112年11月5日入院              | 民国112年9月13日入院
    民國112年11月入院                 | 民国112年9月入院
    承认23年11月前后停药              | 承认23年9月前后停药
    批号20230110A，2023年11月5日入院，8日手术 | 批号，2023年9月13日入院，9月16日手术
"""


def without_marks(text: str) -> str:
    """The cleaned text without brackets and codes; what is no date is left out whole."""
    text = re.sub("⟦批号[A-Z]{4}·[A-Z]{4}⟧", "", text)
    return re.sub("⟦([^·]*)·[A-Z]{4}⟧", r"\1", text)


@pytest.mark.parametrize("line", [line.strip() for line in MOVED.strip("\n").splitlines()])
def test_a_date_is_moved_with_the_others_where_its_reading_is_sure(line: str):
    """A year from the nearest full date before it, and the month too for a day alone; in its own way of writing."""
    text, moved = (part.strip() for part in line.split("|"))
    assert without_marks(clean(text, CONTEXT).text) == moved


KEPT_BACK = [
    "2023年11月28日入院，3日手术",
    "8日手术",
    "于8日、10日复查",
    "2023年11月5日（星期日）入院",
    "2023年11月5日入院，上周五出院",
    "2023年11月5日入院，周末出院",
    "2023年11月5日，每周一、三透析",
    "2023-11-05 admitted, Monday reviewed",
    "2023年11月5日入院，圣诞节复查",
    "2023年11月5日入院，春节前复查",
    "2023年11月5日入院，双十一手术",
    "2023年11月5日入院，国庆前复查",
    "2023年11月5日，聖誕節複查",
    "2023年11月5日入院，冬至后加重",
    "2023年11月5日入院，11-6",
    "2023年11月5日入院 11-6 CT示结节",
    "2023年11月5日入院，1106出院",
    "2023年11月5日入院，231106 CT",
    "2023年11月5日入院 11.6 出院",
    "民国一百一十二年入院，2023年1月5日手术",
    "令和5年，2023年11月5日",
    "2023年11月5日，甲辰年正月初三复查",
    "八〇年起病，2023年11月5日入院",
    "2023-11-05, on the 8th discharged",
    "2023-11-05, since October",
    "2023年11月5日入院，3月复查",
    "2023年11月5日入院，十二月复查",
    "Nov-23, 2023-11-05",
    "2024年5月1日入院，自2023~5起胸闷",
    "2023年11月5日入院,11-6日出院",
]


BESIDE = """
    2024·03·05复查 8号复诊 星期3复查 周3复查 礼拜5复诊 2024,3,5 2024_03_05 2024|03|05 2024--3--5 2024:03:05
    2024。3。5 5·3·2024 2024_03复查 贰零贰肆年叁月伍日 2024年叁月伍日 叁月拾伍日出院 5/3/24 5.3.24复查 5-3-24
    二四年三月 24/3 24/03复查 ，24.3复查 24年春 24年Q1 24年第一季度 24年底复查 于19年确诊 24年三月 八号复诊
    二十三日出院 廿三日出院 卅日出院 初八 初八复查 2024.065 2024-065 上月8号复诊 23日CT示好转 三十一号拆线
    嘱8号来院 周1、3透析 8号 12号CT示好转
"""
KEPT_BACK += [f"2024-03-05手术，{true}" for true in BESIDE.split()]


@pytest.mark.parametrize("text", KEPT_BACK)
def test_a_text_with_a_date_that_could_not_be_moved_is_kept_back(text: str):
    """The reason says so in both languages, and repeats nothing of the text."""
    with pytest.raises(PlatformError) as withheld:
        clean(text, CONTEXT)
    error = withheld.value
    assert (error.code, error.exit, error.http) == ("text.date_left", 3, 409)
    assert "could not be moved" in error.en and "无法随其他日期" in error.zh
    assert not any(
        piece in str(error.as_dict()) for piece in re.findall("[0-9]{2,}|圣诞|春节", text) if piece != "53"
    )


CLINICAL = [
    "BP 120-80",
    "BP 12-8kPa",
    "3-5次/日",
    "11-6 ng",
    "T 36.5",
    "分级 2-3",
    "NRS 2-3",
    "视力4/5",
    "肌力5/5级",
    "淋巴结3/12阳性",
    "第2-3肋骨折",
    "腰4-5椎间盘突出",
    "L4/5，C5-6",
    "PSA 4-10",
    "1-2片口服",
    "5-6小时",
    "2-3枚",
    "每周一次",
    "周一次",
    "每3周一疗程",
    "住院8日",
    "3日后复查",
    "术后8日",
    "8号床旁",
    "Sat 98%",
    "周围神经",
    "神志清明",
    "病程十一年",
    "二三年前起病",
    "电话0898-66668888",
    "血钾3.5-5.5",
    "1/2片",
    "孕39+2周",
    "化疗第3-5周期",
    "HLA-B27",
    "5-FU",
    "0.5-1.0mg",
    "CEA 5-10",
    "2/6级杂音",
    "Ki-67 30%",
    "四周二分之一",
    "3月余",
    "胸闷3月",
    "十余年",
    "血小板 231106/L",
    "1:8",
    "80-90%",
    "6-8岁",
    "WHO 2-3级",
    "ECOG 1-2分",
    "I-II度",
    "BP 120/80",
    "BP 18/12kPa",
    "第8日",
    "第1至3日给药",
    "术后第3、5日换药",
    "术后3日",
    "术后 3日",
    "3日后",
    "三日后复查",
    "每日",
    "每3日一次",
    "一日3次",
    "1日2片",
    "1日量",
    "3日未解大便",
    "发热3日",
    "病程:3日",
    "疗程 7日",
    "8号楼",
    "3号床旁",
    "2号线",
    "16号导尿管",
    "4号丝线缝合",
    "10号染色体",
    "3号病灶",
    "7号切口",
    "导尿管16号",
    "每周3次",
    "每周3-5次",
    "周2次",
    "脐周3cm",
    "孕39周3天",
    "第4周3次",
    "高血压24年",
    "24年前",
    "病史10年3月",
    "病史20年余",
    "十二年春季",
    "初一学生",
    "最初三天",
    "牙11-21",
    "剂量1:5",
    "肌酐24/3.5",
    "版本1.2.15",
    "BMI 24.3",
    "Hb 2024.065 ng",
    "规格18650",
    "稀释1:2000",
    "血小板2000,复查",
    "T2N1M0",
    "人参日服10g",
    "叁年余",
    "24/7监护",
    "七日用量",
    "疼痛 3日",
    "慢支20年冬春季加重",
    "初二女生",
    "伦审2024-015",
    "GB 2020-123",
    "血清1:2000,3,5",
]


@pytest.mark.parametrize("text", CLINICAL)
def test_clinical_numbers_beside_a_moved_date_are_no_dates(text: str):
    """What stands beside a number says that it grades, doses, counts or locates: such a text is given."""
    cleaned = without_marks(clean(f"2023年11月5日入院，{text}，随访。", CONTEXT).text)
    assert cleaned.startswith("2023年9月13日入院，") and cleaned.endswith("，随访。")
    assert beside_moved(text) == 0 == days_told(text)


def test_a_weekday_or_a_festival_without_a_moved_date_beside_it_is_given():
    """Alone it tells the offset of nothing in this text."""
    for text in ("圣诞节复查", "周五复查", "Monday reviewed"):
        assert clean(text, CONTEXT).text == text


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="0123456789年月日-/. 周星期五八入院手术，节圣诞", max_size=60))
def test_what_is_given_holds_no_form_that_the_wide_reading_knows(text: str):
    """Whatever row of digits and signs: either all is moved, or it is kept back with one of the two reasons."""
    try:
        cleaned = clean("2023年11月5日入院。" + text, CONTEXT)
    except PlatformError as error:
        assert error.code in ("text.date_left", "text.withheld")
        return
    assert beside_moved(re.sub("⟦[^⟧]*⟧", "\n", cleaned.text)) == 0


HOSTILE = ["11-6 ", "周", "8日", "民国", "1", " ", "on the 5", "十", "第1、", "2024_", "8号", ",3日"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_time_grows_with_the_length_only(unit: str):
    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        beside_moved(text)
        days_told(text)
        return time.process_time() - began

    seconds(100)
    short, long = (min(seconds(size) for _ in range(3)) for size in (4_000, 16_000))
    assert long < 9 * max(short, 0.01)
