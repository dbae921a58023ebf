"""Where free text stands, and who is named beside it: the declared elements, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from deidentify.free_text.elements import named_beside, text_elements, texts_in
from deidentify.policy import load_policy

FOUND: tuple[tuple[dict[str, Any], list[tuple[str, str]]], ...] = (
    # resource, (element, text)
    ({"resourceType": "Observation", "valueString": "甲"}, [("valueString", "甲")]),
    (
        {"resourceType": "Observation", "note": [{"text": "甲"}, {"time": "2020"}, {"text": "乙"}]},
        [("note[0].text", "甲"), ("note[2].text", "乙")],
    ),
    (
        {"resourceType": "Observation", "component": [{"valueString": "甲"}, {"valueInteger": 1}]},
        [("component[0].valueString", "甲")],
    ),
    ({"resourceType": "DiagnosticReport", "conclusion": "甲", "valueString": "乙"}, [("conclusion", "甲")]),
    ({"resourceType": "CarePlan", "note": [{"text": "甲"}]}, [("note[0].text", "甲")]),
    ({"resourceType": "Observation", "text": {"div": "<div>甲</div>"}, "code": {"text": "乙"}}, []),
    ({"resourceType": "Observation", "valueString": "  \n"}, []),
)
MALFORMED: tuple[dict[str, Any], ...] = (
    {},
    {"resourceType": 7, "note": "甲"},
    {"resourceType": "Observation", "note": {"text": ["甲"]}, "valueString": {"text": "乙"}},
    {"resourceType": "Observation", "note": None, "component": 3},
)


@pytest.mark.parametrize(("resource", "found"), FOUND)
def test_a_declared_element_is_found_with_its_place(
    resource: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    """Notes of any type and the named elements of some; narrative and the words for codes are no free text here."""
    assert [tuple(one) for one in texts_in(resource)] == found


@pytest.mark.parametrize("resource", MALFORMED)
def test_what_is_not_built_as_declared_gives_no_more_than_its_texts(resource: dict[str, Any]) -> None:
    assert {one.text for one in texts_in(resource)} <= {"甲"}


def test_every_declared_element_is_one_that_the_lake_leaves_out() -> None:
    """Were one of them kept, a text could reach the lake without a person's word."""
    rules = load_policy("lake").rules
    for kind, elements in text_elements().items():
        for element in elements:
            parts = element.split(".")
            places = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            for name in rules if kind == "*" else [kind]:
                actions = {rules[name][place].action for place in places & rules[name].keys()}
                assert actions <= {"text"}, (name, element)
    assert rules["Observation"]["note"].action == rules["DiagnosticReport"]["conclusion"].action == "text"


def test_people_named_beside_a_reference_or_as_an_author_are_found() -> None:
    """A department's display is no person's name; what is nested is found, however deep."""
    resource = {
        "subject": {"reference": "Patient/1", "display": "甲"},
        "performer": [{"reference": "https://x.example/Practitioner/2", "display": "乙"}],
        "author": {"type": "RelatedPerson", "display": "丙"},
        "serviceProvider": {"reference": "Organization/3", "display": "心内科"},
        "code": {"display": "血压"},
        "note": [{"authorString": "丁", "text": "戊"}, {"authorString": " "}],
    }
    assert sorted(named_beside(resource)) == sorted(["甲", "乙", "丙", "丁"])
    deep: Any = {"authorString": "甲"}
    for _ in range(5000):
        deep = {"contained": [deep]}
    assert list(named_beside(deep)) == ["甲"]
