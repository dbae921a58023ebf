"""A regulator's day in a browser: find, read, follow a number, ask, get the answer, download, verify elsewhere.

The package is a real one, of thirty of the demonstration's patients. What is downloaded is checked by its own program
alone: by a Python that has none of ours, in a folder of its own, with nothing in its environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import open_platform
from rwd_platform.flows.release import release_to_authority
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study, run_study
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, EvidencePackage, PackageQuestion
from rwd_platform.settings import Settings
from tests.flows.papers import put_papers
from tests.flows.releasing import CONDITIONS
from tests.flows.saying import say_everything
from tests.flows.sending import received
from tests.flows.test_study import PROTOCOL, thirty_patients
from tests.flows.unsealing import unseal
from tests.pages.conftest import Site, _serve
from tests.pages.test_researcher_journey import CLERK, WIDE, Walk
from tests.server.conftest import settle_people

pytestmark = pytest.mark.pages

RESEARCHER = Actor("user-researcher", "researcher", "org-operator")
OFFICERS = (
    Actor("user-privacy", "privacy", "org-operator"),
    Actor("user-privacy-2", "privacy", "org-operator"),
)
ASKED = "请说明本数字所依据的受试者如何确定"
ANSWER = "按方案的纳入标准，见报告“队列与流失”一节"
CLOSED = "已说明清楚，没有其他问题"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A package on record and released to the authority; its reader has not seen it yet."""
    platform = open_platform(Settings(home=tmp_path_factory.mktemp("regulator") / "home", demo=True))
    settle_people(platform)
    upload = received(platform, {"all.ndjson": thirty_patients()}, CLERK)
    admit_upload(platform, CLERK, upload)
    study = freeze_protocol(
        platform, RESEARCHER, register_study(platform, RESEARCHER, PROTOCOL).id, "方案经审定"
    )
    check_quality(platform, RESEARCHER)
    lock_data(platform, RESEARCHER, study.id)
    run_study(platform, RESEARCHER, study.id)
    unseal(platform, study.id)
    say_everything(platform, RESEARCHER, study.id)
    package = assemble_evidence(platform, RESEARCHER, study.id, "post_market", "authority")
    put_papers(platform, ("org-authority",), "hospital-a")
    release_to_authority(
        platform, package.id, requester=RESEARCHER, officers=OFFICERS, authority="org-authority",
        conditions=CONDITIONS, reasons=("依据充分，同意提供给主管部门", "加密方式与授权依据均已核对"),
    )  # fmt: skip
    url, server = _serve(platform)
    yield Site(platform, url, {"PACKAGE": f"/packages/{package.id}"})
    server.should_exit = True


def test_find_read_follow_ask_download_and_verify_elsewhere(browser: Any, site: Site, tmp_path: Path) -> None:
    reader, team = (Walk(browser, site, login, "zh") for login in ("regulator", "researcher"))
    package = find(reader)
    read(reader)
    question = ask_at_a_number(reader)
    answer(team, question)
    close(reader, question)
    bag = download(reader, package, tmp_path)
    verify_elsewhere(bag, site, tmp_path)
    what_is_on_record(site, package)
    for one in (reader, team):
        assert one.foreign == [] and one.complaints == []


def find(one: Walk) -> EvidencePackage:
    """From the home to the list to the package, by links alone."""
    page = one.page
    one.open("/")
    page.click('nav a[href="/packages"]')
    page.click(f'a[href="{one.site.made["PACKAGE"]}"]')
    page.wait_for_selector("#numbers")
    one.check()
    (package,) = one.site.platform.records.all(select(EvidencePackage))
    assert package.id in page.inner_text("main")
    return package


def read(one: Walk) -> None:
    """What is in it and which lists were answered; verified in one click; nothing runs out of a phone."""
    page = one.page
    for section in ("#parts", "#checklists", "#versions", "#contents"):
        assert page.query_selector(section) is not None, section
    page.click('form[action$="/verify"] button')
    page.wait_for_selector("#verification >> text=每一项核对都成立", timeout=60_000)
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate(WIDE)
    page.set_viewport_size({"width": 1280, "height": 900})


