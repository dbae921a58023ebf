"""The home of each role: first what needs this person, then what changed."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.server import queries, scorecards
from rwd_platform.server.deps import LoggedIn, PlatformDep, Visitor
from rwd_platform.server.queries import UploadSummary
from rwd_platform.server.templating import render

router = APIRouter()

_RECENT = 6
# A study's state, what it waits for, and the permission of who does that.
_NEXT_STEP = {
    "registered": (Bilingual("方案待冻结", "protocol waits to be frozen"), "study.freeze"),
    "frozen": (Bilingual("数据待锁定", "data wait to be locked"), "study.lock"),
    "locked": (Bilingual("分析待运行", "analyses wait to be run"), "study.run"),
    "analysed": (Bilingual("证据包待生成", "evidence package waits to be made"), "package.assemble"),
}


@dataclass(frozen=True)
class Todo:
    """One thing that needs this person. `tone` names icon and colour."""

    tone: str
    text: Bilingual
    href: str
    button: Bilingual


@router.get("/")
def get_home(visitor: LoggedIn, request: Request, platform: PlatformDep) -> Response:
    recent = queries.uploads(platform.records, visitor, limit=_RECENT) if visitor.may("upload.read") else []
    return render(
        request,
        "home.html",
        todos=[
            *_uploads_to_do(visitor, recent),
            *_studies_to_do(platform, visitor),
            *_to_decide(platform, visitor),
        ],
        uploads=recent,
        scorecard=_scorecard(platform, visitor),
        studies=queries.studies(platform.records, visitor) if visitor.may("study.read") else [],
        packages=queries.packages(platform.records, visitor)[:_RECENT] if visitor.may("package.read") else [],
        transfers=queries.transfers(platform.records, visitor)[:_RECENT]
        if visitor.may("transfer.read")
        else [],
        next_steps={state: words for state, (words, _) in _NEXT_STEP.items()},
    )


def _uploads_to_do(visitor: Visitor, uploads: list[UploadSummary]) -> list[Todo]:
    todos = []
    for one in uploads:
        href = f"/uploads/{one.upload.id}"
        if one.upload.state == "failed":
            text = Bilingual("一个批次处理失败", "A batch could not be admitted")
            todos.append(Todo("bad", text, href, Bilingual("查看原因", "See why")))
        elif one.upload.state == "open" and visitor.may("upload.create"):
            text = Bilingual("一个批次尚未完成上传", "A batch was begun and not completed")
            todos.append(Todo("held", text, href, Bilingual("继续", "Continue")))
        elif one.to_correct and visitor.may("upload.create"):
            text = Bilingual(
                f"{one.to_correct:,} 条未被接收，可修正后重传",
                f"{one.to_correct:,} units were kept out and can be corrected and sent again",
            )
            todos.append(Todo("held", text, f"{href}#rejects", Bilingual("查看原因", "See why")))
    return todos


def _studies_to_do(platform: Platform, visitor: Visitor) -> list[Todo]:
    if not visitor.may("study.read"):
        return []
    todos = []
    for study in queries.studies(platform.records, visitor):
        words, action = _NEXT_STEP[study.state]
        packaged = study.state == "analysed" and queries.packages(platform.records, visitor, study.id)
        if visitor.may(action) and not packaged:
            text = Bilingual(f"{study.title_zh}：{words.zh}", f"{study.title_en}: {words.en}")
            todos.append(Todo("quiet", text, f"/studies/{study.id}", Bilingual("去处理", "Go on")))
    return todos


def _to_decide(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Transfers that are held, for whoever decides about transfers."""
    if not visitor.may("transfer.read"):
        return []
    todos = []
    for one in queries.transfers(platform.records, visitor):
        if one.verdict == "HOLD":
            text = Bilingual(f"出境申请暂缓：{one.title_zh}", f"Transfer on hold: {one.title_en}")
            todos.append(
                Todo("held", text, f"/transfers/{one.id}", Bilingual("查看缺什么", "See what is missing"))
            )
    return todos


def _scorecard(platform: Platform, visitor: Visitor) -> scorecards.Scorecard | None:
    runs = queries.quality_runs(platform.records, limit=1) if visitor.may("quality.read") else []
    return scorecards.read(platform.records, runs[0], visitor) if runs else None
