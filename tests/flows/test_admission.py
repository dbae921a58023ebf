"""The rules that only a whole upload can settle: transactions, unknown patients, duplicates, versions."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rwd_platform.core.accounting import Accounting, Outcome
from rwd_platform.core.units import Flat, Issue, Place
from rwd_platform.flows.admission import (
    GROUP_REFUSED,
    ID_MISSING,
    PATIENT_MISSING,
    PATIENT_UNKNOWN,
    FileFindings,
    Judged,
    lake_rows,
    place_fields,
    settle,
)

A, R, Q, D = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.QUARANTINED, Outcome.DUPLICATE
BAD = Issue("required", "status", "缺", "missing", "补", "add it", "x")


def judged(
    key: str,
    content: str = "v1",
    *,
    of: str = "",
    group: str | None = None,
    outcome: Outcome = A,
    line: int = 1,
) -> Judged:
    """`Patient/p` is about itself; anything else is about `of`."""
    kind, id = key.split("/")
    accepted = outcome is A
    return Judged(
        place=Place("f.ndjson", line),
        group=group,
        number=line - 1,
        resource_type=kind,
        outcome=outcome,
        issues=() if accepted else (BAD,),
        digest=f"digest-{line}",
        key=(kind, id) if accepted else None,
        patient_id=(id if kind == "Patient" else of) if accepted else "",
        content_sha256=content if accepted else "",
        flat=(Flat(kind.lower(), ({"value": content},)),) if accepted else (),
        dropped=("Patient.name",) if accepted else (),
    )


def file(*units: Judged, name: str = "f1") -> FileFindings:
    return FileFindings(name, f"sha-{name}", list(units))


def outcomes(found: FileFindings) -> list[Outcome]:
    return [one.outcome for one in found.judged]


# -- transactions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worst", "expected"),
    [
        ([A, A], [A, A]),
        ([A, R], [R, R]),
        ([A, Q], [Q, Q]),
        ([R, Q, A], [R, Q, R]),
        ([Q, R, A], [Q, R, R]),
    ],
)
def test_a_transaction_is_taken_whole_or_not_at_all(worst: list[Outcome], expected: list[Outcome]) -> None:
    """Its good entries share the outcome of the worst one, rejected before quarantined."""
    units = [
        judged(f"Patient/p{number}", group="g", outcome=outcome, line=number)
        for number, outcome in enumerate(worst, start=1)
    ]
    found = file(*units)
    settle([found], {})
    assert outcomes(found) == expected
    for before, after in zip(units, found.judged, strict=True):
        if before.outcome is not after.outcome:
            assert after.issues == (GROUP_REFUSED,)
            assert after.key is None
            assert after.flat == () == after.dropped


def test_a_failed_transaction_takes_nobody_else_with_it() -> None:
    one = judged("Patient/p1", group="g1")
    bad = judged("Patient/p2", group="g1", outcome=R)
    other = judged("Patient/p3", group="g2")
    alone = judged("Patient/p4")
    found = file(one, bad, other, alone)
    settle([found], {})
    assert outcomes(found) == [R, R, A, A]


def test_groups_of_the_same_name_in_two_files_are_two_transactions() -> None:
    """A group is named by its place in its file; the same place in another file is another Bundle."""
    bad = file(judged("Patient/p1", group="g", outcome=R), name="one")
    good = file(judged("Patient/p2", group="g"), name="two")
    settle([bad, good], {})
    assert outcomes(good) == [A]


# -- unknown patients ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "known", "expected"),
    [
        ([judged("Observation/o", of="p")], {}, Q),
        ([judged("Observation/o", of="p")], {("Patient", "p"): "v"}, A),
        ([judged("Observation/o", of="p")], {("Observation", "p"): "v"}, Q),
        ([judged("Observation/o", of="")], {}, A),
        ([judged("Observation/o", of="p"), judged("Patient/p", line=2)], {}, A),
        ([judged("Observation/o", of="p"), judged("Patient/p", line=2, outcome=R)], {}, Q),
    ],
)
def test_a_resource_waits_until_its_patient_is_there(
    units: list[Judged], known: dict[tuple[str, str], str], expected: Outcome
) -> None:
    """The patient may come later in the same upload, or have come before; a rejected one did not come."""
    found = file(*units)
    settle([found], known)
    assert outcomes(found)[0] is expected
    if expected is Q:
        assert PATIENT_UNKNOWN in found.judged[0].issues


def test_a_patient_in_another_file_of_the_upload_is_known() -> None:
    observations, patients = file(judged("Observation/o", of="p")), file(judged("Patient/p"), name="f2")
    settle([observations, patients], {})
    assert outcomes(observations) == [A]


def test_a_transaction_with_a_dangling_reference_is_quarantined_whole() -> None:
    found = file(judged("Patient/p", group="g"), judged("Observation/o", of="nobody", group="g", line=2))
    settle([found], {})
    assert outcomes(found) == [Q, Q]


def test_what_hangs_on_a_refused_transaction_is_kept_out_with_it() -> None:
    """A Patient that was not taken in is no patient that others could be about.

    The resource stands in the second file and the transaction in the first, so that neither the order
    of the files nor of the lines helps.
    """
    transaction = file(judged("Patient/p", group="g"), judged("Patient/q", group="g", outcome=R, line=2))
    others = file(judged("Observation/o", of="p"), name="f2")
    settle([transaction, others], {})
    assert outcomes(transaction) == [R, R]
    assert outcomes(others) == [Q]


# -- duplicates and versions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "contents", "expected"),
    [
        ({}, ["v1"], [A]),
        ({}, ["v1", "v1"], [A, D]),
        ({}, ["v1", "v2"], [A, A]),
        ({}, ["v1", "v2", "v1"], [A, A, A]),
        ({}, ["v1", "v1", "v1"], [A, D, D]),
        ({("Patient", "p"): "v1"}, ["v1"], [D]),
        ({("Patient", "p"): "v1"}, ["v2"], [A]),
        ({("Patient", "p"): "v1"}, ["v2", "v1"], [A, A]),
        ({("Patient", "other"): "v1"}, ["v1"], [A]),
    ],
)
def test_the_same_content_again_is_a_duplicate_and_another_is_a_newer_version(
    known: dict[tuple[str, str], str], contents: list[str], expected: list[Outcome]
) -> None:
    found = file(*(judged("Patient/p", text, line=n) for n, text in enumerate(contents, start=1)))
    settle([found], known)
    assert outcomes(found) == expected


def test_duplicates_are_recognised_across_files_in_their_order() -> None:
    first, second = file(judged("Patient/p")), file(judged("Patient/p"), name="f2")
    settle([first, second], {})
    assert (outcomes(first), outcomes(second)) == ([A], [D])


def test_a_repeat_of_what_was_rejected_is_no_duplicate() -> None:
    """Nothing of the first was stored, so the second is the first that counts."""
    first = file(judged("Patient/p", group="g"), judged("Patient/q", group="g", outcome=R, line=2))
    second = file(judged("Patient/p"), name="f2")
    settle([first, second], {})
    assert (outcomes(first), outcomes(second)) == ([R, R], [A])


# -- rows ------------------------------------------------------------------------------------------


def rows(*files: FileFindings) -> dict[str, list[dict[str, object]]]:
    return lake_rows(files, organisation_id="org", source_system="his")


def test_of_several_versions_the_last_one_sent_is_stored() -> None:
    first = file(judged("Patient/p", "v1", line=1), judged("Patient/p", "v2", line=2))
    second = file(judged("Patient/p", "v3", line=7), name="f2")
    settle([first, second], {})
    assert [row["value"] for row in rows(first, second)["patient"]] == ["v3"]
    ledger = rows(first, second)["resource"]
    assert [(row["source_file_sha256"], row["source_line"]) for row in ledger] == [("sha-f2", 7)]


def test_every_row_says_where_it_came_from() -> None:
    found = file(judged("Patient/p", line=4))
    settle([found], {})
    row = rows(found)["patient"][0]
    assert row == {
        "value": "v1",
        "organisation_id": "org",
        "source_system": "his",
        "resource_type": "Patient",
        "resource_id": "p",
        "source_file_sha256": "sha-f1",
        "source_line": 4,
        "line_digest": "digest-4",
        "content_sha256": "v1",
        "patient_id": "p",
        "row_index": 0,
    }


def test_a_row_says_whose_it_is_where_its_resource_does() -> None:
    """Also where the table's definition has no such column: a device may be in a patient, or on the shelf."""
    found = file(judged("Patient/p"), judged("Device/d", of="p", line=2), judged("Device/e", line=3))
    settle([found], {})
    assert [row.get("patient_id") for row in rows(found)["device"]] == ["p", None]
    assert [row["patient_id"] for row in rows(found)["resource"]] == ["p", "p", ""]


