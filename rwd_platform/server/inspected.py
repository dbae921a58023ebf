"""What an inspector is shown: one entry of the log for each page, and the words that stand across it."""

from __future__ import annotations

from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rwd_platform.core.clock import SHANGHAI
from rwd_platform.core.text import Language
from rwd_platform.flows.inspections import note_page
from rwd_platform.flows.platform import Platform
from rwd_platform.server.deps import Visitor


class InspectionReads:
    """Before an answer with data leaves for an inspector its entry is written; where that fails, nothing leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})  # the very one that routes write to

        async def send_noted(message: Message) -> None:
            visitor: Visitor | None = state.get("visitor")
            if (
                message["type"] == "http.response.start"
                and 200 <= message["status"] < 300
                and state.get("shows_data")
                and visitor is not None
                and visitor.inspection is not None
            ):
                platform: Platform = scope["app"].state.platform
                await run_in_threadpool(note_page, platform, visitor.actor, visitor.inspection, scope["path"])
                MutableHeaders(scope=message)["x-inspection"] = visitor.inspection.id
            await send(message)

        await self.app(scope, receive, send_noted)


def watermark(visitor: Visitor | None, now: datetime, language: Language) -> str:
    """Who looks at this page, for whom, by which inspection and when; "" for everybody but an inspector."""
    if visitor is None or visitor.inspection is None:
        return ""
    organisation = visitor.organisation
    named = "" if organisation is None else organisation.name_zh if language == "zh" else organisation.name_en
    at = now.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    zone = "北京时间" if language == "zh" else "Asia/Shanghai"
    return " · ".join(
        part for part in (visitor.user.name, named, visitor.inspection.id, f"{at} {zone}") if part
    )
