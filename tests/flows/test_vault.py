"""The vault: what de-identification takes away is kept, sealed for each patient, and for break-glass alone."""

from __future__ import annotations

import ast
import gzip
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from deidentify.linkage import link_token
from deidentify.pseudonym import Pseudonymiser
from ingestion.intake import read_units
from ingestion.mapping import load_mapping
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.judging import lake_pseudonyms, owner_of
from rwd_platform.flows.patient_keys import unwrap
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.rejects import reject_file
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.flows.sweep import sweep_leftovers
from rwd_platform.flows.vault import FORMAT_VERSION, Identity, open_entry
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import PatientKey, PersonLink, Upload, VaultEntry
from rwd_platform.settings import Settings
from rwd_platform.signing.suites import suite
from rwd_platform.store.lake import Lake
from rwd_platform.store.segments import Gap
from tests.conftest import StandingClock
from tests.flows.sending import (
    CLERK,
    CLERK_B,
    accounts,
    actions,
    bundle,
    grade,
    issues,
    ndjson,
    patient,
    received,
    sent,
)

ROOT = Path(__file__).parents[2]
HOSPITAL = CLERK.organisation
# Invented; the check digits are right.
RESIDENT_ID, OTHER_ID = "469002195002031222", "469002199001011236"
PERSON: dict[str, Any] = {
    "identifier": [
        {"system": "urn:oid:2.16.156.10011.1.3", "value": RESIDENT_ID},
        {"system": "https://his.example/mrn", "value": "MRN-0047112"},
        {"system": "https://his.example/nothing-given"},
    ],
    "name": [
        {"text": "欧阳琼华"},
        {"family": "欧阳", "given": ["琼华"]},
        {"family": "Ouyang", "given": ["Qiong Hua"]},
    ],
    "telecom": [{"system": "phone", "value": "13876543210"}, {"system": "email", "value": "qh@example.test"}],
    "address": [
        {"state": "海南省", "city": "琼海市", "line": ["博鳌镇滨海路 88 号"], "postalCode": "571400"},
        {"text": "海口市龙华区"},
    ],
}
SECRETS = (
    RESIDENT_ID, "MRN-0047112", "欧阳琼华", "琼华", "Ouyang", "13876543210", "qh@example.test", "滨海路", "龙华区",
)  # fmt: skip


def entries(platform: Platform) -> list[VaultEntry]:
    return list(platform.records.all(select(VaultEntry)))


def links(platform: Platform) -> dict[str, str]:
    return {row.patient_id: row.link_token for row in platform.records.all(select(PersonLink))}


def opened(platform: Platform, entry: VaultEntry) -> Identity:
    with platform.records.reading() as session:
        return open_entry(platform, session, entry.organisation_id, entry.patient_id)


def only(platform: Platform) -> Identity:
    [entry] = entries(platform)
    return opened(platform, entry)


def pseudonym(platform: Platform, id: str = "p1", source_system: str = "his") -> str:
    upload = Upload(organisation_id=HOSPITAL, source_system=source_system)
    return lake_pseudonyms(platform, upload).token("Patient", id)


def destroy(platform: Platform, patient_id: str) -> None:
    """What a later erasure does to the key."""
    row = platform.records.get(PatientKey, (HOSPITAL, patient_id))
    row.wrapped, row.destroyed_at = b"", "2026-11-02T09:00:00.000000Z"
    platform.records.write(row, audit=Act(CLERK, "patient_key.destroyed", Object("patient_key", "x")))


# -- what is kept -------------------------------------------------------------------------------------


def test_what_is_taken_away_from_a_patient_is_in_the_vault(platform: Platform):
    """Everything by which a hospital would know the person again, as the hospital wrote it."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    assert only(platform) == Identity(
        organisation_id=HOSPITAL,
        source_system="his",
        patient_id=pseudonym(platform),
        resource_id="p1",
        identifiers=(("urn:oid:2.16.156.10011.1.3", RESIDENT_ID), ("https://his.example/mrn", "MRN-0047112")),
        names=("欧阳琼华", "欧阳琼华", "Ouyang Qiong Hua"),
        telecom=(("phone", "13876543210"), ("email", "qh@example.test")),
        addresses=("海南省琼海市博鳌镇滨海路 88 号 571400", "海口市龙华区"),
        birth_date="1950-02-03",
    )


def test_the_entry_is_under_the_pseudonym_that_the_lake_has(platform: Platform):
    """Or break-glass would find nobody, or somebody else."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON), grade())})
    [entry] = entries(platform)
    frame = Lake(platform.layout).read("measurement", ["patient_id"])
    assert set(frame["patient_id"]) == {entry.patient_id}


