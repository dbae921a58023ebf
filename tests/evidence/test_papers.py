"""Ethics approvals and data use agreements on file, as a package tells of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import zipfile
from pathlib import Path

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.package import build
from studies.evidence.papers import AGREEMENTS_JSON, ETHICS_JSON, Paper, Papers, papers_documents, standing_of
from tests.evidence.fixtures import dossier_inputs

A, B, C = (Bilingual(f"{zh}医院", f"Hospital {en}") for zh, en in (("甲", "A"), ("乙", "B"), ("丙", "C")))
HOSPITALS = {"a": A, "b": B, "c": C}


def paper(number: str, organisation: str = "a", **differs: object) -> Paper:
    return dataclasses.replace(Paper(number, organisation, HOSPITALS[organisation], "2026-01-01"), **differs)


def covered(*approvals: Paper) -> list[tuple[str, str | None]]:
    found = standing_of(Papers("2026-03-01", approvals), HOSPITALS)
    return [(one.covered, one.approval and one.approval.number) for one in found]


@pytest.mark.parametrize(
    ("approvals", "expected"),
    [
        ([], [("none", None), ("none", None), ("none", None)]),
        ([paper("E1", sites=("a",))], [("own", "E1"), ("none", None), ("none", None)]),
        ([paper("E1", sites=("a", "b"))], [("own", "E1"), ("recognised", "E1"), ("none", None)]),
        ([paper("E1", sites=("*",))], [("own", "E1"), ("recognised", "E1"), ("recognised", "E1")]),
        ([paper("E1", sites=("b",))], [("none", None), ("recognised", "E1"), ("none", None)]),
        ([paper("E1", sites=("*",), in_force=False)], [("none", None), ("none", None), ("none", None)]),
    ],
    ids=["none", "its own", "one other recognises", "all recognise", "names another alone", "over"],
)
def test_an_approval_covers_the_hospitals_that_it_names_while_it_is_in_force(approvals, expected):
    assert covered(*approvals) == expected


def test_a_hospitals_own_approval_is_told_before_one_that_it_recognises():
    found = covered(paper("E1", sites=("*",)), paper("E2", "b", sites=("b",)))
    assert found == [("own", "E1"), ("own", "E2"), ("recognised", "E1")]


def test_an_agreement_is_its_hospitals_alone_and_one_that_is_over_is_listed_and_does_not_count():
    papers = Papers(
        "2026-03-01", (), (paper("D1"), paper("D2", "b", in_force=False, revoked_on="2026-02-01"))
    )
    made = papers_documents(papers, HOSPITALS)[AGREEMENTS_JSON]
    assert [one["numbers"] for one in made["hospitals"]] == [["D1"], [], []]
    assert [(one["number"], one["in_force"], one["revoked_on"]) for one in made["agreements"]] == [
        ("D1", True, None),
        ("D2", False, "2026-02-01"),
    ]


def rows_of(package: Path, language: str) -> list[list[str]]:
    with zipfile.ZipFile(package) as archive:
        name = next(one for one in archive.namelist() if one.endswith(f"tables/papers_{language}.csv"))
        return list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


def test_the_report_holds_a_line_of_each_hospital_beside_what_its_uploads_stated(tmp_path):
    inputs = dossier_inputs("reg_drug")
    hospital = inputs.sources[0]
    own = Paper(
        "E-2026-7", hospital.organisation_id, hospital.name, "2026-01-01", "2027-12-31",
        sites=(hospital.organisation_id,), sha256="ab" * 32,
    )  # fmt: skip
    agreed = Paper("D-2026-9", hospital.organisation_id, hospital.name, "2026-01-01")
    papers = Papers("2026-03-01", (own,), (agreed,))
    dossier = dataclasses.replace(inputs.dossier, papers=papers)
    built = build(dataclasses.replace(inputs, dossier=dossier), tmp_path)
    rows = rows_of(built.path, "en")
    assert rows[1] == [hospital.name.en, "E-2026-7", "its own", "2027-12-31", "D-2026-9"]
    assert len(rows) == 1 + len({one.organisation_id for one in inputs.sources})
    assert all(row[1:] == ["none on file", "none on file", "—", "none on file"] for row in rows[2:])
    written = json.loads((built.folder / ETHICS_JSON).read_text())
    assert written["as_of"] == "2026-03-01" and written["approvals"][0]["sha256"] == "ab" * 32


def test_a_study_of_which_nothing_is_on_file_says_so_by_hospital(tmp_path):
    built = build(dossier_inputs("nhsa"), tmp_path)
    rows = rows_of(built.path, "zh")
    assert {cell for row in rows[1:] for cell in row[1:]} == {"未登记", "—"}
    assert json.loads((built.folder / AGREEMENTS_JSON).read_text())["agreements"] == []
