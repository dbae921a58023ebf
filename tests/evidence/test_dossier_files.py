"""A package for a purpose: whole, checkable offline, the same each time; and an incomplete one is not made."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.p256 import ALGORITHM, report_signer
from studies.dataset import build as build_dataset
from studies.evidence.changes import CHANGES_JSON, read_version
from studies.evidence.checklists.render import FOLDER
from studies.evidence.curation import CONSENTS_JSON, CURATION_PLAN, FITNESS_JSON, MISSINGNESS
from studies.evidence.documents import SEALED, SIGNOFF_JSON, VOLATILE
from studies.evidence.dossier_files import Held, held
from studies.evidence.inputs import PackageInputs, ReportSigner, Rows
from studies.evidence.package import BuiltPackage, build, lacking
from studies.evidence.profiles.conditions import WITHHELD_HERE, StudyFacts
from studies.evidence.profiles.dossier import CONTENTS_JSON, hold
from studies.evidence.profiles.profile import profile, profiles
from studies.evidence.report.pdf_signature import ORGANISATION, PLATFORM
from studies.evidence.report.pdf_signatures_read import read_signatures
from studies.evidence.statements import STATEMENTS_JSON, asked_for, of_profile
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from studies.missingness import missingness
from studies.run import run_analyses
from tests.evidence.fixtures import (
    DEMONSTRATION_LACKS,
    FITNESS,
    dossier_inputs,
    fit_statements,
    log_extract,
    package_signer,
    small_inputs,
    with_lines,
)
from tests.evidence.submission.keys import needs_openssl, opened, recipient
from tests.studies.rotterdam_lock import rotterdam_lock, rotterdam_protocol

DICTIONARY, DEFINE = "data/03_data/data_dictionary.csv", "data/03_data/define.xml"
GUIDES = {"data/03_data/data_guide_zh.docx", "data/03_data/data_guide_en.docx"}
HOSTILE = '<script>alert(1)</script><img src=x onerror=1> =cmd|" /C calc"!A0 {{7*7}} #set page()'
# Each purpose once: every tier, and both audiences, are among them.
MADE = {
    "reg_drug": ("authority", "T3"),
    "indication": ("authority", "T2"),
    "reg_device": ("authority", "T1"),
    "special_food": ("authority", "T0"),
    "post_market": ("aggregate", "T1"),
    "nhsa": ("aggregate", "T1"),
    "commercial": ("aggregate", "T0"),
    "award": ("aggregate", "T0"),
    "pre_communication": ("aggregate", "T0"),
}
# Building a package takes seconds, on each worker: the others are built in the long form.
_USUAL = ("reg_drug", "nhsa", "award")


def each(ids: Collection[str]) -> list[Any]:
    return [pytest.param(id, marks=() if id in _USUAL else pytest.mark.long) for id in ids]


EACH = each(sorted(MADE))
PAPERS_ALONE = {"award", "pre_communication"}
AGGREGATE = sorted(
    id for id, (audience, _) in MADE.items() if audience == "aggregate" and id not in PAPERS_ALONE
)
EACH_AGGREGATE = each(AGGREGATE)
Builder = Callable[[str], BuiltPackage]


def sealer() -> ReportSigner:
    one = report_signer(KeyRing(b"a root key that only tests use.."), "reports of the tests")
    return ReportSigner(one.name, ALGORITHM, one.public_key, one.sign)


def inputs_of(id: str, **changes: Any) -> PackageInputs:
    audience, tier = MADE[id]
    certificate = recipient().certificate if tier == "T3" else None
    words = fit_statements()
    if id == "commercial":
        words["use"] = words["funding"] = Bilingual(HOSTILE, HOSTILE)
    told = {"statements": words, "certificate": certificate, "report_signer": sealer(), **changes}
    return dossier_inputs(id, audience, tier, **told)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    known: dict[str, BuiltPackage] = {}

    def of(id: str) -> BuiltPackage:
        if id not in known:
            known[id] = build(inputs_of(id), tmp_path_factory.mktemp("made"))
        return known[id]

    return of


def document(built: BuiltPackage, name: str) -> Any:
    return json.loads((built.folder / name).read_bytes())


def below(built: BuiltPackage, folder: str) -> set[str]:
    return {name for name in built.file_names if name.startswith(folder)}


def held_without(id: str, built: BuiltPackage, gone: Collection[str]) -> Held:
    """The purpose held against the files of its package, as if these things had not been said."""
    inputs = inputs_of(id)
    assert inputs.dossier is not None
    said = {key: words for key, words in inputs.dossier.statements.items() if key not in gone}
    files = {name: (built.folder / name).read_bytes() for name in built.file_names}
    dossier = dataclasses.replace(inputs.dossier, statements=said)
    return held(dataclasses.replace(inputs, dossier=dossier), files, (), inputs.is_aggregate)


def needed(id: str, built: BuiltPackage) -> set[str]:
    return {one.id for one in held_without(id, built, set(fit_statements())).lacking}


# Whole and checkable


def test_every_purpose_is_made_once_here() -> None:
    assert set(MADE) == set(profiles()) and {tier for _, tier in MADE.values()} == {"T0", "T1", "T2", "T3"}


@pytest.mark.parametrize("id", EACH)
def test_a_package_for_a_purpose_holds_what_its_reader_expects(id: str, made: Builder) -> None:
    built = made(id)
    contents = document(built, CONTENTS_JSON)
    assert contents["profile"] == id and contents["found"] == contents["expected"] > 0
    assert {part["status"] for part in contents["parts"]} <= {"found", "not_asked", "left_out"}
    assert {file for part in contents["parts"] for file in part["files"]} <= set(built.file_names)
    pages = {f"{FOLDER}/{one}.{kind}" for one in profile(id).checklists for kind in ("json", "html")}
    assert below(built, FOLDER) == pages
    for one in profile(id).checklists:
        counts = document(built, f"{FOLDER}/{one}.json")["counts"]
        assert sum(counts.values()) > 0
    governance = {CURATION_PLAN, CONSENTS_JSON, MISSINGNESS}
    assert STATEMENTS_JSON in built.file_names
    assert governance & set(built.file_names) == (set() if id in PAPERS_ALONE else governance)
    described = document(built, standalone.PACKAGE_JSON)
    assert (described["profile"], described["audience"], described["row_data_tier"]) == (id, *MADE[id])


@pytest.mark.parametrize("id", EACH)
def test_it_verifies_offline_with_the_program_inside_and_with_ours(id: str, made: Builder) -> None:
    built = made(id)
    found = verify_package(built.path, package_signer().public_key)
    assert found.failures == () and found.package_id == built.package_id
    assert found.numbers == 0 if id in PAPERS_ALONE else found.numbers > 100
    assert found.files == len(built.file_names) - 2
    command = [sys.executable, "-I", str(built.folder / "data/09_audit/verify.py"), str(built.folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert told.returncode == 0, told.stdout + told.stderr


def test_a_contents_file_that_was_touched_is_found(made: Builder, tmp_path: Path) -> None:
    """What the reader is told to expect is signed like everything else."""
    spoilt = tmp_path / "spoilt.zip"
    with zipfile.ZipFile(made("award").path) as old, zipfile.ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b"found", b"fuond") if name.endswith(CONTENTS_JSON) else content
            )
    failures = verify_package(spoilt, package_signer().public_key).failures
    assert CONTENTS_JSON in {one.place for one in failures}


def test_a_second_build_is_the_same_save_the_volatile_files(made: Builder, tmp_path: Path) -> None:
    """Of the purpose with most in it: rows sealed anew, another day's log; nothing else differs."""
    built = made("reg_drug")
    again = build(inputs_of("reg_drug", log=log_extract(small_inputs().results, day=2)), tmp_path)
    assert (again.package_id, again.file_names) == (built.package_id, built.file_names)
    differing = {
        name
        for name in built.file_names
        if (built.folder / name).read_bytes() != (again.folder / name).read_bytes()
    }
    assert {SEALED, standalone.SIGNATURE} <= differing <= set(VOLATILE)


