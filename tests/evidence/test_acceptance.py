"""Acceptance, part by part: a whole package is accepted, and each part fails by name when it is broken on purpose."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.flows import accept_apart
from rwd_platform.flows.accept_disclosure import disclosure_part
from rwd_platform.flows.accept_package import accept_package
from rwd_platform.flows.accept_pdfs import pdfs_of
from rwd_platform.flows.recompute_package import (
    COARSENING,
    Recomputed,
    differing,
    differing_steps,
    recompute,
)
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.p256 import ALGORITHM, report_signer
from studies.evidence.acceptance import (
    EXPECTED,
    FOLLOW,
    PLAIN_NUMBERS,
    RERUN,
    SOURCE,
    VERIFY,
    Acceptance,
    end_of,
    foreign_programs,
    has_twin,
    numbers_part,
    own_programs,
)
from studies.evidence.acceptance_contents import checklists_part
from studies.evidence.ars import ARS_JSON
from studies.evidence.bag import PackageSigner, bag
from studies.evidence.documents import (
    ATTRITION_JSON,
    DEIDENTIFIED_JSON,
    PROTOCOL_JSON,
    QUALITY_JSON,
    SIGNOFF_JSON,
    SOURCES_JSON,
    json_bytes,
)
from studies.evidence.package import build
from studies.evidence.profiles.dossier import CONTENTS_JSON
from studies.evidence.report.pdf_signature import platform_signer, signed
from studies.evidence.sample.files import VERIFICATION_CSV, VERIFICATION_JSON
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.follow import INDEX_ALONE, NOBODY
from studies.results import ResultSet
from tests.evidence.accepting import changed, data_lock, members_of, reissued, whole_inputs, whole_package
from tests.evidence.fixtures import dossier_inputs, log_extract, package_signer, with_changes

CURATION_PLAN = "data/02_governance/curation_plan.md"
CHECKLIST = "data/00_index/checklists/STROBE.json"
PHONE = "13812345678"


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    return members_of(whole_package("authority").folder)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The authority's edition, to be spoilt."""
    folder = whole_package("authority").folder
    return Path(shutil.copytree(folder, tmp_path / folder.name))


def statuses(found: Acceptance) -> dict[str, str]:
    return {one.id: one.status for one in found.parts}


def places(found: Acceptance, id: str) -> list[str]:
    return [one.place for one in found.part(id).places]


# -- a whole package ---------------------------------------------------------------------------------------


def test_a_whole_package_with_its_lock_holds_in_every_part_that_can_be_asked() -> None:
    """As an archive and with the signer's key; the destination abroad is the one thing that nobody gave."""
    built = whole_package("authority")
    found = accept_package(built.path, package_signer().public_key, data_lock().path)
    wanted = dict.fromkeys(
        ("verify", "synthetic", "lock", "numbers", "checklists", "disclosure"), "holds"
    ) | {"transfer": "not_given"}
    assert statuses(found) == wanted and found.accepted
    assert found.package_id == built.package_id and found.as_dict()["key"] == "given"
    numbers = json.loads((built.folder / standalone.NUMBERS_JSON).read_text())["numbers"]
    plain = json.loads((built.folder / PLAIN_NUMBERS).read_text())["numbers"]
    assert found.part("numbers").counts["numbers"] == len(numbers) + len(plain) > 300
    assert (
        found.part("verify").counts["files"] == len(members_of(built.folder)) - 2
    )  # signature, tag manifest
    for id, name in (("lock", standalone.ARD_JSON), ("synthetic", EXPECTED)):
        stored = json.loads((built.folder / name).read_text())
        counts = {"rows": len(stored["rows"]), "series": len(stored["series"]), "differ": 0}
        exact = {"exact": counts["rows"]} if id == "synthetic" else {}
        assert found.part(id).counts == counts | exact


def test_an_aggregate_edition_holds_with_its_lock_and_without() -> None:
    folder = whole_package("aggregate").folder
    found = accept_package(folder, lock=data_lock().path)
    assert found.accepted and statuses(found)["disclosure"] == statuses(found)["lock"] == "holds"
    assert found.part("numbers").counts.keys() == {"numbers", "overseas", "people", "account"}


