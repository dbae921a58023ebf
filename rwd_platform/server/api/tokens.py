"""Tokens for hospitals' systems: SMART Backend Services, the token endpoint and nothing beside it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import machine_keys
from rwd_platform.flows.machine_keys import REQUEST_WRONG, TOKEN_REFUSED, TokenRequest
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Anybody, PlatformDep

router = APIRouter(prefix="/api/v1", tags=["session"], responses=REFUSALS)

_FIELDS = ("grant_type", "client_assertion_type", "client_assertion", "scope")
_BEARER = "bearer"
# RFC 6749, 5.2
_ERRORS = {
    "grant_type": "unsupported_grant_type",
    "scope": "invalid_scope",
}


class TokenOut(Out):
    """Send `access_token` as `Authorization: Bearer ...` to the addresses of uploads, within `expires_in` seconds."""

    access_token: str
    token_type: str = Field(examples=["bearer"])
    expires_in: int
    scope: str


@router.post(
    "/token",
    response_model=TokenOut,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "properties": {name: {"type": "string"} for name in _FIELDS},
                        "required": list(_FIELDS[:3]),
                    }
                }
            },
        }
    },
)
async def post_token(_: Anybody, request: Request, platform: PlatformDep) -> Response:
    """A token for a signed assertion (private_key_jwt, RS384 or ES384). An assertion is good once."""
    asked = _asked(await request.form())

    def issue() -> Response:
        try:
            address = machine_keys.token_address(platform, str(request.base_url))
            if asked is None:
                raise REQUEST_WRONG.error(field="form")
            made = machine_keys.issue_token(platform, asked, address)
        except PlatformError as error:
            return JSONResponse(
                {**error.as_dict(), "error": _error_of(error), "error_description": error.en},
                status_code=error.http,
            )
        answer = TokenOut(
            access_token=made.token, token_type=_BEARER, expires_in=made.seconds, scope=made.scope
        )
        return JSONResponse(answer.model_dump())

    return await run_in_threadpool(issue)


def _asked(form: FormData) -> TokenRequest | None:
    """None where a field comes twice, or as a file: RFC 6749, 3.2, a parameter is sent once."""
    values: dict[str, str] = {}
    for name in _FIELDS:
        sent = form.getlist(name)
        if len(sent) > 1 or not all(isinstance(one, str) for one in sent):
            return None
        values[name] = str(sent[0]) if sent else ""
    return TokenRequest(**values)


def _error_of(error: PlatformError) -> str:
    if error.problem is TOKEN_REFUSED:
        return "invalid_client"
    if error.problem is REQUEST_WRONG:
        return _ERRORS.get(str(error.details["field"]), "invalid_request")
    return "temporarily_unavailable"
