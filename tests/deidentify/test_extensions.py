"""An extension stays with the value that its address is known for, and with no other."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from deidentify import extensions
from deidentify.extensions import holds_its_value
from deidentify.hl7_names import codes_of, is_extension
from deidentify.policy import load_policy, parse_policy, shipped_policies
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import Quarantine, scrub

PSEUDONYMS = Pseudonymiser(b"k" * 32, "org-1")
HL7 = "http://hl7.org/fhir/StructureDefinition/"
ABSENT = HL7 + "data-absent-reason"
MEANT = [
    ("data-absent-reason", {"valueCode": "asked-unknown"}),
    ("data-absent-reason", {"valueCode": "masked"}),
    ("iso21090-nullFlavor", {"valueCode": "UNK"}),
    ("patient-interpreterRequired", {"valueBoolean": True}),
    ("quantity-precision", {"valueInteger": 2}),
]
NOT_MEANT = [
    ("data-absent-reason", {"valueCode": "wangxiaoming"}),
    ("data-absent-reason", {"valueCode": "WANG"}),
    ("data-absent-reason", {"valueCode": ["masked"]}),
    ("data-absent-reason", {"valueInteger": 19900307}),
    ("data-absent-reason", {"valueBoolean": True}),
    ("data-absent-reason", {"valueCode": "masked", "id": "wang"}),
    ("data-absent-reason", {"valueCode": "masked", "valueInteger": 1}),
    ("data-absent-reason", {}),
    ("patient-interpreterRequired", {"valueBoolean": 1}),
    ("quantity-precision", {"valueInteger": 19900307}),
    ("quantity-precision", {"valueInteger": True}),
    ("patient-birthTime", {"valueDateTime": "1990-03-07"}),
]


def holding(*urls: str) -> Any:
    listed = "".join(f'"{HL7}{url}" = "keep"\n' for url in urls)
    text = f'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nextends = "lake"\n[extensions]\n{listed}'
    return parse_policy(text.encode(), "t.toml")


@pytest.mark.parametrize(("name", "value"), MEANT)
def test_a_value_of_the_addresss_list_stays(name: str, value: dict[str, Any]):
    """HL7 says which element an extension has, and from which codes."""
    extension = {"url": HL7 + name, **value}
    resource = {"resourceType": "Patient", "extension": [extension], "_birthDate": {"extension": [extension]}}
    result = scrub(resource, holding(name), PSEUDONYMS)
    assert result.resource == resource and not result.dropped


@pytest.mark.parametrize(("name", "value"), NOT_MEANT)
def test_another_value_goes_and_is_counted(name: str, value: dict[str, Any]):
    """A name as a code, a birthday as a number: at the resource and at a value."""
    extension = {"url": HL7 + name, **value}
    resource = {"resourceType": "Patient", "extension": [extension], "_birthDate": {"extension": [extension]}}
    result = scrub(resource, holding(name), PSEUDONYMS)
    assert not {"extension", "_birthDate"} & (result.resource or {}).keys()
    assert result.dropped == (
        f"Patient._birthDate.extension('{HL7}{name}')",
        f"Patient.extension('{HL7}{name}')",
    )


@pytest.mark.parametrize("policy", shipped_policies())
def test_every_extension_that_a_policy_of_the_house_lists_has_its_values(policy: str):
    """Otherwise it would be listed and never stay."""
    assert load_policy(policy).extensions
    with Path(extensions.__file__).with_name("extension_values.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert load_policy(policy).extensions <= {row["url"] for row in rows}
    for row in rows:
        assert is_extension(row["url"])
        assert row["element"] != "valueCode" or codes_of(row["values"])


def test_a_modifier_extension_with_another_value_keeps_the_resource_out():
    """It changes what the resource means, in a way that its address does not explain."""
    text = (
        'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nextends = "lake"\n'
        f'[modifier_extensions]\n"{ABSENT}" = "keep"\n'
    )
    policy = parse_policy(text.encode(), "t.toml")
    good = {"resourceType": "Patient", "modifierExtension": [{"url": ABSENT, "valueCode": "unknown"}]}
    assert scrub(good, policy, PSEUDONYMS).resource == good
    with pytest.raises(Quarantine) as quarantine:
        scrub({**good, "modifierExtension": [{"url": ABSENT, "valueCode": "wang"}]}, policy, PSEUDONYMS)
    assert quarantine.value.issue.rule == "deidentify.modifier-extension"


def test_an_address_without_a_row_holds_only_a_yes_or_no():
    """A hospital's own extension needs its row first, before a code or a number of it stays."""
    assert holds_its_value({"url": "https://h.example/x", "valueBoolean": False})
    assert not holds_its_value({"url": "https://h.example/x", "valueCode": "a"})
    assert not holds_its_value({"url": "https://h.example/x", "valueInteger": 1})
    assert not holds_its_value({"url": "https://h.example/x"})
    assert not holds_its_value({"url": ABSENT, "valueCode": "a" * 1_000_000})