def test_it_leaves_the_package_as_it_was_and_nothing_behind(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert accept_package(copy).accepted
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    assert list(scratch.iterdir()) == []


def test_every_answer_speaks_both_languages() -> None:
    found = accept_package(whole_package("aggregate").folder).as_dict()
    assert [one["part"] for one in found["parts"]] == list(range(1, 8))
    for one in found["parts"]:
        assert any("一" <= letter <= "鿿" for letter in one["zh"]) and one["en"].endswith((".", ";"))
        assert one["title"]["zh"] and one["title"]["en"]


# -- 1: verify.py, and whose programs they are ---------------------------------------------------------------


@pytest.mark.parametrize("id", ["award", "pre_communication"])
def test_a_package_of_papers_alone_is_accepted_and_nothing_is_computed(id: str, tmp_path: Path) -> None:
    built = build(dossier_inputs(id), tmp_path)
    found = accept_package(built.folder, package_signer().public_key, data_lock().path)
    asked = dict.fromkeys(("verify", "checklists", "disclosure"), "holds")
    assert statuses(found) == asked | {
        **dict.fromkeys(("synthetic", "lock", "numbers"), "not_asked"),
        "transfer": "not_given",
    }
    assert found.accepted and "no results" in found.part("lock").says.en


@pytest.mark.parametrize("name", [RERUN, f"{SOURCE}pandas.py"])
def test_a_program_in_a_package_of_papers_alone_is_a_no(name: str, tmp_path: Path) -> None:
    built = build(dossier_inputs("award"), tmp_path)
    (built.folder / name).parent.mkdir(parents=True)
    (built.folder / name).write_text("print('computed')", encoding="utf-8")
    reissued(built.folder)
    found = accept_package(built.folder)
    assert statuses(found)["verify"] == "fails" and name in places(found, "verify")


def test_a_package_with_results_cannot_say_that_it_has_none(copy: Path) -> None:
    """Else nothing of it would be computed again."""
    path = copy / standalone.PACKAGE_JSON
    path.write_bytes(changed(path.read_bytes(), lambda document: document.update(results="none")))
    reissued(copy)
    assert statuses(accept_package(copy))["verify"] == "fails"


def test_a_changed_file_stops_everything_and_is_named(copy: Path) -> None:
    (copy / CURATION_PLAN).write_text("changed", encoding="utf-8")
    found = accept_package(copy)
    assert not found.accepted and CURATION_PLAN in places(found, "verify")
    assert set(statuses(found).values()) == {"fails", "not_asked"}
    assert statuses(found)["verify"] == "fails"


def test_an_edited_number_is_named(copy: Path) -> None:
    path = copy / standalone.NUMBERS_JSON
    path.write_bytes(changed(path.read_bytes(), lambda document: document["numbers"][0].update(zh="9.99")))
    reissued(copy)
    found = accept_package(copy)
    assert places(found, "verify")[0] == "n0001" and statuses(found)["numbers"] == "not_asked"


def test_a_number_of_the_plain_summary_that_is_not_its_results_is_named(copy: Path) -> None:
    path = copy / PLAIN_NUMBERS
    path.write_bytes(
        changed(path.read_bytes(), lambda document: document["numbers"][0].update(zh="1", en="1"))
    )
    reissued(copy)
    assert places(accept_package(copy), "verify") == ["p0001"]


def test_another_key_than_the_trusted_one_is_a_no() -> None:
    found = accept_package(whole_package("aggregate").folder, bytes(32))
    assert statuses(found)["verify"] == "fails" and places(found, "verify") == [standalone.SIGNATURE]


@pytest.mark.parametrize("name", [VERIFY, RERUN, FOLLOW, f"{SOURCE}pandas.py", f"{SOURCE}studies/run.py"])
def test_a_strangers_program_is_named_and_never_run(copy: Path, tmp_path: Path, name: str) -> None:
    """It would leave a mark. Its package is signed, whole and says that everything is well."""
    mark = tmp_path / "mark"
    program = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nprint('{{\"failures\": []}}')\n"
    (copy / name).write_text(program, encoding="utf-8")
    reissued(copy)
    found = accept_package(copy, lock=data_lock().path)
    assert not found.accepted and not mark.exists()
    assert places(found, "verify") == places(found, "synthetic") == places(found, "lock") == [name]
    assert (
        statuses(found)["numbers"] == "holds"
    )  # what it says was read all the same, by this platform's programs


def test_the_programs_of_a_new_package_are_this_platforms(members: dict[str, bytes]) -> None:
    assert foreign_programs(members) == ()
    assert {VERIFY, RERUN, FOLLOW, f"{SOURCE}studies/run.py"} <= own_programs().keys()
    without = {name: content for name, content in members.items() if name != FOLLOW}
    assert foreign_programs(without) == (FOLLOW,)


# -- 2: the twin -----------------------------------------------------------------------------------------------


def test_a_result_that_the_twin_does_not_give_is_named(copy: Path) -> None:
    path, edited = copy / EXPECTED, []

    def change(document: dict[str, Any]) -> None:
        row = next(one for one in document["rows"] if isinstance(one["value"], float))
        row["value"] *= 1.001
        edited.append(row["id"])

    path.write_bytes(changed(path.read_bytes(), change))
    reissued(copy)
    found = accept_package(copy)
    assert places(found, "synthetic") == edited and found.part("synthetic").counts["differ"] == 1
    assert found.part("synthetic").next is not None


def test_a_table_of_the_twin_that_was_edited_is_named(copy: Path) -> None:
    path = next((copy / "data/07_code/synthetic").glob("subject*.csv"))
    path.write_bytes(path.read_bytes() + b"\n")
    reissued(copy)
    found = accept_package(copy)
    assert statuses(found)["synthetic"] == "fails" and path.name in places(found, "synthetic")[0]


def test_a_missing_twin_is_a_gap_unless_the_protocol_has_months_for_dates(members: dict[str, bytes]) -> None:
    without = {name: content for name, content in members.items() if name != EXPECTED}
    assert has_twin(members) is True and has_twin(without) is False
    plan = yaml.safe_load(members[standalone.PROTOCOL_YAML])
    months = {**plan, "analyses": [], "lock": {**plan.get("lock", {}), "dates": "month"}}
    text = yaml.safe_dump(months, allow_unicode=True, sort_keys=False).encode()
    assert has_twin(without | {standalone.PROTOCOL_YAML: text}) is None


# -- 3: the lock -----------------------------------------------------------------------------------------------


def test_a_lock_of_another_study_is_refused_in_words(tmp_path: Path) -> None:
    from rwd_platform.store.layout import Layout
    from rwd_platform.store.lock import write_lock

    other = write_lock(Layout(tmp_path), {}, {"attrition": [], "study": "another"})
    part = accept_package(whole_package("authority").folder, lock=other.path).part("lock")
    assert part.status == "fails" and other.id in part.says.zh and data_lock().id in part.says.en


@pytest.mark.parametrize("how", ["empty", "edited", "no manifest"])
def test_a_lock_that_is_no_longer_whole_is_refused(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "lock"
    if how == "empty":
        folder.mkdir()
    else:
        shutil.copytree(data_lock().path, folder)
        spoilt = folder / ("manifest.json" if how == "no manifest" else "subject.parquet")
        spoilt.chmod(0o600)
        spoilt.write_bytes(b"PAR1")
    part = accept_package(whole_package("aggregate").folder, lock=folder).part("lock")
    assert part.status == "fails" and part.next is not None and part.says.zh and part.says.en


def test_results_that_do_not_come_from_the_lock_are_named(tmp_path: Path) -> None:
    """A package whose maker changed one result before anything was rendered, hashed or logged."""
    inputs = whole_inputs("authority")
    wanted = "restricted.weighted.hormon.hazard_ratio"
    rows = tuple(
        dataclasses.replace(row, value=float(row.value or 0) * 0.9) if row.id == wanted else row
        for row in inputs.results.rows
    )
    results: ResultSet = dataclasses.replace(inputs.results, rows=rows)
    false = with_changes(inputs, results=results, log=log_extract(results), dossier=None)
    built = build(false, tmp_path)
    found = accept_package(built.folder, lock=data_lock().path)
    assert statuses(found)["verify"] == "not_given" and places(found, "lock") == [wanted]
    assert not found.accepted


# -- 4: numbers ------------------------------------------------------------------------------------------------


def unpacked(members: dict[str, bytes], folder: Path) -> Path:
    wanted = (
        "data/01_protocol/protocol.",
        "data/02_",
        "data/04_",
        "data/05_results/ar",
        "data/06_",
        "data/08_",
    )
    for name, content in members.items():
        if name.startswith(wanted):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder / "data"


def without_lines(members: dict[str, bytes], gone: Callable[[str], bool]) -> dict[str, bytes]:
    """The package with the lines of those variables taken out of its lineage."""
    head, *lines = gzip.decompress(members[standalone.LINEAGE]).decode().splitlines(keepends=True)
    kept = [line for line in lines if not gone(line.split(",")[1])]
    return members | {standalone.LINEAGE: gzip.compress("".join([head, *kept]).encode(), mtime=0)}


def test_a_lineage_of_index_lines_alone_carries_no_number_but_those_it_is_about(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Every subject has an index line: it says that somebody is in the study, and nothing of a variable."""
    part = numbers_part(unpacked(without_lines(members, lambda name: name != "index"), tmp_path))
    followed = numbers_part(unpacked(members, tmp_path / "whole"))
    assert part.status == "fails" and "source_lines" not in part.counts
    assert part.counts["numbers"] == followed.counts["numbers"] and followed.counts["source_lines"] > 300
    assert len(part.places) == followed.counts["source_lines"]
    assert any("has no source line of" in one.en for one in part.places)


def test_a_number_that_no_record_but_the_index_stands_behind_is_an_end_of_its_own() -> None:
    """The comparator of an exposure without comparator records is told by the absence of a record."""
    told = f"  3 个来源行 · source lines, 1 个文件 · files，仅为起始事件的来源行 · {INDEX_ALONE}"
    assert end_of(["n0001", told, "    a.ndjson : 3  00"]) == "index_lines"
    assert (
        end_of(["n0001", "  3 个来源行 · source lines, 1 个文件 · files", "    a.ndjson : 3  00"])
        == "source_lines"
    )
    assert end_of(["n0001", f"  {NOBODY}"]) == "nobody"


def test_a_protocol_whose_json_calls_a_measurement_a_mere_record_is_found(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Of records nobody needs a line: the JSON that says which is which has to be the frozen text's own."""

    def mere(document: dict[str, Any]) -> None:
        next(one for one in document["covariates"] if one["name"] == "nodes")["kind"] = "record"

    spoilt = members | {PROTOCOL_JSON: changed(members[PROTOCOL_JSON], mere)}
    part = numbers_part(unpacked(without_lines(spoilt, lambda name: name == "nodes"), tmp_path))
    assert part.status == "fails" and part.places[0].place == PROTOCOL_JSON


def lose_rows(document: dict[str, Any]) -> None:
    for analysis in document["analyses"]:
        analysis["results"] = []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (ARS_JSON, lose_rows),
        (PLAIN_NUMBERS, lambda document: document["numbers"][0].update(ard_id="nothing")),
        ("data/08_trace/inputs.json", lambda document: document.update(files=[])),
        (
            standalone.NUMBERS_JSON,
            lambda document: document["numbers"][0].update(ard_id="", pointer="/none/3"),
        ),
    ],
)
def test_a_number_that_leads_nowhere_is_named(
    members: dict[str, bytes], tmp_path: Path, name: str, change: Callable[[Any], None]
) -> None:
    data = unpacked(members | {name: changed(members[name], change)}, tmp_path)
    part = numbers_part(data)
    assert part.status == "fails" and part.places and all(one.zh and one.en for one in part.places)
    assert part.counts["numbers"] > 300


@pytest.mark.parametrize("content", [b"", b"[]", b'{"numbers": []}', b'{"numbers": [3]}', b"\xff"])
def test_numbers_that_cannot_be_read_are_a_no_and_never_an_error(
    members: dict[str, bytes], tmp_path: Path, content: bytes
) -> None:
    data = unpacked(members | {standalone.NUMBERS_JSON: content, PLAIN_NUMBERS: content}, tmp_path)
    assert numbers_part(data).status == "fails"


def test_a_lineage_with_a_field_that_no_reader_takes_is_a_no(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    line = f"0,{'v' * 200_000},{'0' * 64},1,{'0' * 64}\n"
    lineage = gzip.compress(f"{standalone.LINEAGE_HEAD}\n{line}".encode())
    assert numbers_part(unpacked(members | {standalone.LINEAGE: lineage}, tmp_path)).status == "fails"


# -- 5: contents and checklists ----------------------------------------------------------------------------------


def without_an_answer(document: dict[str, Any]) -> None:
    document["items"][0].update(status="missing")


def missing_part(document: dict[str, Any]) -> None:
    document["parts"][0].update(status="missing")


def nothing_asked(document: dict[str, Any]) -> None:
    for one in document["parts"]:
        one.update(status="not_asked", files=[])
    document.update(expected=0, found=0)


def found_with(document: dict[str, Any]) -> dict[str, Any]:
    """The first part that stands by its files."""
    return next(one for one in document["parts"] if one["files"])


@pytest.mark.parametrize("audience", ["authority", "aggregate"])
def test_a_part_whose_files_are_gone_is_missing_whatever_the_contents_say(audience: str) -> None:
    files = members_of(whole_package(audience).folder)
    assert checklists_part(files).status == "holds"
    part = next(
        one
        for one in json.loads(files[CONTENTS_JSON])["parts"]
        if "data/06_report/plain_zh.pdf" in one["files"]
    )
    left = {name: content for name, content in files.items() if name not in part["files"]}
    found = checklists_part(left)
    assert found.status == "fails" and f"{CONTENTS_JSON} {part['id']}" in [one.place for one in found.places]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CHECKLIST, without_an_answer),
        (CHECKLIST, lambda document: document["items"].pop()),
        (CONTENTS_JSON, missing_part),
        (CONTENTS_JSON, lambda document: document["parts"].pop()),
        (CONTENTS_JSON, lambda document: document["parts"][0].update(files=["data/none"])),
        (CONTENTS_JSON, lambda document: document.update(found=0)),
        (CONTENTS_JSON, nothing_asked),
        (CONTENTS_JSON, lambda document: document["parts"][0].update(status="not_asked", files=[])),
        (CONTENTS_JSON, lambda document: document["parts"][0].update(status="explained")),
        (CONTENTS_JSON, lambda document: document["parts"][0]["title"].update(en="Something else")),
        (CONTENTS_JSON, lambda document: found_with(document).update(files=[])),
        (CONTENTS_JSON, lambda document: document.update(says=[])),
    ],
)
def test_an_edited_checklist_or_contents_is_named(
    members: dict[str, bytes], name: str, change: Callable[[Any], None]
) -> None:
    part = checklists_part(members | {name: changed(members[name], change)})
    assert part.status == "fails" and part.places[0].place.startswith(name)


