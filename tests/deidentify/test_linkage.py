"""One person at several hospitals: found by a keyed token of the resident id, and only if the charts agree.

The number is the worked example of GB 11643-1999; nobody has it.
"""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from deidentify.account import DropCounter
from deidentify.identifiers_cn import check_digit
from deidentify.linkage import link_persons, link_token, normal_resident_id
from deidentify.pseudonym import parse_token
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import suite

KEY = b"l" * 32
# Region 110105, 31 December 1949, sequence 002; the 15 digits are its form of before 1999.
NUMBER = "11010519491231002X"
OLD = "110105491231002"


def patient(*numbers: str, birth_date: str | None = None, **more: Any) -> dict[str, Any]:
    born = {} if birth_date is None else {"birthDate": birth_date}
    return {"resourceType": "Patient", "identifier": [{"value": one, **more} for one in numbers], **born}


# -- the token ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        "11010519491231002x",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105 19491231 002X",
        "110105-19491231-002X",
        "110105–19491231—002ｘ",
        "\t11010519491231002X \n",
        "11010519491231002Ⅹ",  # a Roman numeral ten
        "110105\u300019491231\u00a0002X",
        OLD,
        "110105 491231 002",
        "１１０１０５４９１２３１００２",
    ],
)
def test_however_a_number_is_written_it_is_one_person(written: str):
    """Full width, small x, blanks, hyphens, dashes, and the 15 digits of before 1999."""
    assert normal_resident_id(written) == NUMBER
    assert link_token(patient(written), KEY) == link_token(patient(NUMBER), KEY) is not None


@pytest.mark.parametrize(
    "written",
    [
        "",
        "110105194912310021",  # wrong check digit
        "110105194902300020",  # 30 February
        "11010519491231002",  # 17 digits
        "ZY20240001",
        "13800138000",
        "E12345678",
        "990105491231002",  # no province
        "110105491331002",  # month 13
        "110105491231996",  # a sequence of people of a hundred years and more: born 18xx
        "11010519491231002X11010519491231002X",
        "9" * 100_000,
    ],
)
def test_what_is_no_resident_id_links_nobody(written: str):
    """An inpatient number, a phone, a passport: two hospitals may use the same one for two people."""
    assert normal_resident_id(written) is None
    assert link_token(patient(written), KEY) is None


@pytest.mark.parametrize(
    ("birth_date", "token"),
    [
        ("1949-12-31", True),
        ("1949-12", True),
        ("1949", True),
        (None, True),
        ("1950-01-01", False),
        ("1949-11", False),
    ],
)
def test_fifteen_digits_count_only_where_the_birth_date_does_not_contradict_them(birth_date, token):
    """They have no check digit: any 15-digit number with a province in front would do."""
    assert (link_token(patient(OLD, birth_date=birth_date), KEY) is not None) is token


def test_a_wrong_birth_date_beside_a_number_with_a_check_digit_is_left_to_the_comparison():
    """18 digits prove themselves; whether the charts agree is asked when they are linked."""
    assert link_token(patient(NUMBER, birth_date="2001-01-01"), KEY) is not None


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"identifier": []},
        {"identifier": None},
        {"identifier": "11010519491231002X"},
        {"identifier": [None, 7, [], {}, {"value": None}, {"value": 11010519491231002}]},
        {"identifier": [{"value": NUMBER, "use": "old"}]},
        {"identifier": [{"value": NUMBER}, {"value": "110105194912310038"}]},  # two valid ones: two people
    ],
)
def test_without_exactly_one_number_there_is_no_token(resource: dict[str, Any]):
    """Two different valid numbers in one chart contradict each other; neither is taken."""
    assert link_token({"resourceType": "Patient", **resource}, KEY) is None


def test_the_number_is_found_among_others_and_twice_is_once():
    """A chart holds inpatient numbers too; old and new form of one number are one."""
    full = patient("ZY2024-001", NUMBER, OLD, "13800138000")
    assert link_token(full, KEY) == link_token(patient(NUMBER), KEY)


def test_the_token_is_the_suites_hmac_under_the_linkage_key():
    """Kind and number, each with its length before it; scheme, suite and version say how to read it."""
    message = b"\x00\x00\x00\x0bresident-id" + b"\x00\x00\x00\x12" + NUMBER.encode()
    for name in ("intl", "gm"):
        token = link_token(patient(NUMBER), KEY, name, 4)
        assert token is not None and parse_token(token) == ("l1", name, 4)
        letters = "abcdefghijklmnopqrstuvwxyz234567"
        bits = int.from_bytes(suite(name).mac(KEY, message)[:16], "big") << 2
        assert token.rpartition(".")[2] == "".join(letters[bits >> at & 31] for at in range(125, -1, -5))


