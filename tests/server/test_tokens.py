"""A hospital's system at the door: the token endpoint, and uploads without a cookie."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from rwd_platform.flows import machine_keys
from rwd_platform.flows.machine_keys import ASSERTION_TYPE, GRANT
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import MachineClient, Upload
from tests.access.signing import jwks, rsa_key, signed
from tests.conftest import StandingClock
from tests.server import seed
from tests.server.conftest import LogIn

WHY = "医院信息科已提交公钥与盖章登记表，核对无误"
ADMIN = Actor("user-security", "security", "org-operator")
RSA = rsa_key()
TERMS = {
    "source_system": "his", "agreement": "A-1", "platform_role": "entrusted", "consent_version": "C-1",
    "ethics_id": "E-1",
}  # fmt: skip


@pytest.fixture
def system(platform: Platform) -> MachineClient:
    return machine_keys.register_client(platform, ADMIN, "hospital-a", "HIS 接口", jwks(RSA), WHY)


def form(platform: Platform, system: MachineClient, jti: str = "j-1", **changed: str) -> dict[str, str]:
    now = int(platform.clock().timestamp())
    claims = {
        "iss": system.id, "sub": system.id, "aud": "http://testserver/api/v1/token", "exp": now + 240, "jti": jti,
    }  # fmt: skip
    assertion = signed(RSA, {"alg": "RS384", "kid": "rsa-1"}, claims)
    return {
        "grant_type": GRANT,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **changed,
    }


def bearer(client: TestClient, platform: Platform, system: MachineClient, **changed: str) -> dict[str, str]:
    answer = client.post("/api/v1/token", data=form(platform, system, **changed))
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_system_sends_a_batch_without_any_cookie(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    """From the assertion to the queued job; the batch is its hospital's, and the log names the system."""
    head = bearer(client, platform, system)
    opened = client.post("/api/v1/uploads", json=TERMS, headers=head)
    assert opened.status_code == 201, opened.text
    id = opened.json()["id"]
    line = b'{"resourceType":"Patient","id":"p1"}\n'
    sent = client.put(f"/api/v1/uploads/{id}/files", params={"name": "p.ndjson"}, content=line, headers=head)
    assert sent.status_code == 201, sent.text
    assert client.post(f"/api/v1/uploads/{id}/close", headers=head).status_code == 202
    assert client.get(f"/api/v1/uploads/{id}", headers=head).json()["upload"]["state"] == "received"
    assert client.get(f"/api/v1/uploads/{id}/receipt", headers=head).status_code in (200, 409)
    assert platform.records.get(Upload, id).organisation_id == "hospital-a"
    assert {row.actor_id for row in platform.records.log_entries(limit=1000) if row.object_id == id} == {
        system.id
    }