def test_a_view_cannot_overwrite_where_a_row_came_from() -> None:
    """A column of a view that is named like one of the platform's own does not win."""
    one = judged("Patient/p")
    forged = Judged(**{**vars(one), "flat": (Flat("patient", ({"organisation_id": "another"},)),)})
    assert rows(file(forged))["patient"][0]["organisation_id"] == "org"


def test_what_was_not_accepted_gives_no_row() -> None:
    found = file(
        judged("Patient/r", outcome=R),
        judged("Observation/o", of="nobody", line=2),
        judged("Patient/p", line=3),
    )
    settle([found], {("Patient", "p"): "v1"})
    assert outcomes(found) == [R, Q, D]
    assert rows(found) == {"resource": []}


def test_several_rows_of_one_resource_are_numbered() -> None:
    one = judged("Observation/o")
    many = Judged(**{**vars(one), "flat": (Flat("measurement", ({"code": "a"}, {"code": "b"})),)})
    assert [row["row_index"] for row in rows(file(many))["measurement"]] == [0, 1]


# -- accounts --------------------------------------------------------------------------------------


def test_the_account_counts_every_unit_once() -> None:
    found = file(
        judged("Patient/p"),
        judged("Patient/p", line=2),
        judged("Patient/r", outcome=R, line=3),
        judged("Observation/o", of="nobody", line=4),
    )
    settle([found], {})
    assert found.accounting == Accounting(accepted=1, rejected=1, quarantined=1, duplicate=1)
    assert found.accounting.received == len(found.judged)