def test_a_patient_without_any_identifier_has_an_entry_and_no_link(platform: Platform):
    """What there is is kept: the id at the hospital at least."""
    upload_id = sent(platform, {"p.ndjson": ndjson({"resourceType": "Patient", "id": "p1"})})
    assert accounts(platform, upload_id) == {"p.ndjson": (1, 0, 0, 0)}
    identity = only(platform)
    assert (identity.resource_id, identity.identifiers, identity.names, identity.birth_date) == (
        "p1",
        (),
        (),
        "",
    )
    assert links(platform) == {}


def test_a_later_version_of_a_patient_replaces_the_entry(platform: Platform, clock: StandingClock):
    """One entry for each patient of a source: who he or she is now, as the hospital last said."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    clock.advance(hours=1)
    sent(platform, {"q.ndjson": ndjson(patient("p1", gender="male", name=[{"text": "欧阳琼"}]))})
    assert only(platform).names == ("欧阳琼",)
    assert only(platform).identifiers == ()
    assert links(platform) == {}, "an entry and its link say the same"


def test_a_change_that_the_lake_does_not_see_reaches_the_vault(platform: Platform, clock: StandingClock):
    """A new telephone number leaves nothing new for the lake - the unit is a duplicate - and yet it counts here."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    clock.advance(hours=1)
    moved = {**PERSON, "telecom": [{"system": "phone", "value": "13911112222"}]}
    upload_id = sent(platform, {"q.ndjson": ndjson(patient("p1", **moved))})
    assert accounts(platform, upload_id) == {"q.ndjson": (0, 0, 0, 1)}
    assert only(platform).telecom == (("phone", "13911112222"),)


def test_of_two_versions_in_one_upload_the_last_one_counts(platform: Platform):
    first, last = patient("p1", name=[{"text": "甲"}]), patient("p1", gender="male", name=[{"text": "乙"}])
    sent(platform, {"p.ndjson": ndjson(first, last)})
    assert only(platform).names == ("乙",)


@pytest.mark.parametrize(
    "broken",
    [
        patient("p1", birthDate="03/02/1950", **PERSON),  # rejected
        patient("p1", modifierExtension=[{"url": "http://x.example/y", "valueBoolean": True}], **PERSON),
    ],
    ids=["rejected", "quarantined"],
)
def test_a_patient_who_was_not_taken_in_has_no_entry(platform: Platform, broken: dict[str, Any]):
    """The hospital still has the person; the platform knows nobody until the record is in the lake."""
    sent(platform, {"p.ndjson": ndjson(broken)})
    assert entries(platform) == [] and links(platform) == {}


def test_what_is_genetic_is_quarantined_before_anything_of_it_is_kept(platform: Platform):
    """Human genetic resources take another way: neither lake nor vault, and the other lines go on."""
    variant = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "48004-6"}], "text": "EGFR c.2573T>G"}
    }
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1"), grade("g2", **variant))})
    assert accounts(platform, upload_id) == {"a.ndjson": (2, 0, 1, 0)}
    [issue] = issues(platform, upload_id)
    assert issue.rule == "deidentify.genetic" and "2573" not in issue.en + issue.zh + issue.expression
    assert len(Lake(platform.layout).read("measurement", ["patient_id"])) == 1


def test_a_transaction_that_failed_leaves_nobody_in_the_vault(platform: Platform):
    sent(platform, {"b.json": bundle("transaction", patient("p1", **PERSON), grade(value="two"))})  # type: ignore[arg-type]
    assert entries(platform) == []


