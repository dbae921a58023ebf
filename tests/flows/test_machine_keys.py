"""Systems: who registers them, what their token may do, and that an assertion is good once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.access.clients import find_machine
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import machine_keys
from rwd_platform.flows.machine_keys import ASSERTION_TYPE, GRANT, TokenRequest
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import ClientAssertion, ClientToken, MachineClient
from tests.access.signing import ec_key, jwks, rsa_key, signed
from tests.conftest import StandingClock
from tests.flows.test_people import WHY, code, entries

ADMIN = Actor("user-security", "security", "org-operator")
ADDRESS = "https://rwd.example/api/v1/token"
RSA, EC = rsa_key(), ec_key()


@pytest.fixture
def client(platform: Platform) -> MachineClient:
    return machine_keys.register_client(platform, ADMIN, "org-hospital-a", "HIS 接口", jwks(RSA), WHY)


def assertion(platform: Platform, client: MachineClient, **changed: Any) -> str:
    now = int(platform.clock().timestamp())
    claims = {"iss": client.id, "sub": client.id, "aud": ADDRESS, "exp": now + 240, "iat": now, "jti": "j-1"}
    return signed(RSA, {"alg": "RS384", "kid": "rsa-1"}, {**claims, **changed})


def ask(platform: Platform, text: str, scope: str = "") -> machine_keys.Issued:
    return machine_keys.issue_token(platform, TokenRequest(GRANT, ASSERTION_TYPE, text, scope), ADDRESS)


def test_a_system_acts_as_its_hospital_for_a_quarter_of_an_hour(
    platform: Platform, client: MachineClient, clock: StandingClock
) -> None:
    made = ask(platform, assertion(platform, client))
    found = find_machine(platform.records, made.token)
    assert found is not None and found.actor == Actor(client.id, "hospital", "org-hospital-a")
    assert found.scopes == {"upload.create", "upload.read", "receipt.read"} and made.seconds == 900
    clock.advance(minutes=14, seconds=59)
    assert find_machine(platform.records, made.token) is not None
    clock.advance(seconds=1)
    assert find_machine(platform.records, made.token) is None
    issued = entries(platform, "token.issued")[-1]
    assert issued["actor"] == {"id": client.id, "role": "hospital", "org": "org-hospital-a"}


def test_the_token_is_random_and_stored_only_as_a_hash(platform: Platform, client: MachineClient) -> None:
    tokens = [ask(platform, assertion(platform, client, jti=f"j-{n}")).token for n in range(3)]
    assert len(set(tokens)) == 3 and all(len(token) >= 43 for token in tokens)
    stored = str([row.model_dump() for row in platform.records.all(select(ClientToken))])
    log = b"".join(row.body for row in platform.records.log_entries(limit=1000))
    assert not any(token in stored or token.encode() in log for token in tokens)
    [row, *_] = platform.records.all(select(ClientToken))
    assert find_machine(platform.records, row.token_sha256) is None


@pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "a" * 100_000, "' OR 1=1 --"])
def test_a_token_that_is_none_is_nobodys(platform: Platform, client: MachineClient, token: str) -> None:
    ask(platform, assertion(platform, client))
    assert find_machine(platform.records, token) is None


def test_an_assertion_is_good_once(platform: Platform, client: MachineClient, clock: StandingClock) -> None:
    text = assertion(platform, client)
    ask(platform, text)
    assert code(lambda: ask(platform, text)) == "client.token_refused"
    clock.advance(seconds=239)
    assert code(lambda: ask(platform, text)) == "client.token_refused"
    assert [one["reason"] for one in entries(platform, "token.refused")] == ["replayed", "replayed"]
    assert code(lambda: ask(platform, assertion(platform, client, exp=int(clock.now.timestamp()) + 60))) == (
        "client.token_refused"
    ), "the same id in a new assertion"


def test_ids_of_assertions_are_kept_until_they_would_have_run_out(
    platform: Platform, client: MachineClient, clock: StandingClock
) -> None:
    """Then they are forgotten, and the assertion itself is too old: the table does not grow for ever."""
    text = assertion(platform, client)
    ask(platform, text)
    clock.advance(seconds=271)
    assert code(lambda: ask(platform, text)) == "client.token_refused"
    ask(platform, assertion(platform, client, jti="j-2"))
    assert len(platform.records.all(select(ClientAssertion))) == 1


def test_of_two_who_send_the_same_assertion_at_once_one_wins(
    platform: Platform, client: MachineClient
) -> None:
    text, barrier = assertion(platform, client), threading.Barrier(4)

    def send(_: int) -> str:
        barrier.wait()
        try:
            ask(platform, text)
        except PlatformError as error:
            return error.code
        return "issued"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == ["client.token_refused"] * 3 + ["issued"]
    assert len(platform.records.all(select(ClientToken))) == 1


def test_two_systems_may_use_the_same_id(platform: Platform, client: MachineClient) -> None:
    other = machine_keys.register_client(platform, ADMIN, "org-hospital-b", "LIS", jwks(RSA), WHY)
    ask(platform, assertion(platform, client))
    ask(platform, assertion(platform, other))


def test_a_system_cannot_sign_for_another(platform: Platform, client: MachineClient) -> None:
    other = machine_keys.register_client(platform, ADMIN, "org-hospital-b", "LIS", jwks(EC), WHY)
    assert code(lambda: ask(platform, assertion(platform, other))) == "client.token_refused"
    assert entries(platform, "token.refused")[-1]["reason"] == "unknown_key"


def test_every_refusal_looks_alike(platform: Platform, client: MachineClient) -> None:
    """Unknown, revoked, badly signed, late: one answer, so that nobody learns which systems there are."""
    gone = machine_keys.register_client(platform, ADMIN, "org-hospital-b", "LIS", jwks(RSA), WHY)
    machine_keys.revoke_client(platform, ADMIN, gone.id, WHY)
    now = int(platform.clock().timestamp())
    unknown = MachineClient(
        id="client-none", organisation_id="", name="", jwks={}, registered_by="", registered_at=""
    )
    told = []
    for text in (
        assertion(platform, unknown), assertion(platform, gone), assertion(platform, client, exp=now),
        assertion(platform, client)[:-4] + "AAAA", "nonsense", "x" * 10_000,
    ):  # fmt: skip
        with pytest.raises(PlatformError) as caught:
            ask(platform, text)
        told.append(caught.value.as_dict())
    assert all(one == told[0] for one in told)


def test_refusals_do_not_flood_the_log_and_do_not_lock_the_system_out(
    platform: Platform, client: MachineClient
) -> None:
    """Anybody may send nonsense in a system's name: five entries in five minutes, and it still comes in."""
    wrong = assertion(platform, client)[:-4] + "AAAA"
    for _ in range(30):
        code(lambda: ask(platform, wrong))
    assert len(entries(platform, "token.refused")) == 5
    assert ask(platform, assertion(platform, client)).token


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"grant_type": "password"}, "grant_type"), ({"grant_type": ""}, "grant_type"),
     ({"client_assertion_type": "jwt"}, "client_assertion_type"), ({"client_assertion": ""}, "client_assertion"),
     ({"scope": "upload.create study.read"}, "scope"), ({"scope": "*"}, "scope"),
     ({"scope": "people.manage"}, "scope")],
)  # fmt: skip
def test_a_request_that_lacks_something_says_what(
    platform: Platform, client: MachineClient, changed: dict[str, str], field: str
) -> None:
    fields = {
        "grant_type": GRANT,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": "x",
        **changed,
    }
    with pytest.raises(PlatformError, match=field) as caught:
        machine_keys.issue_token(platform, TokenRequest(**fields), ADDRESS)
    assert caught.value.code == "client.request_wrong"


