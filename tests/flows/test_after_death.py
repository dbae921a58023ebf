"""From the upload to the rules on order in time: a death that only the Patient records, a device taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ingestion.derived import derive
from quality.failing_rows import failing_rows
from quality.suite import load_suites
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.platform import Platform
from rwd_platform.store.lake import Lake
from tests.flows.sending import CLERK, accounts, grade, ndjson, patient, received

ACTION = "http://hl7.org/fhir/device-action"


def broken(tables: dict[str, Any], rule: str) -> list[str]:
    """The ids of the hospital's rows that break one rule."""
    name = rule.split(".")[0]
    suites = {one: replace(suite, rules=()) for one, suite in load_suites().items() if one in tables}
    asked = tuple(one for one in load_suites()[name].rules if one.id == rule)
    suites[name] = replace(suites[name], rules=asked)
    return list(failing_rows(tables, suites, rule, CLERK.organisation)["resource_id"])


def handled(id: str, action: str, day: str, **elements: Any) -> dict[str, Any]:
    """A Procedure that puts a device in, or takes it out."""
    return {
        "resourceType": "Procedure",
        "id": id,
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "performedDateTime": day,
        "focalDevice": [
            {
                "action": {"coding": [{"system": ACTION, "code": action}]},
                "manipulated": {"reference": "Device/d1"},
            }
        ],
        **elements,
    }


def test_what_comes_after_a_death_that_only_the_patient_record_knows_is_found(platform: Platform) -> None:
    """Nobody followed up: no outcome was sent, and the death is told by deceasedDateTime alone."""
    sent = [
        patient("p1", deceasedDateTime="1990-05-01"),
        patient("p2"),
        grade("late", "p1"),  # of 1990-05-06
        grade("in-time", "p1", effectiveDateTime="1990-05-01T09:00:00+08:00"),
        grade("alive", "p2"),
    ]
    upload = received(platform, {"all.ndjson": ndjson(*sent)})
    admit_upload(platform, CLERK, upload)
    assert accounts(platform, upload) == {"all.ndjson": (5, 0, 0, 0)}
    lake = Lake(platform.layout)
    tables = {name: lake.read(name) for name in lake.tables()}
    [found] = broken(tables, "measurement.not_after_death")
    late = (
        tables["measurement"]
        .query("effective_date == '1990-05-06'")
        .merge(tables["outcome_event"], on="patient_id")
    )
    assert list(late["resource_id_x"]) == [found]
    assert len(tables["outcome_event"]) == 1


def test_a_device_that_comes_out_before_it_goes_in_is_found_and_not_taken_for_one_that_stays(
    platform: Platform,
) -> None:
    """The derived table leaves such an explant out, so that nothing but this rule would tell of it."""
    sent = [
        patient("p1"),
        handled("in", "implanted", "2021-05-06"),
        handled("out", "explanted", "2021-04-06"),
        handled("slip", "explanted", "2021-03-06", status="entered-in-error"),
    ]
    upload = received(platform, {"all.ndjson": ndjson(*sent)})
    admit_upload(platform, CLERK, upload)
    assert accounts(platform, upload) == {"all.ndjson": (4, 0, 0, 0)}
    lake = Lake(platform.layout)
    tables = {name: lake.read(name) for name in lake.tables()}
    assert derive("device_use", tables)["explant_date"].tolist() == [None]
    [found] = broken(tables, "device_exposure.explant_not_before_implant")
    out = tables["device_exposure"].query("start_date == '2021-04-06'")
    assert list(out["resource_id"]) == [found]
