"""Templates: strict about missing names, escaping everything, with texts as pairs of zh and en."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from rwd_platform.core.text import Bilingual, Language
from rwd_platform.server import acts, charts, quality_words, texts
from rwd_platform.server.deps import Visitor, language_of, platform_of
from rwd_platform.server.inspected import watermark
from rwd_platform.server.said import said
from studies.rounding import fixed

FOLDER = Path(__file__).parent / "templates"
Menu = tuple[tuple[str, str, Bilingual, str], ...]

# address, icon, words, and the permission without which the entry is not shown.
MENU: Menu = (
    ("/", "home", Bilingual("今天要处理", "To do today"), ""),
    ("/uploads", "inbox", Bilingual("数据批次", "Batches"), "upload.read"),
    ("/quality", "gauge", Bilingual("质量评分", "Quality"), "quality.read"),
    ("/questions", "inbox", Bilingual("数据质疑", "Questions"), "question.read"),
    ("/verification-sheets", "inbox", Bilingual("源数据核查", "Source verification"), "verification.fill"),
    ("/catalogue", "file", Bilingual("数据目录", "Catalogue"), "quality.read"),
    ("/cohorts", "person", Bilingual("队列", "Cohorts"), "cohort.count"),
    ("/linkage", "person", Bilingual("三医联动", "Linkage"), "linkage.read"),
    ("/studies", "flask", Bilingual("研究", "Studies"), "study.read"),
    ("/packages", "package", Bilingual("证据包", "Packages"), "package.read"),
    ("/transfers", "border", Bilingual("数据出境", "Transfers"), "transfer.read"),
    ("/provisions", "border", Bilingual("数据提供", "Provisions"), "provision.read"),
    ("/papers", "file", Bilingual("在案文件", "Papers"), "instrument.read"),
    ("/rules", "shield", Bilingual("规则", "Rules"), "provision.read"),
    ("/parties", "person", Bilingual("主体情况", "Legal entities"), "party.record"),
    ("/releases", "send", Bilingual("发布审批", "Releases"), "release.read"),
    ("/break-glass", "key", Bilingual("应急查看", "Break-glass"), "break_glass.read"),
    ("/withdrawals", "person", Bilingual("撤回与删除", "Withdrawals"), "withdrawal.read"),
    ("/disclosures", "search", Bilingual("患者数据去向", "Where data went"), "disclosure.read"),
    ("/risk", "risk", Bilingual("识别风险", "Risk"), "risk.read"),
    ("/texts", "search", Bilingual("文本审阅", "Texts"), "text.review"),
    ("/policies", "funnel", Bilingual("策略", "Policies"), "policy.read"),
    ("/log", "book", Bilingual("操作日志", "Log"), "log.read"),
    ("/people", "person", Bilingual("账号", "Accounts"), "people.read"),
    ("/inspections", "search", Bilingual("远程核查", "Inspections"), "inspection.grant"),
)
# Which six a role works with; what else it may open is reached from its home and from the things themselves.
MENU_OF_ROLE: Mapping[str, tuple[str, ...]] = {
    "hospital": ("/", "/uploads", "/quality", "/policies", "/break-glass", "/log"),
    "researcher": ("/", "/catalogue", "/cohorts", "/studies", "/packages", "/quality"),
    "regulator": ("/", "/quality", "/studies", "/packages", "/provisions", "/log"),
    "privacy": ("/", "/releases", "/provisions", "/papers", "/break-glass", "/log"),
    "operator": ("/", "/uploads", "/quality", "/studies", "/policies", "/log"),
    "security": ("/", "/people"),
    "auditor": ("/", "/log"),
    "ethics": ("/", "/studies", "/withdrawals"),
    "inspector": ("/", "/studies", "/packages"),
}


@pass_context
def translate(context: Context, zh: str, en: str, **values: Any) -> str:
    """`t("共 {n} 项", "{n} items", n=3)` in the page's language; values are escaped."""
    text = zh if context["lang"] == "zh" else en
    return Markup(escape(text)).format(**values) if values else text  # noqa: S704 - text is escaped here


@pass_context
def say(context: Context, pair: Any) -> str:
    """A pair from code or records, in the page's language: a Bilingual, or a {"zh", "en"} object."""
    language = context["lang"]
    if isinstance(pair, Bilingual):
        return pair.in_language(language)
    if isinstance(pair, dict):
        return str(pair.get(language) or pair.get("zh") or "")
    return str(pair)


def number(value: float | int | None, digits: int | None = None) -> str:
    """Thousands with commas; `digits` decimals for floats; an en dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, int) or digits is None:
        return f"{value:,}"
    return f"{value:,.{digits}f}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    env.globals.update(
        t=translate, say=say, charts=charts, texts=texts, acts=acts, STATES=texts.STATES, problem_words=said
    )
    env.globals.update(quality_small_below=quality_words.small_below, quality_sealed=quality_words.sealed)
    filters: dict[str, Callable[..., Any]] = {
        "number": number,
        "fixed": fixed,
        "local_time": texts.local_time,
        "file_size": texts.file_size,
    }
    env.filters.update(filters)
    return env


def menu_for(visitor: Visitor | None) -> Menu:
    """The entries of the visitor's role, of those that it may open."""
    return _entries(visitor, in_menu=True)


def beside_menu(visitor: Visitor) -> Menu:
    """What the visitor may open besides: the home links to it."""
    return _entries(visitor, in_menu=False)


def _entries(visitor: Visitor | None, *, in_menu: bool) -> Menu:
    if visitor is None or visitor.must_enrol:
        return ()
    own = MENU_OF_ROLE.get(visitor.user.role, ())
    return tuple(
        entry for entry in MENU if (entry[0] in own) is in_menu and (not entry[3] or visitor.may(entry[3]))
    )


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a fragment of one, in the visitor's language."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    language: Language = language_of(request)
    html = (
        environment()
        .get_template(template)
        .render(
            request=request,
            lang=language,
            visitor=visitor,
            menu=menu_for(visitor),
            demo=platform_of(request).settings.demo,
            provider_name=platform_of(request).settings.oidc_name,
            watermark=watermark(visitor, platform_of(request).clock(), language),
            csrf_token=visitor.login.csrf_token if visitor else "",
            **values,
        )
    )
    return HTMLResponse(html, status_code=status, headers={"vary": "Cookie"})
