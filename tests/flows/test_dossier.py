"""What a package lacks before it is made, and the package that its purpose, its words and its recipient come to."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.dossier import check_dossier, newest_check, profile_of, statements_waiting
from rwd_platform.flows.dossier_inputs import LARGEST_CERTIFICATE, Wanted, choose, chosen_for
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.jobs import drain, enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import put_statements
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, DossierCheck, EvidencePackage, PackageDossier, Study
from studies.evidence.changes import CHANGES_JSON
from studies.evidence.statements import asked
from tests.conftest import StandingClock
from tests.evidence.submission.keys import needs_openssl, opened, recipient, recipient_of_a_curve
from tests.flows import erasing
from tests.flows.log_reading import whole_log
from tests.flows.saying import fit_words, say_everything
from tests.flows.sending import RESEARCHER, sent
from tests.flows.test_study import thirty_patients
from tests.flows.unsealing import settle, unseal
from tests.studies.rotterdam_lock import rotterdam_protocol

REGISTRATION = Wanted("registration", "authority")
# Thirty patients are too few for the comparison with results from abroad that a registration expects.
POST_MARKET = Wanted("post_market", "authority")
OTHER_WORDS = Bilingual(
    "资助情况另有说明：由演示基金会承担全部费用。", "Another word: a demo foundation paid for all of it."
)


@pytest.fixture(scope="module")
def sealed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty patients, checked, locked and analysed; the results are sealed."""
    home = tmp_path_factory.mktemp("sealed") / "home"
    platform = erasing.opened(home)
    settle(platform, RESEARCHER)
    sent(platform, {"all.ndjson": thirty_patients()})
    check_quality(platform, RESEARCHER)
    erasing.study_with_sealed_results(platform)
    drain(platform, "before")
    platform.records.engine.dispose()
    return home


