"""From a clerk's upload to a package that a regulator abroad downloads, in a browser: held for a paper, then not.

Seven people, each before their own browser. Patients, study and papers are the demonstration's; the authority is on
record as one abroad, so that rows of patients cross the border. docs/journey.md shows the same way in the pictures
that this walk takes with RWD_PICTURES=docs/pictures.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import open_platform
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, EvidencePackage, PersonPosting, Provision, Upload
from rwd_platform.settings import Settings
from tests.flows.saying import say_everything
from tests.flows.test_study import PROTOCOL, thirty_patients
from tests.pages.conftest import Site, _serve
from tests.pages.test_researcher_journey import Walk
from tests.server.conftest import settle_people

pytestmark = pytest.mark.pages

RESEARCHER = Actor("user-researcher", "researcher", "org-operator")
WHY = "已核对输出检查的结论、用途与授权，同意。"
SLOW = 180_000  # milliseconds: admitting, locking and assembling on two busy cores


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty deployment with people, and somebody who does the jobs."""
    platform = open_platform(Settings(home=tmp_path_factory.mktemp("release") / "home", demo=True))
    settle_people(platform)
    url, server = _serve(platform)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            drain(platform, "journey")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    yield Site(platform, url)
    stop.set()
    worker.join()
    server.should_exit = True


def test_from_the_upload_to_the_download_abroad(browser: Any, site: Site, tmp_path: Path) -> None:
    """Each step is somebody's; what is missing holds what was approved; the log verifies at the end."""
    people = {
        login: Walk(browser, site, login, "zh")
        for login in (
            "hospital-a",
            "researcher",
            "researcher-2",
            "privacy",
            "privacy-2",
            "regulator",
            "auditor",
        )
    }
    clerk_uploads(people["hospital-a"], tmp_path)
    package = researcher_makes_a_package(people["researcher"], people["researcher-2"])
    officer = people["privacy"]
    officer_records_the_parties(officer)
    for kind in (
        "ciio_check",
        "important_data_check",
        "guardian_consent",
        "impact_assessment",
        "notice_consent",
        "data_use_agreement",
    ):
        officer_records(officer, kind)

    officer.picture("journey_3_papers", "/papers")

    release = researcher_asks(people["researcher"], package)
    two_officers_approve(officer, people["privacy-2"], release)
    researcher_is_held(people["researcher"], release)
    officer.picture("journey_6_held", provision_of(site))
    officer_records(officer, "standard_contract")
    researcher_releases(people["researcher"], release)
    officer.picture("journey_8_ledger", "/provisions")

    regulator_downloads(people["regulator"], package, tmp_path)
    auditor_verifies_the_log(people["auditor"])
    what_is_on_record(site)
    for one in people.values():
        assert one.foreign == []


def clerk_uploads(one: Walk, folder: Path) -> None:
    page = one.page
    (folder / "patients.ndjson").write_bytes(thirty_patients())
    one.open("/uploads/new")
    for field in ("agreement", "consent_version", "ethics_id", "source_system"):
        page.fill(f"#{field}", "DEMO-1")
    page.select_option("#platform_role", "entrusted")
    page.set_input_files("#files", [folder / "patients.ndjson"])
    page.click("#send")
    page.wait_for_url("**/uploads/upload-*", timeout=60_000)
    page.wait_for_selector("text=已入库", timeout=SLOW)
    one.check()
    one.picture("journey_1_upload")
    (upload,) = one.site.platform.records.all(select(Upload))
    assert upload.state == "admitted"
    check_quality(one.site.platform, Actor("user-operator", "operator", "org-operator"))


def researcher_makes_a_package(one: Walk, second: Walk) -> str:
    """Registered, frozen, locked, analysed, unsealed with a second person's word, assembled for an authority."""
    page = one.page
    one.open("/studies/new")
    page.fill("#protocol", PROTOCOL)
    page.click('form[action="/studies"] button')
    page.fill("#reason", "方案经审定")
    page.click('form[action$="/freeze"] button')
    study = page.url
    page.click('form[action$="/lock"] button')
    page.wait_for_selector('form[action$="/run"]', timeout=SLOW)
    page.click('form[action$="/run"] button')
    page.wait_for_selector('form[action$="/unseal"]', timeout=SLOW)
    page.check('[name=knowledge][value="none"]')
    page.fill("#unseal-reason", "已核对基线平衡与重叠的诊断")
    page.click('form[action$="/unseal"] button')
    second.page.goto(study)
    second.page.fill("#vote-reason", "已核对平衡与重叠的诊断，同意揭盲")
    second.page.click('form[action*="/unsealings/"] [value="true"]')
    second.page.wait_for_load_state("networkidle")
    say_everything(one.site.platform, RESEARCHER, study.rsplit("/", 1)[-1])
    page.goto(study)
    page.wait_for_selector("#audience")
    page.select_option("#purpose", "post_market")  # thirty are too few for a comparison with those abroad
    page.select_option("#audience", "authority")
    page.click('form[action$="/assemble"] button')
    page.wait_for_selector('a[href^="/packages/EP-"]', timeout=SLOW)
    one.picture("journey_2_study")
    (package,) = one.site.platform.records.all(select(EvidencePackage))
    return package.id