def test_a_token_is_for_what_was_asked_and_no_more(platform: Platform, client: MachineClient) -> None:
    made = ask(platform, assertion(platform, client), "receipt.read")
    found = find_machine(platform.records, made.token)
    assert found is not None and found.scopes == {"receipt.read"} and made.scope == "receipt.read"


def test_the_address_is_the_deployments_own(platform: Platform) -> None:
    """Whoever asks chooses the name in the request: it counts in the demo alone."""
    assert machine_keys.token_address(platform, "http://testserver/") == "http://testserver/api/v1/token"
    platform.settings.public_url = "https://rwd.example/"
    assert machine_keys.token_address(platform, "http://evil.example/") == ADDRESS
    platform.settings.public_url, platform.settings.demo = "", False
    assert code(lambda: machine_keys.token_address(platform, "http://evil.example/")) == "client.no_address"


# -- registering -----------------------------------------------------------------------------------------


def test_other_keys_end_the_old_ones_and_their_tokens(platform: Platform, client: MachineClient) -> None:
    token = ask(platform, assertion(platform, client)).token
    machine_keys.rotate_keys(platform, ADMIN, client.id, jwks(EC), WHY)
    assert find_machine(platform.records, token) is None
    assert code(lambda: ask(platform, assertion(platform, client, jti="j-2"))) == "client.token_refused"
    assert entries(platform, "client.keys_rotated")[-1]["reason"] == WHY