def test_an_admission_that_dies_leaves_neither_entry_nor_key(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """Entry, key, link and the upload's record are one transaction; tried again, all of it is there."""
    from rwd_platform.flows import admit_upload as admission

    upload_id = received(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    with monkeypatch.context() as patched:
        patched.setattr(admission, "_dropped_rows", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            admit_upload(platform, CLERK, upload_id)
    assert entries(platform) == [] and list(platform.records.all(select(PatientKey))) == []
    admit_upload(platform, CLERK, upload_id)
    assert only(platform).names[0] == "欧阳琼华"


def test_the_same_person_at_two_hospitals_and_in_two_systems_has_keys_of_their_own(platform: Platform):
    """Whoever can open one hospital's entry can open no other, though the links say that they are one person."""
    files = {"p.ndjson": ndjson(patient("p1", **PERSON))}
    sent(platform, files)
    sent(platform, files, source_system="lis")
    sent(platform, files, CLERK_B)
    assert len(entries(platform)) == 3 and len({one.patient_id for one in entries(platform)}) == 3
    keys = [unwrap(platform.keys, row) for row in platform.records.all(select(PatientKey)) if row.patient_id]
    assert len(set(keys)) == 3
    assert len(links(platform)) == 3 and len(set(links(platform).values())) == 1


def test_the_link_is_made_of_the_resident_id_under_the_linkage_key(platform: Platform):
    """The token of deidentify.linkage, and none where two valid numbers contradict each other."""
    two = {"identifier": [{"value": RESIDENT_ID}, {"value": OTHER_ID}]}
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON), patient("p2", **two))})
    expected = link_token(patient("p1", **PERSON), platform.keys.derive("linkage"))
    assert expected is not None
    assert links(platform) == {pseudonym(platform): expected}