def officer_records_the_parties(one: Walk) -> None:
    """The hospital at home; the authority as one abroad."""
    for id, country, foreign in (("hospital-a", "CN", "no"), ("org-authority", "SG", "yes")):
        one.open(f"/parties/{id}")
        one.page.select_option("#country", country)
        for question, answer in (
            ("foreign_controlled", foreign),
            ("state_organ", "no"),
            ("restricted", "no"),
        ):
            one.page.check(f'[name={question}][value="{answer}"]')
        one.page.fill("#contact", "dpo@example.org")
        one.page.click('form[action^="/parties/"] button[type=submit]')
        one.page.wait_for_url("**/parties*")


def officer_records(one: Walk, kind: str) -> None:
    """A paper of the hospital's that covers everything of its kind, from today on."""
    page = one.page
    one.open(f"/papers/new?kind={kind}")
    page.select_option("#exporter", "hospital-a")
    page.fill("#number", f"DEMO-{kind}")
    for box in page.query_selector_all('[name^="scope-"][value="*"]'):
        box.check()
    answers = {"ciio_check": "no", "important_data_check": "no", "guardian_consent": "nobody_under_14"}
    if kind in answers:
        page.check(f'[name=answer][value="{answers[kind]}"]')
    if kind == "standard_contract":
        page.fill("#filed_on", page.input_value("#effective_from"))
        page.fill("#persons", "1000")
    page.click('form[action="/papers"] button[type=submit]')
    page.wait_for_url("**/papers/paper-*")


def researcher_asks(one: Walk, package: str) -> str:
    page = one.page
    one.open(f"/releases/new?package={package}")
    page.select_option("#recipient", "competent_authority")
    page.select_option("#circle", "org-authority")
    page.fill("#purpose", "境外注册审评")
    page.fill("#authorisation", "DEMO-AUTHORISATION-1")
    page.fill("#encryption", "tls-1.3")
    page.check('[name=foreign_judicial_request][value="no"]')
    page.click('form[action="/releases"] button')
    page.wait_for_url("**/releases/release-*")
    assert "生效的标准合同备案或认证" in page.inner_text("main")
    one.check()
    one.picture("journey_4_asked")
    return page.url.removeprefix(one.site.url)


def two_officers_approve(first: Walk, second: Walk, release: str) -> None:
    """The second does not see the first one's word."""
    for officer in (first, second):
        officer.open(release)
        assert WHY not in officer.page.inner_text("main")
        officer.page.fill("#reason", WHY)
        officer.page.click('[name=word][value="approve"]')
        officer.page.wait_for_load_state("networkidle")
        if officer is first:
            second.picture("journey_5_second_reviewer", release)
    assert second.page.inner_text("main").count(WHY) == 2


def researcher_is_held(one: Walk, release: str) -> None:
    one.open(release)
    one.page.click('form[action$="/complete"] button')
    one.page.wait_for_selector(".card-problem")
    said = one.page.inner_text(".card-problem")
    assert "release.provision_held" in said and "标准合同" in said
    assert [row.state for row in one.site.platform.records.all(select(Provision))] == ["held"]


def researcher_releases(one: Walk, release: str) -> None:
    one.open(release)
    one.page.click('form[action$="/complete"] button')
    one.page.wait_for_selector("text=已发布")
    one.check()
    one.picture("journey_7_released", release)


def provision_of(site: Site) -> str:
    (provision,) = site.platform.records.all(select(Provision))
    return f"/provisions/{provision.id}"


def regulator_downloads(one: Walk, package: str, folder: Path) -> None:
    """Abroad the package is open, for it was released there; the log is not. What they have verifies by itself."""
    page = one.page
    one.open(f"/packages/{package}")
    with page.expect_download() as waiting:
        page.click(f'a[href="/packages/{package}/file"]')
    got = Path(waiting.value.path()).read_bytes()
    assert hashlib.sha256(got).hexdigest() == one.site.platform.records.get(EvidencePackage, package).sha256
    one.check()
    one.picture("journey_9_download")
    (folder / "received.zip").write_bytes(got)
    shutil.unpack_archive(folder / "received.zip", folder / "received")
    (bag,) = (folder / "received").iterdir()
    told = subprocess.run(
        [sys.executable, "data/09_audit/verify.py", "."], cwd=bag, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stdout.decode()
    page.goto(f"{one.site.url}/log")
    assert "access.from_abroad" in page.inner_text("main")


def auditor_verifies_the_log(one: Walk) -> None:
    page = one.page
    one.open("/log/verify")
    page.click('form[action="/log/verify"] button')
    page.wait_for_selector("text=全部相符", timeout=SLOW)
    one.check()
    one.picture("journey_10_log")


def what_is_on_record(site: Site) -> None:
    """The persons are counted, the decision can be made again from the record, and the log is whole."""
    (provision,) = site.platform.records.all(select(Provision))
    (posting,) = site.platform.records.all(select(PersonPosting))
    assert (provision.state, posting.counted) == ("posted", True)
    assert 0 < posting.sensitive <= 30
    again = decide(provision.facts, load_pack())
    assert (again.verdict, again.personal_information_path) == ("ALLOW", "CONTRACT_OR_CERT")
    steps = ("transfer.decided", "release.voted", "release.approved", "release.held", "release.released")
    entries = site.platform.records.all(select(AuditEntry).order_by(AuditEntry.sequence))  # type: ignore[arg-type]  # SQLModel types columns as values
    said = [one.action for one in entries if one.action in (*steps, "package.downloaded")]
    assert said == [*steps, "package.downloaded"]
    released = next(json.loads(one.body) for one in entries if one.action == "release.released")
    assert released["decision"]["provisions"][0]["verdict"] == "ALLOW"
    verified = verify_records(site.platform.records, site.platform.log_signer.public_key)
    assert verified.ok, verified.findings