def ask_at_a_number(one: Walk) -> str:
    """A number of the report, its derivation down to the lines of files, and a question where it stands."""
    page = one.page
    one.open(one.site.made["PACKAGE"])
    page.fill("#find", "subjects")
    page.click('form[role="search"] button')
    page.click("a.number-link >> nth=0")
    page.wait_for_selector("article.chain")
    told = page.inner_text("article.chain")
    assert "来源文件" in told and "行来源记录" in told
    page.click("article.chain >> text=就这个数字提问")
    page.fill("#text", ASKED)
    one.check()
    page.click('form[action$="/ask"] button')
    page.wait_for_url("**/package-questions/*")
    one.check()
    return page.url.removeprefix(one.site.url)


def answer(one: Walk, question: str) -> None:
    """The team's home says that an answer is owed, and leads there."""
    page = one.page
    one.open("/")
    page.click('a[href="/package-questions"] >> nth=0')
    page.click(f'a[href="{question}"]')
    assert ASKED in page.inner_text("main")
    page.fill("#text-answer", ANSWER)
    page.click('form[action$="/answers"] button')
    page.wait_for_selector(f"text={ANSWER}")
    one.check()


def close(one: Walk, question: str) -> None:
    one.open(question)
    assert ANSWER in one.page.inner_text("main")
    one.page.fill("#text-close", CLOSED)
    one.page.click('form[action$="/close"] button')
    one.page.wait_for_selector(f"text={CLOSED}")


def download(one: Walk, package: EvidencePackage, folder: Path) -> Path:
    page = one.page
    one.open(one.site.made["PACKAGE"])
    with page.expect_download() as waiting:
        page.click(f'a[href="{one.site.made["PACKAGE"]}/file"]')
    got = folder / "received.zip"
    shutil.copyfile(waiting.value.path(), got)
    assert hashlib.sha256(got.read_bytes()).hexdigest() == package.sha256
    shutil.unpack_archive(got, folder / "received")
    (bag,) = (folder / "received").iterdir()
    return bag


def verify_elsewhere(bag: Path, site: Site, folder: Path) -> None:
    """With the key that the platform publishes; a package with one digit changed is refused by the same program."""
    key = site.platform.package_signer.public_key.hex()
    python = bare_python(folder)
    assert verify(python, bag, key).returncode == 0
    assert verify(python, bag, "00" * 32).returncode != 0
    numbers = bag / "data/06_report/numbers.json"
    numbers.chmod(0o644)
    numbers.write_bytes(numbers.read_bytes().replace(b"30", b"31", 1))
    refused = verify(python, bag, key)
    assert refused.returncode != 0 and b"numbers.json" in refused.stdout + refused.stderr


def bare_python(folder: Path) -> Path:
    """The interpreter that ours was made from, without one package: none of the platform can be imported."""
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = subprocess.run(
        [python, "-I", "-S", "-c", "import rwd_platform"],
        cwd=folder,
        env={},
        capture_output=True,
        check=False,
    )
    assert b"ModuleNotFoundError" in found.stderr
    return python


def verify(python: Path, bag: Path, key: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [python, "-I", "-S", "data/09_audit/verify.py", ".", "--key", key],
        cwd=bag, env={"LANG": os.environ.get("LANG", "C.UTF-8")}, capture_output=True, check=False, timeout=300,
    )  # fmt: skip


def what_is_on_record(site: Site, package: EvidencePackage) -> None:
    """The question is closed, and whatever the regulator saw or took is in the log under their name."""
    (question,) = site.platform.records.all(select(PackageQuestion))
    assert question.state == "review_closed" and question.ard_id
    bodies = [json.loads(one.body) for one in site.platform.records.all(select(AuditEntry))]
    done = {one["action"] for one in bodies if one["actor"]["id"] == "user-regulator"}
    assert {"package.downloaded", "package.verified", "trace.read"} <= done, sorted(done)
