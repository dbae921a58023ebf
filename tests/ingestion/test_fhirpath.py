"""The subset of FHIRPath that views may use. Expected values are those of the FHIRPath 2.0 specification."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.views import temporal
from ingestion.views.closures import compile_expression
from ingestion.views.functions import Scope, reference_key
from ingestion.views.parser import parse
from ingestion.views.problems import EvaluationRefused, ExpressionRefused
from ingestion.views.tokens import tokens_of

PATIENT: dict[str, Any] = json.loads(
    """
    {"resourceType": "Patient", "id": "p1", "active": true, "birthDate": "1970-06", "gender": "female",
     "name": [{"use": "official", "family": "A", "given": ["B", null, "C"]}, {"use": "usual", "given": ["D"]}],
     "deceasedDateTime": "2020-02-29T10:00:00+08:00", "multipleBirthInteger": 2,
     "managingOrganization": {"reference": "Organization/o1"},
     "extension": [{"url": "http://e/x", "valueDecimal": 1.50, "extension": [{"url": "y", "valueCode": "z"}]}]}
    """,
    parse_float=Decimal,
)


def evaluate(text: str, resource: dict[str, Any] = PATIENT, column_type: str | None = None) -> list[Any]:
    return compile_expression(parse(text), {}, "Patient", column_type)([resource], Scope(resource))


PATHS = """
    id                                              | ["p1"]
    Patient.id                                      | ["p1"]
    Observation.id                                  | []
    %resource.id                                    | ["p1"]
    $this.id                                        | ["p1"]
    name.given                                      | ["B", "C", "D"]
    name[1].given                                   | ["D"]
    name[9].given                                   | []
    name.first().given.last()                       | ["C"]
    name.where(use = 'official').family             | ["A"]
    name.where($this.use = 'usual').given           | ["D"]
    name.select(given.first())                      | ["B", "D"]
    name.count()                                    | [2]
    name.given.count() + 1                          | [4]
    name.exists(use = 'usual')                      | [true]
    name.exists(use = 'old')                        | [false]
    nothing.exists()                                | [false]
    nothing.empty()                                 | [true]
    nothing.not()                                   | []
    active.not()                                    | [false]
    name.given.join('-')                            | ["B-C-D"]
    nothing.join(',')                               | [""]
    name.family & '·' & gender                      | ["A·female"]
    nothing & 'x'                                   | ["x"]
    'x' + gender                                    | ["xfemale"]
    deceased.ofType(dateTime).toDate()              | ["2020-02-29"]
    deceased.ofType(boolean)                        | []
    deceased                                        | ["2020-02-29T10:00:00+08:00"]
    multipleBirth.ofType(integer)                   | [2]
    multipleBirth.ofType(FHIR.integer)              | [2]
    multipleBirth.ofType(System.Integer)            | [2]
    birthDate.ofType(date)                          | ["1970-06"]
    birthDate.ofType(boolean)                       | []
    extension('http://e/x').value.ofType(decimal).toString()        | ["1.50"]
    extension('http://e/x').extension('y').value.ofType(code)       | ["z"]
    extension('http://e/none').value                | []
    getResourceKey()                                | ["p1"]
    managingOrganization.getReferenceKey()          | ["o1"]
    managingOrganization.getReferenceKey(Organization)  | ["o1"]
    managingOrganization.getReferenceKey(Patient)   | []
    `id`                                            | ["p1"]
    {}                                              | []
    {} | gender                                     | ["female"]
    gender | gender                                 | ["female"]
    %rowIndex                                       | [0]
    /* a remark */ id // and another                | ["p1"]
"""


@pytest.mark.parametrize("line", [line.strip() for line in PATHS.strip().splitlines()])
def test_a_path_finds_what_the_specification_says(line: str) -> None:
    """A path always gives a collection: an element that is not there is the empty one, and is no error."""
    text, _, expected = line.rpartition(" | ")
    found = [str(item) if isinstance(item, Decimal) else item for item in evaluate(text)]
    assert found == json.loads(expected)


SUMS = """
    1 + 2 * 3            | 7
    (1 + 2) * 3          | 9
    -2 + 5               | 3
    2 - -3               | 5
    7 div 2              | 3
    7 mod 2              | 1
    7 / 2                | 3.5
    1.10 + 2.20          | 3.30
    0.1 + 0.2            | 0.3