def test_the_token_holds_nothing_of_the_number_and_differs_by_key_version_and_deployment():
    """The number is guessable: all lies in the key, which no hospital and no project has."""
    ring, other = KeyRing(b"r" * 32), KeyRing(b"s" * 32)
    tokens = {
        link_token(patient(NUMBER), one.derive("linkage", version=version), version=version)
        for one in (ring, other)
        for version in (1, 2)
    }
    assert len({str(token).rpartition(".")[2] for token in tokens}) == 4
    assert not any("1949" in str(token) or "110105" in str(token) for token in tokens)


@settings(max_examples=200, deadline=None)
@given(
    st.dates(min_value=pd.Timestamp("1900-01-01").date(), max_value=pd.Timestamp("1999-12-31").date()),
    st.integers(0, 995),
)
def test_old_and_new_form_of_any_number_of_the_twentieth_century_are_one(born, sequence: int):
    """15 digits become 18 by a 19 and the check digit."""
    first_17 = f"110105{born:%Y%m%d}{sequence:03d}"
    full = first_17 + check_digit(first_17)
    assert normal_resident_id(full[:6] + full[8:17]) == full


# -- bringing the rows together ------------------------------------------------------------------------


def people(*rows: tuple[str, str, str | None, str | None]) -> pd.DataFrame:
    columns = ["organisation_id", "patient_id", "birth_date", "gender"]
    return pd.DataFrame(list(rows), columns=columns).assign(source_line=range(1, len(rows) + 1))


def seen(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["organisation_id", "patient_id", "code"])


TWO = people(
    ("org-a", "p1.a", "1950-02-03", "female"),
    ("org-b", "p1.b", "1950-02-03", "female"),
    ("org-b", "p1.c", "1961-01-01", "male"),
)
VISITS = seen(("org-a", "p1.a", "x"), ("org-b", "p1.b", "y"), ("org-b", "p1.c", "z"))
LINKS = {("org-a", "p1.a"): "l1.t", ("org-b", "p1.b"): "l1.t", ("org-b", "p1.c"): "l1.other"}


def linked(patients: pd.DataFrame, links: dict[tuple[str, str], str], visits: pd.DataFrame = VISITS):
    account = DropCounter()
    return link_persons({"patient": patients, "visit": visits}, links, account), account.as_dict()


def test_all_rows_of_one_person_carry_one_patient_id():
    """The smallest of the person's ids; one Patient row stands for the person, and each row keeps its hospital."""
    tables, account = linked(TWO, LINKS)
    assert tables["patient"]["patient_id"].tolist() == ["p1.a", "p1.c"]
    assert tables["visit"].to_numpy().tolist() == [
        ["org-a", "p1.a", "x"], ["org-b", "p1.a", "y"], ["org-b", "p1.c", "z"]
    ]  # fmt: skip
    assert account == {"link.linked": 1, "link.patient rows of a linked person": 1}


def test_a_hospital_that_knows_a_person_under_two_ids_is_linked_too():
    """A second chart opened by mistake, or after a marriage: two ids of one source, one number."""
    twice = people(("org-a", "p1.a", "1950-02-03", "female"), ("org-a", "p1.d", "1950-02-03", "female"))
    tables, account = linked(twice, {("org-a", "p1.d"): "t", ("org-a", "p1.a"): "t"})
    assert tables["patient"]["patient_id"].tolist() == ["p1.a"] and account["link.linked"] == 1


@pytest.mark.parametrize(
    ("one", "two", "agree"),
    [
        (("1950-02-03", "female"), ("1950-02-03", "female"), True),
        (("1950-02-03", "female"), ("1950-02", "female"), True),
        (("1950", "female"), ("1950-02-03", None), True),
        (("1950-02-03", "female"), ("1950", "unknown"), True),
        (("1950-02-03", "female"), ("1950-02-04", "female"), False),
        (("1950-02", "female"), ("1950-03-03", "female"), False),
        (("1950-02-03", "female"), ("1950-02-03", "male"), False),
        (("1950-02-03", "other"), ("1950-02-03", "male"), False),
    ],
)
def test_charts_that_contradict_each_other_are_not_linked(one, two, agree):
    """A number typed into the wrong chart would make two people one. Coarser dates are compared as they are."""
    patients = people(("org-a", "p1.a", *one), ("org-b", "p1.b", *two))
    tables, account = linked(patients, {("org-a", "p1.a"): "t", ("org-b", "p1.b"): "t"})
    assert len(tables["patient"]) == (1 if agree else 2)
    assert account.get("link.linked", 0) == agree and account.get("link.disagree", 0) == (not agree)
    if not agree:
        assert_frame_equal(tables["visit"], VISITS)