@pytest.mark.parametrize("id", EACH)
def test_a_reader_gets_the_words_of_the_purpose_and_no_others(id: str, made: Builder) -> None:
    stated = document(made(id), STATEMENTS_JSON)["statements"]
    assert set(stated) == set(of_profile(profile(id), fit_statements())) >= set(asked_for(profile(id)))
    other = "value_social" if id != "nhsa" else "why_no_trial"
    said = fit_statements()[other].en
    for name in made(id).file_names:
        assert said.encode() not in (made(id).folder / name).read_bytes(), name


def test_hostile_words_are_words_wherever_they_stand(made: Builder) -> None:
    built = made("commercial")
    assert document(built, STATEMENTS_JSON)["statements"]["use"]["said"] == {"zh": HOSTILE, "en": HOSTILE}
    pages = [name for name in built.file_names if name.endswith((".html", ".md", ".svg"))]
    assert len(pages) > 2
    for name in pages:
        text = (built.folder / name).read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<img src=x" not in text, name


# Signed reports


@pytest.mark.parametrize("id", ["reg_drug", "award"])
def test_every_pdf_is_signed_by_the_key_that_the_sign_off_names(id: str, made: Builder) -> None:
    built = made(id)
    told = document(built, SIGNOFF_JSON)["report_signature"]
    assert told == {
        "signer": sealer().name, "algorithm": ALGORITHM, "public_key": sealer().public_key.hex()
    }  # fmt: skip
    pdfs = [name for name in built.file_names if name.endswith(".pdf")]
    assert {"data/06_report/report_zh.pdf", "data/06_report/report_en.pdf"} <= set(pdfs)
    for name in pdfs:
        content = (built.folder / name).read_bytes()
        found = read_signatures(content)
        (one,) = found.signed
        assert one.holds and one.intact and one.covers_file and one.later == "nothing", name
        assert one.field == PLATFORM and found.empty_fields == (ORGANISATION,)
        assert one.public_key == bytes.fromhex(told["public_key"]) and one.signer == sealer().name
        place = content.index(b"/MediaBox") + 11
        broken = read_signatures(content[:place] + b"1" + content[place + 1 :]).signed[0]
        assert not broken.holds


