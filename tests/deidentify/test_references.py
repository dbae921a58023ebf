"""References: every form FHIR allows, and what each becomes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.pseudonym import Pseudonymiser
from deidentify.references import rewrite

PSEUDONYMS = Pseudonymiser(b"r" * 32, "org-1")
UUID = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"

# reference | type for urn | type and id that the rewritten reference must be made of
REWRITTEN = [
    ("Patient/17", "", ("Patient", "17")),
    ("Patient/17/_history/2", "", ("Patient", "17")),
    ("http://his.example/fhir/Patient/17", "", ("Patient", "17")),
    ("https://his.example:8443/a/b/Patient/17/_history/3", "", ("Patient", "17")),
    ("Encounter/a-b.C", "Patient", ("Encounter", "a-b.C")),
    (f"urn:uuid:{UUID}", "Patient", ("Patient", UUID)),
    (f"urn:uuid:{UUID.upper()}", "Patient", ("Patient", UUID)),
    ("urn:oid:1.2.840.5", "Encounter", ("Encounter", "1.2.840.5")),
]
REFUSED = [
    f"urn:uuid:{UUID}",  # without a type nobody could follow it
    "#p1", "", "17", "/17", "Patient/", "patient/17", "Patient/17/18", "Patient/张三", "Patient/17 ",
    "Patient?identifier=https://rwd-platform.example/sid/resident-id|460105193703079962",
    "http://his.example/fhir/Patient?name=王璟琰", "urn:uuid:13812345678", "urn:isbn:1",
    "Patient/17#x", "javascript:Patient/17", "Patient/" + "9" * 65, "http://王璟琰 /Patient/17",
]  # fmt: skip


@pytest.mark.parametrize(("reference", "urn_type", "made_of"), REWRITTEN)
def test_a_reference_points_at_the_pseudonym_of_the_same_resource(
    reference: str, urn_type: str, made_of: tuple[str, str]
):
    """Relative, absolute and versioned forms of one reference all become one; the server's name goes."""
    kind, value = made_of
    assert rewrite(reference, PSEUDONYMS, urn_type) == f"{kind}/{PSEUDONYMS.token(kind, value)}"


@pytest.mark.parametrize("reference", REFUSED)
def test_a_form_that_cannot_be_made_safe_is_dropped(reference: str):
    """A query can hold an identifier, a malformed id a name; a contained resource is not there any more."""
    assert rewrite(reference, PSEUDONYMS) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_nothing_of_a_reference_survives_but_its_type(reference: str):
    """Whatever text stands in `reference`, what leaves is a type and a token, or nothing."""
    rewritten = rewrite(reference, PSEUDONYMS, "Patient")
    if rewritten is not None:
        kind, _, token = rewritten.partition("/")
        assert kind in reference or kind == "Patient"
        assert token.startswith("p1.intl.1.")


def test_a_very_long_reference_is_answered_at_once():
    """A megabyte of slashes costs a scan, not a search."""
    assert rewrite("http://" + "a/" * 500_000, PSEUDONYMS, "Patient") is None