"""


@pytest.mark.parametrize("line", [line.strip() for line in SUMS.strip().splitlines()])
def test_arithmetic_is_decimal_and_binds_as_in_school(line: str) -> None:
    """Numbers of medicine are decimals: 0.1 + 0.2 is 0.3 here, whatever a binary fraction makes of it."""
    text, _, expected = line.rpartition(" | ")
    assert evaluate(text) == [Decimal(expected)]


@pytest.mark.parametrize("text", ["1 / 0", "1 div 0", "1 mod 0", "1 + {}", "{} * 2", "-{}", "{} < 1"])
def test_what_has_no_result_is_empty(text: str) -> None:
    """Division by zero and arithmetic with nothing give nothing."""
    assert evaluate(text) == []


LOGIC = """
    true and true   | true      |  true or false     | true   |  true xor true     | false
    true and false  | false     |  false or false    | false  |  true xor {}       | -
    true and {}     | -         |  true or {}        | true   |  false implies {}  | true
    false and {}    | false     |  false or {}       | -      |  {} implies true   | true
    {} and {}       | -         |  {} or {}          | -      |  true implies {}   | -
    {}.not()        | -         |  true.not()        | false  |  true implies false | false
"""


@pytest.mark.parametrize("line", list(LOGIC.strip().splitlines()))
def test_logic_has_three_values(line: str) -> None:
    """Unknown and false are different things: unknown and true is unknown, unknown and false is false."""
    parts = [part.strip() for part in line.split("|")]
    for text, expected in zip(parts[::2], parts[1::2], strict=True):
        answer = evaluate(text)
        assert answer == ([] if expected == "-" else [expected == "true"]), text


def test_or_binds_more_weakly_than_and_and_both_more_weakly_than_comparison() -> None:
    assert evaluate("true or false and false") == [True]
    assert evaluate("1 = 1 and 2 > 1") == [True]
    assert evaluate("1 | 2 = 1 | 2") == [True]


COMPARISONS = """
    1 = 1.0                                     | true
    1 = '1'                                     | false
    true = 1                                    | false
    'a' != 'b'                                  | true
    'a' < 'b'                                   | true
    {} = {}                                     | -
    name.given = name.given                     | true
    name.given = gender                         | false
    @2020-01-01 < @2020-01-02                   | true
    @2020-01 = @2020-01-02                      | -
    @2020-01 < @2020-02-01                      | true
    @2020 = @2021-05                            | false
    @2020-01-01T10:00:00Z = @2020-01-01T18:00:00+08:00      | true
    @2020-01-01T10:00:00Z < @2020-01-01T18:00:01+08:00      | true
    @2020-01-01T10:00:00 < @2020-01-01T18:00:00+08:00       | -
    @2020-01-01T10:00:00.0Z = @2020-01-01T10:00:00Z         | true
    @T10:00 < @T10:01                           | true
    @T10:00 = @2020-01-01                       | -
    birthDate < @1970-07                        | true
    birthDate = @1970-06-15                     | -
    birthDate = 'x'                             | false
"""


@pytest.mark.parametrize("line", [line.strip() for line in COMPARISONS.strip().splitlines()])
def test_dates_compare_as_far_as_both_are_known(line: str) -> None:
    """Whether June 1970 is the 15th of June 1970 cannot be known; that it is before July can."""
    text, _, expected = line.rpartition("|")
    assert evaluate(text) == ([] if expected.strip() == "-" else [expected.strip() == "true"])


BOUNDARIES = """
    1.0          |          | 0.95                              | 1.05
    1            |          | 0.5                               | 1.5
    -1.50        |          | -1.505                            | -1.495
    @1970-06     | date     | 1970-06-01                        | 1970-06-30
    @2020-02     | date     | 2020-02-01                        | 2020-02-29
    @1900-02     | date     | 1900-02-01                        | 1900-02-28
    @2010-10-10T | dateTime | 2010-10-10T00:00:00.000+14:00     | 2010-10-10T23:59:59.999-12:00
    @2010T       | dateTime | 2010-01-01T00:00:00.000+14:00     | 2010-12-31T23:59:59.999-12:00
    @2010-10-10T12:00+08:00 | dateTime | 2010-10-10T12:00:00.000+08:00 | 2010-10-10T12:00:59.999+08:00
    @T12:34      | time     | 12:34:00.000                      | 12:34:59.999
    @T12:34:56.7 | time     | 12:34:56.700                      | 12:34:56.799