def test_the_answer_is_what_the_standard_says(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    answer = client.post("/api/v1/token", data=form(platform, system))
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json()["token_type"] == "bearer" and answer.json()["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store" and "set-cookie" not in answer.headers
    again = client.post("/api/v1/token", data=form(platform, system))
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert {"code", "zh", "en", "next_zh", "next_en", "error_description"} <= set(again.json())


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [({"grant_type": "password"}, 400, "unsupported_grant_type"), ({"scope": "study.read"}, 400, "invalid_scope"),
     ({"client_assertion": ""}, 400, "invalid_request"), ({"client_assertion": "x.y.z"}, 401, "invalid_client"),
     ({"client_assertion": "x" * 100_000}, 401, "invalid_client")],
)  # fmt: skip
def test_errors_have_the_standards_names(
    client: TestClient,
    platform: Platform,
    system: MachineClient,
    changed: dict[str, str],
    status: int,
    error: str,
) -> None:
    answer = client.post("/api/v1/token", data=form(platform, system, **changed))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "x" * 100 not in answer.text


def test_a_field_that_comes_twice_is_refused(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    fields: Any = form(platform, system)
    body = "&".join(f"{name}={value}" for name, value in fields.items()) + "&scope=a&scope=b"
    head = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/api/v1/token", content=body, headers=head)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert client.post("/api/v1/token", json=fields).status_code == 400, "not a form"
    assert client.post("/api/v1/token").status_code == 400


def test_a_token_opens_uploads_of_its_own_hospital_and_nothing_else(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    seed.seed_everything(platform)
    head = bearer(client, platform, system)
    assert client.get(f"/api/v1/uploads/{seed.UPLOAD}", headers=head).status_code == 200
    assert client.get("/api/v1/uploads/upload-b", headers=head).status_code == 404
    for path in ("/api/v1/studies", "/api/v1/log", "/api/v1/quality", "/api/v1/session", "/api/v1/people"):
        assert client.get(path, headers=head).status_code == 401, path
    for path in ("/", "/uploads", "/account", f"/uploads/{seed.UPLOAD}"):
        assert client.get(path, headers=head).headers["location"].startswith("/login"), path
    assert client.get(f"/api/v1/uploads/{seed.UPLOAD}/rejects/file", headers=head).status_code == 401


def test_a_token_for_less_does_less(client: TestClient, platform: Platform, system: MachineClient) -> None:
    head = bearer(client, platform, system, scope="upload.read")
    assert client.get("/api/v1/uploads", headers=head).status_code == 200
    answer = client.post("/api/v1/uploads", json=TERMS, headers=head)
    assert (answer.status_code, answer.json()["code"]) == (401, "server.token_wrong")


@pytest.mark.parametrize("sent", ["Bearer", "Bearer ", "Bearer x", "bearer x", "BEARER " + "x" * 5000])
def test_what_is_no_token_opens_nothing_not_even_with_a_cookie_beside_it(as_user: LogIn, sent: str) -> None:
    """Whoever says they are a system is looked at as one: a bad token is not made good by a person's cookie."""
    answer = as_user("hospital-a").get("/api/v1/uploads", headers={"authorization": sent})
    assert (answer.status_code, answer.json()["code"]) == (401, "server.token_wrong")


@pytest.mark.parametrize("sent", ["", "Basic YTpi", "x"])
def test_a_header_that_a_proxy_left_there_is_no_token(as_user: LogIn, client: TestClient, sent: str) -> None:
    """A person's cookie counts beside it as ever, and without one nobody comes in."""
    assert as_user("hospital-a").get("/api/v1/uploads", headers={"authorization": sent}).status_code == 200
    assert client.get("/api/v1/uploads", headers={"authorization": sent}).status_code == 401


def test_the_log_names_the_system(
    client: TestClient, platform: Platform, system: MachineClient, as_user: LogIn
) -> None:
    bearer(client, platform, system)
    page = as_user("regulator").get("/log?action=token.issued").text
    assert "HIS 接口</a> 取得了上传令牌" in page


def test_a_token_in_the_address_or_in_a_cookie_is_not_looked_at(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    token = bearer(client, platform, system)["authorization"].split(" ")[1]
    for name in ("token", "access_token", "rwd_session"):
        assert client.get("/api/v1/uploads", params={name: token}).status_code == 401
    client.cookies.set("rwd_session", token)
    assert client.get("/api/v1/uploads").status_code == 401


def test_an_upload_ends_with_its_systems_token(
    client: TestClient, platform: Platform, system: MachineClient, clock: StandingClock
) -> None:
    head = bearer(client, platform, system)
    clock.advance(minutes=15)
    assert client.get("/api/v1/uploads", headers=head).status_code == 401
    head = bearer(client, platform, system, jti="j-2")
    machine_keys.revoke_client(platform, ADMIN, system.id, WHY)
    assert client.get("/api/v1/uploads", headers=head).status_code == 401


def test_a_real_deployment_without_an_address_issues_no_token(
    client: TestClient, platform: Platform, system: MachineClient
) -> None:
    platform.settings.demo = False
    answer = client.post("/api/v1/token", data=form(platform, system))
    assert (answer.status_code, answer.json()["code"]) == (503, "client.no_address")


# -- the page ----------------------------------------------------------------------------------------------


def test_a_system_is_registered_changed_and_revoked_on_the_page(platform: Platform, as_user: LogIn) -> None:
    admin = as_user("security")
    assert "还没有接入的系统" in admin.get("/people/clients").text
    fields = {"organisation_id": "hospital-a", "name": "HIS <b>", "keys": jwks(RSA), "reason": WHY}
    assert admin.post("/people/clients", data=fields).status_code == 303
    page = admin.get("/people/clients").text
    assert "HIS &lt;b&gt;" in page and "rsa-1" in page
    [row] = machine_keys.registered_clients(platform, ADMIN)
    changed = {"keys": jwks(rsa_key("rsa-2", 3072)), "reason": WHY}
    assert admin.post(f"/people/clients/{row.id}/keys", data=changed).status_code == 303
    assert "rsa-2" in admin.get("/people/clients").text
    assert admin.post(f"/people/clients/{row.id}/revoke", data={"reason": WHY}).status_code == 303
    assert "已撤销" in admin.get("/people/clients").text
    assert admin.post("/people/clients/none/revoke", data={"reason": WHY}).status_code == 404


def test_keys_that_were_refused_are_not_shown_again(as_user: LogIn) -> None:
    """A private one may have been pasted."""
    private = '{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB","d":"c2VjcmV0"}]}'
    fields = {"organisation_id": "hospital-a", "name": "HIS", "keys": private, "reason": WHY}
    page = as_user("security").post("/people/clients", data=fields)
    assert page.status_code == 422 and "client.keys_wrong" in page.text
    assert "c2VjcmV0" not in page.text and 'value="HIS"' in page.text
