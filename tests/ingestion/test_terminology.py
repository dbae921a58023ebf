"""Which measures the platform knows, and what becomes of an observation that it does not."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.terminology import check_terms, known_measures, measure_of

BASE = "https://rwd-platform.example/CodeSystem/"
UCUM = "http://unitsofmeasure.org"


def observation(code: Any, **value: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "code": code, **value}


def coded(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


NODES = coded((f"{BASE}demo-measure", "positive-nodes"))


def test_the_list_holds_six_measures_and_two_outcomes_with_names_in_both_languages() -> None:
    """A clinician reviews this list, so every entry says in Chinese and English what it is."""
    measures = list(known_measures().values())
    assert [measure.code for measure in measures if measure.kind == "outcome"] == [
        "recurrence-status",
        "vital-status",
    ]
    assert len([measure for measure in measures if measure.kind == "measure"]) == 6
    for measure in measures:
        assert any("\u4e00" <= character <= "\u9fff" for character in measure.name.zh)
        assert measure.name.en.isascii()
        assert (measure.value_type == "Quantity") is bool(measure.unit)


def test_the_list_cannot_be_changed_by_whoever_reads_it() -> None:
    with pytest.raises(TypeError):
        known_measures()["a", "b"] = None  # type: ignore[index]


UNKNOWN = [
    coded((f"{BASE}demo-measure", "shoe-size")),
    coded(("http://loinc.org", "positive-nodes")),
    {"text": "positive-nodes"},
    {"coding": []},
    {"coding": "positive-nodes"},
    {"coding": [None, {"code": "positive-nodes"}, {"system": 1, "code": 2}]},
    "positive-nodes",
    None,
]


@pytest.mark.parametrize("code", UNKNOWN, ids=str)
def test_an_observation_of_an_unknown_code_is_kept_apart(code: Any) -> None:
    """The same code in another system is another code. The reason never repeats the code."""
    (issue,) = check_terms(observation(code))
    assert issue.rule == "terminology.unknown_measure"
    assert issue.expression == "Observation.code"
    assert "shoe-size" not in issue.en + issue.zh


def test_a_known_code_among_others_is_enough() -> None:
    code = coded(("http://loinc.org", "21893-3"), (f"{BASE}demo-measure", "positive-nodes"))
    measure = measure_of(observation(code))
    assert measure is not None
    assert measure.code == "positive-nodes"
    assert check_terms(observation(code)) == ()


UNITS = [
    ({"value": 3, "system": UCUM, "code": "{nodes}"}, True),
    ({"value": 3, "system": UCUM, "code": "mm"}, False),
    ({"value": 3, "system": "http://local", "code": "{nodes}"}, False),
    ({"value": 3, "unit": "nodes"}, False),
]


@pytest.mark.parametrize(("quantity", "accepted"), UNITS, ids=str)
def test_a_quantity_in_another_unit_is_kept_apart(quantity: dict[str, Any], accepted: bool) -> None:
    """A receptor in ng/mL read as fmol/L is a wrong number that looks right."""
    issues = check_terms(observation(NODES, valueQuantity=quantity))
    assert [issue.rule for issue in issues] == ([] if accepted else ["terminology.unexpected_unit"])
    for issue in issues:
        assert "{nodes}" in issue.en and "{nodes}" in issue.zh


def test_other_types_of_resource_have_no_measure_to_check() -> None:
    assert check_terms({"resourceType": "Patient"}) == ()
