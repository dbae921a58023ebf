"""Whose dates a resource holds: all of one patient's move alike, in every type, file and precision."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.policy import Policy, load_policy, parse_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.run import deidentify_lines
from deidentify.scrub import scrub
from deidentify.shifting import Shifts, person_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Place, Resource, Unit

PSEUDONYMS = Pseudonymiser(b"p" * 32, "file")
SHIFTS = Shifts(b"d" * 32, "file")
UUID = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
ABSENT = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
    ]
}
SHIFTING = """
name = "shifting"
version = "1"
zh = "日期前移"
en = "dates moved back"
extends = "lake"
[shape.period]
start = "date:shift"
end = "date:shift"
[Patient]
birthDate = "date:shift"
deceasedDateTime = "date:shift"
[Condition]
recordedDate = "date:shift"
onsetDateTime = "date:shift"
[Observation]
effectiveDateTime = "date:shift"
issued = "date:shift"
[Immunization]
occurrenceDateTime = "date:shift"
[MedicationRequest]
authoredOn = "date:shift"
"""
# Refused for use, since it leaves other dates unshifted; how a date moves can be seen in it all the same.
POLICY: Policy = parse_policy(SHIFTING.encode(), "shifting.toml", check_paths=False)
# type -> the element that says whom it is about, and a dated element
DATED = {
    "Patient": ("", "birthDate"),
    "Condition": ("subject", "recordedDate"),
    "Observation": ("subject", "effectiveDateTime"),
    "Immunization": ("patient", "occurrenceDateTime"),
    "MedicationRequest": ("subject", "authoredOn"),
}


def dated(resource_type: str, patient: str, when: str) -> Resource:
    about, element = DATED[resource_type]
    if not about:
        return {"resourceType": resource_type, "id": patient, element: when}
    return {
        "resourceType": resource_type,
        "id": "x",
        about: {"reference": f"Patient/{patient}"},
        element: when,
    }


def moved(resource: Resource, shifts: Shifts = SHIFTS) -> Any:
    return scrub(resource, POLICY, PSEUDONYMS, shifts).resource.get(DATED[resource["resourceType"]][1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(DATED)), st.dates(date(1901, 1, 1), date(2099, 12, 31))), min_size=2
    ),
    st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True),
)
def test_intervals_within_a_patient_are_kept_across_types_and_runs(
    events: list[tuple[str, date]], patient: str
):
    """Every date moves back by the same 1 to 365 days, also in another run under the same key."""
    again = Shifts(b"d" * 32, "file")
    offsets = {
        (date.fromisoformat(moved(dated(kind, patient, when.isoformat()), shifts)) - when).days
        for kind, when in events
        for shifts in (SHIFTS, again)
    }
    assert len(offsets) == 1
    assert -365 <= offsets.pop() <= -1


def test_intervals_are_kept_through_a_whole_stream_of_mixed_resources():
    """What `rwd deidentify` writes: the days between a patient's events are those that the hospital wrote."""
    when = {
        "Patient": "1950-02-28",
        "Condition": "2023-12-31",
        "Observation": "2024-02-29",
        "Immunization": "2024-03-01",
    }
    units = [
        Unit(Place("f", line), b"", dated(kind, "p1", day))
        for line, (kind, day) in enumerate([*when.items(), *reversed(when.items())], 1)
    ]
    lines: list[str] = []
    account = deidentify_lines(units, POLICY, PSEUDONYMS, lines.append, shifts=SHIFTS)
    assert account.written == 8
    import json

    found = [json.loads(line) for line in lines]
    days = [date.fromisoformat(one[DATED[one["resourceType"]][1]]) for one in found]
    true = [date.fromisoformat(unit.resource[DATED[unit.resource["resourceType"]][1]]) for unit in units]  # type: ignore[index]
    assert {(after - before) for after, before in zip(days, true, strict=True)} == {days[0] - true[0]}
    assert days[0] != true[0]


def test_the_time_of_day_and_the_offset_stay_as_written():
    """An instant moves by whole days, in its own offset."""
    issued = "2024-03-01T00:30:00.250+08:00"
    resource = {**dated("Observation", "p1", "2024-03-01"), "status": "final", "issued": issued}
    scrubbed = scrub(resource, POLICY, PSEUDONYMS, SHIFTS).resource
    assert scrubbed["issued"][10:] == issued[10:]
    shift = datetime.fromisoformat(scrubbed["issued"]) - datetime.fromisoformat(issued)
    assert shift == timedelta(days=SHIFTS.days(PSEUDONYMS.token("Patient", "p1")))
    assert [one["code"] for one in scrubbed["meta"]["security"]] == ["PSEUDED"]