def test_a_revoked_system_is_out_at_once_and_for_good(platform: Platform, client: MachineClient) -> None:
    token = ask(platform, assertion(platform, client)).token
    machine_keys.revoke_client(platform, ADMIN, client.id, WHY)
    assert find_machine(platform.records, token) is None
    assert code(lambda: ask(platform, assertion(platform, client, jti="j-2"))) == "client.token_refused"
    for act in (
        lambda: machine_keys.revoke_client(platform, ADMIN, client.id, WHY),
        lambda: machine_keys.rotate_keys(platform, ADMIN, client.id, jwks(EC), WHY),
    ):
        assert code(act) == "client.is_revoked"


@pytest.mark.parametrize("role", ["hospital", "researcher", "operator", "privacy", "auditor", "inspector"])
def test_nobody_but_a_security_administrator_registers_systems(platform: Platform, role: str) -> None:
    who = Actor("user-x", role, "org-operator")
    assert (
        code(lambda: machine_keys.register_client(platform, who, "org-hospital-a", "HIS", jwks(RSA), WHY))
        == "access.not_allowed"
    )
    assert code(lambda: machine_keys.registered_clients(platform, who)) == "access.not_allowed"


@pytest.mark.parametrize(
    ("organisation", "said"),
    [("org-authority", "client.not_a_hospital"), ("org-x", "people.organisation_unknown")],
)
def test_a_system_belongs_to_a_hospital(platform: Platform, organisation: str, said: str) -> None:
    assert (
        code(lambda: machine_keys.register_client(platform, ADMIN, organisation, "HIS", jwks(RSA), WHY))
        == said
    )


def test_a_private_key_is_refused_and_kept_nowhere(platform: Platform) -> None:
    document = json.dumps({"keys": [{**RSA.jwk, "d": "c2VjcmV0LW51bWJlcg"}]})
    with pytest.raises(PlatformError) as caught:
        machine_keys.register_client(platform, ADMIN, "org-hospital-a", "HIS", document, WHY)
    assert caught.value.code == "client.keys_wrong" and "私钥" in caught.value.zh
    assert "c2VjcmV0" not in str(caught.value.as_dict()) and not platform.records.all(select(MachineClient))
    assert b"c2VjcmV0" not in b"".join(row.body for row in platform.records.log_entries(limit=1000))


def test_a_system_that_is_not_there_is_not_found(platform: Platform) -> None:
    assert code(lambda: machine_keys.revoke_client(platform, ADMIN, "client-x", WHY)) == "records.not_found"
