"""Admit: what hospitals send is judged unit by unit, and what is left goes into the lake once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of, receipt
from rwd_platform.records.tables import AuditEntry, DroppedElement, Upload, UploadFile
from rwd_platform.store.lake import Lake
from tests.flows.sending import (
    CLERK,
    CLERK_B,
    MEASURE,
    Json,
    accounts,
    actions,
    bundle,
    grade,
    issues,
    ndjson,
    patient,
    received,
    rows,
    sent,
)


def reason(platform: Platform, upload_id: str) -> tuple[str, str]:
    """The only issue of an upload: its outcome and rule."""
    (issue,) = issues(platform, upload_id)
    assert issue.zh and issue.en and issue.next_zh and issue.next_en
    return issue.outcome, issue.rule


# -- accounts --------------------------------------------------------------------------------------


def test_every_file_has_an_account_of_its_own(platform: Platform) -> None:
    """received = accepted + rejected + quarantined + duplicate, per file and for the upload."""
    upload_id = sent(
        platform,
        {
            "patients.ndjson": ndjson(patient("p1"), patient("p2"), patient("p1")),
            "grades.ndjson.gz": gzip.compress(
                ndjson(grade("g1"), grade("g2", of="nobody"), {"resourceType": "X"})
            ),
        },
    )
    assert accounts(platform, upload_id) == {
        "patients.ndjson": (2, 0, 0, 1),
        "grades.ndjson.gz": (1, 1, 1, 0),
    }
    given = receipt(platform, CLERK, upload_id)["account"]
    assert given == {"received": 6, "accepted": 3, "rejected": 1, "quarantined": 1, "duplicate": 1}
    assert platform.records.get(Upload, upload_id).state == "admitted"


def test_one_broken_file_does_not_stop_the_others(platform: Platform) -> None:
    """A file that cannot be read is one rejected unit with its reason; the rest of the batch goes on."""
    cut = gzip.compress(ndjson(*(patient(f"x{n}") for n in range(500))))[:-20]
    upload_id = sent(
        platform,
        {"a.ndjson": ndjson(patient("p1")), "cut.ndjson.gz": cut, "z.ndjson": ndjson(grade("g1"))},
    )
    assert accounts(platform, upload_id) == {
        "a.ndjson": (1, 0, 0, 0), "cut.ndjson.gz": (0, 1, 0, 0), "z.ndjson": (1, 0, 0, 0),
    }  # fmt: skip
    problem = files_of(platform, upload_id)[1].problem
    assert problem is not None and problem["code"] == "intake.truncated" and problem["next_zh"]
    assert len(rows(platform, "patient", "patient_id")) == 1, "nothing of the cut file is half-stored"


def test_an_upload_of_nothing_but_broken_files_is_admitted_empty(platform: Platform) -> None:
    upload_id = sent(platform, {"empty.ndjson": b""})
    assert accounts(platform, upload_id) == {"empty.ndjson": (0, 1, 0, 0)}
    assert Lake(platform.layout).tables() == ()


# -- reasons ---------------------------------------------------------------------------------------

NO_ID = {"resourceType": "Patient", "gender": "female"}
TWO_CODES: Json = {"coding": [{"system": "urn:a", "code": "1"}, {"system": "urn:b", "code": "2"}]}
REASONS = [
    ("an unreadable line", b"{broken\n", "rejected", None),
    ("an invalid resource", ndjson(patient(gender="F")), "rejected", None),
    ("no id", ndjson(NO_ID), "rejected", "resource.id_missing"),
    (
        "an unknown measure",
        ndjson(grade(code={"coding": [{"system": MEASURE, "code": "zzz"}]})),
        "quarantined",
        "terminology.unknown_measure",
    ),
    ("an unknown patient", ndjson(grade(of="nobody")), "quarantined", "dangling-reference"),
    (
        "a modifier nobody knows",
        ndjson(patient("p9", modifierExtension=[{"url": "urn:not", "valueBoolean": True}])),
        "quarantined",
        None,
    ),
]


@pytest.mark.parametrize(("case", "content", "outcome", "rule"), REASONS, ids=[one[0] for one in REASONS])
def test_what_is_kept_out_has_its_reason(
    platform: Platform, case: str, content: bytes, outcome: str, rule: str | None
) -> None:
    sent(platform, {"known.ndjson": ndjson(patient())})
    upload_id = sent(platform, {"f.ndjson": content})
    found = reason(platform, upload_id)
    assert found[0] == outcome
    assert rule in (None, found[1])
    assert len(rows(platform, "patient", "patient_id")) == 1
    assert "measurement" not in Lake(platform.layout).tables()


@pytest.mark.parametrize(
    "reference",
    ["urn:uuid:0c3d2d5e-6a87-4b4a-9c3b-6c8a3f3b7f10", "Group/g", "#inside"],
)
def test_a_resource_whose_patient_cannot_be_told_is_not_stored_without_one(
    platform: Platform, reference: str
) -> None:
    """A measure of nobody is worse than none: it is kept out, with a reason."""
    sent(platform, {"known.ndjson": ndjson(patient())})
    upload_id = sent(platform, {"f.ndjson": ndjson(grade(subject={"reference": reference}))})
    assert accounts(platform, upload_id)["f.ndjson"][0] == 0
    assert issues(platform, upload_id)[0].outcome in ("rejected", "quarantined")
    assert "measurement" not in Lake(platform.layout).tables()


def test_no_reason_repeats_a_value_of_the_record(platform: Platform) -> None:
    secret = "SECRET-13800138000"
    bad = [
        patient("p1", birthDate=secret),
        patient("p2", gender=secret),
        patient("p3", **{secret[:6]: secret}),
    ]
    upload_id = sent(platform, {"f.ndjson": ndjson(*bad) + f'{{"x": "{secret}'.encode()})
    found = issues(platform, upload_id)
    assert len({one.unit for one in found}) == 4
    assert all(
        "13800138000" not in text for one in found for text in (one.zh, one.en, one.next_zh, one.next_en)
    )


def test_a_place_names_file_line_and_entry(platform: Platform) -> None:
    batch = bundle("batch", patient("p1"), patient("p2", gender="F"))
    lines = b"\n\n" + ndjson(patient("p3", gender="F"))
    upload_id = sent(platform, {"batch.json": batch, "lines.ndjson": lines})
    places = {(one.file, one.line, one.entry) for one in issues(platform, upload_id)}
    assert places == {("batch.json", 1, 2), ("lines.ndjson", 3, None)}


# -- Bundles ---------------------------------------------------------------------------------------


def test_a_transaction_comes_in_whole_or_not_at_all(platform: Platform) -> None:
    good = bundle("transaction", patient("p1"), grade("g1"))
    bad = bundle("transaction", patient("p2"), grade("g2", of="p2", status="maybe"))
    upload_id = sent(platform, {"good.json": good, "bad.json": bad})
    assert accounts(platform, upload_id) == {"good.json": (2, 0, 0, 0), "bad.json": (0, 2, 0, 0)}
    assert len(rows(platform, "patient", "patient_id")) == 1


def test_the_entries_of_a_batch_stand_for_themselves(platform: Platform) -> None:
    upload_id = sent(platform, {"b.json": bundle("batch", patient("p1"), patient("p2", gender="F"))})
    assert accounts(platform, upload_id) == {"b.json": (1, 1, 0, 0)}


# -- identifiers -----------------------------------------------------------------------------------


def test_identifiers_are_left_behind_and_counted(platform: Platform) -> None:
    """The lake holds pseudonyms and dates; what was left behind is an account by element."""
    content = ndjson(patient("p1", name=[{"text": "甲"}], telecom=[{"system": "phone", "value": "1"}]))
    upload_id = sent(platform, {"f.ndjson": content})
    (pseudonym, born), *_ = rows(platform, "patient", "patient_id", "birth_date")
    assert pseudonym.lower().startswith("p1") and pseudonym != "p1" and born == "1950-02-03"
    query = select(DroppedElement).where(DroppedElement.upload_id == upload_id)
    assert {one.path: one.times for one in platform.records.all(query)} == {
        "Patient.name": 1, "Patient.telecom": 1,
    }  # fmt: skip


def test_one_id_is_another_pseudonym_in_another_hospital_or_system(platform: Platform) -> None:
    content = ndjson(patient("p1"))
    sent(platform, {"f.ndjson": content})
    sent(platform, {"f.ndjson": content}, CLERK_B)
    sent(platform, {"f.ndjson": content}, source_system="lab")
    assert len(rows(platform, "patient", "patient_id")) == 3
    assert len({id for (id,) in rows(platform, "patient", "patient_id")}) == 3


# -- later uploads ---------------------------------------------------------------------------------


def test_a_newer_version_replaces_the_rows_of_the_older(platform: Platform) -> None:
    sent(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1", value=2), grade("g2", value=3))})
    later = sent(platform, {"b.ndjson": ndjson(grade("g1", value=1))})
    assert accounts(platform, later) == {"b.ndjson": (1, 0, 0, 0)}
    assert [value for (value,) in rows(platform, "measurement", "value")] == [1.0, 3.0]
    assert later in {upload for (upload,) in rows(platform, "measurement", "upload_id")}


def test_the_same_content_later_is_a_duplicate_and_changes_nothing(platform: Platform) -> None:
    first = sent(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1"))})
    before = Lake(platform.layout).versions()
    again = sent(platform, {"b.ndjson": ndjson(grade("g1"), patient("p1"))})
    assert accounts(platform, again) == {"b.ndjson": (0, 0, 0, 2)}
    assert {upload for (upload,) in rows(platform, "measurement", "upload_id")} == {first}
    assert Lake(platform.layout).versions() == before


def test_a_later_upload_may_be_about_a_patient_sent_before(platform: Platform) -> None:
    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    assert accounts(platform, sent(platform, {"b.ndjson": ndjson(grade("g1"))})) == {"b.ndjson": (1, 0, 0, 0)}
    other = sent(platform, {"b.ndjson": ndjson(grade("g1"))}, CLERK_B)
    assert accounts(platform, other) == {"b.ndjson": (0, 0, 1, 0)}, "not a patient of that hospital"


def test_a_file_sent_again_is_all_duplicate_as_many_units_as_it_had(platform: Platform) -> None:
    content = ndjson(patient("p1"), patient("p2", gender="F"), patient("p1"))
    upload_id = sent(platform, {"a.ndjson": content, "copy.ndjson": content})
    assert accounts(platform, upload_id) == {"a.ndjson": (1, 1, 0, 1), "copy.ndjson": (0, 0, 0, 3)}
    assert accounts(platform, sent(platform, {"later.ndjson": content})) == {"later.ndjson": (0, 0, 0, 3)}


# -- crashes and second tries ----------------------------------------------------------------------


class Crash(Exception):
    """The worker dies here."""


def state(platform: Platform, upload_id: str) -> Mapping[str, Any]:
    """Everything that an admission leaves behind, without the moments it happened at."""
    lake = Lake(platform.layout)
    tables = {
        name: lake.read(name).drop(columns="upload_id").to_json(orient="records") for name in lake.tables()
    }
    found = [(one.file, one.line, one.rule, one.outcome) for one in issues(platform, upload_id)]
    query = select(DroppedElement).where(DroppedElement.upload_id == upload_id)
    dropped = sorted((one.path, one.times) for one in platform.records.all(query))
    return {"tables": tables, "issues": found, "dropped": dropped, "accounts": accounts(platform, upload_id)}


CONTENT = {
    "a.ndjson": ndjson(patient("p1"), grade("g1", value=2), grade("g2", of="nobody"), patient("p1")),
    "b.ndjson": ndjson(grade("g1", value=3)),
}


@pytest.mark.parametrize("at", ["measurement", "patient", "visit", "resource", "receipt"])
def test_a_second_try_after_a_crash_gives_the_same_state(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A worker may die before any table is written, or between the lake and the records.

    The reference is an admission in another source system that nothing disturbed.
    """
    expected = state(platform, sent(platform, CONTENT))
    for table in Lake(platform.layout).tables():
        assert table in ("patient", "measurement", "resource")
    upload_id = received(platform, CONTENT, CLERK_B)
    with monkeypatch.context() as broken:
        whole = Lake.replace_upload

        def dies(lake: Lake, table: str, *rest: Any) -> Any:
            if table == at:
                raise Crash
            return whole(lake, table, *rest)

        def dies_at_the_receipt(*_: Any) -> str:
            raise Crash

        broken.setattr(Lake, "replace_upload", dies)
        if at == "receipt":
            broken.setattr("rwd_platform.flows.admit_upload.write_receipt", dies_at_the_receipt)
        with pytest.raises(Crash):
            admit_upload(platform, CLERK_B, upload_id)
    assert platform.records.get(Upload, upload_id).state == "failed"
    for table in Lake(platform.layout).tables():
        assert {one for (one,) in rows(platform, table, "organisation_id")} == {"org-hospital-a"}, (
            "half stored"
        )
    admit_upload(platform, CLERK_B, upload_id)
    found = state(platform, upload_id)
    assert {**found, "tables": None} == {**expected, "tables": None}
    # The lake holds both hospitals' rows now: as many of the one as of the other.
    for table in ("patient", "measurement", "resource"):
        by_hospital = [organisation for (organisation,) in rows(platform, table, "organisation_id")]
        assert by_hospital.count("org-hospital-a") == by_hospital.count("org-hospital-b") > 0, table
    assert platform.records.get(Upload, upload_id).state == "admitted"


