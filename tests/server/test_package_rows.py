"""The tier of rows and whom they are sealed to: on the list of packages, on a package's page, between two versions."""

from __future__ import annotations

from typing import Any

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import PackageDossier
from studies.evidence.recipient import read_recipient
from tests.evidence.submission.keys import recipient
from tests.server import reading, seed
from tests.server.conftest import LogIn
from tests.server.test_pages import visible_text

TOLD = read_recipient(recipient().certificate.decode()).as_dict()
OTHER = read_recipient(recipient(place=1).certificate.decode()).as_dict()
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def study(platform: Platform) -> Platform:
    seed.seed_upload(platform)
    seed.seed_study(platform)
    return platform


def put(platform: Platform, id: str, tier: str, told: Any = None, **more: Any) -> None:
    described = {"row_data_tier": tier} | ({"sealed_to": told} if told else {})
    payload = reading.files() | ({"data/03_data/rows.p7m": b"\x30"} if tier == "T3" else {})
    reading.put(platform, id, described=described, payload=payload, **more)
    seed._write(platform, PackageDossier(
        package_id=id, organisation_id="org-operator", profile="reg_drug", tier=tier, basis="0" * 64, sealed_to=""
    ))  # fmt: skip


def text(page: str) -> str:
    return " ".join(visible_text(page).split())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_list_and_page_tell_the_tier_and_the_certificate(
    study: Platform, as_user: LogIn, language: str
) -> None:
    put(study, "EP-one", "T1")
    put(study, "EP-two", "T3", TOLD, version=2)
    client = as_user("regulator", language=language)
    listed = client.get("/packages").text
    one, two = (next(line for line in listed.splitlines() if id in line) for id in ("EP-one", "EP-two"))
    assert "T1" in one and "CN=" not in one
    assert "T3" in two and "CN=recipient-0" in two and TOLD["sha256"][:16] in two and "2036-01-01" in two
    page = client.get("/packages/EP-two").text
    shown = text(page[page.index('id="rows"') : page.index("</dl>", page.index('id="rows"'))])
    for said in ("T3", TOLD["subject"], TOLD["issuer"], TOLD["serial"], TOLD["sha256"], "2036-01-01"):
        assert said in shown
    assert "CN=" not in client.get("/packages/EP-one").text


def test_to_whom_a_package_was_not_released_its_recipient_is_not_told(
    study: Platform, as_user: LogIn
) -> None:
    put(study, "EP-two", "T3", TOLD, released=False)
    client = as_user("regulator")
    for address in ("/packages", "/packages/EP-two"):
        page = client.get(address).text
        assert "T3" in page and "CN=recipient" not in page and TOLD["sha256"][:16] not in page
    assert "CN=recipient-0" in as_user("researcher").get("/packages").text


@pytest.mark.parametrize("told", [None, "x", [], {"subject": HOSTILE}, TOLD | {"valid_until": HOSTILE}])
def test_a_package_of_before_and_one_that_is_broken_take_no_page_with_them(
    study: Platform, as_user: LogIn, told: Any
) -> None:
    put(study, "EP-two", "T3", told)
    reading.put(study, "EP-oldest", version=2)
    client = as_user("regulator")
    assert HOSTILE not in client.get("/packages").text
    page = client.get("/packages/EP-two")
    assert page.status_code == 200 and "包内未写明接收方" in page.text
    oldest = client.get("/packages/EP-oldest")
    assert oldest.status_code == 200 and 'id="rows"' not in oldest.text


def test_a_hostile_name_stays_a_name(study: Platform, as_user: LogIn) -> None:
    put(study, "EP-one", "T3", TOLD | {"subject": HOSTILE, "issuer": HOSTILE})
    put(study, "EP-two", "T3", OTHER, version=2)
    client = as_user("regulator")
    for address in ("/packages", "/packages/EP-one", "/packages/EP-two/changes/EP-one"):
        page = client.get(address).text
        assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_two_versions_tell_rows_added_and_another_recipient(
    study: Platform, as_user: LogIn, language: str
) -> None:
    put(study, "EP-one", "T1")
    put(study, "EP-two", "T3", TOLD, version=2)
    put(study, "EP-three", "T3", OTHER, version=3)
    client = as_user("regulator", language=language)
    added = text(client.get("/packages/EP-two/changes/EP-one").text)
    assert "T1" in added and "T3" in added and "CN=recipient-0" in added and "rows.p7m" in added
    changed = text(client.get("/packages/EP-three/changes/EP-two").text)
    assert changed.index("CN=recipient-0") < changed.index("CN=recipient-1") and "rows.p7m" in changed
    found = client.get("/api/v1/packages/EP-three/changes/EP-two").json()
    assert found["rows"]["after"]["sealed_to"]["sha256"] == OTHER["sha256"]
    assert found["rows"]["same"] == {"tier": True, "sealed_to": False}
    assert "data/03_data/rows.p7m" in found["files"]["changed"]