def test_an_answer_that_the_package_no_longer_holds_is_an_empty_item(members: dict[str, bytes]) -> None:
    """The stored answers say that it is there; asked again, the package's own files do not."""
    name = "data/02_governance/statements.json"
    emptied = changed(members[name], lambda document: document.update(statements={}))
    part = checklists_part(members | {name: emptied})
    assert part.status == "fails" and any("mandatory and empty" in one.en for one in part.places)


@pytest.mark.parametrize(
    "name", [CHECKLIST, CONTENTS_JSON, standalone.PACKAGE_JSON, standalone.PROTOCOL_YAML]
)
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}"])
def test_what_cannot_be_read_is_a_no(members: dict[str, bytes], name: str, content: bytes | None) -> None:
    spoilt = {key: one for key, one in members.items() if key != name}
    part = checklists_part(spoilt if content is None else spoilt | {name: content})
    assert part.status == "fails" and part.next is not None


# -- 6: small cells and identifiers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (CURATION_PLAN, f"联系人 {PHONE}\n".encode()),
        ("data/10_signoff/signoff.json", json.dumps({"by": [{"phone": PHONE}]}).encode()),
        ("data/05_results/tables/x_zh.csv", f"电话,{PHONE}\n".encode()),
        ("data/05_results/figures/x_zh.svg", f"<svg><text>{PHONE}</text></svg>".encode()),
        ("data/05_results/figures/x_zh.svg", f"<svg aria-label='{PHONE}'/>".encode()),
        ("data/05_results/figures/x_zh.svg", f"<svg><!-- {PHONE} --></svg>".encode()),
        ("data/00_index/x.html", f"<p title='{PHONE}'>words</p>".encode()),
        ("data/00_index/x.html", f"<style>p</style><?odd {PHONE}?>".encode()),
        ("data/00_index/x.html", f'<script type="application/json">["{PHONE}"]</script>'.encode()),
        ("data/03_data/x.xml", f"<a>{PHONE}</a>".encode()),
        ("data/03_data/x.xml", f"<a><style>{PHONE}</style></a>".encode()),
        ("data/03_data/x.xml", f"<a><![CDATA[{PHONE}]]></a>".encode()),
        ("data/03_data/x.xml", f'<a who="{PHONE}"/>'.encode()),
    ],
)
def test_a_persons_number_in_any_kind_of_text_is_found_and_not_repeated(
    members: dict[str, bytes], name: str, content: bytes
) -> None:
    part = disclosure_part(members | {name: content}, None)
    (found,) = part.places
    assert part.status == "fails" and found.place == name and "mobile" in found.en
    assert PHONE not in json.dumps(part.as_dict(), ensure_ascii=False)