def test_two_patients_two_projects_and_two_keys_move_differently():
    """An offset known of one patient, project or key says nothing of another's."""
    people = [PSEUDONYMS.token("Patient", str(number)) for number in range(200)]
    mine = [SHIFTS.days(person) for person in people]
    assert len(set(mine)) > 100
    for other in (Shifts(b"e" * 32, "file"), Shifts(b"d" * 32, "study")):
        same = sum(one == two for one, two in zip(mine, map(other.days, people), strict=True))
        assert same < 8


ABOUT = [
    ({"resourceType": "Patient", "id": "17"}, "17"),
    ({"resourceType": "Observation", "subject": {"reference": "Patient/17"}}, "17"),
    ({"resourceType": "Observation", "subject": {"reference": "https://his.example/fhir/Patient/17"}}, "17"),
    ({"resourceType": "Observation", "subject": {"reference": "Patient/17/_history/2"}}, "17"),
    ({"resourceType": "Observation", "subject": {"reference": f"urn:uuid:{UUID}"}}, UUID),
    ({"resourceType": "Device", "patient": {"reference": "Patient/17"}}, "17"),
    ({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/17"}}, "17"),
    ({"resourceType": "ResearchSubject", "individual": {"reference": "Patient/17"}}, "17"),
    ({"resourceType": "Task", "for": {"reference": "Patient/17"}}, "17"),
    ({"resourceType": "Account", "subject": [{"reference": "Patient/17"}]}, "17"),
    ({"resourceType": "Account", "subject": [{"reference": "Patient/1"}, {"reference": "Patient/2"}]}, None),
    ({"resourceType": "Patient"}, None),
    ({"resourceType": "Patient", "id": 17}, None),
    ({"resourceType": "Observation"}, None),
    ({"resourceType": "Observation", "subject": {"reference": "Group/1"}}, None),
    ({"resourceType": "Observation", "subject": {"reference": "#contained"}}, None),
    ({"resourceType": "Observation", "subject": {"identifier": {"value": "ZY1"}}}, None),
    ({"resourceType": "Observation", "subject": "Patient/17"}, None),
    ({"resourceType": "Observation", "performer": [{"reference": "Patient/17"}]}, None),
]


@pytest.mark.parametrize(("resource", "patient"), ABOUT, ids=lambda value: str(value)[15:60])
def test_whom_a_resource_is_about(resource: Resource, patient: str | None):
    """Its subject or patient, however the pointer is written; nobody for a group, a device or several."""
    expected = None if patient is None else PSEUDONYMS.token("Patient", patient)
    assert person_of(resource, PSEUDONYMS) == expected


def test_a_resource_about_nobody_loses_its_dates_and_stays_valid():
    """Without a patient there is no offset: the date is dropped and counted, and a mark says that one was."""
    resource = {"resourceType": "Immunization", "status": "completed", "occurrenceDateTime": "2024-03-01"}
    scrubbed = scrub(resource, POLICY, PSEUDONYMS, SHIFTS)
    assert "occurrenceDateTime" not in scrubbed.resource
    assert scrubbed.resource["_occurrenceDateTime"] == ABSENT
    assert scrubbed.dropped == ("Immunization.occurrenceDateTime",)


@pytest.mark.parametrize(
    "text", ["2024-02-30", "gestern", "", "20240301", "0001-01-01", 20240301, {"x": "2024-03-01"}]
)
def test_what_is_no_date_never_stays(text: Any):
    """A text that is no day of the calendar is not moved, so it goes."""
    scrubbed = scrub({**dated("Condition", "p1", ""), "recordedDate": text}, POLICY, PSEUDONYMS, SHIFTS)
    assert "recordedDate" not in scrubbed.resource
    assert "Condition.recordedDate" in scrubbed.dropped


def test_a_policy_that_shifts_dates_is_not_run_without_a_date_key():
    """Forgetting the key is an error of the program, never a reason to let true dates through."""
    assert POLICY.shifts_dates and not load_policy("lake").shifts_dates
    with pytest.raises(ValueError, match="date key"):
        scrub(dated("Condition", "p1", "2024-03-01"), POLICY, PSEUDONYMS)


def test_a_short_key_is_refused_and_no_key_shows_in_a_text():
    """As for pseudonyms: 32 bytes, and nothing of them in what may be printed."""
    with pytest.raises(PlatformError) as refusal:
        Shifts(b"short", "file")
    assert refusal.value.code == "pseudonym.key_unfit"
    assert "dddd" not in repr(SHIFTS) + str(vars(SHIFTS).keys())