def test_a_file_whose_bytes_came_before_is_all_duplicate() -> None:
    repeated = FileFindings("f2", "sha", repeats=Accounting(duplicate=3))
    settle([repeated], {})
    assert repeated.accounting == Accounting(duplicate=3)


def test_nothing_at_all_adds_up_too() -> None:
    settle([], {})
    assert rows() == {"resource": []}
    assert file().accounting == Accounting()


def test_a_refusal_keeps_the_digest_and_the_place_and_forgets_the_content() -> None:
    """The receipt still names the line; nothing of the patient goes further."""
    one = judged("Patient/p", line=9)
    refused = one.refused(Q, PATIENT_UNKNOWN)
    assert (refused.digest, refused.place, refused.resource_type) == (one.digest, one.place, "Patient")
    assert (refused.key, refused.patient_id, refused.content_sha256, refused.flat) == (None, "", "", ())


def test_a_place_is_stored_field_by_field() -> None:
    assert place_fields(Place("a.csv", 3, 2, "性别", None)) == {
        "file": "a.csv", "line": 3, "row": 2, "column": "性别", "entry": None,
    }  # fmt: skip


def reasons() -> Iterable[Issue]:
    return (GROUP_REFUSED, ID_MISSING, PATIENT_MISSING, PATIENT_UNKNOWN)


@pytest.mark.parametrize("issue", reasons(), ids=lambda issue: issue.rule)
def test_every_reason_is_in_both_languages_and_says_what_to_do(issue: Issue) -> None:
    for chinese in (issue.zh, issue.next_zh):
        assert any("一" <= letter <= "鿿" for letter in chinese)
    for english in (issue.en, issue.next_en):
        assert english and not any("一" <= letter <= "鿿" for letter in english)
