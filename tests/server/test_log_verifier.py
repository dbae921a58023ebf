"""What a sceptic takes from the log's pages: verifier, proof and bytes, which answer elsewhere without the platform."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.export import VERIFIER
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from tests.server.conftest import LogIn

HOSPITAL_A = Actor("user-hospital-a", "hospital", "hospital-a")
READERS = ("auditor", "regulator", "privacy", "hospital-a")


@pytest.fixture
def entry(platform: Platform) -> int:
    """An act of a hospital among others, under a signed head."""
    numbers = [
        platform.records.record(Act(HOSPITAL_A, "receipt.read", Object("receipt", f"r-{turn}"))).sequence
        for turn in range(5)
    ]
    make_checkpoint(platform.records, platform.log_signer, "due")
    return numbers[2]


def command_on(page: str) -> list[str]:
    (shown,) = re.findall(r"<code>(python verify_log\.py --proof [^<]*)</code>", page)
    return shlex.split(html.unescape(shown))


@pytest.mark.parametrize("login", READERS)
def test_the_entrys_page_gives_all_that_its_command_needs(
    platform: Platform, as_user: LogIn, entry: int, login: str, tmp_path: Path
) -> None:
    """Each file under the name it is downloaded as, the command as it stands on the page, the key from where the page
    says: it verifies in a bare interpreter, and no longer once a byte of the entry is another."""
    client = as_user(login)
    page = client.get(f"/log/{entry}").text
    for href in (f"/log/{entry}.proof", f"/log/{entry}.json", "/log/verify_log.py"):
        assert f'href="{href}"' in page
        file = client.get(href)
        (name,) = re.findall(r'attachment; filename="([^"]+)"', file.headers["content-disposition"])
        (tmp_path / name).write_bytes(file.content)
    assert 'href="/log/checkpoints#key"' in page
    (key,) = re.findall(r">([0-9a-f]{64})<", client.get("/log/checkpoints").text.split('id="key"')[1])
    python, *rest, placeholder = command_on(page)
    assert (python, placeholder) == ("python", "日志公钥")
    call = [sys.executable, "-I", "-S", *rest, key]
    good = subprocess.run([*call, "--json"], cwd=tmp_path, capture_output=True, check=False)
    told = json.loads(good.stdout)
    assert (good.returncode, told["ok"], told["sequence"]) == (0, True, entry)
    body = tmp_path / f"entry-{entry}.json"
    body.write_bytes(body.read_bytes().replace(b"receipt.read", b"receipt.reaD"))
    assert subprocess.run(call, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_the_verifier_is_byte_for_byte_that_of_an_export(as_user: LogIn) -> None:
    file = as_user("regulator").get("/log/verify_log.py")
    assert file.content == VERIFIER.read_bytes() and file.headers["content-type"].startswith("text/x-python")
    assert "attachment" in file.headers["content-disposition"]


def test_who_may_not_read_the_log_is_not_given_it(as_user: LogIn) -> None:
    assert as_user("security").get("/log/verify_log.py").status_code == 403
    client = as_user("auditor")
    client.cookies.clear()
    assert client.get("/log/verify_log.py").status_code in (303, 401)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_of_verification_offers_it_and_says_where_the_key_is(as_user: LogIn, language: str) -> None:
    page = as_user("regulator", language=language).get("/log/verify").text
    assert 'href="/log/verify_log.py"' in page and 'href="/log/checkpoints#key"' in page
    assert ("Download the offline verifier" if language == "en" else "下载离线核验程序") in page


def test_an_entry_without_a_proof_has_no_command(platform: Platform, as_user: LogIn, entry: int) -> None:
    late = platform.records.record(Act(HOSPITAL_A, "receipt.read", Object("receipt", "late"))).sequence
    page = as_user("auditor").get(f"/log/{late}").text
    assert "--proof" not in page and f'href="/log/{late}.json"' in page