@pytest.fixture(scope="module")
def unsealed_home(sealed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("unsealed") / "home"
    shutil.copytree(sealed_home, home, symlinks=True)
    platform = erasing.opened(home)
    (found,) = platform.records.all(select(Study))
    unseal(platform, found.id)
    platform.records.engine.dispose()
    return home


def copied(home: Path, tmp_path: Path, clock: StandingClock) -> Platform:
    return erasing.opened(shutil.copytree(home, tmp_path / "home", symlinks=True), clock)


@pytest.fixture
def unsealed(unsealed_home: Path, tmp_path: Path, clock: StandingClock) -> Any:
    """Nobody has written a word yet."""
    platform = copied(unsealed_home, tmp_path, clock)
    yield platform
    platform.records.engine.dispose()


@pytest.fixture
def study(unsealed: Platform) -> Study:
    (found,) = unsealed.records.all(select(Study))
    return found


def refused(code: str, work: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = select(AuditEntry).where(AuditEntry.action == action).order_by(col(AuditEntry.sequence))
    return [json.loads(one.body) for one in platform.records.all(found)]


def ids(check: DossierCheck) -> list[str]:
    return [one["id"] for one in check.lacking]


def assembled(platform: Platform, study: Study, **more: str) -> EvidencePackage:
    return assemble_evidence(platform, RESEARCHER, study.id, "post_market", "authority", **more)


def content(platform: Platform, package: EvidencePackage, name: str) -> bytes | None:
    path = platform.layout.packages / package.file_name.removesuffix(".zip") / name
    return path.read_bytes() if path.exists() else None


def holds(platform: Platform, package: EvidencePackage) -> bool:
    key = platform.package_signer.public_key
    return verify_package_at(platform.layout.packages / package.file_name, key, None).holds


# -- what is missing ---------------------------------------------------------------------------------------------


def test_what_is_missing_shrinks_as_words_are_written(
    unsealed: Platform, study: Study, clock: StandingClock
) -> None:
    """First everything people have to say, then the rest of it, then nothing; no look makes a package."""
    first = check_dossier(unsealed, RESEARCHER, study.id, POST_MARKET)
    waiting = {
        one.asked.id for one in statements_waiting(unsealed, study.id, profile_of(study, "post_market"))
    }
    asked_of_people = [one for one in first.lacking if one["statement"]]
    assert asked_of_people and {one["statement"] for one in asked_of_people} <= waiting
    for one in first.lacking:
        assert one["id"] and all(
            one[part][language] for part in ("title", "who", "next") for language in ("zh", "en")
        )
    half = sorted(random.Random(7).sample(ids(first), len(first.lacking) // 2))
    written = {id: fit_words()[id] for id in half if id in asked()}
    put_statements(unsealed, RESEARCHER, study.id, written)
    clock.advance(minutes=1)
    second = check_dossier(unsealed, RESEARCHER, study.id, POST_MARKET)
    assert set(ids(second)) == set(ids(first)) - set(written) and second.basis != first.basis
    say_everything(unsealed, RESEARCHER, study.id)
    clock.advance(minutes=1)
    last = check_dossier(unsealed, RESEARCHER, study.id, POST_MARKET)
    assert last.lacking == []
    newest = newest_check(unsealed, study.id, "post_market", "authority")
    assert newest is not None and newest.id == last.id
    assert newest_check(unsealed, study.id, "post_market", "aggregate") is None
    assert [one["decision"] for one in entries(unsealed, "dossier.checked")] == [
        {"lacking": len(one.lacking)} for one in (first, second, last)
    ]
    assert not list(unsealed.layout.packages.glob("*")) and not unsealed.records.all(select(EvidencePackage))


def test_an_incomplete_package_is_not_made_and_says_who_acts_first(unsealed: Platform, study: Study) -> None:
    lacking = check_dossier(unsealed, RESEARCHER, study.id, POST_MARKET).lacking
    error = refused("evidence.incomplete", lambda: assembled(unsealed, study))
    assert str(len(lacking)) in error.en and lacking[0]["id"] in error.en
    told = error.as_dict()
    assert lacking[0]["who"]["zh"] in told["zh"] + told["next_zh"]
    assert lacking[0]["who"]["en"] in told["en"] + told["next_en"]
    assert not list(unsealed.layout.packages.glob("*")) and not unsealed.records.all(select(EvidencePackage))
    assert entries(unsealed, "package.assembled") == []


def test_a_reason_why_there_is_no_answer_stands_in_for_the_answer(unsealed: Platform, study: Study) -> None:
    """What no statement fills may be explained under the id of the checklist's item."""
    found = check_dossier(unsealed, RESEARCHER, study.id, REGISTRATION)
    explained = [one["id"] for one in found.lacking if not one["statement"] and one["id"] in asked()]
    if not explained:
        pytest.skip("this study answers every item of its checklists that no statement fills")
    put_statements(unsealed, RESEARCHER, study.id, {id: fit_words()[id] for id in explained})
    after = check_dossier(unsealed, RESEARCHER, study.id, REGISTRATION)
    assert set(ids(after)) == set(ids(found)) - set(explained)


def test_waiting_shows_what_was_said_and_what_was_not(unsealed: Platform, study: Study) -> None:
    profile = profile_of(study, "registration")
    first = statements_waiting(unsealed, study.id, profile)
    assert profile.id == "reg_drug" and {one.said for one in first} == {None}
    id = next(one.asked.id for one in first if one.asked.choices is None)
    put_statements(unsealed, RESEARCHER, study.id, {id: fit_words()[id]})
    second = statements_waiting(unsealed, study.id, profile)
    assert [one.asked for one in second] == [one.asked for one in first]
    assert {one.asked.id: one.said for one in second if one.said} == {id: fit_words()[id]}
    assert profile_of(study, "commercial").id == "commercial", (
        "also where there is an aggregate edition alone"
    )


# -- refusals ----------------------------------------------------------------------------------------------------

RSA = recipient().certificate.decode()
UNFIT = [
    (Wanted("made-up", "authority"), "evidence.choice_unknown"),
    (Wanted("registration", "everybody"), "evidence.choice_unknown"),
    (Wanted("registration", "authority", "T9"), "evidence.choice_unknown"),
    (Wanted("commercial", "authority"), "evidence.audience_not_for"),
    (Wanted("award", "authority"), "evidence.audience_not_for"),
    (Wanted("registration", "authority", "T4"), "evidence.tier_not_for"),
    (Wanted("registration", "aggregate", "T3", RSA), "evidence.tier_not_for"),
    (Wanted("registration", "authority", "T3"), "evidence.certificate_needed"),
    (Wanted("registration", "authority", "T3", "   "), "submission.certificate_unreadable"),
    (Wanted("registration", "authority", "T3", "-----BEGIN CERTIFICATE-----"), "submission.certificate_unreadable"),
    (Wanted("registration", "authority", "T3", "x" * 1_000_000), "submission.certificate_unreadable"),
    (Wanted("registration", "authority", "T3", RSA + RSA), "submission.certificate_unreadable"),
    (Wanted("registration", "authority", "T3", recipient().key.decode()), "submission.private_key_given"),
    (Wanted("registration", "authority", "T3", RSA + recipient().key.decode()), "submission.private_key_given"),
    (Wanted("made-up", "authority", "T1", RSA + recipient().key.decode()), "submission.private_key_given"),
    (Wanted("registration", "authority", "T1", RSA), "evidence.certificate_for_nothing"),
    (Wanted("registration", "authority", "", RSA), "evidence.certificate_for_nothing"),
    (Wanted("registration", "authority", "T3", recipient(years=(2001, 2002)).certificate.decode()),
     "submission.certificate_expired"),
    (Wanted("registration", "authority", "T3", recipient_of_a_curve("P-256").certificate.decode()),
     "submission.certificate_key_unfit"),
    (Wanted("registration", "authority", "T3", recipient(usage="sign").certificate.decode()),
     "submission.certificate_key_unfit"),
    (Wanted("registration", "authority", "T3", recipient(bits=1024).certificate.decode()),
     "submission.certificate_key_unfit"),
]  # fmt: skip


def test_what_cannot_be_chosen_is_refused_and_on_record(unsealed: Platform, study: Study) -> None:
    """By the look as by the making; nothing that was sent comes back, and one refusal is one entry."""
    for number, (wanted, code) in enumerate(UNFIT):
        sent = (unsealed, RESEARCHER, study.id)
        choice = (*sent, wanted.purpose, wanted.audience)
        for work in (
            partial(check_dossier, *sent, wanted),
            partial(assemble_evidence, *choice, tier=wanted.tier, certificate=wanted.certificate),
        ):
            told = json.dumps(refused(code, work).as_dict(), ensure_ascii=False)
            for one in ("made-up", "everybody", "MII", "xxx"):
                assert one not in told, one
        assert len(entries(unsealed, "access.refused")) == 2 * (number + 1), code
    log = whole_log(unsealed)
    assert "made-up" not in log and "MII" not in log and unsealed.records.all(select(DossierCheck)) == []
    assert unsealed.records.all(select(EvidencePackage)) == []


def test_a_sealed_run_is_not_looked_at(sealed_home: Path, tmp_path: Path, clock: StandingClock) -> None:
    """A look holds documents with results in them against the checklists: it waits for the second person too."""
    platform = copied(sealed_home, tmp_path, clock)
    (study,) = platform.records.all(select(Study))
    refused("study.results_sealed", lambda: check_dossier(platform, RESEARCHER, study.id, REGISTRATION))
    (entry,) = entries(platform, "access.refused")
    assert entry["reason"] == "study.results_sealed" and platform.records.all(select(DossierCheck)) == []
    platform.records.engine.dispose()


def test_another_organisation_and_other_roles_find_nothing(unsealed: Platform, study: Study) -> None:
    elsewhere = Actor("researcher-3", "researcher", "org-hospital-a")
    officer = Actor("officer-lin", "privacy", "org-operator")
    refused("records.not_found", lambda: check_dossier(unsealed, elsewhere, study.id, REGISTRATION))
    refused("records.not_found", lambda: check_dossier(unsealed, elsewhere, "study-none", REGISTRATION))
    refused("access.not_allowed", lambda: check_dossier(unsealed, officer, study.id, REGISTRATION))
    assert len(entries(unsealed, "access.refused")) == 3 and unsealed.records.all(select(DossierCheck)) == []


def test_a_product_that_is_neither_a_drug_nor_a_device_has_no_registration() -> None:
    """Purposes for which the product does not matter take it."""
    for purpose in ("registration", "indication"):
        refused("evidence.product_unknown", partial(chosen_for, "", Wanted(purpose, "authority")))
    assert chosen_for("", Wanted("post_market", "authority")).profile.id == "post_market"
    assert chosen_for("device", REGISTRATION).profile.id == "reg_device"
    assert chosen_for("drug", REGISTRATION).tier == "T1", "no row unless somebody asks for it"


def test_a_certificate_is_in_date_when_it_is_asked_for() -> None:
    """By the platform's clock; and however it was spelt, the same certificate comes to the same package."""
    at = datetime(2026, 11, 2, tzinfo=UTC)
    for years, code in (((2001, 2002), "expired"), ((2031, 2036), "not_yet_valid")):
        given = recipient(years=years).certificate.decode()
        wanted = Wanted("registration", "authority", "T3", given)
        error = refused(f"submission.certificate_{code}", partial(choose, rotterdam_protocol(), wanted, at))
        assert f"{years[1] if code == 'expired' else years[0]}-01-01" in error.zh
    spelt = [RSA, RSA.replace("\n", "\r\n"), f"\ufeff\n{RSA}\n"]
    chosen = [
        choose(rotterdam_protocol(), Wanted("registration", "authority", "T3", one), at) for one in spelt
    ]
    assert len({one.certificate_sha256 for one in chosen}) == 1
    assert {one.wanted.certificate for one in chosen} == {RSA}


def test_a_certificate_is_looked_at_whole_or_not_at_all() -> None:
    """What follows a good certificate is not passed over because it is far behind."""
    at = datetime(2026, 11, 2, tzinfo=UTC)
    for more in ("\n" * LARGEST_CERTIFICATE, "\n" * LARGEST_CERTIFICATE + RSA, "x" * 1_000_000):
        wanted = Wanted("registration", "authority", "T3", RSA + more)
        refused("submission.certificate_unreadable", partial(choose, rotterdam_protocol(), wanted, at))
    padded = choose(rotterdam_protocol(), Wanted("registration", "authority", "T3", RSA + "\n\n"), at)
    assert padded.tier == "T3"


# -- as a job ----------------------------------------------------------------------------------------------------


def payload(study: Study, **more: str) -> dict[str, str]:
    return {
        "study_id": study.id,
        "purpose": "post_market",
        "audience": "authority",
        "tier": "",
        "certificate": "",
    } | more


def test_a_look_as_a_job_may_be_refused_resumed_and_done(unsealed: Platform, study: Study) -> None:
    """A job that failed is queued again under its key; one that was done twice leaves two rows and no harm."""
    enqueue(unsealed, RESEARCHER, "check_dossier", payload(study, purpose="made-up"), key="k1")
    (job,) = drain(unsealed, "w")
    assert (
        job.state == "failed" and job.problem is not None and job.problem["code"] == "evidence.choice_unknown"
    )
    again = enqueue(unsealed, RESEARCHER, "check_dossier", payload(study, purpose="made-up"), key="k1")
    assert (again.id, again.state) == (job.id, "queued")
    (job,) = drain(unsealed, "w")
    assert job.state == "failed"
    for key in ("k2", "k3"):
        enqueue(unsealed, RESEARCHER, "check_dossier", payload(study), key=key)
        (job,) = drain(unsealed, "w")
        assert (job.state, job.problem, job.stage) == ("done", None, "look")
    first, second = unsealed.records.all(select(DossierCheck))
    assert first.id != second.id and first.basis == second.basis and first.lacking == second.lacking


# -- the package -------------------------------------------------------------------------------------------------


def test_the_same_words_are_the_same_version_and_others_make_a_new_one(
    unsealed: Platform, study: Study, clock: StandingClock
) -> None:
    """Other words and another tier each make a version of their own, which says what changed since the one before."""
    say_everything(unsealed, RESEARCHER, study.id)
    first = assembled(unsealed, study)
    clock.advance(hours=1)
    assert (assembled(unsealed, study).id, len(unsealed.records.all(select(EvidencePackage)))) == (
        first.id,
        1,
    )
    put_statements(unsealed, RESEARCHER, study.id, {"funding": OTHER_WORDS})
    second = assembled(unsealed, study)
    third = assembled(unsealed, study, tier="T0")
    assert [one.version for one in (first, second, third)] == [1, 2, 3]
    assert content(unsealed, first, CHANGES_JSON) is None
    for before, package in ((first, second), (second, third)):
        said = json.loads(content(unsealed, package, CHANGES_JSON) or b"{}")
        assert said["before"]["package_id"] == before.id
    words = content(unsealed, second, "data/02_governance/statements.json") or b""
    assert OTHER_WORDS.zh in words.decode() and fit_words()["funding"].zh not in words.decode()
    rows = {one.package_id: one for one in unsealed.records.all(select(PackageDossier))}
    assert {rows[one.id].profile for one in (first, second, third)} == {"post_market"}
    assert [rows[one.id].tier for one in (first, second, third)] == ["T1", "T1", "T0"]
    assert len({one.basis for one in rows.values()}) == 3 and {one.sealed_to for one in rows.values()} == {""}
    put_statements(unsealed, RESEARCHER, study.id, {"funding": fit_words()["funding"]})
    assert assembled(unsealed, study).version == 1, "the words of the first version again"
    for package in (first, second, third):
        assert holds(unsealed, package)


@needs_openssl
def test_rows_are_in_a_package_for_one_recipient_alone(
    unsealed: Platform, study: Study, tmp_path: Path
) -> None:
    """A job of tier T3: sealed to the certificate, nothing of the rows in clear; another recipient, another version."""
    say_everything(unsealed, RESEARCHER, study.id)
    versions = []
    for place in (0, 1):
        to = recipient(place=place)
        enqueue(
            unsealed,
            RESEARCHER,
            "assemble",
            payload(study, tier="T3", certificate=to.certificate.decode()),
            f"k{place}",
        )
        (job,) = drain(unsealed, "w")
        assert job.state == "done", job.problem
        package = max(unsealed.records.all(select(EvidencePackage)), key=lambda one: one.version)
        row = unsealed.records.get(PackageDossier, package.id)
        assert (row.tier, row.sealed_to) == ("T3", sha256_hex(to.certificate))
        folder = unsealed.layout.packages / package.file_name.removesuffix(".zip")
        sealed = list(folder.rglob("rows.p7m"))
        assert len(sealed) == 1
        inside = opened(sealed[0].read_bytes(), to, tmp_path)
        assert any(name.endswith((".xpt", ".json")) for name in inside)
        outside = {
            path.relative_to(folder / "data/03_data").as_posix()
            for path in (folder / "data/03_data").rglob("*")
        }
        assert not outside & set(inside), "what is sealed is not beside the envelope in clear"
        versions.append(package.version)
        assert holds(unsealed, package)
    assert versions == [1, 2]


def test_a_job_of_before_there_were_tiers_is_still_done(unsealed: Platform, study: Study) -> None:
    say_everything(unsealed, RESEARCHER, study.id)
    old = {"study_id": study.id, "purpose": "post_market", "audience": "authority"}
    enqueue(unsealed, RESEARCHER, "assemble", old, key="old")
    (job,) = drain(unsealed, "w")
    (row,) = unsealed.records.all(select(PackageDossier))
    assert (job.state, row.tier) == ("done", "T1")