def test_without_a_key_for_reports_the_sign_off_says_so(package: BuiltPackage) -> None:
    assert document(package, SIGNOFF_JSON)["report_signature"] is None
    pdf = (package.folder / "data/06_report/report_zh.pdf").read_bytes()
    assert read_signatures(pdf).signed == ()


# Rows by tier


def test_each_tier_puts_in_what_it_names_and_nothing_else(made: Builder) -> None:
    assert below(made("reg_drug"), "data/03_data/") == {DEFINE, DICTIONARY, SEALED, *GUIDES}
    assert below(made("indication"), "data/03_data/") == {DEFINE, DICTIONARY, *GUIDES}
    for id in ("reg_device", "special_food", *AGGREGATE):
        assert below(made(id), "data/03_data/") == {DICTIONARY}, id
    for id in PAPERS_ALONE:
        assert below(made(id), "data/03_data/") == set(), id


@needs_openssl
def test_sealed_rows_open_with_the_recipient_s_key_and_are_nowhere_else(
    made: Builder, tmp_path: Path
) -> None:
    built = made("reg_drug")
    inside = opened((built.folder / SEALED).read_bytes(), recipient(), tmp_path)
    assert {"datasets/xpt/adsl.xpt", "datasets/json/adsl.json"} <= set(inside)
    assert not [name for name in built.file_names if name.endswith(".xpt") or "/datasets/" in name]
    subjects = sorted(set(small_inputs().lineage["subject_id"]))
    assert subjects[0].encode() in inside["datasets/json/adsl.json"]
    told = json.loads(inside["datasets/json/adsl.json"])["rows"]
    random_row = json.dumps(random.Random(3).choice(told), ensure_ascii=False)[1:-1].encode()
    for name in built.file_names:
        content = (built.folder / name).read_bytes()
        content = gzip.decompress(content) if name.endswith(".gz") else content
        assert random_row not in content and random_row.replace(b", ", b",") not in content, name
        assert not any(one.encode() in content for one in subjects[:40]), name


def test_without_rows_not_even_their_description_is_there(tmp_path: Path) -> None:
    inputs = inputs_of("award")
    assert inputs.dossier is not None
    bare = dataclasses.replace(inputs, dossier=dataclasses.replace(inputs.dossier, rows=None))
    assert below(build(bare, tmp_path), "data/03_data/") == set()


@pytest.mark.parametrize(
    ("audience", "tier", "code"),
    [
        ("aggregate", "T3", "evidence.tier_not_for"), ("aggregate", "T2", "evidence.tier_not_for"),
        ("authority", "T4", "submission.tier_never"), ("authority", "", "submission.tier_unknown"),
        ("authority", "T9", "submission.tier_unknown"),
    ],
)  # fmt: skip
def test_a_tier_that_the_reader_may_not_get_is_refused_before_anything_is_made(
    audience: str, tier: str, code: str, tmp_path: Path
) -> None:
    inputs = dossier_inputs("reg_drug", "authority", "T1")
    assert inputs.dossier is not None
    wanted = dataclasses.replace(inputs.dossier, tier=tier)
    changed = dataclasses.replace(inputs, audience=audience, dossier=wanted)  # type: ignore[arg-type]  # a parameter is a str to mypy
    for make in (lacking, lambda one: build(one, tmp_path / "out")):
        with pytest.raises(PlatformError) as told:
            make(changed)
        assert told.value.code == code
    assert not list(tmp_path.iterdir())