@pytest.mark.parametrize("unknown", [None, "", "19"])
def test_a_chart_without_a_birth_date_is_not_linked_and_is_counted(unknown):
    """A token alone makes nobody one person: what is not said can agree with nothing."""
    patients = people(("org-a", "p1.a", "1950-02-03", "female"), ("org-b", "p1.b", unknown, "female"))
    tables, account = linked(patients, {("org-a", "p1.a"): "t", ("org-b", "p1.b"): "t"})
    assert len(tables["patient"]) == 2 and account == {"link.no_birth_date": 1}
    assert_frame_equal(tables["visit"], VISITS)


def test_of_three_charts_one_that_contradicts_keeps_all_apart():
    """Which of them is wrong cannot be told from here."""
    three = people(
        ("org-a", "p1.a", "1950-02-03", "female"),
        ("org-b", "p1.b", "1950-02-03", "female"),
        ("org-c", "p1.c", "1999-02-03", "female"),
    )
    links = dict.fromkeys(zip(three["organisation_id"], three["patient_id"], strict=True), "t")
    tables, account = linked(three, links)
    assert len(tables["patient"]) == 3 and account == {"link.disagree": 1}


def test_the_patient_row_that_stays_says_most():
    """The most precise birth date, then a known gender: its source line goes into the lock with it."""
    patients = people(
        ("org-a", "p1.a", "1950", "female"),
        ("org-b", "p1.b", "1950-02-03", None),
        ("org-c", "p1.c", "1950-02-03", "female"),
    )
    links = {("org-a", "p1.a"): "t", ("org-b", "p1.b"): "t", ("org-c", "p1.c"): "t"}
    row = linked(patients, links)[0]["patient"].to_dict("records")
    assert [(one["patient_id"], one["birth_date"], one["gender"], one["source_line"]) for one in row] == [
        ("p1.a", "1950-02-03", "female", 3)
    ]


def test_a_person_without_a_patient_row_is_left_alone_and_counted():
    """Quality held the row back: there is nothing to compare with."""
    links = {("org-a", "p1.a"): "t", ("org-z", "p1.z"): "t"}
    tables, account = linked(TWO, links)
    assert_frame_equal(tables["visit"], VISITS)
    assert account == {"link.no_patient_row": 1}


@pytest.mark.parametrize("links", [{}, {("org-a", "p1.a"): "t1", ("org-b", "p1.b"): "t2"}])
def test_without_a_shared_token_nothing_changes(links):
    """A store in which nobody was linked gives the same tables, the very same."""
    tables, account = linked(TWO, links)
    assert tables["patient"] is TWO and tables["visit"] is VISITS and account == {}


def test_tables_without_patients_pass_and_a_lake_without_a_patient_table_is_not_linked():
    account = DropCounter()
    ledger = pd.DataFrame({"code": ["a"]})
    tables = link_persons({"patient": TWO, "ledger": ledger}, LINKS, account)
    assert_frame_equal(tables["ledger"], ledger)
    assert link_persons({"visit": VISITS}, LINKS, DropCounter())["visit"] is VISITS


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_and_links_does_not_matter(seed: int):
    """Locks are named by their content; the same facts in another order give the same rows."""
    shuffled = random.Random(seed)
    numbers = [shuffled.randrange(6) for _ in range(14)]
    rows = [
        (f"org-{at % 3}", f"p1.{at:02d}", f"195{number}-01-01", shuffled.choice(["female", "male", None]))
        for at, number in enumerate(numbers)
    ]
    links = {(row[0], row[1]): f"t{number}" for row, number in zip(rows, numbers, strict=True)}
    visits = seen(*((org, who, str(at)) for at, (org, who, _, _) in enumerate(rows)))
    first, counted = linked(people(*rows), links, visits)
    order = shuffled.sample(range(len(rows)), len(rows))
    again, counted_again = linked(
        people(*rows).iloc[order],
        dict(shuffled.sample(sorted(links.items()), len(links))),
        visits.iloc[order],
    )
    assert counted == counted_again
    for name, key in (("patient", "source_line"), ("visit", "code")):
        one, two = (t[name].sort_values(key, ignore_index=True) for t in (first, again))
        assert_frame_equal(one, two)
    # Whoever is one person has one row; whoever is not has kept his own id.
    assert not first["patient"]["patient_id"].duplicated().any()


def test_the_tables_given_are_not_changed():
    """Linking is for one lock: the lake's frames stay as they were read."""
    before = TWO.copy(), VISITS.copy()
    linked(TWO, LINKS)
    assert_frame_equal(TWO, before[0])
    assert_frame_equal(VISITS, before[1])