def test_a_deployment_on_the_chinese_suite_seals_with_it(tmp_path: Path, clock: StandingClock):
    """SM4-GCM and HMAC-SM3 for key, entry, link and lines; the bytes come back all the same."""
    from rwd_platform.demo.people import register_organisations

    gm = open_platform(Settings(home=tmp_path / "home", demo=True, suite="gm"), clock)
    register_organisations(gm)
    upload_id = sent(gm, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    assert {row.suite for row in gm.records.all(select(PatientKey))} == {"gm"}
    assert only(gm).names[0] == "欧阳琼华"
    assert next(iter(links(gm).values())).startswith("l1.gm.1.")
    [file] = files_of(gm, upload_id)
    with gm.landing.open(HOSPITAL, file.sha256) as stream:
        assert stream.read() == ndjson(patient("p1", **PERSON))
    gm.records.engine.dispose()


# -- nobody else reads it -----------------------------------------------------------------------------


def test_nothing_of_a_person_stands_anywhere_on_disk_in_clear(platform: Platform):
    """Every byte of the home: database with its journal, landing zone, lake, receipts, log."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON), grade())})
    files = [path for path in platform.layout.home.rglob("*") if path.is_file()]
    assert any(path.name == "records.db" for path in files) and len(files) > 10
    key = unwrap(platform.keys, platform.records.get(PatientKey, (HOSPITAL, pseudonym(platform))))
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        for secret in (*(text.encode() for text in SECRETS), key):
            assert secret not in content, path.name


def test_an_identity_does_not_show_in_its_text_form(platform: Platform):
    """A traceback or a log line that prints it names the pseudonym alone."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    shown = repr(only(platform))
    assert shown == f"Identity({pseudonym(platform)!r})"


def test_only_break_glass_and_an_approved_erasure_open_an_entry():
    """A contract on the source: `open_entry` is named by its own module and by these two, by nobody else.

    An erasure that two people approved needs the numbers to find lines that name the patient; it shows them to nobody.
    """
    users = set()
    for package in ("rwd_platform", "ingestion", "deidentify", "quality", "studies"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "open_entry" not in text:
                continue
            tree = ast.parse(text)
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {
                alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            if "open_entry" in names:
                users.add(str(path.relative_to(ROOT)))
    assert users == {"rwd_platform/flows/break_glass.py", "rwd_platform/flows/erase_plan.py"}


@pytest.mark.parametrize("part", ["sealed", "wrapped", "swapped"])
def test_an_entry_or_key_that_was_changed_does_not_open(platform: Platform, part: str):
    """Somebody who may write to the database can neither read an entry nor put one person in another's place."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON), patient("p2", name=[{"text": "王某"}]))})
    rows = {row.patient_id: row for row in entries(platform)}
    one, two = rows[pseudonym(platform, "p1")], rows[pseudonym(platform, "p2")]
    key = platform.records.get(PatientKey, (HOSPITAL, one.patient_id))
    if part == "sealed":
        one.sealed = one.sealed[:-1] + bytes([one.sealed[-1] ^ 1])
    elif part == "swapped":
        one.sealed = two.sealed
    else:
        key.wrapped = platform.records.get(PatientKey, (HOSPITAL, two.patient_id)).wrapped
    act = Act(CLERK, "vault.tampered", Object("vault_entry", "x"))
    platform.records.write(one, key, audit=act)
    with pytest.raises(PlatformError, match=r"vault\.(entry_damaged|key_unreadable)"):
        opened(platform, one)


def test_an_entry_is_sealed_canonical_json_bound_to_whose_it_is(platform: Platform):
    """The format that a later version has to read: nonce, ciphertext, tag; associated data names the place."""
    sent(platform, {"p.ndjson": ndjson(patient("p1", **PERSON))})
    [entry] = entries(platform)
    key = platform.records.get(PatientKey, (HOSPITAL, entry.patient_id))
    bound = canonical_json(["vault", FORMAT_VERSION, HOSPITAL, "his", entry.patient_id])
    plain = suite("intl").open(unwrap(platform.keys, key), entry.sealed[:12], entry.sealed[12:], bound)
    facts = json.loads(plain)
    assert plain == canonical_json(facts)
    assert sorted(facts) == ["addresses", "birth_date", "identifiers", "names", "resource_id", "telecom"]


# -- the files as received, by patient ----------------------------------------------------------------


def lines_left(platform: Platform, sha256: str) -> bytes:
    pieces = platform.landing.rebuild(HOSPITAL, sha256, gaps=True)
    return b"".join(piece for piece in pieces if not isinstance(piece, Gap))


def test_after_admission_each_patients_lines_are_under_that_patients_key(platform: Platform):
    """Accepted, duplicate, quarantined and rejected lines alike, as long as they say whom they are about."""
    about_p1 = [patient("p1", **PERSON), grade("g1"), grade("g1"), grade("g9", value="two")]  # type: ignore[arg-type]
    others = [patient("p2"), grade("g2", of="p2"), grade("g3", of="never-sent"), {"resourceType": "Patient"}]
    content = ndjson(about_p1[0], others[0], about_p1[1], *others[1:], *about_p1[2:]) + b"not JSON\n\n"
    upload_id = sent(platform, {"a.ndjson": content})
    [file] = files_of(platform, upload_id)
    assert platform.landing.is_segmented(HOSPITAL, file.sha256)
    with platform.landing.open(HOSPITAL, file.sha256) as stream:
        assert stream.read() == content
    destroy(platform, pseudonym(platform, "p1"))
    assert lines_left(platform, file.sha256) == ndjson(*others) + b"not JSON\n\n"


def test_whose_a_line_is_agrees_with_the_lake(platform: Platform):
    """The pseudonym read off the line as received is the patient_id that the lake stores."""
    about = [
        patient("p1"),
        grade("g1"),
        grade("g2", subject={"reference": "https://his.example/fhir/Patient/p1"}),
    ]
    sent(platform, {"a.ndjson": ndjson(*about)})
    upload = Upload(organisation_id=HOSPITAL, source_system="his")
    owners = {owner_of(one, lake_pseudonyms(platform, upload)) for one in about}
    lake = Lake(platform.layout)
    assert owners == set(lake.read("resource", ["patient_id"])["patient_id"]) == {pseudonym(platform)}


def test_what_names_no_patient_is_nobodys():
    """Malformed and hostile references fall under the hospital's own key; they never stop the upload."""
    nobody: list[Any] = [
        None,
        {},
        {"resourceType": "Patient"},
        {"resourceType": "Patient", "id": 7},
        {"resourceType": "Observation", "subject": {"reference": "Group/1"}},
        {"resourceType": "Observation", "subject": {"reference": ["Patient/1"]}},
        {"resourceType": "Observation", "subject": "Patient/1"},
        {"resourceType": "Observation", "subject": {"reference": "Patient?identifier=1"}},
        {"resourceType": "Medication", "id": "m"},
    ]
    pseudonyms = Pseudonymiser(b"k" * 32, "his")
    assert [owner_of(one, pseudonyms) for one in nobody] == [""] * len(nobody)
    somebody = {"resourceType": "Coverage", "beneficiary": {"reference": "Patient/1"}}
    assert owner_of(somebody, pseudonyms) == pseudonyms.token("Patient", "1")


@pytest.mark.parametrize(
    ("type", "elements"),
    [
        ("Provenance", {"target": [{"reference": "Observation/1"}, {"reference": "Patient/1"}]}),
        ("Appointment", {"participant": [{"actor": {"reference": "Practitioner/9"}},
                                         {"actor": {"reference": "Patient/1"}}]}),
        ("Consent", {"patient": {"reference": "Patient/1"}}),
        ("Coverage", {"beneficiary": {"reference": "Patient/1"}, "payor": [{"reference": "Patient/2"}]}),
        ("Coverage", {"policyHolder": {"reference": "Patient/1"}}),
        ("Claim", {"patient": {"reference": "Patient/1"}}),
        ("AuditEvent", {"entity": [{"what": {"reference": "Patient/1"}}]}),
        ("Group", {"member": [{"entity": {"reference": "Patient/1"}}]}),
        ("ResearchSubject", {"individual": {"reference": "Patient/1"}}),
        ("RelatedPerson", {"patient": {"reference": "Patient/1"}, "name": [{"text": "母亲"}]}),
    ],
)  # fmt: skip
def test_a_line_that_names_the_patient_in_another_element_is_that_patients_too(type: str, elements: Any):
    """R4 lists the elements that put a resource into a patient's compartment."""
    pseudonyms = Pseudonymiser(b"k" * 32, "his")
    assert owner_of({"resourceType": type, **elements}, pseudonyms) == pseudonyms.token("Patient", "1")


@pytest.mark.parametrize(
    ("type", "elements"),
    [
        (
            "Group",
            {"member": [{"entity": {"reference": "Patient/1"}}, {"entity": {"reference": "Patient/2"}}]},
        ),
        ("Provenance", {"target": "Patient/1"}),
        ("Provenance", {"target": [[{"reference": "Patient/1"}]]}),
        ("Appointment", {"participant": {"actor": {"reference": "Practitioner/1"}}}),
        ("AuditEvent", {"entity": [None, 7, {"what": None}]}),
    ],
)
def test_what_names_several_patients_or_none_is_nobodys(type: str, elements: Any):
    assert owner_of({"resourceType": type, **elements}, Pseudonymiser(b"k" * 32, "his")) == ""


def test_an_unreadable_line_goes_with_the_only_patient_of_its_file(platform: Platform):
    """What a hospital's export broke in the middle is still about the person whom the file is about."""
    practitioner = {"resourceType": "Practitioner", "id": "d1"}
    content = b'{"half of p1\n' + ndjson(patient("p1"), grade("g1"), practitioner) + b"not JSON\n"
    upload_id = sent(platform, {"a.ndjson": content})
    [file] = files_of(platform, upload_id)
    destroy(platform, pseudonym(platform, "p1"))
    assert lines_left(platform, file.sha256) == ndjson(practitioner)


def test_a_table_is_cut_by_its_rows(platform: Platform):
    """The header is nobody's; a row, also one whose cell holds a line break, is the patient's whom it is about."""
    header = "病案号,处方号,药品代码,药品名称,发药日期\r\n"
    rows = [
        '7,r1,DEMO-A,"他莫\r\n昔芬",1990-05-01\r\n',
        "8,r2,DEMO-A,他莫昔芬,1990-05-02\r\n",
        "7,r3,DEMO-A,a,1990-05-03\r\n",
    ]
    content = "".join([header, *rows]).encode("gb18030")
    upload_id = sent(platform, {"用药.csv": content}, mapping="demo-hospital-c")
    [file] = files_of(platform, upload_id)
    assert file.problem is None and platform.landing.is_segmented(HOSPITAL, file.sha256)
    unit = next(read_units("用药.csv", lambda: BytesIO(content), mapping=load_mapping("demo-hospital-c")))
    owner = owner_of(unit.resource, lake_pseudonyms(platform, platform.records.get(Upload, upload_id)))
    destroy(platform, owner)
    assert lines_left(platform, file.sha256) == (header + rows[1]).encode("gb18030")


@pytest.mark.parametrize("form", ["gzip", "zip", "bundle", "empty"])
def test_what_cannot_be_cut_by_lines_stays_one_blob(platform: Platform, form: str):
    """Compressed bytes and Bundles belong to several patients at once: format 1, whole, and readable."""
    lines, archive = ndjson(patient("p1"), patient("p2")), BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.ndjson", lines)
    name, content = {
        "gzip": ("a.ndjson.gz", gzip.compress(lines)),
        "zip": ("a.zip", archive.getvalue()),
        "bundle": ("b.json", bundle("collection", patient("p1"), patient("p2"))),
        "empty": ("e.ndjson", b""),
    }[form]
    upload_id = sent(platform, {name: content})
    [file] = files_of(platform, upload_id)
    assert not platform.landing.is_segmented(HOSPITAL, file.sha256)
    with platform.landing.open(HOSPITAL, file.sha256) as stream:
        assert stream.read() == content


def test_a_document_that_is_one_resource_is_that_patients_whole(platform: Platform):
    content = json.dumps(patient("p1", **PERSON), indent=2).encode()
    [file] = files_of(platform, sent(platform, {"p.json": content}))
    destroy(platform, pseudonym(platform))
    assert lines_left(platform, file.sha256) == b""


def test_reject_lines_can_still_be_fetched_after_the_file_was_cut(platform: Platform):
    content = ndjson(patient("p1"), patient("p2", birthDate="x"), grade("g1"))
    upload_id = sent(platform, {"a.ndjson": content})
    archive = zipfile.ZipFile(BytesIO(reject_file(platform, CLERK, upload_id)))
    assert archive.read("1/a.ndjson") == ndjson(patient("p2", birthDate="x"))


def test_a_job_whose_worker_died_after_the_admission_goes_on_with_the_segments(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """The upload is admitted once; what the dead worker left undone is done by the next."""
    upload_id = received(platform, {"a.ndjson": ndjson(patient("p1"), grade())})
    admit_upload(platform, CLERK, upload_id)  # and then the plug was pulled
    [job] = drain(platform, "next")
    assert (job.state, job.problem) == ("done", None)
    [file] = files_of(platform, upload_id)
    assert platform.landing.is_segmented(HOSPITAL, file.sha256)
    assert segment_upload(platform, CLERK, upload_id) == 0, "done again, it has nothing to do"
    assert actions(platform).count("upload.file_segmented") == 1


def test_the_same_file_again_stays_one_set_of_segments(platform: Platform):
    files = {"a.ndjson": ndjson(patient("p1"))}
    sent(platform, files)
    assert accounts(platform, sent(platform, files)) == {"a.ndjson": (0, 0, 0, 1)}
    assert [path.suffix for path in platform.layout.landing.glob("*/*/*")] == [".seg"]


def test_segments_that_nobody_recorded_are_swept(platform: Platform):
    import os

    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    [segments] = platform.layout.landing.glob("*/*/*.seg")
    stray = segments.with_name(f"{'0' * 64}.seg")
    stray.write_bytes(b"left behind")
    for path in (segments, stray):
        os.utime(path, (0, 0))
    assert sweep_leftovers(platform)["landing"] == 1
    assert segments.exists() and not stray.exists()


def test_data_of_a_patient_whose_key_was_destroyed_are_not_taken_in_again(platform: Platform):
    """Nothing new is sealed under a new key in silence: the upload is refused by name, without the person's."""
    sent(platform, {"a.ndjson": ndjson(patient("p1", **PERSON))})
    destroy(platform, pseudonym(platform))
    [entry] = entries(platform)
    with pytest.raises(PlatformError, match=r"vault\.key_destroyed"):
        opened(platform, entry)
    again = received(platform, {"b.ndjson": ndjson(patient("p1", gender="male"))})
    with pytest.raises(PlatformError, match=r"vault\.key_destroyed") as caught:
        admit_upload(platform, CLERK, again)
    assert "欧阳" not in str(caught.value) and platform.records.get(Upload, again).state == "failed"