def test_rows_without_a_certificate_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as told:
        build(inputs_of("reg_drug", certificate=None), tmp_path / "out")
    assert told.value.code == "submission.tier_needs_certificate" and not list(tmp_path.iterdir())


# An aggregate edition


@pytest.mark.parametrize("id", EACH_AGGREGATE)
def test_an_aggregate_package_names_no_patient_and_counts_no_arm(id: str, made: Builder) -> None:
    built = made(id)
    text = (built.folder / MISSINGNESS).read_text(encoding="utf-8-sig")
    head, *lines = csv.reader(io.StringIO(text))
    assert head == ["variable", "title_zh", "title_en", "missing_percent_from", "missing_percent_to"]
    assert len(lines) > 5 and all(int(high) - int(low) >= 5 for *_, low, high in lines)
    assert not [name for name in built.file_names if "lineage" in name or "row_sets" in name]
    lineage = small_inputs().lineage
    ids = [*sorted(set(lineage["subject_id"]))[::40], *sorted(set(lineage["line_digest"]))[::400]]
    for name in built.file_names:
        content = (built.folder / name).read_bytes()
        assert not any(one.encode() in content for one in ids), name


def test_how_fit_the_data_are_goes_to_an_authority_alone(made: Builder) -> None:
    """Its figures are counts of the store."""
    assert document(made("reg_drug"), FITNESS_JSON) == {"format_version": 1, **FITNESS}
    assert FITNESS_JSON not in made("nhsa").file_names


