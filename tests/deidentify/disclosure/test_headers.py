"""A table is read by the names that people give its columns, in Chinese and in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.headers import names_of_statistics, statistic_of
from deidentify.disclosure.read import table_mapping
from rwd_platform.core.errors import PlatformError
from tests.deidentify.disclosure.results import PURPOSE


@pytest.mark.parametrize(
    ("header", "statistic"),
    [
        ("人数", "persons"),
        ("例数", "patients"),
        ("百分比", "percent"),
        ("合计", "total"),
        ("事件数", "events"),
        ("生存率", "survival"),
        ("均值", "mean"),
        ("中位数", "median"),
        ("样本量", "n"),
        ("死亡人数", "events"),
        ("每100人年发生率", "rate_per_100_person_years"),
        ("Ｐ值", "p_value"),
        (" 人数（例）", "persons"),
        ("人年（年）", "person_years"),
        ("百分比（%）", "percent"),
        ("生存率(%)", "survival"),
        ("比例（％）", "percent"),
        ("Number of Patients", "patients"),
        ("SUBJECTS", "subjects"),
        ("人数（%）", None),
        ("n (%)", None),
        ("比例", None),
        ("分期", None),
        ("", None),
        ("(" * 5000, None),
        ("人" * 100_000, None),
    ],
)
def test_a_header_means_a_statistic_in_any_of_its_names(header: str, statistic: str | None):
    """A count with a percent sign is two numbers, and a share without one may be a fraction: not guessed."""
    assert statistic_of(header) == statistic


def test_every_statistic_is_known_by_its_own_name():
    assert all(statistic_of(name) == name for name in load_fields().statistics)


@pytest.mark.parametrize(
    "lines",
    [
        "nothing,zh,某",
        "mean,fr,moyenne",
        "mean,zh,",
        "mean,zh",
        "mean,zh,甲\nmedian,zh,甲",
        "mean,en,subjects",
    ],
)
def test_a_table_of_names_with_a_wrong_line_opens_no_gate(tmp_path: Path, lines: str):
    """A name of two meanings would be read as one of them."""
    path = tmp_path / "headers.csv"
    path.write_text(f"statistic,language,name\n{lines}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line"):
        names_of_statistics(path)


def refused(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        table_mapping(text.encode())
    return caught.value


def test_an_unknown_header_is_answered_with_the_known_ones():
    error = refused("分期,某某数\nI,60\n")
    assert "patients (例数)" in error.zh and "survival (生存率)" in error.zh
    assert "patients (number of patients)" in error.en and "某某数" not in error.en + error.zh


def test_two_columns_of_one_meaning_are_refused():
    assert "one name or meaning" in refused("分期,例数,患者数\nI,60,60\n").en


def test_a_column_of_numbers_beside_a_known_one_is_named_to_a_person():
    """例数 is known, 均龄 is not: the numbers below it may be anything."""
    found = check(table_mapping("分期,例数,均龄\nI,60,61.5\nII,40,62\n".encode()), "sponsor", PURPOSE)
    assert found.outcome == "review"
    (one,) = found.findings
    assert one.rule == "undeclared_column" and "均值" in one.remedy_zh and "均龄" not in one.zh


CHINESE = "分期,例数,事件数\nI,{first},30\nII,50,25\n合计,{total},55\n"


@pytest.mark.parametrize(
    ("first", "total", "outcome"), [("50", "100", "pass"), ("５０", "１００", "pass"), ("4", "54", "fail")]
)
def test_a_table_in_chinese_is_judged_as_one_in_english(first: str, total: str, outcome: str):
    chinese = english = CHINESE.format(first=first, total=total)
    for zh, en in (("分期", "stage"), ("例数", "patients"), ("事件数", "events"), ("合计", "total")):
        english = english.replace(zh, en)
    for text in (chinese, english):
        assert check(table_mapping(text.encode()), "sponsor", PURPOSE, propose=False).outcome == outcome


@pytest.mark.parametrize(
    ("header", "text", "value"),
    [("生存率", "85%", 0.85), ("百分比", "85.5%", 85.5), ("人数", "1，200", 1200), ("人数", "＊", None)],
)
def test_cells_are_read_as_people_write_them(header: str, text: str, value: float | None):
    (row,) = table_mapping(f'组,{header}\n甲,"{text}"\n'.encode())["rows"]
    assert row["value"] == pytest.approx(value) if value is not None else row["value"] is None


def test_a_count_with_a_percent_sign_is_no_count():
    assert "no number" in refused("组,人数\n甲,85%\n").en