"""


@pytest.mark.parametrize("line", [line.strip() for line in BOUNDARIES.strip().splitlines()])
def test_a_written_value_reaches_half_a_digit_or_a_whole_period(line: str) -> None:
    """`1.0` may stand for anything from 0.95 to 1.05, and `1970-06` for any day of that June."""
    text, kind, low, high = (part.strip() for part in line.split("|"))
    assert [str(item) for item in evaluate(f"({text}).lowBoundary()", column_type=kind or None)] == [low]
    assert [str(item) for item in evaluate(f"({text}).highBoundary()", column_type=kind or None)] == [high]


REFUSED = """
    @@                  | character 1
                        | empty
    name.               | breaks off
    name..given         | character 6
    (1                  | breaks off
    1 2                 | character 3
    name[0              | breaks off
    'open               | character 1
    @2020-13-01         | does not exist
    @2021-02-29         | does not exist
    %unheard            | no constant
    name.matches('x')   | do not support the function
    name.where()        | wrong number of arguments
    name.first(1)       | wrong number of arguments
    name ~ name         | operator
    1 is Integer        | operator
    name.ofType('x')    | name of a type
    $index              | character 1
    1 as Integer        | operator
"""


@pytest.mark.parametrize("line", REFUSED.strip("\n").splitlines())
def test_an_expression_outside_the_subset_is_refused_with_its_reason(line: str) -> None:
    """A view is refused when it is read, in both languages, rather than giving wrong rows later."""
    text, _, reason = line.rpartition("|")
    with pytest.raises(ExpressionRefused) as refused:
        evaluate(text.strip())
    assert reason.strip() in refused.value.why.en
    assert refused.value.why.zh


@pytest.mark.parametrize(
    "text",
    [
        "1 < 'a'", "gender + 1", "-gender", "name < 1", "name.where(use)", "name['x']", "name.use = 'a' and name",
        "name.toString()", "managingOrganization.ofType(Quantity)", "name.lowBoundary()", "gender.lowBoundary()",
    ],
)  # fmt: skip
def test_an_expression_that_makes_no_sense_for_a_resource_is_refused_without_its_values(text: str) -> None:
    """The reason names the operator or function, and nothing that stands in the patient's record."""
    with pytest.raises(EvaluationRefused) as refused:
        evaluate(text)
    for value in ("female", "official", "Organization/o1"):
        assert value not in refused.value.why.en + refused.value.why.zh


@pytest.mark.parametrize(
    ("text", "count"),
    [("(", 500), ("-", 500), ("a.", 3000), ("1+", 3000), ("not(", 300), ("x" * 5000, 1), ("a[", 200)],
    ids=str,
)
def test_a_hostile_expression_is_refused_and_does_not_exhaust_the_stack(text: str, count: int) -> None:
    """Depth and length have limits far above any real view."""
    with pytest.raises(ExpressionRefused):
        parse(text * count + "1")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="abv.()[]{}|&+-*/<>=!~%$@'`\\ 0159:TZ\n\"中", max_size=40))
def test_any_text_is_either_an_expression_or_refused(text: str) -> None:
    """No text makes the parser fail in any other way."""
    try:
        compile_expression(parse(text), {})
    except ExpressionRefused as refused:
        assert refused.why.zh and refused.why.en


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 9999), st.integers(1, 12), st.integers(1, 28), st.integers(-840, 840))
def test_moments_of_different_zones_compare_as_instants(
    year: int, month: int, day: int, minutes: int
) -> None:
    """The same instant written in two time zones is one instant (checked against the standard library)."""
    from datetime import UTC, datetime, timedelta, timezone

    zone = timezone(timedelta(minutes=minutes))
    try:
        instant = datetime(year, month, day, 12, 30, tzinfo=UTC)
        other = instant.astimezone(zone)
    except OverflowError:
        return
    if not 1 < other.year < 9999:
        return
    left, right = temporal.read(instant.isoformat()), temporal.read(other.isoformat())
    assert left is not None and right is not None
    assert temporal.compare(left, right) == 0
    later = temporal.read((other + timedelta(minutes=1)).isoformat())
    assert later is not None
    assert temporal.compare(left, later) == -1


def test_texts_in_an_expression_may_have_escapes() -> None:
    assert evaluate(r"'a\'b\\c\u4e50'") == ["a'b\\c乐"]
    with pytest.raises(ExpressionRefused):
        parse(r"'\q'")
    assert [token.kind for token in tokens_of("a.`b c`")] == ["name", "operator", "quoted", "end"]


REFERENCES = [
    ({"reference": "Patient/p1"}, "Patient", "p1"),
    ({"reference": "Patient/p1/_history/3"}, "Patient", "p1"),
    ({"reference": "https://h.example/fhir/Patient/p1"}, "Patient", "p1"),
    ({"reference": "Group/p1"}, "Patient", None),
    ({"reference": "urn:uuid:0190b6c4"}, "Patient", "0190b6c4"),
    ({"reference": "urn:uuid:0190b6c4", "type": "Group"}, "Patient", None),
    ({"reference": "#contained"}, "Patient", None),
    ({"identifier": {"value": "x"}}, "Patient", None),
    ({"reference": 5}, "Patient", None),
    ({"reference": ""}, None, None),
]


@pytest.mark.parametrize(("reference", "wanted", "key"), REFERENCES, ids=str)
def test_a_reference_gives_a_key_only_for_the_type_that_is_asked_for(
    reference: dict[str, Any], wanted: str | None, key: str | None
) -> None:
    """A measurement of a group is no patient's: its row gets no patient rather than a wrong one."""
    assert reference_key(reference, wanted) == key
