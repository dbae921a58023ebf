"""Rows are not people: whose rows these are, and the classes counted in persons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deidentify.pseudonym import Pseudonymiser
from deidentify.risk.measures import measure
from deidentify.risk.people import count_people, person_columns
from deidentify.risk.render import as_markdown
from deidentify.risk.report import RiskReport, risk_report_of
from rwd_platform.core.errors import PlatformError
from tests.deidentify.risk.tables import opened

NAMES = Pseudonymiser(b"k" * 32, "s")


def token(number: int) -> str:
    return NAMES.token("Patient", str(number))


def visits(header: str, people: list[str], rows: int, *, same: bool = True) -> str:
    """`rows` visits of each person, a person's sex their own; `same`: all were born in one year."""
    lines = [f"{header},birth_year,sex,dx"]
    for place, person in enumerate(people):
        year = 1950 if same else 1950 + place
        lines += [f"{person},{year},{'MF'[place % 2]},C{visit % 10}" for visit in range(rows)]
    return "\n".join(lines) + "\n"


def reported(folder: Path, text: str, quasi: str = "birth_year,sex") -> RiskReport:
    with opened(folder, text) as table:
        return risk_report_of(table, measure(table, quasi.split(","), "dx"))


def test_sixty_visits_of_four_people_are_four_people(tmp_path: Path) -> None:
    """Two men and two women, 240 rows: k is 120 in rows and 2 in persons."""
    text = visits("姓名", ["张伟", "李娜", "王芳", "刘洋"], 60)
    with opened(tmp_path, text) as table:
        people = count_people(table, ["birth_year", "sex"])
        assert measure(table, ["birth_year", "sex"], "dx").k == 120
    assert (people.column, people.named, people.persons, people.records) == ("姓名", False, 4, 240)
    assert (people.k, people.class_sizes, people.mean_risk, people.varying) == (2, {2: 2}, 0.5, 0)
    made = reported(tmp_path, text)
    assert (made.level, made.verdict) == (1, "none")
    assert {form.verdict for form in made.forms} == {"fail"}
    assert made.findings.residual is not None and made.findings.residual.found == {"姓名": {"name": 240}}
    told = as_markdown(made, "zh")
    assert "240 条记录来自 4 人" in told and "最小等价类为 2 人" in told


def test_six_pseudonyms_of_forty_visits_are_no_forty_people(tmp_path: Path) -> None:
    """Pseudonyms are no identifiers, and tell whose rows these are under any header."""
    made = reported(tmp_path, visits("k1", [token(n) for n in range(6)], 40, same=False))
    assert made.findings.measures.k == 40 and made.findings.residual is not None
    assert made.findings.residual.total == 0
    assert (made.level, made.verdict) == (2, "none")
    rules = {one.rule: one.verdict for one in made.forms[-1].reasons}
    assert (rules["persons_k"], rules["rows_repeat"], rules["person_unnamed"]) == ("fail", "review", "review")


def test_repeated_rows_never_pass_though_the_persons_are_many(tmp_path: Path) -> None:
    text = visits("subject", [token(n) for n in range(200)], 2)
    with opened(tmp_path, text) as table:
        people = count_people(table, ["birth_year"], "subject")
        made = risk_report_of(table, measure(table, ["birth_year"], "dx"), people=people)
    assert people.k == 200
    assert (made.level, made.verdict) == (2, "none")
    enclave = made.forms[-1]
    assert enclave.verdict == "review"
    assert [one.rule for one in enclave.reasons if one.verdict != "pass"] == ["rows_repeat"]
    assert enclave.change is not None and "one row a person" in enclave.change.en


def test_a_person_column_waits_until_it_is_named(tmp_path: Path) -> None:
    """One row a person: nothing is wrong with it, and nobody has said so."""
    dx = "\n".join(f"S{n},1950,C{n % 10}" for n in range(400))
    text = f"subject_id,birth_year,dx\n{dx}\n".replace("S", "")
    with opened(tmp_path, text) as table:
        measures = measure(table, ["birth_year"], "dx")
        unnamed = risk_report_of(table, measures)
        people = count_people(table, ["birth_year"], "subject_id")
        named = risk_report_of(table, measures, people=people)
    assert unnamed.forms[-1].verdict == "review" and unnamed.forms[-1].change is not None
    assert "--person" in unnamed.forms[-1].change.zh and "subject_id" in unnamed.forms[-1].change.en
    assert not people.repeat
    assert "person_unnamed" not in {one.rule for form in named.forms for one in form.reasons}
    assert "rows_repeat" not in {one.rule for form in named.forms for one in form.reasons}