def test_a_small_count_in_an_aggregate_edition_is_found_and_in_an_authoritys_it_is_not_asked() -> None:
    def few(document: dict[str, Any]) -> None:
        next(row for row in document["rows"] if row["statistic"] == "subjects").update(value=3)

    for audience, status in (("aggregate", "fails"), ("authority", "holds")):
        files = members_of(whole_package(audience).folder)
        part = disclosure_part(files | {standalone.ARD_JSON: changed(files[standalone.ARD_JSON], few)}, None)
        assert part.status == status, audience


def lost_one(document: dict[str, Any]) -> None:
    document["steps"][1].update(left=1)


def remained_with_a_few_less(document: dict[str, Any]) -> None:
    """The step itself says nothing; the difference of what remained does."""
    document["steps"][1].update(left=0, remaining=document["steps"][0]["remaining"] - 3)


def with_files(document: dict[str, Any]) -> None:
    document["sources"][0]["files"] = [{"name": "a.ndjson", "accounting": {"received": 3}}]


FEW_DISAGREE = {
    "rows": 40,
    "lines": [{"variable": "hormon", "asked": 40, "compared": 39, "agreed": 38}],
}
ATTRITION_CSV = "data/08_trace/attrition.csv"
FEW_LEFT = b"step,reason_zh,reason_en,left,remaining\n0,a,a,0,600\n1,b,b,3,597\n"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (ATTRITION_JSON, lost_one),
        (ATTRITION_JSON, remained_with_a_few_less),
        (ATTRITION_JSON, lambda document: document["steps"][1].update(remaining=4)),
        (SOURCES_JSON, with_files),
        (QUALITY_JSON, lambda document: document["lines"][0].update(quarantined=3)),
        (DEIDENTIFIED_JSON, lambda document: document["dropped"][0].update(count=3)),
        ("data/08_trace/inputs.json", lambda document: document["files"].append({"name": "a"})),
        (VERIFICATION_JSON, FEW_DISAGREE),
        (VERIFICATION_CSV, b"organisation_id,agreed\norg-1,3\n"),
        (ATTRITION_CSV, FEW_LEFT),
    ],
)
def test_an_account_that_tells_of_a_few_is_found_in_an_aggregate_edition_alone(
    name: str, change: Any
) -> None:
    told = {}
    for audience in ("aggregate", "authority"):
        files = members_of(whole_package(audience).folder)
        content = changed(files[name], change) if callable(change) else change
        files[name] = content if isinstance(content, bytes) else json_bytes(content)
        told[audience] = disclosure_part(files, None)
    assert told["aggregate"].status == "fails" and told["authority"].status == "holds"
    assert {one.place.partition("[")[0] for one in told["aggregate"].places} == {name}


