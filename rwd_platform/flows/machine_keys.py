"""Hospitals' systems: registered with their public keys, given a token for a signed assertion (SMART Backend Services).

A security administrator registers, changes and revokes; the system itself proves with its private key, which never
leaves the hospital. An assertion is good once, for five minutes at most, and for this address alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from rwd_platform.access import clients
from rwd_platform.access.assertions import (
    AssertionRefused,
    KeysRefused,
    check_assertion,
    checked_keys,
    client_of,
)
from rwd_platform.access.attempts import LOGIN_LOCKED, count_attempt
from rwd_platform.access.permissions import Action, check_may
from rwd_platform.access.policy import may_exist
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.people_problems import ORGANISATION_UNKNOWN, checked_name, checked_reason
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import MachineClient, Organisation

TOKEN_PATH = "/api/v1/token"  # noqa: S105 - an address
GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_KEYS = 20_000  # characters of a key set

WHY_KEYS = {
    "no_json": Bilingual("不是严格的 JSON", "it is no strict JSON"),
    "no_keys": Bilingual(
        "应为含 1 至 8 个公钥的 JWK 集", "it should be a JWK set of one to eight public keys"
    ),
    "no_key": Bilingual(
        "其中有一项不是带编号（kid）的 RSA 或 P-384 公钥",
        "one of them is no RSA or P-384 public key with an id (kid)",
    ),
    "private_key": Bilingual("其中含有私钥", "it holds a private key"),
    "weak_key": Bilingual(
        "其中有密钥过弱：RSA 至少 2048 位，椭圆曲线须为 P-384",
        "a key is too weak: RSA has 2048 bits at least, a curve is P-384",
    ),
    "wrong_use": Bilingual(
        "其中有密钥的用途或算法不是 RS384/ES384 签名",
        "the use or algorithm of a key is not signing with RS384 or ES384",
    ),
    "kid_twice": Bilingual("两个密钥的编号（kid）相同", "two keys have one id (kid)"),
}

KEYS_WRONG = Problem(
    code="client.keys_wrong",
    zh="公钥未登记：{why_zh}。",
    en="The keys were not registered: {why}.",
    next_zh="请由医院系统导出公钥（JWK 集）后重新提交；私钥不得离开医院，误发的私钥应立即更换。",
    next_en="Have the hospital's system export its public keys (a JWK set). A private key never leaves the hospital;"
    " one that was sent has to be replaced.",
    http=422,
)
NOT_A_HOSPITAL = Problem(
    code="client.not_a_hospital",
    zh="只有医疗机构的系统可以接入上传。",
    en="Only hospitals' systems send uploads.",
    next_zh="请选择类别为医疗机构的机构。",
    next_en="Choose an organisation that is a hospital.",
    http=422,
)
IS_REVOKED = Problem(
    code="client.is_revoked",
    zh="该系统的接入已撤销。",
    en="This system was revoked.",
    next_zh="撤销后不再恢复；请重新登记。",
    next_en="There is no way back: register it anew.",
    http=409,
    exit=Exit.REFUSED,
)
TOKEN_REFUSED = Problem(
    code="client.token_refused",
    zh="系统断言无效，未签发令牌。",
    en="The assertion is not valid; no token was issued.",
    next_zh="请核对：已登记的密钥与 kid、RS384 或 ES384、iss = sub = 系统编号、aud 为本接口地址、5 分钟内到期、"
    "jti 未用过、时钟已校准。",
    next_en="Check: a registered key and its kid, RS384 or ES384, iss = sub = the system's id, aud = this address, an"
    " end within five minutes, a jti that is new, a clock that is right.",
    http=401,
    exit=Exit.REFUSED,
)
REQUEST_WRONG = Problem(
    code="client.request_wrong",
    zh="令牌请求不完整或含有不支持的值：{field}。",
    en="The request for a token lacks something or asks for what there is not: {field}.",
    next_zh="请以表单发送 grant_type、client_assertion_type、client_assertion，scope 可省略。",
    next_en="Send grant_type, client_assertion_type and client_assertion as a form; scope may be left out.",
    http=400,
)
NO_ADDRESS = Problem(
    code="client.no_address",
    zh="平台没有设置对外地址，无法核对断言的接收方。",
    en="The platform's public address is not set, so that nobody can tell whom an assertion is addressed to.",
    next_zh="请管理员设置 RWD_PUBLIC_URL（如 https://rwd.example）后重试。",
    next_en="Set RWD_PUBLIC_URL (https://rwd.example for instance) and try again.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class TokenRequest:
    """The fields of a request for a token, as they were sent."""

    grant_type: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Issued:
    """A token, this once, and what it is for."""

    token: str
    scope: str
    seconds: int = int(clients.LIFE.total_seconds())


def register_client(
    platform: Platform, actor: Actor, organisation_id: str, name: str, keys: str, reason: str
) -> MachineClient:
    """Put a hospital's system on record with its public keys. Raises KEYS_WRONG and NOT_A_HOSPITAL."""
    with refusals_recorded(platform.records, actor, Action.CLIENT_MANAGE, "machine_client", ""):
        check_may(actor, Action.CLIENT_MANAGE)
        said, now = checked_reason(reason), platform.clock()
        row = MachineClient(
            id=new_id("client", now),
            organisation_id=organisation_id,
            name=checked_name(name, longest=120, field="name of the system", field_zh="系统名称"),
            jwks=_keys(keys),
            registered_by=actor.id,
            registered_at=as_text(now),
        )
        organisation = platform.records.find(Organisation, organisation_id)
        if organisation is None:
            raise ORGANISATION_UNKNOWN.error()
        if not may_exist(Role.HOSPITAL, organisation.kind):
            raise NOT_A_HOSPITAL.error()
        act = Act(actor, "client.registered", Object("machine_client", row.id), reason=said)
        platform.records.write(row, audit=act)
    return row