def test_a_crash_half_way_does_not_leave_a_newer_version_for_a_duplicate(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake already holds what the first try stored; the second try is not measured against it."""
    sent(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1", value=2))})
    upload_id = received(platform, {"b.ndjson": ndjson(grade("g1", value=3), patient("p1"))})
    with monkeypatch.context() as broken:
        broken.setattr(
            "rwd_platform.flows.admit_upload.write_receipt", lambda *_: (_ for _ in ()).throw(Crash)
        )
        with pytest.raises(Crash):
            admit_upload(platform, CLERK, upload_id)
    admit_upload(platform, CLERK, upload_id)
    assert accounts(platform, upload_id) == {"b.ndjson": (1, 0, 0, 1)}
    assert rows(platform, "measurement", "value") == [(3.0,)]


def test_a_refusal_of_the_lake_fails_the_upload_and_it_can_be_tried_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed is a state on record, with the reason's code in the log; nothing was lost."""
    from rwd_platform.store.landing import DISK_FULL

    upload_id = received(platform, {"a.ndjson": ndjson(patient("p1"))})
    with monkeypatch.context() as broken:
        broken.setattr(Lake, "replace_upload", lambda *_: (_ for _ in ()).throw(DISK_FULL.error()))
        with pytest.raises(PlatformError):
            admit_upload(platform, CLERK, upload_id)
    assert platform.records.get(Upload, upload_id).state == "failed"
    entry = platform.records.all(select(AuditEntry).where(AuditEntry.action == "upload.admission_failed"))[0]
    assert json.loads(entry.body)["reason"] == "landing.disk_full"
    admit_upload(platform, CLERK, upload_id)
    assert accounts(platform, upload_id) == {"a.ndjson": (1, 0, 0, 0)}


def test_an_admitted_upload_is_not_admitted_again(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    with pytest.raises(PlatformError) as raised:
        admit_upload(platform, CLERK, upload_id)
    assert raised.value.code == "lifecycle.not_allowed"


def test_what_was_done_is_in_the_log_with_the_account(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    done = actions(platform)
    assert done[done.index("upload.admission_started") + 1] == "upload.admitted"
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == "upload.admitted"))
    entry = json.loads(entries[-1].body)
    assert entry["object"]["id"] == upload_id
    assert entry["decision"]["accepted"] == entry["decision"]["received"] == 1


def test_the_watcher_hears_every_stage(platform: Platform) -> None:
    upload_id = received(platform, {"a.ndjson": ndjson(*(patient(f"p{n}") for n in range(501)))})
    heard: list[tuple[str, int, int]] = []
    admit_upload(platform, CLERK, upload_id, lambda *progress: heard.append(progress))
    assert [stage for stage, _, _ in heard] == ["validate", "validate", "store"]
    assert platform.records.all(select(UploadFile))[0].accepted == 501