def test_counts_of_records_are_nobodys_and_the_answer_says_so() -> None:
    """Three messages of a hospital may be of one person or of three: they are not held to a cell of people."""
    files = members_of(whole_package("aggregate").folder)
    assert json.loads(files[SOURCES_JSON])["sources"][0]["accounting"]["duplicate"] == 3
    part = disclosure_part(files, None)
    assert part.status != "fails" and "count records" in part.says.en and "不是人" in part.says.zh


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"steps": 3}', b'{"steps": [{"left": "x", "remaining": 3}]}']
)
def test_an_account_that_cannot_be_read_is_a_no(content: bytes) -> None:
    files = members_of(whole_package("aggregate").folder)
    assert disclosure_part(files | {ATTRITION_JSON: content}, None).status == "fails"


def curve(events: int) -> tuple[bytes, dict[str, Any]]:
    """Results with a curve of competing events, which prints no limits, and what the enclave has behind it."""
    printed = {
        "id": "all.incidence.exposed",
        "analysis": "all",
        "columns": ["time_days", "cumulative_incidence"],
        "points": [[0, 0.0], [100, events / 400]],
        "row_set": "",
    }
    steps = {
        **printed,
        "id": "all.causes.exposed",
        "columns": ["time_days", "at_risk", "events", "competing"],
        "points": [[100, 400, events, 0], [900, 300, 20, 0]],
    }
    inside = {"rows": [], "series": [printed, steps], "row_sets": {}, "not_done": {}}
    return json.dumps({**inside, "series": [printed]}).encode(), inside


