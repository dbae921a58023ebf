"""Where one patient's data went: what really left, and nothing that cannot be told passed over in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.disclosure_events import fhir_file
from rwd_platform.flows.disclosures import WHY_UNTOLD, Certainty, Disclosures, disclosures_of
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.ledger_map import Person, seal_person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import leaving, post_provisions, provisions_of
from rwd_platform.flows.provision_facts import opened_persons, sealed_persons
from rwd_platform.flows.release_ends import confirm_deletion, recall_release
from rwd_platform.flows.release_links import download_by_link, make_link
from rwd_platform.flows.rotate_keys import rotate_hospital_key
from rwd_platform.flows.study import newest_run
from rwd_platform.flows.withdraw import withdraw
from rwd_platform.log.entry import Act, Actor, Entry, Object
from rwd_platform.records.tables import (
    AuditEntry,
    EvidencePackage,
    LockNotice,
    OutputRelease,
    PatientKey,
    PersonPosting,
    Provision,
    Study,
)
from tests.conftest import StandingClock
from tests.flows.disclosing import (
    ELSEWHERE,
    HER,
    HIM,
    LINKED,
    OPERATOR,
    PRIVACY,
    A,
    B,
    a_release_about_her,
    chart,
    left,
    put_lock,
    put_papers_of,
    send_patients,
    token_of,
)
from tests.flows.erasing import OFFICERS, VICTIM, approved, opened, packaged, settle_people
from tests.flows.homes import copied, made
from tests.flows.papers import paper, put_papers
from tests.flows.providing import put
from tests.flows.releasing import ASSEMBLER, OFFICER, people, put_package
from tests.flows.sending import CLERK, CLERK_B, REGULATOR, RESEARCHER

ADDRESS = "203.0.113.9"
WHY_BACK = "接收方合同终止，须收回已提供的结果。"


@pytest.fixture(scope="module")
def about_her(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A home in which results about HER have left; HIM is not in them."""
    home = tmp_path_factory.mktemp("about-her") / "home"
    return made(home, sqlite_template, lambda platform: void(a_release_about_her(platform)))


def void(_: object) -> None:
    """Homes are filled by what gives nothing."""


