"""A package of papers alone: what people stated, the protocol, the approvals, and no result though there are some."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.package import BuiltPackage, build
from studies.evidence.papers import Paper, Papers
from studies.evidence.profiles.profile import load_profile, profile
from studies.evidence.statements import STATEMENTS_JSON
from studies.evidence.templates import verify as standalone
from tests.evidence.accepting import members_of
from tests.evidence.fixtures import dossier_inputs, fit_statements, resigned, small_inputs

PURPOSES = ("award", "pre_communication")
# Folder by folder, all that may be there.
ALLOWED = (
    "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "signature.json", "data/00_index/",
    "data/01_protocol/", "data/02_governance/statements.json", "data/02_governance/ethics.json",
    "data/02_governance/agreements.json", "data/05_results/ard.json", "data/05_results/labels.json",
    "data/05_results/tables/", "data/06_report/numbers.json", "data/06_report/report", "data/08_trace/follow.py",
    "data/09_audit/", "data/10_signoff/signoff.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], BuiltPackage]:
    known: dict[str, BuiltPackage] = {}

    def of(id: str) -> BuiltPackage:
        if id not in known:
            known[id] = build(dossier_inputs(id), tmp_path_factory.mktemp(id))
        return known[id]

    return of


def document(built: BuiltPackage, name: str) -> Any:
    return json.loads((built.folder / name).read_bytes())


@pytest.mark.parametrize("id", PURPOSES)
def test_it_holds_papers_and_nothing_that_was_counted(id: str, made: Callable[[str], BuiltPackage]) -> None:
    built = made(id)
    assert all(name.startswith(ALLOWED) for name in built.file_names)
    described, results = (document(built, name) for name in (standalone.PACKAGE_JSON, standalone.ARD_JSON))
    assert described["results"] == "none" and "lock_id" not in described and "results_sha256" not in described
    assert (results["rows"], results["series"], results["row_sets"], results["not_done"]) == ([], [], {}, {})
    assert document(built, standalone.NUMBERS_JSON)["numbers"] == []


@pytest.mark.parametrize("id", PURPOSES)
def test_no_number_of_the_study_stands_anywhere_in_it(id: str, made: Callable[[str], BuiltPackage]) -> None:
    """The study has results: its hazard ratio, its people, its lock are looked for in every file."""
    results = small_inputs().results
    ratio = next(row.value for row in results.rows if row.statistic == "hazard_ratio")
    wanted = [f"{ratio:.2f}".encode(), results.lock_id.encode()]
    texts = {
        name: content
        for name, content in members_of(made(id).folder).items()
        if name.startswith(("data/00", "data/02", "data/05", "data/06"))
        and not name.endswith((".pdf", ".docx"))
    }
    assert len(texts) > 8
    for name, content in texts.items():
        visible = content.split(b"@font-face")[0] + content.rpartition(b"</style>")[2]
        assert not any(one in visible for one in wanted), name


@pytest.mark.parametrize("id", PURPOSES)
def test_each_statement_stands_in_the_document_under_the_title_of_its_part(
    id: str, made: Callable[[str], BuiltPackage]
) -> None:
    said = fit_statements()
    for language in ("zh", "en"):
        content = (made(id).folder / f"data/06_report/report_{language}.docx").read_bytes()
        lines = [one.text for one in docx.Document(io.BytesIO(content)).paragraphs]
        for part in profile(id).parts:
            if part.statement:
                title = part.title.in_language(language)  # type: ignore[arg-type]  # one of the two
                # The contents list the title too.
                places = [place for place, line in enumerate(lines) if line == title]
                assert said[part.statement].in_language(language) in [lines[place + 1] for place in places]  # type: ignore[arg-type]  # as above


def test_words_without_english_are_printed_as_they_are(tmp_path: Path) -> None:
    words = fit_statements() | {"product": Bilingual("一种经导管植入的瓣膜，用于不宜手术的患者群体。", "")}
    built = build(dossier_inputs("pre_communication", statements=words), tmp_path)
    content = (built.folder / "data/06_report/report_en.docx").read_bytes()
    assert words["product"].zh in [one.text for one in docx.Document(io.BytesIO(content)).paragraphs]


def test_the_same_papers_give_the_same_package_whatever_the_study_found(
    made: Callable[[str], BuiltPackage], tmp_path: Path
) -> None:
    other = dossier_inputs("award", quality={"anything": 3}, attrition=())
    assert build(other, tmp_path).package_id == made("award").package_id


def test_approvals_on_file_stand_in_it_by_hospital(tmp_path: Path) -> None:
    inputs = dossier_inputs("pre_communication")
    hospital = inputs.sources[0]
    approval = Paper("E-7", hospital.organisation_id, hospital.name, "2026-01-01", sites=("*",))
    papers = Papers("2026-03-01", (approval,))
    assert inputs.dossier is not None
    built = build(
        dataclasses.replace(inputs, dossier=dataclasses.replace(inputs.dossier, papers=papers)), tmp_path
    )
    listed = document(built, "data/02_governance/ethics.json")["hospitals"]
    assert [one["covered"] for one in listed] == ["own", *["recognised"] * (len(listed) - 1)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/05_results/ard.json", None),
        ("data/05_results/figures/km_zh.svg", b"<svg/>"),
        ("data/08_trace/attrition.json", b"{}"),
        ("data/04_quality/quality.json", b"{}"),
        ("data/03_data/define.xml", b"<x/>"),
    ],
)
def test_one_that_says_it_holds_no_results_and_holds_some_does_not_verify(
    name: str, content: bytes | None, made: Callable[[str], BuiltPackage], tmp_path: Path
) -> None:
    """Though its signer signed it so."""
    forged = tmp_path / made("award").folder.name
    shutil.copytree(made("award").folder, forged)
    if content is None:
        content = json.dumps({**json.loads((forged / name).read_bytes()), "rows": [{"id": "x"}]}).encode()
    (forged / name).parent.mkdir(parents=True, exist_ok=True)
    (forged / name).write_bytes(content)
    resigned(forged)
    failures = standalone.check_package(forged).failures
    assert name in {one.place for one in failures}


def test_a_profile_says_that_it_holds_none_or_says_nothing() -> None:
    text = (Path(__file__).parents[2] / "studies/evidence/profiles/purposes/award.yaml").read_text(
        encoding="utf-8"
    )
    assert not load_profile(text).results and load_profile(text.replace("results: none\n", "")).results
    with pytest.raises(Exception, match="results"):
        load_profile(text.replace("results: none", "results: some"))


def test_statements_travel_as_data_too(made: Callable[[str], BuiltPackage]) -> None:
    stated = document(made("pre_communication"), STATEMENTS_JSON)["statements"]
    assert {one.id for one in profile("pre_communication").statements} <= set(stated)