def test_events_in_the_steps_of_a_curve_are_told_by_the_lock_alone() -> None:
    """Without the lock they stay open, which is no fault; with it few of them are one."""
    files = members_of(whole_package("aggregate").folder)
    told = {}
    for events in (3, 40):
        printed, inside = curve(events)
        held = files | {standalone.ARD_JSON: printed}
        told[events] = [disclosure_part(held, support) for support in (None, inside)]
    assert [one.status for one in told[40]] == ["not_given", "holds"]
    assert [one.status for one in told[3]] == ["not_given", "fails"]
    alone = told[40][0]
    assert alone.counts["left_open"] == len(alone.places) == 1 and "--rerun" in alone.says.en


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"rows": 3}'])
def test_results_that_cannot_be_read_are_a_no(members: dict[str, bytes], content: bytes) -> None:
    assert disclosure_part(members | {standalone.ARD_JSON: content}, None).status == "fails"


# -- hostile packages ------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A thousand members, each of them the same half megabyte of the archive."""
    content, name = bytes(1 << 19), b"x/aaaa"
    directory = b""
    for number in range(1000):
        entry = struct.pack(
            "<HHHHHIIIHHHHHII", 20, 0x800, 0, 0, 33, 0, len(content), len(content), 6, 0, 0, 0, 0, 0, 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + entry + name[:2] + b"%04d" % number
    body = b"PK\x03\x04" + bytes(26) + name + content
    end = struct.pack("<HHHHIIH", 0, 0, 1000, 1000, len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def deflated(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "no archive": lambda: b"%PDF-1.7 and nothing else",
    "cut": lambda: whole_package("aggregate").path.read_bytes()[:1_000_000],
    "members over one another": bomb,
    "a bomb of zeros": lambda: deflated(**{"x/zeros": bytes(50_000_000)}),
    "a path upwards": lambda: standalone.zip_bytes({"x/../../out": b"1"}),
    "an absolute path": lambda: standalone.zip_bytes({"/tmp/out": b"1"}),
    "two folders": lambda: standalone.zip_bytes({"x/a": b"1", "y/a": b"1"}),
    "a file that is a folder too": lambda: standalone.zip_bytes({"x/a": b"1", "x/a/b": b"1"}),
    "a name with a zero": lambda: standalone.zip_bytes({"x/a\0b": b"1"}),
    "a name that no disk takes": lambda: standalone.zip_bytes({"x/" + "n" * 300: b"1"}),
    "nothing in it that is a package": lambda: standalone.zip_bytes({"x/a": b"1"}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_a_clear_no(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(HOSTILE[kind]())
    found = accept_package(path)
    assert statuses(found)["verify"] == "fails" and set(list(statuses(found).values())[1:]) == {"not_asked"}
    assert found.part("verify").places and not (tmp_path.parent / "out").exists()


def odd_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    for kind in ("link", "pipe", "empty"):
        place = folder / kind
        place.mkdir()
        yield kind, place
    (folder / "link/signature.json").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe/signature.json")


def test_links_pipes_and_empty_folders_are_a_clear_no(tmp_path: Path) -> None:
    for kind, folder in list(odd_folders(tmp_path)):
        found = accept_package(folder)
        assert not found.accepted and found.part("verify").places, kind


def test_a_name_that_would_speak_to_a_terminal_is_not_handed_on(copy: Path) -> None:
    (copy / "data/\x1b[2J").write_text("odd", encoding="utf-8")
    found = accept_package(copy)
    assert any("\x1b" in one for one in places(found, "verify"))
    assert "\x1b" not in str([part["places"] for part in found.as_dict()["parts"]]).replace("\\x1b", "\x1b")


def test_a_package_that_is_too_large_is_not_read(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_apart, "LARGEST", 1_000_000)
    for package in (copy, whole_package("authority").path):
        part = accept_package(package).part("verify")
        assert part.status == "fails" and "1,000,000" in part.places[0].en


def test_a_program_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "endless.py"
    program.write_text("while True: pass", encoding="utf-8")
    assert accept_apart.run_apart(program, home=tmp_path, longest=1).code is None


def test_a_program_run_apart_has_no_network_and_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RWD_ROOT_KEY_FILE", "secret")
    program = tmp_path / "asks.py"
    program.write_text(
        "import os, socket\n"
        "print(sorted(os.environ))\n"
        "for ask in (lambda: socket.getaddrinfo('example.org', 80),"
        " lambda: socket.create_connection(('127.0.0.1', 9))):\n"
        "    try:\n        ask()\n    except PermissionError as error:\n        print(error)\n",
        encoding="utf-8",
    )
    said = accept_apart.run_apart(program, home=tmp_path).said
    assert said.count("no network") == 2 and "RWD" not in said


# -- results that the lock does not give -----------------------------------------------------------------------------


def falsified(results: ResultSet) -> ResultSet:
    """Medians three years longer and survival lifted, in what an aggregate edition tells rounded or on a grid."""
    rows = tuple(
        dataclasses.replace(row, value=float(row.value) + 1095)
        if row.statistic == "median" and row.unit == "days" and isinstance(row.value, int | float)
        else row
        for row in results.rows
    )
    series = tuple(
        dataclasses.replace(one, points=tuple((day, share**0.2, *more) for day, share, *more in one.points))  # type: ignore[operator]  # a share is a number
        if ".curve." in one.id
        else one
        for one in results.series
    )
    return dataclasses.replace(results, rows=rows, series=series)


def test_an_aggregate_edition_with_false_curves_and_medians_is_named_although_its_list_withholds_them(
    tmp_path: Path,
) -> None:
    """Whoever made it has the signer's key, and put every result that was changed on the list of those withheld."""
    inputs = whole_inputs("aggregate")
    false = falsified(inputs.results)
    built = build(with_changes(inputs, results=false, log=log_extract(false), dossier=None), tmp_path)
    stored = json.loads((built.folder / standalone.ARD_JSON).read_text())
    listed = json.loads((built.folder / standalone.PACKAGE_JSON).read_text())["coarsening"]
    medians = [row["id"] for row in stored["rows"] if row["statistic"] == "median" and row["unit"] == "days"]
    assert medians and set(medians) <= set(listed["withheld_results"])
    found = accept_package(built.folder, package_signer().public_key, data_lock().path)
    assert statuses(found)["verify"] == "holds" and statuses(found)["lock"] == "fails" and not found.accepted
    curves = [f"series: {one['id']}" for one in stored["series"] if ".curve." in one["id"]]
    assert set(places(found, "lock")) >= {*medians, *curves}
    verified = verify_package_at(built.folder, package_signer().public_key, data_lock().path)
    assert verified.rerun == "differs" and {one.place for one in verified.failures} >= {*medians, *curves}


@pytest.fixture(scope="module")
def lock_again() -> Recomputed:
    return recompute(members_of(whole_package("aggregate").folder), data_lock().path)


def edited(name: str, change: Callable[[Any], None]) -> dict[str, bytes]:
    files = members_of(whole_package("aggregate").folder)
    return files | {name: changed(files[name], change)}


def test_an_aggregate_edition_as_made_is_what_the_lock_gives(lock_again: Recomputed) -> None:
    assert list(differing(members_of(whole_package("aggregate").folder), lock_again)) == []
    assert lock_again.withheld > 100


def test_a_result_left_out_and_put_on_the_packages_own_list_is_named(lock_again: Recomputed) -> None:
    """Nobody chooses what is withheld: rerun.py, which has the list alone, could not tell."""
    files = members_of(whole_package("aggregate").folder)
    gone = json.loads(files[standalone.ARD_JSON])["rows"][0]["id"]
    files = edited(standalone.ARD_JSON, lambda document: document["rows"].pop(0))
    files[standalone.PACKAGE_JSON] = changed(
        files[standalone.PACKAGE_JSON],
        lambda document: document["coarsening"]["withheld_results"].append(gone),
    )
    assert list(differing(files, lock_again)) == [gone, COARSENING]


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        (
            standalone.ARD_JSON,
            lambda document: document["series"].pop(0),
            "series: restricted.love",
        ),
        (
            standalone.ARD_JSON,
            lambda document: document["not_done"].update({"restricted.crude": "无法估计 / cannot be"}),
            "not_done: restricted.crude",
        ),
        (standalone.ARD_JSON, lambda document: document.pop("series"), standalone.ARD_JSON),
        (ATTRITION_JSON, lambda document: document["steps"][0].update(remaining=4000), ATTRITION_JSON),
        (ATTRITION_JSON, lambda document: document.clear(), ATTRITION_JSON),
        (
            standalone.PACKAGE_JSON,
            lambda document: document["coarsening"].update(smallest_cell=3),
            COARSENING,
        ),
    ],
)
def test_series_reasons_steps_and_the_account_are_held_to_the_lock_too(
    lock_again: Recomputed, name: str, change: Callable[[Any], None], place: str
) -> None:
    (found,) = differing(edited(name, change), lock_again)
    assert found == place or (place.startswith("series: ") and found.startswith("series: "))


def test_the_table_of_the_steps_is_held_to_the_lock_too(lock_again: Recomputed) -> None:
    files = members_of(whole_package("aggregate").folder)
    table = files[ATTRITION_CSV].replace(b",2985", b",3985")
    assert table != files[ATTRITION_CSV]
    assert list(differing(files | {ATTRITION_CSV: table}, lock_again)) == [ATTRITION_CSV]


def test_an_authoritys_steps_are_held_to_the_lock(members: dict[str, bytes]) -> None:
    change = changed(members[ATTRITION_JSON], lambda document: document["steps"][0].update(remaining=4000))
    assert list(differing_steps(members, data_lock().path)) == []
    assert list(differing_steps(members | {ATTRITION_JSON: change}, data_lock().path)) == [ATTRITION_JSON]


# -- who signed, and the PDFs ----------------------------------------------------------------------------------------


def test_without_a_key_nobody_knows_who_signed_and_the_part_is_not_given(copy: Path) -> None:
    """A stranger's package, whole and signed by the stranger: its files agree with each other, and that is all."""
    stranger = Ed25519PrivateKey.generate()
    public = stranger.public_key().public_bytes_raw()
    (copy / standalone.PACKAGE_KEY).write_text(f"{public.hex()}\n", encoding="utf-8")
    reissued(copy)  # lists and id fit the other key; now it signs
    payload = {name: content for name, content in members_of(copy).items() if name.startswith("data/")}
    signer = PackageSigner("An Authority", public, stranger.sign)
    for name, content in bag(payload, signer, {"Source-Organization": "x"}).items():
        (copy / name).write_bytes(content)
    part = (found := accept_package(copy)).part("verify")
    assert part.status == "not_given" and part.next is not None and found.accepted
    assert "--key" in part.next.zh and "not known" in part.says.en and "签署人不明" in part.says.zh
    assert accept_package(copy, package_signer().public_key).part("verify").status == "fails"


def test_what_was_looked_at_by_hash_alone_is_named(members: dict[str, bytes]) -> None:
    """These packages have no signer of reports, and say so: nobody reads what their PDFs print."""
    part = accept_package(whole_package("authority").folder, package_signer().public_key).part("verify")
    pdfs = [name for name in members if name.endswith(".pdf")]
    assert part.status == "holds" and part.counts["hash_only"] == len(pdfs) == 4
    assert all(
        name.removeprefix("data/") in part.says.zh and "no signer of reports" in part.says.en for name in pdfs
    )


def garbage(_: dict[str, bytes], content: bytes) -> bytes:
    return b"%PDF-1.7\n% somebody else's report: HR 0.20\n"


def unsigned(plain: dict[str, bytes], _: bytes) -> bytes:
    return next(iter(plain.values()))


def one_letter(_: dict[str, bytes], content: bytes) -> bytes:
    return content[:2000] + bytes([content[2000] ^ 1]) + content[2001:]


def added_to(_: dict[str, bytes], content: bytes) -> bytes:
    return content + b"% more\nstartxref\n0\n%%EOF\n"


def by_another(plain: dict[str, bytes], _: bytes) -> bytes:
    return next(iter(sealed(plain, "somebody else").values()))


def sealed(pdfs: dict[str, bytes], whose: str) -> dict[str, bytes]:
    """The PDFs as a platform signs them, by its key."""
    one = report_signer(KeyRing(f"a root key of {whose}".ljust(32).encode()), whose)
    signer = platform_signer(one.name, one.public_key, one.sign, "2026-01-05")
    return {name: signed(content, signer, dated="2026-01-05") for name, content in pdfs.items()}


@pytest.fixture(scope="module")
def with_signed_pdfs(members: dict[str, bytes]) -> dict[str, bytes]:
    one = report_signer(KeyRing(b"a root key of reports".ljust(32)), "reports")
    named = {"signer": one.name, "algorithm": ALGORITHM, "public_key": one.public_key.hex()}
    signoff = changed(members[SIGNOFF_JSON], lambda document: document.update(report_signature=named))
    pdfs = {name: content for name, content in members.items() if name.endswith(".pdf")}
    return members | sealed(pdfs, "reports") | {SIGNOFF_JSON: signoff}


def test_a_pdf_signed_by_the_key_of_the_signoff_is_no_longer_looked_at_by_hash_alone(
    copy: Path, with_signed_pdfs: dict[str, bytes]
) -> None:
    pdfs = pdfs_of(with_signed_pdfs)
    assert pdfs.faults == () and len(pdfs.signed) == 4
    for name, content in with_signed_pdfs.items():
        (copy / name).write_bytes(content)
    reissued(copy)
    part = accept_package(copy, package_signer().public_key).part("verify")
    assert part.status == "holds" and part.counts["pdfs_signed"] == 4 and part.counts["hash_only"] == 0
    assert "by hash alone" not in part.says.en and "4 PDFs" in part.says.en
    report = copy / "data/06_report/report_en.pdf"
    report.write_bytes(garbage({}, b""))
    reissued(copy)
    found = accept_package(copy, package_signer().public_key)
    assert places(found, "verify") == ["data/06_report/report_en.pdf"] and not found.accepted


def test_a_package_of_papers_alone_has_no_report_to_miss(members: dict[str, bytes]) -> None:
    described = changed(members[standalone.PACKAGE_JSON], lambda document: document.update(results="none"))
    papers = {name: content for name, content in members.items() if not name.endswith(".pdf")}
    found = pdfs_of(papers | {standalone.PACKAGE_JSON: described})
    assert not found.faults and "no report" in found.says.en
    assert len(pdfs_of(papers).faults) == 2


@pytest.mark.parametrize("change", [garbage, unsigned, one_letter, added_to, by_another])
@pytest.mark.parametrize("name", ["data/06_report/report_zh.pdf", "data/06_report/plain_en.pdf"])
def test_a_pdf_whose_signature_does_not_hold_fails_by_name(
    members: dict[str, bytes],
    with_signed_pdfs: dict[str, bytes],
    name: str,
    change: Callable[[dict[str, bytes], bytes], bytes],
) -> None:
    spoilt = change({name: members[name]}, with_signed_pdfs[name])
    (fault,) = pdfs_of(with_signed_pdfs | {name: spoilt}).faults
    assert fault.place == name and fault.zh and fault.en


def test_pdfs_of_a_package_without_a_signer_are_whole_unsigned_and_there(
    members: dict[str, bytes], with_signed_pdfs: dict[str, bytes]
) -> None:
    name = "data/06_report/report_zh.pdf"
    assert not pdfs_of(members).faults and not pdfs_of(members).signed
    for spoilt in ({name: garbage({}, b"")}, {name: with_signed_pdfs[name]}):
        assert [one.place for one in pdfs_of(members | spoilt).faults] == [name]
    without = {key: content for key, content in members.items() if key != name}
    assert [one.place for one in pdfs_of(without).faults] == [name]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        *(
            b'{"report_signature": %s}' % one
            for one in (b'{"public_key": "xy"}', b'{"public_key": ""}', b"3")
        ),
    ],
)
def test_a_signoff_that_names_no_key_that_can_be_read_is_a_no(
    members: dict[str, bytes], content: bytes
) -> None:
    assert [one.place for one in pdfs_of(members | {SIGNOFF_JSON: content}).faults] == [SIGNOFF_JSON]