@pytest.fixture
def there(about_her: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    with copied(about_her, tmp_path / "there", clock) as platform:
        yield platform


def asked(
    platform: Platform, number: str, actor: Actor = CLERK, hospital: str = "", **more: str
) -> Disclosures:
    return disclosures_of(platform, actor, hospital, number, **more)


def certainties(platform: Platform, number: str, **more: object) -> list[str]:
    return [one.certainty.value for one in asked(platform, number, **more).releases]  # type: ignore[arg-type]  # as `asked` has them


def refusal(platform: Platform, *question: object) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        disclosures_of(platform, *question)  # type: ignore[arg-type]  # hostile on purpose
    return caught.value


def only_release(platform: Platform) -> OutputRelease:
    return platform.records.all(select(OutputRelease))[0]


def log_text(platform: Platform) -> str:
    return "".join(one.body.decode() for one in platform.records.all(select(AuditEntry)))


def forget_map(platform: Platform, lock: str = "L-demo") -> None:
    for path in (platform.layout.home / "ledger").glob(f"{lock}.persons"):
        path.unlink()


def drop_provisions(platform: Platform) -> None:
    """As a release of before there were provisions."""
    with platform.records.transaction(
        audit=Act(ASSEMBLER, "test.dropped", Object("provision", "-"))
    ) as session:
        for table in (PersonPosting, Provision):
            for row in session.exec(select(table)).all():
                session.delete(row)
            session.flush()


# -- who is in it, and who is not --------------------------------------------------------------------------------


def test_a_patient_who_is_in_a_release_is_told_to_whom_it_went_and_why(there: Platform) -> None:
    release = only_release(there)
    (one,) = asked(there, HER).told
    assert (one.release_id, one.recipient, one.purpose) == (release.id, "circle-sponsor", "registration")
    assert (one.package_id, one.package_sha256, one.audience) == ("EP-1", release.content_sha256, "aggregate")
    assert one.exporters == (A,) and one.downloads == () and not one.recalled_at and not one.deleted_on
    kinds = {paper.kind for paper in one.papers}
    assert {"notice_consent", "impact_assessment"} <= kinds
    assert all(paper.id == f"paper-{A}-{paper.kind}" for paper in one.papers)


def test_a_patient_who_is_in_none_is_told_so(there: Platform) -> None:
    """The same hospital, the same lock's time, another person: certainly not in it, so nothing is left open."""
    found = asked(there, HIM)
    assert (found.releases, found.told, found.untold) == ((), (), ())


def test_the_entry_that_recorded_the_release_can_be_checked_against_the_log(there: Platform) -> None:
    (one,) = asked(there, HER).told
    assert one.logged is not None
    row = there.records.get(AuditEntry, one.logged.sequence)
    body = json.loads(row.body)
    assert (body["action"], body["object"]["id"]) == ("release.released", one.release_id)
    assert (
        one.logged.leaf_hash == Entry(row.sequence, row.body).leaf_hash.hex() == sha256_hex(b"\0" + row.body)
    )
    assert one.left_at == body["ts"] == one.logged.at


def test_a_linked_patient_is_found_by_the_linkage_token(there: Platform) -> None:
    assert certainties(there, LINKED) == ["included"]


def test_the_pseudonym_names_the_patient_as_well_as_the_number(there: Platform) -> None:
    by_number, by_name = asked(there, HER), asked(there, chart(there, HER))
    assert by_number.releases == by_name.releases and by_number.patient == by_name.patient
    assert (by_number.by_number, by_name.by_number) == (True, False)


def test_each_release_is_one_disclosure_the_newest_first(there: Platform, clock: StandingClock) -> None:
    clock.advance(days=1)
    put_package(there, {"all": people(1, 200)}, id="EP-2")
    second = left(there, "EP-2", circle="Another Sponsor")
    assert [one.release_id for one in asked(there, HER).releases] == [
        second,
        asked(there, HER).releases[1].release_id,
    ]
    assert [one.recipient for one in asked(there, HER).told] == ["circle-another", "circle-sponsor"]


def test_a_release_whose_results_are_not_about_the_patient_is_none_of_hers(there: Platform) -> None:
    """In the lock and not in the results: it is the results that left."""
    put_package(there, {"all": people(101, 200)}, id="EP-2")
    left(there, "EP-2", circle="Another Sponsor")
    assert [one.package_id for one in asked(there, HER).releases] == ["EP-1"]


def test_what_is_asked_for_and_has_not_left_is_no_disclosure(there: Platform) -> None:
    from rwd_platform.flows.release import request_release

    put_package(there, {"all": people(1, 200)}, id="EP-2")
    request_release(there, ASSEMBLER, "EP-2", "sponsor", "Another Sponsor", {"purpose": "研究"})
    assert len(asked(there, HER).releases) == 1


def test_what_became_public_went_to_everybody(there: Platform) -> None:
    """Abroad too, so that the papers of a transfer abroad are on file."""
    filed = paper("standard_contract", A, filed_on="2026-01-05")
    put(there, paper("ciio_check", A, answer="no"), paper("ethics_approval", A), filed)
    put_package(there, {"all": people(1, 200)}, id="EP-2")
    left(there, "EP-2", kind="public", circle="")
    assert "public" in {one.recipient for one in asked(there, HER).told}


@pytest.mark.parametrize(
    ("role", "exporters"), [("entrusted", (A,)), ("recipient", (OPERATOR,)), ("joint", (A, OPERATOR))]
)
def test_the_patient_is_found_whoever_the_exporter_is(
    platform: Platform, role: str, exporters: tuple[str, ...]
) -> None:
    """Entrusted, the hospital; received, the operator; jointly, both, and it is one release all the same."""
    a_release_about_her(platform, role)
    (one,) = asked(platform, HER).releases
    assert one.certainty is Certainty.INCLUDED and one.exporters == exporters
    assert asked(platform, HIM).releases == ()


# -- what happened since -----------------------------------------------------------------------------------------


def test_downloads_by_a_link_are_told_and_refused_ones_are_not(there: Platform, clock: StandingClock) -> None:
    made_link = make_link(there, ASSEMBLER, only_release(there).id, "申办者甲 张经理", 7, 1)
    clock.advance(hours=3)
    download_by_link(there, made_link.token, ADDRESS)
    clock.advance(hours=1)
    with pytest.raises(PlatformError):
        download_by_link(there, made_link.token, ADDRESS)
    (one,) = asked(there, HER).told
    assert one.downloads == ("2026-11-02T11:00:00.000000Z",)


def test_what_the_recipient_downloads_logged_in_is_told_and_what_others_open_is_not(there: Platform) -> None:
    """The team that made the package reads it on the platform: it has not left by that."""
    package = there.records.get(EvidencePackage, "EP-1")
    release = only_release(there)
    release.circle = REGULATOR.organisation
    there.records.write(release, audit=Act(ASSEMBLER, "test.changed", Object("release", release.id)))
    for actor in (RESEARCHER, REGULATOR):
        there.records.record(Act(actor, "package.downloaded", Object("package", "EP-1", package.sha256)))
    there.records.record(Act(REGULATOR, "package.downloaded", Object("package", "EP-1", "of other content")))
    assert len(asked(there, HER).told[0].downloads) == 1


def test_a_recall_and_the_letter_about_the_copies_are_told(there: Platform, clock: StandingClock) -> None:
    release = only_release(there)
    clock.advance(days=2)
    recall_release(there, OFFICER, release.id, WHY_BACK)
    (one,) = asked(there, HER).told
    assert (one.recalled_at, one.deleted_on) == ("2026-11-04T08:00:00.000000Z", "")
    assert one.left_at == "2026-11-02T08:00:00.000000Z", "it left when it left"
    (provision,) = provisions_of(there, release.id)
    confirm_deletion(there, OFFICER, provision.id, "c3" * 32, "2026-11-04")
    assert asked(there, HER).told[0].deleted_on == "2026-11-04"


def test_a_withdrawal_does_not_undo_what_left(there: Platform) -> None:
    settle_people(there)
    withdraw(there, CLERK, HER, reason="consent-withdrawn", withdrawn_on="2026-11-01", consent_version="v3")
    assert certainties(there, HER) == ["included"]


def test_a_rotated_key_changes_neither_the_answer_nor_the_reference(there: Platform) -> None:
    before = asked(there, HER)
    rotate_hospital_key(there, there.operator("test"), A)
    assert asked(there, HER) == before
    assert chart(there, HER).startswith("p1.intl.2.")


# -- whose question it is ----------------------------------------------------------------------------------------


def test_another_hospitals_patient_looks_like_one_whom_nobody_sent(there: Platform) -> None:
    """Number, pseudonym, or the other hospital named: the same words, and the same entry of the log."""
    nobody = refusal(there, CLERK, "", "MR-nobody")
    for question in (
        (CLERK_B, "", HER),
        (CLERK_B, A, HER),
        (CLERK_B, "", chart(there, HER)),
        (CLERK, B, ELSEWHERE),
        (PRIVACY, B, HER),
        (PRIVACY, "org-nowhere", HER),
        (PRIVACY, "", HER),
    ):
        assert refusal(there, *question).as_dict() == nobody.as_dict(), question
    assert nobody.code == "withdrawal.patient_unknown" and nobody.http == 404
    entries = [json.loads(one.body) for one in there.records.all(select(AuditEntry))][-8:]
    said = {(one["action"], one["object"]["type"], one["object"]["id"], one["reason"]) for one in entries}
    assert said == {("access.refused", "patient", "", "withdrawal.patient_unknown")}


def test_a_patient_of_another_hospital_is_not_told_of_this_ones_releases(there: Platform) -> None:
    assert asked(there, ELSEWHERE, CLERK_B).releases == ()
    forget_map(there)
    assert asked(there, ELSEWHERE, CLERK_B).releases == (), "the exporter was hospital A alone"


def test_a_privacy_officer_asks_for_any_hospital(there: Platform) -> None:
    found = asked(there, HER, PRIVACY, A)
    assert len(found.told) == 1 and found.patient == asked(there, HER).patient and not found.by_number


@pytest.mark.parametrize("actor", [RESEARCHER, REGULATOR, Actor("auditor", "auditor", OPERATOR)])
def test_nobody_else_may_ask(there: Platform, actor: Actor) -> None:
    error = refusal(there, actor, A, HER)
    assert (error.code, error.http) == ("access.not_allowed", 403)
    assert json.loads(there.records.all(select(AuditEntry))[-1].body)["action"] == "access.refused"


def test_each_look_is_in_the_log_and_the_number_never(there: Platform) -> None:
    """Under one reference for one patient, which nobody can compute without the key; refused looks as well."""
    name, before = chart(there, HER), log_text(there)
    references = {asked(there, HER).patient for _ in range(2)} | {asked(there, name, PRIVACY, A).patient}
    other = asked(there, HIM).patient
    refusal(there, CLERK_B, "", HER)
    refusal(there, RESEARCHER, A, HER)
    (reference,) = references
    assert reference != other and reference.startswith("patient-")
    said = log_text(there).removeprefix(before)
    assert said.count('"action":"disclosure.read"') == 4 and said.count('"action":"access.refused"') == 2
    assert said.count(reference) == 3
    for secret in (HER, HIM, name, sha256_hex(HER.encode())[:12], sha256_hex(name.encode())[:12]):
        assert secret not in said


def test_the_same_number_is_another_reference_at_another_hospital(there: Platform) -> None:
    from rwd_platform.flows.disclosures import reference_of

    name = chart(there, HER)
    assert reference_of(there, A, name) != reference_of(there, B, name)


HOSTILE = [
    "", " ", "x" * 201, "x" * 100_000, "MR-2026-0001\n", "\x00", "\ud800", "MR-2026-0001\x00", "%", "_",
    "' OR 1=1 --", "../../etc/passwd", "p1.intl.1.", "p1.intl.99999999999999999999.x", "p9.none.1.x", "\u202eHER",
    "｛｝", "{0}", "{patient}",
]  # fmt: skip


@pytest.mark.parametrize("number", HOSTILE, ids=[repr(one[:20]) for one in HOSTILE])
def test_malformed_and_hostile_numbers_are_unknown_and_not_repeated(there: Platform, number: str) -> None:
    for actor, hospital in ((CLERK, ""), (PRIVACY, A)):
        error = refusal(there, actor, hospital, number)
        assert error.code == "withdrawal.patient_unknown"
    for hospital in ("x" * 300, "\x00", "\ud800", HER):
        error = refusal(there, PRIVACY, hospital, HER)
        assert error.code == "withdrawal.patient_unknown" and HER not in str(error.as_dict())
    assert (
        refusal(there, CLERK, "", HER, number.strip() or "no-such-system").code
        == "withdrawal.patient_unknown"
    )
    assert HER not in log_text(there)


# -- what cannot be told -----------------------------------------------------------------------------------------


def test_without_the_locks_map_whoever_is_found_is_told_and_of_others_it_cannot_be_told(
    there: Platform,
) -> None:
    """The posting answers yes; a no would need the map."""
    forget_map(there)
    assert certainties(there, HER) == ["included"] and certainties(there, LINKED) == ["included"]
    found = asked(there, HIM)
    assert found.told == () and [one.certainty for one in found.untold] == [Certainty.NO_MAP]
    (one,) = found.untold
    assert one.recipient == "circle-sponsor" and one.release_id == only_release(there).id


def test_a_release_about_nobody_is_about_nobody_whatever_became_of_the_map(platform: Platform) -> None:
    send_patients(platform)
    put_package(platform, {"all": []})
    put_lock(platform, {"s0001": HER})
    left(platform)
    forget_map(platform)
    assert certainties(platform, HER) == []


def test_a_damaged_map_is_said_to_be_damaged(there: Platform) -> None:
    (path,) = (there.layout.home / "ledger").glob("L-demo.persons")
    path.write_bytes(path.read_bytes()[:-1])
    assert (certainties(there, HER), certainties(there, HIM)) == (["included"], ["damaged"])


@pytest.mark.parametrize("spoil", ["bytes", "counts", "gone"])
def test_a_posting_that_cannot_be_opened_is_never_a_no(there: Platform, spoil: str) -> None:
    (row,) = there.records.all(select(PersonPosting))
    with there.records.transaction(
        audit=Act(ASSEMBLER, "test.spoilt", Object("person_posting", "-"))
    ) as session:
        kept = session.get_one(PersonPosting, row.provision_id)
        if spoil == "gone":
            session.delete(kept)
        elif spoil == "bytes":
            kept.sealed = kept.sealed[:-1] + b"x"
        else:
            kept.sensitive += 1
    assert certainties(there, HER) == certainties(there, HIM) == ["damaged"]


def test_a_release_with_persons_whom_nobody_could_resolve_is_left_open(platform: Platform) -> None:
    """A subject that the map lacks may be anybody, the patient who asks too."""
    send_patients(platform)
    put_package(platform, {"all": people(1, 201)})
    put_lock(platform, {"s0001": HER})
    put_papers_of(platform, A)
    left(platform)
    assert (certainties(platform, HER), certainties(platform, HIM)) == (["included"], ["unresolved"])


@pytest.mark.parametrize("kept", [b"", b"[1]", b'{"all": 7}', b"\xff"])
def test_people_of_a_run_that_cannot_be_read_are_no_proof_that_somebody_is_not_among_them(
    there: Platform, kept: bytes
) -> None:
    (there.layout.results / "run-EP-1" / "row_sets.json").write_bytes(kept)
    assert (certainties(there, HER), certainties(there, HIM)) == (["included"], ["unresolved"])


def test_a_chart_of_another_hospital_is_not_told_of_by_the_persons_token_alone(platform: Platform) -> None:
    """In the operator's part a token may stand for a chart elsewhere: only the map says whose rows they were."""
    from tests.flows.linking import person
    from tests.flows.sending import ndjson, sent

    send_patients(platform, "recipient")
    sent(platform, {"c.ndjson": ndjson({**person(3), "id": "b-3"})}, CLERK_B, platform_role="recipient")
    put_package(platform, {"all": people(1, 200)})
    strangers = {one: Person(f"{B}|{one}", ((B, one),)) for one in people(2, 200)}
    at_b = Person(token_of(platform, LINKED), ((B, chart(platform, "b-3", B)),))
    seal_person_map(platform, "L-demo", {"s0001": at_b, **strangers})
    put_papers_of(platform, B)
    left(platform)
    assert certainties(platform, "b-3", actor=CLERK_B) == ["included"]
    found = asked(platform, LINKED)
    assert found.releases == () and found.other_hospitals == 1
    forget_map(platform)
    (one,) = asked(platform, LINKED).releases
    assert one.certainty is Certainty.NO_MAP
    assert (one.recipient, one.package_id, one.exporters, one.papers) == ("", "", (), ()), (
        "it may be B's alone"
    )
    assert asked(platform, LINKED, PRIVACY, A).releases[0].recipient == "circle-sponsor"


def test_a_release_of_before_there_were_provisions_is_told_by_its_subjects(there: Platform) -> None:
    drop_provisions(there)
    (one,) = asked(there, HER).releases
    assert one.certainty is Certainty.INCLUDED and one.exporters == () and one.papers == () and one.logged
    assert certainties(there, HIM) == []
    forget_map(there)
    assert certainties(there, HER) == certainties(there, HIM) == ["no_map"]


def test_every_reason_why_it_cannot_be_told_has_words() -> None:
    assert set(WHY_UNTOLD) == set(Certainty) - {Certainty.INCLUDED}


# -- after an erasure --------------------------------------------------------------------------------------------


def provided(platform: Platform, study: Study) -> None:
    """The whole lock of a study goes to the authority: posted as a release does it, without its two officers."""
    package = packaged(platform, newest_run(platform, study))
    put_papers(platform, ("org-authority",), A)
    asked_for = OutputRelease(
        id="release-1", organisation_id=package.organisation_id, project_id=package.project_id, package_id=package.id,
        product="p", recipient_kind="competent_authority", circle="org-authority", content_sha256=package.sha256,
        conditions={}, verdict={}, state="released", requested_by=RESEARCHER.id,
        requested_at="2026-11-02T08:00:00.000000Z", decided_at="2026-11-02T08:00:00.000000Z",
    )  # fmt: skip
    act = Act(RESEARCHER, "release.requested", Object("release", asked_for.id))
    platform.records.write(asked_for, audit=act)
    part = leaving(platform, RESEARCHER, asked_for)
    act = Act(RESEARCHER, "release.released", Object("release", asked_for.id, package.sha256))
    with platform.records.transaction(audit=act) as session:
        assert {one.state for one in post_provisions(session, part)} == {"posted"}


def test_after_an_erasure_it_cannot_be_told_of_the_erased_and_stays_told_of_everybody_else(
    prepared: Path, tmp_path: Path, clock: StandingClock
) -> None:
    """The linkage token went with the patient: the posting cannot be asked any more, and that is said.

    Nobody else's answer suffers: the map of the re-issued lock has them all, as the same subjects.
    """
    clock.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    platform = opened(shutil.copytree(prepared, tmp_path / "home"), clock)
    provided(platform, platform.records.all(select(Study))[0])
    everybody = [VICTIM, *(f"patient.{number}" for number in range(2, 5))]
    assert [certainties(platform, one) for one in everybody] == [["included"]] * 4
    before = asked(platform, "patient.2")

    erase(platform, OFFICERS[1], approved(platform).id)

    assert certainties(platform, VICTIM) == ["erased"]
    assert asked(platform, "patient.2") == before
    assert [certainties(platform, one) for one in everybody[1:]] == [["included"]] * 3
    said = json.loads(fhir_file(platform, asked(platform, VICTIM), VICTIM))
    (only,) = [one["resource"] for one in said["entry"]]
    assert only["resourceType"] == "OperationOutcome" and only["issue"][0]["code"] == "incomplete"
    platform.records.engine.dispose()


def test_an_erased_patient_who_had_no_token_is_still_found_in_what_was_posted(there: Platform) -> None:
    """The hospital's number leads to the name that was posted: the record of what left stays true."""
    erased = only_release(there)
    names = {number: chart(there, number) for number in (HER, HIM)}
    persons = {one: Person(f"{A}|p1.intl.1.{one}", ((A, f"p1.intl.1.{one}"),)) for one in people(2, 200)}
    seal_person_map(there, "L-again", persons)
    forget_map(there)
    notice = LockNotice(
        lock_id="L-demo", cause="erasure-1", organisation_id=A, project_id="demo", kind="erased",
        reissued_as="L-again", noted_at="2026-11-02T09:00:00.000000Z",
    )  # fmt: skip
    act = Act(ASSEMBLER, "test.erased", Object("release", erased.id))
    with there.records.transaction(audit=act) as session:
        session.add(notice)
        for name in names.values():
            session.get_one(PatientKey, (A, name)).destroyed_at = "2026-11-02T09:00:00.000000Z"
    row_sets = there.layout.results / "run-EP-1" / "row_sets.json"
    row_sets.write_text(json.dumps({"all": people(2, 200)}))
    assert certainties(there, HER) == ["included"]
    assert certainties(there, HIM) == ["erased"], "erased too, and not found: that is no proof"


# -- the file ----------------------------------------------------------------------------------------------------


def test_the_hospitals_number_stands_in_the_file_it_gets_for_it_and_in_no_other(there: Platform) -> None:
    own = fhir_file(there, asked(there, HER, form="fhir"), HER)
    assert HER.encode() in own and asked(there, HER).patient.encode() not in own
    for answer, number in (
        (asked(there, HER, PRIVACY, A), HER),
        (asked(there, chart(there, HER)), chart(there, HER)),
        (asked(there, HER), ""),
    ):
        other = fhir_file(there, answer, number)
        assert HER.encode() not in other and chart(there, HER).encode() not in other
        assert answer.patient.encode() in other
    entries = [json.loads(one.body) for one in there.records.all(select(AuditEntry))]
    assert [one["purpose"] for one in entries if one["action"] == "disclosure.read"].count("fhir") == 1


def test_the_file_is_read_by_fhir_resources_and_is_the_same_twice(there: Platform) -> None:
    from fhir.resources.R4B.bundle import Bundle

    from tests.audit.test_balp import broken

    made_once = fhir_file(there, asked(there, HER), HER)
    assert made_once == fhir_file(there, asked(there, HER), HER)
    read = Bundle.model_validate(json.loads(made_once))
    event, _ = [one["resource"] for one in json.loads(made_once)["entry"]]
    assert list(broken(event)) == [] and len(read.entry) == 2
    (one,) = asked(there, HER).told
    assert one.logged is not None
    details = {each["type"]: each["valueString"] for each in event["entity"][1]["detail"]}
    assert details["log-leaf-hash"] == one.logged.leaf_hash and details["sha256"] == one.package_sha256
    assert details["log-sequence"] == str(one.logged.sequence)
    custodian, authorizer = event["agent"][2:]
    assert custodian["who"]["identifier"]["value"] == A
    assert authorizer["policy"][0].endswith(f"paper-{A}-notice_consent")


def test_nobody_is_an_authorizer_where_no_consent_is_on_file(there: Platform) -> None:
    found = asked(there, HER)
    (one,) = found.told
    bare = replace(one, papers=(), exporters=(B, OPERATOR), downloads=("2026-11-02T11:00:00.000000Z",))
    entry, _ = json.loads(fhir_file(there, replace(found, releases=(bare,))))["entry"]
    agents = entry["resource"]["agent"]
    assert len(agents) == 2, "two exporters, neither the hospital that asks: the profile has room for one"
    assert agents[1]["network"]["_address"]["extension"][0]["valueCode"] == "masked"


def test_a_file_about_nothing_says_so_and_one_without_an_entry_of_the_log_too(there: Platform) -> None:
    def issues(answer: Disclosures) -> list[tuple[str, str]]:
        resources = [one["resource"] for one in json.loads(fhir_file(there, answer))["entry"]]
        assert [one["resourceType"] for one in resources] == ["OperationOutcome"]
        return [(one["severity"], one["code"]) for one in resources[0]["issue"]]

    scope = ("information", "informational")  # which looks the file is not about
    assert issues(asked(there, HIM)) == [("information", "informational"), scope]
    found = asked(there, HER)
    unlogged = replace(found.told[0], logged=None)
    assert issues(replace(found, releases=(unlogged,))) == [("warning", "incomplete"), scope]


def test_thousands_of_releases_are_answered_whole(there: Platform) -> None:
    """Read in batches: three of them, and a release of every batch is there."""
    release = only_release(there)
    (provision,) = there.records.all(select(Provision))
    posting = there.records.get(PersonPosting, provision.id)
    persons = opened_persons(there, posting)

    act = Act(ASSEMBLER, "test.many", Object("release", release.id))
    with there.records.transaction(audit=act) as session:
        for number in range(1_200):
            id = f"provision-{number:05}"
            session.add(OutputRelease(**{**release.model_dump(), "id": f"release-{number:05}"}))
            session.add(
                Provision(**{**provision.model_dump(), "id": id, "source_id": f"release-{number:05}"})
            )
            session.flush()
            kept = PersonPosting(**{**posting.model_dump(), "provision_id": id})
            kept.sealed = sealed_persons(there, kept, persons)
            session.add(kept)
    found = asked(there, HER)
    assert len(found.told) == 1_201 and len({one.release_id for one in found.told}) == 1_201
    assert sum(one.logged is None for one in found.told) == 1_200
    assert asked(there, HIM).releases == ()