def test_an_authority_gets_the_counts(made: Builder) -> None:
    text = (made("reg_drug").folder / MISSINGNESS).read_text(encoding="utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    people = len(set(small_inputs().lineage["subject_id"]))
    assert {"exposed_missing", "comparator_missing"} <= set(lines[0])
    assert all(int(line["subjects"]) >= people for line in lines)
    assert all(int(one["subjects"]) == int(one["exposed"]) + int(one["comparator"]) for one in lines)


def of_a_few(id: str) -> PackageInputs:
    """The same study on every fortieth patient, for an aggregate reader."""
    tables = rotterdam_lock()
    wanted = set(tables["subject"]["subject_id"].iloc[::40])
    tables = {name: frame[frame["subject_id"].isin(wanted)] for name, frame in tables.items()}
    dataset = build_dataset(tables, rotterdam_protocol())
    results = run_analyses(dataset, rotterdam_protocol(), "lock-few")
    changed: dict[str, Any] = {
        "results": results,
        "log": log_extract(results),
        "attrition": dataset.attrition,
    }
    inputs = dossier_inputs(id, "aggregate", lineage=with_lines(dataset.lineage), **changed)
    assert inputs.dossier is not None
    rows, missing = Rows(dataset), missingness(tables, rotterdam_protocol())
    return dataclasses.replace(
        inputs, dossier=dataclasses.replace(inputs.dossier, rows=rows, missing=missing)
    )


def test_results_of_a_few_are_not_missed_in_an_aggregate_package_and_the_reason_stands_there(
    tmp_path: Path,
) -> None:
    """75 patients: most results are of fewer than ten people, and nobody could add them."""
    built = build(of_a_few("post_market"), tmp_path)
    assert verify_package(built.path, package_signer().public_key).failures == ()
    coarsening = document(built, standalone.PACKAGE_JSON)["coarsening"]
    assert len(coarsening["withheld_results"]) > 100
    told = {row["id"] for row in document(built, standalone.ARD_JSON)["rows"]}
    assert not told & set(coarsening["withheld_results"])
    reason = {"zh": WITHHELD_HERE.zh, "en": WITHHELD_HERE.en}
    items = {
        f"{id}.{one['id']}": one
        for id in profile("post_market").checklists
        for one in document(built, f"{FOLDER}/{id}.json")["items"]
    }
    hidden = {id: one for id, one in items.items() if one["reason"] == reason}
    assert {"STROBE.14", "STROBE.16", "DataSAT.follow_up"} <= set(hidden)
    assert {one["status"] for one in hidden.values()} == {"not_applicable"}
    page = (built.folder / f"{FOLDER}/STROBE.html").read_text(encoding="utf-8")
    of_strobe = sum(id.startswith("STROBE.") for id in hidden)
    assert page.count(WITHHELD_HERE.zh) == page.count(WITHHELD_HERE.en) == of_strobe
    bands = list(csv.reader(io.StringIO((built.folder / MISSINGNESS).read_text(encoding="utf-8-sig"))))[1:]
    assert {(low, high) for *_, low, high in bands} == {("0", "15")}, "10 of 75 are more than 13 percent"


def test_a_part_of_results_is_withheld_and_another_part_is_missed() -> None:
    small, one = small_inputs(), profile("post_market")
    facts = StudyFacts(small.protocol, small.results, frozenset(), "T1", 1, "aggregate", withheld=True)
    stands = {each.part.id: each for each in hold(one, facts, (), {}).stands}
    results = {part.id for part in one.parts if part.files and not part.when}
    results = {id for id in results if all("/05_results/" in file for file in stands[id].part.files)}
    assert {"tables", "figures"} <= results
    for id in results:
        assert (stands[id].status, stands[id].reason) == ("not_asked", WITHHELD_HERE)
    assert stands["protocol"].status == stands["quality"].status == "missing"
    told = dataclasses.replace(facts, withheld=False)
    assert {each.part.id for each in hold(one, told, (), {}).missing} >= results


# Incomplete


def test_an_incomplete_package_is_not_made_and_says_who_acts_first(tmp_path: Path) -> None:
    inputs = inputs_of("award", statements={})
    listed = lacking(inputs)
    assert [one.id for one in listed] == list(asked_for(profile("award")))
    with pytest.raises(PlatformError) as told:
        build(inputs, tmp_path / "out")
    error = told.value
    assert error.code == "evidence.incomplete" and error.as_dict()["en"]
    assert "(4)" in error.en and all(one.id in error.en for one in listed)
    assert listed[0].who.en in error.next_en and listed[0].who.zh in error.next_zh
    assert "rwd evidence missing" in error.next_en
    assert not list(tmp_path.iterdir()), "nothing was written"


@pytest.mark.parametrize("id", EACH)
def test_with_nothing_said_all_that_is_needed_is_listed_once_with_who_and_what(
    id: str, made: Builder
) -> None:
    found = held_without(id, made(id), set(fit_statements()))
    ids = [one.id for one in found.lacking]
    required = {part.statement for part in profile(id).parts if part.statement and part.need == "always"}
    assert len(ids) == len(set(ids)) and required <= set(ids)
    assert set(ids) <= {*asked_for(profile(id)), *DEMONSTRATION_LACKS}
    for one in found.lacking:
        assert all((*one.title, *one.who, *one.next)) and one.statement in ("", one.id)
    with pytest.raises(PlatformError) as told:
        found.check()
    assert f"({len(ids)})" in told.value.en
    assert all(one in told.value.en for one in ids[:6]) and ("…" in told.value.en) == (len(ids) > 6)


@pytest.mark.parametrize("id", ["reg_drug", "nhsa", "award"])
def test_a_statement_taken_away_alone_is_exactly_what_is_lacking(id: str, made: Builder) -> None:
    built, chance = made(id), random.Random(20261123)
    wanted = needed(id, built)
    assert held_without(id, built, ()).lacking == ()
    held_without(id, built, ()).check()
    for gone in chance.sample(sorted(wanted), min(8, len(wanted))):
        (only,) = held_without(id, built, {gone}).lacking
        assert only.id == gone
    spare = sorted(set(fit_statements()) - wanted)
    assert held_without(id, built, spare).lacking == (), "what is not needed is not missed"


def test_the_flow_s_own_question_gives_the_same_answer(tmp_path: Path) -> None:
    """`lacking` drafts the package itself; one statement gone, one thing told."""
    words = {key: said for key, said in fit_statements().items() if key != "funding"}
    (only,) = lacking(inputs_of("commercial", statements=words))
    assert only.id == only.statement == "funding" and not list(tmp_path.iterdir())


# The next version


def test_a_later_version_tells_what_changed_and_its_index_is_no_change(made: Builder, tmp_path: Path) -> None:
    first = made("award")
    words = fit_statements() | {"production": Bilingual("许可证 2 号。", "Licence number 2.")}
    again = build(
        inputs_of("award", statements=words, version=2, previous=read_version(first.path)), tmp_path
    )  # fmt: skip
    found = document(again, CHANGES_JSON)
    assert found["files"]["added"] == found["files"]["removed"] == []
    # The report names the version it is of.
    assert found["files"]["changed"] == [STATEMENTS_JSON, "data/06_report/report.json"]
    assert verify_package(again.path, package_signer().public_key).failures == ()