def rotate_keys(platform: Platform, actor: Actor, client_id: str, keys: str, reason: str) -> MachineClient:
    """Other public keys in place of the old ones. Tokens that were issued by those end."""
    with refusals_recorded(platform.records, actor, Action.CLIENT_MANAGE, "machine_client", client_id):
        check_may(actor, Action.CLIENT_MANAGE)
        said, pinned = checked_reason(reason), _keys(keys)
        act = Act(actor, "client.keys_rotated", Object("machine_client", client_id), reason=said)
        with platform.records.transaction(audit=act) as session:
            row = _in_use(session.get(MachineClient, client_id), client_id)
            row.jwks = pinned
            session.add(row)
            clients.end_tokens(session, client_id)
    return row


def revoke_client(platform: Platform, actor: Actor, client_id: str, reason: str) -> MachineClient:
    """The system is out at once: its tokens end, and no assertion of it is taken."""
    with refusals_recorded(platform.records, actor, Action.CLIENT_MANAGE, "machine_client", client_id):
        check_may(actor, Action.CLIENT_MANAGE)
        act = Act(actor, "client.revoked", Object("machine_client", client_id), reason=checked_reason(reason))
        with platform.records.transaction(audit=act) as session:
            row = _in_use(session.get(MachineClient, client_id), client_id)
            row.revoked_at = as_text(platform.clock())
            session.add(row)
            clients.end_tokens(session, client_id)
    return row


def registered_clients(platform: Platform, actor: Actor) -> list[MachineClient]:
    """Every system, those in use first."""
    check_may(actor, Action.CLIENT_MANAGE)
    rows = platform.records.all(
        select(MachineClient).order_by(col(MachineClient.organisation_id), col(MachineClient.id))
    )
    return sorted(rows, key=lambda row: row.revoked_at != "")


def token_address(platform: Platform, asked_at: str) -> str:
    """The address that an assertion has to name. Raises NO_ADDRESS.

    asked_at -- where the request arrived: good in the demo alone, because whoever asks chooses it
    """
    base = platform.settings.public_url.rstrip("/")
    if not base and platform.settings.demo:
        base = asked_at.rstrip("/")
    if not base:
        raise NO_ADDRESS.error()
    return base + TOKEN_PATH


def issue_token(platform: Platform, asked: TokenRequest, address: str) -> Issued:
    """A token for a valid assertion. Raises REQUEST_WRONG and, whatever was wrong with the assertion, TOKEN_REFUSED."""
    scopes = _checked_request(asked)
    try:
        client_id = client_of(asked.client_assertion)
    except AssertionRefused:
        raise TOKEN_REFUSED.error() from None
    client = platform.records.find(MachineClient, client_id)
    if client is None or client.revoked_at:
        raise _refusal(platform, client, "revoked")
    try:
        now = platform.clock()
        claims = check_assertion(
            asked.client_assertion, client.jwks, client_id=client.id, audience=address, now=now
        )
        act = Act(
            clients.actor_of(client),
            "token.issued",
            Object("machine_client", client.id),
            purpose=" ".join(scopes),
        )
        with platform.records.transaction(audit=act) as session:
            current = session.get(MachineClient, client.id)
            if current is None or current.revoked_at or current.jwks != client.jwks:
                raise AssertionRefused("revoked")
            if not clients.spend_assertion(session, client, claims, now):
                raise AssertionRefused("replayed")
            token = clients.add_token(session, client, scopes, now)
    except AssertionRefused as refused:
        raise _refusal(platform, client, str(refused)) from None
    return Issued(token, " ".join(scopes))


def _checked_request(asked: TokenRequest) -> list[str]:
    """The actions that are asked for; all that there are where none is named."""
    if asked.grant_type != GRANT:
        raise REQUEST_WRONG.error(field="grant_type")
    if asked.client_assertion_type != ASSERTION_TYPE:
        raise REQUEST_WRONG.error(field="client_assertion_type")
    if not asked.client_assertion:
        raise REQUEST_WRONG.error(field="client_assertion")
    wanted = asked.scope.split()
    known = [action.value for action in clients.SCOPES]
    if not set(wanted) <= set(known):
        raise REQUEST_WRONG.error(field="scope")
    return [one for one in known if one in wanted] if wanted else known


def _refusal(platform: Platform, client: MachineClient | None, why: str) -> PlatformError:
    """The same answer whatever was wrong. The log says why, five times in five minutes: it is not for flooding."""
    if client is not None:
        act = Act(
            Actor("anonymous", "", client.organisation_id),
            "token.refused",
            Object("machine_client", client.id),
            reason=why,
            outcome="refused",
        )
        try:
            count_attempt(platform.records, f"client/{client.id}")
        except PlatformError as error:
            if error.problem is not LOGIN_LOCKED:
                raise
        else:
            platform.records.record(act)
    return TOKEN_REFUSED.error()


def _keys(document: str) -> dict[str, Any]:
    try:
        if len(document) > LONGEST_KEYS:
            raise KeysRefused("no_keys")
        return checked_keys(document)
    except KeysRefused as refused:
        why = WHY_KEYS[str(refused)]
        raise KEYS_WRONG.error(why=why.en, why_zh=why.zh) from None


def _in_use(row: MachineClient | None, client_id: str) -> MachineClient:
    if row is None:
        raise NOT_FOUND.error(kind="machine_client", id=client_id[:80])
    if row.revoked_at:
        raise IS_REVOKED.error()
    return row