def test_of_several_columns_the_one_with_the_fewest_people_is_taken(tmp_path: Path) -> None:
    """A number per row would say that every row is a person of its own."""
    text = "id,name,age\n1,张伟,30\n2,张伟,30\n3,李娜,30\n4,李娜,30\n"
    with opened(tmp_path, text) as table:
        assert person_columns(table) == ["id", "name"]
        assert count_people(table, ["age"]).column == "name"
        assert count_people(table, ["age"], "id").persons == 4


def test_whoever_is_in_two_classes_is_counted_in_both_and_at_the_greater_risk(tmp_path: Path) -> None:
    """a is alone at 40, and one of two at 30: their risk is 1. b's is one half."""
    with opened(tmp_path, "pid,age\na,30\nb,30\na,40\n") as table:
        people = count_people(table, ["age"], "pid")
    assert (people.class_sizes, people.varying, people.persons) == ({1: 1, 2: 1}, 1, 2)
    assert people.mean_risk == pytest.approx(0.75) and people.uniques == 1


def test_rows_without_a_person_make_no_class_larger(tmp_path: Path) -> None:
    with opened(tmp_path, "pid,age\na,30\n,30\n,30\n,40\n") as table:
        people = count_people(table, ["age"], "pid")
    assert (people.class_sizes, people.unknown, people.persons, people.repeat) == ({1: 2}, 3, 1, True)


def test_an_absent_quasi_identifier_is_a_class_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path, "pid,age\na,\nb,\na,30\n") as table:
        assert count_people(table, ["age"], "pid").class_sizes == {1: 1, 2: 1}


def test_without_a_column_of_persons_nothing_is_counted_and_that_is_said(tmp_path: Path) -> None:
    text = "age,drug_name,dx\n" + "30,x,a\n30,y,b\n" * 30
    with opened(tmp_path, text) as table:
        people = count_people(table, ["age"])
    assert people.column is None and people.as_dict() is None
    assert "--person" in as_markdown(reported(tmp_path, text, "age"), "en")


@pytest.mark.parametrize("header", ["patient_id", "k1"])
def test_a_column_that_is_only_partly_pseudonyms_is_none(tmp_path: Path, header: str) -> None:
    """One number among 1,500 pseudonyms, after the rows that are looked at first."""
    tokens = [token(n) for n in range(1500)]
    rows = "\n".join(f"{one},30" for one in [*tokens, "ZY0001"])
    with opened(tmp_path, f"{header},age\n{rows}\n") as table:
        assert person_columns(table) == (["patient_id"] if header == "patient_id" else [])


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, "age\n30\n") as table, pytest.raises(PlatformError) as refused:
        count_people(table, ["age"], "who")
    assert refused.value.code == "risk.column_unknown"


def test_no_person_and_no_header_that_may_be_one_is_in_what_is_told(tmp_path: Path) -> None:
    """A file without a header begins with a record: the column is told by its place."""
    text = visits("王伟芳", [token(n) for n in range(6)], 40)
    made = reported(tmp_path, text)
    assert made.findings.people is not None and made.findings.people.column == "王伟芳"
    told = json.dumps(made.as_dict(), ensure_ascii=False) + as_markdown(made, "zh") + as_markdown(made, "en")
    assert "王伟芳" not in told and "第 1 列" in told and token(0) not in told


def test_a_wrong_column_that_was_named_does_not_silence_the_right_one(tmp_path: Path) -> None:
    """A visit's own number differs in every row: named as the person, it would make every row one of its own."""
    rows = "\n".join(f"V{n},P{n % 6},1950,C{n % 10}" for n in range(240))
    with opened(tmp_path, f"visit_no,patient_id,birth_year,dx\n{rows}\n") as table:
        people = count_people(table, ["birth_year"], "visit_no")
        made = risk_report_of(table, measure(table, ["birth_year"], "dx"), people=people)
        right = count_people(table, ["birth_year"], "patient_id")
    assert (people.persons, people.repeat, people.named) == (240, False, True)
    assert people.rival is not None and (people.rival.column, people.rival.persons) == ("patient_id", 6)
    assert {form.verdict for form in made.forms} <= {"review", "fail"}
    assert all("person_doubtful" in {one.rule for one in form.reasons} for form in made.forms)
    told = as_markdown(made, "zh")
    assert "只来自 6 人" in told and "6 persons" in as_markdown(made, "en")
    assert right.rival is None and (people.as_dict() or {})["rival"]["persons"] == 6


def test_a_named_column_without_a_rival_is_believed(tmp_path: Path) -> None:
    with opened(tmp_path, "visit_no,patient_id,age\n1,a,30\n2,b,30\n") as table:
        assert count_people(table, ["age"], "visit_no").rival is None
